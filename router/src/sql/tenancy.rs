//! Schema changes by which a table gets the tenant column, loses it, or changes its type: rows that are there
//! already must be where the column then says.

use pg_raw_parse::Node;
use pg_raw_parse::nodes::{AlterTableCmd, AlterTableType, ObjectType, RangeVar};

use super::rewrite::quoted_relation;

/// A change of what says whose rows a table's are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TenancyChange {
    /// The table, as the statement names it, quoted.
    pub table: String,
    /// True where the column may be gone afterwards.
    pub takes_away: bool,
}

/// The change that a statement may be.
pub(super) fn tenancy_change(statement: Node<'_>, tenant_column: &str) -> Option<TenancyChange> {
    let of = |table: Option<&RangeVar>, takes_away| {
        Some(TenancyChange { table: quoted_relation(table?)?, takes_away })
    };
    match statement {
        Node::AlterTableStmt(alter) => {
            let commands = alter.cmds().iter().filter_map(|command| match command {
                Node::AlterTableCmd(command) => concerned(command, tenant_column),
                _ => None,
            });
            let takes_away: Vec<bool> = commands.collect();
            (!takes_away.is_empty()).then(|| of(alter.relation(), takes_away.contains(&true))).flatten()
        }
        Node::RenameStmt(rename)
            if rename.rename_type == ObjectType::OBJECT_COLUMN
                && rename.relation_type == ObjectType::OBJECT_TABLE =>
        {
            match (rename.subname(), rename.newname()) {
                (Some(old), _) if old == tenant_column => of(rename.relation(), true),
                (_, Some(new)) if new == tenant_column => of(rename.relation(), false),
                _ => None,
            }
        }
        Node::CreateTableAsStmt(create) => of(create.into().and_then(|into| into.rel()), false),
        Node::SelectStmt(select) => of(select.into_clause().and_then(|into| into.rel()), false),
        _ => None,
    }
}

/// Whether a part of ALTER TABLE takes the tenant column away; `None` where it does not concern it.
fn concerned(command: &AlterTableCmd, tenant_column: &str) -> Option<bool> {
    let added = match command.def() {
        Node::ColumnDef(column) => column.colname(),
        _ => None,
    };
    match command.subtype {
        AlterTableType::AT_AddColumn => (added == Some(tenant_column)).then_some(false),
        AlterTableType::AT_SetNotNull | AlterTableType::AT_AlterColumnType => {
            (command.name() == Some(tenant_column)).then_some(false)
        }
        AlterTableType::AT_DropColumn => (command.name() == Some(tenant_column)).then_some(true),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_changes_whose_rows_a_tables_are_is_found() {
        for (text, expected) in [
            ("alter table a.t add column tenant_id bigint", Some(("\"a\".\"t\"", false))),
            ("alter table t add x int, drop column tenant_id", Some(("\"t\"", true))),
            ("alter table t alter tenant_id set not null", Some(("\"t\"", false))),
            ("alter table t alter tenant_id type text", Some(("\"t\"", false))),
            ("alter table t rename x to tenant_id", Some(("\"t\"", false))),
            ("alter table t rename tenant_id to x", Some(("\"t\"", true))),
            ("create table t as select 1 as tenant_id", Some(("\"t\"", false))),
            ("alter table t add column x int", None),
            ("alter table t alter tenant_id set default 1", None),
            ("alter view v rename tenant_id to x", None),
            ("create table t (tenant_id bigint)", None),
        ] {
            let trees = pg_raw_parse::parse(text).expect("parses");
            let found = tenancy_change(trees.first().expect("a statement").stmt(), "tenant_id");
            let found = found.as_ref().map(|change| (change.table.as_str(), change.takes_away));
            assert_eq!(found, expected, "{text}");
        }
    }
}
