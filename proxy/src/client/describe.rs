//! Describe: what a statement's parameters and a portal's columns are, before anything runs.

use std::sync::Arc;

use router::ids::ServerId;
use router::sql::{Kind as Sort, Statement};

use crate::client::extended::is_ours;
use crate::client::portal::{Bound, Stand};
use crate::client::session::Session;
use crate::client::text::{malformed, text};
use crate::error::ClientError;
use crate::execute::described::Reading;
use crate::execute::prepared::Prepared;
use crate::execute::relay::Expect;
use crate::execute::trouble::Trouble;
use crate::wire::frame::Frame;
use crate::wire::view::{Describe, Kind};
use crate::wire::write::{self, OwnColumn};

impl Session {
    /// Passes a Describe on where it is about a portal of the current server's; `false` where not.
    ///
    /// # Errors
    /// The message cannot be read.
    pub(super) fn describe_at_once(&mut self, frame: &Frame) -> Result<bool, Trouble> {
        let describe = Describe::read(frame).map_err(malformed)?;
        if describe.kind == Kind::Statement {
            return Ok(false);
        }
        let Some(portal) = self.portals.get(text(describe.name)?) else { return Ok(false) };
        let kind = portal.statement.as_ref().map(|statement| statement.kind());
        if matches!((&portal.stand, kind), (Stand::Ours, Some(Sort::Begin { .. } | Sort::Commit { .. }))) {
            self.say(write::no_data);
            return Ok(true);
        }
        let Stand::OnServer(server) = &portal.stand else { return Ok(false) };
        let server = *server;
        let expect = self.portal_description(server, &portal.prepared);
        if !self.is_ready_at(server) {
            return Ok(false);
        }
        self.executor.pipeline(server).out().extend_from_slice(frame.bytes());
        self.expects.push_back(expect);
        Ok(true)
    }

    pub(super) async fn describe(&mut self, frame: &Frame) -> Result<(), Trouble> {
        let describe = Describe::read(frame).map_err(malformed)?;
        let name = &*self.text(describe.name)?;
        match describe.kind {
            Kind::Statement => {
                let prepared = self.prepared_as(name)?;
                Box::pin(self.describe_statement(&prepared)).await
            }
            Kind::Portal if !self.portals.contains(name) => {
                self.pass_to_cursor(name, frame, Expect::PortalDescription).await
            }
            Kind::Portal => self.describe_portal(name).await,
        }
    }

    async fn describe_statement(&mut self, prepared: &Arc<Prepared>) -> Result<(), Trouble> {
        let statement = self.read_now(prepared).await?;
        if let Some(statement) = statement.filter(|statement| is_ours(statement)) {
            self.settle_unchecked().await?;
            self.say(|out| write::parameter_description(out, &[]));
            return self.describe_ours(&statement).await;
        }
        self.not_failed()?;
        let server = self.checking_server().await?;
        self.send_unchecked(server);
        let name = self.ready_on(server, prepared);
        write::describe_statement(self.executor.pipeline(server).out(), name.as_bytes());
        let reading = self.reading(server, prepared);
        self.expects.push_back(Expect::StatementDescription(reading));
        Ok(())
    }

    /// A client that was told of a statement's columns before the catalog changed reads rows by that:
    /// where they are others now, the statement fails, as in PostgreSQL, and is to be prepared again.
    pub(super) async fn keep_word(&mut self, prepared: &Arc<Prepared>) -> Result<(), Trouble> {
        let version = self.executor.catalog().version;
        if !prepared.described.is_of_before(version) {
            return Ok(());
        }
        let server = self.checking_server().await?;
        self.send_unchecked(server);
        let name = self.ready_on(server, prepared);
        write::describe_statement(self.executor.pipeline(server).out(), name.as_bytes());
        let reading = self.reading(server, prepared);
        self.expects.extend([Expect::Swallow(b't'), Expect::Confirmation(reading)]);
        self.drain().await?;
        match prepared.described.is_of_before(version) {
            true => Err(ClientError::result_type_changed().into()),
            false => Ok(()),
        }
    }

