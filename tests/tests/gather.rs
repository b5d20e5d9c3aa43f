//! Statements that no merge answers: PostgreSQL computes them over the rows of all servers.
#![allow(clippy::unwrap_used)]

use std::time::Duration;

use bytes::Bytes;
use futures_util::{SinkExt, TryStreamExt};
use tests::{Daemon, Fleet, Oracle, until};
use tokio::sync::OnceCell;
use tokio_postgres::{Client, SimpleQueryMessage};

struct Stage {
    fleet: Fleet,
    daemon: Daemon,
    oracle: Oracle,
}

static STAGE: OnceCell<Stage> = OnceCell::const_new();

const SCHEMA: &str = "\
    CREATE TYPE mood AS ENUM ('sad', 'ok', 'happy'); CREATE DOMAIN short AS varchar(12); \
    CREATE TYPE pair AS (x int, y text); \
    CREATE TABLE kinds (kind int PRIMARY KEY, title text COLLATE \"C\"); \
    CREATE TABLE items (tenant_id bigint, id int, kind int, name text, code text COLLATE \"C\", price numeric(10,2), \
        tags text[], spot pair, mood mood, label short, extra jsonb, during int4range, made timestamptz, \
        PRIMARY KEY (tenant_id, id)); \
    CREATE TABLE wide (tenant_id bigint, id int, body text, PRIMARY KEY (tenant_id, id)); \
    CREATE TABLE sales (tenant_id bigint, id int, item int, amount numeric, sold date, PRIMARY KEY (tenant_id, id)); \
    CREATE VIEW dear AS SELECT i.tenant_id, i.id, i.name, i.price AS worth, k.title FROM items i JOIN kinds k USING (kind) WHERE i.price > 5; \
    CREATE VIEW totals AS SELECT d.title, sum(d.worth) AS total FROM dear d GROUP BY d.title";

const ROWS: [&str; 3] = [
    "INSERT INTO kinds SELECT k, chr(64 + k) FROM generate_series(1, 5) k",
    "INSERT INTO items SELECT t, i, (t + i) % 6, 'n' || (t * i) % 7, chr(97 + (t * i)::int % 5), t * i / 3.0, \
        CASE i % 3 WHEN 0 THEN NULL WHEN 1 THEN ARRAY['a', NULL, 'q\"'] ELSE ARRAY[]::text[] END, \
        CASE i % 2 WHEN 0 THEN row(i, 'y,')::pair END, (enum_range(NULL::mood))[1 + i % 3], 'l' || i, \
        jsonb_build_object('i', i), int4range(i, i + 2), timestamptz '2026-01-01 UTC' + i * interval '1 hour' \
        FROM generate_series(1, 20) t, generate_series(1, 6) i",
    "INSERT INTO sales SELECT t, s, 1 + s % 7, t * s / 7.0, date '2026-01-01' + s FROM generate_series(1, 20) t, \
        generate_series(1, 9) s",
];

