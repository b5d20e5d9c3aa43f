//! What the extended protocol needs of the servers: statements readied on connections, replies read in
//! their order, and a pipeline that turns from one server to another made one transaction.

use std::collections::VecDeque;
use std::sync::Arc;

use bytes::Bytes;
use router::ids::{ServerId, quote_identifier, quote_literal};
use router::plan::{Leg, Parameter, Plan, Role, Tenants, Way};
use router::sql::{Learned, Statement};

use crate::error::ClientError;
use crate::execute::executor::Executor;
use crate::execute::opening::{Hindrance, must};
use crate::execute::planned::Decision;
use crate::execute::prepared::{Prepared, Readied};
use crate::execute::relay::{Expect, Relay};
use crate::execute::rows::Rows;
use crate::execute::run::Ask;
use crate::execute::transaction::Mode;
use crate::execute::trouble::Trouble;
use crate::metrics::Count;
use crate::net::peer::Peer;
use crate::pool::Lent;
use crate::wire::{Frame, view};

impl Executor {
    /// What a prepared text says; `None` for an empty one, or for one that only a server can judge.
    ///
    /// # Errors
    /// 42601 where it holds several statements.
    pub fn statement_of(&mut self, prepared: &Prepared) -> Result<Option<Arc<Statement>>, Trouble> {
        let version = self.catalog_version();
        if let Some(statement) = prepared.known(version, self.path_of_now(), |known| known.statement.clone())
        {
            return Ok(statement);
        }
        let (catalog, path) = (self.catalog(), self.search_path());
        match &*self.database.learn(&prepared.text, &catalog, &path) {
            Learned::Statements(statements) => match statements.as_slice() {
                [only] => Ok(Some(prepared.note(catalog.version, path, only))),
                _ => Err(ClientError::new(
                    "42601",
                    "cannot insert multiple commands into a prepared statement",
                )
                .into()),
            },
            Learned::Empty | Learned::SyntaxError => Ok(None),
            Learned::TooComplex => Err(ClientError::unsupported(
                "the statement is too large or too deeply nested to be analysed",
                "Split it, or pass its values as parameters.",
            )
            .into()),
        }
    }

    /// True for a text that PostgreSQL's grammar refuses.
    pub fn is_unreadable(&mut self, prepared: &Prepared) -> bool {
        let (catalog, path) = (self.catalog(), self.search_path());
        matches!(*self.database.learn(&prepared.text, &catalog, &path), Learned::SyntaxError)
    }

    /// SQL's EXECUTE gives as many arguments as its statement takes.
    ///
    /// # Errors
    /// 42601 where it does not.
    pub fn check_arguments(&mut self, name: &str, prepared: &Prepared, given: usize) -> Result<(), Trouble> {
        let counted = self.statement_of(prepared)?.map_or(0, |statement| statement.parameter_count());
        let wanted = prepared.declared().max(usize::from(counted));
        if given == wanted {
            return Ok(());
        }
        let message = format!("wrong number of parameters for prepared statement \"{name}\"");
        let detail = format!("Expected {wanted} parameters but got {given}.");
        Err(ClientError::new("42601", message).detail(detail).into())
    }

    /// The open connection of a branch.
    pub fn connection(&mut self, server: ServerId) -> &mut Lent {
        let branch = self.transaction.branches.get_mut(server);
        &mut branch.expect("the pipeline goes to an open branch").connection
    }

    /// Where the messages of the client's pipeline are written to; they wait for a Sync.
    pub fn pipeline(&mut self, server: ServerId) -> &mut Lent {
        let branch = self.transaction.branches.get_mut(server);
        let branch = branch.expect("the pipeline goes to an open branch");
        branch.unsynced = true;
        &mut branch.connection
    }

    /// Makes sure that the branch's connection has a statement.
    pub fn ready(&mut self, server: ServerId, prepared: &Prepared) -> Readied {
        let version = self.catalog_version();
        let path = self.path_of_now();
        let known = prepared.known(version, path, |known| known.fingerprint);
        let fingerprint = known.unwrap_or_else(|| prepared.fingerprint(version, &path.0));
        let branch = self.transaction.branches.get_mut(server).expect("the pipeline goes to an open branch");
        let readied = prepared.ready_on(&mut branch.connection, fingerprint);
        if readied.parsed {
            self.counters.add(Count::ServerParses, 1);
            branch.unsynced = true;
            branch.preparing.push(fingerprint);
        }
        readied
    }

    /// Something was executed on the branch: it is not to be left without its end.
    pub fn executed(&mut self, server: ServerId) {
        if let Some(branch) = self.transaction.branches.get_mut(server) {
            branch.executed = true;
        }
    }

