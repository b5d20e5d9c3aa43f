//! A locking SELECT under a LIMIT over several servers: rows are chosen, then locked by their keys.

use std::sync::Arc;

use bytes::Bytes;

use super::insert::{Computed, key_of};
use super::place::Placing;
use super::request::Request;
use super::{Parameter, Refusal, Tenants, Verdict, Way};
use crate::catalog::is_of_user;
use crate::directory::Directory;
use crate::ids::ServerId;
use crate::sql::locked::{Locked, locked};
use crate::sql::{self, Numbered, Question, Statement};

/// A locking SELECT of the first rows.
#[derive(Debug, Clone)]
pub struct LockedRows {
    statement: Arc<Statement>,
    locked: Locked,
    now: String,
}

/// A text and the values of its parameters.
pub type Asked<'a> = (Arc<str>, Vec<Parameter<'a>>);

/// The key of a row.
pub type Key = Vec<Option<Bytes>>;

/// How the values of keys are written.
#[derive(Debug, Clone, Default)]
pub struct KeyForm {
    /// The types of the key's columns, as OIDs.
    pub types: Vec<u32>,
    /// Which of them are in the binary format.
    pub binary: Vec<bool>,
}

impl KeyForm {
    /// The form of the keys that are the last columns of what was chosen, behind `visible` others.
    pub fn of(chosen: &Computed, visible: usize) -> KeyForm {
        let types = chosen.types.get(visible..).unwrap_or_default().to_vec();
        let binary = (visible..visible + types.len()).map(|column| chosen.is_binary(column)).collect();
        KeyForm { types, binary }
    }

    fn parameters<'a>(&self, key: &'a Key) -> impl Iterator<Item = Parameter<'a>> {
        let known = |oid: &u32| if is_of_user(*oid) { 0 } else { *oid };
        let forms: Vec<(u32, bool)> = self.types.iter().map(known).zip(self.binary.iter().copied()).collect();
        let value = |(value, (type_oid, binary)): (&'a Option<Bytes>, (u32, bool))| Parameter {
            type_oid,
            binary,
            value: value.as_deref(),
        };
        key.iter().zip(forms).map(value)
    }
}

/// Plans such a SELECT.
pub(super) fn over_several(
    request: &Request<'_>,
    servers: impl IntoIterator<Item = ServerId>,
    placing: Placing,
    tenants: Tenants,
) -> Result<Verdict, Refusal> {
    let statement = request.statement;
    let rows = LockedRows {
        locked: locked(statement.raw(), request.catalog, statement.path())?,
        statement: Arc::new(statement.share()),
        now: request.session.now.now().to_owned(),
    };
    // Each server looks at its rows again by itself.
    let lock = rows.locked.lock(statement.raw(), statement.parameter_count(), 1, &rows.now)?;
    let lock = sql::trees(&lock.text)?;
    let lock = lock.first().ok_or_else(super::refusals::no_fan_out)?;
    sql::split(lock, request.catalog, statement.path(), &rows.now)?;
    let way = Way::Locked(Arc::new(rows));
    Ok(placing.apart(request, servers, tenants, (way, "rows are chosen, then locked by their keys")))
}

impl LockedRows {
    /// The statement, as it was read.
    pub fn statement(&self) -> &Statement {
        &self.statement
    }

    /// Gives how many rows are wanted; NULL: all.
    pub fn wanted(&self) -> &Question {
        &self.locked.wanted
    }

    /// How many columns the key has: the last ones of what is chosen, and of what is locked.
    pub fn keys(&self) -> usize {
        self.locked.key.len()
    }

    /// Chooses as many rows as `count` says (a bigint as text, or NULL), but for those that were tried.
    ///
    /// # Errors
    /// The text cannot be made.
    pub fn choose<'a>(
        &self,
        own: &[Parameter<'a>],
        count: Option<&'a [u8]>,
        (form, tried): (&KeyForm, &'a [Key]),
    ) -> Result<Asked<'a>, Refusal> {
        const INT8: u32 = 20;
        let text = self.locked.choose(self.statement.raw(), self.own(), tried.len(), &self.now)?;
        let limit = Parameter { type_oid: INT8, binary: false, value: count };
        let keys = tried.iter().flat_map(|key| form.parameters(key));
        Ok(asked(&text, own, std::iter::once(limit).chain(keys).collect()))
    }

    /// Locks rows by their keys.
    ///
    /// # Errors
    /// The text cannot be made.
    pub fn lock<'a>(
        &self,
        own: &[Parameter<'a>],
        form: &KeyForm,
        keys: &[&'a Key],
    ) -> Result<Asked<'a>, Refusal> {
        let text = self.locked.lock(self.statement.raw(), self.own(), keys.len(), &self.now)?;
        Ok(asked(&text, own, keys.iter().flat_map(|key| form.parameters(key)).collect()))
    }

    /// The server of a row.
    ///
    /// # Errors
    /// Its tenant cannot be told.
    pub fn server_of(&self, directory: &Directory, form: &KeyForm, key: &Key) -> Result<ServerId, Refusal> {
        let KeyForm { types, binary } = form.clone();
        let one = Computed { types, binary, rows: vec![key.clone()], ..Computed::default() };
        let tenant = key_of(&self.locked.relation, &one, 0, self.locked.tenant, false)?;
        let tenant = tenant.ok_or_else(|| super::refusals::unknown_key_of(&self.locked.relation))?;
        Ok(directory.locate(&tenant).server)
    }

    fn own(&self) -> u16 {
        self.statement.parameter_count()
    }
}

/// The parameters that a text has of the statement's own and of others behind them.
fn asked<'a>(text: &Numbered, own: &[Parameter<'a>], others: Vec<Parameter<'a>>) -> Asked<'a> {
    let none = Parameter { type_oid: 0, binary: false, value: None };
    let parameter = |number: &u32| {
        let index = usize::try_from(*number).unwrap_or(usize::MAX).saturating_sub(1);
        let found = own.get(index).or_else(|| others.get(index.checked_sub(own.len())?));
        found.copied().unwrap_or(none)
    };
    (Arc::clone(&text.text), text.numbers.iter().map(parameter).collect())
}
