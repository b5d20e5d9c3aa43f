//! Groups whose rows are on several servers: each server gives its part of a group, with aggregates from
//! which those of the whole group follow exactly.

use pg_raw_parse::Node;
use pg_raw_parse::nodes::{FuncCall, SelectStmt};

use super::conditions::parameters;
use super::part::PartColumn;
use super::text::expression_text;
use super::typing::{Item, Typing};
use crate::catalog::Volatility;
use crate::sql::shape::{Core, function_name, ordinal, output_name, without_places};
use crate::sql::walk::children;

/// What the servers group by, and what they compute for each group.
pub(super) struct Groups<'a> {
    pub(super) keys: Vec<Key<'a>>,
    pub(super) aggregates: Vec<Aggregate>,
}

/// An expression that is grouped by.
pub(super) struct Key<'a> {
    pub(super) node: Node<'a>,
    /// The item and the column that it is, if it is one.
    pub(super) column: Option<(usize, String)>,
    pub(super) typed: PartColumn,
    /// The expression as a tree, without places.
    pub(super) form: String,
}

/// An aggregate of the block.
pub(super) struct Aggregate {
    /// The call as a tree, without places.
    pub(super) form: String,
    pub(super) combine: Combine,
    /// The client's parameters in it.
    pub(super) parameters: Vec<i32>,
    /// What the servers send for it: expressions and types.
    pub(super) sent: Vec<(String, PartColumn)>,
}

/// How the servers' values become the group's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Combine {
    /// The sum of counts, of which there may be none.
    Count,
    /// The sum of sums of small integers.
    SumAsBigint,
    /// The sum of sums.
    Sum,
    /// The first value's sum by the second's.
    Average,
    /// The aggregate of this name again.
    Again(&'static str),
}

/// The groups of a block; `None` where it has none, or they do not follow exactly from parts. What the
/// conditions that are `left` name is grouped by as well: then they hold for all rows of a part or for none.
pub(super) fn groups<'a>(
    select: &'a SelectStmt,
    left: &[Node<'a>],
    core: &Core<'a>,
    items: &[Item],
    typing: Typing<'a>,
    usable: &impl Fn(Node<'a>) -> bool,
) -> Option<Groups<'a>> {
    if select.group_distinct {
        return None;
    }
    let mut reading = Reading { core, items, typing, usable, keys: Vec::new(), aggregates: Vec::new() };
    for node in select.group_clause() {
        let node = reading.meant(node, select)?;
        reading.key(node)?;
    }
    for target in select.target_list() {
        if target.name().is_none() {
            output_name(target.val())?;
        }
        reading.admit(target.val())?;
    }
    reading.admit(select.having_clause())?;
    for sort in select.sort_clause() {
        reading.admit(sort.node())?;
    }
    let lists = [select.window_clause(), select.distinct_clause()];
    lists.into_iter().flatten().try_for_each(|node| reading.admit(node))?;
    let grouped = !select.group_clause().is_empty() || !reading.aggregates.is_empty();
    left.iter().try_for_each(|condition| reading.keys_of_left(*condition, &[]))?;
    grouped.then_some(Groups { keys: reading.keys, aggregates: reading.aggregates })
}

struct Reading<'a, 's, U> {
    core: &'s Core<'a>,
    items: &'s [Item],
    typing: Typing<'a>,
    usable: &'s U,
    keys: Vec<Key<'a>>,
    aggregates: Vec<Aggregate>,
}

