//! Statements that cannot run in a transaction: on several servers they run on one after the other, and each
//! says what it may have left behind where it failed, so that it can go on there.
//!
//! | statement | left behind | to go on |
//! | --- | --- | --- |
//! | `CREATE INDEX CONCURRENTLY` | an invalid index | it is dropped first; a valid one is not made again |
//! | `DROP INDEX CONCURRENTLY` | an invalid index | it is dropped; one that is gone is not dropped again |
//! | `REINDEX ... CONCURRENTLY` | invalid indexes of its own (`_ccnew`) | they are dropped first |
//! | `ALTER TABLE ... DETACH PARTITION ... CONCURRENTLY` | a partition half detached | `FINALIZE` |
//! | `VACUUM`, `CLUSTER`, `REINDEX`, `CHECKPOINT`, `REFRESH MATERIALIZED VIEW CONCURRENTLY` | nothing | it runs again; nobody keeps a record |

use pg_raw_parse::Node;
use pg_raw_parse::nodes::{
    AlterTableStmt, AlterTableType, DropStmt, RangeVar, ReindexObjectType, ReindexStmt,
};

use super::Statement;
use super::kind::Kind;
use super::rewrite::quoted_relation;
use crate::ids::{quote_identifier, quote_literal};

/// A statement that runs on one server after the other.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InTurn {
    /// What PostgreSQL calls it.
    pub name: &'static str,
    task: Task,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Task {
    /// It may be run again at will.
    Upkeep,
    /// The same, with a temporary table of the server's own making: no server can prepare that.
    Refresh,
    /// Names are quoted, with their schema where one was written.
    CreateIndex {
        schema: Option<String>,
        table: String,
        /// Not quoted; `None`: PostgreSQL would choose a name on each server.
        index: Option<String>,
    },
    DropIndex {
        index: String,
    },
    /// Of one table or index, or of more.
    Reindex {
        of: Option<String>,
        index: bool,
    },
    Detach {
        parent: String,
        partition: String,
    },
}

/// What to do on a server where the statement may have run before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Remedy {
    /// It is done there.
    Done,
    /// Run these, then the statement.
    After(Vec<String>),
    /// Run this in its place.
    Instead(String),
}

impl InTurn {
    /// True where an unfinished one is kept on record.
    pub fn is_recorded(&self) -> bool {
        !matches!(self.task, Task::Upkeep | Task::Refresh)
    }

    /// Why it cannot run on several servers, inside a transaction block or by itself.
    pub fn hindrance(&self, in_block: bool) -> Option<(&'static str, &'static str)> {
        match &self.task {
            Task::Refresh if in_block => Some((
                "REFRESH MATERIALIZED VIEW CONCURRENTLY inside a transaction block, over several servers",
                "Run it by itself, or leave CONCURRENTLY out.",
            )),
            Task::CreateIndex { index: None, .. } => Some((
                "an index that is made CONCURRENTLY on several servers needs a name",
                "Name it: each server would choose for itself.",
            )),
            Task::Upkeep
            | Task::Refresh
            | Task::CreateIndex { .. }
            | Task::DropIndex { .. }
            | Task::Reindex { .. }
            | Task::Detach { .. } => None,
        }
    }

    /// What it makes or takes away, as it is named: to find the record of one by another.
    pub fn object(&self) -> Option<String> {
        match &self.task {
            Task::CreateIndex { schema, index, .. } => {
                let index = quote_identifier(index.as_ref()?);
                Some(schema.as_ref().map_or_else(|| index.clone(), |schema| format!("{schema}.{index}")))
            }
            Task::DropIndex { index } => Some(index.clone()),
            Task::Upkeep | Task::Refresh | Task::Reindex { .. } | Task::Detach { .. } => None,
        }
    }

    /// True where it takes away what another may have left unfinished.
    pub fn takes_away(&self) -> bool {
        matches!(self.task, Task::DropIndex { .. })
    }

