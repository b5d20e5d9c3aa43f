//! Queries inside of others: LATERAL, values, EXISTS, IN and the quantified comparisons, correlated or not.

use super::grammar::{Expr, Grammar, Output, Relation, Scope};
use super::select::Query;
use super::tables::TABLES;
use super::units::Order;
use super::world::Ty;

impl Grammar {
    /// The inside of a LATERAL: a few rows of a table that belong to a row outside.
    pub(crate) fn lateral_query(&mut self, depth: u8, outer: &[Relation]) -> Query {
        let Some((table, relation, tie)) = self.tied_table(outer) else {
            return self.select(None, depth, outer);
        };
        let scope = Scope { inner: vec![relation], outer: outer.to_vec() };
        let types = [self.some_type(&scope), self.some_type(&scope)];
        let mut outputs = Vec::new();
        let mut list = Vec::new();
        let is_grouped = self.chance(40);
        for ty in types {
            let made = if is_grouped { self.aggregate(None, &scope) } else { self.expression(ty, &scope, 1) };
            let name = self.name("x");
            list.push(format!("{} AS {name}", made.sql));
            outputs.push(Output { name, ty: made.ty, clean: made.clean });
        }
        let ends = if is_grouped {
            String::new()
        } else {
            format!(" ORDER BY {} LIMIT {}", scope.key().unwrap_or_default().join(", "), self.between(1, 3))
        };
        let sql = format!("SELECT {} FROM {table} WHERE {tie}{ends}", list.join(", "));
        Query { sql, outputs, key: None, order: Order::Free, rows: 2.0 }
    }

    /// A table with an equality to a relation outside: in FROM, as relation, and the condition.
    fn tied_table(&mut self, outer: &[Relation]) -> Option<(String, Relation, String)> {
        let tables: Vec<_> = TABLES.iter().filter(|table| table.is_sharded()).collect();
        let table = *self.one(&tables);
        let alias = self.name("q");
        let relation = Relation::of(table, &alias);
        let around = self.one(outer).clone();
        let mut ties = Vec::new();
        if let (Some(inside), Some(outside)) = (relation.tenant(), around.tenant())
            && self.chance(75)
        {
            ties.push(format!("{inside} = {outside}"));
        }
        let shared: Vec<&Output> = relation
            .columns
            .iter()
            .filter(|column| {
                column.ty == Ty::Int && around.columns.iter().any(|other| other.name == column.name)
            })
            .collect();
        if !shared.is_empty() && (ties.is_empty() || self.chance(60)) {
            let column = *self.one(&shared);
            ties.push(format!("{alias}.{0} = {1}.{0}", column.name, around.alias));
        }
        (!ties.is_empty()).then(|| (format!("{} {alias}", table.name), relation, ties.join(" AND ")))
    }

    /// A subquery that gives one value, correlated or not.
    pub(crate) fn scalar_subquery(&mut self, ty: Ty, scope: &Scope, depth: u8) -> Option<Expr> {
        let around = scope.around();
        let (table, relation, tie) = if !around.is_empty() && self.chance(70) {
            self.tied_table(&around)?
        } else {
            let table = self.one(TABLES);
            let alias = self.name("q");
            let relation = Relation::of(table, &alias);
            (
                format!("{} {alias}", table.name),
                relation.clone(),
                self.predicate(&Scope { inner: vec![relation], outer: Vec::new() }, 0),
            )
        };
        let inside = Scope { inner: vec![relation], outer: around };
        if matches!(ty, Ty::Ints | Ty::Texts) {
            let (of, cast) = if ty == Ty::Ints { (Ty::Int, "int") } else { (Ty::Text, "text COLLATE \"C\"") };
            let value = self.leaf(of, &inside);
            let sql = format!("ARRAY(SELECT ({})::{cast} FROM {table} WHERE {tie} ORDER BY 1)", value.sql);
            return Some(Expr { sql, ty, clean: value.clean });
        }
        let (value, ends) = if self.chance(60) {
            (self.aggregate(Some(ty), &inside), String::new())
        } else {
            let key = inside.key()?.join(", ");
            (self.expression(ty, &inside, depth.min(1)), format!(" ORDER BY {key} LIMIT 1"))
        };
        Some(Expr {
            sql: format!("(SELECT {} FROM {table} WHERE {tie}{ends})", value.sql),
            ty,
            clean: value.clean,
        })
    }

    /// EXISTS, IN or a comparison with a subquery.
    pub(crate) fn subquery_predicate(&mut self, scope: &Scope, depth: u8) -> Option<String> {
        let around = scope.around();
        if around.is_empty() {
            return None;
        }
        match self.below(6) {
            4 => {
                let ty = *self.one(&[Ty::Int, Ty::Numeric, Ty::Date]);
                let column = self.column(ty, scope)?.sql;
                let (table, relation, tie) = self.tied_table(&around)?;
                let value = self.leaf(ty, &Scope { inner: vec![relation], outer: Vec::new() }).sql;
                let operator = self.one(&["= ANY", "> ALL", "<> ALL", "<= ANY"]);
                Some(format!("{column} {operator} (SELECT {value} FROM {table} WHERE {tie})"))
            }
            5 => {
                let (a, b) = (self.column(Ty::Key, scope)?.sql, self.column(Ty::Int, scope)?.sql);
                let query = self.select(Some(&[Ty::Key, Ty::Int]), depth.min(1), &[]);
                Some(format!("({a}, {b}) {}IN ({})", self.one(&["", "", "NOT "]), query.sql))
            }
            0 | 1 => {
                let (table, relation, tie) = self.tied_table(&around)?;
                let inside = Scope { inner: vec![relation], outer: around };
                let more = if self.chance(50) {
                    format!(" AND {}", self.predicate(&inside, 0))
                } else {
                    String::new()
                };
                Some(format!("{}EXISTS (SELECT 1 FROM {table} WHERE {tie}{more})", self.one(&["", "NOT "])))
            }
            2 => {
                let ty = *self.one(&[Ty::Int, Ty::Key, Ty::Date, Ty::Mood]);
                let column = self.column(ty, scope)?.sql;
                let query = self.select(Some(&[ty]), depth.min(1), &[]);
                Some(format!("{column} {}IN ({})", self.one(&["", "", "NOT "]), query.sql))
            }
            _ => {
                let ty = *self.one(&[Ty::Int, Ty::Numeric, Ty::Date]);
                let column = self.column(ty, scope)?.sql;
                let value = self.scalar_subquery(ty, scope, depth)?;
                Some(format!("{column} {} {}", self.one(&["=", "<", ">="]), value.sql))
            }
        }
    }
}
