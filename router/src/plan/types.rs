//! The words in which a plan is written.

use std::borrow::Cow;
use std::sync::Arc;

use smallvec::SmallVec;

use super::GatherPlan;
use crate::catalog::Relation;
use crate::copy::OutFormat;
use crate::ids::{MoveId, ServerId, TenantKey};
use crate::merge::MergePlan;
use crate::plan::{ChosenWrite, CopiesWrite, Insert, LockedRows, MatchedRows, Staged, Stored};
use crate::sql::{CopiedWrite, Question};

/// What is to be done with a statement.
#[derive(Debug, Clone)]
pub enum Verdict {
    /// Do this.
    Run(Plan),
    /// These moves have frozen what the statement needs: wait for a newer directory, plan again.
    Wait(Vec<MoveId>),
    /// The statement's template does not say enough: learn its text as a whole, plan that.
    Learn,
    /// Answer with this error; nothing runs.
    Refuse(Refusal),
}

/// What runs where.
#[derive(Debug, Clone)]
pub struct Plan {
    /// How the legs' answers become the client's.
    pub way: Way,
    /// One part a server, in the order of the servers; never empty.
    pub legs: Legs,
    /// Which nodes may run it.
    pub role: Role,
    /// Whose rows it concerns: for pins and for fair lending.
    pub tenants: Tenants,
    /// Why these servers and this way, in a few words, for EXPLAIN.
    pub why: Cow<'static, str>,
}

/// Legs; nearly always one, which needs no allocation.
pub type Legs = SmallVec<[Leg; 1]>;

/// Tenant keys; nearly always one, which needs no allocation.
pub type TenantKeys = SmallVec<[TenantKey; 1]>;

/// A plan's part on one server.
#[derive(Debug, Clone)]
pub struct Leg {
    /// The server.
    pub server: ServerId,
    /// The text to run there; `None`: the client's own, to the byte.
    pub text: Option<Arc<str>>,
    /// Fence tokens (tables in schema `pgherd`) to touch first in the same transaction.
    pub fences: Fences,
}

impl Leg {
    /// The client's own text on this server, with no fence yet.
    pub fn on(server: ServerId) -> Leg {
        Leg { server, text: None, fences: Fences::new() }
    }

    /// This text on this server, with no fence yet.
    pub fn of_text(server: ServerId, text: impl Into<Arc<str>>) -> Leg {
        Leg { text: Some(text.into()), ..Leg::on(server) }
    }
}

/// Names of token tables in schema `pgherd`; almost always empty.
pub type Fences = Vec<String>;

/// How legs become one answer.
#[derive(Debug, Clone)]
pub enum Way {
    /// One leg; its bytes are relayed.
    Single,
    /// Reads on several servers; rows become one result.
    Merge(Arc<MergePlan>),
    /// Reads on several servers; one of them computes the answer of what they give.
    Gather(Arc<GatherPlan>),
    /// One write on several servers in one atomic commit.
    Everywhere(Answer),
    /// What cannot run in a transaction: on one server after the other.
    InTurn,
    /// A write to a table of which every server has a copy, computed on the first leg only, in one
    /// atomic commit.
    Copies(Arc<CopiedWrite>),
    /// UPDATE or DELETE of rows that are locked, chosen by a SELECT over all servers, then written by
    /// their keys, in one atomic commit. Legs are all servers that may have such rows.
    Chosen(Arc<ChosenWrite>),
    /// The same of a table of which every server has a copy: each row is written in every copy. Legs are all
    /// servers.
    CopiesChosen(Arc<CopiesWrite>),
    /// A locking SELECT under a LIMIT: rows are chosen, then locked by their keys. Legs are all servers that may
    /// have such rows.
    Locked(Arc<LockedRows>),
    /// A statement whose CTEs write, part after part, in one atomic commit. Legs are all servers that it may
    /// concern.
    Staged(Arc<Staged>),
    /// MERGE: its source is computed, each row merged on its tenant's server, in one atomic commit. Legs are
    /// all servers that may have such rows.
    Matched(Arc<MatchedRows>),
    /// Rows that are computed first, then stored on every server, or in a table of the session, in one atomic
    /// commit. Legs are all servers.
    Stored(Arc<Stored>),
    /// COPY ... FROM STDIN: each row to its tenant's server, in one atomic commit. Legs are all
    /// servers that hold placements.
    CopyIn(Arc<CopyIn>),
    /// COPY ... TO STDOUT: the rows of a query that is planned by itself, written by the proxy. Legs are
    /// all servers that it may read.
    CopyOut(Arc<CopyOut>),
    /// INSERT: each row to its tenant's server, in one atomic commit. Legs are all servers that may
    /// get rows.
    Insert(Arc<Insert>),
}

