//! Writes to reference tables, of which every server has a copy.

use super::grammar::Grammar;
use super::world::Ty;

impl Grammar {
    /// A write to a table that all tenants share.
    pub(crate) fn write_reference(&mut self) -> String {
        let number = self.between(1, 9);
        let returning = self.one(&["", "", " RETURNING *"]);
        match self.below(16) {
            0 => format!(
                "INSERT INTO regions (region_id, name) VALUES ({number}, 'new') ON CONFLICT (region_id) DO UPDATE SET name = excluded.name RETURNING *"
            ),
            1 => format!("INSERT INTO kinds VALUES ({number}, 'k', 'sad', '{{1}}')"),
            2 => format!(
                "UPDATE regions SET area = coalesce(area, 0) + {number} WHERE region_id < {number} RETURNING region_id, area"
            ),
            3 => format!("DELETE FROM regions WHERE region_id = {number}{returning}"),
            4 => format!("UPDATE kinds SET label = upper(label) WHERE kind_id = {number}{returning}"),
            5 => format!(
                "INSERT INTO currencies SELECT 'n' || region_id, name, area, true FROM regions ON CONFLICT DO NOTHING{returning}"
            ),
            6 => format!(
                "INSERT INTO kinds SELECT user_id + 100 * {number}, min(name COLLATE \"C\"), max(mood), array_agg(score ORDER BY score) FROM users GROUP BY user_id{returning}"
            ),
            7 => format!(
                "INSERT INTO regions (region_id, name, area) SELECT count(*) + {number}, 'all', sum(total) FROM orders WHERE quantity > 1 ON CONFLICT (region_id) DO UPDATE SET area = excluded.area, name = regions.name || '+'"
            ),
            8 => format!(
                "UPDATE kinds SET weights = weights || {number}, mood = DEFAULT WHERE label LIKE '%c%'{returning}"
            ),
            9 => format!(
                "DELETE FROM kinds WHERE kind_id NOT IN (SELECT kind_id FROM events WHERE kind_id IS NOT NULL AND amount > {number}){returning}"
            ),
            10 => format!(
                "UPDATE regions r SET area = (SELECT count(*) FROM users u WHERE u.region_id = r.region_id) WHERE r.region_id <> {number}{returning}"
            ),
            11 => format!(
                "UPDATE currencies c SET rate = o.n FROM (SELECT currency, count(*) AS n FROM orders GROUP BY currency) o WHERE o.currency = c.code{}",
                returning.replace('*', "c.*")
            ),
            12 => format!(
                "DELETE FROM kinds k USING regions r WHERE r.region_id = k.kind_id AND r.area > {number}{}",
                returning.replace('*', "k.*")
            ),
            13 => format!(
                "MERGE INTO regions r USING (VALUES ({number}, 'm'), (2, 'two')) v (id, name) ON r.region_id = v.id WHEN MATCHED THEN UPDATE SET name = v.name WHEN NOT MATCHED THEN INSERT VALUES (v.id, v.name, NULL, NULL)"
            ),
            14 => format!(
                "WITH m AS (INSERT INTO regions (region_id, name) VALUES ({number} + 10, 'w') ON CONFLICT DO NOTHING RETURNING region_id) SELECT count(*) FROM m"
            ),
            _ => format!(
                "WITH v AS (SELECT count(*) AS n FROM tenants WHERE tenant_id > {}) UPDATE kinds SET label = v.n || '.' FROM v WHERE kind_id = {number}{}",
                self.literal(Ty::Key).sql,
                returning.replace('*', "kinds.*")
            ),
        }
    }
}
