//! A session's transaction: the branches it has on servers, and what must be done to a new branch so
//! that it stands where the others stand.
//!
//! | mode | who opened it | ends with |
//! | --- | --- | --- |
//! | Auto | nobody: each statement by itself | the statement |
//! | Implicit | several statements in one message, or a write on several servers | the message, Sync |
//! | Explicit | the client's BEGIN | its COMMIT or ROLLBACK |

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::BytesMut;
use router::catalog::Catalog;
use router::directory::{Directory, MoveMark};
use router::ids::{MoveId, ServerId};
use router::plan::Tenants;
use router::sql::Hold;
use smallvec::SmallVec;

use crate::deadlocks::Listed;
use crate::directory::{NearDirectory, Pass};
use crate::execute::branches::Branches;
use crate::execute::clock::Moment;
use crate::execute::planned::Decision;
use crate::execute::room::Room;
use crate::pool::Lent;

/// Who opened the transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Mode {
    /// Each statement is a transaction of its own.
    #[default]
    Auto,
    /// Opened by the proxy for the length of one message or pipeline.
    Implicit,
    /// Opened by the client.
    Explicit,
}

/// The transaction of one session.
#[derive(Debug, Default)]
pub struct Transaction {
    /// Who opened it.
    pub mode: Mode,
    /// The client's BEGIN with its options.
    pub begin: String,
    /// True where the client said READ ONLY.
    pub read_only: bool,
    /// True after an error: nothing but ROLLBACK is heard.
    pub failed: bool,
    /// True where what it did on a server is lost: no savepoint can bring it back.
    pub broken: bool,
    /// True once it ran DDL: the catalog is read again when it commits.
    pub changed_schema: bool,
    /// The catalog as the transaction's DDL has left it, which nobody else sees yet.
    pub catalog: Option<Arc<Catalog>>,
    /// True where DDL or ROLLBACK TO has changed what `catalog` shows, or would.
    pub catalog_is_behind: bool,
    /// Its part on each server.
    pub branches: Branches,
    /// The savepoints that stand, oldest first.
    pub savepoints: Vec<Savepoint>,
    /// Its permits; moves wait for them.
    pub passes: Vec<Permit>,
    /// What it wrote, for the pins.
    pub wrote: Vec<(ServerId, Tenants)>,
    /// The cursors it declared and where they are.
    pub cursors: BTreeMap<String, ServerId>,
    /// What `now()` is in statements over several servers.
    pub now: Moment,
    /// Its place on the list of those over several servers.
    pub listed: Option<Listed>,
    /// True while what is read is about to be written: it is read on primaries.
    pub reads_to_write: bool,
    /// While its first statement runs: how often that has given way to others and was run again.
    pub gave_way: Option<u32>,
}

/// A savepoint, and how branches began when it was set: what SET TRANSACTION says after it is undone with it.
#[derive(Debug, Default)]
pub struct Savepoint {
    name: String,
    begin: String,
}

/// A pass, with what it is for.
#[derive(Debug)]
pub struct Permit {
    /// The pass; given up with this.
    pub pass: Pass,
    /// Its servers.
    pub servers: SmallVec<[ServerId; 4]>,
    /// Its tenants.
    pub tenants: Tenants,
}

impl Permit {
    /// True where it permits just this.
    pub fn is_for(&self, directory: &Directory, servers: &[ServerId], tenants: &Tenants) -> bool {
        self.pass.version() == directory.version()
            && self.servers.as_slice() == servers
            && self.tenants == *tenants
    }
}

