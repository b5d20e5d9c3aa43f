//! Statements that the session answers itself, or that change what it knows of itself. Those of prepared statements are
//! here, those of transactions in `transactions`, those of settings in `set`.

use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use router::plan::Parameter;
use router::sql::{Arguments, Discarded, Kind, Statement};

use crate::client::session::Session;
use crate::error::ClientError;
use crate::execute::prepared::{Prepared, Types};
use crate::execute::rows::Rows;
use crate::execute::run::Ask;
use crate::execute::settings::{Replaced, Setting};
use crate::execute::transaction::Mode;
use crate::execute::trouble::Trouble;
use crate::wire::view::Fields;
use crate::wire::write;

impl Session {
    /// Runs a statement of the session's own; `None` where it is the servers'.
    ///
    /// # Errors
    /// What PostgreSQL would answer, or a refusal.
    pub(super) async fn command(&mut self, statement: &Arc<Statement>) -> Result<Option<Bytes>, Trouble> {
        let failed = self.executor.transaction.failed;
        let tag = match statement.kind() {
            Kind::Begin { text, read_only } => self.begin(text, *read_only)?,
            Kind::Commit { chain } => return self.commit(*chain).await.map(Some),
            Kind::Rollback { chain } => return self.rollback(*chain).await.map(Some),
            Kind::RollbackTo(name) => return self.rollback_to(name).await.map(Some),
            Kind::PrepareTransaction => return self.prepare_transaction(statement).await.map(Some),
            _ if failed => return Err(ClientError::failed_transaction().into()),
            Kind::Savepoint(name) => return self.savepoint(name).await.map(Some),
            Kind::Release(name) => return self.release(name).await.map(Some),
            Kind::Set { name, scope, value, text } => {
                let setting = Setting { value: value.clone(), statement: text.clone() };
                self.set(statement, name, *scope, setting).await?;
                "SET"
            }
            Kind::Reset(name) => {
                self.reset(statement, Replaced::One(name)).await?;
                self.executor.settings.reset(name);
                self.executor.look_up_parameters().await;
                "RESET"
            }
            Kind::ResetAll => {
                self.reset(statement, Replaced::All).await?;
                self.executor.settings.reset_all();
                self.executor.look_up_parameters().await;
                "RESET"
            }
            Kind::Show(name) if name.starts_with("pgherd.") => return self.show(name).await.map(Some),
            Kind::Deallocate(name) => self.deallocate(name.as_deref())?,
            Kind::Discard(what) => return self.discard(statement, *what).await,
            Kind::Prepare { name, types, body } => self.prepare(name, types, body).await?,
            Kind::Execute { name, arguments } => return self.execute_prepared(name, arguments).await,
            _ => return Ok(None),
        };
        Ok(Some(complete(tag)))
    }

    fn deallocate(&mut self, name: Option<&str>) -> Result<&'static str, Trouble> {
        match name {
            None => {
                self.prepared.clear();
                Ok("DEALLOCATE ALL")
            }
            Some(name) => match self.prepared.remove(name) {
                Some(_) => Ok("DEALLOCATE"),
                None => Err(ClientError::no_such_statement(name).into()),
            },
        }
    }

    async fn discard(
        &mut self,
        statement: &Arc<Statement>,
        what: Discarded,
    ) -> Result<Option<Bytes>, Trouble> {
        match what {
            Discarded::All => {
                if self.executor.transaction.mode != Mode::Auto {
                    return Err(ClientError::new(
                        "25001",
                        "DISCARD ALL cannot run inside a transaction block",
                    )
                    .into());
                }
                self.prepared.clear();
                self.portals.clear();
                let fresh = self.executor.settings.are_as_begun();
                self.executor.settings.discard_all();
                self.executor.let_go();
                self.executor.end_kept().await;
                if !fresh {
                    self.executor.reported.note_reset();
                    self.executor.look_up_parameters().await;
                }
                Ok(Some(complete("DISCARD ALL")))
            }
            Discarded::Plans => Ok(Some(complete("DISCARD PLANS"))),
            Discarded::Temp | Discarded::Sequences => {
                if what == Discarded::Sequences {
                    self.executor.on_branches(statement.text()).await?;
                }
                self.executor.on_held(statement.text()).await?;
                Ok(Some(complete(if what == Discarded::Temp { "DISCARD TEMP" } else { "DISCARD SEQUENCES" })))
            }
        }
    }

    async fn prepare(&mut self, name: &str, types: &str, body: &str) -> Result<&'static str, Trouble> {
        if self.prepared.contains(name) {
            return Err(ClientError::duplicate_statement(name).into());
        }
        let prepared = Arc::new(Prepared::new(body.into(), Types::Names(types.to_owned())));
        self.executor.check(&prepared).await?;
        self.prepared.insert(name, prepared);
        Ok("PREPARE")
    }

    /// SQL's EXECUTE: the statement is planned with the arguments' values; it runs under the name that
    /// the server knows it by.
    async fn execute_prepared(
        &mut self,
        name: &str,
        arguments: &Arguments,
    ) -> Result<Option<Bytes>, Trouble> {
        let prepared = self.executed_as(name)?;
        self.executor.check_arguments(name, &prepared, arguments.count())?;
        let arguments = self.executor.values_of(arguments, &prepared).await?;
        let statement = self.executor.statement_of(&prepared)?;
        let Some(statement) = statement else { return Ok(Some(complete(""))) };
        let parameters: Vec<Parameter<'_>> = arguments
            .iter()
            .enumerate()
            .map(|(index, value)| Parameter {
                type_oid: prepared.type_oid(index),
                binary: false,
                value: value.as_deref().map(str::as_bytes),
            })
            .collect();
        if let Some(completion) = Box::pin(self.command(&statement)).await? {
            return Ok(Some(completion));
        }
        let ask =
            Ask { statement: &statement, parameters: &parameters, formats: &[], describe: self.describes };
        if let Some(answer) = Box::pin(self.answer_of_process(&statement, &parameters)).await? {
            let ask = Ask { statement: &answer, parameters: &[], formats: &[], describe: self.describes };
            return self.executor.run(&mut self.peer, ask, &mut Rows::through()).await;
        }
        let config = self.config_of(&statement, &parameters)?;
        let completion = self.executor.run_prepared(&mut self.peer, ask, &prepared).await?;
        self.track(config, self.executor.alone).await?;
        Ok(completion)
    }
}

/// A WARNING to the client.
pub(super) fn warn(out: &mut BytesMut, sqlstate: &str, message: &str) {
    say_besides(out, "WARNING", sqlstate, message);
}

/// A notice of the proxy's own.
pub(super) fn say_besides(out: &mut BytesMut, severity: &str, sqlstate: &str, message: &str) {
    let fields = [(b'S', severity), (b'V', severity), (b'C', sqlstate), (b'M', message)];
    write::notice(out, &Fields::new(fields.map(|(letter, value)| (letter, value.to_owned())).to_vec()));
}

/// The end of a statement that the session answers itself.
pub(super) fn complete(tag: &str) -> Bytes {
    let mut out = BytesMut::new();
    write::command_complete(&mut out, tag);
    out.freeze()
}
