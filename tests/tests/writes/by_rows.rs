//! Writes of tables of which every server has a copy, by rows of sharded tables.

use std::time::Duration;

use tests::until;

use crate::stage::{Pair, agree, copies_are_equal, nothing_is_left_prepared, stage};

/// Changes of countries by users and orders.
const CHANGES: [&str; 29] = [
    "UPDATE countries SET rate = (SELECT count(*) FROM users WHERE users.country = countries.id)",
    "UPDATE countries c SET rate = c.rate + s.total FROM (SELECT u.country, sum(o.total) AS total FROM users u JOIN orders o ON o.tenant_id = u.tenant_id AND o.user_id = u.id GROUP BY u.country) s WHERE s.country = c.id RETURNING c.id, c.rate, code AS shown",
    "UPDATE countries SET code = code || '!' WHERE id IN (SELECT country FROM users WHERE score > 80)",
    "UPDATE countries SET code = 'x', rate = DEFAULT WHERE EXISTS (SELECT FROM users WHERE country = countries.id AND score < 2) RETURNING *",
    "DELETE FROM countries WHERE id NOT IN (SELECT country FROM users WHERE tenant_id > 3) RETURNING id",
    "INSERT INTO countries VALUES (4, 'es', 9), (5, 'pt', 8), (6, 'uk', NULL)",
    "DELETE FROM countries USING users WHERE countries.id = users.id + 3 AND users.score > 85 RETURNING countries.*",
    "DELETE FROM countries c USING users u, orders o WHERE c.id = u.country + 3 AND o.tenant_id = u.tenant_id AND o.total > 1000",
    "WITH best AS (SELECT country, max(score) AS most FROM users GROUP BY country) UPDATE countries SET rate = most FROM best WHERE best.country = id",
    "UPDATE countries SET (code, rate) = (SELECT max(name), min(score) FROM users WHERE country = countries.id) WHERE id < 3 RETURNING *",
    "UPDATE countries SET rate = NULL FROM users WHERE country = countries.id AND tenant_id = 3 AND users.id = 2",
    "UPDATE countries SET rate = 1 FROM users WHERE country = countries.id AND tenant_id = -3 RETURNING countries.id, rate",
    "UPDATE countries SET id = id + (SELECT max(id) FROM users) * 100 WHERE id = 1 RETURNING id",
    "UPDATE countries SET id = id - (SELECT max(id) FROM users) * 100 WHERE id > 300",
    "UPDATE countries SET rate = 1 / ((SELECT min(score) FROM users) - 1)",
    "UPDATE countries SET id = (SELECT min(id) FROM users)",
    "UPDATE countries SET code = (SELECT 1 FROM users)",
    "UPDATE countries SET code = (SELECT max(score) > 3 FROM users) WHERE id = 1",
    "MERGE INTO countries c USING (SELECT country, count(*) AS n, max(name) AS name FROM users GROUP BY country) s ON c.id = s.country WHEN MATCHED AND c.id = 2 THEN DELETE WHEN MATCHED THEN UPDATE SET rate = s.n, code = name WHEN NOT MATCHED THEN INSERT VALUES (country, 'new', n)",
    "MERGE INTO countries USING (SELECT country + 6 AS k, sum(score) AS n FROM users GROUP BY 1) AS s ON id = k WHEN MATCHED THEN DO NOTHING WHEN NOT MATCHED AND k > 7 THEN INSERT (id, code) VALUES (k, 'm' || n)",
    "MERGE INTO countries USING (SELECT country FROM users WHERE score > 1000) s ON id = country WHEN MATCHED THEN DELETE",
    "MERGE INTO countries USING users u ON countries.id = u.country WHEN MATCHED THEN UPDATE SET rate = 0",
    "WITH s AS (SELECT max(country) AS k FROM users) MERGE INTO countries USING s ON id = k WHEN MATCHED THEN UPDATE SET code = 'last'",
    "INSERT INTO countries (id, code) SELECT country, max(name) FROM users GROUP BY country ON CONFLICT (id) DO UPDATE SET code = excluded.code, rate = countries.rate + 1",
    "DELETE FROM countries WHERE id > (SELECT count(*) FROM users)",
    "DELETE FROM countries WHERE id >= (SELECT max(country) FROM users) RETURNING id, code",
    "UPDATE countries c SET rate = 5 FROM (SELECT max(country) AS country, sum(score) AS score FROM users) s WHERE c.id < s.country RETURNING s.score, c.*, s.score + rate AS more, s.country || code, lower(code)",
    "DELETE FROM countries USING (SELECT max(score) AS score FROM users WHERE tenant_id = 5) s WHERE id = 2 RETURNING s.score * 2, id, score",
    "DELETE FROM countries WHERE rate IS NULL OR id IN (SELECT country FROM users)",
];