/// A transaction's part on one server.
#[derive(Debug)]
pub struct Branch {
    /// The connection, for as long as the transaction lasts; its settings stay those of before it until then.
    pub connection: Lent,
    /// True where a BEGIN was sent: it ends with COMMIT, not by itself.
    pub begun: bool,
    /// True where it is on a replica.
    pub replica: bool,
    /// True once a statement was executed in it (not only described).
    pub executed: bool,
    /// True where messages of the extended protocol were sent that no Sync has ended.
    pub unsynced: bool,
    /// The fence tokens it holds, each with the number of savepoints that stood when it was taken: to
    /// roll back to one of those gives the token up.
    pub fences: BTreeMap<String, usize>,
    /// The directory under which it was opened: where its snapshot may be from.
    pub directory: NearDirectory,
    /// Statements sent to be prepared, their ParseComplete not yet seen.
    pub preparing: Vec<u128>,
    /// True where code ran on it that may have changed the session: DO, CALL, a user's function.
    pub coded: bool,
    /// What the server said besides while the proxy ran something there for the client.
    pub notices: BytesMut,
    /// True where a server said that a command wrote rows in it; where none did, it may have written all the same.
    pub wrote: bool,
    /// True where it has sent notifications: they go out when it commits, and it cannot be prepared.
    pub notifies: bool,
    /// True where it holds advisory locks of the transaction: others come in when it commits.
    pub locks: bool,
    /// Why the session keeps the connection after the transaction, if it does.
    pub hold: Option<Hold>,
}

impl Branch {
    /// True where rows that the decision's plan concerns have come or gone with a move since the branch
    /// was opened: a snapshot, or a replica, may be of the time before.
    pub(super) fn is_outdated(&self, server: ServerId, decision: &Decision) -> bool {
        let (then, now) = (&self.directory, &decision.directory);
        let floor_rose = now.floor(server) > then.floor(server);
        match &decision.plan.tenants {
            Tenants::None => false,
            Tenants::All => floor_rose,
            Tenants::Some(keys) => {
                let came = |key| now.locate(key).server == server && then.locate(key).server != server;
                (self.replica && floor_rose) || keys.iter().any(came)
            }
        }
    }
}

impl Transaction {
    /// It has ended: its permits are given up, and the room that it took is left to the next one.
    pub fn leave(self) {
        if self.passes.capacity() > 0 {
            Room { branches: self.branches, passes: self.passes, wrote: self.wrote }.put();
        }
    }

    /// It is about to hold something: takes room for it, where it has none.
    pub fn furnish(&mut self) {
        if self.passes.capacity() == 0 && self.branches.is_empty() && self.wrote.is_empty() {
            let Room { branches, passes, wrote } = Room::take();
            (self.branches, self.passes, self.wrote) = (branches, passes, wrote);
        }
    }

    /// Its branches are lost before anything was done in them: it may begin anew.
    pub fn begin_anew(&mut self) {
        self.branches.clear();
        self.listed = None;
    }

    /// True where nothing has run in it yet: its branches can be given up, and nobody notices.
    pub fn is_untouched(&self) -> bool {
        let untouched = |branch: &Branch| !branch.executed && !branch.unsynced && branch.preparing.is_empty();
        !self.broken && self.wrote.is_empty() && self.branches.values().all(untouched)
    }

    /// What there was of it before anything ran, to begin anew with; the rest is to be rolled back.
    pub fn withdraw(&mut self) -> Transaction {
        let fresh = Transaction {
            mode: self.mode,
            begin: std::mem::take(&mut self.begin),
            read_only: self.read_only,
            savepoints: std::mem::take(&mut self.savepoints),
            now: std::mem::take(&mut self.now),
            reads_to_write: self.reads_to_write,
            gave_way: self.gave_way.map(|times| times + 1),
            ..Transaction::default()
        };
        std::mem::replace(self, fresh)
    }

    /// True inside the client's own transaction.
    pub fn is_explicit(&self) -> bool {
        self.mode == Mode::Explicit
    }

    /// True where each of its statements sees what the one before saw: it cannot change its node.
    pub fn keeps_snapshot(&self) -> bool {
        let begin = self.begin.to_ascii_uppercase();
        begin.contains("REPEATABLE") || begin.contains("SERIALIZABLE")
    }

