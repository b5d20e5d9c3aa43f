//! Parse and Close: what a client has prepared, checked by a server on the way to what needs it.

use std::sync::Arc;

use router::ids::ServerId;
use router::sql::{Kind as Sort, Statement};

use crate::client::portal::{Portal, Stand};
use crate::client::session::Session;
use crate::client::text::malformed;
use crate::error::ClientError;
use crate::execute::prepared::{Prepared, Types};
use crate::execute::relay::Expect;
use crate::execute::trouble::Trouble;
use crate::metrics::Count;
use crate::wire::frame::Frame;
use crate::wire::view::{Close, Kind, Parse};
use crate::wire::write;

/// How many prepared statements a client may have.
const MOST_PREPARED: usize = 10_000;

impl Session {
    /// Handles one message of the extended protocol; Parse, Bind and Sync have functions of their own.
    ///
    /// # Errors
    /// [`Trouble`].
    pub(super) async fn extended(&mut self, frame: &Frame) -> Result<(), Trouble> {
        match frame.tag() {
            b'D' => self.describe(frame).await,
            b'E' => self.execute(frame).await,
            b'C' => self.close(frame).await,
            _ => self.flush().await,
        }
    }

    pub(super) fn parse(&mut self, frame: &Frame) -> Result<(), Trouble> {
        self.executor.counters.add(Count::ClientParses, 1);
        let parse = Parse::read(frame).map_err(malformed)?;
        let name = &*self.text(parse.name)?;
        if !name.is_empty() && self.prepared.contains(name) {
            return Err(ClientError::duplicate_statement(name).into());
        }
        if self.prepared.len() >= MOST_PREPARED {
            return Err(
                ClientError::new("53400", format!("more than {MOST_PREPARED} prepared statements")).into()
            );
        }
        let prepared =
            Arc::new(Prepared::new((*self.text(parse.text)?).into(), Types::Oids(parse.types.clone())));
        if self.executor.transaction.failed {
            let statement = self.executor.statement_of(&prepared)?;
            if statement.is_some_and(|statement| !statement.is_transaction_control()) {
                return self.not_failed();
            }
        }
        self.prepared.insert(name, Arc::clone(&prepared));
        self.unchecked.push((name.into(), prepared));
        Ok(())
    }

    /// What a prepared text says, with the schema as it stands.
    ///
    /// # Errors
    /// 42601 where it holds several statements; what the pipeline meets.
    pub(super) async fn read_now(&mut self, prepared: &Prepared) -> Result<Option<Arc<Statement>>, Trouble> {
        let statement = self.executor.statement_of(prepared)?;
        if statement.as_ref().is_some_and(|statement| self.executor.is_puzzled_by(statement)) {
            Box::pin(self.drain()).await?;
            Box::pin(self.executor.look_again()).await;
        }
        if !self.executor.is_behind() {
            return self.executor.statement_of(prepared);
        }
        if statement.is_none_or(|statement| self.executor.needs_catalog(&statement)) {
            Box::pin(self.drain()).await?;
            Box::pin(self.executor.catch_up(&prepared.text)).await?;
        }
        self.executor.statement_of(prepared)
    }

    /// What the client prepared under a name.
    ///
    /// # Errors
    /// 26000 where that is nothing.
    pub(super) fn prepared_as(&self, name: &str) -> Result<Arc<Prepared>, ClientError> {
        self.prepared.get(name).cloned().ok_or_else(|| ClientError::no_such_statement(name))
    }

    /// What an EXECUTE of this name runs. Parse lets a client prepare an EXECUTE, even of itself: one that
    /// names another has no end that is certain.
    ///
    /// # Errors
    /// 26000 where nothing has the name; 0A000 where an EXECUTE has it.
    pub(super) fn executed_as(&mut self, name: &str) -> Result<Arc<Prepared>, Trouble> {
        let prepared = self.prepared_as(name)?;
        let statement = self.executor.statement_of(&prepared)?;
        match statement.is_some_and(|statement| matches!(statement.kind(), Sort::Execute { .. })) {
            true => Err(ClientError::unsupported(
                "EXECUTE of a statement that is an EXECUTE itself is not supported",
                "Execute the statement that is meant.",
            )
            .into()),
            false => Ok(prepared),
        }
    }

