//! Names in trees: of columns, of functions, of outputs.

use pg_raw_parse::Node;
use pg_raw_parse::list::NodeList;
use pg_raw_parse::nodes::{ColumnRef, FuncCall, SQLValueFunctionOp, TypeName};

/// The parts of a column's name; `None` for a star.
pub(crate) fn fields_of(column: &ColumnRef) -> Option<Vec<&str>> {
    column.fields().iter().map(Node::as_str).collect()
}

/// The name of a function of `pg_catalog`, or without a schema.
pub(crate) fn function_name(call: &FuncCall) -> Option<&str> {
    let names: Vec<&str> = call.funcname().iter().filter_map(Node::as_str).collect();
    match names.as_slice() {
        [name] | ["pg_catalog", name] => Some(name),
        _ => None,
    }
}

/// The name that PostgreSQL gives an output without AS (`FigureColname` in `parse_target.c`);
/// `None` for nodes that are not listed here.
pub(crate) fn output_name(node: Node<'_>) -> Option<String> {
    figure(node).map(|(name, _)| name.unwrap_or_else(|| "?column?".to_owned()))
}

/// The name and how much it weighs: 1 for that of a type, 2 for others, 0 for none.
fn figure(node: Node<'_>) -> Option<(Option<String>, u8)> {
    let strong = |name: &str| Some((Some(name.to_owned()), 2));
    match node {
        Node::ColumnRef(column) => match last_name(column.fields()) {
            Some(name) => strong(name),
            None => Some((None, 0)),
        },
        Node::FuncCall(call) => strong(last_name(call.funcname())?),
        Node::TypeCast(cast) => {
            let (name, weight) = figure(cast.arg())?;
            if weight > 1 {
                return Some((name, weight));
            }
            let type_name = last_part(cast.type_name()?)?;
            Some((Some(type_name.to_owned()), 1))
        }
        Node::CollateClause(collate) => figure(collate.arg()),
        Node::CoalesceExpr(_) => strong("coalesce"),
        Node::MinMaxExpr(extreme) => strong(if extreme.op == pg_raw_parse::nodes::MinMaxOp::IS_GREATEST {
            "greatest"
        } else {
            "least"
        }),
        Node::CaseExpr(case) => match figure(case.defresult())? {
            (name, weight) if weight > 1 => Some((name, weight)),
            _ => Some((Some("case".to_owned()), 1)),
        },
        Node::SQLValueFunction(function) => strong(value_function_name(function.op)?),
        Node::A_Expr(expression) if expression.kind == pg_raw_parse::nodes::A_Expr_Kind::AEXPR_NULLIF => {
            strong("nullif")
        }
        Node::A_Expr(_) | Node::BoolExpr(_) | Node::NullTest(_) | Node::BooleanTest(_) => Some((None, 0)),
        Node::A_Const(_) | Node::ParamRef(_) | Node::None => Some((None, 0)),
        Node::A_ArrayExpr(_) => strong("array"),
        Node::RowExpr(_) => strong("row"),
        _ => None,
    }
}

fn value_function_name(op: SQLValueFunctionOp::Type) -> Option<&'static str> {
    Some(match op {
        SQLValueFunctionOp::SVFOP_CURRENT_DATE => "current_date",
        SQLValueFunctionOp::SVFOP_CURRENT_TIME | SQLValueFunctionOp::SVFOP_CURRENT_TIME_N => "current_time",
        SQLValueFunctionOp::SVFOP_CURRENT_TIMESTAMP | SQLValueFunctionOp::SVFOP_CURRENT_TIMESTAMP_N => {
            "current_timestamp"
        }
        SQLValueFunctionOp::SVFOP_LOCALTIME | SQLValueFunctionOp::SVFOP_LOCALTIME_N => "localtime",
        SQLValueFunctionOp::SVFOP_LOCALTIMESTAMP | SQLValueFunctionOp::SVFOP_LOCALTIMESTAMP_N => {
            "localtimestamp"
        }
        SQLValueFunctionOp::SVFOP_CURRENT_ROLE => "current_role",
        SQLValueFunctionOp::SVFOP_CURRENT_USER => "current_user",
        SQLValueFunctionOp::SVFOP_USER => "user",
        SQLValueFunctionOp::SVFOP_SESSION_USER => "session_user",
        SQLValueFunctionOp::SVFOP_CURRENT_CATALOG => "current_catalog",
        SQLValueFunctionOp::SVFOP_CURRENT_SCHEMA => "current_schema",
        _ => return None,
    })
}

/// The last part of a name.
pub(super) fn last_name(parts: &NodeList) -> Option<&str> {
    parts.get(parts.len().checked_sub(1)?)?.as_str()
}

/// The last part of a type's name.
pub(super) fn last_part(name: &TypeName) -> Option<&str> {
    name.names().iter().fold(None, |_, part| part.sval())
}
