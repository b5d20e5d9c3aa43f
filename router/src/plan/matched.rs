//! MERGE over several servers whose source is computed first: each of its rows goes to the server of the tenant
//! that it is joined with.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::insert::{Argument, Division, InsertPart, key_of};
use super::place::Placing;
use super::request::Request;
use super::{Refusal, Tenants, Verdict, Way};
use crate::ids::{ServerId, TenantKey};
use crate::sql::matched::{Matched, matched};
use crate::sql::rows_text::{Columns, MOST_PARAMETERS};
use crate::sql::{Numbered, Question, Statement};

/// A MERGE of which each row of the source goes to its tenant's server.
#[derive(Debug, Clone)]
pub struct MatchedRows {
    statement: Arc<Statement>,
    matched: Matched,
    only: Option<TenantKey>,
    now: String,
}

/// Plans a MERGE that concerns these servers.
pub(super) fn over_several(
    request: &Request<'_>,
    servers: impl IntoIterator<Item = ServerId>,
    placing: Placing,
    tenants: Tenants,
) -> Result<Verdict, Refusal> {
    let statement = request.statement;
    let rows = MatchedRows {
        matched: matched(statement.raw(), request.catalog, statement.path())?,
        statement: Arc::new(statement.share()),
        only: request.tenant.clone(),
        now: request.session.now.now().to_owned(),
    };
    let way = Way::Matched(Arc::new(rows));
    Ok(placing.apart(request, servers, tenants, (way, "each row of the source goes to its tenant's server")))
}

impl MatchedRows {
    /// The statement, as it was read.
    pub fn statement(&self) -> &Statement {
        &self.statement
    }

    /// Gives the rows of the source.
    pub fn question(&self) -> &Question {
        &self.matched.question
    }

    /// The parts, in the order in which they are to run. All rows of a tenant are in one of them: they may match
    /// the same row.
    ///
    /// # Errors
    /// A row whose tenant cannot be told, or is not the session's; more rows of a tenant than fit.
    pub fn parts(&self, division: Division<'_>) -> Result<Vec<InsertPart>, Refusal> {
        let computed = division.computed;
        let key = self.matched.key_of(&computed.names)?;
        let mut columns = Columns::named(&computed.names);
        computed.types.iter().for_each(|type_oid| columns.push(*type_oid, None, None));
        columns.check()?;
        let mut tenants: BTreeMap<(ServerId, Option<TenantKey>), Vec<usize>> = BTreeMap::new();
        for row in 0..computed.rows.len() {
            let tenant = key_of(&self.matched.relation, computed, row, key, false)?;
            let server = match (&tenant, &self.only) {
                (Some(tenant), Some(only)) if tenant != only => {
                    return Err(super::refusals::another_tenant(tenant, only));
                }
                (Some(tenant), _) => division.directory.locate(tenant).server,
                // It matches nothing.
                (None, _) => division.first,
            };
            tenants.entry((server, tenant)).or_default().push(row);
        }
        let most = MOST_PARAMETERS / (computed.types.len().max(1) * 2);
        let mut parts: Vec<(ServerId, Vec<usize>)> = Vec::new();
        for ((server, _), rows) in tenants {
            match parts.last_mut().filter(|(of, before)| *of == server && before.len() + rows.len() <= most) {
                Some((_, before)) => before.extend(rows),
                None => parts.push((server, rows)),
            }
        }
        if parts.is_empty() {
            parts.push((division.first, Vec::new()));
        }
        parts.into_iter().map(|(server, rows)| self.part(server, rows, &columns)).collect()
    }

    fn part(&self, server: ServerId, mut rows: Vec<usize>, columns: &Columns) -> Result<InsertPart, Refusal> {
        rows.sort_unstable();
        let own = usize::from(self.statement.parameter_count());
        let first = u32::try_from(own + 1).unwrap_or(u32::MAX);
        let text = self.matched.text(self.statement.raw(), columns, rows.len(), first, &self.now)?;
        let arguments = arguments_of(&text, own, columns, &rows);
        Ok(InsertPart { server, text: text.text, arguments, rows })
    }
}

/// What the parameters of a MERGE over some rows are: the first `own` are the client's.
pub(super) fn arguments_of(text: &Numbered, own: usize, columns: &Columns, rows: &[usize]) -> Vec<Argument> {
    let width = columns.types.len().max(1);
    let argument = |number: &u32| {
        let number = usize::try_from(*number).unwrap_or(usize::MAX);
        match u16::try_from(number) {
            Ok(own_number) if number <= own => Argument::Own(own_number),
            Ok(_) | Err(_) => {
                let place = number - own - 1;
                let (row, column) = (place / width, place % width);
                // Beyond the last row there is none, whose values are NULL.
                let row = rows.get(row).copied().unwrap_or(usize::MAX);
                let type_oid = columns.types.get(column).copied().unwrap_or(0);
                Argument::Computed { row, column, type_oid }
            }
        }
    };
    text.numbers.iter().map(argument).collect()
}
