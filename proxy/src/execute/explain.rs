//! EXPLAIN: first how pgherd runs the statement, in one line, then the servers' own plans. Where there is
//! one server there is nothing to say, and the plan is PostgreSQL's to the letter.

use bytes::{Bytes, BytesMut};
use router::plan::{CopyIn, Plan, Way};
use router::sql::{Kind, Statement};

use crate::error::ClientError;
use crate::execute::executor::Executor;
use crate::execute::gather;
use crate::execute::leg::{LegAsk, reply};
use crate::execute::opening::Hindrance;
use crate::execute::planned::Decision;
use crate::execute::rows::Rows;
use crate::execute::run::Ask;
use crate::execute::trouble::Trouble;
use crate::net::peer::Peer;
use crate::wire::write;

/// Runs the legs' EXPLAINs one after the other.
///
/// # Errors
/// A leg's own.
pub(super) async fn run(
    executor: &mut Executor,
    peer: &mut Peer,
    ask: Ask<'_>,
    rows: &mut Rows,
    decision: &Decision,
) -> Result<Option<Bytes>, Hindrance> {
    let plan = &decision.plan;
    let in_text = is_text(ask.statement);
    let several = decision.directory.servers().len() > 1;
    if plan.legs.len() > 1 && !in_text {
        let message = "EXPLAIN over several servers is given as text only";
        return Err(ClientError::unsupported(message, "Leave FORMAT out.").into());
    }
    let names: Vec<String> =
        plan.legs.iter().map(|leg| decision.directory.server_name(leg.server).to_owned()).collect();
    if let Way::Gather(gathered) = &plan.way {
        let headline = headline(plan, &names);
        return gather::explain::run(executor, peer, ask, rows, decision, gathered, headline).await;
    }
    for (index, leg) in plan.legs.iter().enumerate() {
        let branch = executor.branch(leg, decision).await?;
        branch.executed = true;
        let text = leg.text.as_deref().unwrap_or(ask.statement.text());
        LegAsk { text, parameters: ask.parameters, formats: &[0] }.write(&mut branch.connection);
        branch.connection.owe_ready();
        let mut failed = false;
        loop {
            let frame = reply(&mut branch.connection, peer).await?;
            match frame.tag() {
                b'Z' => break,
                b'T' => {
                    if index == 0 && ask.describe {
                        peer.out().extend_from_slice(frame.bytes());
                    }
                    if index == 0 && in_text && several {
                        rows.push(peer, line(&headline(plan, &names))).await?;
                    }
                    if plan.legs.len() > 1 {
                        rows.push(peer, line(&format!("Server {}:", names[index]))).await?;
                    }
                }
                b'D' => rows.push(peer, frame.into_bytes()).await?,
                b'E' => {
                    failed = true;
                    peer.out().extend_from_slice(frame.bytes());
                }
                b'N' => peer.out().extend_from_slice(frame.bytes()),
                _ => {}
            }
        }
        if failed {
            return Err(Trouble::Told.into());
        }
    }
    let mut out = BytesMut::new();
    write::command_complete(&mut out, "EXPLAIN");
    Ok(Some(out.freeze()))
}

/// `pgherd: merge on alpha, beta (all tenants)`
fn headline(plan: &Plan, names: &[String]) -> String {
    let way = match &plan.way {
        Way::Single => "single",
        Way::Merge(_) => "merge",
        Way::Gather(_) => "gather",
        Way::Everywhere(_) => "everywhere, one atomic commit",
        Way::CopyIn(copy) => match **copy {
            CopyIn::Rows(_) => "copy, each row to its server",
            CopyIn::Copies => "copy, all rows to each server",
        },
        Way::InTurn => "one server after the other",
        Way::Copies(_) => "computed once, written everywhere, one atomic commit",
        Way::Locked(_) => "chosen, then locked by key",
        Way::Stored(_) => "computed first, then stored, one atomic commit",
        Way::Staged(_) => "CTEs that write, then the rest, one atomic commit",
        Way::Matched(_) => "source computed, each row merged where it belongs, one atomic commit",
        Way::Chosen(_) => "locked, chosen, written by key, one atomic commit",
        Way::CopiesChosen(_) => "locked, chosen once, written in every copy by key, one atomic commit",
        Way::CopyOut(_) => "copy of a query's rows",
        Way::Insert(_) => "insert, each row to its server",
    };
    format!("pgherd: {way} on {} ({})", names.join(", "), plan.why)
}

/// True for the format that people read.
fn is_text(statement: &Statement) -> bool {
    match statement.kind() {
        Kind::Explain { prefix, .. } => {
            let prefix = prefix.to_ascii_lowercase();
            !["json", "xml", "yaml"].iter().any(|format| prefix.contains(format))
        }
        _ => true,
    }
}

fn line(text: &str) -> Bytes {
    let mut out = BytesMut::new();
    write::data_row(&mut out, [Some(text.as_bytes())]);
    out.freeze()
}
