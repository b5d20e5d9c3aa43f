//! The type of an expression, where it is certain. What is not listed is not known.

use pg_raw_parse::nodes::{A_Expr, A_Expr_Kind, FuncCall, SubLinkType, TypeName};
use pg_raw_parse::{ConstValue, Node};

use super::facts::{Facts, oid};
use super::names::{fields_of, function_name};
use super::scope::Scope;
use crate::catalog::Collation;

/// What is known of an expression's value.
pub(super) fn infer(node: Node<'_>, scope: &Scope<'_>) -> Facts {
    match node {
        Node::ColumnRef(column) => fields_of(column)
            .and_then(|fields| scope.resolve(&fields))
            .map_or(Facts::UNKNOWN, |resolved| resolved.column.facts),
        Node::A_Const(constant) => match constant.val() {
            Some(ConstValue::Integer(_)) => Facts::of(oid::INT4),
            Some(ConstValue::Float(text)) if text.parse::<i64>().is_ok() => Facts::of(oid::INT8),
            Some(ConstValue::Float(_)) => Facts::of(oid::NUMERIC),
            Some(ConstValue::Boolean(_)) => Facts::of(oid::BOOL),
            Some(_) | None => Facts::UNKNOWN,
        },
        Node::TypeCast(cast) => cast.type_name().map_or(Facts::UNKNOWN, infer_cast),
        Node::CollateClause(collate) => infer_collate(collate, scope),
        Node::BoolExpr(_) | Node::NullTest(_) | Node::BooleanTest(_) => Facts::of(oid::BOOL),
        Node::SubLink(link) => match link.sub_link_type {
            SubLinkType::EXISTS_SUBLINK | SubLinkType::ANY_SUBLINK | SubLinkType::ALL_SUBLINK => {
                Facts::of(oid::BOOL)
            }
            _ => Facts::UNKNOWN,
        },
        Node::A_Expr(expression) => infer_operator(expression, scope),
        Node::FuncCall(call) => infer_call(call, scope),
        Node::CoalesceExpr(coalesce) => infer_common(coalesce.args().iter(), scope),
        Node::MinMaxExpr(extreme) => infer_common(extreme.args().iter(), scope),
        Node::CaseExpr(case) => {
            let results = case.args().iter().map(|when| match when {
                Node::CaseWhen(when) => when.result(),
                other => other,
            });
            let default = Some(case.defresult()).filter(|node| !matches!(node, Node::None));
            infer_common(results.chain(default), scope)
        }
        _ => Facts::UNKNOWN,
    }
}

/// The type that all alternatives have; NULL constants fit any.
fn infer_common<'a>(alternatives: impl Iterator<Item = Node<'a>>, scope: &Scope<'_>) -> Facts {
    let is_null = |node: &Node<'_>| matches!(node, Node::A_Const(constant) if constant.isnull);
    let mut all = alternatives.filter(|node| !is_null(node)).map(|node| infer(node, scope));
    let Some(first) = all.next() else { return Facts::UNKNOWN };
    all.fold(Facts { fixed_scale: false, ..first }, common)
}

/// The type that two alternatives become. A numeric may have the scale of either.
fn common(one: Facts, other: Facts) -> Facts {
    let rank = |facts: Facts| facts.type_oid.and_then(numeric_rank);
    match (rank(one), rank(other)) {
        (Some(left), Some(right)) if left < right => Facts { fixed_scale: false, ..other },
        (Some(_), Some(_)) => one,
        _ if one.type_oid == other.type_oid && one.collation == other.collation => one,
        _ => Facts::UNKNOWN,
    }
}

/// Casts to PostgreSQL's own types. A text made by a cast has a collation that depends on what is
/// cast: not known.
fn infer_cast(name: &TypeName) -> Facts {
    if name.setof || name.pct_type || !name.array_bounds().is_empty() {
        return Facts::UNKNOWN;
    }
    let names: Vec<&str> = name.names().iter().filter_map(|part| part.sval()).collect();
    let bare = match names.as_slice() {
        [bare] | ["pg_catalog", bare] => *bare,
        _ => return Facts::UNKNOWN,
    };
    let type_oid = match bare {
        "bool" => oid::BOOL,
        "bytea" => oid::BYTEA,
        "int2" => oid::INT2,
        "int4" => oid::INT4,
        "int8" => oid::INT8,
        "float4" => oid::FLOAT4,
        "float8" => oid::FLOAT8,
        "numeric" => oid::NUMERIC,
        "date" => oid::DATE,
        "time" => oid::TIME,
        "timestamp" => oid::TIMESTAMP,
        "timestamptz" => oid::TIMESTAMPTZ,
        "interval" => oid::INTERVAL,
        "uuid" => oid::UUID,
        _ => return Facts::UNKNOWN,
    };
    Facts { fixed_scale: type_oid == oid::NUMERIC && !name.typmods().is_empty(), ..Facts::of(type_oid) }
}

