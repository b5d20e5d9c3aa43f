//! Whether an expression gives on the servers, row by row, what it gives on one server that has all
//! rows. Each kind of node is accepted by name.

use pg_raw_parse::nodes::{FuncCall, SortBy, SubLink, SubLinkType, WindowDef};
use pg_raw_parse::{ConstValue, Node};

use super::analysis::{Analysis, Role};
use super::functions::{Call, classify};
use super::names::{function_name, last_name, last_part};
use super::scope::Scope;
use crate::catalog::{Catalog, SearchPath};
use crate::plan::Refusal;

/// What an expression holds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Seen {
    pub(super) aggregate: bool,
    pub(super) window: bool,
    pub(super) set: bool,
    pub(super) volatile: bool,
}

impl Seen {
    fn and(self, other: Seen) -> Seen {
        Seen {
            aggregate: self.aggregate || other.aggregate,
            window: self.window || other.window,
            set: self.set || other.set,
            volatile: self.volatile || other.volatile,
        }
    }

    /// True for a value of one row that is the same whenever it is computed.
    pub(super) fn is_plain(self) -> bool {
        self == Seen::default()
    }
}

/// True for an expression without subqueries that gives the same whenever and wherever it is computed.
pub(crate) fn is_plain(node: Node<'_>, catalog: &Catalog, path: &SearchPath) -> bool {
    let seen = Analysis::new(catalog, path).check(node, &Scope::inside(None));
    seen.is_ok_and(Seen::is_plain)
}

impl<'a> Analysis<'a> {
    /// Checks an expression of a block with this scope.
    pub(super) fn check(&self, node: Node<'a>, scope: &Scope<'_>) -> Result<Seen, Refusal> {
        match node {
            Node::None
            | Node::ParamRef(_)
            | Node::A_Star(_)
            | Node::String(_)
            | Node::Integer(_)
            | Node::SQLValueFunction(_)
            | Node::SetToDefault(_) => Ok(Seen::default()),
            Node::ColumnRef(column) => check_column(column),
            Node::A_Const(constant) => check_constant(constant),
            Node::NodeList(list) => self.check_all(list.iter(), scope),
            Node::A_Expr(expression) => {
                self.check_operator(expression.name())?;
                self.check_all([expression.lexpr(), expression.rexpr()].into_iter(), scope)
            }
            Node::BoolExpr(expression) => self.check_all(expression.args().iter(), scope),
            Node::NullTest(test) => self.check(test.arg(), scope),
            Node::BooleanTest(test) => self.check(test.arg(), scope),
            Node::CoalesceExpr(coalesce) => self.check_all(coalesce.args().iter(), scope),
            Node::MinMaxExpr(extreme) => self.check_all(extreme.args().iter(), scope),
            Node::RowExpr(row) => self.check_all(row.args().iter(), scope),
            Node::A_ArrayExpr(array) => self.check_all(array.elements().iter(), scope),
            Node::CollateClause(collate) => self.check(collate.arg(), scope),
            Node::TypeCast(cast) => {
                check_type(cast.type_name())?;
                self.check(cast.arg(), scope)
            }
            Node::NamedArgExpr(argument) => self.check(argument.arg(), scope),
            Node::A_Indirection(indirection) => {
                let parts = indirection.indirection().iter();
                self.check_all(std::iter::once(indirection.arg()).chain(parts), scope)
            }
            Node::A_Indices(indices) => self.check_all([indices.lidx(), indices.uidx()].into_iter(), scope),
            Node::CaseExpr(case) => {
                let parts = case.args().iter().chain([case.arg(), case.defresult()]);
                self.check_all(parts, scope)
            }
            Node::CaseWhen(when) => self.check_all([when.expr(), when.result()].into_iter(), scope),
            Node::FuncCall(call) => self.check_call(call, scope),
            Node::SubLink(link) => self.check_link(link, scope),
            Node::SortBy(sort) => self.check_sort(sort, scope),
            _ => Err(unknown_expression()),
        }
    }

    /// Checks several and gives what they hold together.
    pub(super) fn check_all(
        &self,
        nodes: impl Iterator<Item = Node<'a>>,
        scope: &Scope<'_>,
    ) -> Result<Seen, Refusal> {
        nodes.into_iter().try_fold(Seen::default(), |seen, node| Ok(seen.and(self.check(node, scope)?)))
    }

    fn check_sort(&self, sort: &'a SortBy, scope: &Scope<'_>) -> Result<Seen, Refusal> {
        if !sort.use_op().is_empty() {
            return Err(Refusal::unsupported("ORDER BY ... USING is not merged", "use ASC or DESC"));
        }
        self.check(sort.node(), scope)
    }

