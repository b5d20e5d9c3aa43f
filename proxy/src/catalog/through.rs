//! Views that one sees a table through, as that table: they are read and written under their own name.

use std::sync::Arc;

use router::catalog::{Catalog, Column, Relation, RelationKind, View};
use router::sql::{Dependence, Meaning, dependence, seen_through};

use super::facts::{Facts, RelationFacts};

/// Views may read views, so deep.
const MOST_LEVELS: usize = 16;

/// Gives such views the kind of their table.
pub(super) fn see_through(catalog: &mut Catalog, facts: &Facts) {
    let is_view = |row: &&RelationFacts| row.kind == "v" && !row.has_triggers;
    let mut left: Vec<&RelationFacts> = facts.relations.iter().filter(is_view).collect();
    for _ in 0..MOST_LEVELS {
        let before = left.len();
        left.retain(|row| {
            let name = (row.schema.clone(), row.name.clone());
            let seen = catalog.relations.get(&name).and_then(|view| as_table(row, view, catalog));
            let is_new = seen.is_some();
            if let Some(relation) = seen {
                catalog.relations.insert(name, Arc::new(relation));
            }
            !is_new
        });
        if left.len() == before {
            return;
        }
    }
}

/// The view as the table that it shows; `None` where it is more than that, or does not show whose rows they are.
fn as_table(row: &RelationFacts, view: &Relation, catalog: &Catalog) -> Option<Relation> {
    let is_known = matches!(view.kind, RelationKind::ReferenceView | RelationKind::ShardedView { .. });
    let definition = row.definition.as_deref().filter(|_| is_known)?;
    let seen = seen_through(definition, &catalog.functions, &catalog.operators)?;
    if seen.columns.len() != view.columns.len() {
        return None;
    }
    let table = catalog.relations.get(&(seen.schema, seen.table))?;
    let behind: Vec<Option<usize>> = seen.columns.iter().map(|name| table.column(name.as_deref()?)).collect();
    let place = |at: &usize| behind.iter().position(|column| column.as_ref() == Some(at));
    let kind = match &table.kind {
        RelationKind::Sharded { tenant_column, key_type } => {
            RelationKind::Sharded { tenant_column: place(tenant_column)?, key_type: *key_type }
        }
        RelationKind::Reference => RelationKind::Reference,
        RelationKind::ReferenceView
        | RelationKind::ShardedView { .. }
        | RelationKind::Sequence
        | RelationKind::Unsafe { .. } => return None,
    };
    let columns = view.columns.iter().zip(&behind);
    let columns =
        columns.map(|(column, at)| shown(column, at.and_then(|at| table.columns.get(at)))).collect();
    let keys = table.unique_keys.iter();
    let unshown = table.columns.iter().enumerate().filter(|(at, _)| place(at).is_none());
    let hidden = unshown.map(|(_, column)| column).filter(|column| may_differ(column, catalog)).cloned();
    let hidden = hidden.chain(table.view.iter().flat_map(|view| view.hidden.iter().cloned()));
    Some(Relation {
        kind,
        columns,
        unique_keys: keys.filter_map(|key| key.iter().map(place).collect()).collect(),
        has_acting_keys: table.has_acting_keys,
        has_triggers: table.has_triggers,
        plain_triggers: table.plain_triggers,
        trigger_writes: table.trigger_writes.clone(),
        view: Some(View { hidden: hidden.collect() }),
        ..view.clone()
    })
}

/// A view's column with what is known of the one behind it; a default of the view's own comes first.
fn shown(column: &Column, behind: Option<&Column>) -> Column {
    // PostgreSQL lets nobody write a column that is computed.
    let Some(behind) = behind else { return Column { generated: true, ..column.clone() } };
    let default = if column.has_default { &column.default } else { &behind.default };
    Column {
        not_null: behind.not_null,
        generated: behind.generated,
        has_default: column.has_default || behind.has_default,
        default: default.clone(),
        ..column.clone()
    }
}

/// True for a column whose default each server could compute otherwise.
fn may_differ(column: &Column, catalog: &Catalog) -> bool {
    let meaning = |name: &str| match catalog.functions.get(name) {
        Some(facts) if !facts.builtin => Meaning::Suspect,
        Some(_) | None => Meaning::Nothing,
    };
    match &column.default {
        Some(default) => dependence(default, &catalog.functions, meaning) != Some(Dependence::Arguments),
        None => column.has_default && !column.generated,
    }
}
