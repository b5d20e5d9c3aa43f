//! COPY ... FROM STDIN over several servers, in one atomic commit: each row to its tenant's server, or all
//! rows to each server where each has a copy of the table.
//!
//! The client is told of one COPY, the first leg's. What a move freezes meanwhile is not waited for
//! here: each leg holds its fences for the whole of the COPY.

use bytes::{Bytes, BytesMut};
use router::catalog::{Column, Relation, RelationKind};
use router::copy::{CopyFault, Piece, RowSplitter, Wrong};
use router::ids::{ServerId, TenantKey};
use router::plan::{CopyIn, CopyRows, Leg};

use crate::error::ClientError;
use crate::execute::everywhere::sum;
use crate::execute::executor::Executor;
use crate::execute::opening::Hindrance;
use crate::execute::planned::Decision;
use crate::execute::run::Ask;
use crate::execute::trouble::Trouble;
use crate::net::peer::{Copied, Peer};
use crate::pool::Lent;
use crate::wire::frame::Frame;
use crate::wire::view::Fields;
use crate::wire::{view, write};

/// How much may wait for one server before the client is read on.
const MOST_UNSENT: usize = 256 * 1024;

/// Runs the COPY.
///
/// # Errors
/// A row that has no server, a server's own error, or the client's CopyFail; the caller rolls back.
pub(super) async fn run(
    executor: &mut Executor,
    peer: &mut Peer,
    ask: Ask<'_>,
    decision: &Decision,
    copy: &CopyIn,
) -> Result<Option<Bytes>, Hindrance> {
    executor.branch_all(decision).await?;
    for (index, leg) in decision.plan.legs.iter().enumerate() {
        let text = leg.text.as_deref().unwrap_or(ask.statement.text());
        let invitation = invite(executor.connection(leg.server), text).await?;
        if index == 0 {
            peer.out().extend_from_slice(&invitation);
        }
    }
    peer.flush().await.map_err(Trouble::from)?;
    let legs = &decision.plan.legs;
    match distribute(executor, peer, decision, copy).await {
        Ok(()) => finish(executor, peer, legs, copy).await.map(Some).map_err(Hindrance::Trouble),
        Err(trouble) => {
            give_up(executor, legs).await;
            Err(trouble.into())
        }
    }
}

/// Begins the COPY on one server; its CopyInResponse.
async fn invite(connection: &mut Lent, text: &str) -> Result<Bytes, Trouble> {
    connection.queue_query(text);
    let mut error = None;
    loop {
        let frame = connection.frame().await?;
        match frame.tag() {
            b'G' => return Ok(frame.into_bytes()),
            b'E' => error = Some(view::error_fields(&frame)),
            b'Z' => {
                return Err(match error {
                    Some(error) => error.into(),
                    None => ClientError::internal("a server answered COPY with something else").into(),
                });
            }
            _ => {}
        }
    }
}

/// Reads the client's data to its end and hands each row to its server.
async fn distribute(
    executor: &mut Executor,
    peer: &mut Peer,
    decision: &Decision,
    copy: &CopyIn,
) -> Result<(), Trouble> {
    let mut rows = match copy {
        CopyIn::Rows(rows) => Some((RowSplitter::new(&rows.format), rows)),
        CopyIn::Copies => None,
    };
    loop {
        let frame = match peer.copied().await? {
            Copied::Data(part) => {
                take(executor, peer, &mut rows, decision, &part).await?;
                continue;
            }
            Copied::Frame(frame) => frame,
        };
        match frame.tag() {
            b'd' => {
                take(executor, peer, &mut rows, decision, frame.body()).await?;
            }
            b'c' => {
                let Some((splitter, copy)) = &mut rows else { return Ok(()) };
                splitter.finish();
                return hand_out(executor, peer, splitter, decision, copy).await;
            }
            b'f' => {
                let reason = String::from_utf8_lossy(frame.body().strip_suffix(b"\0").unwrap_or_default());
                return Err(ClientError::new("57014", format!("COPY from stdin failed: {reason}")).into());
            }
            b'S' | b'H' => {}
            tag => {
                let message = format!("unexpected message type 0x{tag:02X} during COPY from stdin");
                return Err(ClientError::protocol(message).into());
            }
        }
    }
}

/// Hands on a part of the data, as far as it holds whole rows where they part.
async fn take(
    executor: &mut Executor,
    peer: &mut Peer,
    rows: &mut Option<(RowSplitter, &CopyRows)>,
    decision: &Decision,
    part: &[u8],
) -> Result<(), Trouble> {
    if let Some((splitter, copy)) = rows {
        splitter.feed(part);
        return hand_out(executor, peer, splitter, decision, copy).await;
    }
    for (index, leg) in decision.plan.legs.iter().enumerate() {
        let heard = if index == 0 { Heard::ToldOn } else { Heard::Known };
        send(executor, peer, (leg.server, heard), part).await?;
    }
    Ok(())
}

async fn hand_out(
    executor: &mut Executor,
    peer: &mut Peer,
    splitter: &mut RowSplitter,
    decision: &Decision,
    copy: &CopyRows,
) -> Result<(), Trouble> {
    while let Some(piece) = splitter.next_piece().map_err(|fault| told(&fault, copy))? {
        match piece {
            Piece::Every(bytes) => {
                for leg in &decision.plan.legs {
                    send(executor, peer, (leg.server, Heard::ToldOn), &bytes).await?;
                }
            }
            Piece::Any(bytes) => {
                if let Some(leg) = decision.plan.legs.first() {
                    send(executor, peer, (leg.server, Heard::ToldOn), &bytes).await?;
                }
            }
            Piece::Row { key, bytes } => {
                let server = server_of(&key, decision, copy)?;
                send(executor, peer, (server, Heard::ToldOn), &bytes).await?;
            }
        }
    }
    Ok(())
}

