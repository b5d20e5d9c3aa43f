//! What servers can compute before they send it: the join of a block's tables where the tenant ties them,
//! its groups, its first rows. The block then reads that in place of its tables.

use pg_raw_parse::Node;
use pg_raw_parse::nodes::{LimitOption, SelectStmt, SetOperation, SortBy};

use super::conditions::{is_known, mentions};
use super::groups::{Groups, groups, has_link};
use super::typing::{Item, Typing};
use crate::sql::shape::{Core, Outlook, ordinal};

/// A block whose FROM clause is computed by the servers.
pub(super) struct Reduction<'a> {
    pub(super) key: BlockKey,
    pub(super) select: &'a SelectStmt,
    /// The items of FROM with their columns.
    pub(super) items: Vec<Item>,
    /// The conditions that the servers apply, and those that are left.
    pub(super) applied: Vec<Node<'a>>,
    pub(super) left: Vec<Node<'a>>,
    pub(super) form: Form<'a>,
    /// True where all columns of all items are needed.
    pub(super) whole: bool,
    /// Its number among the blocks.
    pub(super) block: usize,
}

/// What the servers send of a reduced block.
pub(super) enum Form<'a> {
    /// Its groups, with partial aggregates.
    Groups(Groups<'a>),
    /// Its rows.
    Rows(Choice<'a>),
}

/// Which of a block's rows are needed.
pub(super) enum Choice<'a> {
    /// All.
    All,
    /// One of those that are equal in these columns, which are all that is needed: items and names.
    Distinct(Vec<(usize, String)>),
    /// The first in this order, as `ORDER BY` and `LIMIT` have it.
    First(First<'a>),
}

/// ORDER BY and LIMIT for each server.
pub(super) struct First<'a> {
    /// What is ordered by, with the words after it.
    pub(super) order: Vec<(Node<'a>, String)>,
    pub(super) count: Node<'a>,
    pub(super) offset: Node<'a>,
    pub(super) with_ties: bool,
}

/// Which block of a statement is meant: where its first table stands, and how many blocks are between.
pub(super) type BlockKey = (i32, usize);

/// The key of a block; `None` for one that begins with something else than a table or a subquery.
pub(super) fn key_of(select: &SelectStmt) -> Option<BlockKey> {
    if let Some(left) = select.larg() {
        return key_of(left).map(|(location, depth)| (location, depth + 1));
    }
    let mut node = select.from_clause().first()?;
    loop {
        node = match node {
            Node::RangeVar(range) => return Some((range.location, 0)),
            Node::JoinExpr(join) => join.larg(),
            Node::RangeSubselect(subselect) => {
                let Node::SelectStmt(inner) = subselect.subquery() else { return None };
                return key_of(inner).map(|(location, depth)| (location, depth + 1));
            }
            _ => return None,
        };
    }
}

/// What is known around a block.
pub(super) struct Around<'a, 's> {
    pub(super) typing: Typing<'a>,
    pub(super) outlook: Outlook,
    /// Names of the CTEs in scope: servers do not know them.
    pub(super) ctes: &'s [String],
    /// The parameters that servers understand as the statement does.
    pub(super) parameters: &'s [i32],
}

impl<'a> Around<'a, '_> {
    fn is_usable(&self, node: Node<'a>) -> bool {
        is_known(node, self.parameters) && !mentions(node, self.ctes)
    }
}

/// What the servers can compute of a block; `None` where that is no more than its tables' rows.
pub(super) fn reduce<'a>(
    select: &'a SelectStmt,
    conditions: &[Node<'a>],
    around: &Around<'a, '_>,
) -> Option<Reduction<'a>> {
    if select.op != SetOperation::SETOP_NONE || select.from_clause().is_empty() {
        return None;
    }
    let key = key_of(select)?;
    if select.from_clause().iter().any(|item| !is_item(item, around)) {
        return None;
    }
    let typing = around.typing;
    let items = typing.items(select.from_clause())?;
    let of = (typing.catalog, typing.path);
    let core = Core::of(select, conditions, around.outlook, of, |node| around.is_usable(node))?;
    if !core.names().eq(items.iter().map(|item| item.name.as_str())) {
        return None;
    }
    let split = |wanted: bool| {
        let chosen = conditions.iter().zip(&core.applied).filter(move |(_, applied)| **applied == wanted);
        chosen.map(|(condition, _)| *condition).collect::<Vec<_>>()
    };
    let (applied, left) = (split(true), split(false));
    let usable = |node: Node<'a>| around.is_usable(node);
    let groups = groups(select, &left, &core, &items, typing, &usable);
    let form = match groups {
        Some(groups) => Form::Groups(groups),
        None if core.has_outer_join && names_whole_rows(select, &items) => return None,
        None => {
            let choice = if left.is_empty() { choice(select, &core, &usable) } else { Choice::All };
            let typed = items.iter().flat_map(|item| &item.columns).all(|(_, typed)| typed.is_some());
            let pays = core.spread > 1
                || items.len() > 1
                || !matches!(choice, Choice::All)
                || applied.iter().any(|condition| has_link(*condition));
            if !pays || !typed {
                return None;
            }
            Form::Rows(choice)
        }
    };
    Some(Reduction { key, select, items, applied, left, form, whole: false, block: 0 })
}

