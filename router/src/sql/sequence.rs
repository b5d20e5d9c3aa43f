//! What a statement does to sequences: which options of theirs it sets, and calls of `setval`.

use std::sync::Arc;

use pg_raw_parse::make::owned;
use pg_raw_parse::nodes::{FuncCall, RawStmt, ResTarget, SelectStmt, SetOperation};
use pg_raw_parse::{ConstValue, Node, NodeMut};

use super::parse::{Learned, learn};
use super::rewrite::print;
use super::statement::Statement;
use super::walk::children;
use crate::catalog::{Catalog, SearchPath};

/// What the arguments of `setval` are cast to.
const TYPES: [&[&str]; 3] = [&["regclass", "text"], &["int8"], &["bool"]];

/// The options of existing sequences that a statement sets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct SequenceOptions {
    /// INCREMENT.
    pub increment: bool,
    /// START.
    pub start: bool,
}

/// The options that ALTER SEQUENCE or ALTER TABLE sets.
pub(super) fn options_of(node: Node<'_>) -> SequenceOptions {
    let mut options = SequenceOptions::default();
    match node {
        Node::AlterSeqStmt(alter) => alter.options().iter().for_each(|option| options.note(option)),
        Node::AlterTableStmt(alter) => {
            for command in alter.cmds().iter() {
                if let Node::AlterTableCmd(command) = command
                    && let Node::NodeList(set) = command.def()
                {
                    set.iter().for_each(|option| options.note(option));
                }
            }
        }
        // No other statement sets options of a sequence that exists.
        _ => {}
    }
    options
}

impl SequenceOptions {
    fn note(&mut self, option: Node<'_>) {
        if let Node::DefElem(option) = option {
            self.increment |= option.defname() == Some("increment");
            self.start |= option.defname() == Some("start");
        }
    }
}

/// A SELECT that does nothing but call `setval`: its arguments are computed first, by queries of their own;
/// then each server sets its own counter.
#[derive(Debug)]
pub struct SetValues {
    /// The names of its outputs, one a call.
    pub outputs: Vec<String>,
    /// Where the arguments are found, three a call: the sequence's name, the value, whether it was called.
    pub places: Vec<Place>,
    /// The query of what needs no rows: it gives one row.
    pub alone: Option<Arc<Statement>>,
    /// The query over the statement's rows: a row each.
    pub rows: Option<Arc<Statement>>,
}

/// Where an argument's value is found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// This column of what needs no rows.
    Alone(usize),
    /// This column of the rows.
    Row(usize),
}

/// The calls of `setval` that a SELECT consists of; `None` where it is anything else.
pub(super) fn set_values(statement: &RawStmt, catalog: &Catalog, path: &SearchPath) -> Option<SetValues> {
    let Node::SelectStmt(select) = statement.stmt() else { return None };
    let calls = setval_calls(select)?;
    let has_rows = !select.from_clause().is_empty();
    let arguments: Vec<Vec<Node<'_>>> = calls.iter().map(|(_, call)| call.args().iter().collect()).collect();
    let (mut alone, mut rows, mut places) = (Vec::new(), Vec::new(), Vec::new());
    for arguments in &arguments {
        for types in TYPES.iter().enumerate() {
            let argument = arguments.get(types.0).copied();
            if has_rows && argument.is_some_and(|argument| !needs_no_rows(argument, catalog)) {
                places.push(Place::Row(rows.len()));
                // The name alone is cast: what casts do to aggregates is not merged.
                rows.push((argument, if types.0 == 0 { *types.1 } else { &[] }));
            } else {
                places.push(Place::Alone(alone.len()));
                alone.push((argument, *types.1));
            }
        }
    }
    let query = |targets: &[Target<'_>], over_rows| query_of(statement, targets, over_rows, catalog, path);
    let outputs = calls.into_iter().map(|(name, _)| name).collect();
    let alone = if alone.is_empty() { None } else { Some(query(&alone, !has_rows)?) };
    let rows = if has_rows { Some(query(&rows, true)?) } else { None };
    Some(SetValues { outputs, places, alone, rows })
}

/// An argument, `true` where it is left out, and what it is cast to.
type Target<'a> = (Option<Node<'a>>, &'static [&'static str]);

