//! One SELECT over all tenants: one leg a server, and how their rows become one result.
//!
//! `sql::shape` decides whether that is exact; here each server's leg leaves out the rows that moves hide
//! there.

use std::sync::Arc;

use super::Refusal;
use crate::catalog::{Catalog, SearchPath};
use crate::ids::MoveId;
use crate::merge::MergePlan;
use crate::sql::{self, Filter, Tree};

/// A statement on several servers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct FanOut {
    /// How the legs' rows become the client's.
    pub(crate) merge: MergePlan,
    /// Each leg's text, in the order of `hidden`.
    pub(crate) texts: Vec<Arc<str>>,
}

/// Plans a SELECT that concerns sharded rows on several servers. `now` is what `now()` is on all of
/// them, a timestamptz as text with its zone; `hidden` has for each server the moves whose rows it hides.
pub(crate) fn fan_out(
    statement: &Tree,
    catalog: &Catalog,
    path: &SearchPath,
    now: &str,
    hidden: &[&[MoveId]],
) -> Result<FanOut, Refusal> {
    let split = sql::split(statement, catalog, path, now)?;
    let text_for = |moves: &&[MoveId]| match moves {
        [] => Ok(split.text.clone()),
        moves => {
            let filter = Filter { tenant: None, hidden: moves.to_vec() };
            sql::restrict_text(&split.text, catalog, path, &filter)
        }
    };
    let texts = hidden.iter().map(text_for).collect::<Result<_, _>>()?;
    Ok(FanOut { merge: split.merge, texts })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::fixture::{catalog, path};

    #[test]
    fn a_leg_leaves_out_what_is_hidden_on_its_server() {
        let trees = sql::trees("select u.id from users u order by u.id limit 3").expect("parses");
        let statement = trees.first().expect("a statement");
        let moves = [MoveId(7)];
        let fan_out = fan_out(statement, &catalog(), &path(), "2026-01-01 00:00:00+00", &[&[], &moves])
            .expect("accepted");
        assert_eq!(
            &*fan_out.texts[0],
            "SELECT u.id, u.id AS \"?pgherd_1?\" FROM users u ORDER BY u.id LIMIT 3"
        );
        assert!(fan_out.texts[1].contains("NOT EXISTS (SELECT FROM pgherd.hidden"), "{}", fan_out.texts[1]);
        assert!(fan_out.texts[1].contains("'{7}'"), "{}", fan_out.texts[1]);
    }
}
