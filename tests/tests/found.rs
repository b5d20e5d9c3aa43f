//! What the random tests found, each under the promise it broke. What one line of SQL shows stands in `tests/corpus/world`.
#![allow(clippy::unwrap_used)]

use std::path::Path;

use tests::corpus::{Judge, Stage, read_cases};
use tests::random::{KeyType, Order, Outcome, Reply, Statement, Way, World};
use tests::{Daemon, Fleet, Oracle};

/// Two servers and an oracle with the world of random statements; tenants are named by integers.
struct Ground {
    fleet: Fleet,
    daemon: Daemon,
    oracle: Oracle,
    stage: Stage,
}

impl Ground {
    async fn lay() -> Ground {
        let fleet = Fleet::builder().servers(2).start().await.unwrap();
        let daemon = fleet.daemon().start().await.unwrap();
        let oracle = fleet.oracle().await.unwrap();
        let world = World::of(KeyType::Int8).unwrap();
        let stage = Stage::load(&fleet, daemon.port(), &oracle, "app", world.path()).await.unwrap();
        Ground { fleet, daemon, oracle, stage }
    }

    /// The statement's answer is PostgreSQL's, sent this way.
    async fn agrees(&self, sql: &str, way: Way) {
        let statement = Statement { sql: sql.to_owned(), parameters: Vec::new(), order: Order::Free };
        let mut ours = self.daemon.session("app").await.unwrap();
        let mut oracle = self.oracle.session("app").await.unwrap();
        let ours = Reply::ask(&mut ours, &statement, way).await.unwrap();
        let expected = Reply::ask(&mut oracle, &statement, way).await.unwrap();
        assert_eq!(ours.compare(&expected, &statement.order), Outcome::Equal, "{sql} by {way:?}");
    }
}

#[tokio::test]
async fn a_write_fetched_in_parts_counts_the_rows_of_each_part() {
    let ground = Ground::lay().await;
    for rows in [1, 7, 100] {
        ground
            .agrees("UPDATE lines SET price = 1 WHERE amount = line_no RETURNING *", Way::Portal(rows))
            .await;
        ground
            .agrees("UPDATE tasks SET done = true WHERE due IS NULL RETURNING title", Way::Portal(rows))
            .await;
        ground
            .agrees("UPDATE regions SET area = 1 WHERE region_id < 4 RETURNING name", Way::Portal(rows))
            .await;
    }
    ground.agrees("DELETE FROM members RETURNING user_id", Way::Portal(5)).await;
    assert_eq!(ground.stage.difference(false).await.unwrap(), None);
}

