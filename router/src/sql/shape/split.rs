//! One SELECT over all tenants: its merge, and the text for each server.

use std::sync::Arc;

use pg_raw_parse::Node;
use pg_raw_parse::nodes::{LimitOption, RawStmt, SelectStmt, SetOperation};

use super::analysis::{Analysis, Role};
use super::expression::unknown_expression;
use super::from::not_joined_by_tenant;
use super::leg::{Leg, leg_text};
use super::limit::limits;
use super::{groups, rows};
use crate::catalog::{Catalog, SearchPath};
use crate::merge::MergePlan;
use crate::plan::Refusal;

/// How a statement is done on several servers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Split {
    /// How the servers' rows become the client's.
    pub(crate) merge: MergePlan,
    /// What each server runs.
    pub(crate) text: Arc<str>,
}

/// Splits a SELECT over sharded rows of all tenants. `now` is what `now()` is on all servers, as the
/// text of a timestamptz.
pub(crate) fn split(
    statement: &RawStmt,
    catalog: &Catalog,
    path: &SearchPath,
    now: &str,
) -> Result<Split, Refusal> {
    let Node::SelectStmt(select) = statement.stmt() else {
        return Err(Refusal::unsupported(
            "only SELECT runs over all tenants",
            "restrict the statement to one tenant",
        ));
    };
    if select.limit_option == LimitOption::LIMIT_OPTION_WITH_TIES {
        return Err(Refusal::unsupported("WITH TIES is not merged", "use LIMIT"));
    }
    let analysis = Analysis::new(catalog, path);
    let (merge, leg) = match select.op {
        SetOperation::SETOP_NONE => split_block(&analysis, select)?,
        _ => split_union(&analysis, select)?,
    };
    Ok(Split { merge, text: leg_text(statement, &leg, now)? })
}

fn split_block<'a>(analysis: &Analysis<'a>, select: &'a SelectStmt) -> Result<(MergePlan, Leg<'a>), Refusal> {
    let block = analysis.block(select, None)?;
    if block.sharded.is_empty() {
        return Err(Refusal::unsupported(
            "the sharded rows of this statement stand in a subquery over all tenants",
            "join the subquery in FROM, or restrict the statement to one tenant",
        ));
    }
    if !block.scope.is_one_class(&block.sharded) {
        return Err(not_joined_by_tenant());
    }
    if block.seen.window {
        return Err(Refusal::unsupported(
            "a window function over rows of all tenants is not merged",
            "restrict the statement to one tenant",
        ));
    }
    let outputs = block
        .outputs()?
        .ok_or_else(|| Refusal::unsupported("the columns of * are not known", "name the columns"))?;
    let limits = limits(select)?;
    if block.is_grouped() && !block.groups_by_tenant(&outputs)? {
        groups::merge(&block, &outputs, &limits)
    } else {
        rows::merge(&block, &outputs, &limits)
    }
}

/// UNION ALL of sharded rows, in any order.
fn split_union<'a>(analysis: &Analysis<'a>, select: &'a SelectStmt) -> Result<(MergePlan, Leg<'a>), Refusal> {
    let limits = limits(select)?;
    if !select.sort_clause().is_empty() || limits.is_some() || !select.locking_clause().is_empty() {
        return Err(Refusal::unsupported(
            "ORDER BY and LIMIT over a set operation are not merged",
            "select from the set operation as a subquery",
        ));
    }
    let table = analysis.subquery(select, None, Role::Table)?;
    let columns = table.columns.ok_or_else(unknown_expression)?;
    if !table.sharded {
        return Err(unknown_expression());
    }
    Ok((MergePlan { visible: columns.len(), ..MergePlan::default() }, Leg::default()))
}
