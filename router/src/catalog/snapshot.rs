//! One reading of the catalog of one database.

use std::collections::HashMap;
use std::sync::Arc;

use crate::ids::{KeyType, quote_identifier};

/// One reading of one database's catalog. Two readings with one `version` are equal.
#[derive(Debug, Default)]
pub struct Catalog {
    /// Raised by each new reading that differs.
    pub version: u64,
    /// Relations of user schemas by (schema, name).
    pub relations: HashMap<(String, String), Arc<Relation>>,
    /// Facts of functions by name, over all schemas and overloads: the least harmless wins.
    /// Aggregates and window functions are here too.
    pub functions: HashMap<String, FunctionFacts>,
    /// Functions whose code writes a table of which every server has a copy, with that table's name.
    pub writers: HashMap<String, String>,
    /// Names of user-defined operators, outside `pg_catalog`: what they do is not known.
    pub operators: std::collections::HashSet<String>,
    /// OIDs of user-defined types (enums, domains, composites, extension types).
    pub types: HashMap<u32, String>,
    /// The tenant column's name, as configured.
    pub tenant_column: String,
    /// The key type that all sharded tables share, once there is one.
    pub key_type: Option<KeyType>,
    /// True where the database's default collation orders text by bytes (`C`, `POSIX`).
    pub default_collation_is_c: bool,
    /// The oldest server's version as `server_version_num`; 0 where it is not known.
    pub oldest: u32,
    /// What differs between the servers' databases themselves, as their collations: an answer made of
    /// several would be nobody's.
    pub unequal: Option<String>,
}

/// A table, view or other relation that a FROM clause can name.
#[derive(Debug, Clone)]
pub struct Relation {
    /// Its OID on the home server.
    pub oid: u32,
    /// Its schema.
    pub schema: String,
    /// Its name.
    pub name: String,
    /// What it is to the planner.
    pub kind: RelationKind,
    /// Its columns in order, without dropped ones.
    pub columns: Vec<Column>,
    /// The columns of each unique key that is usable for ON CONFLICT and for functional
    /// dependency, the primary key first; indexes into `columns`. Expression keys are left out, and all keys of a
    /// table that others inherit from, since they hold for its own rows only.
    pub unique_keys: Vec<Vec<usize>>,
    /// True where a foreign key to it does something when a row of it goes or changes its key.
    pub has_acting_keys: bool,
    /// True for a partitioned table, which has no rows of its own.
    pub partitioned: bool,
    /// True where a trigger or rule may write elsewhere or a row-security policy may read elsewhere.
    pub has_triggers: bool,
    /// True where that is nothing but triggers whose code only computes: of equal rows they make equal rows.
    pub plain_triggers: bool,
    /// What a trigger or rule of it writes that every server has a copy of.
    pub trigger_writes: Option<Writer>,
    /// Set for a view that shows rows of one table as they are, and so has that table's kind.
    pub view: Option<View>,
    /// True for a materialized view, which PostgreSQL lets nobody write or lock.
    pub materialized: bool,
}

/// What a view does not show of its table.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct View {
    /// Columns whose defaults each server could compute otherwise.
    pub hidden: Vec<Column>,
}

/// True for a type that a user made, by its OID: that differs from server to server.
pub fn is_of_user(type_oid: u32) -> bool {
    /// `FirstNormalObjectId` of PostgreSQL's `access/transam.h`.
    const FIRST: u32 = 16_384;
    type_oid >= FIRST
}

/// Code that writes a table of which every server has a copy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Writer {
    /// The function's name.
    pub function: String,
    /// The table's.
    pub table: String,
}

/// What a relation is to the planner.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RelationKind {
    /// A table (plain or partitioned) with the tenant column.
    Sharded {
        /// Index of the tenant column in [`Relation::columns`].
        tenant_column: usize,
        /// Type of the tenant column.
        key_type: KeyType,
    },
    /// A table or materialized view without the tenant column: a full copy on every server.
    Reference,
    /// A view over nothing but reference tables and other such views: read on any server.
    ReferenceView,
    /// A view that reads sharded tables, itself or through others. Its text is PostgreSQL's
    /// `pg_get_viewdef`.
    ShardedView {
        /// The view's query.
        definition: String,
    },
    /// A sequence.
    Sequence,
    /// A table that cannot be sharded safely (a unique key without the tenant column, a nullable
    /// or unsupported tenant column ...), or that the servers hold differently. Statements may run
    /// only where one server holds everything.
    Unsafe {
        /// Why, for the client and for `herdctl check`.
        reason: String,
    },
}