fn server_of(key: &TenantKey, decision: &Decision, copy: &CopyRows) -> Result<ServerId, Trouble> {
    if copy.only.as_ref().is_some_and(|only| only != key) {
        return Err(ClientError::new(
            "42501",
            format!(
                "the session is tenant {}'s and the row is tenant {key}'s",
                copy.only.as_ref().map(ToString::to_string).unwrap_or_default()
            ),
        )
        .hint("COPY without the tenant setting, or only this tenant's rows.")
        .into());
    }
    Ok(decision.directory.locate(key).server)
}

/// What becomes of a server's notices.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Heard {
    /// The client hears them.
    ToldOn,
    /// Another server has said the same.
    Known,
}

/// Hands data to a server. What it says meanwhile is heard, so that neither waits for the other.
async fn send(
    executor: &mut Executor,
    peer: &mut Peer,
    (server, heard): (ServerId, Heard),
    bytes: &[u8],
) -> Result<(), Trouble> {
    let connection = executor.connection(server);
    write::copy_data(connection.out(), bytes);
    while connection.unsent() >= MOST_UNSENT {
        connection.flush().await?;
        while let Some(frame) = connection.buffered_frame()? {
            match frame.tag() {
                b'E' => return Err(view::error_fields(&frame).into()),
                b'N' if heard == Heard::ToldOn => peer.out().extend_from_slice(frame.bytes()),
                _ => {}
            }
        }
    }
    Ok(peer.relieve().await?)
}

/// Ends the COPY on each server; the CommandComplete with the number of the rows.
async fn finish(
    executor: &mut Executor,
    peer: &mut Peer,
    legs: &[Leg],
    copy: &CopyIn,
) -> Result<Bytes, Trouble> {
    for leg in legs {
        let connection = executor.connection(leg.server);
        write::copy_done(connection.out());
        connection.flush().await?;
    }
    let mut completions: Vec<Frame> = Vec::new();
    let mut failure = None;
    for (index, leg) in legs.iter().enumerate() {
        let mut notices = BytesMut::new();
        let outcome = end(executor.connection(leg.server), &mut notices).await?;
        if index == 0 || matches!(copy, CopyIn::Rows(_)) {
            peer.out().extend_from_slice(&notices);
        }
        match outcome {
            Ok(completion) => completions.extend(completion),
            Err(error) => failure = failure.or(Some(error)),
        }
    }
    match failure {
        Some(error) => Err(error.into()),
        None => counted(&completions, copy)
            .ok_or_else(|| ClientError::internal("COPY ended without a count, or with several").into()),
    }
}

fn counted(completions: &[Frame], copy: &CopyIn) -> Option<Bytes> {
    match (copy, completions) {
        (CopyIn::Rows(_), completions) => sum(completions),
        (CopyIn::Copies, [first, others @ ..]) => {
            others.iter().all(|other| other.bytes() == first.bytes()).then(|| first.clone().into_bytes())
        }
        (CopyIn::Copies, []) => None,
    }
}

/// What a server says at the end of its part.
async fn end(
    connection: &mut Lent,
    notices: &mut BytesMut,
) -> Result<Result<Option<Frame>, Fields>, Trouble> {
    let mut outcome = Ok(None);
    loop {
        let frame = connection.frame().await?;
        match frame.tag() {
            b'C' => outcome = outcome.map(|_| Some(frame)),
            b'E' => outcome = Err(view::error_fields(&frame)),
            b'N' => notices.extend_from_slice(frame.bytes()),
            b'Z' => return Ok(outcome),
            _ => {}
        }
    }
}

async fn give_up(executor: &mut Executor, legs: &[Leg]) {
    for leg in legs {
        let connection = executor.connection(leg.server);
        write::copy_fail(connection.out(), "the rows could not be distributed");
        // Rolled back all the same: a connection that breaks here is closed with its transaction.
        let _ = end(connection, &mut BytesMut::new()).await;
    }
}

/// PostgreSQL's words for a row that cannot be stored, where it has some.
fn told(fault: &CopyFault, copy: &CopyRows) -> Trouble {
    let (table, line) = (&copy.relation.name, fault.line);
    let place = format!("COPY {table}, line {line}");
    let Some(column) = key_column(&copy.relation) else {
        return ClientError::new(fault.sqlstate(), fault.to_string()).context(place).into();
    };
    let (name, type_name) = (&column.name, &column.written.bare_type);
    match &fault.what {
        Wrong::BadKey { text, .. } => {
            let error = match text.trim().parse::<i128>() {
                Ok(_) => ClientError::new(
                    "22003",
                    format!("value \"{text}\" is out of range for type {type_name}"),
                ),
                Err(_) => ClientError::new(
                    "22P02",
                    format!("invalid input syntax for type {type_name}: \"{text}\""),
                ),
            };
            error.context(format!("{place}, column {name}: \"{text}\"")).into()
        }
        Wrong::NullKey => {
            let message = format!(
                "null value in column \"{name}\" of relation \"{table}\" violates not-null constraint"
            );
            ClientError::new("23502", message).context(place).into()
        }
        Wrong::Encoding | Wrong::LineEnd(_) | Wrong::TooLong(_) | Wrong::AmbiguousEnd => {
            ClientError::new(fault.sqlstate(), fault.to_string()).context(place).into()
        }
    }
}

fn key_column(relation: &Relation) -> Option<&Column> {
    match relation.kind {
        RelationKind::Sharded { tenant_column, .. } => relation.columns.get(tenant_column),
        RelationKind::Reference
        | RelationKind::ReferenceView
        | RelationKind::ShardedView { .. }
        | RelationKind::Sequence
        | RelationKind::Unsafe { .. } => None,
    }
}
