//! FROM clauses: which joins can be done on each server by itself.
//!
//! Each row of a sharded table lives on the server of its tenant. A join of sharded tables is the union
//! of the servers' joins where it needs equal tenants; one with a reference table, where no server adds
//! a row by itself for want of a partner.

use pg_raw_parse::Node;
use pg_raw_parse::nodes::{
    A_Expr_Kind, Alias, BoolExprType, JoinExpr, JoinType, RangeFunction, RangeSubselect, RangeVar,
};

use super::analysis::{Analysis, Role};
use super::expression::unknown_expression;
use super::facts::Facts;
use super::names::{fields_of, function_name};
use super::scope::{Fields, Reach, Resolved, Scope, TableColumn, TableReference};
use crate::catalog::RelationKind;
use crate::plan::Refusal;

/// One item of a FROM clause.
pub(super) struct Item {
    /// Its references, as indexes into the scope.
    pub(super) references: Vec<usize>,
    /// What `*` gives of it, in order; `None`: not known.
    pub(super) star: Option<Vec<Fields>>,
}

/// The conditions of a FROM clause.
#[derive(Default)]
pub(super) struct Conditions<'a> {
    /// Those that hold for all rows, as WHERE does.
    pub(super) holding: Vec<Node<'a>>,
    /// Those of outer joins.
    pub(super) other: Vec<Node<'a>>,
}

impl<'a> Analysis<'a> {
    /// Adds an item to the scope. Conditions of inner joins are added to `conditions`: they hold for all
    /// rows.
    pub(super) fn add_item(
        &self,
        node: Node<'a>,
        scope: &mut Scope<'_>,
        conditions: &mut Conditions<'a>,
    ) -> Result<Item, Refusal> {
        match node {
            Node::RangeVar(range) => self.add_table(range, scope),
            Node::RangeSubselect(subquery) => self.add_subquery(subquery, scope),
            Node::RangeFunction(function) => self.add_function(function, scope),
            Node::JoinExpr(join) => self.add_join(join, scope, conditions),
            _ => Err(Refusal::unsupported(
                "this kind of item in FROM is not merged",
                "restrict the statement to one tenant",
            )),
        }
    }

    fn add_table(&self, range: &RangeVar, scope: &mut Scope<'_>) -> Result<Item, Refusal> {
        let name = range.relname().unwrap_or_default();
        if range.schemaname().is_none()
            && let Some(table) = self.cte(name)
        {
            return add(scope, table.clone(), name, range.alias());
        }
        let relation = self.catalog.relation(range.schemaname(), name, self.path).ok_or_else(|| {
            Refusal::unsupported(
                format!("relation \"{name}\" cannot be read together with rows of all tenants"),
                "read it in a statement of its own",
            )
        })?;
        let sharded = match &relation.kind {
            RelationKind::Sharded { .. } => true,
            RelationKind::Reference | RelationKind::ReferenceView => false,
            RelationKind::ShardedView { .. } | RelationKind::Sequence | RelationKind::Unsafe { .. } => {
                return Err(Refusal::unsupported(
                    format!("\"{name}\" cannot be read over all tenants"),
                    "read the sharded tables themselves, or restrict the statement to one tenant",
                ));
            }
        };
        let tenant = relation.tenant_column().map(|(column, _)| column.name.clone());
        let columns = relation.columns.iter().map(|column| TableColumn {
            name: column.name.clone(),
            facts: Facts::of_column(column),
            tenant: Some(&column.name) == tenant.as_ref(),
            nullable: false,
        });
        let table = TableReference { name: name.to_owned(), columns: Some(columns.collect()), sharded };
        add(scope, table, name, range.alias())
    }

    fn add_subquery(&self, subquery: &'a RangeSubselect, scope: &mut Scope<'_>) -> Result<Item, Refusal> {
        let Node::SelectStmt(select) = subquery.subquery() else { return Err(unknown_expression()) };
        // A lateral subquery sees this block's names; another one those further out only.
        let table = match subquery.lateral {
            true => self.subquery(select, Some(scope), Role::Table)?,
            false => self.subquery(select, scope.parent, Role::Table)?,
        };
        if subquery.lateral && table.sharded {
            return Err(not_joined_by_tenant());
        }
        add(scope, table, "", subquery.alias())
    }

