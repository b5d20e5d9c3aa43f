//! The end of a transaction: commit, in one phase or two, or rollback; then pins are noted, permits
//! given up and connections given back.

use futures_util::future::join_all;
use router::ids::{ServerId, quote_identifier};
use router::sql::Statement;
use smallvec::SmallVec;

use crate::error::ClientError;
use crate::execute::executor::Executor;
use crate::execute::opening::must;
use crate::execute::settings::forget;
use crate::execute::transaction::{Branch, Mode, Transaction};
use crate::execute::trouble::Trouble;
use crate::execute::two_phase;
use crate::server::TransactionStatus;

/// How a transaction ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// Its writes stand.
    Committed,
    /// Nothing of it stands.
    RolledBack,
}

impl Executor {
    /// Commits what is open, or rolls it back where it has failed.
    ///
    /// # Errors
    /// The server's own where the commit fails (everything is rolled back then); 08007 where nobody
    /// knows yet whether it stands.
    pub async fn commit(&mut self) -> Result<Ended, Trouble> {
        if self.transaction.failed {
            self.rollback().await;
            return Ok(Ended::RolledBack);
        }
        let mut transaction = std::mem::take(&mut self.transaction);
        let outcome = self.commit_branches(&mut transaction).await;
        self.ended(transaction, outcome).await
    }

    /// Runs the client's PREPARE TRANSACTION where there is one server. Its locks and its rows are that
    /// server's to keep from then on, like any transaction's that has left its session.
    ///
    /// # Errors
    /// As [`Executor::commit`]; a refusal where there are several servers.
    pub async fn prepare(&mut self, statement: &Statement) -> Result<Ended, Trouble> {
        if self.transaction.failed {
            self.rollback().await;
            return Ok(Ended::RolledBack);
        }
        self.decide(statement, &[]).await?;
        let server = self.any_branch().await?;
        let mut transaction = std::mem::take(&mut self.transaction);
        let outcome = end(branch(&mut transaction, server), statement.text()).await;
        self.ended(transaction, outcome).await
    }

    async fn ended(
        &mut self,
        mut transaction: Transaction,
        outcome: Result<(), Trouble>,
    ) -> Result<Ended, Trouble> {
        match outcome {
            Ok(()) => {
                self.settle(transaction).await;
                Ok(Ended::Committed)
            }
            Err(trouble) => {
                // PREPARE TRANSACTION makes what SET has set last, whatever becomes of the rest.
                for branch in transaction.branches.values_mut() {
                    self.settings.commit_on(&mut branch.connection.settings);
                }
                self.settings.rollback();
                let changed_schema = transaction.changed_schema;
                Box::pin(self.abandon(transaction)).await;
                // It may stand all the same.
                if changed_schema {
                    Box::pin(self.database.catalog.changed(&self.fleet.servers)).await;
                }
                Err(trouble)
            }
        }
    }

    async fn commit_branches(&self, transaction: &mut Transaction) -> Result<(), Trouble> {
        let begun = transaction.branches.iter().filter(|(_, branch)| branch.begun);
        let begun: SmallVec<[ServerId; 4]> = begun.map(|(server, _)| server).collect();
        if let [only] = begun.as_slice() {
            return end(branch(transaction, *only), "COMMIT").await;
        }
        let asked = transaction.branches.iter_mut().filter(|(_, branch)| branch.begun);
        let answers = join_all(asked.map(|(_, branch)| tells_others(branch))).await;
        let (mut writers, mut readers) = (Vec::new(), Vec::new());
        for (server, tells) in begun.into_iter().zip(answers) {
            match tells? {
                true => writers.push(server),
                false => readers.push(server),
            }
        }
        if let [first, _, ..] = writers.as_slice() {
            let Branch { locks, notifies, hold, .. } = branch(transaction, *first);
            // Prepared, it keeps its locks to the end: whoever waits for one sees all of the transaction.
            if *locks && !*notifies && hold.is_none() {
                writers.rotate_left(1);
            }
        }
        self.commit_writers(transaction, &writers).await?;
        // They may hold locks that others wait for: they end when all stands, and nothing depends on how.
        for server in readers {
            if end(branch(transaction, server), "COMMIT").await.is_err() {
                transaction.branches.remove(server);
            }
        }
        Ok(())
    }

    async fn commit_writers(
        &self,
        transaction: &mut Transaction,
        writers: &[ServerId],
    ) -> Result<(), Trouble> {
        match writers {
            [] => Ok(()),
            [only] => end(branch(transaction, *only), "COMMIT").await,
            [decider, ..] => {
                let name = self.database.directory.load().server_name(*decider).to_owned();
                let branches = &mut transaction.branches;
                Box::pin(two_phase::commit(&self.fleet, &self.database, &name, branches, writers)).await
            }
        }
    }

    /// Rolls back what is open.
    pub async fn rollback(&mut self) {
        let transaction = std::mem::take(&mut self.transaction);
        self.settings.rollback();
        self.abandon(transaction).await;
    }