fn setval_calls(select: &SelectStmt) -> Option<Vec<(String, &FuncCall)>> {
    let plain = select.op == SetOperation::SETOP_NONE
        && select.into_clause().is_none()
        && select.distinct_clause().is_empty()
        && select.group_clause().is_empty();
    let calls: Option<Vec<_>> = select.target_list().iter().map(setval_call).collect();
    calls.filter(|calls| plain && !calls.is_empty())
}

fn setval_call(target: &ResTarget) -> Option<(String, &FuncCall)> {
    let Node::FuncCall(call) = target.val() else { return None };
    let names: Vec<&str> = call.funcname().iter().filter_map(Node::as_str).collect();
    let named = matches!(names.as_slice(), ["setval"] | ["pg_catalog", "setval"]);
    let plain = matches!(call.args().len(), 2 | 3) && call.over().is_none();
    (named && plain).then(|| (target.name().unwrap_or("setval").to_owned(), call))
}

/// True for an expression without columns, aggregates, subqueries and parameters.
fn needs_no_rows(node: Node<'_>, catalog: &Catalog) -> bool {
    let plain = match node {
        Node::ColumnRef(_) | Node::SubLink(_) | Node::ParamRef(_) => false,
        Node::FuncCall(call) => {
            let name = call.funcname().iter().filter_map(Node::as_str).next_back();
            let facts = name.and_then(|name| catalog.functions.get(name));
            facts.is_some_and(|facts| !facts.aggregate && !facts.window && !facts.returns_set)
        }
        _ => true,
    };
    plain && children(node).is_some_and(|below| below.into_iter().all(|node| needs_no_rows(node, catalog)))
}

/// The statement with these targets instead of its own, or a SELECT of them alone.
fn query_of(
    statement: &RawStmt,
    targets: &[Target<'_>],
    over_rows: bool,
    catalog: &Catalog,
    path: &SearchPath,
) -> Option<Arc<Statement>> {
    let tree = owned(|mem| {
        let mut copy = mem.make_unique(statement);
        let target = |(argument, types): &Target<'_>| {
            let value = match argument {
                Some(argument) => mem.make_unique(*argument).uncast(),
                None => mem.make_a_const(ConstValue::Boolean(true)).uncast(),
            };
            let value = types.iter().fold(value, |value, name| {
                let name = [mem.make_string(Some("pg_catalog")), mem.make_string(Some(name))];
                mem.make_type_cast(value, mem.make_list(&name)).uncast()
            });
            mem.make_res_target(None, mem.empty(), value)
        };
        let targets: Vec<_> = targets.iter().map(target).collect();
        if over_rows {
            if let NodeMut::SelectStmt(mut select) = copy.as_mut().stmt_mut() {
                select.set_target_list(mem.make_list(&targets));
            }
            return copy;
        }
        let mut select = mem.make_node::<SelectStmt>();
        select.as_mut().set_target_list(mem.make_list(&targets));
        mem.make_raw_stmt(select.uncast())
    });
    match learn(&print(&tree).ok()?, catalog, path) {
        Learned::Statements(statements) => statements.first().map(Arc::clone),
        Learned::SyntaxError | Learned::TooComplex | Learned::Empty => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::fixture::{catalog, path};

    #[test]
    fn arguments_of_setval_are_queries_of_their_own() {
        let text = "SELECT setval('numbers', max(id)) FROM users";
        let Learned::Statements(statements) = learn(text, &catalog(), &path()) else { panic!("it parses") };
        let values = statements[0].set_values().expect("it only sets values");
        let alone = values.alone.as_ref().map(|query| query.text().to_owned());
        assert_eq!(
            alone.as_deref(),
            Some("SELECT 'numbers'::pg_catalog.regclass::pg_catalog.text, true::boolean")
        );
        assert_eq!(
            values.rows.as_ref().map(|query| query.text().to_owned()).as_deref(),
            Some("SELECT max(id) FROM users")
        );
        assert_eq!(values.places, [Place::Alone(0), Place::Row(0), Place::Alone(1)]);
    }
}
