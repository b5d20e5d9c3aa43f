//! A write to a table of which every server has a copy, where what it computes may differ from server to
//! server: it runs on one, gives back what it wrote, and the others write the same rows.

use std::sync::Arc;

use pg_raw_parse::Node;
use pg_raw_parse::NodeMut;
use pg_raw_parse::list::{CastNodeList, NodeList};
use pg_raw_parse::make::{MemoryToken, Unique, try_owned};
use pg_raw_parse::nodes::{
    OnConflictAction, RangeVar, RawStmt, ResTarget, ReturningClause, ReturningClauseMut,
};

use super::rewrite::print;
use crate::catalog::{Relation, RelationKind};
use crate::ids::quote_identifier;
use crate::plan::{Refusal, hidden_reason};

/// A write, as the first server runs it and as the others repeat it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CopiedWrite {
    /// What the first server runs: the statement, with the written values behind its own RETURNING.
    pub first: Arc<str>,
    /// How many columns of that are the client's.
    pub visible: usize,
    /// What the others run for each row, with the written values as parameters.
    pub again: Arc<str>,
    /// How many values that takes.
    pub values: usize,
    /// The types of those, as OIDs.
    pub types: Vec<u32>,
}

/// What the statement does to rows.
enum Deed {
    Insert,
    /// The columns that are set where the row is there already.
    InsertOrUpdate(Vec<String>),
    Update(Vec<String>),
    Delete,
}

/// Reads a write to `relation`.
pub(crate) fn copied_write(statement: &RawStmt, relation: &Relation) -> Result<CopiedWrite, Refusal> {
    let (target, deed, returning) = parts_of(statement.stmt())?;
    if relation.kind != RelationKind::Reference {
        return Err(refuse(format!("\"{}\" is no table", relation.name), "Write its table."));
    }
    if let (Deed::Insert | Deed::InsertOrUpdate(_), Some(column)) = (&deed, relation.hidden().first()) {
        return Err(hidden_reason(relation, column));
    }
    let key: Vec<&str> = match relation.row_key() {
        Some(key) => key,
        // A row that is new on one server is new on all; only one that is there must be found again.
        None if matches!(deed, Deed::Insert) => Vec::new(),
        None => return Err(without_key(relation)),
    };
    let all: Vec<&str> = relation
        .columns
        .iter()
        .filter(|column| !column.generated)
        .map(|column| column.name.as_str())
        .collect();
    let mut set: Vec<&str> = match &deed {
        // A generated column is set to DEFAULT, or not at all.
        Deed::InsertOrUpdate(set) | Deed::Update(set) => {
            set.iter().map(String::as_str).filter(|column| all.contains(column)).collect()
        }
        Deed::Insert | Deed::Delete => Vec::new(),
    };
    let sets_nothing = set.is_empty();
    if sets_nothing {
        set.extend(key.first());
    } else if let Some(column) = set.iter().find(|column| key.contains(column)) {
        return Err(refuse(
            format!("column \"{column}\" of the key is computed anew"),
            "Write its new value as a constant or a parameter.",
        ));
    }
    let table = relation.quoted_name();
    let (again, values) = match &deed {
        Deed::Insert => (insert_of(&table, &all), all),
        Deed::InsertOrUpdate(_) => {
            let assignments: Vec<String> = set
                .iter()
                .map(|column| format!("{} = excluded.{}", quote_identifier(column), quote_identifier(column)))
                .collect();
            let text = format!(
                "{} ON CONFLICT ({}) DO UPDATE SET {}",
                insert_of(&table, &all),
                list(&key),
                assignments.join(", ")
            );
            (text, all)
        }
        Deed::Update(_) => {
            let assign =
                |(index, column): (usize, &&str)| format!("{} = ${}", quote_identifier(column), index + 1);
            let assignments: Vec<String> = set.iter().enumerate().map(assign).collect();
            let text =
                format!("UPDATE {table} SET {} WHERE {}", assignments.join(", "), condition(&key, set.len()));
            (text, set.iter().chain(&key).copied().collect())
        }
        Deed::Delete => (format!("DELETE FROM {table} WHERE {}", condition(&key, 0)), key),
    };
    let visible = visible(returning, relation)?;
    let first = with_values(statement, target, &values)?;
    let type_of = |name: &&str| relation.column(name).and_then(|at| relation.columns.get(at));
    let types = values.iter().map(|name| type_of(name).map_or(0, |column| column.type_oid)).collect();
    Ok(CopiedWrite { first, visible, again: again.into(), values: values.len(), types })
}

type Parts<'a> = (&'a RangeVar, Deed, Option<&'a ReturningClause>);

