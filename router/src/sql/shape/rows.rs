//! The merge of rows: concatenated, in order, without doubles.

use pg_raw_parse::Node;
use pg_raw_parse::nodes::{SortBy, SortByDir, SortByNulls};

use super::analysis::Block;
use super::leg::{Hidden, Leg, LegOrder};
use super::limit::Limits;
use super::outputs::{Output, has_tenant, sort_key};
use crate::merge::{MergePlan, SortKey};
use crate::plan::Refusal;

/// The merge of a block whose rows, or whole groups, come from one server each.
pub(super) fn merge<'a>(
    block: &Block<'a, '_>,
    outputs: &[Output<'a>],
    limits: &Option<Limits>,
) -> Result<(MergePlan, Leg<'a>), Refusal> {
    let mut hidden: Vec<Hidden<'a>> = Vec::new();
    let visible = outputs.len();
    let distinct = distinct(block, outputs)?;
    if distinct == Distinct::ByMerge {
        hidden.extend(outputs.iter().map(|output| Hidden::Expression(output.expression.clone())));
    }
    let mut order = Vec::new();
    for sort in block.select.sort_clause() {
        let (expression, at) = sort_key(sort.node(), &block.scope, outputs)?;
        check_order(expression.facts(&block.scope).has_known_order())?;
        check_sort_value(block, sort)?;
        let column = match (distinct, at) {
            (Distinct::ByMerge, Some(at)) => at,
            (Distinct::ByMerge | Distinct::ByServers, None) => return Err(not_selected()),
            (Distinct::No, _) | (Distinct::ByServers, Some(_)) => {
                if let Some(at) = at {
                    check_plain(block, &outputs[at])?;
                }
                hidden.push(Hidden::Expression(expression));
                hidden.len() - 1
            }
        };
        order.push(key_of(sort, visible + column, None));
    }
    let merge = MergePlan {
        visible,
        hidden: hidden.len(),
        group: None,
        distinct: match distinct {
            Distinct::ByMerge => (visible..visible * 2).collect(),
            Distinct::ByServers | Distinct::No => Vec::new(),
        },
        order,
        offset: limits.and_then(|limits| limits.offset),
        limit: limits.and_then(|limits| limits.limit),
    };
    let limit = limits.as_ref().map(|limits| limits.for_first_rows());
    Ok((merge, Leg { hidden, order: LegOrder::Kept, limit }))
}

/// Who drops doubles.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Distinct {
    /// Nobody.
    No,
    /// The servers, since equal rows are of one tenant.
    ByServers,
    /// The servers, then the merge.
    ByMerge,
}

fn distinct<'a>(block: &Block<'a, '_>, outputs: &[Output<'a>]) -> Result<Distinct, Refusal> {
    let scope = &block.scope;
    let clause = block.select.distinct_clause();
    match clause.first() {
        None => return Ok(Distinct::No),
        Some(Node::None) => {}
        Some(_) => return distinct_on(block, outputs),
    }
    if outputs.iter().any(|output| has_tenant(&output.expression, scope)) {
        return Ok(Distinct::ByServers);
    }
    for output in outputs {
        check_plain(block, output)?;
        if !output.expression.facts(scope).is_equal_by_bytes() {
            return Err(Refusal::unsupported(
                "DISTINCT over a value that the proxy cannot compare as PostgreSQL does",
                "select columns of integer, text, date, uuid or boolean types, or the tenant column too",
            ));
        }
    }
    Ok(Distinct::ByMerge)
}

/// DISTINCT ON with the tenant chooses within rows of one tenant.
fn distinct_on<'a>(block: &Block<'a, '_>, outputs: &[Output<'a>]) -> Result<Distinct, Refusal> {
    for node in block.select.distinct_clause() {
        let (expression, _) = sort_key(node, &block.scope, outputs)?;
        if has_tenant(&expression, &block.scope) {
            return Ok(Distinct::No);
        }
    }
    Err(Refusal::unsupported(
        "DISTINCT ON over all tenants is not merged",
        "add the tenant column to DISTINCT ON, or restrict the statement to one tenant",
    ))
}

/// The key that one item of ORDER BY is.
pub(super) fn key_of(sort: &SortBy, column: usize, output: Option<usize>) -> SortKey {
    let descending = sort.sortby_dir == SortByDir::SORTBY_DESC;
    let nulls_first = match sort.sortby_nulls {
        SortByNulls::SORTBY_NULLS_FIRST => true,
        SortByNulls::SORTBY_NULLS_LAST => false,
        _ => descending,
    };
    SortKey { column, output, descending, nulls_first }
}

pub(super) fn check_order(has_known_order: bool) -> Result<(), Refusal> {
    if has_known_order {
        return Ok(());
    }
    Err(Refusal::unsupported(
        "ORDER BY a value that the proxy cannot compare as PostgreSQL does",
        "order by numbers, dates, uuids, or text with COLLATE \"C\", or restrict the statement to one tenant",
    ))
}

/// A key is computed twice, visibly and hidden: both must be the same.
fn check_sort_value<'a>(block: &Block<'a, '_>, sort: &'a SortBy) -> Result<(), Refusal> {
    let seen = block.seen_in(sort.node())?;
    if seen.volatile || seen.set { Err(changes()) } else { Ok(()) }
}

fn check_plain<'a>(block: &Block<'a, '_>, output: &Output<'a>) -> Result<(), Refusal> {
    let seen = block.seen_in_output(output)?;
    if seen.volatile || seen.set { Err(changes()) } else { Ok(()) }
}

fn changes() -> Refusal {
    Refusal::unsupported(
        "rows are ordered or compared by a value that changes at each call",
        "order by a column, or restrict the statement to one tenant",
    )
}

fn not_selected() -> Refusal {
    Refusal::unsupported(
        "with DISTINCT, ORDER BY over all tenants takes selected columns only",
        "select what you order by",
    )
}
