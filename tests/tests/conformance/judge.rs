//! A session of pgherd and one of the oracle that are told the same; where the rows are; how the answers are compared.

use std::time::Duration;

use bytes::BytesMut;
use tests::frames::{Heard, Say, transcript};
use tests::{Daemon, Fleet, Oracle, Session};
use tokio::sync::OnceCell;
use tokio::time::timeout;

use self::Where::{All, Reference, Tenant};

static STAGE: OnceCell<(Fleet, Daemon, Oracle)> = OnceCell::const_new();

pub(crate) const SCHEMA: [&str; 2] = [
    "CREATE TABLE places (place_id bigint, id int, body text, PRIMARY KEY (place_id, id))",
    "CREATE TABLE notes (tenant_id bigint, id int, body text, PRIMARY KEY (tenant_id, id))",
];

pub(crate) async fn stage() -> &'static (Fleet, Daemon, Oracle) {
    let start = async || {
        let fleet = Fleet::builder().servers(2).start().await.unwrap();
        let daemon = fleet.daemon().section("[pool]\nsize = 8").start().await.unwrap();
        let oracle = fleet.oracle().await.unwrap();
        for mut session in [daemon.session("app").await.unwrap(), oracle.session("app").await.unwrap()] {
            for sql in SCHEMA {
                assert!(session.ask(sql).await.unwrap().fault.is_none());
            }
            for id in 1..=9 {
                for tenant in [7, 8, 9] {
                    let sql = format!("INSERT INTO notes VALUES ({tenant}, {id}{tenant}, 'note {id}')");
                    assert!(session.ask(&sql).await.unwrap().fault.is_none());
                }
                let sql = format!("INSERT INTO places VALUES (7, {id}7, 'note {id}')");
                assert!(session.ask(&sql).await.unwrap().fault.is_none());
            }
        }
        (fleet, daemon, oracle)
    };
    STAGE.get_or_init(start).await
}

/// Where a case runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Where {
    Reference,
    Tenant,
    All,
}

impl Where {
    pub(crate) fn names(self) -> [(&'static str, &'static str); 3] {
        match self {
            Reference => [("{t}", "places"), ("{k}", "place_id"), ("{mine}", "place_id = 7")],
            Tenant => [("{t}", "notes"), ("{k}", "tenant_id"), ("{mine}", "tenant_id = 7")],
            All => [("{t}", "notes"), ("{k}", "tenant_id"), ("{mine}", "true")],
        }
    }

    pub(crate) fn settings(self) -> &'static [(&'static str, &'static str)] {
        match self {
            Tenant => &[("options", "-c app.tenant=7")],
            Reference | All => &[],
        }
    }
}

/// What is sent in one write, and how long the answer is: `count` messages of `tag`, where 0 is any.
pub(crate) struct Step {
    pub(crate) says: Vec<Say>,
    pub(crate) tag: u8,
    pub(crate) count: usize,
}

/// Messages whose answer ends with as many ReadyForQuery as the protocol says.
pub(crate) fn ready(says: Vec<Say>) -> Step {
    let count = says.iter().filter(|say| say.is_answered_by_ready()).count();
    Step { says, tag: b'Z', count }
}

/// Messages that are answered with this many messages of any kind.
pub(crate) fn hear(count: usize, says: Vec<Say>) -> Step {
    Step { says, tag: 0, count }
}

/// Messages that are answered with this many ReadyForQuery.
pub(crate) fn readies(count: usize, says: Vec<Say>) -> Step {
    Step { says, tag: b'Z', count }
}

pub(crate) async fn play(session: &mut Session, place: Where, steps: &[Step]) -> Vec<Heard> {
    let mut heard = Vec::new();
    for step in steps {
        let mut bytes = BytesMut::new();
        step.says.iter().for_each(|say| say.write(&place.names(), &mut bytes));
        session.queue(&bytes);
        let _ = session.flush().await;
        match timeout(Duration::from_secs(20), session.hear(step.tag, step.count)).await {
            Ok(more) => heard.extend(more.unwrap()),
            Err(_) => heard.push((b'?', b"no answer in time".to_vec())),
        }
        if heard.last().is_some_and(|(tag, _)| matches!(tag, 0 | b'?')) {
            break;
        }
    }
    heard
}

/// What differs between pgherd and PostgreSQL, said at the end of a test.
#[derive(Default)]
pub(crate) struct Judge {
    pub(crate) differences: String,
}

impl Judge {
    pub(crate) fn end(self) {
        assert!(self.differences.is_empty(), "{}", self.differences);
    }

    /// Compares a case in each of its places.
    pub(crate) async fn same(&mut self, name: &str, places: &[Where], steps: Vec<Step>) {
        let (_, daemon, oracle) = stage().await;
        for &place in places {
            let mut expected = oracle.session("app").await.unwrap();
            let mut ours = Session::open(daemon.port(), "app", "app", place.settings()).await.unwrap();
            let expected = transcript(&play(&mut expected, place, &steps).await);
            let ours = transcript(&play(&mut ours, place, &steps).await);
            if expected != ours {
                self.differences +=
                    &format!("\n{name}, {place:?}\n--- PostgreSQL\n{expected}--- pgherd\n{ours}");
            }
        }
    }
}

pub(crate) const HERE: &[Where] = &[Reference, Tenant];

pub(crate) const IN_SHARDS: &[Where] = &[Tenant, All];

pub(crate) const EVERYWHERE: &[Where] = &[Reference, Tenant, All];

pub(crate) const ROWS: &str = "SELECT id, body FROM {t} WHERE {mine} AND id < 100 ORDER BY id";

pub(crate) const ONE: &str = "SELECT id, body FROM {t} WHERE {mine} AND id = $1";