fn parts_of(statement: Node<'_>) -> Result<Parts<'_>, Refusal> {
    let unknown = || refuse("a write of this form".into(), "Use INSERT, UPDATE or DELETE.");
    let names = |targets: &CastNodeList<ResTarget>| {
        targets.iter().filter_map(|target| target.name().map(str::to_owned)).collect::<Vec<_>>()
    };
    match statement {
        Node::InsertStmt(insert) => {
            let deed = match insert.on_conflict_clause() {
                Some(conflict) if conflict.action == OnConflictAction::ONCONFLICT_UPDATE => {
                    Deed::InsertOrUpdate(names(conflict.target_list()))
                }
                Some(_) | None => Deed::Insert,
            };
            Ok((insert.relation().ok_or_else(unknown)?, deed, insert.returning_clause()))
        }
        Node::UpdateStmt(update) => {
            let deed = Deed::Update(names(update.target_list()));
            Ok((update.relation().ok_or_else(unknown)?, deed, update.returning_clause()))
        }
        Node::DeleteStmt(delete) => {
            Ok((delete.relation().ok_or_else(unknown)?, Deed::Delete, delete.returning_clause()))
        }
        _ => Err(unknown()),
    }
}

fn insert_of(table: &str, columns: &[&str]) -> String {
    let values: Vec<String> = (1..=columns.len()).map(|number| format!("${number}")).collect();
    format!("INSERT INTO {table} ({}) OVERRIDING SYSTEM VALUE VALUES ({})", list(columns), values.join(", "))
}

fn list(columns: &[&str]) -> String {
    columns.iter().map(|column| quote_identifier(column)).collect::<Vec<_>>().join(", ")
}

/// The key equals the parameters behind the first `before`.
fn condition(key: &[&str], before: usize) -> String {
    let equal =
        |(index, column): (usize, &&str)| format!("{} = ${}", quote_identifier(column), before + index + 1);
    key.iter().enumerate().map(equal).collect::<Vec<_>>().join(" AND ")
}

/// How many columns RETURNING gives.
fn visible(returning: Option<&ReturningClause>, relation: &Relation) -> Result<usize, Refusal> {
    let mut count = 0;
    for item in returning.map(ReturningClause::exprs).into_iter().flatten() {
        count += match item {
            Node::ResTarget(target) => match target.val() {
                Node::ColumnRef(column)
                    if column.fields().iter().any(|field| matches!(field, Node::A_Star(_))) =>
                {
                    if column.fields().len() > 1 {
                        return Err(refuse("RETURNING with a qualified star".into(), "Name the columns."));
                    }
                    relation.columns.len()
                }
                _ => 1,
            },
            _ => return Err(refuse("RETURNING of this form".into(), "Name the columns.")),
        };
    }
    Ok(count)
}

/// The statement, with these columns of the target behind its RETURNING.
fn with_values(statement: &RawStmt, target: &RangeVar, values: &[&str]) -> Result<Arc<str>, Refusal> {
    let name = target.alias().and_then(|alias| alias.aliasname()).or(target.relname()).unwrap_or_default();
    let tree = try_owned(|mem| {
        let mut copy = mem.make_unique(statement);
        let mut fresh = mem.make_node::<ReturningClause>();
        let mut root = copy.as_mut();
        macro_rules! extend {
            ($write:ident) => {{
                match $write.returning_clause_mut() {
                    Some(returning) => push(returning, name, values, mem),
                    None => {
                        push(fresh.as_mut(), name, values, mem);
                        $write.set_returning_clause(fresh.as_option());
                    }
                }
            }};
        }
        match root.stmt_mut() {
            NodeMut::InsertStmt(mut insert) => extend!(insert),
            NodeMut::UpdateStmt(mut update) => extend!(update),
            NodeMut::DeleteStmt(mut delete) => extend!(delete),
            _ => return Err(refuse("a write of this form".into(), "Use INSERT, UPDATE or DELETE.")),
        }
        Ok(copy)
    })?;
    print(&tree)
}

fn push<'mem>(
    mut returning: ReturningClauseMut<'mem, '_>,
    table: &str,
    columns: &[&str],
    mem: MemoryToken<'mem>,
) {
    for column in columns {
        let fields: [Unique<'mem, Node<'_>>; 2] =
            [mem.make_string(Some(table)).uncast(), mem.make_string(Some(column)).uncast()];
        let fields: Unique<'mem, &NodeList> = mem.make_list(&fields);
        let value = mem.make_column_ref(fields).uncast();
        let target = mem.make_res_target(None, mem.empty(), value);
        returning.exprs_mut().push(mem, target.uncast());
    }
}

/// Rows of a table that nothing tells apart cannot be found again in another copy.
pub(super) fn without_key(relation: &Relation) -> Refusal {
    refuse(format!("table \"{}\" has no primary key", relation.name), "Add one.")
}

fn refuse(what: String, hint: &str) -> Refusal {
    Refusal::unsupported(
        format!("{what}: every server has a copy of the table, and the copies could not be kept equal"),
        hint,
    )
}
