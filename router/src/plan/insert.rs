//! INSERT whose rows belong to several servers, or to one that is known only when their keys are computed.
//!
//! What the statement does not spell out is computed by PostgreSQL first, each value once: for VALUES a
//! question with a column for each such value, for INSERT ... SELECT the SELECT itself. Then each row is
//! written on its tenant's server.

use std::sync::Arc;

use bytes::Bytes;

use super::place::Placing;
use super::refusals::unknown_key_of;
use super::request::Request;
use super::stored::StoredPart;
use super::{Parameter, Refusal, Tenants, Verdict, Way};
use crate::catalog::{Relation, is_of_user};
use crate::directory::Directory;
use crate::ids::{KeyType, ServerId, TenantKey};
use crate::sql::insert::{
    Cell, Columns, Conflict, Reading, Rows, Source, Values, columns_of, part_text, read_copies, read_insert,
};
use crate::sql::rows_text::{MOST_PARAMETERS, USUAL_PARAMETERS, rows_at_once};
use crate::sql::{Question, Statement};

/// An INSERT of which each row goes to its tenant's server.
#[derive(Debug, Clone)]
pub struct Insert {
    statement: Arc<Statement>,
    reading: Reading,
    only: Option<TenantKey>,
    now: String,
}

/// What a question's answer says.
#[derive(Debug, Clone, Default)]
pub struct Computed {
    /// The names of its columns.
    pub names: Vec<String>,
    /// The types of its columns, as OIDs.
    pub types: Vec<u32>,
    /// Its rows.
    pub rows: Vec<Vec<Option<Bytes>>>,
    /// Which of its columns are in the binary format; empty: none.
    pub binary: Vec<bool>,
}

impl Computed {
    /// True for a column in the binary format.
    pub fn is_binary(&self, column: usize) -> bool {
        self.binary.get(column).copied().unwrap_or(false)
    }
}

/// Some rows of an INSERT, for one server.
#[derive(Debug, Clone)]
pub struct InsertPart {
    /// The server.
    pub server: ServerId,
    /// The statement for these rows.
    pub text: Arc<str>,
    /// What its parameters are.
    pub arguments: Vec<Argument>,
    /// Which of all rows they are, counted from 0; in order.
    pub rows: Vec<usize>,
}

/// A parameter of a part.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Argument {
    /// The statement's parameter of this number, counted from 1.
    Own(u16),
    /// A computed value.
    Computed {
        /// Its row.
        row: usize,
        /// Its column.
        column: usize,
        /// Its type's OID; 0 where the server infers that of the column it is for.
        type_oid: u32,
    },
}

/// Plans an INSERT whose rows may be on these servers.
pub(super) fn over_several(
    request: &Request<'_>,
    servers: impl IntoIterator<Item = ServerId>,
    placing: Placing,
    tenants: Tenants,
) -> Result<Verdict, Refusal> {
    let statement = request.statement;
    if statement.is_explain() {
        return Err(Refusal::unsupported(
            "EXPLAIN of an INSERT whose rows belong to several servers",
            "Explain the INSERT of one tenant's rows.",
        ));
    }
    let keys = &statement.touched().row_keys;
    let insert = Insert {
        statement: Arc::new(statement.share()),
        reading: read_insert(statement.raw(), keys, request.catalog, statement.path())?,
        only: request.tenant.clone(),
        now: request.session.now.now().to_owned(),
    };
    let way = Way::Insert(Arc::new(insert));
    Ok(placing.apart(request, servers, tenants, (way, "each row goes to its tenant's server")))
}

impl Insert {
    /// An INSERT ... SELECT into a table of which every server has a copy.
    pub(super) fn of_copies(request: &Request<'_>) -> Result<Insert, Refusal> {
        let statement = request.statement;
        Ok(Insert {
            statement: Arc::new(statement.share()),
            reading: read_copies(statement.raw(), request.catalog, statement.path())?,
            only: None,
            now: request.session.now.now().to_owned(),
        })
    }

