//! Rows that are computed over all servers, then stored where no tenant owns them: INSERT ... SELECT into a
//! table of which every server has a copy, MERGE into one, CREATE TABLE AS, SELECT INTO.

use std::fmt::Write;
use std::sync::Arc;

use super::insert::{Computed, Insert};
use super::place::Placing;
use super::request::Request;
use super::{Argument, Refusal, Tenants, Verdict, Way, matched};
use crate::catalog::{Relation, is_of_user};
use crate::ids::ServerId;
use crate::sql::keys::Use;
use crate::sql::merged_copies::{MergedCopies, merged_copies};
use crate::sql::rows_text::{Columns, USUAL_PARAMETERS, rows_at_once};
use crate::sql::{Kind, Made, Question, Statement, made};

/// Such a statement.
#[derive(Debug, Clone)]
pub struct Stored(Into);

#[derive(Debug, Clone)]
enum Into {
    Copies(Insert),
    Merged(Merge),
    New(Arc<Statement>, Made),
}

/// A MERGE over rows that are computed first.
#[derive(Debug, Clone)]
struct Merge {
    statement: Arc<Statement>,
    merged: MergedCopies,
    now: String,
}

/// A statement that stores some of the rows.
#[derive(Debug, Clone)]
pub struct StoredPart {
    /// Its text.
    pub text: Arc<str>,
    /// What its parameters are.
    pub arguments: Vec<Argument>,
}

/// Plans a statement that reads sharded tables and writes another kind, if it is one of those.
pub(super) fn over_several(request: &Request<'_>) -> Result<Option<Verdict>, Refusal> {
    let statement = request.statement;
    let into = match statement.kind() {
        Kind::Write if !statement.has_steps() => {
            let is_read = request.touched().sharded.iter().all(|reference| reference.used == Use::Read);
            match (request.touched().writes.as_slice(), is_read) {
                ([_], true) if statement.inserts_rows() => Into::Copies(Insert::of_copies(request)?),
                ([relation], true) if statement.merges_rows() => {
                    Into::Merged(Merge::into(request, relation)?)
                }
                (_, _) => return Ok(None),
            }
        }
        Kind::CreateAs { .. } => Into::New(Arc::new(statement.share()), made(statement.raw())?),
        _ => return Ok(None),
    };
    let mut placing = Placing::default();
    placing.all(request.directory);
    let first = match statement.kind() {
        Kind::CreateAs { temporary: true } => request.stay(),
        _ => ServerId::HOME,
    };
    let all = (0..request.directory.servers().len()).filter_map(|index| u16::try_from(index).ok());
    let servers = [first].into_iter().chain(all.map(ServerId).filter(|server| *server != first));
    let way = (Way::Stored(Arc::new(Stored(into))), "rows of all servers are computed first, then stored");
    Ok(Some(placing.apart(request, servers, Tenants::All, way)))
}

impl Stored {
    /// The statement, as it was read.
    pub fn statement(&self) -> &Statement {
        match &self.0 {
            Into::Copies(insert) => insert.statement(),
            Into::Merged(merge) => &merge.statement,
            Into::New(statement, _) => statement,
        }
    }

    /// What makes the table, where it is to be made.
    pub fn create(&self) -> Option<&str> {
        match &self.0 {
            Into::Copies(_) | Into::Merged(_) => None,
            Into::New(_, made) => Some(&made.create),
        }
    }

    /// The query for the rows.
    pub fn question(&self) -> Option<&Question> {
        match &self.0 {
            Into::Copies(insert) => insert.question(),
            Into::Merged(merge) => Some(&merge.merged.question),
            Into::New(_, made) => Some(&made.question),
        }
    }

    /// The statements that store the rows, in their order.
    ///
    /// # Errors
    /// 0A000 where the rows do not fit one statement, and must.
    pub fn parts(&self, computed: &Computed) -> Result<Vec<StoredPart>, Refusal> {
        match &self.0 {
            Into::Copies(insert) => insert.parts_of_all(computed),
            Into::Merged(merge) => Ok(vec![merge.part(computed)?]),
            Into::New(_, made) => Ok(parts_of(&made.table, computed)),
        }
    }
}

impl Merge {
    fn into(request: &Request<'_>, relation: &Arc<Relation>) -> Result<Merge, Refusal> {
        let (statement, now) = (request.statement, request.session.now.now());
        let merged = merged_copies(statement.raw(), relation, now, (request.catalog, statement.path()))?;
        Ok(Merge { merged, statement: Arc::new(statement.share()), now: now.to_owned() })
    }

    /// All rows at once: two of them may match the same row.
    fn part(&self, computed: &Computed) -> Result<StoredPart, Refusal> {
        let mut columns = Columns::named(&computed.names);
        computed.types.iter().for_each(|type_oid| columns.push(*type_oid, None, None));
        columns.check()?;
        let own = usize::from(self.statement.parameter_count());
        let first = u32::try_from(own + 1).unwrap_or(u32::MAX);
        let text = self.merged.text(self.statement.raw(), &columns, computed.rows.len(), first, &self.now)?;
        let rows: Vec<usize> = (0..computed.rows.len()).collect();
        let arguments = matched::arguments_of(&text, own, &columns, &rows);
        Ok(StoredPart { text: text.text, arguments })
    }
}

/// The rows of a table that was just made.
fn parts_of(table: &str, computed: &Computed) -> Vec<StoredPart> {
    let width = computed.types.len();
    let rows: Vec<usize> = (0..computed.rows.len()).collect();
    let part = |rows: &[usize]| {
        let mut text = format!("INSERT INTO {table} VALUES ");
        let mut arguments = Vec::new();
        for row in rows {
            text.push_str(if arguments.is_empty() { "(" } else { ", (" });
            for (column, type_oid) in computed.types.iter().copied().enumerate() {
                let type_oid = if is_of_user(type_oid) { 0 } else { type_oid };
                arguments.push(Argument::Computed { row: *row, column, type_oid });
                let comma = if column == 0 { "" } else { ", " };
                let _ = write!(text, "{comma}${}", arguments.len());
            }
            text.push(')');
        }
        StoredPart { text: text.into(), arguments }
    };
    // A table without columns is the only one whose rows are not stored.
    let chunks = if width == 0 { [].chunks(1) } else { rows.chunks(rows_at_once(width, USUAL_PARAMETERS)) };
    chunks.map(part).collect()
}
