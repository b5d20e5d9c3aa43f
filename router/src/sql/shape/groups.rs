//! The merge of groups whose rows stand on several servers: each server gives partial aggregates.

use pg_raw_parse::Node;
use pg_raw_parse::nodes::FuncCall;

use super::analysis::Block;
use super::expression::unknown_expression;
use super::facts::Facts;
use super::leg::{Hidden, Leg, LegOrder};
use super::limit::Limits;
use super::names::function_name;
use super::outputs::{Expression, Output, group_keys, sort_key};
use super::rows::{check_order, key_of};
use super::types::infer;
use crate::merge::{Aggregate, AggregateKind, GroupPlan, MergePlan, Output as Merged, SortKey};
use crate::plan::Refusal;

/// The merge of a grouped block.
pub(super) fn merge<'a>(
    block: &Block<'a, '_>,
    outputs: &[Output<'a>],
    limits: &Option<Limits>,
) -> Result<(MergePlan, Leg<'a>), Refusal> {
    let visible = outputs.len();
    let keys = group_keys(block.select, &block.scope, outputs)?;
    check_clauses(block, &keys)?;
    let mut hidden: Vec<Hidden<'a>> = Vec::new();
    for key in &keys {
        check_key(block, key)?;
        hidden.push(Hidden::Expression(key.clone()));
    }
    let mut merged = Vec::new();
    for output in outputs {
        merged.push(merge_output(block, output, visible, &mut hidden)?);
    }
    let mut order = Vec::new();
    for sort in block.select.sort_clause() {
        let (expression, at) = sort_key(sort.node(), &block.scope, outputs)?;
        check_order(expression.facts(&block.scope).has_known_order())?;
        order.push(match at.map(|at| (at, &merged[at])) {
            Some((at, Merged::Aggregate(aggregate))) => key_of(sort, aggregate.parts[0], Some(at)),
            Some((_, Merged::Key)) | None => {
                let column = keys.iter().position(|key| key.is_same(&expression, &block.scope));
                key_of(sort, visible + column.ok_or_else(not_in_group)?, None)
            }
        });
    }
    let merge = MergePlan {
        visible,
        hidden: hidden.len(),
        group: Some(GroupPlan { keys: (visible..visible + keys.len()).collect(), outputs: merged }),
        distinct: Vec::new(),
        order: without_repeats(order),
        offset: limits.and_then(|limits| limits.offset),
        limit: limits.and_then(|limits| limits.limit),
    };
    let limit = limits.as_ref().map(|limits| limits.for_all_rows());
    Ok((merge, Leg { hidden, order: LegOrder::Dropped, limit }))
}

/// A key that stands twice orders nothing the second time.
fn without_repeats(order: Vec<SortKey>) -> Vec<SortKey> {
    let mut kept: Vec<SortKey> = Vec::new();
    for key in order {
        if !kept.iter().any(|other| (other.column, other.output) == (key.column, key.output)) {
            kept.push(key);
        }
    }
    kept
}

fn check_clauses<'a>(block: &Block<'a, '_>, keys: &[Expression<'a>]) -> Result<(), Refusal> {
    if !block.select.distinct_clause().is_empty() {
        return Err(Refusal::unsupported(
            "DISTINCT over groups of all tenants is not merged",
            "leave DISTINCT away: groups are distinct if all their keys are selected",
        ));
    }
    let having = block.select.having_clause();
    if matches!(having, Node::None) {
        return Ok(());
    }
    // Without aggregates, HAVING says the same of a group on each server.
    let seen = block.seen_in(having)?;
    if keys.is_empty() || !seen.is_plain() {
        return Err(Refusal::unsupported(
            "HAVING over aggregates of all tenants is not merged",
            "filter the result in the application, or group by the tenant column too",
        ));
    }
    Ok(())
}