    /// The statements for all rows of its SELECT, whoever gets them.
    pub(super) fn parts_of_all(&self, computed: &Computed) -> Result<Vec<StoredPart>, Refusal> {
        let Rows::Query { untyped, .. } = &self.reading.rows else {
            return Err(unknown_key_of(&self.reading.relation));
        };
        let width = computed.types.len();
        let divided = Divided {
            columns: columns_of(self.statement.raw(), &self.reading.relation, width)?,
            servers: Vec::new(),
            cells: self.cells_of_query(computed),
            untyped,
            most: self.rows_at_once(width),
            own: usize::from(self.statement.parameter_count()),
        };
        if self.reading.conflict == Conflict::Update && computed.rows.len() > divided.most {
            return Err(Refusal::unsupported(
                format!(
                    "INSERT ... ON CONFLICT DO UPDATE of more than {} rows of several servers",
                    divided.most
                ),
                "Insert fewer rows at a time.",
            ));
        }
        let all: Vec<usize> = (0..computed.rows.len()).collect();
        // Without rows, too, the statement runs.
        let chunks = if all.is_empty() { vec![&all[..]] } else { all.chunks(divided.most).collect() };
        let part = |rows: &[usize]| {
            let part = divided.part(ServerId::HOME, rows.to_vec(), computed, self)?;
            Ok(StoredPart { text: part.text, arguments: part.arguments })
        };
        chunks.into_iter().map(part).collect()
    }

    /// How many of its query's rows one statement writes. What may update a row once only is one statement.
    fn rows_at_once(&self, width: usize) -> usize {
        rows_at_once(
            width,
            match self.reading.conflict {
                Conflict::Update => MOST_PARAMETERS,
                Conflict::Fails | Conflict::Nothing => USUAL_PARAMETERS,
            },
        )
    }

    /// The cells of a query's rows: each is a computed value.
    fn cells_of_query(&self, computed: &Computed) -> Vec<Vec<Cell>> {
        let own = usize::from(self.statement.parameter_count());
        let width = computed.types.len();
        let slot = |number: usize| Cell::Slot(u32::try_from(own + 1 + number).unwrap_or(u32::MAX));
        let row = |row: usize| (0..width).map(|column| slot(row * width + column)).collect();
        (0..computed.rows.len()).map(row).collect()
    }
}

/// What the rows are divided by.
#[derive(Debug, Clone, Copy)]
pub struct Division<'a> {
    /// Where tenants are.
    pub directory: &'a Directory,
    /// The server of rows that no server will take.
    pub first: ServerId,
    /// The statement's parameters.
    pub parameters: &'a [Parameter<'a>],
    /// What was computed.
    pub computed: &'a Computed,
}

impl Insert {
    /// The statement, as it was read.
    pub fn statement(&self) -> &Statement {
        &self.statement
    }

    /// What is to be computed before the rows can be divided.
    pub fn question(&self) -> Option<&Question> {
        self.reading.rows.question()
    }

    /// True where the rows do not fit the table, as far as the catalog knows: a server shall say so.
    pub fn is_misfit(&self) -> bool {
        matches!(self.reading.rows, Rows::Misfit(_))
    }

