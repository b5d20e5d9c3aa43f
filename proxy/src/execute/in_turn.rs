//! What cannot run in a transaction, on one server after the other, in the order of their ids.
//!
//! Where it fails on the first one, that one is left as it was and the client has the server's error, as from
//! one PostgreSQL. Where it fails later, some servers have it and others have not: the error says which, the
//! record (`crate::in_turn`) stays, and the same statement, run again, goes on.

use std::time::Duration;

use bytes::Bytes;
use router::plan::Leg;
use router::sql::{InTurn, Remedy};

use crate::error::ClientError;
use crate::execute::executor::Executor;
use crate::execute::leg::{LegAsk, reply};
use crate::execute::opening::Hindrance;
use crate::execute::planned::Decision;
use crate::execute::run::Ask;
use crate::execute::transaction::Mode;
use crate::execute::trouble::Trouble;
use crate::in_turn::{Opened, Record, Work};
use crate::net::peer::Peer;
use crate::wire::view::{self, Fields};

/// How long the home server's primary may be waited for.
const PATIENCE: Duration = Duration::from_secs(5);

/// Runs the plan's legs one after the other; gives the first one's CommandComplete.
///
/// # Errors
/// 25001 inside a transaction; the error of the first leg that meets one.
pub(super) async fn run(
    executor: &mut Executor,
    peer: &mut Peer,
    ask: Ask<'_>,
    decision: &Decision,
) -> Result<Option<Bytes>, Hindrance> {
    let in_turn = ask.statement.in_turn();
    let in_turn = in_turn.ok_or_else(|| ClientError::internal("a statement does not run in turn"))?;
    if executor.transaction.mode != Mode::Auto {
        let message = format!("{} cannot run inside a transaction block", in_turn.name);
        return Err(ClientError::new("25001", message).into());
    }
    let mut recorded = match in_turn.is_recorded() {
        true => Some(open(executor, ask.statement.text(), &in_turn, decision).await?),
        false => None,
    };
    let mut first = None;
    for leg in &decision.plan.legs {
        let again = recorded.as_ref().is_some_and(|(_, record)| record.again);
        let shown = first.is_none();
        let outcome = on_one(executor, peer, (ask.statement.text(), &in_turn), leg, decision, (again, shown));
        match outcome.await {
            Ok(completion) => first = first.or(completion),
            Err(Hindrance::Trouble(trouble)) => {
                let trouble = failed(executor, &in_turn, recorded, leg, decision, trouble).await;
                return Err(trouble.into());
            }
            Err(Hindrance::Replan) => return Err(Hindrance::Replan),
        }
        if let Some((_, record)) = &mut recorded {
            record.done(decision.directory.server_name(leg.server)).await.map_err(unrecorded)?;
        }
    }
    if let Some((work, record)) = recorded {
        record.close(&work, in_turn.takes_away()).await.map_err(unrecorded)?;
    }
    Ok(first.or_else(|| Some(completed(in_turn.name))))
}

/// Opens the record: what names mean is asked where the statement is to run first.
async fn open(
    executor: &mut Executor,
    text: &str,
    in_turn: &InTurn,
    decision: &Decision,
) -> Result<(Work, Record), Hindrance> {
    let leg = &decision.plan.legs[0];
    executor.branch(leg, decision).await?;
    let question = "SELECT pg_catalog.current_setting('search_path'), current_user";
    let outcome = executor.connection(leg.server).simple(question).await?.ok()?;
    let value = |index: usize| outcome.rows.first().and_then(|row| row.get(index).cloned().flatten());
    let work = Work {
        statement: text.trim().to_owned(),
        object: in_turn.object(),
        path: value(0).unwrap_or_default(),
        role: value(1).unwrap_or_default(),
    };
    let home = decision.directory.server_name(leg.server);
    let client = executor.fleet.servers.connect(home, &executor.database.name, PATIENCE).await;
    let client = client.map_err(|error| ClientError::cannot_connect(home, error.to_string()))?;
    match Record::open(client, &work, in_turn.takes_away()).await.map_err(unrecorded)? {
        Opened::Held(record) => Ok((work, record)),
        Opened::Busy(id) => Err(ClientError::new("55006", "somebody is running this very statement already")
            .hint(format!("It is change {id} of \"herdctl schema\"."))
            .into()),
    }
}

/// Runs it on one server; `(again, shown)` say whether it may have run there before, and whether the client
/// sees what the server says besides.
async fn on_one(
    executor: &mut Executor,
    peer: &mut Peer,
    (text, in_turn): (&str, &InTurn),
    leg: &Leg,
    decision: &Decision,
    (again, shown): (bool, bool),
) -> Result<Option<Bytes>, Hindrance> {
    executor.branch(leg, decision).await?;
    let remedy = match again {
        true => in_turn.remedy(&had(executor, in_turn, leg).await?),
        false => Remedy::After(Vec::new()),
    };
    match remedy {
        Remedy::Done => Ok(None),
        Remedy::Instead(statement) => Ok(tell(executor, peer, &statement, leg, shown).await?),
        Remedy::After(statements) => {
            for statement in statements {
                tell(executor, peer, &statement, leg, false).await?;
            }
            Ok(tell(executor, peer, text, leg, shown).await?)
        }
    }
}