    /// The question for what a server has of it; [`InTurn::remedy`] and [`InTurn::remains`] take the answer.
    pub fn question(&self) -> Option<String> {
        let indexes = "SELECT pg_catalog.format('%I.%I', n.nspname, c.relname), i.indisvalid \
             FROM pg_catalog.pg_index i JOIN pg_catalog.pg_class c ON c.oid = i.indexrelid \
             JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace WHERE";
        let regclass = |name: &str| format!("pg_catalog.to_regclass({})", quote_literal(name));
        match &self.task {
            Task::Upkeep | Task::Refresh | Task::Reindex { of: None, .. } => None,
            Task::CreateIndex { table, index, .. } => {
                let name = quote_literal(index.as_deref()?);
                Some(format!("{indexes} i.indrelid = {} AND c.relname = {name}", regclass(table)))
            }
            Task::DropIndex { index } => Some(format!("{indexes} i.indexrelid = {}", regclass(index))),
            Task::Reindex { of: Some(name), index } => {
                let table = match index {
                    true => format!(
                        "(SELECT indrelid FROM pg_catalog.pg_index WHERE indexrelid = {})",
                        regclass(name)
                    ),
                    false => regclass(name),
                };
                Some(format!(
                    "{indexes} i.indrelid = {table} AND NOT i.indisvalid AND c.relname ~ '_cc(new|old)[0-9]*$'"
                ))
            }
            Task::Detach { parent, partition } => Some(format!(
                "SELECT '', NOT inhdetachpending FROM pg_catalog.pg_inherits \
                 WHERE inhparent = {} AND inhrelid = {}",
                regclass(parent),
                regclass(partition)
            )),
        }
    }

    /// What to do on a server where it may have run before.
    pub fn remedy(&self, rows: &[Vec<Option<String>>]) -> Remedy {
        let valid = rows.first().map(|row| matches!(row.get(1), Some(Some(truth)) if truth == "t"));
        match (&self.task, valid) {
            (Task::CreateIndex { .. }, Some(true)) | (Task::DropIndex { .. } | Task::Detach { .. }, None) => {
                Remedy::Done
            }
            (Task::Detach { parent, partition }, Some(false)) => {
                Remedy::Instead(format!("ALTER TABLE {parent} DETACH PARTITION {partition} FINALIZE"))
            }
            (Task::CreateIndex { .. } | Task::Reindex { .. }, _) => Remedy::After(self.remains(rows)),
            (Task::Upkeep | Task::Refresh | Task::DropIndex { .. } | Task::Detach { .. }, _) => {
                Remedy::After(Vec::new())
            }
        }
    }

    /// The statements that take away what it left behind where it failed.
    pub fn remains(&self, rows: &[Vec<Option<String>>]) -> Vec<String> {
        match &self.task {
            Task::CreateIndex { .. } | Task::Reindex { .. } => {
                let invalid =
                    rows.iter().filter(|row| matches!(row.get(1), Some(Some(truth)) if truth == "f"));
                let names = invalid.filter_map(|row| row.first()?.as_ref());
                names.map(|name| format!("DROP INDEX CONCURRENTLY IF EXISTS {name}")).collect()
            }
            Task::Upkeep | Task::Refresh | Task::DropIndex { .. } | Task::Detach { .. } => Vec::new(),
        }
    }
}

impl Statement {
    /// How it runs where it cannot run in a transaction; `None` where it can.
    pub fn in_turn(&self) -> Option<InTurn> {
        if !matches!(self.kind(), Kind::Upkeep | Kind::Ddl { transactional: false, .. }) {
            return None;
        }
        let upkeep = |name| Some(InTurn { name, task: Task::Upkeep });
        match self.raw().stmt() {
            Node::IndexStmt(create) => {
                let table = create.relation()?;
                let task = Task::CreateIndex {
                    schema: table.schemaname().map(quote_identifier),
                    table: name_of(table),
                    index: create.idxname().map(str::to_owned),
                };
                Some(InTurn { name: "CREATE INDEX CONCURRENTLY", task })
            }
            Node::DropStmt(drop) => {
                let task = Task::DropIndex { index: dropped(drop)? };
                Some(InTurn { name: "DROP INDEX CONCURRENTLY", task })
            }
            Node::AlterTableStmt(alter) => {
                let partition = detached(alter)?;
                let task = Task::Detach { parent: name_of(alter.relation()?), partition };
                Some(InTurn { name: "ALTER TABLE ... DETACH CONCURRENTLY", task })
            }
            Node::ReindexStmt(reindex) if is_concurrent(reindex) => {
                let index = reindex.kind == ReindexObjectType::REINDEX_OBJECT_INDEX;
                let task = Task::Reindex { of: reindex.relation().map(name_of), index };
                Some(InTurn { name: "REINDEX CONCURRENTLY", task })
            }
            Node::ReindexStmt(_) => upkeep("REINDEX"),
            Node::RefreshMatViewStmt(_) => {
                Some(InTurn { name: "REFRESH MATERIALIZED VIEW", task: Task::Refresh })
            }
            Node::VacuumStmt(_) => upkeep("VACUUM"),
            Node::ClusterStmt(_) => upkeep("CLUSTER"),
            Node::CheckPointStmt(_) => upkeep("CHECKPOINT"),
            // No other statement is of these kinds.
            _ => None,
        }
    }
}