    /// True where the types of these parameters must be known first.
    pub fn needs_types(&self, parameters: &[Parameter<'_>]) -> bool {
        let untyped = parameters.iter().any(|parameter| parameter.type_oid == 0);
        let spelled = |source: &Source| match source {
            Source::Spelled(set) => {
                set.resolve(parameters, |number| self.statement.infers_key(number)).is_some()
            }
            Source::Computed(_) | Source::Null => true,
        };
        let certain = match &self.reading.rows {
            Rows::Values(values) => values.rows.iter().all(|row| spelled(&row.key)),
            Rows::Query { .. } | Rows::Misfit(_) => true,
        };
        untyped && (self.question().is_some() || !certain)
    }

    /// The parts, in the order in which they are to run.
    ///
    /// # Errors
    /// A row whose tenant cannot be told, or is not the session's.
    pub fn parts(&self, division: Division<'_>) -> Result<Vec<InsertPart>, Refusal> {
        let rows = match &self.reading.rows {
            Rows::Values(values) => self.rows_of_values(values, division)?,
            Rows::Query { untyped, .. } => self.rows_of_query(untyped, division)?,
            Rows::Misfit(refusal) => return Err(refusal.clone()),
        };
        let mut groups: Vec<(ServerId, Vec<usize>)> = Vec::new();
        for (number, server) in rows.servers.iter().enumerate() {
            // A row that is left out must not be taken for another: neighbours only.
            let in_order = self.reading.returning
                && (self.reading.conflict == Conflict::Nothing || self.reading.relation.has_triggers);
            let group = match in_order {
                true => groups.last_mut().filter(|(of, _)| of == server),
                false => groups.iter_mut().rfind(|(of, rows_of)| of == server && rows_of.len() < rows.most),
            };
            match group.filter(|(_, rows_of)| rows_of.len() < rows.most) {
                Some((_, rows_of)) => rows_of.push(number),
                None => groups.push((*server, vec![number])),
            }
        }
        if groups.is_empty() {
            groups.push((division.first, Vec::new()));
        }
        groups
            .into_iter()
            .map(|(server, numbers)| rows.part(server, numbers, division.computed, self))
            .collect()
    }

    fn rows_of_values<'a>(&self, values: &'a Values, division: Division<'a>) -> Result<Divided<'a>, Refusal> {
        let own = usize::from(self.statement.parameter_count());
        let mut servers = Vec::new();
        let mut cells = Vec::new();
        for (number, row) in values.rows.iter().enumerate() {
            let key = match &row.key {
                Source::Null => None,
                Source::Spelled(set) => {
                    let keys = set
                        .resolve(division.parameters, |number| self.statement.infers_key(number))
                        .ok_or_else(|| super::refusals::unknown_key_of(&self.reading.relation))?;
                    keys.into_iter().next()
                }
                Source::Computed(column) => {
                    key_of(&self.reading.relation, division.computed, 0, *column, false)?
                }
            };
            servers.push(self.server_of(key.as_ref(), division)?);
            let extra = row.computed.iter().filter(|(place, _)| *place >= values.columns.given.len());
            let width = values.columns.given.len() + extra.count();
            let cell = |place| match row.computed.iter().find(|(of, _)| *of == place) {
                Some((_, column)) => Cell::Slot(u32::try_from(own + 1 + column).unwrap_or(u32::MAX)),
                None => Cell::Own(number, place),
            };
            cells.push((0..width).map(cell).collect());
        }
        let most = usize::MAX;
        Ok(Divided { columns: values.columns.clone(), servers, cells, untyped: &[], most, own })
    }

    fn rows_of_query<'a>(&self, untyped: &'a [bool], division: Division<'a>) -> Result<Divided<'a>, Refusal> {
        let own = usize::from(self.statement.parameter_count());
        let computed = division.computed;
        let width = computed.types.len();
        let columns = columns_of(self.statement.raw(), &self.reading.relation, width)?;
        let Some(key) = columns.key else {
            return Err(Refusal::unsupported(
                format!("INSERT ... SELECT into \"{}\" selects no tenant", self.reading.relation.name),
                "Select a value for the tenant column.",
            ));
        };
        let mut servers = Vec::new();
        for row in 0..computed.rows.len() {
            let is_untyped = untyped.get(key).copied().unwrap_or(false);
            let found = key_of(&self.reading.relation, computed, row, key, is_untyped)?;
            servers.push(self.server_of(found.as_ref(), division)?);
        }
        let (cells, most) = (self.cells_of_query(computed), self.rows_at_once(width));
        Ok(Divided { columns, servers, cells, untyped, most, own })
    }

    /// The server of a row; a NULL key is refused by the table itself.
    fn server_of(&self, key: Option<&TenantKey>, division: Division<'_>) -> Result<ServerId, Refusal> {
        match (key, &self.only) {
            (Some(key), Some(only)) if key != only => Err(super::refusals::another_tenant(key, only)),
            (Some(key), _) => Ok(division.directory.locate(key).server),
            (None, _) => Ok(division.first),
        }
    }
}

/// The key that a computed value is; `untyped` literals take the tenant column's type.
pub(super) fn key_of(
    relation: &Relation,
    computed: &Computed,
    row: usize,
    column: usize,
    untyped: bool,
) -> Result<Option<TenantKey>, Refusal> {
    let refusal = || super::refusals::unknown_key_of(relation);
    let (tenant, key_type) = relation.tenant_column().ok_or_else(refusal)?;
    let type_oid = computed.types.get(column).copied().ok_or_else(refusal)?;
    let value = computed.rows.get(row).and_then(|row| row.get(column)).ok_or_else(refusal)?;
    let Some(value) = value else { return Ok(None) };
    if !untyped && KeyType::of_type_oid(type_oid) != Some(key_type) {
        return Err(Refusal::unsupported(
            format!("the value for column \"{}\" is of another type than the column", tenant.name),
            "Cast it to the column's type.",
        ));
    }
    if computed.is_binary(column) && key_type != KeyType::Text {
        return key_type.read_binary(value).map(Some).ok_or_else(refusal);
    }
    let text = std::str::from_utf8(value).map_err(|_| refusal())?;
    let key = key_type.parse(text).ok_or_else(refusal)?.cut_to(tenant.longest_text());
    match (&key, tenant.longest_text()) {
        (TenantKey::Text(text), Some(most)) if text.chars().count() > most => Err(Refusal {
            sqlstate: "22001",
            message: format!("value too long for type character varying({most})"),
            hint: String::new(),
        }),
        (TenantKey::Text(_) | TenantKey::Integer(_) | TenantKey::Uuid(_), _) => Ok(Some(key)),
    }
}

/// All rows, each with its server.
struct Divided<'a> {
    columns: Columns,
    servers: Vec<ServerId>,
    cells: Vec<Vec<Cell>>,
    untyped: &'a [bool],
    /// How many rows a part may have.
    most: usize,
    /// How many parameters the statement has.
    own: usize,
}