/// Joins of which one side has conditions: its keys say which rows of the other are sent.
const KEYED: &[&str] = &[
    "SELECT i.name, s.amount FROM items i JOIN sales s ON s.item = i.id WHERE i.kind = 3 AND i.price > 8 ORDER BY 1, 2",
    "SELECT i.id, i.tenant_id, s.id FROM items i LEFT JOIN sales s ON s.item = i.kind AND s.amount > 3 WHERE i.id > 4 ORDER BY 1, 2, 3, s.tenant_id",
    "SELECT s.id, i.id FROM items i RIGHT JOIN sales s ON s.item = i.kind AND i.id = 2 WHERE s.amount > 20 ORDER BY 1, 2, i.tenant_id, s.tenant_id",
    "SELECT s.id, i.id FROM items i FULL JOIN sales s ON s.item = i.kind AND i.price > 30 ORDER BY 1, 2, i.tenant_id, s.tenant_id",
    "SELECT count(*), min(s.sold) FROM items i, sales s WHERE s.item = i.kind AND i.price > 1000000",
    "SELECT i.name, i.id FROM items i WHERE i.price > 20 AND EXISTS (SELECT 1 FROM sales s WHERE s.item = i.kind AND s.amount > 15) ORDER BY 1, 2, i.tenant_id",
    "SELECT i.name, i.id FROM items i WHERE price > 20 AND NOT EXISTS (SELECT FROM sales WHERE item = kind AND amount > 24) ORDER BY 1, 2, i.tenant_id",
    "SELECT i.id FROM items i WHERE i.price > 30 AND i.kind NOT IN (SELECT s.item FROM sales s WHERE s.amount > 25) ORDER BY 1, i.tenant_id",
    "SELECT i.id FROM items i WHERE i.price > 30 AND i.kind NOT IN (SELECT s.item FROM sales s WHERE s.id = i.id AND s.amount > 25) ORDER BY 1, i.tenant_id",
    "SELECT a.id, b.id, b.name FROM items a JOIN items b ON a.kind = b.kind AND a.id < b.id WHERE a.name = 'n3' ORDER BY 1, 2, 3, a.tenant_id, b.tenant_id",
    "SELECT a.name, count(*) FROM items a JOIN items b ON a.code = b.code JOIN items c ON c.name = a.name WHERE b.price > 35 GROUP BY a.name ORDER BY 1",
    "SELECT a.name, b.label, a.label FROM items a JOIN items b ON a.name = b.label OR a.price = b.price WHERE a.id = 2 ORDER BY 1, 2, 3, a.tenant_id, b.tenant_id",
    "SELECT a.id, b.id FROM items a JOIN items b ON a.price = b.price WHERE a.id = 2 ORDER BY 1, 2, a.tenant_id, b.tenant_id",
    "SELECT a.id, b.id FROM items a JOIN items b ON a.tags = b.tags WHERE a.id = 4 AND a.kind = 2 ORDER BY 1, 2, a.tenant_id, b.tenant_id",
    "SELECT a.id, b.id FROM items a JOIN items b ON a.spot = b.spot AND a.extra = b.extra WHERE a.id = 4 ORDER BY 1, 2, a.tenant_id, b.tenant_id",
    "SELECT a.id, b.id, b.spot FROM items a, items b WHERE a.made = b.made AND a.during = b.during AND a.mood = b.mood AND a.kind = 1 ORDER BY 1, 2, a.tenant_id, b.tenant_id",
    "SELECT i.id, s.id FROM items i, sales s WHERE i.id = s.tenant_id AND s.amount > 1 AND i.kind = 2 ORDER BY 1, 2, i.tenant_id",
    "SELECT i.id, s.id, w.id FROM items i, sales s, sales w WHERE i.kind = 2 AND s.item = i.id AND w.id = s.id AND w.item = i.kind ORDER BY 1, 2, 3, i.tenant_id, s.tenant_id, w.tenant_id LIMIT 50",
    "SELECT i.id, (SELECT sum(s.amount) FROM sales s WHERE s.item = i.id), (SELECT count(DISTINCT s.sold) FROM sales s WHERE s.item = i.kind) FROM items i WHERE i.price > 30 ORDER BY 1, i.tenant_id",
    "SELECT i.id FROM items i WHERE i.price > 30 AND i.price < (SELECT sum(s.amount) FROM sales s WHERE s.item = i.id AND s.sold > '2026-01-02') ORDER BY 1, i.tenant_id",
    "SELECT k.title, i.id, s.id FROM kinds k JOIN items i ON i.kind = k.kind LEFT JOIN (sales s JOIN items j ON j.id = s.item AND j.kind = 4) ON s.id = i.id WHERE k.title = 'B' ORDER BY 1, 2, 3, i.tenant_id, s.tenant_id, j.tenant_id",
    "SELECT s.id FROM sales s WHERE s.amount > 20 UNION ALL SELECT i.id FROM items i, sales s WHERE i.id = s.item AND s.amount > 24 ORDER BY 1",
    "WITH dear AS (SELECT * FROM items WHERE price > 30) SELECT d.id, s.id FROM dear d, sales s WHERE s.item = d.kind AND s.amount > 20 ORDER BY 1, 2, d.tenant_id, s.tenant_id",
    "SELECT i.id, x.n FROM items i, LATERAL (SELECT count(*) + count(DISTINCT s.id) AS n FROM sales s WHERE s.item = i.kind) x WHERE i.price > 30 ORDER BY 1, 2, i.tenant_id",
    "SELECT id, name FROM items WHERE price > 30 AND EXISTS (SELECT FROM sales s, (SELECT 1 AS kind) x WHERE s.item = kind) ORDER BY 1, 2, tenant_id",
];

async fn stage() -> &'static Stage {
    STAGE.get_or_init(lay).await
}