#[tokio::test]
async fn no_answer_over_the_world_of_random_statements_is_wrong() {
    let ground = Ground::lay().await;
    let cases = read_cases(&Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus/world")).unwrap();
    let judge = Judge::new(&ground.stage, ground.daemon.port(), &ground.oracle, "app");
    let report = judge.judge(&cases).await.unwrap();
    report.print("world");
    report.assert_none_wrong();
    report.assert_refused_at_most(4);
}

impl Ground {
    /// Each statement has PostgreSQL's answer, one after the other in one session.
    async fn agree(&self, statements: &[&str]) {
        let mut ours = self.daemon.session("app").await.unwrap();
        let mut oracle = self.oracle.session("app").await.unwrap();
        for sql in statements {
            let (answer, expected) = (ours.ask(sql).await.unwrap(), oracle.ask(sql).await.unwrap());
            let (answer, expected) = (answer.sorted(), expected.sorted());
            assert_eq!(answer.fault, expected.fault, "{sql}");
            assert_eq!((&answer.rows, &answer.tag), (&expected.rows, &expected.tag), "{sql}");
        }
    }
}

#[tokio::test]
async fn what_regression_files_found_is_answered_as_by_postgresql() {
    let ground = Ground::lay().await;
    // What is said of temporary tables goes to the connection that has them.
    ground
        .agree(&[
            "CREATE TEMP TABLE passing (a int, b text)",
            "CREATE TEMP TABLE passing_too (a int)",
            "INSERT INTO passing SELECT n, 'x' FROM generate_series(1, 9) n",
            "ANALYZE passing",
            "CREATE INDEX passing_index ON passing (a)",
            "CREATE RULE passing_rule AS ON INSERT TO passing DO INSTEAD INSERT INTO passing_too VALUES (new.a)",
            "INSERT INTO passing VALUES (77, 'y')",
            "SELECT * FROM passing_too",
            "CREATE TEMP VIEW passing_view AS SELECT count(*) AS c FROM passing",
            "SELECT c FROM passing_view",
            "DROP VIEW passing_view",
            "CREATE TEMP SEQUENCE passing_numbers",
            "DROP SEQUENCE passing_numbers",
            "DROP TABLE passing, passing_too",
        ])
        .await;
    // A generated column is set to DEFAULT on every copy.
    ground
        .agree(&[
            "CREATE TABLE doubles (id int PRIMARY KEY, a int, b int GENERATED ALWAYS AS (a * 2) STORED)",
            "INSERT INTO doubles VALUES (1, 1), (2, 2)",
            "UPDATE doubles SET b = DEFAULT WHERE id = 1",
            "UPDATE doubles SET a = a + (random() * 0)::int + 1, b = DEFAULT RETURNING *",
            "SELECT * FROM doubles",
        ])
        .await;
    // EXECUTE over several servers.
    ground
        .agree(&[
            "PREPARE q AS SELECT user_id, count(*), max(score) FROM users WHERE score > $1 GROUP BY user_id",
            "EXECUTE q(2)",
            "EXECUTE q('5')",
            "PREPARE w (int) AS SELECT tenant_id, user_id, rank() OVER (ORDER BY score, tenant_id, user_id) FROM users WHERE score > $1",
            "EXECUTE w(3)",
        ])
        .await;
}

/// Rows that stand on every server, or on their tenants', cannot become the others by a change of a column.
#[tokio::test]
async fn a_schema_change_moves_no_row_to_another_tenant() {
    let ground = Ground::lay().await;
    let mut session = ground.daemon.session("app").await.unwrap();
    let refused = [
        "ALTER TABLE regions ADD COLUMN tenant_id bigint NOT NULL DEFAULT 1",
        "ALTER TABLE regions ADD COLUMN more int, ADD COLUMN tenant_id bigint DEFAULT 1",
        "ALTER TABLE kinds RENAME COLUMN kind_id TO tenant_id",
        "CREATE TABLE copied AS SELECT region_id AS tenant_id, name FROM regions",
        "SELECT * INTO copied FROM (SELECT 1::bigint AS tenant_id) one",
        "ALTER TABLE tasks DROP COLUMN tenant_id",
        "ALTER TABLE tasks RENAME COLUMN tenant_id TO owner",
        "ALTER TABLE tasks ALTER COLUMN tenant_id TYPE text",
    ];
    for sql in refused {
        let answer = session.ask(sql).await.unwrap();
        assert_eq!(answer.sqlstate(), "0A000", "{sql}: {answer}");
        let answer = session.extended(sql, &[]).await.unwrap();
        assert_eq!(answer.sqlstate(), "0A000", "{sql}: {answer}");
    }
    assert_eq!(ground.stage.difference(false).await.unwrap(), None);
    for sql in [
        "ALTER TABLE members ALTER COLUMN tenant_id TYPE bigint",
        "ALTER TABLE members ALTER COLUMN tenant_id SET NOT NULL",
        "CREATE TABLE empty (id int)",
        "ALTER TABLE empty ADD COLUMN tenant_id bigint NOT NULL",
        "ALTER TABLE IF EXISTS missing ADD COLUMN tenant_id bigint",
        "CREATE TABLE names AS SELECT name FROM regions",
    ] {
        let answer = session.ask(sql).await.unwrap();
        assert!(answer.fault.is_none(), "{sql}: {answer}");
    }
    session.ask("INSERT INTO empty VALUES (1, 1), (2, 2), (3, 3)").await.unwrap();
    assert_eq!(session.ask("SELECT count(*) FROM empty").await.unwrap().value(), "3");
    assert_eq!(session.ask("SELECT count(*) FROM members").await.unwrap().value(), "48");
}

/// What a column is filled with, where it is added to rows that are there: one moment for the rows of all
/// servers, and the same value in every copy.
#[tokio::test]
async fn a_column_that_is_added_is_filled_as_by_one_server() {
    let ground = Ground::lay().await;
    let mut session = ground.daemon.session("app").await.unwrap();
    for sql in [
        "ALTER TABLE tasks ADD COLUMN seen timestamptz NOT NULL DEFAULT now(), ADD COLUMN day date DEFAULT current_date",
        "ALTER TABLE regions ADD COLUMN seen timestamptz NOT NULL DEFAULT now(), ADD COLUMN level int DEFAULT 1 + 1",
        "ALTER TABLE regions ALTER COLUMN level TYPE text USING level || ' since ' || now()",
    ] {
        let answer = session.ask(sql).await.unwrap();
        assert!(answer.fault.is_none(), "{sql}: {answer}");
    }
    assert_eq!(session.ask("SELECT count(DISTINCT seen) FROM tasks").await.unwrap().value(), "1");
    let default = "SELECT column_default FROM information_schema.columns \
                   WHERE table_name = 'tasks' AND column_name = 'seen'";
    assert_eq!(session.ask(default).await.unwrap().value(), "now()");
    for sql in [
        "ALTER TABLE regions ADD COLUMN token uuid DEFAULT gen_random_uuid()",
        "ALTER TABLE regions ADD COLUMN more int, ADD COLUMN token float DEFAULT random()",
        "ALTER TABLE regions ALTER COLUMN level TYPE text USING random()::text",
    ] {
        let answer = session.ask(sql).await.unwrap();
        assert_eq!(answer.sqlstate(), "0A000", "{sql}: {answer}");
        let answer = session.extended(sql, &[]).await.unwrap();
        assert_eq!(answer.sqlstate(), "0A000", "{sql}: {answer}");
    }
    session.ask("CREATE TABLE none (id int PRIMARY KEY)").await.unwrap();
    let answer =
        session.ask("ALTER TABLE none ADD COLUMN token uuid DEFAULT gen_random_uuid()").await.unwrap();
    assert!(answer.fault.is_none(), "no row, nothing to differ: {answer}");
    let mut copies = Vec::new();
    for server in ground.fleet.servers() {
        let client = server.connect("app").await.unwrap();
        let row = client.query_one("SELECT string_agg(r::text, ';' ORDER BY region_id) FROM regions r", &[]);
        copies.push(row.await.unwrap().get::<_, String>(0));
    }
    assert_eq!(copies[0], copies[1]);
}