/// What the client is told after a write on several servers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    /// The first leg's answer: all copies are equal (DDL, reference tables).
    First,
    /// The sum of the affected rows; RETURNING rows are concatenated.
    Sum,
}

/// COPY FROM STDIN over several servers.
#[derive(Debug, Clone)]
pub enum CopyIn {
    /// Into a sharded table: each row to its tenant's server.
    Rows(CopyRows),
    /// Into a table of which every server has a copy: all rows to each.
    Copies,
}

/// How the rows of a COPY find their servers.
#[derive(Debug, Clone)]
pub struct CopyRows {
    /// The table.
    pub relation: Arc<Relation>,
    /// How the data is written and where the tenant key stands in each row.
    pub format: crate::copy::CopyFormat,
    /// The tenant that the session names: rows of others are refused.
    pub only: Option<TenantKey>,
}

/// COPY TO STDOUT of rows of several servers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CopyOut {
    /// The query that gives the rows.
    pub question: Question,
    /// How they are written.
    pub format: OutFormat,
}

/// Which nodes may run a plan.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// The primary only.
    Primary,
    /// A replica that has replayed the pins, else the primary.
    Replica,
}

/// Whose rows a plan concerns.
#[derive(Debug, PartialEq, Eq)]
pub enum Tenants {
    /// No sharded table is read or written.
    None,
    /// These tenants, at least one.
    Some(TenantKeys),
    /// All tenants.
    All,
}

impl Clone for Tenants {
    fn clone(&self) -> Tenants {
        match self {
            Tenants::None => Tenants::None,
            Tenants::Some(keys) => Tenants::Some(match keys.as_slice() {
                // Nearly always: a loop over one takes longer than it.
                [key] => TenantKeys::from_buf([key.clone()]),
                keys => keys.into(),
            }),
            Tenants::All => Tenants::All,
        }
    }
}

/// Why a statement does not run.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Refusal {
    /// Five characters of PostgreSQL's list.
    pub sqlstate: &'static str,
    /// What is refused, lower case.
    pub message: String,
    /// What to do instead; empty where there is nothing to say.
    pub hint: String,
}

impl Refusal {
    /// A refusal with `0A000 feature_not_supported`.
    pub fn unsupported(message: impl Into<String>, hint: impl Into<String>) -> Refusal {
        Refusal { sqlstate: "0A000", message: message.into(), hint: hint.into() }
    }
}

/// What the planner may know of the session.
#[derive(Debug, Clone, Copy)]
pub struct SessionView<'a> {
    /// The tenant that the session names (setting, startup options); a statement's comment may
    /// name one too, this one wins.
    pub tenant: Option<&'a TenantKey>,
    /// True where the user may run statements over all tenants.
    pub fan_out: bool,
    /// True inside an explicit transaction that may write, or where it already wrote.
    pub read_write_transaction: bool,
    /// The server on which the session holds a connection (temporary tables, LISTEN ...): plans
    /// of statements without sharded tables stay there.
    pub held: Option<ServerId>,
    /// The temporary relations of the session, by name: asked for where
    /// [`crate::sql::Statement::asks_for_temporary`], else empty.
    pub temporary: &'a [String],
    /// True inside a transaction block.
    pub in_block: bool,
    /// The moves whose fences the open transaction holds.
    pub fenced: &'a [MoveId],
    /// What `now()` is for this statement where it runs on several servers.
    pub now: &'a dyn Now,
    /// Servers that cannot answer now: what any server can answer goes to another.
    pub away: &'a [ServerId],
    /// The server whose connection knows what `nextval` gave this session last; `None` where none does, or
    /// several may.
    pub counted: Option<ServerId>,
}

/// What `now()` is; asked for only where a statement runs on several servers.
pub trait Now: std::fmt::Debug + Sync {
    /// A timestamptz literal in PostgreSQL's text form, UTC; the same for the length of a transaction.
    fn now(&self) -> &str;
}

impl Now for &str {
    fn now(&self) -> &str {
        self
    }
}

/// One parameter of Bind.
#[derive(Debug, Clone, Copy)]
pub struct Parameter<'a> {
    /// The type that Parse declared; 0 where the server infers it.
    pub type_oid: u32,
    /// True for the binary format.
    pub binary: bool,
    /// The bytes; `None` for NULL.
    pub value: Option<&'a [u8]>,
}
