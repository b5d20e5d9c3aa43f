//! Statements that begin, divide and end transactions.

use bytes::Bytes;
use router::sql::Statement;

use crate::client::command::{complete, warn};
use crate::client::session::Session;
use crate::error::ClientError;
use crate::execute::clock::Moment;
use crate::execute::finish::Ended;
use crate::execute::transaction::{Mode, Transaction};
use crate::execute::trouble::Trouble;

impl Session {
    pub(super) fn begin(&mut self, text: &str, read_only: bool) -> Result<&'static str, Trouble> {
        if self.executor.transaction.failed {
            return Err(ClientError::failed_transaction().into());
        }
        match self.executor.transaction.mode {
            Mode::Explicit => {
                warn(self.peer.out(), "25001", "there is already a transaction in progress");
            }
            // What a message did before its BEGIN belongs to the transaction, as in PostgreSQL.
            Mode::Implicit => {
                self.executor.transaction.mode = Mode::Explicit;
                self.executor.transaction.begin = text.to_owned();
                self.executor.transaction.read_only = read_only;
            }
            Mode::Auto => {
                self.executor.settings.begin();
                std::mem::take(&mut self.executor.transaction).leave();
                self.executor.transaction = Transaction {
                    mode: Mode::Explicit,
                    begin: text.to_owned(),
                    read_only,
                    now: Moment::of_begin(),
                    ..Transaction::default()
                };
            }
        }
        Ok(if text.starts_with("START") { "START TRANSACTION" } else { "BEGIN" })
    }

    pub(super) async fn commit(&mut self, chain: bool) -> Result<Bytes, Trouble> {
        if self.executor.transaction.mode != Mode::Explicit {
            let warning = "there is no transaction in progress";
            if chain {
                return Err(ClientError::new(
                    "25P01",
                    "COMMIT AND CHAIN can only be used in transaction blocks",
                )
                .into());
            }
            warn(self.peer.out(), "25P01", warning);
            self.executor.end_of_message().await?;
            return Ok(complete("COMMIT"));
        }
        let (begin, read_only) =
            (self.executor.transaction.begin.clone(), self.executor.transaction.read_only);
        self.close_portals();
        let ended = self.executor.commit().await;
        Box::pin(self.executor.look_up_parameters()).await;
        let ended = ended?;
        if chain {
            self.begin(&begin, read_only)?;
        }
        Ok(complete(match ended {
            Ended::Committed => "COMMIT",
            Ended::RolledBack => "ROLLBACK",
        }))
    }

    pub(super) async fn rollback(&mut self, chain: bool) -> Result<Bytes, Trouble> {
        if self.executor.transaction.mode != Mode::Explicit {
            if chain {
                return Err(ClientError::new(
                    "25P01",
                    "ROLLBACK AND CHAIN can only be used in transaction blocks",
                )
                .into());
            }
            warn(self.peer.out(), "25P01", "there is no transaction in progress");
        }
        let (begin, read_only) =
            (self.executor.transaction.begin.clone(), self.executor.transaction.read_only);
        self.close_portals();
        self.executor.rollback().await;
        Box::pin(self.executor.look_up_parameters()).await;
        if chain {
            self.begin(&begin, read_only)?;
        }
        Ok(complete("ROLLBACK"))
    }

    /// The first phase of the client's own two-phase commit. As COMMIT, it ends what has failed.
    pub(super) async fn prepare_transaction(&mut self, statement: &Statement) -> Result<Bytes, Trouble> {
        if self.executor.transaction.mode != Mode::Explicit {
            warn(self.peer.out(), "25P01", "there is no transaction in progress");
            return Ok(complete("ROLLBACK"));
        }
        let text = statement.text();
        // One that is written with escapes may say the same.
        if text.contains("pgherd:") || text.contains('\\') {
            let message =
                "a transaction identifier must not begin with \"pgherd:\", nor be written with escapes";
            return Err(ClientError::new("42939", message)
                .hint("Whatever is prepared under such a name is taken for a part of a transaction over servers.")
                .into());
        }
        self.close_portals();
        Ok(complete(match self.executor.prepare(statement).await? {
            Ended::Committed => "PREPARE TRANSACTION",
            Ended::RolledBack => "ROLLBACK",
        }))
    }

    pub(super) async fn savepoint(&mut self, name: &str) -> Result<Bytes, Trouble> {
        self.in_transaction("SAVEPOINT")?;
        self.executor.on_branches(&format!("SAVEPOINT {}", router::ids::quote_identifier(name))).await?;
        self.executor.transaction.savepoint(name);
        self.executor.settings.savepoint(name);
        Ok(complete("SAVEPOINT"))
    }

    pub(super) async fn release(&mut self, name: &str) -> Result<Bytes, Trouble> {
        self.in_transaction("RELEASE SAVEPOINT")?;
        if !self.executor.transaction.release(name) {
            return Err(no_savepoint(name));
        }
        self.executor.settings.release(name);
        self.executor
            .on_branches(&format!("RELEASE SAVEPOINT {}", router::ids::quote_identifier(name)))
            .await?;
        Ok(complete("RELEASE"))
    }

    pub(super) async fn rollback_to(&mut self, name: &str) -> Result<Bytes, Trouble> {
        self.in_transaction("ROLLBACK TO SAVEPOINT")?;
        if self.executor.transaction.broken {
            let lost = "the transaction lost the connection to a server";
            return Err(ClientError::new("25P02", lost)
                .hint("Only ROLLBACK is heard; begin it again.")
                .into());
        }
        if !self.executor.transaction.rollback_to(name) {
            return Err(no_savepoint(name));
        }
        self.executor.settings.rollback_to(name);
        let command = format!("ROLLBACK TO SAVEPOINT {}", router::ids::quote_identifier(name));
        self.executor.on_branches(&command).await?;
        if self.executor.reported.is_changed() {
            self.executor.report_parameters();
        }
        self.executor.transaction.catalog_is_behind |= self.executor.transaction.catalog.is_some();
        Ok(complete("ROLLBACK"))
    }

    fn in_transaction(&self, command: &str) -> Result<(), Trouble> {
        match self.executor.transaction.mode {
            Mode::Explicit => Ok(()),
            Mode::Auto | Mode::Implicit => {
                Err(ClientError::new("25P01", format!("{command} can only be used in transaction blocks"))
                    .into())
            }
        }
    }

    /// Portals end with their transaction.
    pub(super) fn close_portals(&mut self) {
        self.portals.clear();
    }
}

fn no_savepoint(name: &str) -> Trouble {
    ClientError::new("3B001", format!("savepoint \"{name}\" does not exist")).into()
}
