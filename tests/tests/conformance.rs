//! Frame for frame, pgherd says what one PostgreSQL says: the same messages go to an oracle and through
//! pgherd, and the answers are compared byte by byte. Every case runs on a reference table, on a sharded
//! table in a session that names a tenant, and, where it says so, on a sharded table over all servers.
#![allow(clippy::unwrap_used)]

use std::time::Duration;

use bytes::BytesMut;
use tests::frames::Say::{self, *};
use tests::frames::{Heard, transcript};
use tests::{Daemon, Fleet, Oracle, Session};
use tokio::sync::OnceCell;
use tokio::time::timeout;

static STAGE: OnceCell<(Fleet, Daemon, Oracle)> = OnceCell::const_new();

const SCHEMA: [&str; 2] = [
    "CREATE TABLE places (place_id bigint, id int, body text, PRIMARY KEY (place_id, id))",
    "CREATE TABLE notes (tenant_id bigint, id int, body text, PRIMARY KEY (tenant_id, id))",
];

async fn stage() -> &'static (Fleet, Daemon, Oracle) {
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
enum Where {
    Reference,
    Tenant,
    All,
}

use Where::{All, Reference, Tenant};

impl Where {
    fn names(self) -> [(&'static str, &'static str); 3] {
        match self {
            Reference => [("{t}", "places"), ("{k}", "place_id"), ("{mine}", "place_id = 7")],
            Tenant => [("{t}", "notes"), ("{k}", "tenant_id"), ("{mine}", "tenant_id = 7")],
            All => [("{t}", "notes"), ("{k}", "tenant_id"), ("{mine}", "true")],
        }
    }

    fn settings(self) -> &'static [(&'static str, &'static str)] {
        match self {
            Tenant => &[("options", "-c app.tenant=7")],
            Reference | All => &[],
        }
    }
}

/// What is sent in one write, and how long the answer is: `count` messages of `tag`, where 0 is any.
struct Step {
    says: Vec<Say>,
    tag: u8,
    count: usize,
}

/// Messages whose answer ends with as many ReadyForQuery as the protocol says.
fn ready(says: Vec<Say>) -> Step {
    let count = says.iter().filter(|say| say.is_answered_by_ready()).count();
    Step { says, tag: b'Z', count }
}

/// Messages that are answered with this many messages of any kind.
fn hear(count: usize, says: Vec<Say>) -> Step {
    Step { says, tag: 0, count }
}

/// Messages that are answered with this many ReadyForQuery.
fn readies(count: usize, says: Vec<Say>) -> Step {
    Step { says, tag: b'Z', count }
}

