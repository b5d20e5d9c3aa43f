//! What kind of statement a statement is.

use std::sync::Arc;

use super::Statement;

/// What kind of statement it is, with what the proxy must know of it.
#[derive(Debug, Clone)]
pub enum Kind {
    /// SELECT, VALUES, TABLE.
    Query,
    /// INSERT, UPDATE, DELETE, MERGE, and queries with a data-modifying WITH.
    Write,
    /// CREATE TABLE AS, SELECT INTO, CREATE MATERIALIZED VIEW.
    CreateAs {
        /// The new table is temporary.
        temporary: bool,
    },
    /// EXPLAIN of another statement.
    Explain {
        /// The statement.
        inner: Arc<Statement>,
        /// `EXPLAIN (options) `, to be put before a leg's text.
        prefix: String,
        /// True where the statement is run.
        analyze: bool,
        /// True where the plan is given as text: no FORMAT, or FORMAT TEXT.
        as_text: bool,
    },
    /// BEGIN, START TRANSACTION.
    Begin {
        /// The statement, without comments.
        text: String,
        /// READ ONLY was said.
        read_only: bool,
    },
    /// COMMIT, END.
    Commit {
        /// AND CHAIN.
        chain: bool,
    },
    /// ROLLBACK, ABORT.
    Rollback {
        /// AND CHAIN.
        chain: bool,
    },
    /// SAVEPOINT.
    Savepoint(String),
    /// RELEASE SAVEPOINT.
    Release(String),
    /// ROLLBACK TO SAVEPOINT.
    RollbackTo(String),
    /// PREPARE TRANSACTION: the end of the session's transaction, and not yet its outcome.
    PrepareTransaction,
    /// COMMIT PREPARED, ROLLBACK PREPARED.
    PreparedTransaction,
    /// SET.
    Set {
        /// The setting's name in lower case; `TRANSACTION` as such.
        name: String,
        /// How long it lasts.
        scope: SetScope,
        /// The constants, joined by commas; `None` for DEFAULT and what cannot be written as text.
        value: Option<String>,
        /// The statement, without comments.
        text: String,
    },
    /// RESET of one setting.
    Reset(String),
    /// RESET ALL.
    ResetAll,
    /// SHOW.
    Show(String),
    /// PREPARE.
    Prepare {
        /// The name.
        name: String,
        /// The types between the parentheses as written; empty where there are none.
        types: String,
        /// The text after AS.
        body: String,
    },
    /// EXECUTE.
    Execute {
        /// The name.
        name: String,
        /// The arguments.
        arguments: Arguments,
    },
    /// DEALLOCATE; `None` is ALL.
    Deallocate(Option<String>),
    /// DISCARD.
    Discard(Discarded),
    /// DECLARE CURSOR.
    DeclareCursor {
        /// Its name.
        name: String,
        /// WITH HOLD.
        hold: bool,
        /// The query.
        inner: Arc<Statement>,
        /// The text up to the query.
        prefix: String,
    },
    /// FETCH, MOVE.
    Fetch {
        /// The cursor.
        name: String,
    },
    /// CLOSE; `None` is ALL.
    CloseCursor(Option<String>),
    /// LISTEN, UNLISTEN.
    Listen,
    /// NOTIFY.
    Notify,
    /// COPY.
    Copy(CopyKind),
    /// LOCK TABLE, SET CONSTRAINTS: of the transaction.
    Lock {
        /// LOCK TABLE.
        of_tables: bool,
    },
    /// TRUNCATE.
    Truncate,
    /// What changes the schema.
    Ddl {
        /// False where it cannot run in a transaction (CREATE INDEX CONCURRENTLY ...).
        transactional: bool,
        /// It makes a temporary object.
        temporary: bool,
    },
    /// DO.
    Do,
    /// CALL.
    Call,
    /// ANALYZE.
    Analyze,
    /// VACUUM, CLUSTER, CHECKPOINT, REINDEX of more than one table: cannot run in a transaction, and change
    /// no schema.
    Upkeep,
    /// CREATE DATABASE, ALTER SYSTEM, LOAD ...: concern one server.
    Maintenance,
    /// What pgherd does not know, or not in this form.
    Other,
}

/// How long a SET lasts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SetScope {
    /// For the session.
    Session,
    /// SET LOCAL.
    Local,
    /// SET TRANSACTION.
    Transaction,
}

/// What DISCARD discards.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Discarded {
    /// ALL.
    All,
    /// PLANS.
    Plans,
    /// SEQUENCES.
    Sequences,
    /// TEMP.
    Temp,
}

/// What a COPY does.
#[derive(Debug, Clone)]
pub enum CopyKind {
    /// COPY table FROM STDIN.
    In {
        /// The columns as listed; empty: all.
        columns: Vec<String>,
        /// The options, names in lower case.
        options: Vec<CopyOption>,
        /// It has a WHERE clause.
        filtered: bool,
    },
    /// COPY table TO STDOUT.
    Out {
        /// The columns as listed; empty: all.
        columns: Vec<String>,
        /// The options, names in lower case.
        options: Vec<CopyOption>,
    },
    /// COPY (query) TO STDOUT.
    OutQuery {
        /// The query.
        inner: Arc<Statement>,
        /// The options, names in lower case.
        options: Vec<CopyOption>,
    },
    /// A file or program of the server.
    Server,
}

/// An option of COPY.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CopyOption {
    /// Its name in lower case.
    pub name: String,
    /// Its value, or the names of a list; empty where there is none. A star is `*`.
    pub values: Vec<String>,
}

/// Whether a statement may write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// It only reads.
    Read,
    /// It may write, or takes locks: only a primary may run it.
    Write,
}

impl Kind {
    /// The statement that EXPLAIN, DECLARE or COPY holds.
    pub(crate) fn inner(&self) -> Option<&Arc<Statement>> {
        match self {
            Kind::Explain { inner, .. }
            | Kind::DeclareCursor { inner, .. }
            | Kind::Copy(CopyKind::OutQuery { inner, .. }) => Some(inner),
            _ => None,
        }
    }
}

/// The arguments of EXECUTE.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Arguments {
    /// Literals, in text form; `None` is NULL. The parameters' types read them.
    Literals(Vec<Option<String>>),
    /// Anything else, which has a type of its own: a server computes it.
    Computed {
        /// How many there are.
        count: usize,
        /// As they were written, between the parentheses.
        text: String,
        /// How many characters stand before them.
        before: usize,
    },
}

impl Arguments {
    /// How many there are.
    pub fn count(&self) -> usize {
        match self {
            Arguments::Literals(values) => values.len(),
            Arguments::Computed { count, .. } => *count,
        }
    }
}

/// Why a statement makes its session keep its connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hold {
    /// A temporary table.
    TemporaryTable,
    /// A type or function in `pg_temp`.
    TemporaryObject,
    /// LISTEN.
    Listen,
    /// A session-level advisory lock.
    AdvisoryLock,
    /// A cursor WITH HOLD.
    Cursor,
}

impl Hold {
    /// In words.
    pub fn as_str(self) -> &'static str {
        match self {
            Hold::TemporaryTable => "temporary table",
            Hold::TemporaryObject => "temporary type or function",
            Hold::Listen => "LISTEN",
            Hold::AdvisoryLock => "session advisory lock",
            Hold::Cursor => "cursor WITH HOLD",
        }
    }
}
