//! Writes through views that show rows of one table, some of them with a check.

use super::grammar::{Grammar, Relation, Scope};
use super::tables::VIEWS;
use super::world::Ty;

impl Grammar {
    /// INSERT, UPDATE or DELETE of a view.
    pub(crate) fn write_through_view(&mut self) -> String {
        if self.chance(20) {
            return self.write_known_regions();
        }
        let name = *self.one(&["urgent_tasks", "urgent_tasks", "middling_tasks"]);
        let view = VIEWS.iter().find(|view| view.name == name).expect("a view of the world");
        let scope = Scope { inner: vec![Relation::of(view, "a")], outer: Vec::new() };
        let tenant = self.chance(50).then(|| self.tenant_predicate("a.owner"));
        let condition =
            [self.predicate(&scope, 1), tenant.unwrap_or_else(|| "true".to_owned())].join(" AND ");
        let returning = self.one(&["", " RETURNING *", " RETURNING owner, task_id, priority + 1 AS more"]);
        let priority = self.between(-1, 6);
        match self.below(7) {
            0 | 1 => {
                let row = |grammar: &mut Grammar, number: u32| {
                    let (owner, title) = (grammar.bare(Ty::Key), grammar.bare(Ty::Text));
                    format!(
                        "({owner}, '00000000-0000-0000-0000-00000000000{number}', {title}, {})",
                        grammar.between(0, 6)
                    )
                };
                let rows: Vec<String> =
                    (0..1 + self.below(3) as u32).map(|number| row(self, number)).collect();
                let conflict = self.one(&[
                    "",
                    " ON CONFLICT DO NOTHING",
                    " ON CONFLICT (owner, task_id) DO UPDATE SET title = excluded.title",
                ]);
                format!(
                    "INSERT INTO {name} (owner, task_id, title, priority) VALUES {}{conflict}{returning}",
                    rows.join(", ")
                )
            }
            2 => format!(
                "INSERT INTO {name} (owner, task_id, title, priority) SELECT tenant_id, note_id, body, {priority} FROM notes WHERE starred{returning}"
            ),
            3 => format!(
                "UPDATE {name} a SET priority = {priority}, title = lower(a.title) || '.' WHERE {condition}{returning}"
            ),
            4 => format!(
                "UPDATE {name} a SET title = u.name FROM users u WHERE u.tenant_id = a.owner AND u.user_id = 2 AND {condition}"
            ),
            5 => format!(
                "UPDATE {name} a SET owner = {} WHERE a.owner = {}",
                self.bare(Ty::Key),
                self.bare(Ty::Key)
            ),
            _ => format!("DELETE FROM {name} a WHERE {condition}{returning}"),
        }
    }

    fn write_known_regions(&mut self) -> String {
        let number = self.between(1, 9);
        match self.below(4) {
            0 => format!(
                "INSERT INTO known_regions (id, name) VALUES ({number}, 'known') ON CONFLICT (id) DO UPDATE SET name = excluded.name RETURNING *"
            ),
            1 => format!(
                "INSERT INTO known_regions SELECT {number} + 600 + max(user_id), 'most', sum(balance) FROM users"
            ),
            2 => format!("UPDATE known_regions SET area = area + {number} WHERE id <> {number} RETURNING *"),
            _ => format!("DELETE FROM known_regions WHERE id = {number} + 600"),
        }
    }
}