async fn play(session: &mut Session, place: Where, steps: &[Step]) -> Vec<Heard> {
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
struct Judge {
    differences: String,
}

impl Judge {
    fn end(self) {
        assert!(self.differences.is_empty(), "{}", self.differences);
    }

    /// Compares a case in each of its places.
    async fn same(&mut self, name: &str, places: &[Where], steps: Vec<Step>) {
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

const HERE: &[Where] = &[Reference, Tenant];
const IN_SHARDS: &[Where] = &[Tenant, All];
const EVERYWHERE: &[Where] = &[Reference, Tenant, All];

const ROWS: &str = "SELECT id, body FROM {t} WHERE {mine} AND id < 100 ORDER BY id";
const ONE: &str = "SELECT id, body FROM {t} WHERE {mine} AND id = $1";

#[tokio::test]
async fn simple_queries_are_answered_frame_for_frame() {
    let mut judge = Judge::default();
    judge.same("rows", EVERYWHERE, vec![ready(vec![Q(ROWS)])]).await;
    judge
        .same(
            "nothing to run",
            HERE,
            vec![ready(vec![Q("")]), ready(vec![Q(";;")]), ready(vec![Q("-- only a comment")])],
        )
        .await;
    let several = "INSERT INTO {t} VALUES (7, 500, 'a'); SELECT count(*) FROM {t} WHERE {mine} AND id = 500; DELETE FROM {t} WHERE {mine} AND id = 500";
    judge.same("several", HERE, vec![ready(vec![Q(several)])]).await;
    let failing = "INSERT INTO {t} VALUES (7, 501, 'a'); SELECT 1 / 0; SELECT 2";
    let left = Q("SELECT count(*) FROM {t} WHERE {mine} AND id BETWEEN 500 AND 599");
    judge.same("several, one fails", HERE, vec![ready(vec![Q(failing), left.clone()])]).await;
    let split =
        "INSERT INTO {t} VALUES (7, 502, 'a'); COMMIT; INSERT INTO {t} VALUES (7, 503, 'b'); SELECT 1 / 0";
    let clean = Q("DELETE FROM {t} WHERE {mine} AND id BETWEEN 500 AND 599");
    judge
        .same("several, committed between", HERE, vec![ready(vec![Q(split), left.clone(), clean.clone()])])
        .await;
    let begun = "BEGIN; INSERT INTO {t} VALUES (7, 504, 'a')";
    judge
        .same("several, begun", HERE, vec![ready(vec![Q(begun), Q("SELECT 1"), Q("ROLLBACK"), left.clone()])])
        .await;
    let joined = "INSERT INTO {t} VALUES (7, 505, 'a'); BEGIN; INSERT INTO {t} VALUES (7, 506, 'a'); ROLLBACK; SELECT 1";
    judge.same("several, a begin joins", HERE, vec![ready(vec![Q(joined), left, clean])]).await;
    judge
        .same(
            "syntax error",
            &[Reference],
            vec![ready(vec![
                Q("SELECT 1; SELEC 2"),
                Q("SELECT * FROM {t} WHERE nothing = 1"),
                Q("SELECT * FROM nowhere"),
            ])],
        )
        .await;
    judge
        .same(
            "warnings",
            HERE,
            vec![ready(vec![
                Q("COMMIT"),
                Q("ROLLBACK"),
                Q("BEGIN"),
                Q("BEGIN"),
                Q("COMMIT"),
                Q("SET LOCAL work_mem = '5MB'"),
            ])],
        )
        .await;
    judge
        .same(
            "failed transaction",
            EVERYWHERE,
            vec![ready(vec![
                Q("BEGIN"),
                Q(ROWS),
                Q("SELECT 1 / 0 FROM {t} WHERE {k} = 7"),
                Q("SELECT 1"),
                Q("COMMIT"),
                Q("SELECT 1"),
            ])],
        )
        .await;
    judge
        .same(
            "savepoints",
            HERE,
            vec![ready(vec![
                Q("SAVEPOINT a"),
                Q("BEGIN"),
                Q("SAVEPOINT a"),
                Q("SELECT 1 / 0"),
                Q("ROLLBACK TO b"),
                Q("ROLLBACK TO a"),
                Q("SELECT 1"),
                Q("RELEASE a"),
                Q("RELEASE a"),
                Q("ROLLBACK"),
            ])],
        )
        .await;
    judge.same("notices", &[Tenant], vec![ready(vec![Q("DO $$ BEGIN RAISE NOTICE 'one'; RAISE WARNING 'two' USING ERRCODE = '01234', DETAIL = 'd'; END $$"), Q("SELECT 1; DROP TABLE IF EXISTS nowhere; SELECT 2")])]).await;
    judge.end();
}

#[tokio::test]
async fn settings_are_reported_frame_for_frame() {
    let mut judge = Judge::default();
    let steps = vec![ready(vec![
        Q("SET timezone = 'Asia/Tokyo'"),
        Q("SET timezone = 'Asia/Tokyo'"),
        Q("BEGIN"),
        Q("SET LOCAL timezone = 'UTC'"),
        Q("SET datestyle = 'SQL, DMY'"),
        Q("ROLLBACK"),
        Q("RESET timezone"),
        Q("SET TIME ZONE 'Europe/Berlin'"),
        Q("RESET ALL"),
        Q("SET intervalstyle = nonsense"),
        Q("SET IntervalStyle = sql_standard"),
        Q("DISCARD ALL"),
        Q("SHOW timezone"),
    ])];
    judge.same("set", HERE, steps).await;
    let steps = vec![ready(vec![
        Q("SELECT set_config('timezone', 'Asia/Tokyo', false)"),
        Q("BEGIN"),
        Q("SELECT set_config('timezone', 'UTC', true)"),
        Q("COMMIT"),
        Q("SHOW timezone"),
        Q("BEGIN; SELECT set_config('timezone', 'UTC', false); ROLLBACK"),
        Q("SHOW timezone"),
    ])];
    judge.same("set_config", HERE, steps).await;
    let steps = vec![ready(vec![
        P("", "SET timezone = 'Asia/Tokyo'"),
        B("", "", &[]),
        Dp(""),
        E("", 0),
        S,
        P("", "BEGIN"),
        B("", "", &[]),
        Dp(""),
        E("", 0),
        S,
        P("", "SET LOCAL timezone = 'UTC'"),
        B("", "", &[]),
        E("", 0),
        S,
        P("", ROWS),
        B("", "", &[]),
        E("", 0),
        S,
        P("", "COMMIT"),
        B("", "", &[]),
        E("", 0),
        S,
        P("", "SHOW timezone"),
        Ds(""),
        B("", "", &[]),
        Dp(""),
        E("", 0),
        S,
    ])];
    judge.same("extended", HERE, steps).await;
    judge.end();
}

#[tokio::test]
async fn pipelines_are_answered_frame_for_frame() {
    let mut judge = Judge::default();
    let one = |id: &'static [Option<&'static str>]| vec![P("", ONE), B("", "", id), Dp(""), E("", 0), S];
    let steps =
        vec![ready([one(&[Some("17")]), one(&[Some("27")]), one(&[Some("x")]), one(&[None])].concat())];
    judge.same("several syncs", HERE, steps).await;
    let in_one = vec![P("", ONE), B("", "", &[Some("17")]), E("", 0), B("", "", &[Some("27")]), E("", 0), S];
    judge.same("one sync", EVERYWHERE, vec![ready(in_one)]).await;
    let flushed = vec![
        hear(1, vec![P("a", ONE), H]),
        hear(2, vec![Ds("a"), H]),
        hear(3, vec![B("p", "a", &[Some("17")]), E("p", 0), H]),
        ready(vec![S]),
    ];
    judge.same("flush", EVERYWHERE, flushed).await;
    let error = vec![
        P("", "INSERT INTO {t} VALUES (7, 600, 'x')"),
        B("", "", &[]),
        E("", 0),
        P("", "SELECT 1 / 0"),
        B("", "", &[]),
        E("", 0),
        P("", "INSERT INTO {t} VALUES (7, 601, 'x')"),
        B("", "", &[]),
        E("", 0),
        Q("SELECT 1"),
        S,
        P("", "SELECT count(*) FROM {t} WHERE {mine} AND id BETWEEN 600 AND 699"),
        B("", "", &[]),
        E("", 0),
        S,
    ];
    judge.same("an error in the middle", HERE, vec![readies(2, error)]).await;
    let query = vec![
        P("", "INSERT INTO {t} VALUES (7, 602, 'x')"),
        B("", "", &[]),
        E("", 0),
        Q("SELECT count(*) FROM {t} WHERE {mine} AND id BETWEEN 600 AND 699"),
        P("", "DELETE FROM {t} WHERE {mine} AND id BETWEEN 600 AND 699"),
        B("", "", &[]),
        E("", 0),
        S,
    ];
    judge.same("a query before sync", HERE, vec![ready(query)]).await;
    let failed = vec![
        P("", "INSERT INTO {t} VALUES (7, 603, 'x')"),
        B("", "", &[]),
        E("", 0),
        Q("SELECT 1 / 0"),
        Q("SELECT count(*) FROM {t} WHERE {mine} AND id BETWEEN 600 AND 699"),
    ];
    judge.same("a failing query before sync", HERE, vec![ready(failed)]).await;
    let transaction = vec![
        P("", "BEGIN"),
        B("", "", &[]),
        E("", 0),
        P("", ROWS),
        B("", "", &[]),
        E("", 2),
        S,
        E("", 2),
        S,
        P("", "SELECT 1 / 0"),
        B("", "", &[]),
        E("", 0),
        S,
        P("", "SELECT 1"),
        S,
        P("", "ROLLBACK"),
        B("", "", &[]),
        E("", 0),
        S,
    ];
    judge.same("a transaction", EVERYWHERE, vec![ready(transaction)]).await;
    let control = vec![
        P("", "BEGIN"),
        B("", "", &[]),
        E("", 0),
        P("", "INSERT INTO {t} VALUES (7, 604, 'x')"),
        B("", "", &[]),
        E("", 0),
        P("", "COMMIT"),
        B("", "", &[]),
        E("", 0),
        P("", "DELETE FROM {t} WHERE {mine} AND id = 604"),
        B("", "", &[]),
        E("", 0),
        S,
    ];
    judge.same("a transaction in one pipeline", HERE, vec![ready(control)]).await;
    judge.same("syncs alone", HERE, vec![ready(vec![S, S, S]), ready(vec![H, S])]).await;
    judge
        .same(
            "an empty text",
            HERE,
            vec![ready(vec![
                P("", ""),
                Ds(""),
                B("", "", &[]),
                Dp(""),
                E("", 0),
                S,
                P("", "-- x"),
                B("", "", &[]),
                E("", 0),
                S,
            ])],
        )
        .await;
    judge.end();
}

#[tokio::test]
async fn prepared_statements_are_answered_frame_for_frame() {
    let mut judge = Judge::default();
    let names = vec![ready(vec![
        P("a", ONE),
        S,
        P("a", ONE),
        S,
        B("", "a", &[Some("17")]),
        E("", 0),
        S,
        B("", "never", &[]),
        S,
        Ds("never"),
        S,
        Dp("never"),
        S,
        E("never", 0),
        S,
        Cs("never"),
        Cp("never"),
        S,
        P("bad", "SELEC 1"),
        S,
        P("bad", "SELECT 9"),
        B("", "bad", &[]),
        E("", 0),
        S,
        P("worse", "SELECT * FROM nowhere"),
        S,
        B("", "worse", &[]),
        S,
        P("worse", "SELECT 1"),
        S,
        Cs("a"),
        S,
        B("", "a", &[Some("17")]),
        S,
        P("two", "SELECT 1; SELECT 2"),
        S,
    ])];
    judge.same("names", HERE, names).await;
    let describe = vec![ready(vec![
        P("a", ONE),
        Ds("a"),
        S,
        Pt("b", "SELECT $1::text, $2", &[0, 23]),
        Ds("b"),
        S,
        P("c", "BEGIN"),
        Ds("c"),
        S,
        P("d", "INSERT INTO {t} VALUES (7, $1, $2) RETURNING id"),
        Ds("d"),
        S,
        P("e", "DELETE FROM {t} WHERE {mine} AND id = $1"),
        Ds("e"),
        S,
        P("f", "SHOW work_mem"),
        Ds("f"),
        S,
        P("g", "EXPLAIN SELECT 1"),
        Ds("g"),
        S,
        P("h", "SET work_mem = '5MB'"),
        Ds("h"),
        S,
        P("i", "VALUES (1, 'x')"),
        Ds("i"),
        B("p", "i", &[]),
        Dp("p"),
        Cp("p"),
        Dp("p"),
        S,
    ])];
    judge.same("describe", HERE, describe).await;
    let binary = vec![ready(vec![
        P("a", ONE),
        Bb("", "a", &[Some("17")]),
        Dp(""),
        E("", 0),
        S,
        P("", ROWS),
        Bb("", "", &[]),
        Dp(""),
        E("", 3),
        S,
    ])];
    judge.same("binary", EVERYWHERE, binary).await;
    let wrong = vec![ready(vec![
        P("a", ONE),
        B("", "a", &[]),
        S,
        B("", "a", &[Some("1"), Some("2")]),
        S,
        B("", "a", &[Some("x")]),
        S,
        Pt("", "SELECT $1", &[23]),
        B("", "", &[Some("99999999999")]),
        E("", 0),
        S,
        P("", "SELECT $1"),
        Ds(""),
        S,
        P("", "SELECT $2::int"),
        S,
    ])];
    judge.same("wrong parameters", HERE, wrong).await;
    let unnamed = vec![ready(vec![
        P("", ONE),
        S,
        B("", "", &[Some("17")]),
        E("", 0),
        S,
        Q("SELECT 1"),
        B("", "", &[Some("17")]),
        S,
        P("", ONE),
        P("", "SELECT 2"),
        B("", "", &[]),
        E("", 0),
        S,
        P("", "SELEC"),
        S,
        B("", "", &[]),
        S,
    ])];
    judge.same("unnamed", HERE, unnamed).await;
    let deallocate = vec![ready(vec![
        P("a", ONE),
        P("B", ONE),
        S,
        Q("DEALLOCATE a"),
        B("", "a", &[Some("17")]),
        S,
        Q("deallocate prepare \"B\""),
        B("", "B", &[Some("17")]),
        S,
        Q("DEALLOCATE never"),
        P("a", ONE),
        S,
        Q("/* x */ dEaLLoCaTe /* y */ aLL; SELECT 1"),
        B("", "a", &[Some("17")]),
        S,
        P("a", ONE),
        S,
        P("", "DEALLOCATE a"),
        B("", "", &[]),
        E("", 0),
        S,
        B("", "a", &[Some("17")]),
        S,
        P("a", ONE),
        S,
        P("", "DEALLOCATE ALL"),
        B("", "", &[]),
        Dp(""),
        E("", 0),
        S,
        B("", "a", &[Some("17")]),
        S,
        P("a", ONE),
        S,
        Q("DISCARD ALL"),
        B("", "a", &[Some("17")]),
        S,
        P("a", ONE),
        B("", "a", &[Some("17")]),
        E("", 0),
        S,
        Q("BEGIN"),
        Q("DEALLOCATE a"),
        Q("ROLLBACK"),
        B("", "a", &[Some("17")]),
        S,
    ])];
    judge.same("deallocate", HERE, deallocate).await;
    let sql = vec![ready(vec![
        Q("PREPARE q (int) AS SELECT id, body FROM {t} WHERE {mine} AND id = $1"),
        Q("EXECUTE q(17)"),
        Q("EXECUTE q"),
        Q("EXECUTE q(1, 2)"),
        Q("EXECUTE never"),
        B("", "q", &[Some("27")]),
        Dp(""),
        E("", 0),
        S,
        Ds("q"),
        S,
        Cs("q"),
        S,
        Q("EXECUTE q(17)"),
        P("w", ONE),
        S,
        Q("EXECUTE w(17)"),
        P("", "EXECUTE w(27)"),
        Ds(""),
        B("", "", &[]),
        Dp(""),
        E("", 0),
        S,
        Q("PREPARE w AS SELECT 1"),
        Q("DEALLOCATE w"),
        Q("PREPARE w AS SELEC"),
        Q("EXECUTE w(1)"),
    ])];
    judge.same("sql", HERE, sql).await;
    judge.end();
}

#[tokio::test]
async fn portals_are_answered_frame_for_frame() {
    let mut judge = Judge::default();
    let limited = vec![ready(vec![
        P("a", ROWS),
        B("p", "a", &[]),
        E("p", 2),
        E("p", 3),
        E("p", 0),
        E("p", 0),
        S,
        E("p", 1),
        S,
    ])];
    judge.same("row limits", EVERYWHERE, limited).await;
    let exact = vec![ready(vec![
        P("a", ROWS),
        B("p", "a", &[]),
        E("p", 9),
        E("p", 1),
        S,
        B("", "a", &[]),
        E("", 9),
        E("", 9),
        S,
    ])];
    judge.same("exactly all", HERE, exact).await;
    let kept = vec![
        ready(vec![Q("BEGIN"), P("a", ROWS), B("p", "a", &[]), B("q", "a", &[]), E("p", 2), E("q", 1), S]),
        ready(vec![E("p", 2), E("q", 1), Dp("p"), S, Cp("p"), E("p", 1), S]),
        ready(vec![Q("ROLLBACK"), E("q", 1), S]),
    ];
    judge.same("in a transaction", EVERYWHERE, kept).await;
    let double = vec![ready(vec![
        P("a", ROWS),
        B("p", "a", &[]),
        B("p", "a", &[]),
        S,
        B("p", "a", &[]),
        Cp("p"),
        B("p", "a", &[]),
        E("p", 1),
        S,
    ])];
    judge.same("named twice", HERE, double).await;
    let write = vec![ready(vec![
        P("", "INSERT INTO {t} VALUES (7, 700, 'x'), (7, 701, 'y') RETURNING id"),
        B("", "", &[]),
        E("", 1),
        E("", 1),
        E("", 1),
        S,
        P("", "DELETE FROM {t} WHERE {mine} AND id BETWEEN 700 AND 799 RETURNING id"),
        B("", "", &[]),
        E("", 0),
        E("", 0),
        S,
    ])];
    judge.same("writes with rows", &[Tenant], write).await;
    let twice = vec![ready(vec![
        P("", "INSERT INTO {t} VALUES (7, 702, 'x')"),
        B("", "", &[]),
        E("", 0),
        E("", 0),
        S,
        Q("DELETE FROM {t} WHERE {mine} AND id = 702"),
    ])];
    judge.same("a write executed twice", HERE, twice).await;
    let cursor = vec![ready(vec![
        Q("BEGIN"),
        Q("DECLARE c CURSOR FOR SELECT id FROM {t} WHERE {mine} AND id < 100 ORDER BY id"),
        Q("FETCH 2 FROM c"),
        Dp("c"),
        E("c", 2),
        S,
        P("", "FETCH 1 FROM c"),
        B("", "", &[]),
        Dp(""),
        E("", 0),
        S,
        Q("MOVE 1 IN c"),
        Q("CLOSE c"),
        Q("FETCH 1 FROM c"),
        Q("ROLLBACK"),
        Q("DECLARE c CURSOR FOR SELECT 1"),
    ])];
    judge.same("cursors", HERE, cursor).await;
    let execute = vec![ready(vec![
        Q("PREPARE q AS SELECT id FROM {t} WHERE {mine} AND id < 100 ORDER BY id"),
        P("", "EXECUTE q"),
        B("", "", &[]),
        E("", 2),
        E("", 3),
        S,
    ])];
    judge.same("row limits of EXECUTE", HERE, execute).await;
    let show = vec![ready(vec![P("", "SHOW work_mem"), Bb("", "", &[]), Dp(""), E("", 1), E("", 1), S])];
    judge.same("row limits of SHOW", HERE, show).await;
    judge.end();
}

#[tokio::test]
async fn copies_are_answered_frame_for_frame() {
    let mut judge = Judge::default();
    const IN: &str = "COPY {t} FROM STDIN";
    let count = || Q("SELECT count(*) FROM {t} WHERE {mine} AND id >= 800");
    let clean = || Q("DELETE FROM {t} WHERE {k} = 7 AND id >= 800");
    let rows = || Data("7\t800\tx\n7\t801\ty\n");
    let start = || hear(1, vec![Q(IN)]);
    judge
        .same(
            "in",
            IN_SHARDS,
            vec![
                start(),
                readies(1, vec![rows(), Data("7\t8"), Data("02\tz\n"), Done]),
                ready(vec![count(), Q("DELETE FROM {t} WHERE {k} = 7 AND id >= 800")]),
            ],
        )
        .await;
    judge
        .same(
            "fail",
            IN_SHARDS,
            vec![start(), readies(1, vec![rows(), Fail("no more")]), ready(vec![count()])],
        )
        .await;
    judge
        .same(
            "bad data",
            IN_SHARDS,
            vec![
                start(),
                readies(1, vec![rows(), Data("7\tnonsense\tx\n"), rows(), Done]),
                ready(vec![count()]),
            ],
        )
        .await;
    for bad in ["nonsense\t1\tx\n", "99999999999999999999\t1\tx\n", "7.5\t1\tx\n"] {
        let steps = vec![start(), readies(1, vec![rows(), Data(bad), Done]), ready(vec![Q("SELECT 1")])];
        judge.same("a bad key", &[All, Tenant], steps).await;
    }
    judge
        .same(
            "a key twice",
            IN_SHARDS,
            vec![start(), readies(1, vec![rows(), rows(), Done]), ready(vec![count()])],
        )
        .await;
    judge
        .same(
            "stray messages",
            IN_SHARDS,
            vec![ready(vec![rows(), Done, Fail("x"), Q("SELECT 1"), rows(), Done, S])],
        )
        .await;
    judge
        .same(
            "sync and flush within",
            IN_SHARDS,
            vec![start(), readies(1, vec![rows(), S, H, Done]), ready(vec![count(), clean()])],
        )
        .await;
    let extended = || hear(3, vec![P("", IN), B("", "", &[]), E("", 0), H]);
    judge
        .same(
            "extended",
            IN_SHARDS,
            vec![
                extended(),
                readies(1, vec![rows(), Done, S]),
                ready(vec![Q("DELETE FROM {t} WHERE {k} = 7 AND id >= 800")]),
            ],
        )
        .await;
    judge
        .same("extended, fail", IN_SHARDS, vec![extended(), readies(1, vec![rows(), Fail("no more"), S])])
        .await;
    judge
        .same(
            "extended, bad data",
            IN_SHARDS,
            vec![
                extended(),
                readies(1, vec![Data("7\tnonsense\tx\n"), rows(), Done, S]),
                ready(vec![count()]),
            ],
        )
        .await;
    judge
        .same(
            "extended, sync first",
            IN_SHARDS,
            vec![
                readies(1, vec![P("", IN), B("", "", &[]), E("", 0), S, rows(), Done, S]),
                ready(vec![count(), clean()]),
            ],
        )
        .await;
    judge
        .same(
            "extended, more after",
            IN_SHARDS,
            vec![
                extended(),
                readies(1, vec![rows(), Done, P("", ROWS), B("", "", &[]), E("", 1), S]),
                ready(vec![clean()]),
            ],
        )
        .await;
    judge
        .same(
            "in several",
            IN_SHARDS,
            vec![
                hear(3, vec![Q("SELECT 1; COPY {t} FROM STDIN; SELECT 2")]),
                hear(1, vec![]),
                readies(1, vec![rows(), Done]),
                ready(vec![clean()]),
            ],
        )
        .await;
    judge
        .same(
            "in a transaction",
            IN_SHARDS,
            vec![
                ready(vec![Q("BEGIN")]),
                start(),
                readies(1, vec![rows(), Done]),
                start(),
                readies(1, vec![Fail("x")]),
                ready(vec![Q("ROLLBACK"), count()]),
            ],
        )
        .await;
    judge
        .same(
            "out",
            HERE,
            vec![ready(vec![
                Q("COPY (SELECT id, body FROM {t} WHERE {mine} AND id < 100 ORDER BY id) TO STDOUT (FORMAT csv, HEADER)"),
                Q("COPY (SELECT 1 / (id - 47) FROM {t} WHERE {mine} AND id < 100 ORDER BY id) TO STDOUT"),
            ])],
        )
        .await;
    judge
        .same(
            "out, extended",
            HERE,
            vec![ready(vec![
                P("", "COPY (SELECT id FROM {t} WHERE {mine} AND id < 100 ORDER BY id) TO STDOUT (FORMAT binary)"),
                Ds(""),
                B("", "", &[]),
                Dp(""),
                E("", 0),
                S,
            ])],
        )
        .await;
    judge
        .same(
            "nowhere",
            HERE,
            vec![ready(vec![
                Q("COPY nowhere FROM STDIN"),
                P("", "COPY nowhere FROM STDIN"),
                B("", "", &[]),
                E("", 0),
                rows(),
                Done,
                S,
            ])],
        )
        .await;
    judge.end();
}

#[tokio::test]
async fn other_messages_are_answered_frame_for_frame() {
    let mut judge = Judge::default();
    // lo_create, lo_open, lowrite, lo_tell, lo_close.
    judge
        .same(
            "large objects",
            HERE,
            vec![
                ready(vec![F(952, &["4242", "393216"]), F(952, &[]), F(958, &["7"])]),
                ready(vec![
                    Q("BEGIN"),
                    F(715, &["4242"]),
                    F(952, &["4242", "393216"]),
                    F(955, &["0", "\\x4142"]),
                    F(958, &["0"]),
                    F(953, &["0"]),
                    F(953, &["0"]),
                    F(952, &["4242", "393216"]),
                    Q("ROLLBACK"),
                ]),
                ready(vec![P("", ONE), B("", "", &[Some("17")]), E("", 0), F(958, &["7"]), S]),
                readies(1, vec![P("", "SELEC"), F(958, &["7"]), S]),
            ],
        )
        .await;
    judge.same("an unknown message", HERE, vec![readies(1, vec![Raw(b'y', b"")])]).await;
    judge.same("not UTF-8", HERE, vec![ready(vec![Raw(b'Q', b"SELECT '\xff'\0"), Q("SELECT 1")])]).await;
    judge
        .same(
            "notifications",
            HERE,
            vec![ready(vec![
                Q("LISTEN here"),
                Q("NOTIFY here, 'x'"),
                Q("BEGIN"),
                Q("NOTIFY here, 'y'"),
                Q("SELECT 1"),
                Q("COMMIT"),
                Q("UNLISTEN here"),
                Q("NOTIFY here"),
            ])],
        )
        .await;
    judge.end();
}

#[tokio::test]
async fn a_malformed_message_is_an_error_and_the_session_goes_on() {
    let mut session = stage().await.1.session("app").await.unwrap();
    for message in [Raw(b'B', b"x"), Raw(b'D', b"Xa\0"), Raw(b'C', b"Xa\0"), Raw(b'E', b"\0"), Raw(b'P', b"")]
    {
        let step = [ready(vec![message.clone(), S]), ready(vec![Q("SELECT 1")])];
        let heard = transcript(&play(&mut session, Reference, &step).await);
        assert!(heard.starts_with("E SERROR|VERROR|C08P01|"), "{message:?}: {heard}");
        assert!(heard.ends_with("C SELECT 1\\x00\nZ I\n"), "{message:?}: {heard}");
    }
    let heard = transcript(&play(&mut session, Reference, &[readies(1, vec![Raw(b'Q', b"SELECT 1")])]).await);
    assert!(heard.starts_with("E SERROR|VERROR|C08P01|") && heard.ends_with("Z I\n"), "{heard}");
}