/// Two servers and an oracle with the same rows.
async fn lay() -> Stage {
    let fleet = Fleet::builder().servers(2).start().await.unwrap();
    let daemon =
        fleet.daemon().section("[gather]\nmax_bytes = \"2MB\"\narray_rows = 20").start().await.unwrap();
    let oracle = fleet.oracle().await.unwrap();
    let (client, other) = (daemon.connect().await.unwrap(), oracle.connect("app").await.unwrap());
    client.batch_execute(SCHEMA).await.unwrap();
    other.batch_execute(SCHEMA).await.unwrap();
    client.batch_execute(ROWS[0]).await.unwrap();
    for rows in ROWS {
        other.batch_execute(rows).await.unwrap();
    }
    for table in ["items", "sales"] {
        let out = other.copy_out(&format!("COPY {table} TO STDOUT")).await.unwrap();
        let data: Vec<Bytes> = out.try_collect().await.unwrap();
        let sink = client.copy_in(&format!("COPY {table} FROM STDIN")).await.unwrap();
        let mut sink = std::pin::pin!(sink);
        sink.send(Bytes::from(data.concat())).await.unwrap();
        sink.finish().await.unwrap();
    }
    Stage { fleet, daemon, oracle }
}

/// The rows of an answer as text.
async fn rows(client: &Client, text: &str) -> Vec<Vec<Option<String>>> {
    let answer = client.simple_query(text).await.unwrap_or_else(|error| panic!("{text}: {error:?}"));
    let row = |message: &SimpleQueryMessage| match message {
        SimpleQueryMessage::Row(row) => {
            Some((0..row.len()).map(|column| row.get(column).map(str::to_owned)).collect())
        }
        _ => None,
    };
    answer.iter().filter_map(row).collect()
}

async fn way(client: &Client, text: &str) -> String {
    rows(client, &format!("EXPLAIN {text}")).await[0][0].clone().unwrap()
}