    /// An operator of the user's may do anything.
    fn check_operator(&self, name: &pg_raw_parse::list::NodeList) -> Result<(), Refusal> {
        let parts: Vec<&str> = name.iter().filter_map(Node::as_str).collect();
        let known = match parts.as_slice() {
            ["pg_catalog", _] => true,
            [operator] => !self.catalog.operators.contains(*operator),
            _ => false,
        };
        if known { Ok(()) } else { Err(unknown_expression()) }
    }

    fn check_call(&self, call: &'a FuncCall, scope: &Scope<'_>) -> Result<Seen, Refusal> {
        let class = classify(self.catalog, function_name(call))?;
        let arguments = self.check_all(call.args().iter().chain([call.agg_filter()]), scope)?;
        let order = self.check_all(call.agg_order().iter().map(Node::SortBy), scope)?;
        let window = match call.over() {
            Some(window) => Seen { window: true, ..self.check_window(window, scope)? },
            None => Seen::default(),
        };
        let own = match class {
            Call::Plain => Seen::default(),
            Call::Volatile => Seen { volatile: true, ..Seen::default() },
            Call::Set => Seen { set: true, ..Seen::default() },
            Call::Window => Seen { window: true, ..Seen::default() },
            Call::Aggregate if call.over().is_some() => Seen::default(),
            Call::Aggregate => Seen { aggregate: true, ..Seen::default() },
        };
        Ok(own.and(arguments).and(order).and(window))
    }

    /// Checks the expressions of a window.
    pub(super) fn check_window(&self, window: &'a WindowDef, scope: &Scope<'_>) -> Result<Seen, Refusal> {
        let order = window.order_clause().iter().map(Node::SortBy);
        let bounds = [window.start_offset(), window.end_offset()];
        self.check_all(window.partition_clause().iter().chain(order).chain(bounds), scope)
    }

    /// A subquery gives the same on the server of its row if it reads reference tables only, or only
    /// rows of the tenant of its row.
    fn check_link(&self, link: &'a SubLink, scope: &Scope<'_>) -> Result<Seen, Refusal> {
        self.check_operator_of_link(link)?;
        let Node::SelectStmt(select) = link.subselect() else { return Err(unknown_expression()) };
        let role = match link.sub_link_type {
            SubLinkType::EXISTS_SUBLINK => Role::Exists,
            _ => Role::Value,
        };
        let table = self.subquery(select, Some(scope), role)?;
        if table.sharded {
            return Err(Refusal::unsupported(
                "a subquery reads sharded rows of all tenants",
                "join it to the outer query by the tenant column, or restrict the statement to one tenant",
            ));
        }
        self.check(link.testexpr(), scope)
    }

    fn check_operator_of_link(&self, link: &SubLink) -> Result<(), Refusal> {
        if link.oper_name().is_empty() { Ok(()) } else { self.check_operator(link.oper_name()) }
    }
}

/// System columns number rows of one server, not of all.
fn check_column(column: &pg_raw_parse::nodes::ColumnRef) -> Result<Seen, Refusal> {
    let last = last_name(column.fields());
    match last {
        Some(name @ ("ctid" | "xmin" | "xmax" | "cmin" | "cmax" | "tableoid")) => Err(Refusal::unsupported(
            format!("system column {name} means something else on each server"),
            "restrict the statement to one tenant",
        )),
        Some(_) | None => Ok(Seen::default()),
    }
}

/// OIDs number objects of one server.
fn check_type(name: Option<&pg_raw_parse::nodes::TypeName>) -> Result<(), Refusal> {
    let last = name.and_then(last_part);
    match last {
        Some(last) if !last.starts_with("reg") => Ok(()),
        Some(_) | None => Err(unknown_expression()),
    }
}

/// Words that PostgreSQL's date and time types read the clock for.
fn check_constant(constant: &pg_raw_parse::nodes::A_Const) -> Result<Seen, Refusal> {
    let Some(ConstValue::String(text)) = constant.val() else { return Ok(Seen::default()) };
    let lower = text.trim().to_ascii_lowercase();
    let first = lower.split_whitespace().next().unwrap_or_default();
    match first {
        "now" | "today" | "tomorrow" | "yesterday" => Err(Refusal::unsupported(
            format!("'{first}' may be another time on each server"),
            "use now() or current_date",
        )),
        _ => Ok(Seen::default()),
    }
}

pub(super) fn unknown_expression() -> Refusal {
    Refusal::unsupported(
        "the statement holds an expression that cannot be computed over all tenants",
        "restrict the statement to one tenant",
    )
}
