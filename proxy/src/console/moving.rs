//! Moves in the console: start, list, show, abort, gc.

use router::ids::MoveId;
use router::moves::{Request, already_there, parse_shards, parse_tenants};

use super::table::{Table, some};
use crate::error::ClientError;
use crate::fleet::Database;
use crate::mover::{MoveReport, StartError};

/// The columns of a move; programs rely on the names.
const COLUMNS: [&str; 13] = [
    "id",
    "phase",
    "what",
    "from",
    "to",
    "rows",
    "bytes",
    "changes",
    "lag_bytes",
    "pause_ms",
    "late",
    "attempts",
    "error",
];

/// Begins moves, or says what would refuse them.
///
/// # Errors
/// What is wrong with the request; 55000 with the findings that forbid it.
pub(super) async fn start(
    database: &Database,
    tenants: Option<&str>,
    shards: Option<&str>,
    to: &str,
    dry_run: bool,
) -> Result<Table, ClientError> {
    let scope = match (tenants, shards) {
        (Some(tenants), _) => parse_tenants(tenants, database.mover.key_type().await.map_err(refused)?),
        (None, shards) => parse_shards(shards.unwrap_or_default(), database.directory.load().shard_count()),
    };
    let scope = scope.map_err(|refusal| ClientError::new("22023", refusal.to_string()))?;
    let request = Request { scope, to: to.to_owned() };
    if dry_run {
        let (moves, findings) = database.mover.check(&request).await.map_err(refused)?;
        let mut table = Table::new(&["severity", "what", "fix"]);
        for planned in moves {
            table.row([
                some("plan"),
                some(format!("{} from {} to {}", planned.what, planned.from, planned.to)),
                some(""),
            ]);
        }
        if let Some(there) = already_there(&database.directory.load(), &request) {
            table.row([some("note"), some(format!("{there} on {to} already")), some("")]);
        }
        for finding in findings {
            table.row([some("error"), some(finding.what), some(finding.fix)]);
        }
        return Ok(table);
    }
    let ids = database.mover.start(request).await.map_err(refused)?;
    let started: Vec<MoveReport> = ids.into_iter().filter_map(|id| database.mover.show(id)).collect();
    Ok(table(&started))
}

fn refused(error: StartError) -> ClientError {
    let sqlstate = match error {
        StartError::Plan(_) => "22023",
        _ => "55000",
    };
    ClientError::new(sqlstate, error.to_string())
        .hint("herdctl move start ... --dry-run lists everything that forbids it.")
}

/// All moves, or those that have not ended.
pub(super) fn list(database: &Database, active: bool) -> Table {
    let mut moves = database.mover.list();
    if active {
        moves.retain(|report| !report.is_over());
    }
    table(&moves)
}

/// One move.
///
/// # Errors
/// 42704 where there is none of the number.
pub(super) fn show(database: &Database, id: MoveId) -> Result<Table, ClientError> {
    match database.mover.show(id) {
        Some(report) => Ok(table(&[report])),
        None => Err(ClientError::new("42704", format!("there is no move {id}"))),
    }
}

/// Asks a move to undo itself.
///
/// # Errors
/// 55000 where it is over or has been cut over.
pub(super) fn abort(database: &Database, id: MoveId) -> Result<Table, ClientError> {
    database.mover.abort(id).map_err(|error| ClientError::new("55000", error.to_string()))?;
    show(database, id)
}

/// Removes what moves left behind.
///
/// # Errors
/// 08006 where a server cannot be asked.
pub(super) async fn gc(database: &Database) -> Result<Table, ClientError> {
    let removed = database.mover.gc().await.map_err(|error| ClientError::new("08006", error.to_string()))?;
    let mut table = Table::new(&["removed"]);
    for what in removed {
        table.row([some(what)]);
    }
    Ok(table)
}

/// Of a table of moves, nothing but the columns.
pub(super) fn columns() -> Table {
    Table::new(&COLUMNS)
}

fn table(moves: &[MoveReport]) -> Table {
    let mut table = Table::new(&COLUMNS);
    for report in moves {
        table.row([
            some(report.id),
            some(&report.phase),
            some(&report.what),
            some(&report.from),
            some(&report.to),
            some(report.rows),
            some(report.bytes),
            some(report.changes),
            some(report.lag_bytes),
            report.pause_ms.map(|pause| pause.to_string()),
            some(report.late),
            some(report.attempts),
            report.error.clone(),
        ]);
    }
    table
}