const GATHERED: &[&str] = &[
    "SELECT tenant_id, id, row_number() OVER (ORDER BY price DESC, tenant_id, id) FROM items ORDER BY 1, 2",
    "SELECT DISTINCT ON (kind) kind, name, tenant_id, id FROM items ORDER BY kind, price, tenant_id, id",
    "SELECT kind, mood, count(*), grouping(kind) FROM items GROUP BY ROLLUP (kind, mood) ORDER BY kind, mood",
    "SELECT a.tenant_id, b.tenant_id, a.id FROM items a JOIN items b ON a.price = b.price AND a.tenant_id < b.tenant_id ORDER BY 1, 2, 3",
    "SELECT kind, count(DISTINCT name), string_agg(name, ',' ORDER BY name, id), stddev(price) FROM items GROUP BY kind ORDER BY kind",
    "SELECT kind, sum(price) / count(*) AS mean FROM items GROUP BY kind HAVING count(*) > 3 ORDER BY mean DESC, kind LIMIT 3",
    "SELECT name FROM items WHERE price > 3 UNION SELECT title FROM kinds ORDER BY 1",
    "SELECT kind FROM items EXCEPT SELECT kind FROM kinds ORDER BY 1",
    "SELECT k.title, (SELECT max(i.price) FROM items i WHERE i.kind = k.kind) FROM kinds k ORDER BY 1",
    "SELECT k.kind, i.id FROM kinds k LEFT JOIN items i ON i.kind = k.kind AND i.id = 1 AND i.price > 4 ORDER BY 1, 2, i.tenant_id",
    "SELECT price FROM items WHERE price > (SELECT avg(price) FROM items) ORDER BY price FETCH FIRST 3 ROWS WITH TIES",
    "WITH RECURSIVE up(id) AS (SELECT min(id) FROM items UNION ALL SELECT id + 1 FROM up WHERE id < (SELECT max(id) FROM items)) SELECT * FROM up",
    "SELECT min(mood), max(name), array_agg(DISTINCT code ORDER BY code DESC) FROM items",
    "SELECT i.tenant_id, i.id, tags, spot, mood, label, extra, during FROM items i ORDER BY name, code, tenant_id, id",
    "SELECT i.name, x.id FROM items i, LATERAL (SELECT s.id FROM sales s WHERE s.item = i.id ORDER BY s.amount DESC, s.tenant_id LIMIT 1) x ORDER BY i.name, i.tenant_id, i.id",
    "SELECT count(DISTINCT price) FROM items NATURAL JOIN sales",
    "SELECT i.id FROM items i WHERE EXISTS (SELECT * FROM sales s WHERE s.amount > i.price * 20) ORDER BY i.id, i.tenant_id",
    "SELECT pg_typeof(price), pg_typeof(label), pg_typeof(spot), pg_typeof(tags), name < 'N', code < 'N' FROM items ORDER BY row_number() OVER (ORDER BY tenant_id, id) LIMIT 1",
    "SELECT i.name, s.amount FROM items i JOIN sales s ON s.tenant_id = i.tenant_id AND s.item = i.id WHERE s.amount > 3 ORDER BY i.name, s.amount, i.tenant_id LIMIT 10 OFFSET 2",
    "SELECT i.name, sum(s.amount), avg(s.amount), avg(i.kind), sum(i.kind), count(*) c, count(k.title), min(i.name), max(i.code), max(label), bool_or(k.title > 'B') FROM items i JOIN sales s ON s.tenant_id = i.tenant_id AND s.item = i.id LEFT JOIN kinds k ON k.kind = i.kind GROUP BY i.name HAVING count(*) > 3 ORDER BY sum(s.amount) / count(*) DESC, 1",
    "SELECT extract(month FROM sold) AS m, left(code, 1) || 'x', sum(amount) FILTER (WHERE item > 2) FROM sales s, items i WHERE i.tenant_id = s.tenant_id AND i.id = s.item GROUP BY 1, left(code, 1) || 'x' ORDER BY 1, 2",
    "SELECT m, n, sum(v) FROM (SELECT extract(day FROM s.sold) AS m, i.name AS n, s.amount * 2 AS v FROM items i, sales s WHERE s.tenant_id = i.tenant_id AND s.item = i.id) x GROUP BY m, n ORDER BY n, m",
    "SELECT DISTINCT name, mood FROM items ORDER BY name, mood",
    "SELECT * FROM items i LEFT JOIN sales s ON s.tenant_id = i.tenant_id AND s.id = i.id + 5 ORDER BY i.name, i.tenant_id, i.id",
    "SELECT name, (SELECT count(*) FROM sales s WHERE s.item = i.id) FROM items i WHERE EXISTS (SELECT 1 FROM sales s WHERE s.tenant_id = i.tenant_id AND s.item = i.id AND s.amount > 8) ORDER BY name, tenant_id, id",
    "SELECT name, count(*), rank() OVER (ORDER BY count(*) DESC, name) FROM items GROUP BY name ORDER BY 3",
    "SELECT count(DISTINCT name), avg(price), sum(kind) FROM items WHERE price > 1000000",
    "SELECT min(name), avg(price), sum(kind), count(*) FROM items WHERE price > 1000000",
    "SELECT name FROM items ORDER BY name FETCH FIRST 4 ROWS WITH TIES",
    "SELECT kind FROM items i GROUP BY kind HAVING sum(price) > (SELECT avg(price) * 10 FROM items) ORDER BY kind",
    "SELECT i.*, sum(s.amount) FROM items i JOIN sales s ON s.item = i.id GROUP BY i.tenant_id, i.id ORDER BY i.name, i.tenant_id, i.id",
    "SELECT i.name, code, k.title, count(*) FROM items i JOIN kinds k ON k.kind = i.kind JOIN sales s ON s.item = i.id GROUP BY i.tenant_id, i.id, k.kind ORDER BY 1, 2, 3, 4",
    "SELECT title, count(DISTINCT name) FROM dear GROUP BY title ORDER BY title",
    "SELECT t.title, t.total, (SELECT max(d.name) FROM dear d WHERE d.title = t.title) FROM totals AS t ORDER BY total",
    "SELECT k.title, (SELECT avg(s.amount) FROM sales s WHERE s.item = k.kind) FROM kinds k ORDER BY 1",
    "SELECT count(*), sum(kind) FROM items WHERE price > (SELECT max(price) * 2 FROM items)",
    "SELECT kind, count(*) FROM items WHERE id + 1 = ANY (SELECT item FROM sales WHERE sold > '2026-01-05') GROUP BY kind ORDER BY kind",
    "SELECT jsonb_agg(i ORDER BY tenant_id, id) FROM items i WHERE id = 2",
];

