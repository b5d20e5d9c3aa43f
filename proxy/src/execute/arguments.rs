//! The parameters of SQL's PREPARE and the arguments of EXECUTE. An argument that is more than a literal has a type
//! of its own, and PostgreSQL converts it to the parameter's: `EXECUTE q (1.5)` gives an integer parameter 2. So a
//! server computes it, in a prepared statement of the same parameters.

use router::ids::{ServerId, quote_identifier};
use router::sql::Arguments;

use crate::error::ClientError;
use crate::execute::executor::Executor;
use crate::execute::opening::Hindrance;
use crate::execute::prepared::{Inferred, Prepared, Types};
use crate::execute::transaction::Mode;
use crate::execute::trouble::Trouble;
use crate::wire::view::Fields;

/// What a server says of a prepared statement's parameters.
const PARAMETERS: &str = "SELECT pg_catalog.array_to_string(parameter_types, ', '), \
     pg_catalog.array_to_string(parameter_types::pg_catalog.oid[], ',') FROM pg_catalog.pg_prepared_statements \
     WHERE name = ";

impl Executor {
    /// Has a server check a prepared text, and say of which types its parameters are.
    pub(super) async fn check_on(&mut self, server: ServerId, prepared: &Prepared) -> Result<(), Trouble> {
        let name = self.ready_now(server, prepared).await?;
        let parameters = self.statement_of(prepared)?.map_or(0, |statement| statement.parameter_count());
        if parameters == 0 && prepared.declared() == 0 {
            return Ok(());
        }
        let question = format!("{PARAMETERS}{}", router::ids::quote_literal(&name));
        let outcome = self.connection(server).simple(&question).await?.ok()?;
        let value = |index: usize| outcome.rows.first()?.get(index)?.as_deref();
        let oids = value(1).unwrap_or_default().split(',').filter_map(|oid| oid.parse().ok()).collect();
        prepared.infer(Inferred { names: value(0).unwrap_or_default().to_owned(), oids });
        Ok(())
    }

    /// The values of EXECUTE's arguments in text form, as the parameters' types have them.
    ///
    /// # Errors
    /// PostgreSQL's own; 0A000 where their text would not be all of them, or where they may read rows of any
    /// tenant.
    pub async fn values_of(
        &mut self,
        arguments: &Arguments,
        prepared: &Prepared,
    ) -> Result<Vec<Option<String>>, Trouble> {
        let (count, text, before) = match arguments {
            Arguments::Literals(values) => return Ok(values.clone()),
            Arguments::Computed { count, text, before } => (*count, text, *before),
        };
        let Some(inferred) = prepared.inferred().cloned().filter(|_| self.writes_whole_values()) else {
            return Err(ClientError::unsupported(
                "computed arguments of EXECUTE where values are not written as a whole",
                "Write the arguments as plain literals, or bind them as parameters.",
            )
            .into());
        };
        let outputs: Vec<String> = (1..=count).map(|number| format!("${number}")).collect();
        let types =
            Prepared::new(format!("SELECT {}", outputs.join(", ")).into(), Types::Names(inferred.names));
        let computed = self.computed_arguments(text, before + self.before, &types).await;
        if self.transaction.mode == Mode::Auto {
            self.end_of_message().await?;
        }
        computed
    }

    async fn computed_arguments(
        &mut self,
        text: &str,
        before: usize,
        types: &Prepared,
    ) -> Result<Vec<Option<String>>, Trouble> {
        let alone = self.inner_statement(&format!("SELECT {text}"))?;
        let server = loop {
            let decision = self.decide(&alone, &[]).await?;
            match self.branch(&decision.plan.legs[0], &decision).await {
                Ok(_) => break decision.plan.legs[0].server,
                Err(Hindrance::Replan) => self.await_news(&decision).await?,
                Err(Hindrance::Trouble(trouble)) => return Err(trouble),
            }
        };
        let name = self.ready_now(server, types).await?;
        let head = format!("EXECUTE {} (", quote_identifier(&name));
        let outcome = self.connection(server).simple(&format!("{head}{text})")).await?;
        let outcome = outcome.ok().map_err(|error| moved(&error, head.chars().count(), before))?;
        self.executed(server);
        Ok(outcome.rows.into_iter().next().unwrap_or_default())
    }
}

/// The error as it points into the client's text, where the arguments stand behind `before` characters.
fn moved(error: &Fields, head: usize, before: usize) -> Fields {
    let place = error.get(b'P').and_then(|place| place.parse::<usize>().ok()?.checked_sub(head));
    let other = error.iter().filter(|(letter, _)| *letter != b'P');
    let other = other.map(|(letter, value)| (letter, value.to_owned()));
    Fields::new(other.chain(place.map(|place| (b'P', (place + before).to_string()))).collect())
}
