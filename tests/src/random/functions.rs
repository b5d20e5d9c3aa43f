//! Functions in FROM that give rows for each row before them.

use super::grammar::{Grammar, Output, Relation};
use super::sources::From;
use super::world::Ty;

impl Grammar {
    /// Joins a function of a column of the relations before it, if there is one that suits.
    pub(crate) fn join_function(&mut self, from: &mut From) -> bool {
        let scope = from.scope.alone();
        let ty = *self.one(&[Ty::Texts, Ty::Ints, Ty::Jsonb, Ty::Int, Ty::Ranges, Ty::Text]);
        let Some(column) = self.column(ty, &scope) else { return false };
        let alias = self.name("f");
        let of = column.sql;
        let element = |name: &str, ty: Ty| Output { name: name.to_owned(), ty, clean: column.clean };
        let number = Output { name: "n".to_owned(), ty: Ty::Int, clean: true };
        let numbered = |call: String, ty: Ty| {
            (format!("{call} WITH ORDINALITY AS {alias} (v, n)"), vec![element("v", ty), number.clone()], "n")
        };
        let (sql, columns, key) = match ty {
            Ty::Texts => numbered(format!("unnest({of})"), Ty::Text),
            Ty::Ints if self.chance(50) => numbered(format!("unnest({of})"), Ty::Int),
            Ty::Ints => (
                format!(
                    "ROWS FROM (unnest({of}), generate_series(1, 2)) WITH ORDINALITY AS {alias} (v, m, n)"
                ),
                vec![element("v", Ty::Int), number.clone()],
                "n",
            ),
            Ty::Ranges => numbered(format!("unnest({of})"), Ty::Range),
            Ty::Jsonb => (
                format!(
                    "jsonb_each_text(CASE jsonb_typeof({of}) WHEN 'object' THEN {of} END) AS {alias} (k, v)"
                ),
                vec![element("k", Ty::Text), Output { clean: false, ..element("v", Ty::Text) }],
                "k",
            ),
            Ty::Text => numbered(format!("string_to_table({of}::text, ' ')"), Ty::Text),
            _ => (format!("generate_series(1, least({of}, 3)) AS {alias} (n)"), vec![number.clone()], "n"),
        };
        let (kind, on) =
            *self.one(&[("CROSS JOIN", ""), ("CROSS JOIN LATERAL", ""), ("LEFT JOIN LATERAL", " ON true")]);
        from.sql = format!("{} {kind} {sql}{on}", from.sql);
        let rows = from.scope.rows() * 2.0;
        from.scope.inner.push(Relation { alias, columns, key: Some(vec![key.to_owned()]), rows });
        true
    }
}