#[tokio::test]
async fn what_no_merge_answers_is_answered_as_by_one_postgresql() {
    let stage = stage().await;
    let (client, oracle) =
        (stage.daemon.connect().await.unwrap(), stage.oracle.connect("app").await.unwrap());
    for text in GATHERED {
        let expected = rows(&oracle, text).await;
        assert_eq!(rows(&client, text).await, expected, "over temporary tables where there are many: {text}");
        let in_transaction = rows(&client, &format!("BEGIN; {text}; COMMIT")).await;
        assert_eq!(in_transaction, expected, "over arrays: {text}");
        assert!(way(&client, text).await.starts_with("pgherd: gather on"), "{text} is gathered");
    }
    for server in stage.fleet.servers() {
        let direct = server.connect("app").await.unwrap();
        let left = "SELECT count(*) FROM pg_class WHERE relname LIKE '%pgherd_part%'";
        assert_eq!(direct.query_one(left, &[]).await.unwrap().get::<_, i64>(0), 0, "no table is left behind");
    }
}

#[tokio::test]
async fn keys_of_one_side_of_a_join_change_no_answer() {
    let stage = stage().await;
    let (client, oracle) =
        (stage.daemon.connect().await.unwrap(), stage.oracle.connect("app").await.unwrap());
    let mut asked = 0;
    for text in KEYED {
        let expected = rows(&oracle, text).await;
        assert_eq!(rows(&client, text).await, expected, "{text}");
        for begin in ["BEGIN", "BEGIN ISOLATION LEVEL REPEATABLE READ"] {
            let in_transaction = rows(&client, &format!("{begin}; {text}; COMMIT")).await;
            assert_eq!(in_transaction, expected, "{begin}: {text}");
        }
        let plan = rows(&client, &format!("EXPLAIN (ANALYZE) {text}")).await.concat();
        asked += usize::from(plan.iter().flatten().any(|line| line.starts_with("  Keys ")));
    }
    assert!(asked > 12, "{asked} statements of {} ask for keys", KEYED.len());
}

#[tokio::test]
async fn explain_shows_what_each_server_gives_and_what_becomes_of_it() {
    let stage = stage().await;
    let client = stage.daemon.connect().await.unwrap();
    let text = "EXPLAIN (ANALYZE) SELECT name, sum(price) / count(*) FROM items WHERE id > 2 GROUP BY name";
    let lines: Vec<String> = rows(&client, text).await.into_iter().flatten().flatten().collect();
    let text = lines.join("\n");
    for words in [
        "pgherd: gather on alpha, beta",
        "Server alpha: SELECT 1::int4 AS part",
        "Server beta: SELECT",
        "Part 1, items: 1",
        "bytes in",
        "Then, on server",
        "Function Scan on",
    ] {
        assert!(text.contains(words), "{words} in {text}");
    }
    for begin in ["DECLARE c CURSOR FOR", "CREATE TABLE copied AS", "CREATE MATERIALIZED VIEW copied AS"] {
        let begun = way(&client, &format!("{begin} SELECT id, rank() OVER (ORDER BY id) FROM items")).await;
        assert!(begun.starts_with("pgherd: gather on alpha, beta"), "{begin}: {begun}");
    }
    let made = "EXPLAIN (ANALYZE) CREATE TABLE copied AS SELECT * FROM items";
    assert_eq!(client.simple_query(made).await.unwrap_err().code().unwrap().code(), "0A000");
}

#[tokio::test]
async fn a_view_over_sharded_tables_is_read_as_any_table() {
    let stage = stage().await;
    let (client, oracle) =
        (stage.daemon.connect().await.unwrap(), stage.oracle.connect("app").await.unwrap());
    for text in
        ["SELECT * FROM dear WHERE tenant_id = 4 ORDER BY id", "SELECT count(*), sum(worth) FROM dear"]
    {
        assert_eq!(rows(&client, text).await, rows(&oracle, text).await, "{text}");
    }
    assert!(way(&client, "SELECT * FROM dear WHERE tenant_id = 4").await.contains("single"));
    client.batch_execute("SET app.tenant = '4'").await.unwrap();
    let of_tenant = rows(&client, "SELECT title, worth, name FROM dear ORDER BY id").await;
    assert_eq!(
        of_tenant,
        rows(&oracle, "SELECT title, worth, name FROM dear WHERE tenant_id = 4 ORDER BY id").await
    );
}

