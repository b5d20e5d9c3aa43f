//! What a session asks of servers on its own account: their parameters at its start, whether a setting
//! or a text is right, and the same command on each branch.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use router::ids::{ServerId, quote_literal};
use router::sql::{Kind, Learned, Statement};

use crate::catalog;
use crate::error::ClientError;
use crate::execute::executor::Executor;
use crate::execute::opening::must;
use crate::execute::prepared::Prepared;
use crate::execute::transaction::{Mode, Transaction};
use crate::execute::trouble::Trouble;
use crate::pool::Fate;
use crate::wire::view;

/// How long a token waits for a sample of a primary.
const TOKEN_WAIT: Duration = Duration::from_secs(5);
/// How long a statement waits for the catalog of a server that could not be read after DDL.
const CERTAINTY_WAIT: Duration = Duration::from_secs(5);

impl Executor {
    /// The parameters that a new session is told, from a connection with its settings.
    ///
    /// # Errors
    /// No server answers, the role may not log in, or a start-up setting is wrong.
    pub async fn introduce(&mut self) -> Result<BTreeMap<String, String>, Trouble> {
        let server = self.any_branch().await?;
        let mut parameters = self.connection(server).parameters().clone();
        parameters.remove("in_hot_standby");
        self.leave_unasked().await?;
        self.keep_nothing_yet();
        Ok(parameters)
    }

    /// Looks up the parameters that a transaction had changed, where it has ended without a server that
    /// could tell what they are now. Where none can be asked, the next statement's tells.
    pub async fn look_up_parameters(&mut self) {
        if self.reported.is_changed() && self.transaction.mode == Mode::Auto {
            if let Ok(server) = self.any_branch().await {
                self.report_parameters_of(server);
            }
            let _ = self.leave_unasked().await;
        }
    }

    fn report_parameters_of(&mut self, server: ServerId) {
        if let Some(branch) = self.transaction.branches.get(server) {
            self.reported.note_all(&branch.connection);
        }
    }

    /// Ends a transaction that nobody asked for.
    async fn leave_unasked(&mut self) -> Result<(), Trouble> {
        self.holding = None;
        self.end_of_message().await
    }

    /// Notes the parameters that changed on a branch, which the client is to be told of.
    pub fn report_parameters(&mut self) {
        if let Some(branch) = self.transaction.branches.values().next() {
            self.reported.note_all(&branch.connection);
        }
    }

    /// Runs a command on each open branch.
    ///
    /// # Errors
    /// The first branch's that fails.
    pub async fn on_branches(&mut self, sql: &str) -> Result<(), Trouble> {
        for branch in self.transaction.branches.values_mut().filter(|branch| branch.begun) {
            let outcome = branch.connection.simple(sql).await?.ok()?;
            self.notices = outcome.notices;
        }
        Ok(())
    }

    /// Has a server judge a setting, which nothing is left of there; the client hears of parameters that
    /// it changes where it `lasts`.
    ///
    /// # Errors
    /// PostgreSQL's own.
    pub async fn try_out(&mut self, sql: &str, lasts: bool) -> Result<(), Trouble> {
        let opened = self.transaction.mode;
        self.transaction.mode = Mode::Auto;
        let server = self.any_branch().await;
        self.transaction.mode = opened;
        let server = server?;
        let Some(mut branch) = self.transaction.branches.remove(server) else { return Ok(()) };
        must(&mut branch.connection, "BEGIN").await?;
        let outcome = branch.connection.simple(sql).await?;
        self.notices = outcome.notices;
        if lasts && outcome.error.is_none() {
            self.reported.note_all(&branch.connection);
        }
        must(&mut branch.connection, "ROLLBACK").await?;
        self.release(server, branch);
        match outcome.error {
            Some(error) => Err(error.into()),
            None => Ok(()),
        }
    }

    /// Calls `set_config` on every other begun branch than the one where the client did.
    ///
    /// # Errors
    /// PostgreSQL's own.
    pub async fn set_elsewhere(&mut self, done: Option<ServerId>, statement: &str) -> Result<(), Trouble> {
        let others = self.transaction.branches.iter_mut();
        for (_, branch) in others.filter(|(server, branch)| branch.begun && Some(*server) != done) {
            must(&mut branch.connection, statement).await?;
        }
        Ok(())
    }

    /// The value of a setting on a branch; `None` where nobody has set it.
    ///
    /// # Errors
    /// PostgreSQL's own.
    pub async fn setting_at(&mut self, server: ServerId, name: &str) -> Result<Option<String>, Trouble> {
        let text = format!("SELECT pg_catalog.current_setting({}, true)", quote_literal(name));
        let outcome = self.connection(server).simple(&text).await?.ok()?;
        Ok(outcome.value().map(str::to_owned))
    }

    /// Runs a command on the connection that the session keeps, if it keeps one.
    ///
    /// # Errors
    /// PostgreSQL's own.
    pub async fn on_held(&mut self, sql: &str) -> Result<(), Trouble> {
        match &mut self.held {
            Some(held) => must(&mut held.1, sql).await,
            None => Ok(()),
        }
    }

    /// The connection that the session kept is closed, with all that lived on it.
    pub fn let_go(&mut self) {
        if let Some(held) = self.held.take() {
            let (_, connection, _) = *held;
            self.fleet.pools.checkin(connection, Fate::Close);
        }
    }

    /// Has a server check a prepared text.
    ///
    /// # Errors
    /// PostgreSQL's own.
    pub async fn check(&mut self, prepared: &Prepared) -> Result<(), Trouble> {
        let server = self.any_branch().await?;
        let checked = self.check_on(server, prepared).await;
        if self.transaction.mode == Mode::Auto {
            self.end_of_message().await?;
        }
        checked
    }