fn infer_collate(collate: &pg_raw_parse::nodes::CollateClause, scope: &Scope<'_>) -> Facts {
    let names: Vec<&str> = collate.collname().iter().filter_map(Node::as_str).collect();
    match names.as_slice() {
        ["C" | "POSIX" | "ucs_basic"] | ["pg_catalog", "C" | "POSIX" | "ucs_basic"] => {
            let type_oid = infer(collate.arg(), scope).type_oid.unwrap_or(oid::TEXT);
            Facts { type_oid: Some(type_oid), collation: Some(Collation::Bytes), fixed_scale: false }
        }
        _ => Facts::UNKNOWN,
    }
}

fn infer_operator(expression: &A_Expr, scope: &Scope<'_>) -> Facts {
    match expression.kind {
        A_Expr_Kind::AEXPR_OP => {}
        A_Expr_Kind::AEXPR_NULLIF => {
            return Facts { fixed_scale: false, ..infer(expression.lexpr(), scope) };
        }
        _ => return Facts::of(oid::BOOL),
    }
    let names: Vec<&str> = expression.name().iter().filter_map(Node::as_str).collect();
    let [operator] = names.as_slice() else { return Facts::UNKNOWN };
    if matches!(*operator, "=" | "<>" | "<" | ">" | "<=" | ">=") {
        return Facts::of(oid::BOOL);
    }
    let right = infer(expression.rexpr(), scope).type_oid;
    let result = match expression.lexpr() {
        Node::None if matches!(*operator, "-" | "+") => right.filter(|right| numeric_rank(*right).is_some()),
        Node::None => None,
        left => arithmetic(operator, infer(left, scope).type_oid, right),
    };
    result.map_or(Facts::UNKNOWN, Facts::of)
}

fn numeric_rank(type_oid: u32) -> Option<u8> {
    [oid::INT2, oid::INT4, oid::INT8, oid::NUMERIC]
        .iter()
        .position(|known| *known == type_oid)
        .map(|at| at as u8)
}

/// The result of `left operator right` for numbers and times.
fn arithmetic(operator: &str, left: Option<u32>, right: Option<u32>) -> Option<u32> {
    let (left, right) = (left?, right?);
    if let (Some(left_rank), Some(right_rank)) = (numeric_rank(left), numeric_rank(right)) {
        let wider = if left_rank >= right_rank { left } else { right };
        return matches!(operator, "+" | "-" | "*" | "/" | "%").then_some(wider);
    }
    let is_integer = |type_oid| matches!(type_oid, oid::INT2 | oid::INT4);
    match (left, operator, right) {
        (oid::FLOAT8, "+" | "-" | "*" | "/", oid::FLOAT8) => Some(oid::FLOAT8),
        (oid::DATE, "+" | "-", integer) if is_integer(integer) => Some(oid::DATE),
        (oid::DATE, "-", oid::DATE) => Some(oid::INT4),
        (oid::DATE, "+" | "-", oid::INTERVAL) => Some(oid::TIMESTAMP),
        (oid::TIMESTAMP | oid::TIMESTAMPTZ, "+" | "-", oid::INTERVAL) => Some(left),
        _ => None,
    }
}

fn infer_call(call: &FuncCall, scope: &Scope<'_>) -> Facts {
    if call.over().is_some() {
        return Facts::UNKNOWN;
    }
    let Some(name) = function_name(call) else { return Facts::UNKNOWN };
    let argument = |at: usize| call.args().get(at).map_or(Facts::UNKNOWN, |node| infer(node, scope));
    let first = argument(0);
    match name {
        "count" => Facts::of(oid::INT8),
        "length" | "char_length" | "octet_length" => Facts::of(oid::INT4),
        "lower" | "upper" if call.args().len() == 1 => match first.type_oid {
            Some(oid::TEXT | oid::VARCHAR) => Facts { type_oid: Some(oid::TEXT), ..first },
            Some(_) | None => Facts::UNKNOWN,
        },
        "bool_and" | "bool_or" | "every" => Facts::of(oid::BOOL),
        "min" | "max" => Facts { fixed_scale: false, ..first },
        "sum" => match first.type_oid {
            Some(oid::INT2 | oid::INT4) => Facts::of(oid::INT8),
            Some(oid::INT8 | oid::NUMERIC) => Facts::of(oid::NUMERIC),
            Some(_) | None => Facts::UNKNOWN,
        },
        "avg" if first.has_exact_sum() => Facts::of(oid::NUMERIC),
        "abs" if first.type_oid.is_some_and(|type_oid| numeric_rank(type_oid).is_some()) => {
            Facts { fixed_scale: false, ..first }
        }
        "round" | "trunc" | "ceil" | "floor" if first.type_oid == Some(oid::NUMERIC) => {
            Facts::of(oid::NUMERIC)
        }
        "date_trunc" if call.args().len() == 2 => match argument(1).type_oid {
            Some(kind @ (oid::TIMESTAMP | oid::TIMESTAMPTZ)) => Facts::of(kind),
            Some(_) | None => Facts::UNKNOWN,
        },
        _ => Facts::UNKNOWN,
    }
}
