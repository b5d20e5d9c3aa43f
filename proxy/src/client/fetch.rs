//! Execute: a portal's rows, from its server as they come, or fetched in whole where the session or
//! several servers make them.

use std::time::Instant;

use crate::client::portal::{Bound, Stand};
use crate::client::session::Session;
use crate::client::text::{malformed, text};
use crate::error::ClientError;
use crate::execute::relay::Expect;
use crate::execute::rows::Rows;
use crate::execute::run::Ask;
use crate::execute::trouble::Trouble;
use crate::wire::frame::Frame;
use crate::wire::view::Execute;
use crate::wire::write;

/// A pipeline without Flush or Sync is sent when it is this long.
const MOST_UNSENT: usize = 256 * 1024;

impl Session {
    /// Passes an Execute on where its portal is the current server's and nothing else is to be done;
    /// `false` where that is not so.
    ///
    /// # Errors
    /// The message cannot be read.
    pub(super) fn execute_at_once(&mut self, frame: &Frame) -> Result<bool, Trouble> {
        let name = text(Execute::read(frame).map_err(malformed)?.portal)?;
        let Some(portal) = self.portals.get(name) else { return Ok(false) };
        let Stand::OnServer(server) = portal.stand else { return self.begin_at_once(name) };
        if !portal.config.is_empty() || portal.reads_client() || !self.is_ready_at(server) {
            return Ok(false);
        }
        let connection = self.executor.pipeline(server);
        if connection.out().len() > MOST_UNSENT {
            return Ok(false);
        }
        connection.out().extend_from_slice(frame.bytes());
        self.expects.push_back(Expect::Execution);
        let portal = self.portals.get(name);
        self.executor.count_later(server, portal.and_then(|portal| portal.statement.as_ref()));
        Ok(true)
    }

    pub(super) async fn execute(&mut self, frame: &Frame) -> Result<(), Trouble> {
        let execute = Execute::read(frame).map_err(malformed)?;
        let name = &*self.text(execute.portal)?;
        let Some(portal) = self.portals.get(name) else {
            return Box::pin(self.pass_to_cursor(name, frame, Expect::Execution)).await;
        };
        match &portal.stand {
            Stand::OnServer(server) => {
                let (server, config) = (*server, portal.config.clone());
                let statement = portal.statement.clone();
                let talks = portal.reads_client();
                self.not_failed()?;
                if !self.is_at(server) {
                    Box::pin(self.return_to(server, name)).await?;
                }
                let connection = self.executor.pipeline(server);
                connection.out().extend_from_slice(frame.bytes());
                let unsent = connection.out().len();
                self.expects.push_back(Expect::Execution);
                self.executor.count_later(server, statement.as_ref());
                if !config.is_empty() {
                    Box::pin(self.track(config, Some(server))).await?;
                }
                // The client's next messages are the rows of a COPY, and a Sync among them is nothing.
                match talks || unsent > MOST_UNSENT {
                    true => Box::pin(self.drain()).await,
                    false => Ok(()),
                }
            }
            Stand::Ours => Box::pin(self.execute_ours(name)).await,
            Stand::Waiting => {
                self.not_failed()?;
                Box::pin(self.fetch(name)).await?;
                self.hand_out(name, execute.max_rows)
            }
            Stand::Done => {
                self.not_failed()?;
                Err(ClientError::new("55000", format!("portal \"{name}\" cannot be run")).into())
            }
            Stand::Fetched(_) => {
                self.not_failed()?;
                Box::pin(self.catch_up()).await?;
                self.hand_out(name, execute.max_rows)
            }
        }
    }

    /// A message about a cursor that DECLARE made: to PostgreSQL it is a portal, and lives on one server.
    pub(super) async fn pass_to_cursor(
        &mut self,
        name: &str,
        frame: &Frame,
        expect: Expect,
    ) -> Result<(), Trouble> {
        let known = self.executor.transaction.cursors.get(name).copied();
        if known.is_some() || self.executor.holds() {
            self.not_failed()?;
        }
        let server = match known {
            Some(server) => Some(server),
            // One WITH HOLD outlives its transaction, on the connection that the session keeps.
            None => {
                Box::pin(self.drain()).await?;
                Box::pin(self.executor.branch_that_holds()).await?
            }
        };
        let Some(server) = server else { return Err(ClientError::no_such_portal(name).into()) };
        self.settle_unchecked().await?;
        self.return_to(server, name).await?;
        self.executor.pipeline(server).out().extend_from_slice(frame.bytes());
        self.expects.push_back(expect);
        Ok(())
    }