#[tokio::test]
async fn parameters_and_binary_results_are_as_in_one_postgresql() {
    let stage = stage().await;
    let (client, oracle) =
        (stage.daemon.connect().await.unwrap(), stage.oracle.connect("app").await.unwrap());
    let text = "SELECT name, rank() OVER (ORDER BY price) AS place, $1::text || name FROM items \
                WHERE kind = $2 AND price > $3::float8::numeric ORDER BY place, name, tenant_id, id";
    for kind in 0..6_i32 {
        let parameters: [&(dyn tokio_postgres::types::ToSql + Sync); 3] = [&"x", &kind, &1.5_f64];
        let (one, other) =
            (client.query(text, &parameters).await.unwrap(), oracle.query(text, &parameters).await.unwrap());
        let read = |row: &tokio_postgres::Row| {
            (row.get::<_, String>(0), row.get::<_, i64>(1), row.get::<_, String>(2))
        };
        assert_eq!(one.iter().map(read).collect::<Vec<_>>(), other.iter().map(read).collect::<Vec<_>>());
        assert!(!one.is_empty());
    }
}

#[tokio::test]
async fn a_transaction_sees_its_own_writes_and_nobody_else_does() {
    let stage = stage().await;
    let (mut client, other) = (stage.daemon.connect().await.unwrap(), stage.daemon.connect().await.unwrap());
    let text = "SELECT count(DISTINCT tenant_id) FROM sales WHERE sold > date '2030-01-01'";
    let transaction = client.transaction().await.unwrap();
    for tenant in 1..=6_i64 {
        transaction
            .execute("INSERT INTO sales VALUES ($1, 1000, 1, 1, '2031-01-01')", &[&tenant])
            .await
            .unwrap();
    }
    assert_eq!(transaction.query_one(text, &[]).await.unwrap().get::<_, i64>(0), 6);
    assert_eq!(other.query_one(text, &[]).await.unwrap().get::<_, i64>(0), 0);
    transaction.rollback().await.unwrap();
    assert_eq!(client.query_one(text, &[]).await.unwrap().get::<_, i64>(0), 0);
}

#[tokio::test]
async fn a_statement_that_gathers_too_much_fails_and_leaves_nothing_behind() {
    let stage = stage().await;
    let client = stage.daemon.connect().await.unwrap();
    for tenant in 1..=8 {
        let fill = "INSERT INTO wide SELECT {}, i, repeat('x', 1000) FROM generate_series(1, 1000) i";
        client.batch_execute(&fill.replace("{}", &tenant.to_string())).await.unwrap();
    }
    let error = client.query("SELECT body, count(*) OVER () FROM wide", &[]).await.unwrap_err();
    let error = error.as_db_error().unwrap();
    assert_eq!(error.code().code(), "53400");
    assert!(error.message().contains("2097152"), "{}", error.message());
    for server in stage.fleet.servers() {
        let direct = server.connect("app").await.unwrap();
        until("no transaction is left open", Duration::from_secs(10), async || {
            let open = "SELECT count(*) FROM pg_stat_activity WHERE state LIKE 'idle in transaction%'";
            direct.query_one(open, &[]).await.unwrap().get::<_, i64>(0) == 0
        })
        .await;
    }
    assert_eq!(
        client.query_one("SELECT count(DISTINCT id) FROM wide", &[]).await.unwrap().get::<_, i64>(0),
        1000
    );
}

#[tokio::test]
async fn a_cursor_over_all_tenants_is_read_as_any_cursor() {
    let stage = stage().await;
    let (client, oracle) =
        (stage.daemon.connect().await.unwrap(), stage.oracle.connect("app").await.unwrap());
    let text = "BEGIN; DECLARE c SCROLL CURSOR FOR SELECT name, tenant_id, id, count(*) OVER () FROM items \
                ORDER BY name, 2, 3; FETCH 3 FROM c; FETCH 2 FROM c; FETCH ABSOLUTE 7 FROM c; COMMIT";
    assert_eq!(rows(&client, text).await, rows(&oracle, text).await);
    let error =
        client.simple_query("DECLARE c CURSOR FOR SELECT DISTINCT name FROM items").await.unwrap_err();
    assert_eq!(error.code().unwrap().code(), "25P01");
}