impl Divided<'_> {
    fn part(
        &self,
        server: ServerId,
        rows: Vec<usize>,
        computed: &Computed,
        insert: &Insert,
    ) -> Result<InsertPart, Refusal> {
        let cells: Vec<Vec<Cell>> = rows.iter().filter_map(|row| self.cells.get(*row)).cloned().collect();
        let part = part_text(insert.statement.raw(), &self.columns, &cells, &insert.now)?;
        let argument = |number: &u32| self.argument(*number, computed);
        let arguments = part.numbers.iter().map(argument).collect();
        Ok(InsertPart { server, text: part.text, arguments, rows })
    }

    fn argument(&self, number: u32, computed: &Computed) -> Argument {
        let number = usize::try_from(number).unwrap_or(usize::MAX);
        match u16::try_from(number) {
            Ok(own) if number <= self.own => Argument::Own(own),
            Ok(_) | Err(_) => {
                let width = computed.types.len().max(1);
                let place = number - self.own - 1;
                let (row, column) = (place / width, place % width);
                let type_oid = computed.types.get(column).copied().unwrap_or(0);
                let untyped = self.untyped.get(column).copied().unwrap_or(false);
                let known = !untyped && !is_of_user(type_oid);
                Argument::Computed { row, column, type_oid: if known { type_oid } else { 0 } }
            }
        }
    }
}
