//! The sharded tables of a server, as a move sees them: what to copy, what identifies a row.

use router::ids::{KeyType, quote_identifier};
use tokio_postgres::Client;

/// A sharded table; of a partitioned one the root.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Table {
    pub schema: String,
    pub name: String,
    pub partitioned: bool,
    pub logged: bool,
    /// The tenant column's name, and its key type where it can be one.
    pub tenant_column: String,
    pub key_type: Option<KeyType>,
    /// Columns that hold data: generated ones are left out.
    pub columns: Vec<TableColumn>,
    /// `d`, `i`, `f` or `n`, as in `pg_class.relreplident`.
    pub identity: String,
    /// The columns of the replica identity's index; empty for `f` and `n`.
    pub identity_columns: Vec<String>,
}

/// A column that holds data.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct TableColumn {
    pub name: String,
    pub type_name: String,
    /// True where the type comes with PostgreSQL: its binary form is the same everywhere.
    pub builtin: bool,
    /// GENERATED ALWAYS AS IDENTITY.
    pub identity_always: bool,
}

const TABLES: &str = "
SELECT n.nspname, c.relname, c.relkind = 'p', c.relpersistence = 'p', t.atttypid, c.relreplident::text,
    coalesce((SELECT array_agg(a.attname::text ORDER BY a.attnum) FROM pg_index i
        JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = ANY ((i.indkey::int2[])[0:i.indnkeyatts - 1])
        WHERE i.indrelid = c.oid AND CASE c.relreplident WHEN 'd' THEN i.indisprimary
            WHEN 'i' THEN i.indisreplident ELSE false END), '{}'),
    array_agg(a.attname::text ORDER BY a.attnum),
    array_agg(format_type(a.atttypid, a.atttypmod) ORDER BY a.attnum),
    array_agg(a.atttypid < 16384 ORDER BY a.attnum),
    array_agg(a.attidentity = 'a' ORDER BY a.attnum)
FROM pg_class c
JOIN pg_namespace n ON n.oid = c.relnamespace
JOIN pg_attribute t ON t.attrelid = c.oid AND t.attname = $1 AND t.attnum > 0 AND NOT t.attisdropped
JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped AND a.attgenerated = ''
WHERE c.relkind IN ('r', 'p') AND NOT c.relispartition AND c.relpersistence <> 't'
    AND n.nspname NOT IN ('pg_catalog', 'information_schema', 'pgherd') AND n.nspname !~ '^pg_'
GROUP BY c.oid, n.nspname, c.relname, c.relkind, c.relpersistence, t.atttypid, c.relreplident
ORDER BY 1, 2";

/// The sharded tables of a server, in the order of their names.
pub(super) async fn read(client: &Client, tenant_column: &str) -> Result<Vec<Table>, tokio_postgres::Error> {
    let rows = client.query(TABLES, &[&tenant_column]).await?;
    let table = |row: &tokio_postgres::Row| {
        let names: Vec<String> = row.get(7);
        let types: Vec<String> = row.get(8);
        let builtin: Vec<bool> = row.get(9);
        let always: Vec<bool> = row.get(10);
        let columns = names.into_iter().zip(types).zip(builtin.into_iter().zip(always));
        let column = |((name, type_name), (builtin, identity_always))| TableColumn {
            name,
            type_name,
            builtin,
            identity_always,
        };
        Table {
            schema: row.get(0),
            name: row.get(1),
            partitioned: row.get(2),
            logged: row.get(3),
            tenant_column: tenant_column.to_owned(),
            key_type: KeyType::of_type_oid(row.get(4)),
            columns: columns.map(column).collect(),
            identity: row.get(5),
            identity_columns: row.get(6),
        }
    };
    Ok(rows.iter().map(table).collect())
}

impl Table {
    /// Schema and name, quoted.
    pub(super) fn quoted(&self) -> String {
        format!("{}.{}", quote_identifier(&self.schema), quote_identifier(&self.name))
    }

    /// The table for FROM and for publications: without children that are tables of their own.
    pub(super) fn itself(&self) -> String {
        format!("{}{}", if self.partitioned { "" } else { "ONLY " }, self.quoted())
    }

    /// The tenant column, quoted.
    pub(super) fn tenant(&self) -> String {
        quote_identifier(&self.tenant_column)
    }

    /// All columns, quoted, parted by commas.
    pub(super) fn column_list(&self) -> String {
        let quoted: Vec<String> = self.columns.iter().map(|column| quote_identifier(&column.name)).collect();
        quoted.join(", ")
    }

    /// True where its rows can be copied in the binary format.
    pub(super) fn is_binary(&self) -> bool {
        self.columns.iter().all(|column| column.builtin)
    }

    /// True where the stream can say which row it means, and whose.
    pub(super) fn is_identified(&self) -> bool {
        self.identity == "f" || self.identity_columns.contains(&self.tenant_column)
    }
}
