//! UPDATE and DELETE over several servers that need rows of other servers than the written row's, or that
//! give rows another tenant: the rows that may be meant are locked, the rows that are meant are chosen by a
//! SELECT over all rows, and each is written by its key.

use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;

use super::insert::{Argument, Computed, key_of};
use super::place::Placing;
use super::request::Request;
use super::{Parameter, Refusal, Tenants, Verdict, Way};
use crate::catalog::{Relation, is_of_user};
use crate::directory::Directory;
use crate::ids::ServerId;
use crate::sql::keys::Use;
use crate::sql::{self, Chosen, Numbered, Question, Statement};

/// A write in three steps.
#[derive(Debug, Clone)]
pub struct ChosenWrite {
    statement: Arc<Statement>,
    relation: Arc<Relation>,
    chosen: Chosen,
}

/// A statement for one row.
#[derive(Debug, Clone)]
pub struct RowWrite {
    /// The server.
    pub server: ServerId,
    /// Its text.
    pub text: Arc<str>,
    /// What its parameters are; values of `choose` in row 0, of the taken row in row 1.
    pub arguments: Vec<Argument>,
}

/// What is done to one row.
#[derive(Debug, Clone)]
pub enum RowDeed {
    /// It is written where it is.
    Write(RowWrite),
    /// It is taken out of one server, and put into another.
    Move {
        /// Takes it out, and gives its values.
        take: RowWrite,
        /// Puts it in.
        put: RowWrite,
    },
}

/// Plans an UPDATE or DELETE in three steps.
pub(super) fn over_several(
    request: &Request<'_>,
    servers: impl IntoIterator<Item = ServerId>,
    placing: Placing,
    tenants: Tenants,
) -> Result<Verdict, Refusal> {
    let statement = request.statement;
    if statement.has_steps() {
        return Err(Refusal::unsupported(
            "a CTE writes or locks rows beside a write that needs rows of several servers",
            "Write in statements of their own, in one transaction.",
        ));
    }
    let written = statement.touched().sharded.iter().find(|reference| reference.used == Use::Change);
    let relation = written.map(|reference| Arc::clone(&reference.relation));
    let relation = relation.ok_or_else(|| {
        Refusal::unsupported(
            "this write would have to change rows on several servers",
            "Name one tenant: in the statement, with SET, or in a comment.",
        )
    })?;
    let own = statement.parameter_count();
    let chosen = sql::chosen(statement.raw(), &relation, own, request.session.now.now(), request.catalog)?;
    let against = match &*relation {
        Relation { view: Some(_), .. } => "the row's columns that it does not show would stay behind",
        Relation { has_triggers: true, .. } => "its triggers would see a row deleted",
        Relation { has_acting_keys: true, .. } => "foreign keys with actions would see a row deleted",
        _ => "",
    };
    if chosen.moving.is_some() && !against.is_empty() {
        return Err(Refusal::unsupported(
            format!("an update of the tenant column of \"{}\": {against}", relation.name),
            "Delete the row and insert it for the other tenant.",
        ));
    }
    let write = ChosenWrite { statement: Arc::new(statement.share()), relation, chosen };
    let way = Way::Chosen(Arc::new(write));
    Ok(placing.apart(request, servers, tenants, (way, "rows are locked, chosen, then written by their keys")))
}

impl ChosenWrite {
    /// The statement, as it was read.
    pub fn statement(&self) -> &Statement {
        &self.statement
    }

    /// Locks the rows that may be meant, and gives their keys.
    pub fn lock(&self) -> &Question {
        &self.chosen.lock
    }

    /// Gives the keys of the rows that are meant, then their new values.
    pub fn choose(&self) -> &Question {
        &self.chosen.choose
    }

    /// Refuses what RETURNING would give of another type; `types` are those of the columns of `choose`.
    ///
    /// # Errors
    /// 0A000.
    pub fn check_returned(&self, types: &[u32]) -> Result<(), Refusal> {
        check_returned(&self.chosen.returned, types)
    }

