//! FROM: tables, views, subqueries, LATERAL, functions, and how they are joined.

use super::grammar::{Expr, Grammar, Output, Relation, Scope};
use super::tables::{TABLES, VIEWS};
use super::world::Ty;

/// What a FROM clause is made of.
#[derive(Debug, Default)]
pub(crate) struct From {
    pub(crate) sql: String,
    pub(crate) scope: Scope,
    /// Conditions that belong into WHERE, of relations set apart by commas.
    pub(crate) conditions: Vec<String>,
}

/// Above so many rows nothing more is joined.
const MANY: f64 = 900.0;

impl Grammar {
    /// A FROM clause; `outer` are the relations of the queries around.
    pub(crate) fn from(&mut self, depth: u8, outer: &[Relation]) -> From {
        let count = 1 + self.weighted(&[45, 35, 15, 5]);
        let (sql, first) = self.relation(depth);
        let mut from = From { sql, ..From::default() };
        from.scope = Scope { inner: vec![first], outer: outer.to_vec() };
        for _ in 1..count {
            if from.scope.rows() > MANY {
                break;
            }
            if self.chance(7) && self.join_function(&mut from) {
                continue;
            }
            if depth > 0 && self.chance(8) {
                self.join_lateral(&mut from, depth - 1);
            } else {
                let (sql, relation) = self.relation(depth);
                self.join(&mut from, &sql, relation, count == 2);
            }
        }
        from
    }

    /// A relation as it stands in FROM.
    fn relation(&mut self, depth: u8) -> (String, Relation) {
        if !self.ctes.is_empty() && self.chance(35) {
            let ctes = self.ctes.clone();
            let mut relation = self.one(&ctes).clone();
            let name = std::mem::take(&mut relation.alias);
            relation.alias = self.name("c");
            return (format!("{name} AS {}", relation.alias), relation);
        }
        match self.weighted(&[66, 8, if depth > 0 { 14 } else { 0 }, 4]) {
            0 => self.table(),
            1 => {
                let (view, alias) = (self.one(VIEWS), self.name("v"));
                (format!("{} {alias}", view.name), Relation::of(view, &alias))
            }
            2 => {
                let query = self.query(None, depth - 1, &[]);
                let alias = self.name("s");
                let relation = Relation {
                    alias: alias.clone(),
                    columns: query.outputs,
                    key: query.key,
                    rows: query.rows,
                };
                (format!("({}) AS {alias}", query.sql), relation)
            }
            _ => self.listed(),
        }
    }

    fn table(&mut self) -> (String, Relation) {
        let sharded: Vec<_> = TABLES.iter().filter(|table| table.is_sharded()).collect();
        let reference: Vec<_> = TABLES.iter().filter(|table| !table.is_sharded()).collect();
        let table = if self.chance(85) { *self.one(&sharded) } else { *self.one(&reference) };
        let alias = self.name("t");
        let relation = Relation::of(table, &alias);
        let only = self.one(&["", "", "", "", "", "", "public.", "public.", "ONLY "]);
        let between = self.one(&[" ", " AS "]);
        (format!("{only}{}{between}{alias}", table.name), relation)
    }

    fn listed(&mut self) -> (String, Relation) {
        let alias = self.name("g");
        let column = |name: &str, ty: Ty| Output { name: name.to_owned(), ty, clean: true };
        if self.chance(50) {
            let end = self.between(2, 8);
            let relation = Relation {
                alias: alias.clone(),
                columns: vec![column("n", Ty::Int)],
                key: Some(vec!["n".to_owned()]),
                rows: 5.0,
            };
            return (format!("generate_series(1, {end}) AS {alias} (n)"), relation);
        }
        let rows: Vec<String> =
            (1..4).map(|number| format!("({number}, {})", self.literal(Ty::Key).sql)).collect();
        let relation = Relation {
            alias: alias.clone(),
            columns: vec![column("n", Ty::Int), column("k", Ty::Key)],
            key: Some(vec!["n".to_owned()]),
            rows: 3.0,
        };
        (format!("(VALUES {}) AS {alias} (n, k)", rows.join(", ")), relation)
    }

