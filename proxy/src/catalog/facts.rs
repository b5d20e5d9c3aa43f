//! What is read of one database on one server: rows of PostgreSQL's catalog as they stand.

use std::collections::HashMap;

use serde::Deserialize;

use super::defaults::DatabaseFacts;
use super::questions::Builtin;

/// One reading. Two readings of unchanged catalogs have one fingerprint.
#[derive(Clone, Debug, Default)]
pub struct Facts {
    /// A hash of all that was read.
    pub fingerprint: u64,
    pub(super) database: DatabaseFacts,
    pub(super) relations: Vec<RelationFacts>,
    pub(super) columns: Vec<ColumnFacts>,
    pub(super) keys: Vec<KeyFacts>,
    pub(super) foreign_keys: Vec<ForeignKeyFacts>,
    pub(super) parents: Vec<ParentFacts>,
    pub(super) dependencies: Vec<DependencyFacts>,
    /// Functions besides PostgreSQL's own.
    pub(super) functions: Vec<FunctionRow>,
    pub(super) builtin: Builtin,
    pub(super) operators: Vec<String>,
    pub(super) types: Vec<TypeFacts>,
}

impl Facts {
    /// What could not be read because somebody had locked it is as it was before: no change of it is
    /// committed yet.
    pub(super) fn fill_in(&mut self, before: &Facts) {
        let known: HashMap<u32, &RelationFacts> = before.relations.iter().map(|row| (row.oid, row)).collect();
        for row in self.relations.iter_mut().filter(|row| row.definition.is_none()) {
            row.definition = known.get(&row.oid).and_then(|known| known.definition.clone());
        }
        let known: HashMap<(u32, i16), &ColumnFacts> =
            before.columns.iter().map(|row| ((row.relation, row.number), row)).collect();
        for row in self.columns.iter_mut().filter(|row| row.has_default && row.default.is_none()) {
            row.default = known.get(&(row.relation, row.number)).and_then(|known| known.default.clone());
        }
    }

    /// Schema and name of all tables that hold rows of their own, partitioned ones included.
    pub fn tables(&self) -> impl Iterator<Item = (&str, &str)> {
        let tables = self.relations.iter().filter(|relation| matches!(relation.kind.as_str(), "r" | "p"));
        tables.map(|relation| (&*relation.schema, &*relation.name))
    }
}

/// A row of `pg_class`.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct RelationFacts {
    pub(super) oid: u32,
    pub(super) schema: String,
    pub(super) name: String,
    /// `relkind`.
    pub(super) kind: String,
    pub(super) unlogged: bool,
    /// A foreign key to it has ON DELETE or ON UPDATE with an action.
    pub(super) has_acting_keys: bool,
    /// A user's trigger, a rule besides a view's own, or row-level security.
    pub(super) has_triggers: bool,
    /// A rule besides a view's own, row-level security, or a trigger with a condition that calls a function.
    pub(super) has_rules: bool,
    /// The functions of its triggers.
    pub(super) trigger_functions: Vec<String>,
    /// Its rules besides a view's own, unless somebody has locked it.
    pub(super) rules: Option<String>,
    /// `pg_get_viewdef`, for views that nobody has locked.
    pub(super) definition: Option<String>,
}

/// A row of `pg_attribute`.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct ColumnFacts {
    pub(super) relation: u32,
    pub(super) number: i16,
    pub(super) name: String,
    pub(super) type_oid: u32,
    pub(super) type_modifier: i32,
    pub(super) type_name: String,
    /// The type without its modifier.
    pub(super) bare_type: String,
    pub(super) binary_arrays: bool,
    /// The collation with its schema, where it is not the type's own.
    pub(super) own_collation: Option<String>,
    pub(super) not_null: bool,
    pub(super) has_default: bool,
    /// Its expression, where nobody has locked the table.
    pub(super) default: Option<String>,
    pub(super) identity: String,
    pub(super) generated: String,
    pub(super) collation: Option<CollationFacts>,
}

/// A row of `pg_collation`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub(super) struct CollationFacts {
    pub(super) name: String,
    /// `d` (the database's), `c`, `i` or `b`.
    pub(super) provider: String,
    pub(super) collate: Option<String>,
    /// ICU's or the builtin provider's.
    pub(super) locale: Option<String>,
    pub(super) deterministic: bool,
}

/// A unique or exclusion index.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct KeyFacts {
    pub(super) relation: u32,
    pub(super) name: String,
    /// False where it is deferrable, partial, invalid or over expressions.
    pub(super) plain: bool,
    /// Numbers of its key columns; 0 for an expression.
    pub(super) columns: Vec<i16>,
    /// The operators of an exclusion constraint, one a key column.
    pub(super) exclusion: Option<Vec<String>>,
}

/// A foreign key.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct ForeignKeyFacts {
    pub(super) relation: u32,
    pub(super) name: String,
    pub(super) target: u32,
    pub(super) columns: Vec<i16>,
    pub(super) target_columns: Vec<i16>,
}

/// A row of `pg_inherits`: a partition or an inheriting table.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct ParentFacts {
    pub(super) child: u32,
    pub(super) parent: u32,
}

/// What a view names.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct DependencyFacts {
    pub(super) view: u32,
    /// A relation of a user schema.
    pub(super) relation: Option<u32>,
    /// A function that is neither PostgreSQL's nor an extension's.
    pub(super) function: Option<String>,
}

/// All functions of one name.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct FunctionRow {
    pub(super) name: String,
    /// The worst `provolatile`.
    pub(super) volatility: String,
    pub(super) builtin: bool,
    pub(super) aggregate: bool,
    pub(super) window: bool,
    pub(super) returns_set: bool,
    /// The code of those that are in SQL or PL/pgSQL and may write.
    pub(super) source: Option<String>,
    /// True where that is the code of all of them.
    pub(super) readable: bool,
}

/// A type of a user schema.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct TypeFacts {
    pub(super) oid: u32,
    pub(super) name: String,
}