    fn add_function(&self, range: &'a RangeFunction, scope: &mut Scope<'_>) -> Result<Item, Refusal> {
        let mut single = None;
        for function in range.functions() {
            let Node::NodeList(parts) = function else { return Err(unknown_expression()) };
            let Some(Node::FuncCall(call)) = parts.first() else { return Err(unknown_expression()) };
            if self.check(Node::FuncCall(call), scope)?.volatile {
                return Err(unknown_expression());
            }
            single = function_name(call);
        }
        let is_series =
            single == Some("generate_series") && range.functions().len() == 1 && !range.ordinality;
        let alias = range.alias().and_then(|alias| alias.aliasname());
        let name = alias.or(single).unwrap_or_default();
        let columns = is_series.then(|| {
            vec![TableColumn { name: name.to_owned(), facts: Facts::UNKNOWN, tenant: false, nullable: false }]
        });
        let table = TableReference { name: name.to_owned(), columns, sharded: false };
        add(scope, table, name, range.alias())
    }

    fn add_join(
        &self,
        join: &'a JoinExpr,
        scope: &mut Scope<'_>,
        conditions: &mut Conditions<'a>,
    ) -> Result<Item, Refusal> {
        if join.alias().is_some() || join.join_using_alias().is_some() {
            return Err(Refusal::unsupported("a join with an alias is not merged", "leave the alias away"));
        }
        if join.jointype == JoinType::JOIN_INNER {
            let left = self.add_item(join.larg(), scope, conditions)?;
            let right = self.add_item(join.rarg(), scope, conditions)?;
            conditions.holding.push(join.quals());
            let star = self.join_columns(join, &left, &right, scope)?;
            return Ok(Item { references: [left.references, right.references].concat(), star });
        }
        let left = self.add_closed(join.larg(), scope, conditions)?;
        let right = self.add_closed(join.rarg(), scope, conditions)?;
        conditions.other.push(join.quals());
        unite_by_condition(join.quals(), Reach::Own, scope);
        let star = self.join_columns(join, &left, &right, scope)?;
        let references = [left.references.clone(), right.references.clone()].concat();
        check_outer_join(join, &left, &right, scope)?;
        scope.unite_all(&scope.sharded(&references));
        match join.jointype {
            JoinType::JOIN_LEFT => scope.make_nullable(&right.references),
            JoinType::JOIN_RIGHT => scope.make_nullable(&left.references),
            _ => scope.make_nullable(&references),
        }
        Ok(Item { references, star })
    }

    /// One side of an outer join: it must be right by itself.
    pub(super) fn add_closed(
        &self,
        node: Node<'a>,
        scope: &mut Scope<'_>,
        conditions: &mut Conditions<'a>,
    ) -> Result<Item, Refusal> {
        let mut own = Conditions::default();
        let item = self.add_item(node, scope, &mut own)?;
        own.holding.iter().for_each(|condition| unite_by_condition(*condition, Reach::Own, scope));
        conditions.other.extend(own.holding);
        conditions.other.extend(own.other);
        match scope.is_one_class(&scope.sharded(&item.references)) {
            true => Ok(item),
            false => Err(not_joined_by_tenant()),
        }
    }

    /// What USING and NATURAL say, and the columns of the join in the order of `*`.
    fn join_columns(
        &self,
        join: &JoinExpr,
        left: &Item,
        right: &Item,
        scope: &mut Scope<'_>,
    ) -> Result<Option<Vec<Fields>>, Refusal> {
        let (Some(left_star), Some(right_star)) = (&left.star, &right.star) else {
            let plain = join.using_clause().is_empty() && !join.is_natural;
            return if plain { Ok(None) } else { Err(unknown_expression()) };
        };
        let right_names: Vec<&str> = right_star.iter().filter_map(|fields| last(fields)).collect();
        let names: Vec<String> = if join.is_natural {
            let common = left_star.iter().filter_map(|fields| last(fields));
            common.filter(|name| right_names.contains(name)).map(str::to_owned).collect()
        } else {
            join.using_clause().iter().filter_map(|name| name.sval()).map(str::to_owned).collect()
        };
        for name in &names {
            merge_column(name, join.jointype, left_star, right_star, scope)?;
        }
        let is_merged =
            |fields: &&Fields| last(fields).is_some_and(|name| names.iter().any(|other| other == name));
        let rest = left_star.iter().chain(right_star).filter(|fields| !is_merged(fields));
        Ok(Some(names.iter().map(|name| vec![name.clone()]).chain(rest.cloned()).collect()))
    }
}

fn last(fields: &Fields) -> Option<&str> {
    fields.last().map(String::as_str)
}

