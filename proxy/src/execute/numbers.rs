//! `currval` and `lastval`: what a sequence gave this session, although connections are shared. The connection
//! that gave it tells, within the transaction; it is made to forget what it gave others, once anybody
//! in the database asks at all.

use std::sync::atomic::Ordering;

use router::ids::ServerId;
use router::sql::Statement;

use crate::config::PoolMode;
use crate::error::ClientError;
use crate::execute::executor::Executor;
use crate::execute::opening::must;
use crate::execute::transaction::Mode;
use crate::execute::trouble::Trouble;
use crate::pool::Lent;
use crate::server::NumbersOf;

impl Executor {
    /// The server whose connection knows the session's last number, where the statement asks for it.
    pub(super) fn counted(&self, statement: &Statement) -> Option<ServerId> {
        if !statement.reads_sequences() {
            return None;
        }
        if self.mode == PoolMode::Session && self.database.directory.load().servers().len() == 1 {
            return Some(ServerId::HOME);
        }
        if self.transaction.mode == Mode::Auto {
            return None;
        }
        let mut servers = self.transaction.wrote.iter().map(|(server, _)| *server);
        let first = servers.next()?;
        (servers.all(|server| server == first) && self.transaction.branches.contains(first)).then_some(first)
    }

    /// A statement that asks for the session's numbers meets no others'.
    ///
    /// # Errors
    /// 40001 where the connection may have given others theirs: before the first one asked, nobody looked.
    pub(super) fn check_numbers(&self, statement: &Statement) -> Result<(), Trouble> {
        if !statement.reads_sequences() {
            return Ok(());
        }
        self.database.asks_for_numbers.store(true, Ordering::Relaxed);
        let Some(server) = self.counted(statement) else { return Ok(()) };
        match self.transaction.branches.get(server).map(|branch| branch.connection.numbers_of) {
            None | Some(NumbersOf::Nobody) => Ok(()),
            Some(NumbersOf::Session(session)) if session == self.number => Ok(()),
            Some(NumbersOf::Session(_) | NumbersOf::Several) => Err(ClientError::new(
                "40001",
                "what sequences gave this session was not kept apart in this transaction",
            )
            .hint("Run the transaction again: from the first use on, it is.")
            .into()),
        }
    }

    /// True where a transaction must not begin on the connection before it has forgotten others' numbers.
    pub(super) fn must_forget_numbers(&self, connection: &Lent) -> bool {
        let asked = self.database.asks_for_numbers.load(Ordering::Relaxed);
        asked && connection.numbers_of.and(self.number) == NumbersOf::Several
    }

    /// The connection is the session's: what it remembers of others goes, where somebody may ask.
    pub(super) async fn take_numbers(&self, connection: &mut Lent, begun: bool) -> Result<(), Trouble> {
        if begun && self.must_forget_numbers(connection) {
            must(connection, "DISCARD SEQUENCES").await?;
            connection.numbers_of = NumbersOf::Nobody;
        }
        connection.numbers_of = connection.numbers_of.and(self.number);
        Ok(())
    }
}