    /// How many columns the key has.
    pub fn keys(&self) -> usize {
        self.chosen.keys
    }

    /// True where the types of these parameters must be known first.
    pub fn needs_types(&self, parameters: &[Parameter<'_>]) -> bool {
        parameters.iter().any(|parameter| parameter.type_oid == 0)
    }

    /// The first word of its tag.
    pub fn word(&self) -> &'static str {
        self.statement.word_of_change().unwrap_or_default()
    }

    /// The statement for one row, on this server.
    pub fn write_on(&self, server: ServerId, types: &[u32]) -> RowWrite {
        self.row_write(server, &self.chosen.write, types)
    }

    fn row_write(&self, server: ServerId, numbered: &Numbered, types: &[u32]) -> RowWrite {
        let own = self.statement.parameter_count();
        RowWrite { server, text: Arc::clone(&numbered.text), arguments: arguments_of(numbered, own, types) }
    }

    /// What is done to a row that was chosen; `types` are those of the columns of `choose`, `binary` says
    /// which of them are in the binary format.
    ///
    /// # Errors
    /// Its tenant cannot be told.
    pub fn deed(
        &self,
        directory: &Directory,
        (types, binary): (&[u32], &[bool]),
        row: &[Option<Bytes>],
    ) -> Result<RowDeed, Refusal> {
        let key = |column: usize| {
            let (types, binary) = (types.to_vec(), binary.to_vec());
            let one = Computed { types, binary, rows: vec![row.to_vec()], ..Computed::default() };
            key_of(&self.relation, &one, 0, column, false)
        };
        let missing = || super::refusals::unknown_key_of(&self.relation);
        let server = directory.locate(&key(self.chosen.tenant)?.ok_or_else(missing)?).server;
        let write = |server, numbered: &Numbered| self.row_write(server, numbered, types);
        let Some(moving) = &self.chosen.moving else {
            return Ok(RowDeed::Write(write(server, &self.chosen.write)));
        };
        // NULL is refused where the row is.
        let target = key(moving.tenant)?.map_or(server, |tenant| directory.locate(&tenant).server);
        Ok(match target == server {
            true => RowDeed::Write(write(server, &self.chosen.write)),
            false => RowDeed::Move { take: write(server, &moving.take), put: write(target, &moving.put) },
        })
    }
}

/// What the parameters of a statement for one row are: the first `own` are the client's, the next have these types and
/// are what was chosen, the rest is what the row had.
pub(super) fn arguments_of(numbered: &Numbered, own: u16, types: &[u32]) -> Vec<Argument> {
    let argument = |number: &u32| {
        let number = usize::try_from(*number).unwrap_or(usize::MAX);
        match u16::try_from(number) {
            Ok(number) if number <= own => Argument::Own(number),
            Ok(_) | Err(_) => {
                let column = number - usize::from(own) - 1;
                match types.get(column) {
                    Some(oid) => {
                        let type_oid = if is_of_user(*oid) { 0 } else { *oid };
                        Argument::Computed { row: 0, column, type_oid }
                    }
                    None => Argument::Computed { row: 1, column: column - types.len(), type_oid: 0 },
                }
            }
        }
    };
    numbered.numbers.iter().map(argument).collect()
}

/// Refuses columns whose type a parameter cannot have on every server: those of users, and rows.
pub(super) fn check_returned(returned: &Range<usize>, types: &[u32]) -> Result<(), Refusal> {
    const RECORD: u32 = 2249;
    match types.get(returned.clone()).unwrap_or_default().iter().any(|oid| is_of_user(*oid) || *oid == RECORD)
    {
        true => Err(Refusal::unsupported(
            "RETURNING a column of another table than the written one, of a type that a user made or a row",
            "Cast it to text.",
        )),
        false => Ok(()),
    }
}