    /// The first description of a named statement's portal tells the client as much as one of the statement: drivers
    /// ask for no other.
    fn portal_description(&self, server: ServerId, prepared: &Arc<Prepared>) -> Expect {
        let unnamed = self.prepared.get("").is_some_and(|unnamed| Arc::ptr_eq(unnamed, prepared));
        match unnamed || prepared.described.is_told() {
            true => Expect::PortalDescription,
            false => Expect::FirstPortalDescription(self.reading(server, prepared)),
        }
    }

    fn reading(&self, server: ServerId, prepared: &Prepared) -> Reading {
        let catalog_version = self.executor.catalog().version;
        Reading { described: Arc::clone(&prepared.described), server, catalog_version }
    }

    /// The columns of what the session answers itself: those of SHOW, and of what EXECUTE names.
    async fn describe_ours(&mut self, statement: &Arc<Statement>) -> Result<(), Trouble> {
        match statement.kind() {
            Sort::Show(name) => {
                let column = OwnColumn::text(name);
                self.say(|out| write::row_description(out, &[column]));
                Ok(())
            }
            Sort::Execute { name, .. } => {
                self.not_failed()?;
                let prepared = self.executed_as(name)?;
                let server = self.checking_server().await?;
                self.send_unchecked(server);
                let name = self.ready_on(server, &prepared);
                write::describe_statement(self.executor.pipeline(server).out(), name.as_bytes());
                self.expects.push_back(Expect::RowsOfStatement);
                Ok(())
            }
            _ => {
                self.say(write::no_data);
                Ok(())
            }
        }
    }

    async fn describe_portal(&mut self, name: &str) -> Result<(), Trouble> {
        let Some(portal) = self.portals.get(name) else {
            return Err(ClientError::no_such_portal(name).into());
        };
        let ours = portal.statement.clone();
        match &portal.stand {
            Stand::OnServer(server) => {
                let server = *server;
                let expect = self.portal_description(server, &portal.prepared);
                self.not_failed()?;
                if !self.is_at(server) {
                    Box::pin(self.return_to(server, name)).await?;
                }
                write::describe_portal(self.executor.pipeline(server).out(), name.as_bytes());
                self.expects.push_back(expect);
                Ok(())
            }
            Stand::Ours => match ours {
                Some(statement) => Box::pin(self.describe_ours(&statement)).await,
                None => {
                    self.say(write::no_data);
                    Ok(())
                }
            },
            Stand::Waiting | Stand::Fetched(_) | Stand::Done => {
                self.not_failed()?;
                Box::pin(self.describe_elsewhere(name)).await
            }
        }
    }

    /// The columns of a portal over several servers, as one of them describes it: any knows the same
    /// tables. Nothing runs there.
    async fn describe_elsewhere(&mut self, name: &str) -> Result<(), Trouble> {
        const DESCRIBED: &[u8] = b"pgherd.described";
        let server = self.checking_server().await?;
        self.send_unchecked(server);
        let Some(portal) = self.portals.get(name) else {
            return Err(ClientError::no_such_portal(name).into());
        };
        let prepared = Arc::clone(&portal.prepared);
        let statement = self.ready_on(server, &prepared);
        let Some(portal) = self.portals.get(name) else {
            return Err(ClientError::no_such_portal(name).into());
        };
        let nothing = Bound::default();
        let bound = portal.bound.as_deref().unwrap_or(&nothing);
        let values = bound.parameters.iter().map(|value| value.as_deref());
        let out = self.executor.pipeline(server).out();
        let formats = (&bound.parameter_formats, &bound.formats);
        write::bind(out, DESCRIBED, statement.as_bytes(), formats.0, values, formats.1);
        write::describe_portal(out, DESCRIBED);
        write::close(out, Kind::Portal, DESCRIBED);
        let expect = self.portal_description(server, &prepared);
        self.expects.extend([Expect::Swallow(b'2'), expect, Expect::Swallow(b'3')]);
        Ok(())
    }
}