/// Two columns of one name become one.
fn merge_column(
    name: &str,
    join: JoinType::Type,
    left: &[Fields],
    right: &[Fields],
    scope: &mut Scope<'_>,
) -> Result<(), Refusal> {
    let one = |star: &[Fields], scope: &Scope<'_>| -> Option<Resolved> {
        let mut same = star.iter().filter(|fields| last(fields) == Some(name));
        let (first, second) = (same.next()?, same.next());
        let fields: Vec<&str> = first.iter().map(String::as_str).collect();
        if second.is_some() { None } else { scope.resolve(&fields) }
    };
    let (Some(left), Some(right)) = (one(left, scope), one(right, scope)) else {
        return Err(Refusal::unsupported(
            format!("column \"{name}\" of USING or NATURAL is not certain"),
            "join with ON",
        ));
    };
    scope.unite(&left, &right, Reach::Own);
    let (kept, other) = if join == JoinType::JOIN_RIGHT { (right, left) } else { (left, right) };
    let same_type = kept.column.facts == other.column.facts;
    let column = TableColumn {
        name: name.to_owned(),
        facts: if same_type { kept.column.facts } else { Facts::UNKNOWN },
        // FULL JOIN gives whichever is there.
        tenant: kept.column.tenant && (join != JoinType::JOIN_FULL || other.column.tenant),
        nullable: kept.column.nullable,
    };
    scope.merged.retain(|(_, merged)| merged.name != name);
    scope.merged.push((kept.reference, column));
    Ok(())
}

/// Adds a reference under its alias.
fn add(
    scope: &mut Scope<'_>,
    mut table: TableReference,
    name: &str,
    alias: Option<&Alias>,
) -> Result<Item, Refusal> {
    table.name = alias.and_then(|alias| alias.aliasname()).unwrap_or(name).to_owned();
    let names: Vec<&str> =
        alias.map(|alias| alias.colnames().iter().filter_map(Node::as_str).collect()).unwrap_or_default();
    for (column, name) in table.columns.iter_mut().flatten().zip(names) {
        name.clone_into(&mut column.name);
    }
    if scope.references.iter().any(|other| other.name == table.name && !table.name.is_empty()) {
        return Err(Refusal::unsupported(
            format!("\"{}\" names two items of FROM", table.name),
            "give each an alias of its own",
        ));
    }
    let own_name = table.name.clone();
    let star = table
        .columns
        .as_ref()
        .map(|columns| columns.iter().map(|column| vec![own_name.clone(), column.name.clone()]).collect());
    Ok(Item { references: vec![scope.add(table)], star })
}

/// Each server extends the rows of its own; so the extended side must be spread, and its partners must be
/// on the same server.
fn check_outer_join(join: &JoinExpr, left: &Item, right: &Item, scope: &Scope<'_>) -> Result<(), Refusal> {
    let left_sharded = scope.sharded(&left.references);
    let right_sharded = scope.sharded(&right.references);
    match (left_sharded.first(), right_sharded.first()) {
        (None, None) => Ok(()),
        (Some(one), Some(other)) => match scope.is_one_class(&[*one, *other]) {
            true => Ok(()),
            false => Err(not_joined_by_tenant()),
        },
        (Some(_), None) if join.jointype == JoinType::JOIN_LEFT => Ok(()),
        (None, Some(_)) if join.jointype == JoinType::JOIN_RIGHT => Ok(()),
        (Some(_), None) | (None, Some(_)) => Err(Refusal::unsupported(
            "an outer join keeps all rows of a reference table beside sharded rows of all tenants",
            "put the sharded table on the side that is kept, or restrict the statement to one tenant",
        )),
    }
}

/// Equalities of tenant columns in a condition that must hold.
pub(super) fn unite_by_condition(condition: Node<'_>, reach: Reach, scope: &mut Scope<'_>) {
    match condition {
        Node::BoolExpr(all) if all.boolop == BoolExprType::AND_EXPR => {
            all.args().iter().for_each(|part| unite_by_condition(part, reach, scope));
        }
        Node::A_Expr(equal)
            if equal.kind == A_Expr_Kind::AEXPR_OP
                && equal.name().iter().map(Node::as_str).eq([Some("=")]) =>
        {
            unite_by_equality(equal.lexpr(), equal.rexpr(), reach, scope);
        }
        _ => {}
    }
}

fn unite_by_equality(left: Node<'_>, right: Node<'_>, reach: Reach, scope: &mut Scope<'_>) {
    match (left, right) {
        (Node::ColumnRef(left), Node::ColumnRef(right)) => {
            let resolve = |column| fields_of(column).and_then(|fields| scope.resolve(&fields));
            if let (Some(left), Some(right)) = (resolve(left), resolve(right)) {
                scope.unite(&left, &right, reach);
            }
        }
        (Node::RowExpr(left), Node::RowExpr(right)) if left.args().len() == right.args().len() => {
            for (left, right) in left.args().iter().zip(right.args().iter()) {
                unite_by_equality(left, right, reach, scope);
            }
        }
        _ => {}
    }
}

pub(super) fn not_joined_by_tenant() -> Refusal {
    Refusal::unsupported(
        "sharded tables are joined across tenants",
        "join them by the tenant column as well, or restrict the statement to one tenant",
    )
}
