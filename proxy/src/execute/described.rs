//! What a client was told that a prepared statement's rows are.
//!
//! A client that has described its statement once reads all later rows by that. PostgreSQL keeps its
//! word: where DDL has changed the columns since, the statement fails ("cached plan must not change
//! result type") until it is prepared again. Connections here learn the text anew after DDL, so the
//! promise is kept by comparing what they say then with what the client was told.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use router::ids::ServerId;

use crate::wire::frame::Frame;
use crate::wire::view;

/// The first OID of types that are made by users; they differ from server to server.
const FIRST_OF_USERS: u32 = 16_384;

/// The description that a client has of one prepared statement.
#[derive(Debug, Default)]
pub struct Described(Mutex<Option<Told>>);

#[derive(Debug, Clone, PartialEq, Eq)]
struct Told {
    columns: Vec<Column>,
    server: ServerId,
    catalog_version: u64,
}

/// What PostgreSQL compares of a column: its name, type and type modifier.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Column {
    name: Box<str>,
    type_oid: u32,
    type_modifier: i32,
}

impl Described {
    /// True where the client was told of columns before the catalog became what it is.
    pub fn is_of_before(&self, catalog_version: u64) -> bool {
        self.lock().as_ref().is_some_and(|told| told.catalog_version != catalog_version)
    }

    /// True where the client was told of columns.
    pub fn is_told(&self) -> bool {
        self.lock().is_some()
    }

    fn lock(&self) -> MutexGuard<'_, Option<Told>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A description that a server owes.
#[derive(Debug)]
pub struct Reading {
    /// Whose it is.
    pub described: Arc<Described>,
    /// The server that is asked.
    pub server: ServerId,
    /// The catalog's version when it was asked.
    pub catalog_version: u64,
}

impl Reading {
    /// The client is told this RowDescription or NoData.
    pub fn tell(&self, description: &Frame) {
        let columns = columns(description);
        let told = Told { columns, server: self.server, catalog_version: self.catalog_version };
        *self.described.lock() = Some(told);
    }

    /// Notes that the columns are still what the client was told; nothing where they are not.
    pub fn confirm(&self, description: &Frame) {
        let columns = columns(description);
        let mut told = self.described.lock();
        if let Some(told) = told.as_mut()
            && told.columns.len() == columns.len()
            && told.columns.iter().zip(&columns).all(|(one, other)| one.is(other, told.server == self.server))
        {
            told.catalog_version = self.catalog_version;
        }
    }
}

impl Column {
    fn is(&self, other: &Column, on_one_server: bool) -> bool {
        let users = !on_one_server && self.type_oid.min(other.type_oid) >= FIRST_OF_USERS;
        self.name == other.name
            && self.type_modifier == other.type_modifier
            && (users || self.type_oid == other.type_oid)
    }
}

/// A server's own frames are well formed; one that is not has no columns, and is not what was told.
fn columns(description: &Frame) -> Vec<Column> {
    let columns = view::columns(description).unwrap_or_default().into_iter();
    columns
        .map(|column| Column {
            name: String::from_utf8_lossy(column.name).into(),
            type_oid: column.type_oid,
            type_modifier: column.type_modifier,
        })
        .collect()
}
