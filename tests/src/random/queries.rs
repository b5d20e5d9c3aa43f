//! Whole queries: set operations, WITH, recursion, and the subqueries that expressions hold.

use super::grammar::{Expr, Grammar, Output, Relation, Scope};
use super::select::Query;
use super::units::{Order, Statement};
use super::world::{TABLES, Ty};

impl Grammar {
    /// A SELECT as a client sends it.
    pub(crate) fn read(&mut self) -> Statement {
        let mut with = Vec::new();
        if self.chance(18) {
            for _ in 0..1 + self.below(2) {
                with.push(self.cte());
            }
        }
        let query = self.query(None, 2, &[]);
        self.ctes.clear();
        let with = match with.as_slice() {
            [] => String::new(),
            parts if parts.iter().any(|part| part.contains("UNION ALL SELECT r.")) => {
                format!("WITH RECURSIVE {} ", parts.join(", "))
            }
            parts => format!("WITH {} ", parts.join(", ")),
        };
        self.statement(format!("{with}{}", query.sql), query.order)
    }

    /// A query that returns rows of the wanted types, or any.
    pub(crate) fn query(&mut self, want: Option<&[Ty]>, depth: u8, outer: &[Relation]) -> Query {
        if depth > 0 && self.chance(10) {
            self.set_operation(want, depth - 1)
        } else {
            self.select(want, depth, outer)
        }
    }

    fn cte(&mut self) -> String {
        if self.chance(20) {
            return self.recursive();
        }
        let (name, query) = (self.name("w"), self.query(None, 1, &[]));
        let hint = self.one(&["", "", "MATERIALIZED ", "NOT MATERIALIZED "]);
        self.ctes.push(Relation {
            alias: name.clone(),
            columns: query.outputs,
            key: query.key,
            rows: query.rows,
        });
        format!("{name} AS {hint}({})", query.sql)
    }

    /// Counts up from the rows of a table.
    fn recursive(&mut self) -> String {
        let name = self.name("w");
        let (start, end) = (self.between(1, 3), self.between(4, 6));
        let column = |name: &str, ty: Ty| Output { name: name.to_owned(), ty, clean: true };
        let columns = vec![column("k", Ty::Key), column("n", Ty::Int)];
        let sql = format!(
            "{name} (k, n) AS (SELECT tenant_id, user_id FROM users WHERE user_id = {start} \
             UNION ALL SELECT r.k, r.n + 1 FROM {name} r WHERE r.n < {end})"
        );
        self.ctes.push(Relation { alias: name, columns, key: None, rows: 50.0 });
        sql
    }

    fn set_operation(&mut self, want: Option<&[Ty]>, depth: u8) -> Query {
        let types = match want {
            Some(types) => types.to_vec(),
            None => (0..1 + self.below(3))
                .map(|_| *self.one(&[Ty::Int, Ty::Text, Ty::Date, Ty::Key, Ty::Numeric, Ty::Mood, Ty::Int]))
                .collect(),
        };
        let operator = *self.one(&["UNION ALL", "UNION ALL", "UNION", "EXCEPT", "INTERSECT", "EXCEPT ALL"]);
        let arms = if self.chance(20) { 3 } else { 2 };
        let mut rows = 0.0;
        let names: Vec<String> = types.iter().map(|_| self.name("x")).collect();
        let parts: Vec<String> = (0..arms)
            .map(|_| {
                let (arm, arm_rows) = self.arm(&types, &names, depth);
                rows += arm_rows;
                format!("({arm})")
            })
            .collect();
        let outputs: Vec<Output> = types
            .iter()
            .zip(&names)
            .map(|(ty, name)| Output { name: name.clone(), ty: *ty, clean: true })
            .collect();
        let mut sql = parts.join(&format!(" {operator} "));
        let mut order = Order::Free;
        if self.chance(50) {
            let by: Vec<String> =
                (1..=types.len()).map(|number| format!("{number}{}", self.direction())).collect();
            let limit =
                if self.chance(50) { format!(" LIMIT {}", self.between(1, 20)) } else { String::new() };
            sql = format!("{sql} ORDER BY {}{limit}", by.join(", "));
            order = Order::Total;
        }
        let key = (operator == "UNION").then_some(names);
        Query { sql, outputs, key, order, rows }
    }

    /// One side of a set operation: clean outputs, texts in one collation.
    fn arm(&mut self, types: &[Ty], names: &[String], depth: u8) -> (String, f64) {
        let from = self.from(depth, &[]);
        let mut list = Vec::new();
        for (ty, name) in types.iter().zip(names) {
            let sql = self.clean(*ty, &from.scope, 1).sql;
            list.push(match ty {
                Ty::Text => format!("({sql}) COLLATE \"C\" AS {name}"),
                Ty::Numeric => format!("({sql})::numeric(20, 3) AS {name}"),
                _ => format!("{sql} AS {name}"),
            });
        }
        let conditions = self.conditions(&from, depth);
        let limit = match from.scope.key() {
            Some(key) if from.scope.rows() > 100.0 => format!(" ORDER BY {} LIMIT 40", key.join(", ")),
            _ => String::new(),
        };
        let sql = format!("SELECT {} FROM {}{conditions}{limit}", list.join(", "), from.sql);
        (sql, from.scope.rows())
    }

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
        if around.is_empty() {
            return None;
        }
        let (table, relation, tie) = if self.chance(70) {
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
        match self.below(4) {
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

    /// The statement with the parameters that were drawn for it.
    pub(crate) fn statement(&mut self, sql: String, order: Order) -> Statement {
        let drawn = std::mem::take(&mut self.parameters);
        let mut parameters = Vec::new();
        let mut renumbered = String::new();
        let mut numbers: Vec<Option<usize>> = vec![None; drawn.len()];
        let mut pieces = sql.split('$');
        renumbered.push_str(pieces.next().unwrap_or_default());
        for piece in pieces {
            let digits = piece.bytes().take_while(u8::is_ascii_digit).count();
            let at = piece[..digits].parse::<usize>().map_or(0, |number| number - 1);
            let number = *numbers[at].get_or_insert_with(|| {
                parameters.push(drawn[at].clone());
                parameters.len()
            });
            renumbered.push_str(&format!("${number}{}", &piece[digits..]));
        }
        Statement { sql: renumbered, parameters, data: None, order }
    }
}
