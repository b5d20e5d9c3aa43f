//! One SELECT: plain, grouped, DISTINCT or DISTINCT ON, with ORDER BY and LIMIT where the answer stays determined.

use super::ends::Ends;
use super::grammar::{Expr, Grammar, Output, Relation, Scope};
use super::sources::From;
use super::units::Order;
use super::world::Ty;

/// A query that returns rows.
#[derive(Debug, Clone)]
pub(crate) struct Query {
    pub(crate) sql: String,
    pub(crate) outputs: Vec<Output>,
    /// Outputs that tell its rows apart, if they are known.
    pub(crate) key: Option<Vec<String>>,
    pub(crate) order: Order,
    pub(crate) rows: f64,
}

impl Grammar {
    /// A SELECT without set operations.
    pub(crate) fn select(&mut self, want: Option<&[Ty]>, depth: u8, outer: &[Relation]) -> Query {
        match self.weighted(&[48, 32, 12, 8]) {
            0 => self.plain(want, depth, outer, ""),
            1 => self.grouped(want, depth, outer),
            2 => self.plain(want, depth, outer, "DISTINCT "),
            _ => self.distinct_on(want, depth, outer),
        }
    }

    /// The outputs: wanted types or any; named where a query around must name them.
    fn outputs(&mut self, made: &[Expr]) -> (Vec<Output>, String) {
        let mut outputs = Vec::new();
        let mut list = Vec::new();
        for expression in made {
            let name = self.name("x");
            list.push(format!("{} AS {name}", expression.sql));
            outputs.push(Output { name, ty: expression.ty, clean: expression.clean });
        }
        (outputs, list.join(", "))
    }

    pub(crate) fn conditions(&mut self, from: &From, depth: u8) -> String {
        let mut conditions = from.conditions.clone();
        let tenants: Vec<String> = from.scope.inner.iter().filter_map(Relation::tenant).collect();
        if !tenants.is_empty() && self.chance(15) {
            let column = self.one(&tenants).clone();
            conditions.push(self.tenant_predicate(&column));
        }
        for _ in 0..self.weighted(&[40, 40, 20]) {
            conditions.push(self.predicate(&from.scope, depth.min(1)));
        }
        if conditions.is_empty() { String::new() } else { format!(" WHERE {}", conditions.join(" AND ")) }
    }

    fn expressions(&mut self, want: Option<&[Ty]>, from: &From, depth: u8, only_clean: bool) -> Vec<Expr> {
        let types: Vec<Ty> = match want {
            Some(types) => types.to_vec(),
            None => (0..1 + self.below(4)).map(|_| self.some_type(&from.scope)).collect(),
        };
        let one = |grammar: &mut Grammar, ty: Ty| match only_clean {
            true => grammar.clean(ty, &from.scope, 1 + depth.min(1)),
            false => grammar.expression(ty, &from.scope, 1 + depth.min(1)),
        };
        types.into_iter().map(|ty| one(self, ty)).collect()
    }

    fn plain(&mut self, want: Option<&[Ty]>, depth: u8, outer: &[Relation], distinct: &str) -> Query {
        let from = self.from(depth, outer);
        let mut expressions = self.expressions(want, &from, depth, !distinct.is_empty());
        let key = from.scope.key();
        if let Some(key) = key.as_ref().filter(|_| want.is_none() && distinct.is_empty() && self.chance(22)) {
            expressions.push(self.window(&from.scope, key));
        }
        let (outputs, list) = self.outputs(&expressions);
        let conditions = self.conditions(&from, depth);
        let is_distinct = !distinct.is_empty();
        let total = if is_distinct { None } else { key };
        let ends = Ends { expressions: &expressions, outputs: &outputs, total, only_outputs: is_distinct };
        let (ends, order, rows) = self.ends(ends, from.scope.rows());
        let key = is_distinct.then(|| outputs.iter().map(|output| output.name.clone()).collect());
        Query {
            sql: format!("SELECT {distinct}{list} FROM {}{conditions}{ends}", from.sql),
            outputs,
            key,
            order,
            rows,
        }
    }

    fn distinct_on(&mut self, want: Option<&[Ty]>, depth: u8, outer: &[Relation]) -> Query {
        let from = self.from(depth, outer);
        let Some(key) = from.scope.key() else { return self.plain(want, depth, outer, "DISTINCT ") };
        let expressions = self.expressions(want, &from, depth, false);
        let (outputs, list) = self.outputs(&expressions);
        let conditions = self.conditions(&from, depth);
        let by = self.some_type(&from.scope);
        let by = match self.column(by, &from.scope.alone()) {
            Some(column) if column.clean => column.sql,
            _ => key[0].clone(),
        };
        let direction = self.one(&["", " DESC", " DESC NULLS LAST"]);
        let sql = format!(
            "SELECT DISTINCT ON ({by}) {list} FROM {}{conditions} ORDER BY {by}{direction}, {}",
            from.sql,
            key.join(", ")
        );
        Query { sql, outputs, key: None, order: Order::Total, rows: 12.0 }
    }

