//! The types of what servers compute before they send it, where those are certain: a column's own, or one
//! of PostgreSQL's types without collation, or text in the database's collation.

use pg_raw_parse::list::NodeList;
use pg_raw_parse::nodes::{Alias, FuncCall, RangeVar, SelectStmt, SetOperation};
use pg_raw_parse::{ConstValue, Node};

use super::conditions::conjuncts;
use super::part::PartColumn;
use crate::catalog::{Catalog, SearchPath};
use crate::sql::shape::{Core, Outlook, function_name, output_name};

/// Functions that give text in the collation of their first argument.
const TEXT_FUNCTIONS: &[&str] =
    &["btrim", "left", "lower", "ltrim", "replace", "right", "rtrim", "substr", "substring", "upper"];

/// One item of a FROM clause with the columns that it gives.
#[derive(Debug, Clone)]
pub(super) struct Item {
    /// The name that its columns are qualified with.
    pub(super) name: String,
    /// Their names and types; `None`: not certain.
    pub(super) columns: Vec<(String, Option<PartColumn>)>,
}

/// Reads types under a catalog and a search path.
#[derive(Clone, Copy)]
pub(super) struct Typing<'a> {
    pub(super) catalog: &'a Catalog,
    pub(super) path: &'a SearchPath,
}

impl<'a> Typing<'a> {
    /// The items of a FROM clause in order; `None` where one of them has unknown columns.
    pub(super) fn items(self, from: &'a NodeList) -> Option<Vec<Item>> {
        let mut items = Vec::new();
        for node in from {
            self.add(node, &mut items)?;
        }
        Some(items)
    }

    fn add(self, node: Node<'a>, items: &mut Vec<Item>) -> Option<()> {
        match node {
            Node::RangeVar(range) => items.push(self.table(range)?),
            Node::JoinExpr(join) => {
                self.add(join.larg(), items)?;
                self.add(join.rarg(), items)?;
            }
            Node::RangeSubselect(subselect) => {
                let Node::SelectStmt(select) = subselect.subquery() else { return None };
                items.push(renamed(String::new(), self.outputs(select)?, subselect.alias()));
            }
            _ => return None,
        }
        Some(())
    }

    fn table(self, range: &RangeVar) -> Option<Item> {
        let name = range.relname()?;
        let relation = self.catalog.relation(range.schemaname(), name, self.path)?;
        let column = |column: &crate::catalog::Column| (column.name.clone(), Some(PartColumn::of(column)));
        Some(renamed(name.to_owned(), relation.columns.iter().map(column).collect(), range.alias()))
    }

    /// The columns that a subquery gives.
    fn outputs(self, select: &'a SelectStmt) -> Option<Vec<(String, Option<PartColumn>)>> {
        if select.op != SetOperation::SETOP_NONE
            || !select.values_lists().is_empty()
            || select.with_clause().is_some()
        {
            return None;
        }
        let items = self.items(select.from_clause())?;
        let conditions = conjuncts(select.where_clause());
        let core = Core::of(select, &conditions, Outlook::Closed, (self.catalog, self.path), |_| true)?;
        let mut columns = Vec::new();
        for target in select.target_list() {
            if let Node::ColumnRef(column) = target.val()
                && matches!(column.fields().iter().next_back(), Some(Node::A_Star(_)))
            {
                let qualifier = column.fields().iter().next().and_then(Node::as_str);
                let meant = items.iter().filter(|item| qualifier.is_none_or(|name| name == item.name));
                columns.extend(meant.flat_map(|item| item.columns.clone()));
                continue;
            }
            let name = target.name().map(str::to_owned).or_else(|| output_name(target.val()))?;
            columns.push((name, self.of(target.val(), &items, &core)));
        }
        Some(columns)
    }

    /// The type of an expression over these items.
    pub(super) fn of(self, node: Node<'a>, items: &[Item], core: &Core<'a>) -> Option<PartColumn> {
        match node {
            Node::ColumnRef(column) => {
                let fields: Option<Vec<&str>> = column.fields().iter().map(Node::as_str).collect();
                let (item, name) = core.resolve(&fields?)?;
                let mut same = items.get(item)?.columns.iter().filter(|(own, _)| *own == name);
                let typed = same.next()?.1.clone();
                if same.next().is_some() { None } else { typed }
            }
            Node::FuncCall(call) => {
                self.of_call(call, items, core).or_else(|| core.type_oid(node).and_then(PartColumn::built_in))
            }
            _ => core.type_oid(node).and_then(PartColumn::built_in),
        }
    }

    fn of_call(self, call: &'a FuncCall, items: &[Item], core: &Core<'a>) -> Option<PartColumn> {
        match function_name(call)? {
            "extract" => Some(PartColumn::numeric()),
            name if TEXT_FUNCTIONS.contains(&name) => {
                let mut arguments = call.args().iter();
                let first = self.of(arguments.next()?, items, core)?;
                let plain = |node: Node<'a>| {
                    matches!(node, Node::A_Const(constant)
                        if matches!(constant.val(), Some(ConstValue::String(_) | ConstValue::Integer(_))))
                };
                (first.is_text_of_the_database() && arguments.all(plain)).then(PartColumn::text)
            }
            _ => None,
        }
    }
}

/// An item under its alias.
fn renamed(name: String, mut columns: Vec<(String, Option<PartColumn>)>, alias: Option<&Alias>) -> Item {
    let names = alias.into_iter().flat_map(|alias| alias.colnames().iter().filter_map(Node::as_str));
    for ((column, _), name) in columns.iter_mut().zip(names) {
        name.clone_into(column);
    }
    let name = alias.and_then(Alias::aliasname).map_or(name, str::to_owned);
    Item { name, columns }
}