    /// Nothing but the end of a failed transaction is heard.
    pub(super) fn not_failed(&self) -> Result<(), Trouble> {
        match self.executor.transaction.failed {
            true => Err(ClientError::failed_transaction().into()),
            false => Ok(()),
        }
    }

    async fn close(&mut self, frame: &Frame) -> Result<(), Trouble> {
        let close = Close::read(frame).map_err(malformed)?;
        let name = &*self.text(close.name)?;
        Box::pin(self.settle_unchecked()).await?;
        match close.kind {
            Kind::Statement => {
                self.prepared.remove(name);
            }
            Kind::Portal
                if self.executor.transaction.cursors.contains_key(name)
                    || self.executor.holds() && !self.portals.contains(name) =>
            {
                let closed = self.pass_to_cursor(name, frame, Expect::Relay(b'3')).await;
                self.executor.transaction.cursors.remove(name);
                return closed;
            }
            Kind::Portal => {
                if let Some(Portal { stand: Stand::OnServer(server), .. }) = self.portals.remove(name)
                    && self.executor.transaction.branches.contains(server)
                {
                    self.at(server).await?;
                    self.executor.pipeline(server).out().extend_from_slice(frame.bytes());
                    self.expects.push_back(Expect::Relay(b'3'));
                    return Ok(());
                }
            }
        }
        self.say(write::close_complete);
        Ok(())
    }

    /// What was parsed is checked by this server on the way; its ParseCompletes are the client's.
    pub(super) fn send_unchecked(&mut self, server: ServerId) {
        for (name, prepared) in std::mem::take(&mut self.unchecked) {
            let (_, parsed) = self.readied(server, &prepared);
            match parsed {
                true => self.expects.push_back(Expect::Parsed(name)),
                false => self.say(write::parse_complete),
            }
        }
    }

    /// What was parsed and never bound is checked by some server.
    pub(super) async fn settle_unchecked(&mut self) -> Result<(), Trouble> {
        let mut foreign = false;
        for (_, prepared) in &self.unchecked {
            foreign |= !self.executor.statement_of(prepared)?.is_some_and(|statement| is_ours(&statement));
        }
        if !foreign || self.executor.transaction.failed {
            for (name, prepared) in std::mem::take(&mut self.unchecked) {
                if self.executor.is_unreadable(&prepared) {
                    // PostgreSQL reads a text before it looks whether it may run.
                    self.prepared.remove(&name);
                    Box::pin(self.drain()).await?;
                    return Box::pin(self.executor.complain(&prepared.text)).await;
                }
                self.say(write::parse_complete);
            }
            return Ok(());
        }
        let server = self.checking_server().await?;
        self.send_unchecked(server);
        Ok(())
    }

    /// A server that may parse and describe: that of the connection that the session keeps, which alone knows what lives on it;
    /// else any, for all know the same tables.
    pub(super) async fn checking_server(&mut self) -> Result<ServerId, Trouble> {
        let keeping = self.executor.keeping_server();
        if let Some(current) = self.current()
            && keeping.is_none_or(|keeping| keeping == current)
        {
            return Ok(current);
        }
        self.read_owed().await?;
        let server = match self.executor.branch_that_holds().await? {
            Some(server) => server,
            None => self.executor.any_branch().await?,
        };
        self.current = Some(server);
        Ok(server)
    }

    pub(super) fn ready_on(&mut self, server: ServerId, prepared: &Prepared) -> Arc<str> {
        let (name, parsed) = self.readied(server, prepared);
        if parsed {
            self.expects.push_back(Expect::Swallow(b'1'));
        }
        name
    }

    fn readied(&mut self, server: ServerId, prepared: &Prepared) -> (Arc<str>, bool) {
        let readied = self.executor.ready(server, prepared);
        for _ in 0..readied.closed {
            self.expects.push_back(Expect::Swallow(b'3'));
        }
        if readied.parsed && matches!(prepared.types, Types::Names(_)) {
            self.expects.push_back(Expect::Swallow(b'1'));
            self.expects.push_back(Expect::Swallow(b'2'));
            self.expects.push_back(Expect::Swallow(b'C'));
            return (readied.name, false);
        }
        (readied.name, readied.parsed)
    }
}

/// True for the statements that the session answers itself.
pub(super) fn is_ours(statement: &Statement) -> bool {
    statement.is_session_command()
}