/// What the server has of it.
async fn had(
    executor: &mut Executor,
    in_turn: &InTurn,
    leg: &Leg,
) -> Result<Vec<Vec<Option<String>>>, Trouble> {
    match in_turn.question() {
        Some(question) => Ok(executor.connection(leg.server).simple(&question).await?.ok()?.rows),
        None => Ok(Vec::new()),
    }
}

async fn tell(
    executor: &mut Executor,
    peer: &mut Peer,
    text: &str,
    leg: &Leg,
    shown: bool,
) -> Result<Option<Bytes>, Trouble> {
    executor.executed(leg.server);
    let connection = executor.connection(leg.server);
    LegAsk { text, parameters: &[], formats: &[] }.write(connection);
    connection.owe_ready();
    let (mut completion, mut error) = (None, None);
    while connection.owed() > 0 {
        let frame = reply(connection, peer).await?;
        match frame.tag() {
            b'C' => completion = Some(frame.into_bytes()),
            b'E' => error = error.or(Some(view::error_fields(&frame))),
            b'N' if shown => peer.out().extend_from_slice(frame.bytes()),
            _ => {}
        }
    }
    error.map_or(Ok(completion), |fields| Err(fields.into()))
}

/// It failed on a server: nothing is left of it where it is on no other, else the client is told what is.
async fn failed(
    executor: &mut Executor,
    in_turn: &InTurn,
    recorded: Option<(Work, Record)>,
    leg: &Leg,
    decision: &Decision,
    trouble: Trouble,
) -> Trouble {
    let broken = trouble.is_connection_failure() || matches!(trouble, Trouble::Gone(_));
    let Some((work, record)) = recorded else {
        if broken {
            executor.drop_branch(leg.server);
        }
        return trouble;
    };
    let alone = record.done.is_empty() && !record.again && !broken;
    if alone && clear(executor, in_turn, leg, &trouble).await.is_ok() {
        // Should the record stay, it only says less than is true: the statement may be run again.
        let _ = record.close(&work, false).await;
        return trouble;
    }
    if broken {
        executor.drop_branch(leg.server);
    }
    let _ = record.failed(&said(&trouble)).await;
    let told = unfinished(&record, decision, trouble);
    Box::pin(executor.database.catalog.changed(&executor.fleet.servers)).await;
    told
}

/// Takes away what it left on its first server.
async fn clear(
    executor: &mut Executor,
    in_turn: &InTurn,
    leg: &Leg,
    trouble: &Trouble,
) -> Result<(), Trouble> {
    // What stood there before is not of its making.
    if matches!(trouble, Trouble::Relay(fields) if fields.sqlstate() == "42P07") {
        return Ok(());
    }
    let rows = had(executor, in_turn, leg).await?;
    for statement in in_turn.remains(&rows) {
        executor.connection(leg.server).simple(&statement).await?.ok()?;
    }
    Ok(())
}

/// The error with where it stands and how to go on.
fn unfinished(record: &Record, decision: &Decision, trouble: Trouble) -> Trouble {
    let names = decision.plan.legs.iter().map(|leg| decision.directory.server_name(leg.server));
    let (done, left): (Vec<&str>, Vec<&str>) =
        names.partition(|name| record.done.iter().any(|done| done == name));
    let on = |names: &[&str]| if names.is_empty() { "none".to_owned() } else { names.join(", ") };
    let detail = format!("It is done on these servers: {}. It is not on these: {}.", on(&done), on(&left));
    let hint = format!(
        "Run the same statement again to go on, or \"herdctl schema --resume {}\". What is of an index, DROP INDEX \
         CONCURRENTLY takes away again.",
        record.id
    );
    match trouble {
        Trouble::Relay(fields) => {
            let detail = fields.get(b'D').map_or_else(|| detail.clone(), |own| format!("{own} {detail}"));
            let others = fields.iter().filter(|(letter, _)| !matches!(letter, b'D' | b'H'));
            let others = others.map(|(letter, value)| (letter, value.to_owned()));
            Fields::new(others.chain([(b'D', detail), (b'H', hint)]).collect()).into()
        }
        Trouble::Tell(error) => Trouble::Tell(error.detail(detail).hint(hint)),
        Trouble::Told | Trouble::Gone(_) => trouble,
    }
}

fn said(trouble: &Trouble) -> String {
    match trouble {
        Trouble::Relay(fields) => fields.message().to_owned(),
        Trouble::Tell(error) => error.message.clone(),
        Trouble::Told => "an error".to_owned(),
        Trouble::Gone(gone) => gone.to_string(),
    }
}

fn unrecorded(error: tokio_postgres::Error) -> ClientError {
    ClientError::new("58000", format!("the record on the home server could not be kept: {error}"))
        .hint("\"herdctl schema\" shows what is unfinished; run the same statement again to go on.")
}

/// The CommandComplete where no server had anything left to do.
fn completed(name: &str) -> Bytes {
    let words: Vec<&str> = name.split(' ').take(2).collect();
    let mut out = bytes::BytesMut::new();
    crate::wire::write::command_complete(&mut out, words.join(" ").as_str());
    out.freeze()
}
