//! Query: one text with one or several statements, run as one transaction where the client opened
//! none, exactly as PostgreSQL does.

use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use router::catalog::SearchPath;
use router::sql::{Kind, Learned, Statement};

use crate::client::session::Session;
use crate::client::text::malformed;
use crate::error::ClientError;
use crate::execute::rows::Rows;
use crate::execute::run::Ask;
use crate::execute::transaction::Mode;
use crate::execute::trouble::Trouble;
use crate::net::peer::PeerGone;
use crate::wire::frame::Frame;
use crate::wire::view::Query;
use crate::wire::write;

impl Session {
    pub(super) async fn simple(&mut self, frame: &Frame) -> Result<(), PeerGone> {
        // What the extended protocol has begun since the last Sync is of one transaction with this.
        if self.is_in_pipeline()
            && let Err(trouble) = Box::pin(self.join_pipeline()).await
        {
            // The pipeline had failed before this message: it is skipped up to Sync, as PostgreSQL does.
            return Box::pin(self.stumble(trouble)).await;
        }
        // A simple query ends the unnamed statement and portal.
        self.portals.remove("");
        self.prepared.remove("");
        let query = match Query::read(frame) {
            Ok(query) => query,
            Err(fault) => return Box::pin(self.refuse(malformed(fault))).await,
        };
        match self.text(query.text) {
            Ok(text) => self.query(&text).await,
            Err(error) => Box::pin(self.refuse(error)).await,
        }
    }

    /// Answers a simple query that is none.
    async fn refuse(&mut self, error: ClientError) -> Result<(), PeerGone> {
        self.trouble(error.into()).await?;
        self.ready();
        self.peer.flush().await
    }

    /// Answers one Query message, up to and with its ReadyForQuery.
    ///
    /// # Errors
    /// The client is gone.
    pub(super) async fn query(&mut self, text: &str) -> Result<(), PeerGone> {
        let catalog = self.executor.catalog();
        let path = self.executor.search_path();
        let learned = self.executor.database.learn(text, &catalog, &path);
        let outcome = match &*learned {
            Learned::Empty => {
                write::empty_query(self.peer.out());
                Ok(None)
            }
            Learned::SyntaxError | Learned::TooComplex => {
                Box::pin(self.executor.complain(text)).await.map(|()| None)
            }
            Learned::Statements(statements) => {
                self.statements(text, statements, (catalog.version, path)).await
            }
        };
        self.finish_query(outcome).await?;
        self.ready();
        self.peer.flush().await
    }

    /// Runs the statements in order; the last CommandComplete is the result.
    async fn statements(
        &mut self,
        text: &str,
        statements: &[Arc<Statement>],
        (version, path): (u64, SearchPath),
    ) -> Result<Option<Bytes>, Trouble> {
        let several = statements.len() > 1;
        let (mut last, mut read, mut counted) = (None, 0, 0);
        for (index, statement) in statements.iter().enumerate() {
            if several && let Some(at) = text[read..].find(statement.text()) {
                counted += text[read..read + at].chars().count();
                self.executor.before = counted;
                counted += statement.text().chars().count();
                read += at + statement.text().len();
            }
            if several && !statement.is_transaction_control() {
                self.executor.open_implicit();
            }
            if self.executor.is_behind() && self.executor.needs_catalog(statement) {
                let text = self.text_meant(statement);
                Box::pin(self.executor.catch_up(&text)).await?;
            }
            if self.executor.is_puzzled_by(statement) {
                Box::pin(self.executor.look_again()).await;
            }
            let same = self.executor.catalog().version == version && self.executor.search_path() == path;
            let statement = match same {
                true => Arc::clone(statement),
                false => self.again(statement)?,
            };
            let completion = self.statement(&statement, &[]).await?;
            match index + 1 == statements.len() {
                true => last = completion,
                false => self.peer.out().extend_from_slice(&completion.unwrap_or_default()),
            }
            if !several && self.executor.transaction.mode == Mode::Auto {
                self.executor.end_of_message().await?;
            }
        }
        Ok(last)
    }

    /// The statement's text, or that of the one which an EXECUTE runs.
    fn text_meant(&self, statement: &Statement) -> Arc<str> {
        if let Kind::Execute { name, .. } = statement.kind()
            && let Some(prepared) = self.prepared.get(name)
        {
            return Arc::clone(&prepared.text);
        }
        statement.text().into()
    }

    /// A statement whose text was read before another one of it changed the schema or the search path.
    fn again(&mut self, statement: &Arc<Statement>) -> Result<Arc<Statement>, Trouble> {
        let catalog = self.executor.catalog();
        let path = self.executor.search_path();
        match &*self.executor.database.learn(statement.text(), &catalog, &path) {
            Learned::Statements(statements) if statements.len() == 1 => Ok(Arc::clone(&statements[0])),
            _ => Err(ClientError::internal("a statement cannot be read a second time").into()),
        }
    }

    /// Runs one statement of a simple query, the session's own or a server's.
    pub(super) async fn statement(
        &mut self,
        statement: &Arc<Statement>,
        parameters: &[router::plan::Parameter<'_>],
    ) -> Result<Option<Bytes>, Trouble> {
        let begun = Instant::now();
        if statement.is_session_command()
            && let Some(completion) = Box::pin(self.command(statement)).await?
        {
            self.executor.count_local(begun);
            return Ok(Some(completion));
        }
        if self.executor.transaction.failed {
            return Err(ClientError::failed_transaction().into());
        }
        if let Some(answer) = Box::pin(self.answer_of_process(statement, parameters)).await? {
            let ask = Ask { statement: &answer, parameters: &[], formats: &[], describe: true };
            return self.executor.run(&mut self.peer, ask, &mut Rows::through()).await;
        }
        let config = self.config_of(statement, parameters)?;
        let ask = Ask { statement, parameters, formats: &[], describe: true };
        let completion = self.executor.run(&mut self.peer, ask, &mut Rows::through()).await?;
        if !config.is_empty() {
            Box::pin(self.track(config, self.executor.alone)).await?;
        }
        Ok(completion)
    }

    /// Ends the message's transaction where it is not the client's, then says how it went.
    pub(super) async fn finish_query(
        &mut self,
        outcome: Result<Option<Bytes>, Trouble>,
    ) -> Result<(), PeerGone> {
        self.executor.before = 0;
        let outcome = match outcome {
            Ok(completion) => self.executor.end_of_message().await.map(|()| completion),
            Err(trouble) => Err(trouble),
        };
        self.pass_notices();
        match outcome {
            Ok(completion) => self.peer.out().extend_from_slice(&completion.unwrap_or_default()),
            Err(trouble) => Box::pin(self.trouble(trouble)).await?,
        }
        Ok(())
    }
}
