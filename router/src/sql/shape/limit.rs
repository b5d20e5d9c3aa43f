//! LIMIT and OFFSET: what the merge does, and how many rows a server must give for it.

use pg_raw_parse::nodes::SelectStmt;
use pg_raw_parse::{ConstValue, Node};

use super::facts::oid;
use super::scope::Scope;
use super::types::infer;
use crate::merge::Limit;
use crate::plan::Refusal;

/// What LIMIT and OFFSET say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Limits {
    pub(super) limit: Option<Limit>,
    pub(super) offset: Option<Limit>,
}

impl Limits {
    /// LIMIT of a leg of which all rows may be needed, as SQL: none, but each parameter keeps its place and
    /// its type.
    pub(super) fn for_all_rows(self) -> Option<String> {
        let parameters = [self.limit, self.offset].into_iter().flatten().filter_map(parameter);
        let sum = parameters.collect::<Vec<_>>().join(" + ");
        (!sum.is_empty()).then(|| format!("nullif({sum}, {sum})"))
    }

    /// LIMIT of a leg of which the first rows are enough, as SQL: the rows to skip and the rows to give.
    pub(super) fn for_first_rows(self) -> Option<String> {
        let Some(limit) = self.limit else { return self.for_all_rows() };
        match (limit, self.offset.unwrap_or(Limit::Rows(0))) {
            (Limit::Rows(limit), Limit::Rows(offset)) => match limit.checked_add(offset) {
                Some(sum) if i64::try_from(sum).is_ok() => Some(sum.to_string()),
                Some(_) | None => None,
            },
            (limit, Limit::Rows(0)) => Some(as_sql(limit)),
            (limit, offset) => Some(format!("{} + {}", as_sql(limit), as_sql(offset))),
        }
    }
}

fn parameter(limit: Limit) -> Option<String> {
    match limit {
        Limit::Rows(_) => None,
        Limit::Parameter(_) => Some(as_sql(limit)),
    }
}

/// The cast is the one that LIMIT itself does.
fn as_sql(limit: Limit) -> String {
    match limit {
        Limit::Rows(rows) => rows.to_string(),
        Limit::Parameter(number) => format!("${number}::int8"),
    }
}

/// Reads LIMIT and OFFSET; `None` where there is neither.
pub(super) fn limits(select: &SelectStmt) -> Result<Option<Limits>, Refusal> {
    let limits = Limits { limit: rows(select.limit_count())?, offset: rows(select.limit_offset())? };
    Ok((limits.limit.is_some() || limits.offset.is_some()).then_some(limits))
}

fn rows(node: Node<'_>) -> Result<Option<Limit>, Refusal> {
    let is_integer =
        |node| matches!(infer(node, &Scope::inside(None)).type_oid, Some(oid::INT2 | oid::INT4 | oid::INT8));
    match node {
        Node::None => Ok(None),
        Node::A_Const(constant) if constant.isnull => Ok(None),
        Node::ParamRef(parameter) => parameter_of(parameter.number),
        Node::TypeCast(cast) if is_integer(node) => match cast.arg() {
            Node::ParamRef(parameter) => parameter_of(parameter.number),
            Node::A_Const(constant) if constant.isnull => Ok(None),
            argument => constant_of(argument),
        },
        node => constant_of(node),
    }
}

fn parameter_of(number: i32) -> Result<Option<Limit>, Refusal> {
    u16::try_from(number).map(|number| Some(Limit::Parameter(number))).map_err(|_| not_constant())
}

fn constant_of(node: Node<'_>) -> Result<Option<Limit>, Refusal> {
    let value = value_of(node).and_then(|value| u64::try_from(value).ok());
    value.map(|rows| Some(Limit::Rows(rows))).ok_or_else(not_constant)
}

/// An integer constant, or a sum of two.
fn value_of(node: Node<'_>) -> Option<i64> {
    match node {
        Node::A_Const(constant) => match constant.val()? {
            ConstValue::Integer(value) => Some(value.into()),
            ConstValue::Float(text) => text.parse().ok(),
            _ => None,
        },
        Node::A_Expr(sum) if sum.name().iter().map(Node::as_str).eq([Some("+")]) => {
            value_of(sum.lexpr())?.checked_add(value_of(sum.rexpr())?)
        }
        _ => None,
    }
}

fn not_constant() -> Refusal {
    Refusal::unsupported(
        "LIMIT and OFFSET over all tenants must be constants or parameters",
        "compute the number first, or restrict the statement to one tenant",
    )
}
