//! WITH RECURSIVE over rows of tenants: counting up, going from row to row, SEARCH and CYCLE.

use super::grammar::{Grammar, Output, Relation};
use super::world::Ty;

impl Grammar {
    /// A part of WITH RECURSIVE.
    pub(crate) fn recursive(&mut self) -> String {
        let name = self.name("w");
        let column = |name: &str, ty: Ty| Output { name: name.to_owned(), ty, clean: true };
        let mut columns = vec![column("k", Ty::Key), column("n", Ty::Int)];
        let (start, end) = (self.between(1, 3), self.between(4, 6));
        let mut key = None;
        let sql = match self.below(6) {
            0 | 1 => format!(
                "{name} (k, n) AS (SELECT tenant_id, user_id FROM users WHERE user_id = {start} \
                 UNION ALL SELECT r.k, r.n + 1 FROM {name} r WHERE r.n < {end})"
            ),
            2 => {
                // Each tenant's orders, one after the other.
                let tie =
                    self.one(&["o.tenant_id = r.k AND ", "o.tenant_id = r.k AND o.quantity > 0 AND ", ""]);
                key = Some(vec!["k".to_owned(), "n".to_owned()]);
                format!(
                    "{name} (k, n) AS (SELECT tenant_id, order_id FROM orders WHERE order_id <= {start} \
                     UNION SELECT o.tenant_id, o.order_id FROM {name} r JOIN orders o ON {tie}o.order_id = r.n + 1)"
                )
            }
            3 => {
                columns.push(column("path", Ty::Ints));
                format!(
                    "{name} (k, n, path) AS (SELECT tenant_id, user_id, ARRAY[user_id::int] FROM users WHERE user_id = {start} \
                     UNION ALL SELECT u.tenant_id, u.user_id, r.path || u.user_id::int FROM {name} r, users u \
                     WHERE u.tenant_id = r.k AND u.user_id = r.n + 1 AND cardinality(r.path) < {end})"
                )
            }
            4 => format!(
                "{name} (k, n) AS (SELECT tenant_id, user_id FROM members WHERE user_id <= {start} \
                 UNION ALL SELECT m.tenant_id, m.user_id FROM {name} r JOIN members m ON m.tenant_id = r.k \
                 AND m.user_id = r.n % 4 + 1 AND m.group_id = 1) CYCLE k, n SET looped USING way"
            ),
            _ => format!(
                "{name} (k, n) AS (SELECT tenant_id, min(order_id) FROM orders GROUP BY tenant_id \
                 UNION ALL SELECT r.k, r.n + 2 FROM {name} r WHERE r.n < {end}) SEARCH BREADTH FIRST BY k, n SET rank"
            ),
        };
        self.ctes.push(Relation { alias: name, columns, key, rows: 50.0 });
        sql
    }
}
