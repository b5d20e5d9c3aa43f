//! ORDER BY, LIMIT, OFFSET and WITH TIES, where the answer stays determined.

use super::grammar::{Expr, Grammar, Output};
use super::units::Order;

/// The parts that ORDER BY and LIMIT need to know.
pub(super) struct Ends<'query> {
    pub(super) expressions: &'query [Expr],
    pub(super) outputs: &'query [Output],
    /// What orders all rows, if anything is known to.
    pub(super) total: Option<Vec<String>>,
    /// Only what is selected may order.
    pub(super) only_outputs: bool,
}

impl Grammar {
    /// ORDER BY, LIMIT and OFFSET, what they promise, and about how many rows they leave.
    pub(super) fn ends(&mut self, query: Ends<'_>, rows: f64) -> (String, Order, f64) {
        let all_clean = query.outputs.iter().all(|output| output.clean);
        let total = query.total.filter(|total| !total.is_empty()).or_else(|| {
            all_clean.then(|| (1..=query.outputs.len()).map(|number| number.to_string()).collect())
        });
        let limits = rows > 60.0 || self.chance(30);
        if let Some(total) = total.filter(|_| limits || self.chance(35)) {
            let mut by = Vec::new();
            if self.chance(60) && !query.only_outputs {
                let expression = self.one(query.expressions).sql.clone();
                by.push(format!("{expression}{}", self.direction()));
            } else if self.chance(40) {
                by.push(format!("{}{}", self.below(query.outputs.len()) + 1, self.direction()));
            }
            for key in total {
                let direction = if self.chance(70) { "" } else { self.direction() };
                by.push(format!("{key}{direction}"));
            }
            let limit = if limits { self.limit() } else { String::new() };
            return (format!(" ORDER BY {}{limit}", by.join(", ")), Order::Total, rows.min(30.0));
        }
        let clean: Vec<usize> = (0..query.outputs.len()).filter(|at| query.outputs[*at].clean).collect();
        if !clean.is_empty() && self.chance(35) {
            let (first, second) = (*self.one(&clean), *self.one(&clean));
            let columns = if self.chance(50) || first == second { vec![first] } else { vec![first, second] };
            let mut by = Vec::new();
            for column in &columns {
                let named = if self.chance(50) {
                    (column + 1).to_string()
                } else {
                    query.outputs[*column].name.clone()
                };
                by.push(format!("{named}{}", self.direction()));
            }
            // Which rows have the last place too is certain.
            let limit = match self.chance(25) {
                true => format!(" FETCH FIRST {} ROWS WITH TIES", self.between(0, 9)),
                false => String::new(),
            };
            return (format!(" ORDER BY {}{limit}", by.join(", ")), Order::By(columns), rows);
        }
        (String::new(), Order::Free, rows)
    }

    pub(crate) fn direction(&mut self) -> &'static str {
        self.one::<&str>(&["", " ASC", " DESC", " DESC NULLS LAST", " NULLS FIRST"])
    }

    fn limit(&mut self) -> String {
        let rows = self.between(0, 25);
        match self.below(12) {
            6 => format!(" LIMIT {rows} + 1"),
            7 => " LIMIT (SELECT count(*) FROM tenants WHERE vip)".to_owned(),
            8 => format!(" LIMIT ALL OFFSET {}", self.between(0, 5)),
            9 => format!(" FETCH FIRST {rows} ROWS WITH TIES"),
            10 => " LIMIT NULL OFFSET (SELECT min(region_id) FROM regions)".to_owned(),
            0 => format!(" LIMIT {rows} OFFSET {}", self.between(0, 5)),
            1 => format!(" OFFSET {} ROWS FETCH FIRST {rows} ROWS ONLY", self.between(0, 3)),
            2 if self.takes_parameters => {
                self.parameters.push(rows.to_string());
                format!(" LIMIT ${}", self.parameters.len())
            }
            _ => format!(" LIMIT {rows}"),
        }
    }
}