fn check_key<'a>(block: &Block<'a, '_>, key: &Expression<'a>) -> Result<(), Refusal> {
    let is_plain = match key {
        Expression::Node(node) => block.seen_in(*node)?.is_plain(),
        Expression::Column(_) => true,
    };
    if is_plain && key.facts(&block.scope).is_equal_by_bytes() {
        return Ok(());
    }
    Err(Refusal::unsupported(
        "GROUP BY a value that the proxy cannot compare as PostgreSQL does",
        "group by columns of integer, text, date, uuid or boolean types, or by the tenant column too",
    ))
}

fn merge_output<'a>(
    block: &Block<'a, '_>,
    output: &Output<'a>,
    visible: usize,
    hidden: &mut Vec<Hidden<'a>>,
) -> Result<Merged, Refusal> {
    let Expression::Node(node) = &output.expression else { return Ok(Merged::Key) };
    let seen = block.seen_in(*node)?;
    if seen.is_plain() {
        return Ok(Merged::Key);
    }
    // A part is computed beside the visible column: both must be the same.
    if seen.volatile || seen.set {
        return Err(unknown_expression());
    }
    match node {
        Node::FuncCall(call) if seen.aggregate => {
            let (kind, parts) = combine(block, call)?;
            let first = visible + hidden.len();
            let numbers = (first..first + parts.len()).collect();
            hidden.extend(parts);
            Ok(Merged::Aggregate(Aggregate { kind, parts: numbers }))
        }
        _ if seen.aggregate => Err(Refusal::unsupported(
            "an expression over an aggregate of all tenants is not merged",
            "select the aggregate itself and compute in the application",
        )),
        _ => Err(unknown_expression()),
    }
}

/// How an aggregate is made of partial ones.
fn combine<'a>(
    block: &Block<'a, '_>,
    call: &'a FuncCall,
) -> Result<(AggregateKind, Vec<Hidden<'a>>), Refusal> {
    let name = function_name(call).unwrap_or_default();
    let tenants = call.agg_distinct && name == "count" && counts_tenants(block, call);
    if (call.agg_distinct && !tenants)
        || call.agg_within_group
        || call.func_variadic
        || !call.agg_order().is_empty()
    {
        return Err(not_combined(name));
    }
    let arguments: Vec<Node<'a>> = call.args().iter().collect();
    let facts = match arguments.as_slice() {
        [] if call.agg_star => Facts::UNKNOWN,
        [only] => infer(*only, &block.scope),
        _ => return Err(not_combined(name)),
    };
    let whole = || vec![Hidden::Expression(Expression::Node(Node::FuncCall(call)))];
    match name {
        "count" => Ok((AggregateKind::Count, whole())),
        "sum" if facts.has_exact_sum() => Ok((AggregateKind::Sum, whole())),
        "avg" if facts.has_exact_sum() => {
            Ok((AggregateKind::Average, vec![Hidden::Sum(call), Hidden::Count(call)]))
        }
        "min" if facts.has_known_order() => Ok((AggregateKind::Min, whole())),
        "max" if facts.has_known_order() => Ok((AggregateKind::Max, whole())),
        "bool_and" | "every" => Ok((AggregateKind::And, whole())),
        "bool_or" => Ok((AggregateKind::Or, whole())),
        _ => Err(not_combined(name)),
    }
}

/// A tenant stands on one server, so that each server's number of them adds up.
fn counts_tenants(block: &Block<'_, '_>, call: &FuncCall) -> bool {
    let resolved = call.args().first().and_then(|only| Expression::Node(only).resolve(&block.scope));
    call.args().len() == 1 && resolved.is_some_and(|resolved| !resolved.outer && resolved.column.tenant)
}

fn not_combined(name: &str) -> Refusal {
    Refusal::unsupported(
        format!("{name}() of these values over all tenants is not merged"),
        "group by the tenant column too, or restrict the statement to one tenant",
    )
}

fn not_in_group() -> Refusal {
    Refusal::unsupported(
        "groups of all tenants are ordered by selected aggregates and by keys of GROUP BY only",
        "select what you order by",
    )
}
