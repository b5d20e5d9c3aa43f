//! Statements that are nothing but one call about a session's process: which it is, cancel it, end it. To
//! clients a session has the process id that they were told, on whatever connection it is.

use pg_raw_parse::Node;
use pg_raw_parse::nodes::{FuncCall, SetOperation};

use super::calls::constant;

/// A statement that asks for the session's own process id, or does something to one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProcessCall {
    /// The name of the result's only column.
    pub column: String,
    /// What it asks for.
    pub asks: ProcessAsk,
}

/// What a [`ProcessCall`] asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProcessAsk {
    /// `pg_backend_pid()`.
    Own,
    /// `pg_cancel_backend(...)`.
    Cancel(ProcessName),
    /// `pg_terminate_backend(...)`.
    Terminate(ProcessName),
}

/// Which process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProcessName {
    /// `pg_backend_pid()`.
    Own,
    /// This one.
    Number(i32),
    /// A parameter's value, counted from 1.
    Parameter(u16),
}

impl ProcessCall {
    /// Reads a statement's tree; `None` for any other one.
    pub(super) fn read(root: Node<'_>) -> Option<ProcessCall> {
        let Node::SelectStmt(select) = root else { return None };
        let mut targets = select.target_list().iter();
        let target = targets.next().filter(|_| targets.next().is_none())?;
        let Node::FuncCall(call) = target.val() else { return None };
        let name = name(call)?;
        let mut arguments = call.args().iter();
        let asks = match (name, arguments.next(), arguments.next()) {
            ("pg_backend_pid", None, None) => ProcessAsk::Own,
            ("pg_cancel_backend", Some(process), None) => ProcessAsk::Cancel(ProcessName::read(process)?),
            ("pg_terminate_backend", Some(process), None) => {
                ProcessAsk::Terminate(ProcessName::read(process)?)
            }
            _ => return None,
        };
        let plain = select.op == SetOperation::SETOP_NONE
            && select.from_clause().is_empty()
            && matches!(select.where_clause(), Node::None)
            && matches!(select.having_clause(), Node::None)
            && matches!(select.limit_count(), Node::None)
            && matches!(select.limit_offset(), Node::None);
        let column = target.name().unwrap_or(name).to_owned();
        plain.then_some(ProcessCall { column, asks })
    }
}

impl ProcessName {
    fn read(node: Node<'_>) -> Option<ProcessName> {
        match node {
            Node::FuncCall(call) if name(call) == Some("pg_backend_pid") => Some(ProcessName::Own),
            Node::ParamRef(parameter) => u16::try_from(parameter.number).ok().map(ProcessName::Parameter),
            Node::TypeCast(cast) if matches!(cast.arg(), Node::ParamRef(_)) => ProcessName::read(cast.arg()),
            node => constant(node)?.parse().ok().map(ProcessName::Number),
        }
    }
}

/// The name of a function of PostgreSQL's own, called without anything but arguments.
fn name(call: &FuncCall) -> Option<&str> {
    let mut words = call.funcname().iter().filter_map(Node::as_str);
    match (words.next(), words.next(), words.next()) {
        (Some(name), None, None) | (Some("pg_catalog"), Some(name), None) => Some(name),
        _ => None,
    }
}