    /// Brings the client what a branch owes it, in order.
    ///
    /// # Errors
    /// [`Trouble`]; a connection that is out of step is closed.
    pub async fn relay(
        &mut self,
        peer: &mut Peer,
        server: ServerId,
        expects: &mut VecDeque<Expect>,
    ) -> Result<(), Trouble> {
        let Some(branch) = self.transaction.branches.get_mut(server) else { return Ok(()) };
        self.reported.note_all(&branch.connection);
        let mut preparing = std::mem::take(&mut branch.preparing);
        let synced = expects.iter().any(|expect| matches!(expect, Expect::Ready));
        let mut relay = Relay::new(&mut branch.connection, peer, &mut self.reported);
        let outcome = relay.extended(expects, &mut preparing).await;
        let wrote = relay.wrote;
        self.counters.add(Count::Rows, relay.rows);
        let class = relay.class;
        self.count_error(class);
        self.count_sent(server);
        let Some(branch) = self.transaction.branches.get_mut(server) else { return outcome };
        branch.wrote |= wrote;
        match &outcome {
            Ok(()) => {
                branch.preparing = preparing;
                branch.unsynced &= !synced;
            }
            Err(Trouble::Told) => branch.unsynced = false,
            Err(_) => self.drop_branch(server),
        }
        outcome
    }

    /// Runs SQL's EXECUTE: on one server the prepared statement under the name that its server knows it by,
    /// over several as if it were sent with these parameters.
    ///
    /// # Errors
    /// [`Trouble`].
    pub async fn run_prepared(
        &mut self,
        peer: &mut Peer,
        ask: Ask<'_>,
        prepared: &Prepared,
    ) -> Result<Option<Bytes>, Trouble> {
        loop {
            let decision = self.decide(ask.statement, ask.parameters).await?;
            let leg = match decision.plan.legs.as_slice() {
                [leg] if matches!(decision.plan.way, Way::Single) => leg,
                _ => return Box::pin(self.run(peer, ask, &mut Rows::through())).await,
            };
            if !leg.fences.is_empty() {
                self.open_implicit();
            }
            match self.branch(leg, &decision).await {
                Ok(_) => {}
                Err(Hindrance::Replan) => {
                    self.await_news(&decision).await?;
                    continue;
                }
                Err(Hindrance::Trouble(trouble)) => return Err(trouble),
            }
            let text = leg.text.clone().unwrap_or_else(|| Arc::clone(&prepared.text));
            self.alone = Some(leg.server);
            let name = self.ready_now(leg.server, &Prepared::new(text, prepared.types.clone())).await?;
            self.executed(leg.server);
            self.connection(leg.server).queue_query(&execute_text(&name, ask.parameters));
            let branch = self.transaction.branches.get_mut(leg.server).expect("the branch was made above");
            let mut relay = Relay::new(&mut branch.connection, peer, &mut self.reported);
            relay.describe = ask.describe;
            let relayed = relay.simple().await;
            if let Err(trouble) = &relayed
                && !matches!(trouble, Trouble::Told)
            {
                self.drop_branch(leg.server);
            }
            let completion = relayed?.completion;
            self.note(ask.statement, &decision);
            return Ok(completion);
        }
    }

    /// Makes sure that the branch's connection has a statement, and waits for the server's word.
    ///
    /// # Errors
    /// PostgreSQL's own.
    pub async fn ready_now(&mut self, server: ServerId, prepared: &Prepared) -> Result<Arc<str>, Trouble> {
        let readied = self.ready(server, prepared);
        if !readied.parsed {
            return Ok(readied.name);
        }
        let branch = self.transaction.branches.get_mut(server).expect("the pipeline goes to an open branch");
        branch.connection.queue_sync();
        let mut error = None;
        while branch.connection.owed() > 0 {
            let frame = branch.connection.frame().await?;
            if frame.tag() == b'E' {
                error = Some(view::error_fields(&frame));
            }
        }
        branch.unsynced = false;
        let preparing = std::mem::take(&mut branch.preparing);
        match error {
            None => Ok(readied.name),
            Some(fields) => {
                for fingerprint in preparing {
                    branch.connection.statements.forget(fingerprint);
                }
                Err(fields.into())
            }
        }
    }

    /// The pipeline leaves a server that it has no more replies of. Where something was executed there
    /// outside a transaction of the client's, what was done so far becomes a transaction of the
    /// pipeline's, so that it ends with the rest.
    ///
    /// # Errors
    /// The server is gone.
    pub async fn leave(&mut self, server: ServerId) -> Result<(), Trouble> {
        if self.transaction.mode != Mode::Auto {
            return Ok(());
        }
        if self.transaction.branches.get(server).is_some_and(|branch| branch.executed) {
            return self.upgrade().await;
        }
        if let Some(mut branch) = self.transaction.branches.remove(server) {
            branch.connection.queue_sync();
            while branch.connection.owed() > 0 {
                branch.connection.frame().await?;
            }
            self.release(server, branch);
        }
        Ok(())
    }

    /// Makes of what the open pipeline has executed a transaction that ends at Sync. PostgreSQL takes
    /// a BEGIN in the middle of an implicit transaction as covering what came before it.
    ///
    /// # Errors
    /// The server is gone.
    pub async fn upgrade(&mut self) -> Result<(), Trouble> {
        if self.transaction.mode != Mode::Auto {
            return Ok(());
        }
        for branch in self.transaction.branches.values_mut().filter(|branch| !branch.begun) {
            must(&mut branch.connection, "BEGIN").await?;
            branch.begun = true;
        }
        if !self.transaction.branches.is_empty() {
            self.open_implicit();
        }
        Ok(())
    }