    /// The transaction has failed on one server, or here: as in PostgreSQL, it holds nothing any more of what it did
    /// since its last savepoint, on no server, whenever the client ends it.
    pub(super) async fn lock_nothing(&mut self) {
        let savepoint = self.transaction.leave_last_savepoint();
        let command = match savepoint {
            Some(name) => format!("ROLLBACK TO SAVEPOINT {}", quote_identifier(&name)),
            None => "ROLLBACK".to_owned(),
        };
        let is_open = |branch: &Branch| {
            branch.connection.owed() == 0 && branch.connection.status() == TransactionStatus::InTransaction
        };
        let open = self.transaction.branches.iter_mut().filter(|(_, branch)| is_open(branch));
        let command = command.as_str();
        let ends =
            open.map(|(server, branch)| async move { (server, must(&mut branch.connection, command).await) });
        for (server, ended) in join_all(ends).await {
            if ended.is_err() {
                self.drop_branch(server);
            }
        }
    }

    /// The transaction's first statement gives way to another transaction: it is rolled back, and the transaction is as
    /// before it.
    pub(super) async fn withdraw(&mut self) {
        let mut lost = self.transaction.withdraw();
        // They come again.
        lost.branches.values_mut().for_each(|branch| branch.notices.clear());
        self.abandon(lost).await;
    }

    /// After a statement that was a transaction of its own, or at Sync: what is open and not the
    /// client's own ends.
    ///
    /// # Errors
    /// As [`Executor::commit`].
    pub async fn end_of_message(&mut self) -> Result<(), Trouble> {
        match self.transaction.mode {
            Mode::Explicit => Ok(()),
            Mode::Implicit => Box::pin(self.commit()).await.map(|_| ()),
            Mode::Auto => {
                let transaction = std::mem::take(&mut self.transaction);
                self.settle(transaction).await;
                Ok(())
            }
        }
    }

    /// Notes what was written, or may have been: also a commit whose answer was lost may stand.
    fn pin_writes(&mut self, transaction: &Transaction) {
        for (server, tenants) in &transaction.wrote {
            if let Some(server) = self.fleet.server(&self.database, *server) {
                self.database.pins.wrote(&server, tenants, &mut self.pin);
            }
        }
    }

    /// The transaction stands: pins, then connections back, then permits.
    async fn settle(&mut self, mut transaction: Transaction) {
        self.give_back(&mut transaction);
        if transaction.changed_schema {
            Box::pin(self.database.catalog.changed(&self.fleet.servers)).await;
        }
        transaction.leave();
    }

    /// Notes pins and gives the connections back of what stands.
    pub(super) fn give_back(&mut self, transaction: &mut Transaction) {
        // Its processes are another's soon.
        transaction.listed = None;
        self.pin_writes(transaction);
        self.settings.commit();
        self.cancellable.over();
        self.count_transaction(transaction);
        while let Some((server, mut branch)) = transaction.branches.pop() {
            self.reported.note_end(&branch.connection);
            self.settings.commit_on(&mut branch.connection.settings);
            if branch.coded && !self.stays(&branch) {
                branch.connection.settings = forget(&branch.connection.settings);
            }
            self.release(server, branch);
        }
    }

    /// The transaction does not stand: every branch is rolled back or its connection closed.
    async fn abandon(&mut self, mut transaction: Transaction) {
        transaction.listed = None;
        self.pin_writes(&transaction);
        self.cancellable.over();
        self.count_transaction(&transaction);
        while let Some((server, mut branch)) = transaction.branches.pop() {
            if branch.connection.owed() > 0 {
                continue;
            }
            // ROLLBACK also ends what the extended protocol has done since its last Sync.
            let open = branch.unsynced || branch.connection.status() != TransactionStatus::Idle;
            if open && end(&mut branch, "ROLLBACK").await.is_err() {
                continue;
            }
            self.reported.note_end(&branch.connection);
            if branch.coded && !self.stays(&branch) {
                branch.connection.settings = forget(&branch.connection.settings);
            }
            self.release(server, branch);
        }
    }
}

/// True where others hear or see of its commit: it wrote, or it notifies. What code did that nobody has read
/// counts for both.
async fn tells_others(branch: &mut Branch) -> Result<bool, Trouble> {
    Ok(branch.notifies || branch.coded || two_phase::wrote(branch).await?)
}

fn branch(transaction: &mut Transaction, server: ServerId) -> &mut Branch {
    transaction.branches.get_mut(server).expect("the server was taken from this map")
}

/// Ends a branch with COMMIT or ROLLBACK.
pub(super) async fn end(branch: &mut Branch, command: &str) -> Result<(), Trouble> {
    let outcome = branch.connection.simple(command).await?;
    // PostgreSQL warns of a ROLLBACK that only ends what the extended protocol did: nobody asked for it.
    if command != "ROLLBACK" {
        branch.notices.unsplit(outcome.notices);
    }
    match outcome.error {
        Some(fields) => Err(fields.into()),
        // Both COMMIT and PREPARE TRANSACTION of a transaction that has failed answer so.
        None if command != "ROLLBACK" && outcome.tags.last().is_some_and(|tag| tag == "ROLLBACK") => {
            Err(ClientError::new("40000", "the transaction had failed and was rolled back").into())
        }
        None => Ok(()),
    }
}
