//! One time for all servers: the functions that read the clock become constants.

use pg_raw_parse::Node;
use pg_raw_parse::make::{MemoryToken, Unique};
use pg_raw_parse::nodes::{
    AlterTableCmdMut, AlterTableType, ConstrType, ConstraintMut, FuncCall, RawStmt, ResTargetMut,
    SQLValueFunction, SQLValueFunctionOp,
};
use pg_raw_parse::transform::{
    Assignable, Transform, transform_alter_table_cmd, transform_constraint, transform_node,
    transform_res_target,
};
use pg_raw_parse::walk::{Recurse, walk_manual};

use super::names::{function_name, output_name};
use crate::ids::quote_literal;

/// Makes constants of a statement's `now()`, `current_date` and their kin; false where one of them cannot
/// be replaced.
pub(crate) fn stop_clock<'mem>(
    statement: &mut Unique<'mem, &'mem RawStmt>,
    mem: MemoryToken<'mem>,
    now: &str,
) -> bool {
    let mut clock = StopClock { mem, now, failed: false };
    clock.transform_raw_stmt(statement.as_mut());
    !clock.failed
}

/// Replaces `now()`, `current_date` and their kin. Outputs keep the names that they would have.
struct StopClock<'mem, 'a> {
    mem: MemoryToken<'mem>,
    /// The time, as the text of a timestamptz.
    now: &'a str,
    /// True after something could not be replaced.
    failed: bool,
}

/// True where an expression, as SQL, depends on the time.
pub(crate) fn text_reads_clock(sql: &str) -> bool {
    pg_raw_parse::parse(&format!("SELECT {sql}")).is_ok_and(|tree| {
        tree.first().is_some_and(|statement| {
            matches!(statement.stmt(), Node::SelectStmt(select)
            if select.target_list().first().is_some_and(|target| reads_clock(target.val())))
        })
    })
}

impl<'mem> Transform<'mem> for StopClock<'mem, '_> {
    fn transform_res_target<'mutref>(&mut self, mut node: ResTargetMut<'mem, 'mutref>) {
        if node.name().is_none() && reads_clock(node.val()) {
            match output_name(node.val()) {
                Some(name) => node.set_name(Some(self.mem.copy_string(&name))),
                None => self.failed = true,
            }
        }
        transform_res_target(node, self);
    }

    /// Only what gives values to rows that are there has a moment.
    fn transform_alter_table_cmd<'mutref>(&mut self, node: AlterTableCmdMut<'mem, 'mutref>) {
        if matches!(node.subtype, AlterTableType::AT_AddColumn | AlterTableType::AT_AlterColumnType) {
            transform_alter_table_cmd(node, self);
        }
    }

    /// A condition is looked at whenever a row is written.
    fn transform_constraint<'mutref>(&mut self, node: ConstraintMut<'mem, 'mutref>) {
        if node.contype == ConstrType::CONSTR_DEFAULT {
            transform_constraint(node, self);
        }
    }

    fn transform_node<'mutref>(&mut self, node: Assignable<'mem, 'mutref>) {
        let Some(cast) = cast_of(node.as_ref()) else {
            return transform_node(node.into_inner(), self);
        };
        match self.constant(&cast) {
            Some(constant) => node.replace(constant),
            None => self.failed = true,
        }
    }
}

impl<'mem> StopClock<'mem, '_> {
    fn constant(&self, cast: &str) -> Option<Unique<'mem, Node<'mem>>> {
        let text = format!("SELECT ({}::timestamptz){cast}", quote_literal(self.now));
        let tree = pg_raw_parse::parse(&text).ok()?;
        match tree.first()?.stmt() {
            Node::SelectStmt(select) => {
                Some(self.mem.make_unique(select.target_list().first()?.val()).uncast())
            }
            _ => None,
        }
    }
}

/// True where an expression depends on the time.
pub(crate) fn reads_clock(node: Node<'_>) -> bool {
    if cast_of(node).is_some() {
        return true;
    }
    if matches!(node, Node::None) {
        return false;
    }
    let found = walk_manual(node, |node| match cast_of(node) {
        Some(_) => std::ops::ControlFlow::Break(()),
        None => Recurse::yes(),
    });
    found.is_some()
}

/// The cast that makes the node's value of the time; `None` for nodes that do not read the clock.
fn cast_of(node: Node<'_>) -> Option<String> {
    match node {
        Node::FuncCall(call) => is_now(call).then(String::new),
        Node::SQLValueFunction(function) => cast_of_value_function(function),
        _ => None,
    }
}

fn is_now(call: &FuncCall) -> bool {
    matches!(function_name(call), Some("now" | "statement_timestamp" | "transaction_timestamp"))
}

fn cast_of_value_function(function: &SQLValueFunction) -> Option<String> {
    let precise = |name: &str| format!("::{name}({})", function.typmod);
    Some(match function.op {
        SQLValueFunctionOp::SVFOP_CURRENT_DATE => "::date".to_owned(),
        SQLValueFunctionOp::SVFOP_CURRENT_TIME => "::timetz".to_owned(),
        SQLValueFunctionOp::SVFOP_CURRENT_TIME_N => precise("timetz"),
        SQLValueFunctionOp::SVFOP_CURRENT_TIMESTAMP => String::new(),
        SQLValueFunctionOp::SVFOP_CURRENT_TIMESTAMP_N => precise("timestamptz"),
        SQLValueFunctionOp::SVFOP_LOCALTIME => "::time".to_owned(),
        SQLValueFunctionOp::SVFOP_LOCALTIME_N => precise("time"),
        SQLValueFunctionOp::SVFOP_LOCALTIMESTAMP => "::timestamp".to_owned(),
        SQLValueFunctionOp::SVFOP_LOCALTIMESTAMP_N => precise("timestamp"),
        _ => return None,
    })
}
