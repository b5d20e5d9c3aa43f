//! The columns that an INSERT fills.

use std::sync::Arc;

use pg_raw_parse::Node;
use pg_raw_parse::nodes::InsertStmt;

use crate::catalog::{Column, Relation, RelationKind};
use crate::plan::{Refusal, hidden_reason};
use crate::sql::shape::is_stamped;

/// As PostgreSQL has it: a syntax error.
pub(super) const MISFIT: &str = "42601";

/// The columns that an INSERT fills, in the order of its values.
#[derive(Debug, Clone)]
pub(crate) struct Columns {
    /// The table.
    pub(crate) relation: Arc<Relation>,
    /// True where the statement names them.
    pub(crate) named: bool,
    /// The columns that the values stand for.
    pub(crate) given: Vec<Column>,
    /// Where the tenant column stands among them.
    pub(crate) key: Option<usize>,
    /// Columns that are left out, and whose defaults read the clock: one time for all servers.
    pub(crate) stamped: Vec<Column>,
}

impl Columns {
    /// The columns of an INSERT with this many values a row.
    pub(crate) fn of(
        insert: &InsertStmt,
        relation: &Arc<Relation>,
        width: usize,
    ) -> Result<Columns, Refusal> {
        let names: Vec<&str> = insert
            .cols()
            .iter()
            .filter_map(|node| if let Node::ResTarget(target) = node { target.name() } else { None })
            .collect();
        let given: Option<Vec<Column>> = match names.is_empty() {
            true => relation.columns.get(..width).map(<[Column]>::to_vec),
            false => names
                .iter()
                .map(|name| relation.column(name).and_then(|at| relation.columns.get(at)).cloned())
                .collect(),
        };
        // What PostgreSQL has to say of it, each server says.
        let given = given.filter(|given| given.len() == width).ok_or_else(|| Refusal {
            sqlstate: MISFIT,
            message: "INSERT does not give each of its target columns one expression".into(),
            hint: String::new(),
        })?;
        let key = match (relation.tenant_column(), &relation.kind) {
            (Some((tenant, _)), _) => given.iter().position(|column| column.name == tenant.name),
            (None, RelationKind::Reference) => None,
            (None, _) => {
                return Err(Refusal::unsupported(
                    "INSERT into a view over several servers",
                    "Insert into the table.",
                ));
            }
        };
        if let Some(column) = relation.hidden().iter().find(|column| is_stamped(column)) {
            return Err(hidden_reason(relation, column));
        }
        let left = |column: &&Column| !given.iter().any(|other| other.name == column.name);
        let stamped = relation.columns.iter().filter(left).filter(|column| is_stamped(column));
        Ok(Columns {
            named: !names.is_empty(),
            key,
            stamped: stamped.cloned().collect(),
            relation: Arc::clone(relation),
            given,
        })
    }
}
