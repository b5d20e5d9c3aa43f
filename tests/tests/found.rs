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
        let statement = Statement::plain(sql, Order::Free);
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
    report.assert_refused_at_most(8);
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
    // So is what is made of them, and what is said of their parts by name.
    ground
        .agree(&[
            "CREATE TEMP TABLE passing (a int, b text)",
            "CREATE INDEX passing_index ON passing (a)",
            "COMMENT ON INDEX passing_index IS 'soon gone'",
            "REINDEX INDEX passing_index",
            "CLUSTER passing USING passing_index",
            "DROP INDEX passing_index",
            "CREATE INDEX passing_index ON passing (b)",
            "CREATE RULE passing_rule AS ON DELETE TO passing DO INSTEAD NOTHING",
            "DROP RULE passing_rule ON passing",
            "CREATE VIEW passing_view AS SELECT a FROM passing WHERE a > 1",
            "INSERT INTO passing VALUES (1), (2), (3)",
            "SELECT * FROM passing_view",
            "SELECT relpersistence FROM pg_class WHERE relname = 'passing_view'",
            "CREATE TEMP SEQUENCE passing_numbers",
            "SELECT setval('passing_numbers', 5)",
            "BEGIN",
            "CREATE TEMP TABLE passing_too (a int) ON COMMIT DROP",
            "CREATE INDEX passing_too_index ON passing_too (a)",
            "DROP INDEX passing_too_index",
            "COMMIT",
            "CREATE TABLE stored (a int PRIMARY KEY, b text)",
            "INSERT INTO stored SELECT a, 'from there' FROM passing",
            "UPDATE stored SET b = stored.b || ', twice' FROM passing WHERE stored.a = passing.a + 1",
            "DELETE FROM stored USING passing WHERE stored.a = passing.a AND passing.a = 1 RETURNING stored.b",
            "SELECT * FROM stored",
            "GRANT USAGE ON SCHEMA public TO public",
            "DROP TABLE passing CASCADE",
        ])
        .await;
    // What SET TRANSACTION says after a savepoint ends with it, also where a server is met only then.
    ground
        .agree(&[
            "BEGIN",
            "SET TRANSACTION READ WRITE",
            "SAVEPOINT x",
            "SET TRANSACTION READ ONLY",
            "SELECT count(*) FROM users",
            "ROLLBACK TO SAVEPOINT x",
            "SHOW transaction_read_only",
            "UPDATE users SET score = 1 WHERE tenant_id = 3",
            "SAVEPOINT y",
            "SET TRANSACTION READ ONLY",
            "SELECT count(*) FROM users",
            "RELEASE SAVEPOINT y",
            "SHOW transaction_read_only",
            "UPDATE users SET score = 2 WHERE tenant_id IN (1, 2, 3, 4)",
            "COMMIT",
        ])
        .await;
    // Upkeep of one table runs inside a transaction block, and what that cannot hold outside of it.
    ground
        .agree(&[
            "CREATE TABLE kept (id int PRIMARY KEY, part int NOT NULL)",
            "CREATE TABLE parted (id int PRIMARY KEY) PARTITION BY RANGE (id)",
            "CREATE TABLE parted_one PARTITION OF parted FOR VALUES FROM (1) TO (9)",
            "INSERT INTO kept SELECT n, n FROM generate_series(1, 9) n",
            "BEGIN",
            "REINDEX TABLE kept",
            "REINDEX INDEX kept_pkey",
            "CLUSTER kept USING kept_pkey",
            "COMMIT",
            "REINDEX INDEX parted_pkey",
            "REINDEX TABLE parted",
            "CREATE MATERIALIZED VIEW kept_parts AS SELECT part, count(*) AS c FROM kept GROUP BY part",
            "CREATE UNIQUE INDEX ON kept_parts (part)",
            "UPDATE kept SET part = 1 WHERE id < 5",
            "REFRESH MATERIALIZED VIEW CONCURRENTLY kept_parts",
            "SELECT * FROM kept_parts",
            "DROP TABLE kept CASCADE",
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
    // What one server computes, the others store, whatever key the table has.
    ground
        .agree(&[
            "CREATE TABLE keyless (a int DEFAULT (random() * 0)::int, b text DEFAULT 'b')",
            "INSERT INTO keyless DEFAULT VALUES",
            "INSERT INTO keyless VALUES (DEFAULT, DEFAULT), (7, DEFAULT) RETURNING *",
            "SELECT * FROM keyless",
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
            // Arguments have types of their own.
            "EXECUTE w(2.5)",
            "EXECUTE w('1'::text::int + 1)",
            "EXECUTE w(true)",
            "EXECUTE w(now())",
            "PREPARE f (text, int, float) AS SELECT user_id FROM users WHERE name <> $1 AND (score = $2 OR user_id = $3::bigint)",
            "EXECUTE f('2020-01-01 13:00'::date, 5::smallint, 10.5)",
            "PREPARE d (text) AS SELECT $1, count(*) FROM users",
            "EXECUTE d('2020-01-01 13:00'::date)",
            "EXECUTE d(1.50)",
            "EXECUTE d(1e3)",
            "EXECUTE d(1.50, 2)",
        ])
        .await;
    // The row on which a cursor stands is on the cursor's server.
    ground
        .agree(&[
            "BEGIN",
            "DECLARE c CURSOR FOR SELECT * FROM tasks WHERE tenant_id = 2 ORDER BY task_id FOR UPDATE",
            "FETCH 2 FROM c",
            "UPDATE tasks SET title = 'here' WHERE CURRENT OF c",
            "FETCH 1 FROM c",
            "DELETE FROM tasks WHERE CURRENT OF c RETURNING title",
            "COMMIT",
            "SELECT count(*) FROM tasks WHERE title = 'here'",
        ])
        .await;
    assert_eq!(ground.stage.difference(false).await.unwrap(), None);
}

/// Policies are the servers' to enforce, on whatever way a statement goes.
#[tokio::test]
async fn row_security_holds_over_all_tenants() {
    let ground = Ground::lay().await;
    ground
        .agree(&[
            "ALTER TABLE users ENABLE ROW LEVEL SECURITY",
            "ALTER TABLE users FORCE ROW LEVEL SECURITY",
            "CREATE POLICY seen ON users FOR SELECT USING (score > 3 OR name = current_setting('app.name', true))",
            "CREATE POLICY made ON users FOR INSERT WITH CHECK (score < 90)",
            "CREATE POLICY changed ON users FOR UPDATE USING (score > 4) WITH CHECK (score < 90)",
            "CREATE POLICY gone ON users FOR DELETE USING (score > 5)",
            "SELECT * FROM users",
            "SELECT count(*), sum(score), min(score) FROM users",
            "SELECT tenant_id, user_id, rank() OVER (ORDER BY score, tenant_id, user_id) FROM users",
            "SELECT o.order_id, u.score FROM orders o LEFT JOIN users u ON u.user_id = o.user_id AND u.tenant_id <> o.tenant_id",
            "SELECT count(*) FROM tenants t WHERE NOT EXISTS (SELECT FROM users u WHERE u.score > t.region_id)",
            "SET app.name = 'ann'",
            "SELECT tenant_id, user_id, name FROM users WHERE score IS NULL OR score < 4",
            "UPDATE users SET score = score + 1 RETURNING tenant_id, user_id, score",
            "UPDATE users SET score = 95 WHERE user_id = 2",
            "INSERT INTO users (tenant_id, user_id, score) VALUES (1, 91, 50), (2, 92, 60), (3, 93, 70) RETURNING user_id",
            "INSERT INTO users (tenant_id, user_id, score) VALUES (1, 94, 5), (2, 95, 96)",
            "INSERT INTO users (tenant_id, user_id, score) SELECT tenant_id, user_id + 500, score FROM users WHERE score < 20",
            "INSERT INTO users (tenant_id, user_id, score) VALUES (1, 91, 51), (2, 92, 61) ON CONFLICT (tenant_id, user_id) DO UPDATE SET score = excluded.score RETURNING score",
            "DELETE FROM users WHERE score < 8 RETURNING tenant_id, user_id",
            "DELETE FROM users u USING orders o WHERE o.user_id = u.user_id AND o.tenant_id = u.tenant_id AND o.total > 50",
            "ALTER TABLE users NO FORCE ROW LEVEL SECURITY",
            "SELECT count(*) FROM users",
        ])
        .await;
    assert_eq!(ground.stage.difference(false).await.unwrap(), None);
}

/// Functions whose code only computes, or reads what every server has a copy of, need no word in the configuration.
#[tokio::test]
async fn functions_that_only_compute_run_over_all_tenants() {
    let ground = Ground::lay().await;
    ground
        .agree(&[
            "CREATE FUNCTION added(a int, b int DEFAULT 3) RETURNS int LANGUAGE sql AS 'SELECT a + b'",
            "CREATE FUNCTION twice(a int) RETURNS int LANGUAGE plpgsql AS 'BEGIN RETURN added(a, a); END'",
            "CREATE FUNCTION region(n int) RETURNS text LANGUAGE sql AS 'SELECT name FROM regions WHERE region_id = n'",
            "SELECT added(1), twice(4), region(1)",
            "SELECT twice(score), count(*) FROM users WHERE added(score) > 4 GROUP BY 1",
            "SELECT tenant_id, user_id, region(score) FROM users WHERE score IS NOT NULL",
            "SELECT added(user_id::int), rank() OVER (ORDER BY twice(score), tenant_id, user_id) FROM users",
            "UPDATE users SET score = twice(score) WHERE score < 5",
        ])
        .await;
    let mut session = ground.daemon.session("app").await.unwrap();
    for sql in [
        "CREATE FUNCTION reading() RETURNS bigint LANGUAGE sql AS 'SELECT count(*) FROM users'",
        "CREATE FUNCTION reading_too() RETURNS bigint LANGUAGE sql AS 'SELECT reading()'",
        "CREATE FUNCTION running(q text) RETURNS int LANGUAGE plpgsql AS 'BEGIN EXECUTE q; RETURN 1; END'",
    ] {
        assert!(session.ask(sql).await.unwrap().fault.is_none(), "{sql}");
    }
    for sql in [
        "SELECT reading()",
        "SELECT reading_too() FROM regions",
        "SELECT user_id, running('delete from users') FROM users",
    ] {
        let answer = session.ask(sql).await.unwrap();
        assert!(answer.fault.as_ref().is_some_and(tests::Fault::is_refusal), "{sql}: {answer}");
    }
    assert_eq!(ground.stage.difference(false).await.unwrap(), None);
}

/// What would be everybody's, made of what one session has, is refused before it is on one server alone.
#[tokio::test]
async fn nothing_that_is_everybodys_is_made_of_a_temporary_table() {
    let ground = Ground::lay().await;
    let mut session = ground.daemon.session("app").await.unwrap();
    session.ask("CREATE TEMP TABLE passing (a int)").await.unwrap();
    for sql in [
        "CREATE TABLE lasting (LIKE passing)",
        "CREATE FUNCTION lasting() RETURNS bigint LANGUAGE sql AS 'SELECT count(*) FROM passing'",
        "CREATE FUNCTION lasting(passing) RETURNS int LANGUAGE plpgsql AS 'BEGIN RETURN 1; END'",
        "CREATE VIEW lasting AS WITH passing AS (SELECT 1) SELECT * FROM passing",
        "DROP TABLE passing, regions",
        "WITH w AS (INSERT INTO regions (region_id, name) SELECT a, 'x' FROM passing RETURNING 1) SELECT * FROM w",
    ] {
        let answer = session.ask(sql).await.unwrap();
        assert!(answer.fault.as_ref().is_some_and(tests::Fault::is_refusal), "{sql}: {answer}");
    }
    for sql in ["BEGIN", "DECLARE c CURSOR FOR SELECT * FROM regions", "FETCH 1 FROM c"] {
        assert!(session.ask(sql).await.unwrap().fault.is_none(), "{sql}");
    }
    let answer = session.ask("DELETE FROM regions WHERE CURRENT OF c").await.unwrap();
    assert!(answer.fault.as_ref().is_some_and(tests::Fault::is_refusal), "{answer}");
    session.ask("ROLLBACK").await.unwrap();
    // Names that mean everybody's tables elsewhere mean them here too.
    for sql in
        ["CREATE TABLE other (a int)", "CREATE INDEX other_index ON other (a)", "DROP INDEX other_index"]
    {
        assert!(session.ask(sql).await.unwrap().fault.is_none(), "{sql}");
    }
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
        "ALTER TABLE notes DROP COLUMN tenant_id",
        "ALTER TABLE notes RENAME COLUMN tenant_id TO owner",
        "ALTER TABLE notes ALTER COLUMN tenant_id TYPE text",
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

#[tokio::test]
async fn columns_are_described_where_the_sessions_temporary_tables_are() {
    let ground = Ground::lay().await;
    let mut ours = ground.daemon.session("app").await.unwrap();
    let mut oracle = ground.oracle.session("app").await.unwrap();
    for tenant in ["1", "2", "3", "4", "5"] {
        let made = format!(
            "CREATE TEMP TABLE own AS SELECT tenant_id, quantity FROM orders WHERE tenant_id = {tenant}"
        );
        let statements = [
            "BEGIN",
            &made,
            "SELECT rank() OVER (ORDER BY seconds) FROM visits",
            "SELECT visit_id, rank() OVER (ORDER BY count(*)) FROM visits LEFT JOIN own USING (tenant_id) GROUP BY visit_id",
            "COMMIT",
            "SELECT count(*) FROM visits JOIN own USING (tenant_id)",
            "DISCARD TEMP",
        ];
        for sql in statements {
            let statement = Statement::plain(sql, Order::Free);
            let reply = Reply::ask(&mut ours, &statement, Way::Binary).await.unwrap();
            let expected = Reply::ask(&mut oracle, &statement, Way::Binary).await.unwrap();
            assert_eq!(reply.compare(&expected, &Order::Free), Outcome::Equal, "{sql} of tenant {tenant}");
        }
    }
}

#[tokio::test]
async fn a_cursor_with_hold_is_beside_what_the_session_keeps_or_refused() {
    let ground = Ground::lay().await;
    let mut found = 0;
    for tenant in 1..=12 {
        let mut ours = ground.daemon.session("app").await.unwrap();
        let own = "CREATE TEMP TABLE own AS SELECT visit_id FROM visits WHERE tenant_id = 1";
        assert_eq!(ours.ask(own).await.unwrap().tag, "SELECT 6");
        let query = format!("SELECT visit_id FROM visits WHERE tenant_id = {tenant} ORDER BY 1");
        let all = "SELECT tenant_id FROM visits ORDER BY 1";
        for (query, first) in [(query.as_str(), "1"), (all, "1")] {
            let declared = ours.ask(&format!("DECLARE c CURSOR WITH HOLD FOR {query}")).await.unwrap();
            if let Some(fault) = declared.fault {
                assert!(fault.is_refusal(), "{query}");
            } else {
                found += 1;
                assert_eq!(ours.ask("FETCH 1 FROM c").await.unwrap().value(), first, "{query}");
                ours.ask("CLOSE c").await.unwrap();
            }
            assert_eq!(ours.ask("SELECT count(*) FROM own").await.unwrap().value(), "6", "after {query}");
        }
    }
    assert!(found > 12, "what is on the same server, and over all, is answered");
}