/// True for an item that means the same on a server.
fn is_item<'a>(node: Node<'a>, around: &Around<'a, '_>) -> bool {
    match node {
        Node::RangeVar(_) => around.is_usable(node),
        Node::JoinExpr(join) => {
            join.using_clause().is_empty()
                && !join.is_natural
                && is_item(join.larg(), around)
                && is_item(join.rarg(), around)
        }
        Node::RangeSubselect(subselect) => {
            around.outlook == Outlook::Closed && !subselect.lateral && around.is_usable(node)
        }
        _ => false,
    }
}

/// True where a name that is none of a column may be an item's whole row.
fn names_whole_rows(select: &SelectStmt, items: &[Item]) -> bool {
    let mut stack = vec![Node::SelectStmt(select)];
    while let Some(node) = stack.pop() {
        if let Node::ColumnRef(column) = node {
            let fields: Vec<Option<&str>> = column.fields().iter().map(Node::as_str).collect();
            if let [Some(only)] = fields.as_slice()
                && items.iter().any(|item| item.name == *only)
            {
                return true;
            }
        }
        stack.extend(crate::sql::walk::children(node).unwrap_or_default());
    }
    false
}

/// Which rows of a block that is not grouped are needed. A subquery among the outputs may hold an
/// aggregate of this block.
fn choice<'a>(select: &'a SelectStmt, core: &Core<'a>, usable: &impl Fn(Node<'a>) -> bool) -> Choice<'a> {
    let plain = |node: Node<'a>| is_star(node) || core.is_local(node) && !has_link(node);
    let grouped = !select.group_clause().is_empty() || !matches!(select.having_clause(), Node::None);
    if grouped || !select.target_list().iter().all(|target| plain(target.val())) {
        return Choice::All;
    }
    match select.distinct_clause().first() {
        Some(Node::None) => {
            let columns = select.target_list().iter().map(|target| column(target.val(), core));
            let columns = columns.collect::<Option<Vec<_>>>();
            let listed = |sort: &&SortBy| {
                let meant = meant_by(sort.node(), select, core).and_then(|node| column(node, core));
                columns.iter().flatten().any(|column| Some(column) == meant.as_ref())
            };
            match select.sort_clause().iter().all(|sort| listed(&sort)) {
                true => columns.map_or(Choice::All, Choice::Distinct),
                false => Choice::All,
            }
        }
        Some(_) => Choice::All,
        None => first(select, core, usable).map_or(Choice::All, Choice::First),
    }
}

pub(super) fn is_star(node: Node<'_>) -> bool {
    matches!(node, Node::ColumnRef(column)
        if matches!(column.fields().iter().next_back(), Some(Node::A_Star(_))))
}

fn column(node: Node<'_>, core: &Core<'_>) -> Option<(usize, String)> {
    let Node::ColumnRef(column) = node else { return None };
    let fields: Option<Vec<&str>> = column.fields().iter().map(Node::as_str).collect();
    core.resolve(&fields?)
}

fn first<'a>(
    select: &'a SelectStmt,
    core: &Core<'a>,
    usable: &impl Fn(Node<'a>) -> bool,
) -> Option<First<'a>> {
    let (count, offset) = (select.limit_count(), select.limit_offset());
    let simple = |node: Node<'a>| match node {
        Node::A_Const(constant) => !constant.isnull,
        Node::ParamRef(_) => usable(node),
        _ => false,
    };
    if !simple(count) || !(matches!(offset, Node::None) || simple(offset)) {
        return None;
    }
    let mut order = Vec::new();
    for sort in select.sort_clause() {
        let meant = meant_by(sort.node(), select, core)?;
        if !sort.use_op().is_empty()
            || !core.is_local(meant)
            || has_link(meant)
            || !usable(meant)
            || ordinal(meant).is_some()
        {
            return None;
        }
        order.push((meant, super::text::order_words(sort)));
    }
    let with_ties = select.limit_option == LimitOption::LIMIT_OPTION_WITH_TIES;
    Some(First { order, count, offset, with_ties })
}

/// The expression that ORDER BY means: a number and a bare name are an output's first.
fn meant_by<'a>(node: Node<'a>, select: &'a SelectStmt, core: &Core<'a>) -> Option<Node<'a>> {
    let has_star = select.target_list().iter().any(|target| is_star(target.val()));
    if let Some(index) = ordinal(node) {
        return if has_star {
            None
        } else {
            select.target_list().iter().nth(index).map(|target| target.val())
        };
    }
    let Node::ColumnRef(column) = node else { return Some(node) };
    let fields: Vec<Option<&str>> = column.fields().iter().map(Node::as_str).collect();
    let [Some(name)] = fields.as_slice() else { return Some(node) };
    let named = |target: &&pg_raw_parse::nodes::ResTarget| {
        target.name().map(str::to_owned).or_else(|| crate::sql::shape::output_name(target.val())).as_deref()
            == Some(*name)
    };
    match select.target_list().iter().find(named) {
        Some(target) => Some(target.val()),
        None => core.resolve(&[name]).map(|_| node),
    }
}