    /// Passes a FunctionCall message to a server, and its answer to the client. What it does there is
    /// not known: it counts as a write, and the connection is cleaned after it.
    ///
    /// # Errors
    /// [`Trouble`]; the caller lets the transaction fail.
    pub async fn call_function(
        &mut self,
        peer: &mut Peer,
        server: ServerId,
        frame: &Frame,
    ) -> Result<(), Trouble> {
        let leg = Leg::on(server);
        let directory = self.database.directory.load_near();
        let decision = Decision { plan: plan_of(leg.clone()), directory };
        match self.branch(&leg, &decision).await {
            Ok(_) => {}
            Err(Hindrance::Trouble(trouble)) => return Err(trouble),
            Err(Hindrance::Replan) => self.await_news(&decision).await?,
        }
        self.transaction.wrote.push((server, Tenants::None));
        let Some(branch) = self.transaction.branches.get_mut(server) else {
            return Err(ClientError::new("40001", "the directory changed; try again").into());
        };
        (branch.executed, branch.coded) = (true, true);
        branch.connection.out().extend_from_slice(frame.bytes());
        branch.connection.owe_ready();
        let outcome = Relay::new(&mut branch.connection, peer, &mut self.reported).simple().await;
        if let Err(trouble) = &outcome
            && !matches!(trouble, Trouble::Told)
        {
            self.drop_branch(server);
        }
        outcome.map(|_| ())
    }

    /// True where the session keeps a connection because of what lives on it.
    pub fn holds(&self) -> bool {
        self.keeping_server().is_some()
    }

    /// The server of the connection that the session keeps because of what lives on it.
    pub fn keeping_server(&self) -> Option<ServerId> {
        let mut branches = self.transaction.branches.iter();
        let open = branches.find(|(_, branch)| branch.hold.is_some()).map(|(server, _)| server);
        open.or_else(|| self.held.as_ref().map(|held| held.0))
    }

    /// The branch on the connection that the session keeps, made if there is none; `None` where the session
    /// keeps none.
    ///
    /// # Errors
    /// The connection cannot be used.
    pub async fn branch_that_holds(&mut self) -> Result<Option<ServerId>, Trouble> {
        let Some(server) = self.keeping_server() else { return Ok(None) };
        if self.transaction.branches.contains(server) {
            return Ok(Some(server));
        }
        let leg = Leg { server, text: None, fences: Vec::new() };
        let directory = self.database.directory.load_near();
        let decision = Decision { plan: plan_of(leg.clone()), directory };
        match self.branch(&leg, &decision).await {
            Ok(_) => Ok(Some(server)),
            Err(Hindrance::Trouble(trouble)) => Err(trouble),
            Err(Hindrance::Replan) => Ok(None),
        }
    }

    /// A branch on whatever server answers, for what needs no rows: parsing, describing, a setting.
    ///
    /// # Errors
    /// No server answers.
    pub async fn any_branch(&mut self) -> Result<ServerId, Trouble> {
        if let Some(server) = self.transaction.branches.servers().next() {
            return Ok(server);
        }
        let directory = self.database.directory.load_near();
        let held = self.held.as_ref().map(|held| held.0);
        let all = (0..directory.servers().len()).filter_map(|index| u16::try_from(index).ok()).map(ServerId);
        let mut last = None;
        for server in held.into_iter().chain(all) {
            let leg = Leg::on(server);
            let alive =
                self.fleet.server(&self.database, server).is_some_and(|server| server.primary().is_some());
            if !alive && last.is_some() {
                continue;
            }
            let decision = Decision { plan: plan_of(leg.clone()), directory: directory.clone() };
            if !alive {
                last = Some(crate::error::ClientError::no_primary(directory.server_name(server)).into());
                continue;
            }
            match self.branch(&leg, &decision).await {
                Ok(_) => return Ok(server),
                Err(Hindrance::Trouble(trouble)) => last = Some(trouble),
                Err(Hindrance::Replan) => {}
            }
        }
        Err(last.unwrap_or_else(|| ClientError::new("57P03", "no server is there").into()))
    }
}

/// A plan for what the proxy does on one server.
fn plan_of(leg: Leg) -> Plan {
    Plan { way: Way::Single, legs: [leg].into(), role: Role::Primary, tenants: Tenants::None, why: "".into() }
}

/// `EXECUTE name (values)`: the values as literals that take the parameters' types.
fn execute_text(name: &str, parameters: &[Parameter<'_>]) -> String {
    let literal = |parameter: &Parameter<'_>| match parameter.value {
        None => "NULL".to_owned(),
        Some(value) => quote_literal(&String::from_utf8_lossy(value)),
    };
    let values: Vec<String> = parameters.iter().map(literal).collect();
    match values.is_empty() {
        true => format!("EXECUTE {}", quote_identifier(name)),
        false => format!("EXECUTE {} ({})", quote_identifier(name), values.join(", ")),
    }
}
