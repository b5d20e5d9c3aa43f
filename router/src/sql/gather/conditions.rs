//! Which conditions a server may apply to one table's rows before it sends them: those that concern the
//! table alone and give the same whenever and wherever they are computed.

use std::collections::HashMap;

use pg_raw_parse::Node;
use pg_raw_parse::nodes::BoolExprType;

use super::reads::{Block, Table};
use crate::sql::walk::children;

/// The conditions that must all hold where this one holds.
pub(super) fn conjuncts(condition: Node<'_>) -> Vec<Node<'_>> {
    match condition {
        Node::None => Vec::new(),
        Node::BoolExpr(all) if all.boolop == BoolExprType::AND_EXPR => {
            all.args().iter().flat_map(conjuncts).collect()
        }
        other => vec![other],
    }
}

/// True where every name in the condition is certainly a column of this table, and there is one.
pub(super) fn is_about(condition: Node<'_>, table: &Table<'_>, block: &Block) -> bool {
    let mut columns = 0;
    let mut stack = vec![condition];
    while let Some(node) = stack.pop() {
        match node {
            Node::ColumnRef(column) => {
                let fields: Option<Vec<&str>> = column.fields().iter().map(Node::as_str).collect();
                if !fields.is_some_and(|fields| is_column_of(&fields, table, block)) {
                    return false;
                }
                columns += 1;
            }
            Node::SubLink(_) => return false,
            other => match children(other) {
                Some(below) => stack.extend(below),
                None => return false,
            },
        }
    }
    columns > 0
}

/// PostgreSQL looks for a bare name in the block's own FROM clause first and takes it only where it is
/// one table's; so a bare name that this table has is this table's, unless a join has merged it.
pub(super) fn is_column_of(fields: &[&str], table: &Table<'_>, block: &Block) -> bool {
    match fields {
        [name] => table.has(name) && !block.natural && !block.merged.iter().any(|merged| merged == name),
        [alias, name] => {
            *alias == table.alias
                && table.has(name)
                && block.aliases.iter().filter(|other| *other == alias).count() == 1
        }
        _ => false,
    }
}

/// The parameters that stand in a condition, each once.
pub(super) fn parameters(condition: Node<'_>) -> Vec<i32> {
    let mut counts = HashMap::new();
    count_parameters(condition, &mut counts);
    let mut numbers: Vec<i32> = counts.into_keys().collect();
    numbers.sort_unstable();
    numbers
}

/// Adds up how often each parameter stands below a node.
pub(super) fn count_parameters(root: Node<'_>, counts: &mut HashMap<i32, usize>) {
    let mut stack = vec![root];
    while let Some(node) = stack.pop() {
        if let Node::ParamRef(parameter) = node {
            *counts.entry(parameter.number).or_default() += 1;
        }
        stack.extend(children(node).unwrap_or_default());
    }
}

/// True where all parameters of an expression are among these.
pub(super) fn is_known(node: Node<'_>, known: &[i32]) -> bool {
    parameters(node).iter().all(|number| known.contains(number))
}

/// True where an expression names one of these CTEs.
pub(super) fn mentions(root: Node<'_>, ctes: &[String]) -> bool {
    let mut stack = vec![root];
    while let Some(node) = stack.pop() {
        if let Node::RangeVar(range) = node
            && range.schemaname().is_none()
            && ctes.iter().any(|cte| Some(cte.as_str()) == range.relname())
        {
            return true;
        }
        stack.extend(children(node).unwrap_or_default());
    }
    false
}
