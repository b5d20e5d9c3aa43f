//! A part: rows that every server gives of a statement's tables, and how they travel. A value travels in
//! the binary format, its bytes untouched; one whose arrays cannot be sent that way (an array, a row)
//! travels as PostgreSQL's text of it.

use crate::catalog::Column;
use crate::ids::quote_identifier;

/// The OID of `text`.
const TEXT: u32 = 25;
/// The first OID that differs from server to server.
const FIRST_ASSIGNED: u32 = 10_000;

/// Rows of one kind that each server gives.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    /// What it is, for EXPLAIN.
    pub name: String,
    /// Its columns.
    pub columns: Vec<PartColumn>,
    /// The columns by which a subquery looks its rows up again and again, as numbers from 0.
    pub looked_up: Vec<usize>,
}

/// A column of a part.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PartColumn {
    /// Which column of the legs' rows it is.
    pub place: usize,
    /// The type that it travels as.
    pub sent_as: String,
    /// The OID of that type where it is the same on all servers, else 0.
    pub element_oid: u32,
    /// True where PostgreSQL's text of it is sent.
    pub(super) as_text: bool,
    /// The type that it has, with its modifier.
    pub(super) type_name: String,
    /// The collation that it has, where it is not the type's own.
    pub(super) collation: Option<String>,
}

impl PartColumn {
    /// How a table's column travels; its place is given later.
    pub(super) fn of(column: &Column) -> PartColumn {
        let written = &column.written;
        let (sent_as, element_oid) = match (written.binary, column.type_oid) {
            (true, oid) if oid < FIRST_ASSIGNED => (written.bare_type.clone(), oid),
            (true, _) => (written.bare_type.clone(), 0),
            (false, _) => ("text".to_owned(), TEXT),
        };
        PartColumn {
            place: 0,
            sent_as,
            element_oid,
            as_text: !written.binary,
            type_name: written.type_name.clone(),
            collation: written.collation.clone(),
        }
    }

    /// A value of one of PostgreSQL's types without collation, by the type's OID.
    pub(super) fn built_in(type_oid: u32) -> Option<PartColumn> {
        let name = match type_oid {
            16 => "boolean",
            17 => "bytea",
            20 => "bigint",
            21 => "smallint",
            23 => "integer",
            700 => "real",
            701 => "double precision",
            1082 => "date",
            1083 => "time without time zone",
            1114 => "timestamp without time zone",
            1184 => "timestamp with time zone",
            1186 => "interval",
            1700 => "numeric",
            2950 => "uuid",
            _ => return None,
        };
        Some(PartColumn::plain(name, type_oid))
    }

    /// A bigint.
    pub(super) fn bigint() -> PartColumn {
        PartColumn::plain("bigint", 20)
    }

    /// A numeric.
    pub(super) fn numeric() -> PartColumn {
        PartColumn::plain("numeric", 1700)
    }

    /// Text in the database's collation.
    pub(super) fn text() -> PartColumn {
        PartColumn::plain("text", TEXT)
    }

    fn plain(name: &str, element_oid: u32) -> PartColumn {
        PartColumn {
            place: 0,
            sent_as: name.to_owned(),
            element_oid,
            as_text: false,
            type_name: name.to_owned(),
            collation: None,
        }
    }

    /// True for text, of one kind or another, in the database's collation.
    pub(super) fn is_text_of_the_database(&self) -> bool {
        const KINDS: [u32; 3] = [TEXT, 1042, 1043];
        KINDS.contains(&self.element_oid) && !self.as_text && self.collation.is_none()
    }

    /// True for text and varchar whose values are equal only where their bytes are.
    pub(super) fn is_text(&self) -> bool {
        const KINDS: [u32; 2] = [TEXT, 1043];
        let by_bytes = self.collation.as_deref().is_none_or(|name| name == "pg_catalog.\"C\"");
        KINDS.contains(&self.element_oid) && !self.as_text && by_bytes
    }

    /// True where PostgreSQL's text of it is sent.
    pub fn travels_as_text(&self) -> bool {
        self.as_text
    }

    /// The expression that a server sends for the value of `expression`.
    pub(super) fn sent(&self, expression: &str) -> String {
        if self.as_text { format!("{expression}::text") } else { expression.to_owned() }
    }

    /// How a temporary table has it: with the type and the collation that the value had, so that PostgreSQL knows of
    /// the column what it knows of the original. What is sent as text stays text.
    fn kept_as(&self) -> String {
        match (&self.collation, self.as_text) {
            (_, true) => self.sent_as.clone(),
            (Some(collation), false) => format!("{} COLLATE {collation}", self.type_name),
            (None, false) => self.type_name.clone(),
        }
    }

    /// The value as it was, made of what a temporary table has.
    pub(super) fn restored_from_table(&self, kept: &str) -> String {
        if self.as_text { self.restored(kept) } else { kept.to_owned() }
    }

    /// The value as it was, made of what arrived.
    pub(super) fn restored(&self, arrived: &str) -> String {
        let cast = if self.type_name == self.sent_as {
            arrived.to_owned()
        } else {
            format!("{arrived}::{}", self.type_name)
        };
        match &self.collation {
            Some(collation) => format!("{cast} COLLATE {collation}"),
            None => cast,
        }
    }
}

impl Part {
    /// The names `c1, c2 ...` that its columns have where they arrive, each after this word.
    pub(super) fn arrivals(&self, prefix: &str) -> String {
        let name = |number| quote_identifier(&format!("{prefix}c{number}"));
        (1..=self.columns.len()).map(name).collect::<Vec<_>>().join(", ")
    }

    /// The name of the temporary table that takes its rows.
    pub fn table(number: usize) -> String {
        quote_identifier(&format!("?pgherd_part_{}?", number + 1))
    }

    /// The columns of the index that its temporary table needs, if any.
    pub fn index(&self) -> Option<String> {
        let names: Vec<String> = self.looked_up.iter().map(|column| format!("c{}", column + 1)).collect();
        (!names.is_empty()).then(|| names.join(", "))
    }

    /// The columns of the temporary table that takes its rows.
    pub fn definition(&self) -> String {
        let column = |(index, column): (usize, &PartColumn)| format!("c{} {}", index + 1, column.kept_as());
        self.columns.iter().enumerate().map(column).collect::<Vec<_>>().join(", ")
    }
}