    /// True where the client said that it writes nothing.
    pub fn only_reads(&self) -> bool {
        self.begin.to_ascii_uppercase().contains("READ ONLY")
    }

    /// The moves of the directory whose fences it holds.
    pub fn fenced(&self, directory: &Directory) -> Vec<MoveId> {
        let holds = |mark: &&MoveMark| {
            let fences = self.branches.get(mark.from).map(|branch| &branch.fences);
            mark.fence().zip(fences).is_some_and(|(fence, fences)| fences.contains_key(&fence))
        };
        directory.marks().iter().filter(holds).map(|mark| mark.id).collect()
    }

    /// The status byte of ReadyForQuery.
    pub fn status(&self) -> u8 {
        match (self.mode, self.failed) {
            (Mode::Explicit, true) => b'E',
            (Mode::Explicit, false) => b'T',
            (Mode::Auto | Mode::Implicit, _) => b'I',
        }
    }

    /// The BEGIN of a new branch.
    pub fn opening(&self) -> String {
        match self.mode {
            Mode::Explicit => self.begin.clone(),
            Mode::Auto | Mode::Implicit => "BEGIN".to_owned(),
        }
    }

    /// What brings a new branch to where the transaction stands: its BEGIN, then the `replay` of its settings and
    /// savepoints, with what SET TRANSACTION said after each savepoint behind that.
    pub fn opening_with(&self, replay: Vec<String>) -> Vec<String> {
        let is_savepoint = |line: &&String| line.starts_with("SAVEPOINT ");
        if !self.is_explicit() || replay.iter().filter(is_savepoint).count() != self.savepoints.len() {
            return std::iter::once(self.opening()).chain(replay).collect();
        }
        let begins = self.savepoints.iter().map(|savepoint| &savepoint.begin).chain([&self.begin]);
        let begins: Vec<&String> = begins.collect();
        let mut later =
            begins.windows(2).map(|pair| pair[1].strip_prefix(pair[0].as_str()).unwrap_or_default());
        let mut lines = vec![begins[0].clone()];
        for line in replay {
            let said = if is_savepoint(&&line) { later.next().unwrap_or_default() } else { "" };
            lines.push(line);
            lines.extend(Some(said.trim_start_matches("; ").to_owned()).filter(|said| !said.is_empty()));
        }
        lines
    }

    /// A savepoint is set.
    pub fn savepoint(&mut self, name: &str) {
        self.savepoints.push(Savepoint { name: name.to_owned(), begin: self.begin.clone() });
    }

    /// What came after the last savepoint is gone; its name, where there is one.
    pub fn leave_last_savepoint(&mut self) -> Option<String> {
        let name = self.savepoints.last()?.name.clone();
        let at = self.savepoints.len() - 1;
        for branch in self.branches.values_mut() {
            branch.fences.retain(|_, depth| *depth <= at);
        }
        Some(name)
    }

    /// A savepoint and all after it are gone; `false` where there is none of the name.
    pub fn release(&mut self, name: &str) -> bool {
        match self.savepoints.iter().rposition(|savepoint| savepoint.name == name) {
            Some(at) => {
                // READ ONLY ends with the subtransaction that said it.
                self.begin.clone_from(&self.savepoints[at].begin);
                self.savepoints.truncate(at);
                for depth in self.branches.values_mut().flat_map(|branch| branch.fences.values_mut()) {
                    *depth = at.min(*depth);
                }
                true
            }
            None => false,
        }
    }

    /// All savepoints after this one are gone; `false` where there is none of the name.
    pub fn rollback_to(&mut self, name: &str) -> bool {
        match self.savepoints.iter().rposition(|savepoint| savepoint.name == name) {
            Some(at) => {
                self.savepoints.truncate(at + 1);
                self.begin.clone_from(&self.savepoints[at].begin);
                self.failed = false;
                for branch in self.branches.values_mut() {
                    branch.fences.retain(|_, depth| *depth <= at);
                }
                true
            }
            None => false,
        }
    }
}