impl Statement {
    /// True for upkeep of one table or index, which PostgreSQL runs inside a transaction block too.
    pub(crate) fn runs_in_block(&self) -> bool {
        match self.raw().stmt() {
            Node::ReindexStmt(reindex) => {
                let alone = matches!(
                    reindex.kind,
                    ReindexObjectType::REINDEX_OBJECT_INDEX | ReindexObjectType::REINDEX_OBJECT_TABLE
                );
                alone && !is_concurrent(reindex)
            }
            Node::ClusterStmt(cluster) => cluster.relation().is_some(),
            // No other upkeep is of one table or index.
            _ => false,
        }
    }
}

/// True for REINDEX (CONCURRENTLY), unless it is switched off.
pub(super) fn is_concurrent(reindex: &ReindexStmt) -> bool {
    reindex.params().iter().any(|option| {
        let off = super::calls::constant(option.arg())
            .is_some_and(|value| matches!(value.as_str(), "false" | "off" | "0"));
        option.defname() == Some("concurrently") && !off
    })
}

/// The partition that is detached CONCURRENTLY.
pub(super) fn detached(alter: &AlterTableStmt) -> Option<String> {
    alter.cmds().iter().find_map(|command| match command {
        Node::AlterTableCmd(command) if command.subtype == AlterTableType::AT_DetachPartition => {
            match command.def() {
                Node::PartitionCmd(partition) if partition.concurrent => partition.name().map(name_of),
                _ => None,
            }
        }
        _ => None,
    })
}

fn name_of(range: &RangeVar) -> String {
    quoted_relation(range).unwrap_or_default()
}

/// The index that is dropped: PostgreSQL takes one only.
fn dropped(drop: &DropStmt) -> Option<String> {
    match drop.objects().iter().next()? {
        Node::NodeList(parts) => {
            let parts: Vec<String> = parts.iter().filter_map(Node::as_str).map(quote_identifier).collect();
            Some(parts.join("."))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::{Catalog, SearchPath};
    use crate::sql::{Learned, learn};

    fn read(text: &str) -> InTurn {
        let path = SearchPath::standard("app");
        let Learned::Statements(statements) = learn(text, &Catalog::default(), &path) else {
            panic!("{text} is a statement");
        };
        statements[0].in_turn().unwrap_or_else(|| panic!("{text} runs in turn"))
    }

    fn answer(name: &str, valid: &str) -> Vec<Vec<Option<String>>> {
        vec![vec![Some(name.to_owned()), Some(valid.to_owned())]]
    }

    #[test]
    fn an_index_is_made_where_it_is_not_valid() {
        let create = read("CREATE UNIQUE INDEX CONCURRENTLY \"I\" ON s.t (a, lower(b)) WHERE a > 0");
        assert_eq!(create.object().as_deref(), Some("\"s\".\"I\""));
        assert!(create.hindrance(false).is_none() && create.is_recorded());
        assert!(create.question().is_some_and(|text| text.contains("'\"s\".\"t\"'") && text.contains("'I'")));
        assert_eq!(create.remedy(&answer("s.\"I\"", "t")), Remedy::Done);
        assert_eq!(create.remedy(&[]), Remedy::After(Vec::new()));
        let drop = "DROP INDEX CONCURRENTLY IF EXISTS s.\"I\"".to_owned();
        assert_eq!(create.remedy(&answer("s.\"I\"", "f")), Remedy::After(vec![drop]));
        assert!(read("CREATE INDEX CONCURRENTLY ON t (a)").hindrance(false).is_some());
    }

    #[test]
    fn what_is_gone_is_not_taken_away_again() {
        let drop = read("DROP INDEX CONCURRENTLY IF EXISTS s.\"I\"");
        assert_eq!(drop.object().as_deref(), Some("\"s\".\"I\""));
        assert_eq!(drop.remedy(&[]), Remedy::Done);
        assert_eq!(drop.remedy(&answer("s.\"I\"", "f")), Remedy::After(Vec::new()));
        let detach = read("ALTER TABLE p DETACH PARTITION s.c CONCURRENTLY");
        assert_eq!(detach.remedy(&[]), Remedy::Done);
        let finalize = "ALTER TABLE \"p\" DETACH PARTITION \"s\".\"c\" FINALIZE".to_owned();
        assert_eq!(detach.remedy(&answer("", "f")), Remedy::Instead(finalize));
    }

    #[test]
    fn upkeep_is_not_recorded() {
        for text in ["VACUUM", "VACUUM (VERBOSE, ANALYZE) t", "CLUSTER", "REINDEX DATABASE app", "CHECKPOINT"]
        {
            assert!(!read(text).is_recorded(), "{text}");
        }
        for text in ["REINDEX TABLE CONCURRENTLY t", "REINDEX (CONCURRENTLY) SCHEMA s"] {
            assert!(read(text).is_recorded(), "{text}");
        }
    }
}