#[tokio::test]
async fn copies_are_written_by_rows_of_all_servers_as_one_server_would() {
    let mut pair = Pair::shop("by_rows").await;
    pair.all_same(&CHANGES, &["countries"]).await;
    copies_are_equal("by_rows.countries").await;
    pair.same("INSERT INTO countries VALUES (1, 'de', 1.5), (2, 'fr', 2), (3, 'it', NULL)").await;
    let some = |values: &[&'static str]| values.iter().map(|value| Some(*value)).collect::<Vec<_>>();
    for (sql, values) in [
        (
            "UPDATE countries SET code = $1, rate = $2 + (SELECT max(score) FROM users WHERE tenant_id < $3) WHERE id < $4 RETURNING *",
            some(&["p", "2.5", "9", "3"]),
        ),
        (
            "DELETE FROM countries USING users WHERE countries.id = country AND score > $1 AND countries.id > $2",
            some(&["1", "2"]),
        ),
        (
            "MERGE INTO countries USING (SELECT max(country) + $1::int AS k FROM users) s ON id = k WHEN NOT MATCHED THEN INSERT VALUES (k, $2)",
            some(&["7", "p"]),
        ),
    ] {
        pair.same_extended(sql, &values).await;
        pair.holds_the_same("countries").await;
    }
    copies_are_equal("by_rows.countries").await;
}

#[tokio::test]
async fn what_a_copy_gets_from_rows_of_all_servers_is_the_same_in_every_copy() {
    let mut pair = Pair::new(
        "by_chance",
        "CREATE TABLE users (tenant_id bigint PRIMARY KEY, score int); \
         CREATE TABLE plans (a int, b text, token uuid DEFAULT gen_random_uuid(), price numeric DEFAULT random(), \
           at timestamptz, twice numeric GENERATED ALWAYS AS (price * 2) STORED, UNIQUE (b, a)); \
         ALTER TABLE plans ALTER a SET NOT NULL, ALTER b SET NOT NULL; \
         CREATE TABLE bare (a int, b text)",
    )
    .await;
    for sql in [
        "INSERT INTO users SELECT n, n % 7 FROM generate_series(1, 40) n",
        "INSERT INTO plans (a, b) SELECT n, 'b' || n % 3 FROM generate_series(1, 300) n",
        "INSERT INTO bare VALUES (1, 'x')",
    ] {
        let answer = pair.ours.ask(sql).await.unwrap();
        assert!(answer.fault.is_none(), "{sql}: {answer}");
    }
    for (sql, rows) in [
        (
            "UPDATE plans SET token = gen_random_uuid(), price = random() * (SELECT max(score) FROM users)",
            300,
        ),
        (
            "UPDATE plans SET price = DEFAULT, twice = DEFAULT, at = now() + (SELECT count(*) FROM users) * interval '1 h' WHERE at IS NULL OR at < now() RETURNING *",
            300,
        ),
        ("UPDATE plans SET at = clock_timestamp() FROM users WHERE score = a AND b <> '' RETURNING a", 6),
        ("DELETE FROM plans WHERE a > 40 AND (SELECT max(score) FROM users) > random()", 260),
    ] {
        let answer = pair.ours.ask(sql).await.unwrap();
        assert!(answer.fault.is_none(), "{sql}: {answer}");
        assert!(answer.tag.ends_with(&format!(" {rows}")), "{sql}: {answer}");
        copies_are_equal("by_chance.plans").await;
    }
    for sql in [
        "UPDATE bare SET a = (SELECT max(score) FROM users)",
        "DELETE FROM bare USING users WHERE a = score",
        "UPDATE plans SET price = 1 FROM users WHERE score = a RETURNING users.*",
        "UPDATE plans SET price = 1 WHERE a = (SELECT max(score) FROM users) RETURNING (SELECT count(*) FROM users)",
        "EXPLAIN UPDATE plans SET price = (SELECT max(score) FROM users)",
        "MERGE INTO plans p USING (SELECT score FROM users) s ON p.a = score WHEN MATCHED THEN UPDATE SET price = random()",
        "MERGE INTO plans p USING (SELECT score FROM users) s ON p.a = score WHEN MATCHED THEN UPDATE SET price = (SELECT max(score) FROM users)",
    ] {
        pair.refused(sql).await;
    }
    nothing_is_left_prepared().await;
}

#[tokio::test]
async fn a_copy_that_changes_meanwhile_is_not_overwritten_with_what_was_computed_before() {
    let (_, daemon, _) = stage().await;
    let mut pair = Pair::shop("copies_race").await;
    pair.ours.ask("UPDATE countries SET rate = 0").await.unwrap();
    let texts = [
        "UPDATE countries SET rate = rate + 1 + 0 * (SELECT count(*) FROM users)",
        "UPDATE countries SET rate = rate + 1 FROM users u WHERE u.country = countries.id AND u.tenant_id = 1",
        "MERGE INTO countries USING (SELECT DISTINCT country FROM users) s ON country = id WHEN MATCHED THEN UPDATE SET rate = rate + 1",
    ];
    let mut tasks = Vec::new();
    for number in 0..6 {
        let mut session = daemon.session("app").await.unwrap();
        tasks.push(tokio::spawn(async move {
            session.ask("SET search_path = copies_race").await.unwrap();
            for round in 0..12 {
                let answer = session.ask(texts[(number + round) % texts.len()]).await.unwrap();
                assert!(answer.fault.is_none(), "{answer}");
            }
        }));
    }
    for task in tasks {
        task.await.unwrap();
    }
    let rates = pair.ours.ask("SELECT min(rate), max(rate) FROM countries").await.unwrap();
    assert_eq!(rates.rows, [[Some("72".to_owned()), Some("72".to_owned())]]);
    copies_are_equal("copies_race.countries").await;
}

#[tokio::test]
async fn a_session_of_a_tenant_writes_copies_by_that_tenants_rows() {
    let mut pair = Pair::shop("by_tenant").await;
    let by_one = "UPDATE countries SET rate = (SELECT count(*) FROM users WHERE users.country = countries.id AND tenant_id = 7)";
    let theirs = pair.oracle.ask(by_one).await.unwrap();
    let by_comment = "/*tenant='7'*/ UPDATE countries SET rate = (SELECT count(*) FROM users WHERE users.country = countries.id)";
    let ours = pair.ours.ask(by_comment).await.unwrap();
    agree(by_comment, &ours, &theirs, false);
    pair.holds_the_same("countries").await;
    let inserted = "INSERT INTO countries SELECT 10 + count(*), 'n' FROM users";
    let theirs = pair.oracle.ask(&format!("{inserted} WHERE tenant_id = 7")).await.unwrap();
    let ours = pair.ours.ask(&format!("/*tenant='7'*/ {inserted}")).await.unwrap();
    agree(inserted, &ours, &theirs, false);
    pair.holds_the_same("countries").await;
    pair.ours.ask("SET app.tenant = '7'").await.unwrap();
    let deleted = "DELETE FROM countries WHERE id > 3 OR id IN (SELECT country FROM users WHERE score > 8)";
    let theirs = pair.oracle.ask(&deleted.replace("score > 8", "score > 8 AND tenant_id = 7")).await.unwrap();
    let ours = pair.ours.ask(deleted).await.unwrap();
    agree(deleted, &ours, &theirs, false);
    pair.holds_the_same("countries").await;
    copies_are_equal("by_tenant.countries").await;
}

/// Writes of the first session that end while the second one's write waits for them, and that write.
const MEETINGS: [(&str, &str); 9] = [
    ("INSERT INTO plans VALUES (7, 'new', 0)", "UPDATE plans SET n = n + 10"),
    (
        "INSERT INTO plans VALUES (8, 'new', 0); DELETE FROM plans WHERE a = 2",
        "UPDATE plans SET b = b || '!' WHERE n < 100",
    ),
    (
        "DELETE FROM plans WHERE a = 3; INSERT INTO plans VALUES (3, 'again', 0)",
        "DELETE FROM plans WHERE a < 4",
    ),
    (
        "DELETE FROM plans WHERE a = 2; INSERT INTO plans VALUES (9, 'nine', 0)",
        "UPDATE plans SET n = 5 WHERE a IN (1, 2, 9)",
    ),
    (
        "INSERT INTO others VALUES (2, 100)",
        "UPDATE plans SET n = plans.n + o.n FROM others o WHERE o.a = plans.a",
    ),
    ("UPDATE others SET n = 7", "UPDATE plans SET n = (SELECT max(n) FROM others)"),
    (
        "INSERT INTO others VALUES (70, 1), (71, 2)",
        "INSERT INTO plans SELECT a, 'copied', n FROM others ON CONFLICT (a) DO UPDATE SET n = excluded.n",
    ),
    ("INSERT INTO bare VALUES (1), (2)", "UPDATE bare SET a = a + 1"),
    (
        "INSERT INTO others VALUES (80, 1)",
        "MERGE INTO plans USING others ON plans.a = others.a WHEN MATCHED THEN UPDATE SET n = 77 WHEN NOT MATCHED THEN INSERT VALUES (others.a, 'm', 1)",
    ),
];

#[tokio::test]
async fn copies_stay_equal_where_rows_come_and_go_while_they_are_written() {
    let (fleet, daemon, _) = stage().await;
    let mut pair = Pair::new(
        "meetings",
        "CREATE TABLE plans (a int PRIMARY KEY, b text, n int); CREATE TABLE others (a int, n int); CREATE TABLE bare (a int)",
    )
    .await;
    let home = fleet.servers()[0].connect("app").await.unwrap();
    for (first, second) in MEETINGS {
        let mut other = daemon.session("app").await.unwrap();
        other.ask("SET search_path = meetings").await.unwrap();
        for sql in [
            "TRUNCATE plans, bare, others",
            "INSERT INTO others VALUES (1, 5)",
            "INSERT INTO plans VALUES (1, 'one', 0), (2, 'two', 0), (3, 'three', 0)",
            "INSERT INTO bare VALUES (0)",
            "BEGIN",
            "UPDATE plans SET b = b WHERE a = 1",
            "UPDATE bare SET a = a",
        ] {
            let answer = pair.ours.ask(sql).await.unwrap();
            assert!(answer.fault.is_none(), "{sql}: {answer}");
        }
        let waiting = tokio::spawn(async move { other.ask(second).await.unwrap() });
        until(&format!("it waits: {second}"), Duration::from_secs(20), async || {
            let waits = "SELECT count(*) FROM pg_locks WHERE NOT granted";
            home.query_one(waits, &[]).await.unwrap().get::<_, i64>(0) > 0
        })
        .await;
        for answer in pair.ours.simple(first).await.unwrap() {
            assert!(answer.fault.is_none(), "{first}: {answer}");
        }
        pair.ours.ask("COMMIT").await.unwrap();
        let answer = waiting.await.unwrap();
        assert!(answer.fault.is_none(), "{second}: {answer}");
        for table in ["plans", "others", "bare"] {
            copies_are_equal(&format!("meetings.{table}")).await;
        }
    }
}

/// Each server would read what its copy has at its own moment.
#[tokio::test]
async fn a_write_of_copies_waits_for_who_writes_what_it_reads() {
    let (fleet, daemon, _) = stage().await;
    let mut pair =
        Pair::new("readings", "CREATE TABLE bare (a int); CREATE TABLE others (a int, n int)").await;
    pair.ours.ask("INSERT INTO bare VALUES (0), (0)").await.unwrap();
    let home = fleet.servers()[0].connect("app").await.unwrap();
    for write in [
        "UPDATE bare SET a = (SELECT count(*) FROM others)",
        "DELETE FROM bare USING others WHERE bare.a = others.a",
        "MERGE INTO bare USING others ON bare.a = others.a WHEN NOT MATCHED THEN INSERT VALUES (others.n)",
    ] {
        pair.ours.ask("BEGIN").await.unwrap();
        pair.ours.ask("INSERT INTO others VALUES (1, 1)").await.unwrap();
        let mut other = daemon.session("app").await.unwrap();
        other.ask("SET search_path = readings").await.unwrap();
        let waiting = tokio::spawn(async move { other.ask(write).await.unwrap() });
        until("the write waits", Duration::from_secs(20), async || {
            let waits =
                "SELECT count(*) FROM pg_locks WHERE NOT granted AND relation = 'readings.others'::regclass";
            home.query_one(waits, &[]).await.unwrap().get::<_, i64>(0) > 0
        })
        .await;
        pair.ours.ask("COMMIT").await.unwrap();
        let answer = waiting.await.unwrap();
        assert!(answer.fault.is_none(), "{write}: {answer}");
        for table in ["bare", "others"] {
            copies_are_equal(&format!("readings.{table}")).await;
        }
    }
}