#[tokio::test]
async fn a_cancel_ends_a_statement_wherever_it_runs() {
    let stage = stage().await;
    let client = stage.daemon.connect().await.unwrap();
    let token = client.cancel_token();
    let running = async |words: &str| {
        let mut count = 0;
        for server in stage.fleet.servers() {
            let direct = server.connect("app").await.unwrap();
            let text = "SELECT count(*) FROM pg_stat_activity WHERE state = 'active' AND pid <> pg_backend_pid() \
                        AND query LIKE '%' || $1 || '%'";
            count += direct.query_one(text, &[&words]).await.unwrap().get::<_, i64>(0);
        }
        count
    };
    for (text, words) in [
        (
            "SELECT count(DISTINCT v.id) FROM items v, items w, items x, items y, items z \
             WHERE v.price + w.price > 7 - x.price - y.price - z.price",
            "7 - x.price",
        ),
        ("SELECT count(DISTINCT name) FROM items WHERE pg_sleep(20) IS NOT NULL", "pg_sleep(20)"),
    ] {
        let canceling = async {
            until("the statement runs", Duration::from_secs(10), async || running(words).await > 0).await;
            token.cancel_query(tokio_postgres::NoTls).await.unwrap();
        };
        let (answer, ()) = tokio::join!(client.query(text, &[]), canceling);
        let error = answer.unwrap_err();
        assert_eq!(error.code().unwrap().code(), "57014", "{error}");
        until("nothing runs any more", Duration::from_secs(10), async || running(words).await == 0).await;
        let names = rows(&client, "SELECT count(DISTINCT name) FROM items").await;
        assert_eq!(names, [[Some("7".to_owned())]], "the session goes on");
    }
}

#[tokio::test]
async fn two_statements_are_computed_on_two_servers() {
    // Servers that nobody else keeps busy.
    let stage = lay().await;
    let (one, two) = (stage.daemon.connect().await.unwrap(), stage.daemon.connect().await.unwrap());
    // Few rows, as arrays; many, in temporary tables.
    for condition in ["WHERE id = 1 AND kind = 2", ""] {
        let text =
            |number| format!("SELECT count(DISTINCT name), pg_sleep(3{number}) FROM items {condition}");
        let computing = async |number| {
            let mut places = Vec::new();
            for (place, server) in stage.fleet.servers().iter().enumerate() {
                let direct = server.connect("app").await.unwrap();
                let count = "SELECT count(*) FROM pg_stat_activity WHERE state = 'active' AND query LIKE $1";
                let words = format!("SELECT count(DISTINCT%pg_sleep(3{number})%");
                if direct.query_one(count, &[&words]).await.unwrap().get::<_, i64>(0) > 0 {
                    places.push(place);
                }
            }
            places
        };
        let watching = async {
            until("the first is computed", Duration::from_secs(10), async || computing(1).await.len() == 1)
                .await;
            let second = async {
                until("the second, too", Duration::from_secs(10), async || computing(2).await.len() == 1)
                    .await;
                let places = (computing(1).await, computing(2).await);
                for client in [&one, &two] {
                    client.cancel_token().cancel_query(tokio_postgres::NoTls).await.unwrap();
                }
                places
            };
            let text = text(2);
            tokio::join!(two.simple_query(&text), second).1
        };
        let first = text(1);
        let (_, places) = tokio::join!(one.simple_query(&first), watching);
        assert_ne!(places.0, places.1, "{condition}");
    }
}

#[tokio::test]
async fn answers_stay_exact_while_tenants_move() {
    let stage = stage().await;
    let (client, oracle) =
        (stage.daemon.connect().await.unwrap(), stage.oracle.connect("app").await.unwrap());
    let mut expected = Vec::new();
    for text in GATHERED {
        expected.push(rows(&oracle, text).await);
    }
    for to in ["beta", "alpha"] {
        let tenants = ["move", "start", "--tenants", "1,2,3,4,5,6,7,8,9", "--to", to, "--confirm"];
        stage.daemon.asked(&tenants).await.unwrap();
        let mut rounds = 0;
        loop {
            let moves = stage.daemon.asked(&["moves", "--json"]).await.unwrap();
            for (text, expected) in GATHERED.iter().zip(&expected) {
                assert_eq!(
                    &rows(&client, text).await,
                    expected,
                    "round {rounds} of the move to {to}: {text}"
                );
            }
            rounds += 1;
            let moves: Vec<serde_json::Value> = serde_json::from_str(&moves).unwrap();
            if moves.iter().all(|one| matches!(one["phase"].as_str(), Some("done" | "aborted"))) {
                break;
            }
        }
        assert!(rounds > 1, "statements ran during the move");
    }
}
