//! A write to a table of which every server has a copy, computed once: the first server runs it and gives
//! back what it wrote, and the others write the same rows, all in one atomic commit.

use bytes::{Bytes, BytesMut};
use router::ids::ServerId;
use router::plan::Parameter;
use router::sql::CopiedWrite;

use crate::error::ClientError;
use crate::execute::executor::{Decision, Executor, Hindrance};
use crate::execute::inner::values;
use crate::execute::leg::{LegAsk, reply};
use crate::execute::rows::Rows;
use crate::execute::run::Ask;
use crate::execute::trouble::Trouble;
use crate::net::peer::Peer;
use crate::wire::{view, write};

/// How many rows are written to a server before its answers are read.
const AT_ONCE: usize = 200;

/// Runs the write.
///
/// # Errors
/// A server's own; XX000 where the copies turn out not to be equal. The caller rolls back.
pub(super) async fn run(
    executor: &mut Executor,
    peer: &mut Peer,
    ask: Ask<'_>,
    rows: &mut Rows,
    decision: &Decision,
    copied: &CopiedWrite,
) -> Result<Option<Bytes>, Hindrance> {
    let legs = &decision.plan.legs;
    for leg in legs {
        executor.branch(leg, decision).await?;
    }
    let mut servers = legs.iter().map(|leg| leg.server);
    let Some(first) = servers.next() else { return Ok(None) };
    let outcome = write_first(executor, peer, ask, rows, first, copied).await;
    let (completion, written) = settled(executor, first, outcome)?;
    for server in servers {
        let outcome = write_again(executor, peer, server, copied, &written).await;
        settled(executor, server, outcome)?;
    }
    Ok(completion)
}

/// A connection that broke is given up.
fn settled<T>(executor: &mut Executor, server: ServerId, outcome: Result<T, Trouble>) -> Result<T, Trouble> {
    outcome.inspect_err(|trouble| {
        if trouble.is_connection_failure() {
            executor.drop_branch(server);
        }
    })
}

type Written = Vec<Vec<Option<Bytes>>>;

/// Runs the statement on the first server: its answer goes to the client, what it wrote comes back.
async fn write_first(
    executor: &mut Executor,
    peer: &mut Peer,
    ask: Ask<'_>,
    rows: &mut Rows,
    server: ServerId,
    copied: &CopiedWrite,
) -> Result<(Option<Bytes>, Written), Trouble> {
    executor.executed(server);
    let limit = executor.fleet.config.load().merge.max_bytes;
    let asked = |index: usize| match ask.formats {
        [] => 0,
        [all] => *all,
        each => each.get(index).copied().unwrap_or(0),
    };
    let formats: Vec<i16> =
        (0..copied.visible).map(asked).chain(std::iter::repeat_n(0, copied.values)).collect();
    let connection = executor.connection(server);
    LegAsk { text: &copied.first, parameters: ask.parameters, formats: &formats }.write(connection.out());
    connection.owe_ready();
    let (mut completion, mut error, mut written, mut bytes) = (None, None, Vec::new(), 0);
    while connection.owed() > 0 {
        let frame = reply(connection, peer).await?;
        match frame.tag() {
            b'C' => completion = Some(frame.into_bytes()),
            b'E' => error = error.or(Some(view::error_fields(&frame).without_place())),
            b'N' => peer.out().extend_from_slice(frame.bytes()),
            b'T' if copied.visible > 0 => {
                let fault = |fault: crate::wire::frame::WireFault| ClientError::internal(fault.to_string());
                let mut columns = view::columns(&frame).map_err(fault)?;
                columns.truncate(copied.visible);
                match ask.describe {
                    true => write::columns(peer.out(), &columns),
                    false => rows.describe(&columns),
                }
            }
            b'D' => {
                bytes += frame.len() as u64;
                let mut all = values(frame.into_bytes())?;
                let own = all.split_off(copied.visible.min(all.len()));
                if copied.visible > 0 {
                    let mut row = BytesMut::new();
                    write::data_row(&mut row, all.iter().map(|value| value.as_deref()));
                    rows.push(peer, row.freeze()).await?;
                }
                if bytes <= limit {
                    written.push(own);
                }
            }
            _ => {}
        }
    }
    match error {
        Some(fields) => Err(fields.into()),
        None if bytes > limit => {
            Err(ClientError::new("53400", format!("the write is larger than {limit} bytes"))
                .hint("Write fewer rows at a time, or raise [merge] max_bytes.")
                .into())
        }
        None => Ok((completion, written)),
    }
}

/// Writes the same rows on another server.
async fn write_again(
    executor: &mut Executor,
    peer: &mut Peer,
    server: ServerId,
    copied: &CopiedWrite,
    written: &Written,
) -> Result<(), Trouble> {
    executor.executed(server);
    let connection = executor.connection(server);
    let mut error = None;
    let mut touched = 0_u64;
    for some in written.chunks(AT_ONCE) {
        for row in some {
            let parameter = |value: &Option<Bytes>| value.clone();
            let values: Vec<Option<Bytes>> = row.iter().map(parameter).collect();
            let parameters: Vec<Parameter<'_>> = values
                .iter()
                .map(|value| Parameter { type_oid: 0, binary: false, value: value.as_deref() })
                .collect();
            LegAsk { text: &copied.again, parameters: &parameters, formats: &[] }.write(connection.out());
            connection.owe_ready();
        }
        while connection.owed() > 0 {
            let frame = reply(connection, peer).await?;
            match frame.tag() {
                b'C' => {
                    touched += view::affected(&frame);
                }
                b'E' => error = error.or(Some(view::error_fields(&frame).without_place())),
                _ => {}
            }
        }
        if let Some(fields) = error {
            return Err(fields.into());
        }
    }
    match touched == written.len() as u64 {
        true => Ok(()),
        false => Err(ClientError::internal("the servers' copies of the table are not equal")
            .hint("\"herdctl check\" names the difference.")
            .into()),
    }
}