    /// A text that the parser could not read, or would not: a server says what is wrong with it. It is
    /// only parsed there, never run, since nobody knows whose rows it concerns.
    ///
    /// # Errors
    /// PostgreSQL's own; 0A000 where PostgreSQL would take it.
    pub async fn complain(&mut self, text: &str) -> Result<(), Trouble> {
        let server = self.any_branch().await?;
        let connection = self.connection(server);
        connection.queue_parse("", text, &[]);
        connection.queue_sync();
        let mut error = None;
        while connection.owed() > 0 {
            let frame = connection.frame().await?;
            if frame.tag() == b'E' {
                error = Some(view::error_fields(&frame));
            }
        }
        if self.transaction.mode == Mode::Auto {
            self.end_of_message().await?;
        }
        match error {
            Some(fields) => Err(fields.into()),
            None => Err(ClientError::unsupported(
                "the statement is too large or too deeply nested to be analysed",
                "Split it, or pass its values as parameters.",
            )
            .into()),
        }
    }

    /// True where the schema has changed since the catalog was read that statements are read by.
    pub fn is_behind(&self) -> bool {
        match &self.transaction {
            Transaction { failed: true, .. } => false,
            Transaction { catalog_is_behind: true, .. } => true,
            Transaction { catalog: Some(_), .. } => false,
            Transaction { catalog: None, .. } => self.database.catalog.is_behind(),
        }
    }

    /// True where a statement names a relation that the catalog does not know: somebody may have made it
    /// meanwhile on the servers themselves, and it matters what it is.
    pub fn is_puzzled_by(&self, statement: &Statement) -> bool {
        statement.names_unknown()
            && self.standing(statement).is_none()
            && !self.transaction.failed
            && self.transaction.catalog.is_none()
            && self.needs_catalog(statement)
            && !self.is_all_on_one_server()
    }

    /// True where everything is on one server, and the session names no tenant: whatever a table is, its
    /// statements run as they are.
    fn is_all_on_one_server(&self) -> bool {
        let setting = self.database.config.tenant_setting.to_ascii_lowercase();
        self.database.directory.load().servers().len() == 1
            && self.database.catalog.load().key_type.is_none()
            && self.settings.value(&setting).is_none()
    }

    /// Reads the catalog again. Nothing may be owed by servers.
    pub async fn look_again(&self) {
        self.database.catalog.look_again(&self.fleet.servers).await;
    }

    /// True where what a statement says or where it runs depends on the catalog.
    pub fn needs_catalog(&self, statement: &Statement) -> bool {
        let goes_everywhere = matches!(statement.kind(), Kind::Ddl { temporary: false, .. })
            && self.standing(statement).is_none();
        !goes_everywhere && !statement.is_transaction_control()
    }

    /// Reads the catalog as it stands now, or, after DDL in a transaction that goes on, as this sees it.
    /// Nothing may be owed by servers. `text` is what is to be read by it.
    ///
    /// # Errors
    /// The server does not answer as it should; 55006 where the text may mean what a server that cannot be
    /// read has changed.
    pub async fn catch_up(&mut self, text: &str) -> Result<(), Trouble> {
        if !self.transaction.catalog_is_behind {
            self.database.catalog.catch_up(&self.fleet.servers).await;
            return self.be_certain(text).await;
        }
        self.transaction.catalog_is_behind = false;
        let Some(branch) = self.transaction.branches.values_mut().next() else { return Ok(()) };
        let outcome = branch.connection.simple(&catalog::question()).await?.ok()?;
        let built = self.database.catalog.of_transaction(outcome.value().unwrap_or_default());
        let built = built.map_err(|error| ClientError::internal(error.to_string()))?;
        self.transaction.catalog = Some(Arc::new(built));
        Ok(())
    }

    /// A statement that may mean what has changed waits until all servers have been read.
    async fn be_certain(&mut self, text: &str) -> Result<(), Trouble> {
        if !self.database.catalog.is_behind() || !self.is_uncertain(text) {
            return Ok(());
        }
        match self.database.catalog.read_within(CERTAINTY_WAIT).await {
            true => Ok(()),
            false => Err(ClientError::new(
                "55006",
                "the schema has changed, and a server could not be read since: \
                 what the statement's tables are is not certain",
            )
            .hint("Try again; the log says which server could not be read, and why.")
            .into()),
        }
    }

    fn is_uncertain(&mut self, text: &str) -> bool {
        let (catalog, path) = (self.catalog(), self.search_path());
        let blind = self.database.catalog.is_blind();
        match &*self.database.learn(text, &catalog, &path) {
            Learned::Statements(statements) => {
                let any = |names: fn(&Statement) -> bool| statements.iter().any(|statement| names(statement));
                any(Statement::names_uncertain) || (blind && any(Statement::names_relations))
            }
            Learned::Empty | Learned::SyntaxError | Learned::TooComplex => false,
        }
    }

    /// The session's pin as text: what another session must have replayed to see this one's writes.
    ///
    /// # Errors
    /// No sample of a primary comes in time.
    pub async fn token(&mut self) -> Result<String, Trouble> {
        let token = self.pin.token(&self.fleet.servers, TOKEN_WAIT).await;
        token.map_err(|unavailable| ClientError::new("57P03", unavailable.to_string()).into())
    }

    /// A branch broke: its connection is closed, and what it did in a transaction is lost.
    pub fn drop_branch(&mut self, server: ServerId) {
        if let Some(branch) = self.transaction.branches.remove(server) {
            self.transaction.broken |= branch.begun;
            self.lost_kept |= self.stays(&branch);
        }
    }
}