    fn join(&mut self, from: &mut From, sql: &str, relation: Relation, is_last: bool) {
        let (condition, factor) = self.join_condition(&from.scope, &relation);
        let rows = (from.scope.rows() * relation.rows * factor).max(1.0);
        match self.weighted(&[50, 25, 8, 7, if is_last { 10 } else { 0 }]) {
            4 => {
                from.sql = format!("{}, {sql}", from.sql);
                from.conditions.extend(condition);
            }
            kind => {
                let Some(mut condition) = condition else {
                    from.sql = format!("{} CROSS JOIN {sql}", from.sql);
                    return from.scope.inner.push(Relation { rows, ..relation });
                };
                let kind = ["JOIN", "LEFT JOIN", "RIGHT JOIN", "FULL JOIN"][kind];
                if kind != "FULL JOIN" && self.chance(20) {
                    let both = Scope {
                        inner: [from.scope.inner.clone(), vec![relation.clone()]].concat(),
                        outer: Vec::new(),
                    };
                    condition = format!("{condition} AND {}", self.predicate(&both, 0));
                }
                let first = &from.scope.inner[0];
                let is_tenants =
                    condition == format!("{}.tenant_id = {}.tenant_id", first.alias, relation.alias);
                from.sql = match is_tenants && from.scope.inner.len() == 1 && self.chance(50) {
                    true => format!("{} {kind} {sql} USING (tenant_id)", from.sql),
                    false => format!("{} {kind} {sql} ON {condition}", from.sql),
                };
            }
        }
        from.scope.inner.push(Relation { rows, ..relation });
    }

    /// Equalities between a relation and those before it, and what part of all pairs they leave.
    fn join_condition(&mut self, scope: &Scope, relation: &Relation) -> (Option<String>, f64) {
        let other = self.one(&scope.inner).clone();
        let mut equalities = Vec::new();
        let mut factor = 1.0;
        let tenants = (other.tenant(), relation.tenant());
        if let (Some(left), Some(right)) = tenants
            && self.chance(72)
        {
            equalities.push(format!("{left} = {right}"));
            factor /= 12.0;
        }
        let mut pairs: Vec<(Expr, Expr)> = Vec::new();
        for left in &other.columns {
            for right in &relation.columns {
                let alike = left.ty == right.ty && left.ty != Ty::Key && left.clean && right.clean;
                if alike && (left.name == right.name || matches!(left.ty, Ty::Int)) {
                    let same = if left.name == right.name && left.name.ends_with("_id") { 6 } else { 1 };
                    pairs.extend(vec![(other.column(left), relation.column(right)); same]);
                }
            }
        }
        if !pairs.is_empty() && (equalities.is_empty() || self.chance(75)) {
            let (left, right) = self.one(&pairs).clone();
            let collation =
                if left.ty == Ty::Text { format!(" COLLATE {}", self.collation()) } else { String::new() };
            equalities.push(format!("{} = {}{collation}", left.sql, right.sql));
            factor /= 5.0;
        }
        if equalities.is_empty() { (None, 1.0) } else { (Some(equalities.join(" AND ")), factor) }
    }

    /// A subquery that looks at the relations before it.
    fn join_lateral(&mut self, from: &mut From, depth: u8) {
        let outer = from.scope.inner.clone();
        let alias = self.name("l");
        let query = self.lateral_query(depth, &outer);
        let kind = self.one(&["CROSS JOIN LATERAL", "JOIN LATERAL", "LEFT JOIN LATERAL"]);
        let on = if *kind == "CROSS JOIN LATERAL" { "" } else { " ON true" };
        from.sql = format!("{} {kind} ({}) AS {alias}{on}", from.sql, query.sql);
        let rows = from.scope.rows() * 2.0;
        from.scope.inner.push(Relation { alias, columns: query.outputs, key: query.key, rows });
    }
}