/// A column.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Column {
    /// Its name.
    pub name: String,
    /// OID of its type; for a domain the domain's own.
    pub type_oid: u32,
    /// Type modifier as in `pg_attribute.atttypmod`.
    pub type_modifier: i32,
    /// How SQL names its type.
    pub written: Written,
    /// How its values compare, for types that have a collation.
    pub collation: Collation,
    /// Declared NOT NULL.
    pub not_null: bool,
    /// Has a default, an identity or a generation expression.
    pub has_default: bool,
    /// What an INSERT that leaves it out stores, as SQL: the default, or `nextval` for an identity.
    pub default: Option<Arc<str>>,
    /// GENERATED ALWAYS AS (...) STORED, or VIRTUAL: cannot be written.
    pub generated: bool,
}

/// How SQL names a column's type, under any search path.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Written {
    /// The type with its modifier: `numeric(10,2)`, `audit.mood`.
    pub type_name: String,
    /// The same without the modifier.
    pub bare_type: String,
    /// The collation, quoted, where it is not the type's own.
    pub collation: Option<String>,
    /// True where arrays of it can be sent in the binary format: a type with binary input and output
    /// that is neither an array nor a row.
    pub binary: bool,
}

/// How a column's text compares.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Collation {
    /// The type has none.
    None,
    /// By bytes (`C`, `POSIX`, `ucs_basic`, or a default that is one of them).
    Bytes,
    /// Equal only if the bytes are equal, but ordered otherwise.
    Deterministic,
    /// Different bytes may be equal.
    Nondeterministic,
}

/// What is known of all functions of one name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FunctionFacts {
    /// The worst of all overloads.
    pub volatility: Volatility,
    /// True where every overload is in `pg_catalog`, comes with an extension, or only computes: it reads no
    /// tenant's rows behind the planner's back (unless it runs SQL text given to it, as `query_to_xml`).
    pub builtin: bool,
    /// True where one of them is a user's that reads tables of which every server has a copy.
    pub reads_copies: bool,
    /// True where one of them is an aggregate.
    pub aggregate: bool,
    /// True where one of them is a window function.
    pub window: bool,
    /// True where one of them returns a set.
    pub returns_set: bool,
}

/// PostgreSQL's volatility categories (`pg_proc.provolatile`), from harmless to harmful.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Volatility {
    /// Depends on its arguments only.
    Immutable,
    /// One value within a statement.
    Stable,
    /// May change with each call, may write.
    Volatile,
}

/// The schemas in which an unqualified name is looked for, in order; `pg_catalog` is first unless
/// it is named.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct SearchPath(pub Arc<[String]>);

impl SearchPath {
    /// `"$user", public` for this user.
    pub fn standard(user: &str) -> SearchPath {
        SearchPath([user.to_owned(), "public".to_owned()].into())
    }

    /// A list as SHOW search_path has it, for this user: names separated by commas, in double quotes or
    /// folded to lower case.
    pub fn read(list: &str, user: &str) -> SearchPath {
        let mut names = Vec::new();
        let mut rest = list.trim_start();
        while !rest.is_empty() {
            let (name, after) = match rest.strip_prefix('"') {
                Some(quoted) => {
                    let end = end_of_quoted(quoted);
                    (quoted[..end].replace("\"\"", "\""), quoted.get(end + 1..).unwrap_or_default())
                }
                None => {
                    let end = rest.find(',').unwrap_or(rest.len());
                    (rest[..end].trim().to_lowercase(), &rest[end..])
                }
            };
            names.push(if name == "$user" { user.to_owned() } else { name });
            rest = after.trim_start().trim_start_matches(',').trim_start();
        }
        SearchPath(names.into())
    }
}