impl<'a, U: Fn(Node<'a>) -> bool> Reading<'a, '_, U> {
    /// What GROUP BY means: a number is an output; a bare name a column first, then an output.
    fn meant(&self, node: Node<'a>, select: &'a SelectStmt) -> Option<Node<'a>> {
        if let Some(index) = ordinal(node) {
            return select.target_list().iter().nth(index).map(|target| target.val());
        }
        let Node::ColumnRef(column) = node else { return Some(node) };
        let fields: Option<Vec<&str>> = column.fields().iter().map(Node::as_str).collect();
        match fields?.as_slice() {
            [name] if self.core.resolve(&[name]).is_none() => {
                let mut outputs = select.target_list().iter().filter(|target| target.name() == Some(*name));
                outputs.next().map(|target| target.val())
            }
            _ => Some(node),
        }
    }

    fn key(&mut self, node: Node<'a>) -> Option<()> {
        let computed = !matches!(node, Node::A_Const(_) | Node::ParamRef(_) | Node::GroupingSet(_));
        if !computed || !self.is_plain(node) {
            return None;
        }
        let typed = self.typing.of(node, self.items, self.core)?;
        let (column, form) = (self.column(node), without_places(node));
        if !self.keys.iter().any(|key| key.form == form || column.is_some() && key.column == column) {
            self.keys.push(Key { node, column, typed, form });
        }
        Some(())
    }

    /// A condition that is judged later needs the columns that it names. `inner`: the items of the
    /// subqueries around the node, whose columns are theirs.
    fn keys_of_left(&mut self, node: Node<'a>, inner: &[Item]) -> Option<()> {
        match node {
            Node::ColumnRef(column) => {
                let fields: Option<Vec<&str>> = column.fields().iter().map(Node::as_str).collect();
                let fields = fields.filter(|fields| fields.len() < 3)?;
                let has = |item: &Item| match fields.as_slice() {
                    [name] => item.columns.iter().any(|(own, _)| own == name),
                    names => names.first() == Some(&item.name.as_str()),
                };
                if inner.iter().any(has) {
                    return Some(());
                }
                match self.core.resolve(&fields) {
                    Some(_) => self.key(node),
                    None if self.items.iter().any(|item| fields.contains(&item.name.as_str())) => None,
                    None => Some(()),
                }
            }
            Node::SelectStmt(select) => {
                // What is not certain to be the subquery's own is grouped by: that is never wrong.
                let own = match select.with_clause() {
                    None if (self.usable)(node) => {
                        self.typing.items(select.from_clause()).unwrap_or_default()
                    }
                    None | Some(_) => Vec::new(),
                };
                let inner = [inner, &own].concat();
                children(node)?.into_iter().try_for_each(|child| self.keys_of_left(child, &inner))
            }
            Node::FuncCall(call) => {
                let name = call.funcname().iter().filter_map(Node::as_str).next_back().unwrap_or_default();
                let facts = self.typing.catalog.functions.get(name)?;
                if facts.volatility == Volatility::Volatile {
                    return None;
                }
                children(node)?.into_iter().try_for_each(|child| self.keys_of_left(child, inner))
            }
            _ => children(node)?.into_iter().try_for_each(|child| self.keys_of_left(child, inner)),
        }
    }

    fn column(&self, node: Node<'a>) -> Option<(usize, String)> {
        let Node::ColumnRef(column) = node else { return None };
        let fields: Option<Vec<&str>> = column.fields().iter().map(Node::as_str).collect();
        self.core.resolve(&fields?)
    }

    fn is_plain(&self, node: Node<'a>) -> bool {
        self.core.is_local(node) && (self.usable)(node) && !has_link(node)
    }

    /// Sees to it that an expression follows from keys and aggregates.
    fn admit(&mut self, node: Node<'a>) -> Option<()> {
        let form = || without_places(node);
        match node {
            Node::None => Some(()),
            Node::ColumnRef(column) => {
                let fields: Option<Vec<&str>> = column.fields().iter().map(Node::as_str).collect();
                let fields = fields.filter(|fields| fields.len() < 3)?;
                match self.core.resolve(&fields) {
                    Some(own) => self.keys.iter().any(|key| key.column.as_ref() == Some(&own)).then_some(()),
                    // An item's whole row.
                    None if self
                        .items
                        .iter()
                        .any(|item| column.fields().first().and_then(Node::as_str) == Some(&item.name)) =>
                    {
                        None
                    }
                    // An output's name, or a column of a block around this one.
                    None => Some(()),
                }
            }
            Node::A_Const(_) | Node::ParamRef(_) => Some(()),
            Node::SubLink(link) => {
                self.admit(link.testexpr())?;
                let own = |name: &str| {
                    self.items.iter().any(|item| {
                        item.name == name || item.columns.iter().any(|(column, _)| column == name)
                    })
                };
                (!names_any(link.subselect(), &own)).then_some(())
            }
            Node::GroupingFunc(_) => None,
            _ if self.keys.iter().any(|key| key.form == form()) => Some(()),
            Node::FuncCall(call) if call.over().is_none() && self.is_aggregate(call) => self.aggregate(call),
            Node::FuncCall(call) => {
                let order = call.agg_order().iter().map(|sort| sort.node());
                let window = call.over().map_or(Node::None, Node::WindowDef);
                let below: Vec<Node<'a>> =
                    call.args().iter().chain(order).chain([call.agg_filter(), window]).collect();
                below.into_iter().try_for_each(|child| self.admit(child))
            }
            _ => children(node)?.into_iter().try_for_each(|child| self.admit(child)),
        }
    }

    fn is_aggregate(&self, call: &FuncCall) -> bool {
        let name = call.funcname().iter().filter_map(Node::as_str).next_back().unwrap_or_default();
        self.typing.catalog.functions.get(name).is_none_or(|facts| facts.aggregate)
    }

    fn aggregate(&mut self, call: &'a FuncCall) -> Option<()> {
        let plain = !call.agg_distinct
            && !call.agg_within_group
            && !call.func_variadic
            && call.agg_order().is_empty()
            && call.args().len() <= 1
            && call.args().iter().chain([call.agg_filter()]).all(|node| self.is_plain(node));
        if !plain {
            return None;
        }
        let form = without_places(Node::FuncCall(call));
        if self.aggregates.iter().any(|known| known.form == form) {
            return Some(());
        }
        let argument = call.args().first();
        let typed = || self.typing.of(argument?, self.items, self.core);
        let text = |name: &str| aggregate_text(call, name);
        let (combine, sent) = match function_name(call)? {
            "count" => (Combine::Count, vec![(text("count")?, PartColumn::bigint())]),
            name @ ("sum" | "avg") => {
                let argument = argument.filter(|argument| self.core.has_exact_sum(*argument))?;
                let small = matches!(self.core.type_oid(argument), Some(21 | 23));
                let sum = if small { PartColumn::bigint() } else { PartColumn::numeric() };
                match name {
                    "avg" => {
                        let count = (text("count")?, PartColumn::bigint());
                        (Combine::Average, vec![(text("sum")?, sum), count])
                    }
                    _ if small => (Combine::SumAsBigint, vec![(text("sum")?, sum)]),
                    _ => (Combine::Sum, vec![(text("sum")?, sum)]),
                }
            }
            "min" => (Combine::Again("min"), vec![(text("min")?, extreme(typed()?)?)]),
            "max" => (Combine::Again("max"), vec![(text("max")?, extreme(typed()?)?)]),
            "bool_and" | "every" => {
                (Combine::Again("bool_and"), vec![(text("bool_and")?, PartColumn::built_in(16)?)])
            }
            "bool_or" => (Combine::Again("bool_or"), vec![(text("bool_or")?, PartColumn::built_in(16)?)]),
            _ => return None,
        };
        let parameters = parameters(Node::FuncCall(call));
        self.aggregates.push(Aggregate { form, combine, parameters, sent });
        Some(())
    }
}