    async fn execute_ours(&mut self, name: &str) -> Result<(), Trouble> {
        self.settle_unchecked().await?;
        self.drain().await?;
        let statement = self.portals.get(name).and_then(|portal| portal.statement.clone());
        let Some(statement) = statement else {
            write::empty_query(self.peer.out());
            return Ok(());
        };
        self.step_aside().await?;
        self.describes = false;
        let begun = Instant::now();
        let completion = self.command(&statement).await;
        self.executor.count_local(begun);
        self.describes = true;
        let completion = completion?;
        self.pass_notices();
        self.peer.out().extend_from_slice(&completion.unwrap_or_default());
        Ok(())
    }

    /// Runs a statement that is not one server's bytes to relay, and keeps its answer to be fetched.
    async fn fetch(&mut self, name: &str) -> Result<(), Trouble> {
        self.settle_unchecked().await?;
        self.drain().await?;
        self.step_aside().await?;
        let Some(mut portal) = self.portals.remove(name) else {
            return Err(ClientError::no_such_portal(name).into());
        };
        let statement = portal.statement.clone().expect("only statements wait");
        let nothing = Bound::default();
        let bound = portal.bound.as_deref().unwrap_or(&nothing);
        let mut parameters = portal.parameters();
        let answer = Box::pin(self.answer_of_process(&statement, &parameters)).await?;
        if answer.is_some() {
            parameters.clear();
        }
        let statement = answer.unwrap_or(statement);
        let ask =
            Ask { statement: &statement, parameters: &parameters, formats: &bound.formats, describe: false };
        let limit = self.executor.fleet.config.load().merge.max_bytes;
        let mut rows = Rows::kept(limit);
        let completion = self.executor.run(&mut self.peer, ask, &mut rows).await?;
        drop(parameters);
        self.track(portal.config.clone(), self.executor.alone).await?;
        portal.stand = Stand::Fetched(Box::new((rows.into_frames(), completion)));
        self.portals.insert(name, portal);
        Ok(())
    }

    /// The pipeline leaves the server it is at, with nothing owed there; what it has executed there and
    /// what comes are one transaction.
    async fn step_aside(&mut self) -> Result<(), Trouble> {
        if let Some(current) = self.current.take() {
            self.executor.leave(current).await?;
        }
        self.executor.upgrade().await
    }

    /// Gives the client the next rows of an answer that was fetched. As in PostgreSQL, a portal that gave
    /// as many rows as it was asked for is suspended, and a query's tag counts the rows of this time.
    fn hand_out(&mut self, name: &str, most: i32) -> Result<(), Trouble> {
        let Some(portal) = self.portals.get_mut(name) else {
            return Err(ClientError::no_such_portal(name).into());
        };
        let Stand::Fetched(fetched) = &mut portal.stand else { return Ok(()) };
        let (rows, completion) = &mut **fetched;
        let limit = usize::try_from(most).ok().filter(|most| *most > 0).unwrap_or(usize::MAX);
        let given = limit.min(rows.len());
        for row in rows.drain(..given) {
            self.peer.out().extend_from_slice(&row);
        }
        let statement = portal.statement.as_ref();
        let stores = statement.is_some_and(|statement| statement.stores_rows());
        let written = statement.is_some_and(|statement| statement.gives_written_rows());
        let query =
            !stores && completion.as_ref().is_none_or(|completion| completion.get(5..12) == Some(b"SELECT "));
        match completion {
            _ if given == limit => write::portal_suspended(self.peer.out()),
            Some(completion) if written && !query => {
                write::command_complete(self.peer.out(), &counted(completion, given));
            }
            Some(completion) if !query => {
                self.peer.out().extend_from_slice(completion);
                if given == 0 {
                    portal.stand = Stand::Done;
                }
            }
            Some(_) | None => write::command_complete(self.peer.out(), &format!("SELECT {given}")),
        }
        Ok(())
    }
}

/// The tag of a CommandComplete with another number of rows.
fn counted(completion: &[u8], rows: usize) -> String {
    let tag = completion.get(5..).unwrap_or_default();
    let tag = String::from_utf8_lossy(tag.strip_suffix(b"\0").unwrap_or(tag));
    let command = tag.rsplit_once(' ').map_or(&*tag, |(command, _)| command);
    format!("{command} {rows}")
}
