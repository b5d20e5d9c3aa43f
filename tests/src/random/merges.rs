//! MERGE from rows that are written down, computed, or read of other tables.

use super::grammar::Grammar;
use super::world::Ty;

impl Grammar {
    pub(crate) fn merge(&mut self) -> String {
        let source = self.merge_source();
        match self.below(3) {
            0 => self.merge_into_visits(&source),
            _ => self.merge_into_users(&source),
        }
    }

    /// Rows of a tenant k and a number n, each pair once.
    fn merge_source(&mut self) -> String {
        let rows: Vec<String> =
            (1..4).map(|number| format!("({}, {})", self.literal(Ty::Key).sql, number + 3)).collect();
        match self.below(7) {
            0 => format!("(SELECT DISTINCT k, n FROM (VALUES {}) v (k, n))", rows.join(", ")),
            1 => "(SELECT tenant_id AS k, row_number() OVER (ORDER BY tenant_id, order_id) + 20 AS n FROM orders)"
                .to_owned(),
            2 => "(SELECT max(tenant_id) AS k, user_id AS n FROM orders GROUP BY user_id)".to_owned(),
            3 => format!("(SELECT {} AS k, n FROM generate_series(2, 5) n)", self.literal(Ty::Key).sql),
            4 => "(SELECT tenant_id AS k, user_id AS n FROM members WHERE group_id = 1)".to_owned(),
            5 => format!(
                "(SELECT tenant_id AS k, region_id AS n FROM tenants, regions WHERE tenant_id <> {})",
                self.literal(Ty::Key).sql
            ),
            _ => "(SELECT tenant_id AS k, order_id AS n FROM orders WHERE order_id > 4)".to_owned(),
        }
    }

    fn merge_into_users(&mut self, source: &str) -> String {
        let matched = self.one(&[
            "UPDATE SET score = s.n",
            "UPDATE SET (score, name) = (SELECT count(*), min(o.status) FROM orders o WHERE o.tenant_id = u.tenant_id)",
            "DELETE",
            "DO NOTHING",
            "UPDATE SET name = coalesce(u.name, 'm') || s.n, mood = DEFAULT",
        ]);
        let first = self.one(&[
            "",
            "",
            " WHEN MATCHED AND u.active THEN DELETE",
            " WHEN MATCHED AND u.score > s.n THEN DO NOTHING",
        ]);
        let missing = self.one(&[
            " WHEN NOT MATCHED THEN INSERT (tenant_id, user_id) VALUES (s.k, s.n)",
            " WHEN NOT MATCHED AND s.n > 4 THEN INSERT (tenant_id, user_id, name) VALUES (s.k, s.n, 'new ' || s.n)",
            " WHEN NOT MATCHED THEN DO NOTHING",
            "",
        ]);
        format!(
            "MERGE INTO users u USING {source} s ON u.tenant_id = s.k AND u.user_id = s.n{first} WHEN MATCHED THEN {matched}{missing}"
        )
    }

    fn merge_into_visits(&mut self, source: &str) -> String {
        let matched =
            self.one(&["UPDATE SET seconds = v.seconds + 1", "DELETE", "UPDATE SET page = upper(v.page)"]);
        let missing = self.one(&["", " WHEN NOT MATCHED THEN INSERT VALUES (s.k, s.n, '/m', DEFAULT)"]);
        format!(
            "MERGE INTO visits v USING {source} AS s ON v.tenant_id = s.k AND v.visit_id = s.n WHEN MATCHED THEN {matched}{missing}"
        )
    }
}