/// Where the quote stands that ends a name; a doubled one is inside.
fn end_of_quoted(quoted: &str) -> usize {
    let bytes = quoted.as_bytes();
    let mut at = 0;
    while let Some(byte) = bytes.get(at) {
        match (byte, bytes.get(at + 1)) {
            (b'"', Some(b'"')) => at += 2,
            (b'"', _) => return at,
            _ => at += 1,
        }
    }
    bytes.len()
}

impl Catalog {
    /// The relation that a name means under a search path; `None` where the catalog does not know
    /// it (it may be a system relation, a temporary table, or not exist).
    pub fn relation(&self, schema: Option<&str>, name: &str, path: &SearchPath) -> Option<&Arc<Relation>> {
        let find = |schema: &str| self.relations.get(&(schema.to_owned(), name.to_owned()));
        match schema {
            Some(schema) => find(schema),
            None => path.0.iter().find_map(|schema| find(schema)),
        }
    }

    /// The sharded tables, without views, in the order of their names.
    pub fn sharded_tables(&self) -> Vec<&Arc<Relation>> {
        let sharded = |relation: &&Arc<Relation>| {
            relation.view.is_none() && matches!(relation.kind, RelationKind::Sharded { .. })
        };
        let mut tables: Vec<_> = self.relations.values().filter(sharded).collect();
        tables.sort_by(|one, other| (&one.schema, &one.name).cmp(&(&other.schema, &other.name)));
        tables
    }
}

impl Column {
    /// How many characters a `varchar(n)` takes; `None` for other types.
    pub fn longest_text(&self) -> Option<usize> {
        const VARCHAR: u32 = 1043;
        /// What PostgreSQL adds to n (`VARHDRSZ`).
        const HEADER: i32 = 4;
        let most = self.type_modifier.checked_sub(HEADER).filter(|_| self.type_oid == VARCHAR)?;
        usize::try_from(most).ok()
    }
}

impl Relation {
    /// The position of a column by its name.
    pub fn column(&self, name: &str) -> Option<usize> {
        self.columns.iter().position(|column| column.name == name)
    }

    /// The tenant column and its type, where the relation is sharded.
    pub fn tenant_column(&self) -> Option<(&Column, KeyType)> {
        match &self.kind {
            RelationKind::Sharded { tenant_column, key_type } => {
                self.columns.get(*tenant_column).map(|column| (column, *key_type))
            }
            RelationKind::Reference
            | RelationKind::ReferenceView
            | RelationKind::ShardedView { .. }
            | RelationKind::Sequence
            | RelationKind::Unsafe { .. } => None,
        }
    }

    /// Columns of its table that it does not show, where it is a view, with defaults that each server could compute
    /// otherwise.
    pub fn hidden(&self) -> &[Column] {
        self.view.as_ref().map_or(&[], |view| &view.hidden)
    }

    /// True where what its triggers and rules do may differ from server to server.
    pub fn may_act_otherwise(&self) -> bool {
        self.has_triggers && !self.plain_triggers
    }

    /// The columns by which a row is found: those of a unique key in which none can be NULL; the primary key where
    /// there is one.
    pub fn row_key(&self) -> Option<Vec<&str>> {
        let columns = |key: &Vec<usize>| -> Option<Vec<&str>> {
            let column = |at: &usize| self.columns.get(*at).filter(|column| column.not_null);
            key.iter().map(|at| column(at).map(|column| column.name.as_str())).collect()
        };
        self.unique_keys.iter().find_map(columns)
    }

    /// Schema and name, quoted.
    pub fn quoted_name(&self) -> String {
        format!("{}.{}", quote_identifier(&self.schema), quote_identifier(&self.name))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_search_path_is_read_as_postgresql_reads_it() {
        for (list, names) in [
            ("a, Public", vec!["a", "public"]),
            ("\"$user\",\"A, b\", \"x\"\"y\" ,c", vec!["ann", "A, b", "x\"y", "c"]),
            ("$user", vec!["ann"]),
            ("", vec![]),
            ("\"unclosed", vec!["unclosed"]),
        ] {
            assert_eq!(SearchPath::read(list, "ann").0.as_ref(), names.as_slice(), "{list}");
        }
    }
}
