//! Settings that a statement makes by calling `set_config`.

use pg_raw_parse::Node;
use pg_raw_parse::nodes::A_Expr_Kind;
use pg_raw_parse::nodes::{FuncCall, SelectStmt, SetOperation};

use super::calls::constant;

/// A call of `set_config` of which it is known what it sets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigCall {
    /// The setting's name in lower case.
    pub name: String,
    /// What it sets it to.
    pub value: ConfigValue,
    /// For the transaction only.
    pub local: bool,
}

/// What a call of `set_config` sets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ConfigValue {
    /// This.
    Text(String),
    /// A parameter's value, counted from 1.
    Parameter(u16),
    /// The server knows once the statement has run, if the call came to be made at all.
    Asked,
}

/// Where a statement calls `set_config`.
#[derive(Debug, Default)]
pub(super) struct Settings<'a> {
    /// It gives one row, so that what it selects is called once.
    once: Option<&'a SelectStmt>,
    /// It selects from `pg_settings` the one of this name.
    named: Option<String>,
}

impl<'a> Settings<'a> {
    /// Looks at a statement's outermost SELECT.
    pub(super) fn of(root: Node<'a>) -> Settings<'a> {
        let Node::SelectStmt(select) = root else { return Settings::default() };
        if select.op != SetOperation::SETOP_NONE {
            return Settings::default();
        }
        let plain = select.from_clause().is_empty()
            && matches!(select.where_clause(), Node::None)
            && matches!(select.having_clause(), Node::None)
            && matches!(select.limit_count(), Node::None)
            && matches!(select.limit_offset(), Node::None);
        Settings { once: plain.then_some(select), named: named(select) }
    }

    /// What a call sets; `None` where its name or its third argument is not known.
    pub(super) fn call(&self, call: &FuncCall) -> Option<ConfigCall> {
        let args: Vec<Node<'_>> = call.args().iter().collect();
        let [name, value, local] = args.as_slice() else { return None };
        let local = match constant(*local)? {
            text if matches!(text.as_str(), "t" | "true" | "on" | "1" | "yes") => true,
            text if matches!(text.as_str(), "f" | "false" | "off" | "0" | "no") => false,
            _ => return None,
        };
        let name = match constant(*name) {
            Some(name) => name,
            None => self.named.clone().filter(|_| column(*name) == Some("name"))?,
        };
        let value = match *value {
            _ if !self.calls_once(call) => ConfigValue::Asked,
            Node::ParamRef(parameter) => ConfigValue::Parameter(u16::try_from(parameter.number).ok()?),
            value => constant(value).map_or(ConfigValue::Asked, ConfigValue::Text),
        };
        Some(ConfigCall { name: name.to_ascii_lowercase(), value, local })
    }

    /// True for a call that is itself what the statement selects.
    fn calls_once(&self, call: &FuncCall) -> bool {
        let is_it = |value: Node<'_>| matches!(value, Node::FuncCall(it) if std::ptr::eq(it, call));
        self.once.is_some_and(|select| select.target_list().iter().any(|target| is_it(target.val())))
    }
}

/// `FROM pg_settings WHERE name = 'this'`.
fn named(select: &SelectStmt) -> Option<String> {
    let from: Vec<Node<'_>> = select.from_clause().iter().collect();
    let [Node::RangeVar(relation)] = from.as_slice() else { return None };
    let Node::A_Expr(equals) = select.where_clause() else { return None };
    let operator: Vec<&str> = equals.name().iter().filter_map(Node::as_str).collect();
    let plain = relation.relname() == Some("pg_settings")
        && matches!(relation.schemaname(), None | Some("pg_catalog"))
        && equals.kind == A_Expr_Kind::AEXPR_OP
        && matches!(operator.as_slice(), ["="] | ["pg_catalog", "="])
        && column(equals.lexpr()) == Some("name");
    constant(equals.rexpr()).filter(|_| plain)
}

/// The name of a column that stands there without its table's.
fn column(node: Node<'_>) -> Option<&str> {
    let Node::ColumnRef(column) = node else { return None };
    let mut fields = column.fields().iter();
    let first = fields.next()?.as_str();
    first.filter(|_| fields.next().is_none())
}