    fn grouped(&mut self, want: Option<&[Ty]>, depth: u8, outer: &[Relation]) -> Query {
        let from = self.from(depth, outer);
        let local = from.scope.alone();
        let count = self.weighted(&[30, 40, 22, 8]);
        let mut keys: Vec<Expr> = Vec::new();
        for _ in 0..count {
            let ty = match want {
                Some(types) => *self.one(types),
                None => self.some_type(&local),
            };
            keys.push(self.clean_key(ty, &local));
        }
        let mut expressions = Vec::new();
        match want {
            Some(types) => {
                for ty in types {
                    let key = keys.iter().find(|key| key.ty == *ty).cloned();
                    expressions.push(match key {
                        Some(key) if self.chance(60) => key,
                        _ => self.aggregate(Some(*ty), &from.scope),
                    });
                }
            }
            None => {
                expressions.extend(keys.iter().filter(|_| !self.chance(15)).cloned().collect::<Vec<_>>());
                for _ in 0..1 + self.below(3) {
                    expressions.push(self.over_aggregates(&from.scope));
                }
                if !keys.is_empty() && self.chance(5) {
                    let sql = format!("grouping({})", self.one(&keys).sql);
                    expressions.push(Expr { sql, ty: Ty::Int, clean: true });
                }
            }
        }
        let (outputs, list) = self.outputs(&expressions);
        let conditions = self.conditions(&from, depth);
        let (group, has_sets) = self.group_by(&keys);
        let having = if self.chance(20) { self.having(&from.scope) } else { String::new() };
        let total = (!has_sets).then(|| keys.iter().map(|key| key.sql.clone()).collect());
        let rows = if keys.is_empty() { 1.0 } else { (from.scope.rows() / 4.0).max(2.0) };
        let ends = Ends { expressions: &expressions, outputs: &outputs, total, only_outputs: has_sets };
        let (ends, order, rows) =
            if keys.is_empty() { (String::new(), Order::Free, rows) } else { self.ends(ends, rows) };
        let sql = format!("SELECT {list} FROM {}{conditions}{group}{having}{ends}", from.sql);
        Query { sql, outputs, key: None, order, rows }
    }

    /// Something to group by: clean, and no constant.
    fn clean_key(&mut self, ty: Ty, local: &Scope) -> Expr {
        for _ in 0..3 {
            let key = self.expression(ty, local, 1);
            if key.clean && key.sql.contains('.') && !key.sql.contains("SELECT") {
                return key;
            }
        }
        self.literal(ty)
    }

    fn over_aggregates(&mut self, scope: &Scope) -> Expr {
        if self.chance(70) {
            return self.aggregate(None, scope);
        }
        let number = self.aggregate(Some(Ty::Numeric), scope);
        let count = self.aggregate(Some(Ty::Int), scope);
        let made = |sql: String, ty: Ty, clean: bool| Expr { sql, ty, clean };
        match self.below(6) {
            0 => made(format!("coalesce({}, 0)", number.sql), Ty::Numeric, number.clean),
            1 => made(format!("round({} / nullif({}, 0), 3)", number.sql, count.sql), Ty::Numeric, true),
            2 => made(format!("{} > 2", count.sql), Ty::Bool, true),
            3 => made(format!("{} + count(*)", count.sql), Ty::Int, true),
            4 => made(format!("CASE WHEN count(*) > 3 THEN {} END", number.sql), Ty::Numeric, number.clean),
            _ => made(format!("rank() OVER (ORDER BY count(*) DESC, {})", count.sql), Ty::Int, true),
        }
    }

    fn having(&mut self, scope: &Scope) -> String {
        let aggregate = self.aggregate(Some(Ty::Int), scope).sql;
        if self.chance(20)
            && let Some(value) = self.scalar_subquery(Ty::Int, &Scope::default(), 0)
        {
            return format!(" HAVING {aggregate} > {}", value.sql);
        }
        let number = self.between(0, 6);
        format!(" HAVING {aggregate} {} {number}", self.one(&[">", "<>", "<="]))
    }

    fn group_by(&mut self, keys: &[Expr]) -> (String, bool) {
        if keys.is_empty() {
            return (String::new(), false);
        }
        let list: Vec<&str> = keys.iter().map(|key| key.sql.as_str()).collect();
        let list = list.join(", ");
        // Before version 18 PostgreSQL takes a constant for one value in all grouping sets when it sorts.
        let sets = if keys.iter().all(|key| names_a_column(&key.sql)) { [80, 8, 6, 6] } else { [1, 0, 0, 0] };
        match self.weighted(&sets) {
            3 if keys.len() > 1 => {
                let first = &keys[0].sql;
                let sets = *self.one(&[
                    "GROUPING SETS (({}), ({0}), ())",
                    "DISTINCT ROLLUP ({}), CUBE ({0})",
                    "{0}, ROLLUP ({})",
                ]);
                (format!(" GROUP BY {}", sets.replace("{0}", first).replace("{}", &list)), true)
            }
            0 => (format!(" GROUP BY {list}"), false),
            1 => (format!(" GROUP BY ROLLUP ({list})"), true),
            2 => (format!(" GROUP BY CUBE ({list})"), true),
            _ => (format!(" GROUP BY GROUPING SETS (({list}), ())"), true),
        }
    }
}

/// True where the text has a name with its qualifier.
fn names_a_column(sql: &str) -> bool {
    let bytes = sql.as_bytes();
    bytes.windows(3).any(|part| part[0].is_ascii_digit() && part[1] == b'.' && part[2].is_ascii_lowercase())
}
