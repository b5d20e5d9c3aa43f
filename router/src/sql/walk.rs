//! The nodes below a node, and a first look over a whole statement that cannot overflow the stack.
//!
//! The parser's own walker recurses and panics on kinds that it does not know, so only the kinds listed
//! here are descended into. Recursive walks run after [`survey`] found the tree shallow enough.

use std::collections::HashMap;

use pg_raw_parse::Node;
use pg_raw_parse::nodes::SQLValueFunctionOp;
use pg_raw_parse::walk::{Recurse, walk_manual};

/// Deeper trees are not analysed.
const MOST_DEPTH: usize = 600;

/// The nodes right below a node; empty for a leaf. `None` for a kind that is not known.
pub(super) fn children(node: Node<'_>) -> Option<Vec<Node<'_>>> {
    if is_leaf(node) {
        return Some(Vec::new());
    }
    if !is_inner(node) {
        return None;
    }
    let mut below = Vec::new();
    walk_manual::<()>(node, |child| {
        below.push(child);
        Recurse::no()
    });
    Some(below)
}

fn is_leaf(node: Node<'_>) -> bool {
    matches!(
        node,
        Node::None
            | Node::A_Const(_)
            | Node::A_Star(_)
            | Node::Alias(_)
            | Node::BitString(_)
            | Node::Boolean(_)
            | Node::ColumnDef(_)
            | Node::CurrentOfExpr(_)
            | Node::Float(_)
            | Node::Integer(_)
            | Node::IntoClause(_)
            | Node::JsonFormat(_)
            | Node::LockingClause(_)
            | Node::MergeSupportFunc(_)
            | Node::ParamRef(_)
            | Node::RangeVar(_)
            | Node::ReturningOption(_)
            | Node::SQLValueFunction(_)
            | Node::SetToDefault(_)
            | Node::String(_)
            | Node::TypeName(_)
            | Node::ColumnRef(_)
    )
}

fn is_inner(node: Node<'_>) -> bool {
    matches!(
        node,
        Node::NodeList(_)
            | Node::A_ArrayExpr(_)
            | Node::A_Expr(_)
            | Node::A_Indices(_)
            | Node::A_Indirection(_)
            | Node::BoolExpr(_)
            | Node::BooleanTest(_)
            | Node::CaseExpr(_)
            | Node::CaseWhen(_)
            | Node::CoalesceExpr(_)
            | Node::CollateClause(_)
            | Node::CommonTableExpr(_)
            | Node::DeleteStmt(_)
            | Node::FuncCall(_)
            | Node::GroupingFunc(_)
            | Node::GroupingSet(_)
            | Node::IndexElem(_)
            | Node::InferClause(_)
            | Node::InsertStmt(_)
            | Node::JoinExpr(_)
            | Node::JsonAggConstructor(_)
            | Node::JsonArgument(_)
            | Node::JsonArrayAgg(_)
            | Node::JsonArrayConstructor(_)
            | Node::JsonArrayQueryConstructor(_)
            | Node::JsonBehavior(_)
            | Node::JsonFuncExpr(_)
            | Node::JsonIsPredicate(_)
            | Node::JsonKeyValue(_)
            | Node::JsonObjectAgg(_)
            | Node::JsonObjectConstructor(_)
            | Node::JsonOutput(_)
            | Node::JsonParseExpr(_)
            | Node::JsonReturning(_)
            | Node::JsonScalarExpr(_)
            | Node::JsonSerializeExpr(_)
            | Node::JsonTable(_)
            | Node::JsonTableColumn(_)
            | Node::JsonTablePathSpec(_)
            | Node::JsonValueExpr(_)
            | Node::MergeStmt(_)
            | Node::MergeWhenClause(_)
            | Node::MinMaxExpr(_)
            | Node::MultiAssignRef(_)
            | Node::NamedArgExpr(_)
            | Node::NullTest(_)
            | Node::OnConflictClause(_)
            | Node::RangeFunction(_)
            | Node::RangeSubselect(_)
            | Node::RangeTableFunc(_)
            | Node::RangeTableFuncCol(_)
            | Node::RangeTableSample(_)
            | Node::ResTarget(_)
            | Node::ReturningClause(_)
            | Node::RowExpr(_)
            | Node::SelectStmt(_)
            | Node::SortBy(_)
            | Node::SubLink(_)
            | Node::TypeCast(_)
            | Node::UpdateStmt(_)
            | Node::WindowDef(_)
            | Node::WithClause(_)
            | Node::XmlExpr(_)
            | Node::XmlSerialize(_)
    )
}

/// What stands anywhere in a statement.
#[derive(Debug, Default)]
pub(super) struct Survey<'a> {
    /// How many names of relations.
    pub(super) relations: usize,
    /// How often each parameter stands there.
    pub(super) parameters: HashMap<i32, usize>,
    /// Function calls.
    pub(super) calls: Vec<&'a pg_raw_parse::nodes::FuncCall>,
    /// `current_timestamp` and the like: the clock in its keyword form.
    pub(super) reads_clock: bool,
    /// DEFAULT as a value.
    pub(super) uses_default: bool,
    /// FOR UPDATE, FOR SHARE and the like.
    pub(super) locks_rows: bool,
    /// The cursor of WHERE CURRENT OF.
    pub(super) current_of: Option<&'a str>,
    /// INSERT, UPDATE, DELETE or MERGE, anywhere.
    pub(super) writes: bool,
    /// A node of a kind that is not known.
    pub(super) unknown: bool,
}

/// Looks at every node once, with a stack of its own; `None` where the tree is too deep.
pub(super) fn survey(root: Node<'_>) -> Option<Survey<'_>> {
    let mut survey = Survey::default();
    let mut stack = vec![(root, 0)];
    while let Some((node, depth)) = stack.pop() {
        if depth > MOST_DEPTH {
            return None;
        }
        survey.note(node);
        match children(node) {
            Some(below) => stack.extend(below.into_iter().map(|child| (child, depth + 1))),
            None => survey.unknown = true,
        }
    }
    Some(survey)
}

impl<'a> Survey<'a> {
    fn note(&mut self, node: Node<'a>) {
        match node {
            Node::RangeVar(_) => self.relations += 1,
            Node::ParamRef(parameter) => *self.parameters.entry(parameter.number).or_default() += 1,
            Node::FuncCall(call) => self.calls.push(call),
            Node::SQLValueFunction(function) => {
                self.reads_clock |= function.op <= SQLValueFunctionOp::SVFOP_LOCALTIMESTAMP_N;
            }
            Node::SetToDefault(_) => self.uses_default = true,
            Node::LockingClause(_) => self.locks_rows = true,
            Node::CurrentOfExpr(current) => self.current_of = Some(current.cursor_name().unwrap_or_default()),
            Node::InsertStmt(_) | Node::UpdateStmt(_) | Node::DeleteStmt(_) | Node::MergeStmt(_) => {
                self.writes = true;
            }
            // The parser's kinds are many and none of the others says anything here.
            _ => {}
        }
    }
}