/// The type of `min` and `max` of such a value: they forget the modifier, and varchar becomes text.
fn extreme(typed: PartColumn) -> Option<PartColumn> {
    const VARCHAR: u32 = 1043;
    const DIRECT: [u32; 14] = [20, 21, 23, 25, 700, 701, 1042, 1082, 1083, 1114, 1184, 1186, 1700, 26];
    match typed.element_oid {
        VARCHAR => Some(PartColumn { collation: typed.collation, ..PartColumn::text() }),
        oid if DIRECT.contains(&oid) && !typed.as_text => {
            Some(PartColumn { type_name: typed.sent_as.clone(), ..typed })
        }
        _ => None,
    }
}

/// The same call of another aggregate of `pg_catalog`.
fn aggregate_text(call: &FuncCall, name: &str) -> Option<String> {
    let argument = match (call.agg_star, call.args().first()) {
        (true, _) => "*".to_owned(),
        (false, Some(argument)) => expression_text(argument).ok()?,
        (false, None) => return None,
    };
    let filter = match call.agg_filter() {
        Node::None => String::new(),
        filter => format!(" FILTER (WHERE {})", expression_text(filter).ok()?),
    };
    Some(format!("pg_catalog.{name}({argument}){filter}"))
}

pub(super) fn has_link(root: Node<'_>) -> bool {
    matches!(root, Node::SubLink(_)) || children(root).unwrap_or_default().into_iter().any(has_link)
}

/// True where a column's name below a node holds one of these words.
fn names_any(root: Node<'_>, is_one: &impl Fn(&str) -> bool) -> bool {
    let mut stack = vec![root];
    while let Some(node) = stack.pop() {
        if let Node::ColumnRef(column) = node
            && column.fields().iter().filter_map(Node::as_str).any(is_one)
        {
            return true;
        }
        stack.extend(children(node).unwrap_or_default());
    }
    false
}
