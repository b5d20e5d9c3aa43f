//! The tasks that keep a server's roles true: one a node, one round trip a tick.
//!
//! A node that fails is dialled again at once and then with pauses that grow to a second; a failed
//! probe on a standing connection counts only when dialling fails too.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::timeout;
use tokio_postgres::{Client, Statement};

use super::control::Control;
use super::observe::{ask, prepare};
use super::server::Server;

/// What a prober needs to know.
#[derive(Clone, Debug)]
pub(super) struct Probing {
    pub(super) control: Control,
    /// The database that probes connect to.
    pub(super) database: String,
    pub(super) interval: Duration,
}

/// The longest that one answer may take.
const ANSWER_LIMIT: Duration = Duration::from_secs(2);
/// The longest pause between two dials.
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

/// Probes one node until it is dropped.
pub(super) async fn probe(server: Arc<Server>, index: usize, probing: Probing) {
    let Some(node) = server.nodes().get(index).cloned() else { return };
    let shortest = probing.interval.min(LONGEST_PAUSE);
    let mut pause = shortest;
    loop {
        match probing.control.connect(&node, &probing.database).await {
            Ok(client) => match watch(&server, index, &client, probing.interval).await {
                Ended::AfterAnswers => {
                    // It may only have closed the connection; dialling tells.
                    pause = shortest;
                    continue;
                }
                Ended::AtOnce(reason) => server.failed(index, reason),
                Ended::Silent => server.silent(index, hangs()),
            },
            Err(error) if error.is_silence() => server.silent(index, error.to_string()),
            Err(error) => server.failed(index, error.to_string()),
        }
        tokio::select! {
            () = tokio::time::sleep(pause) => pause = (pause * 2).min(LONGEST_PAUSE),
            () = server.suspected(index) => tokio::time::sleep(shortest.min(pause)).await,
        }
    }
}

enum Ended {
    /// The connection worked before it ended.
    AfterAnswers,
    /// It never answered as it should.
    AtOnce(String),
    /// It hangs.
    Silent,
}

async fn watch(server: &Server, index: usize, client: &Client, interval: Duration) -> Ended {
    let statement = match timeout(ANSWER_LIMIT, prepare(client)).await {
        Ok(Ok(statement)) => statement,
        Ok(Err(error)) => return Ended::AtOnce(super::control::spell_out(&error)),
        Err(_) => return Ended::Silent,
    };
    let mut answers = 0u64;
    loop {
        match tick(server, index, client, &statement).await {
            Ok(()) => answers += 1,
            Err(Ended::AtOnce(_)) if answers > 0 && client.is_closed() => return Ended::AfterAnswers,
            Err(ended) => return ended,
        }
        tokio::select! {
            () = tokio::time::sleep(interval) => {}
            () = server.suspected(index) => {}
        }
    }
}

async fn tick(server: &Server, index: usize, client: &Client, statement: &Statement) -> Result<(), Ended> {
    let number = server.begin_probe();
    match timeout(ANSWER_LIMIT, ask(client, statement)).await {
        Ok(Ok(Some(observation))) => server.answered(index, number, observation),
        Ok(Ok(None)) => server.failed(index, "has not replayed anything yet".to_owned()),
        Ok(Err(error)) => return Err(Ended::AtOnce(super::control::spell_out(&error))),
        Err(_) => return Err(Ended::Silent),
    }
    Ok(())
}

fn hangs() -> String {
    format!("did not answer a probe within {ANSWER_LIMIT:?}")
}
