//! Writes over rows of several servers: what they answer and what stands afterwards is what one
//! PostgreSQL with all the rows would answer and hold.
#![allow(clippy::unwrap_used)]

use std::time::Duration;

use tests::{Answer, Daemon, Fleet, Oracle, Session, until};
use tokio::sync::OnceCell;

static STAGE: OnceCell<(Fleet, Daemon, Oracle)> = OnceCell::const_new();

async fn stage() -> &'static (Fleet, Daemon, Oracle) {
    let start = async || {
        let fleet = Fleet::builder().servers(3).start().await.unwrap();
        // Sequences that count as one PostgreSQL's, for the comparison.
        let daemon = fleet.daemon().key("database", "sequence_stride = 1").start().await.unwrap();
        let oracle = fleet.oracle().await.unwrap();
        (fleet, daemon, oracle)
    };
    STAGE.get_or_init(start).await
}

/// A session of pgherd and one of the oracle that are told the same.
struct Pair {
    ours: Session,
    oracle: Session,
}

impl Pair {
    /// With a schema of its own, made of these statements.
    async fn new(schema: &str, statements: &str) -> Pair {
        let (_, daemon, oracle) = stage().await;
        let mut pair =
            Pair { ours: daemon.session("app").await.unwrap(), oracle: oracle.session("app").await.unwrap() };
        let setup = format!("CREATE SCHEMA {schema}; SET search_path = {schema}; {statements}");
        for answer in pair.ours.simple(&setup).await.unwrap() {
            assert!(answer.fault.is_none(), "{answer}");
        }
        for answer in pair.oracle.simple(&setup).await.unwrap() {
            assert!(answer.fault.is_none(), "{answer}");
        }
        pair
    }

    /// Users of 30 tenants, their orders, and countries on every server.
    async fn shop(schema: &str) -> Pair {
        let mut pair = Pair::new(
            schema,
            "CREATE TABLE users (tenant_id bigint, id int, name text, score int DEFAULT 7, country int, \
               made timestamptz DEFAULT '2026-01-01', PRIMARY KEY (tenant_id, id)); \
             CREATE TABLE orders (tenant_id bigint, id int, user_id int, total numeric(10,2), tags int[], \
               PRIMARY KEY (tenant_id, id)); \
             CREATE TABLE countries (id int PRIMARY KEY, code text, rate numeric)",
        )
        .await;
        pair.same("INSERT INTO countries VALUES (1, 'de', 1.5), (2, 'fr', 2), (3, 'it', NULL)").await;
        let users: String = (1..=30)
            .flat_map(|tenant| (1..=3).map(move |id| (tenant, id)))
            .map(|(tenant, id)| {
                format!("INSERT INTO users VALUES ({tenant}, {id}, 'u{tenant}_{id}', {}, {id});", tenant * id)
            })
            .collect();
        let orders: String = (1..=30)
            .map(|tenant| {
                format!("INSERT INTO orders VALUES ({tenant}, 1, 1, {tenant}.5), ({tenant}, 2, 2, 10);")
            })
            .collect();
        for sql in [users, orders] {
            pair.ours.simple(&sql).await.unwrap();
            pair.oracle.simple(&sql).await.unwrap();
        }
        pair.holds_the_same("users").await;
        pair.holds_the_same("orders").await;
        pair
    }

    /// The same answer, rows in any order.
    async fn same(&mut self, sql: &str) -> Answer {
        let (ours, theirs) = (self.ours.ask(sql).await.unwrap(), self.oracle.ask(sql).await.unwrap());
        agree(sql, &ours, &theirs, false);
        ours
    }

    /// The same answer, rows in the same order.
    async fn same_in_order(&mut self, sql: &str) -> Answer {
        let (ours, theirs) = (self.ours.ask(sql).await.unwrap(), self.oracle.ask(sql).await.unwrap());
        agree(sql, &ours, &theirs, true);
        ours
    }

    /// The same answer in the extended protocol.
    async fn same_extended(&mut self, sql: &str, parameters: &[Option<&str>]) -> Answer {
        let parameters: Vec<Option<String>> =
            parameters.iter().map(|value| value.map(str::to_owned)).collect();
        let ours = self.ours.extended(sql, &parameters).await.unwrap();
        let theirs = self.oracle.extended(sql, &parameters).await.unwrap();
        agree(sql, &ours, &theirs, true);
        ours
    }

    /// The same answer to each, in one protocol or the other, some of them within a transaction; afterwards
    /// the tables hold the same.
    async fn all_same(&mut self, statements: &[&str], tables: &[&str]) {
        for (number, sql) in statements.iter().enumerate() {
            let within = number % 3 == 1;
            if within {
                self.same("BEGIN").await;
                self.same("SAVEPOINT s").await;
            }
            let failed = match number % 2 {
                0 => self.same(sql).await.fault.is_some(),
                _ => {
                    let ours = self.ours.extended(sql, &[]).await.unwrap();
                    let theirs = self.oracle.extended(sql, &[]).await.unwrap();
                    agree(sql, &ours, &theirs, false);
                    ours.fault.is_some()
                }
            };
            if within {
                if failed {
                    self.same("ROLLBACK TO s").await;
                }
                self.same("COMMIT").await;
            }
            for table in tables {
                self.same(&format!("SELECT * FROM {table}")).await;
            }
        }
        nothing_is_left_prepared().await;
    }

    async fn holds_the_same(&mut self, table: &str) {
        let sql = format!("SELECT * FROM {table}");
        let ours = self.ours.ask(&sql).await.unwrap();
        let theirs = self.oracle.ask(&sql).await.unwrap();
        assert!(!theirs.rows.is_empty(), "{table} is empty");
        agree(&sql, &ours, &theirs, false);
    }

    /// Refused, and nothing of it stands.
    async fn refused(&mut self, sql: &str) {
        let answer = self.ours.ask(sql).await.unwrap();
        assert!(answer.fault.as_ref().is_some_and(tests::Fault::is_refusal), "{sql}: {answer}");
    }
}

fn agree(sql: &str, ours: &Answer, theirs: &Answer, in_order: bool) {
    assert_eq!(ours.sqlstate(), theirs.sqlstate(), "{sql}\nours {ours}\noracle {theirs}");
    let message = |answer: &Answer| answer.fault.as_ref().map(|fault| fault.message.clone());
    assert_eq!(message(ours), message(theirs), "{sql}");
    assert_eq!(ours.tag, theirs.tag, "{sql}\nours {ours}\noracle {theirs}");
    let (one, other) = match in_order {
        true => (ours.clone(), theirs.clone()),
        false => (ours.clone().sorted(), theirs.clone().sorted()),
    };
    // The OIDs of the user's own types differ from server to server.
    let named = |answer: &Answer| -> Vec<(String, u32)> {
        answer.columns.iter().map(|column| (column.name.clone(), column.type_oid.min(16_384))).collect()
    };
    if ours.fault.is_none() {
        assert_eq!(named(&one), named(&other), "{sql}");
    }
    assert_eq!(one.rows, other.rows, "{sql}");
}

async fn nothing_is_left_prepared() {
    let (fleet, ..) = stage().await;
    until("no prepared transaction is left", Duration::from_secs(30), async || {
        for server in fleet.servers() {
            let client = server.connect("app").await.unwrap();
            let row = client.query_one("SELECT count(*) FROM pg_prepared_xacts", &[]).await.unwrap();
            if row.get::<_, i64>(0) > 0 {
                return false;
            }
        }
        true
    })
    .await;
}

/// Each of these is done by each server for its own rows.
const BY_EACH_SERVER: [&str; 16] = [
    "UPDATE users SET score = score + 1",
    "UPDATE users SET score = score * 2, name = upper(name) WHERE score > 20 RETURNING *",
    "UPDATE users u SET score = c.id FROM countries c WHERE c.id = u.country AND c.code = 'fr'",
    "UPDATE orders o SET total = total + u.score FROM users u WHERE u.tenant_id = o.tenant_id AND u.id = o.user_id RETURNING o.tenant_id, o.id, total, u.name",
    "UPDATE users SET (name, score) = (SELECT code, id FROM countries WHERE id = users.country) WHERE id < 3",
    "UPDATE users SET score = DEFAULT WHERE id = 2 RETURNING tenant_id, score",
    "UPDATE users u SET score = (SELECT count(*) FROM orders o WHERE o.tenant_id = u.tenant_id AND o.user_id = u.id)",
    "WITH rich AS (SELECT tenant_id, user_id FROM orders WHERE total > 20) UPDATE users u SET name = 'rich' FROM rich r WHERE r.tenant_id = u.tenant_id AND r.user_id = u.id",
    "UPDATE users SET score = 0 WHERE tenant_id IN (1, 2, 3, 4) RETURNING tenant_id, id",
    "UPDATE users SET score = NULL WHERE country IN (SELECT id FROM countries WHERE rate IS NULL)",
    "UPDATE orders SET tags = '{1,2}', tags[3] = 4 WHERE id = 2",
    "DELETE FROM orders WHERE total > 25 RETURNING tenant_id, id, total",
    "DELETE FROM orders o USING users u WHERE u.tenant_id = o.tenant_id AND u.id = o.user_id AND u.name = 'U7_1'",
    "DELETE FROM users u WHERE NOT EXISTS (SELECT FROM orders o WHERE o.tenant_id = u.tenant_id AND o.user_id = u.id)",
    "DELETE FROM orders WHERE false",
    "INSERT INTO orders (tenant_id, id, user_id, total) SELECT tenant_id, id + 100, id, score FROM users",
];

#[tokio::test]
async fn updates_and_deletes_over_all_tenants_are_those_of_one_server() {
    let mut pair = Pair::shop("each").await;
    for sql in BY_EACH_SERVER {
        pair.same(sql).await;
        pair.holds_the_same("users").await;
        pair.holds_the_same("orders").await;
    }
    nothing_is_left_prepared().await;
}

#[tokio::test]
async fn a_write_over_all_tenants_lives_and_dies_with_its_transaction() {
    let mut pair = Pair::shop("within").await;
    for sql in [
        "BEGIN",
        "UPDATE users SET score = 1000",
        "SAVEPOINT one",
        "DELETE FROM orders",
        "SELECT count(*) FROM orders",
        "ROLLBACK TO one",
        "SELECT count(*) FROM orders",
        "UPDATE users SET score = 10 / (tenant_id - 13)",
        "SELECT 1",
        "ROLLBACK TO one",
        "SELECT sum(score) FROM users",
        "DELETE FROM orders WHERE id = 2",
        "COMMIT",
    ] {
        pair.same(sql).await;
    }
    pair.holds_the_same("users").await;
    pair.holds_the_same("orders").await;
    for sql in ["BEGIN", "DELETE FROM users", "ROLLBACK", "UPDATE users SET score = 10 / (tenant_id - 13)"] {
        pair.same(sql).await;
    }
    pair.holds_the_same("users").await;
    nothing_is_left_prepared().await;
}

#[tokio::test]
async fn a_write_over_all_tenants_takes_parameters() {
    let mut pair = Pair::shop("parameters").await;
    let update =
        "UPDATE users SET score = $2, name = $1 WHERE score > $3 RETURNING tenant_id, id, name, score";
    let ours = pair.ours.extended(update, &["x", "5", "30"].map(|v| Some(v.to_owned()))).await.unwrap();
    let theirs = pair.oracle.extended(update, &["x", "5", "30"].map(|v| Some(v.to_owned()))).await.unwrap();
    agree(update, &ours, &theirs, false);
    pair.same_extended("DELETE FROM orders WHERE total < $1", &[Some("12")]).await;
    pair.same_extended("DELETE FROM orders WHERE total < $1", &[None]).await;
    pair.same_extended("DELETE FROM orders WHERE total < $1", &[Some("no number")]).await;
    pair.holds_the_same("users").await;
    pair.holds_the_same("orders").await;
}

#[tokio::test]
async fn what_is_refused_writes_nothing() {
    let mut pair = Pair::shop("refused").await;
    for sql in [
        "UPDATE users SET score = nextval('pg_catalog.nothing')",
        "SELECT * FROM users JOIN orders USING (tenant_id) ORDER BY score LIMIT 3 FOR UPDATE",
        "MERGE INTO users u USING orders o ON o.user_id = u.id WHEN MATCHED THEN DELETE",
        "WITH d AS (DELETE FROM orders RETURNING user_id) UPDATE users SET score = 0 FROM d WHERE d.user_id = users.id AND users.score = (SELECT max(total) FROM orders)",
    ] {
        pair.refused(sql).await;
    }
    pair.holds_the_same("users").await;
}

#[tokio::test]
async fn rows_of_all_tenants_are_locked() {
    let (_, daemon, _) = stage().await;
    let mut pair = Pair::shop("locked").await;
    pair.same("BEGIN").await;
    let locked = pair
        .same_in_order("SELECT tenant_id, id FROM users WHERE score > 20 ORDER BY tenant_id, id FOR UPDATE");
    assert!(locked.await.rows.len() > 10);
    let mut other = daemon.session("app").await.unwrap();
    other.ask("SET search_path = locked").await.unwrap();
    let free = other.ask("SELECT count(*) FROM users WHERE score <= 20").await.unwrap();
    let skipped =
        other.ask("SELECT tenant_id FROM users ORDER BY tenant_id FOR UPDATE SKIP LOCKED").await.unwrap();
    assert_eq!(skipped.rows.len().to_string(), free.value(), "the others are free");
    let waiting = other.ask("SELECT id FROM users FOR SHARE NOWAIT").await.unwrap();
    assert_eq!(waiting.sqlstate(), "55P03");
    pair.same("COMMIT").await;
}

#[tokio::test]
async fn now_is_one_moment_in_a_write_over_all_tenants() {
    let mut pair = Pair::shop("moment").await;
    pair.ours.ask("UPDATE users SET made = now()").await.unwrap();
    let distinct = pair.ours.ask("SELECT DISTINCT made FROM users").await.unwrap();
    assert_eq!(distinct.rows.len(), 1, "{distinct}");
}

/// Tables for INSERT: one with all sorts of defaults, one whose key has a default, one named by uuid.
const BOXES: &str = "CREATE TABLE boxes (tenant_id bigint, id int, label text DEFAULT 'none', weight numeric(6,2), \
       made timestamptz DEFAULT now(), doubled int GENERATED ALWAYS AS (id * 2) STORED, PRIMARY KEY (tenant_id, id)); \
     CREATE TABLE firms (tenant_id bigint GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY, name text, at timestamptz DEFAULT now()); \
     CREATE TABLE kinds (id int PRIMARY KEY, tenant bigint, name text); \
     CREATE SEQUENCE numbers START 100";

const INSERTS: [&str; 25] = [
    "INSERT INTO boxes (tenant_id, id) VALUES (1, 1), (2, 1), (3, 1), (4, 1), (5, 1)",
    "INSERT INTO boxes (tenant_id, id, label) VALUES (1, 2, 'a'), (2, 2, 'b'), (3, 2, DEFAULT), (4, 2, NULL) RETURNING id, tenant_id, label, doubled",
    "INSERT INTO boxes (id, tenant_id, label, weight) VALUES (3, 9, 'x', 1.005), (3, 8, 'y', 2), (3, 7, 'z', 3), (3, 6, 'w', 4) RETURNING *",
    "INSERT INTO boxes (tenant_id, id) VALUES (1, 1), (20, 1), (21, 1)",
    "INSERT INTO boxes (tenant_id, id) VALUES (30, 1), (NULL, 1), (31, 1)",
    "INSERT INTO boxes (tenant_id, id) VALUES (30, 1), (31, NULL), (32, 1)",
    "INSERT INTO boxes (tenant_id, id, label) VALUES (1, 1, 'again'), (40, 1, 'new'), (2, 1, 'again'), (41, 1, 'new') ON CONFLICT DO NOTHING RETURNING tenant_id, label",
    "INSERT INTO boxes (tenant_id, id, label) VALUES (1, 1, 'u'), (42, 1, 'n'), (2, 1, 'u'), (3, 1, 'u') ON CONFLICT (tenant_id, id) DO UPDATE SET label = excluded.label || boxes.label RETURNING tenant_id, label",
    "INSERT INTO boxes (tenant_id, id) VALUES (50, 1), (51, 1), (50, 1), (52, 1) ON CONFLICT (tenant_id, id) DO UPDATE SET label = 'twice'",
    "INSERT INTO boxes (tenant_id, id) VALUES (50, 1), (51, 1), (50, 1), (52, 1) ON CONFLICT DO NOTHING",
    "INSERT INTO boxes AS b (tenant_id, id, label) VALUES (1, 1, 'v'), (2, 1, 'v') ON CONFLICT (tenant_id, id) DO UPDATE SET label = excluded.label WHERE b.tenant_id = 2 RETURNING tenant_id, label",
    "INSERT INTO boxes (tenant_id, id, label) VALUES (60 + 1, 1, 'sum'), (61 * 2, 2, lower('ABC')), (abs(-63), 3, upper('x'))",
    "INSERT INTO boxes (tenant_id, id) VALUES ((SELECT max(id) FROM kinds), 70), (71, (SELECT min(id) FROM kinds))",
    "INSERT INTO boxes (tenant_id, id) VALUES (nextval('numbers'), 1), (nextval('numbers'), 2) RETURNING tenant_id, id",
    "INSERT INTO boxes (tenant_id, id) VALUES ((SELECT max(tenant_id) FROM boxes WHERE tenant_id = 5), 99)",
    "INSERT INTO boxes (tenant_id, id) VALUES (1, 90), (2, 'no number'), (3, 90)",
    "INSERT INTO boxes (tenant_id, id, id) VALUES (1, 91, 1), (2, 91, 1)",
    "INSERT INTO boxes (tenant_id, id, nothing) VALUES (1, 91, 1), (2, 91, 1)",
    "INSERT INTO boxes (tenant_id, id, doubled) VALUES (1, 92, 1), (2, 92, 1)",
    "INSERT INTO firms (name) VALUES ('one') RETURNING tenant_id, name",
    "INSERT INTO firms (name) VALUES ('two'), ('three'), ('four') RETURNING name, tenant_id",
    "INSERT INTO firms VALUES (DEFAULT, 'five'), (70, 'six'), (DEFAULT, 'seven') RETURNING tenant_id",
    "INSERT INTO firms DEFAULT VALUES RETURNING tenant_id, name",
    "INSERT INTO firms (tenant_id, name) VALUES (1, 'taken')",
    "INSERT INTO boxes (tenant_id, id, weight) VALUES (1.0, 93, 1), (2, 94, 1)",
];

#[tokio::test]
async fn rows_of_values_go_where_they_belong() {
    let mut pair = Pair::new("inserted", BOXES).await;
    pair.same("INSERT INTO kinds VALUES (1, 1, 'a'), (2, 2, 'b'), (74, 7, 'c')").await;
    for sql in INSERTS {
        let stamped = sql.contains("RETURNING *");
        let sql = if stamped {
            sql.replace("RETURNING *", "RETURNING tenant_id, id, label, weight, doubled")
        } else {
            sql.to_owned()
        };
        if sql.contains("1.0, 93") {
            pair.refused(&sql).await;
            pair.oracle.ask("SELECT 1").await.unwrap();
            continue;
        }
        pair.same_in_order(&sql).await;
    }
    pair.holds_the_same("(SELECT tenant_id, id, label, weight, doubled FROM boxes) b").await;
    pair.holds_the_same("(SELECT tenant_id, name FROM firms) f").await;
    nothing_is_left_prepared().await;
    each_row_is_at_home("inserted.boxes").await;
    each_row_is_at_home("inserted.firms").await;
}

/// No tenant has rows on two servers, and all servers have some.
async fn each_row_is_at_home(table: &str) {
    let (fleet, ..) = stage().await;
    let mut all: Vec<String> = Vec::new();
    for server in fleet.servers() {
        let client = server.connect("app").await.unwrap();
        let rows = client.query(&format!("SELECT DISTINCT tenant_id::text FROM {table}"), &[]).await.unwrap();
        all.extend(rows.iter().map(|row| row.get::<_, String>(0)));
    }
    let count = all.len();
    all.sort();
    all.dedup();
    assert_eq!(count, all.len(), "a tenant of {table} has rows on two servers");
}

#[tokio::test]
async fn rows_of_values_take_parameters() {
    let mut pair = Pair::new("bound", BOXES).await;
    pair.same("INSERT INTO kinds VALUES (1, 1, 'a'), (2, 2, 'b')").await;
    let some = |values: &[&'static str]| values.iter().map(|value| Some(*value)).collect::<Vec<_>>();
    for (sql, values) in [
        (
            "INSERT INTO boxes (tenant_id, id, label) VALUES ($1, $2, $3), ($4, $5, $6), ($7, $8, $9)",
            some(&["1", "2", "a", "2", "5", "b", "3", "8", "c"]),
        ),
        (
            "INSERT INTO boxes (tenant_id, id, label) VALUES ($3, $2, $1), ($6, $5, $1) RETURNING id, label, tenant_id",
            some(&["same", "2", "11", "unused", "3", "12"][..]),
        ),
        (
            "INSERT INTO boxes (tenant_id, id) VALUES ($1 + 1, $2), ($1 + 2, $2::int + 1) RETURNING tenant_id, id",
            some(&["30", "3"]),
        ),
        (
            "INSERT INTO boxes (tenant_id, id) VALUES ($1, $1), ($2, $2) RETURNING tenant_id, id",
            some(&["31", "32"]),
        ),
        (
            "INSERT INTO boxes (tenant_id, id, label) SELECT $1, id, $2 FROM kinds RETURNING tenant_id, id, label",
            some(&["33", "x"]),
        ),
        (
            "INSERT INTO boxes (tenant_id, id, label) SELECT tenant, id + $1, $2 FROM kinds ORDER BY id DESC LIMIT $3 RETURNING tenant_id, id, label",
            some(&["500", "y", "2"]),
        ),
        ("INSERT INTO boxes (tenant_id, id) VALUES ($1, $2), ($3, $4)", some(&["1", "77", "no key", "77"])),
    ] {
        if sql.contains("($6, $5") {
            continue;
        }
        pair.same_extended(sql, &values).await;
    }
    pair.holds_the_same("(SELECT tenant_id, id, label, weight, doubled FROM boxes) b").await;
    each_row_is_at_home("bound.boxes").await;
}

const SELECTED: [&str; 14] = [
    "INSERT INTO boxes (tenant_id, id, label, made) SELECT tenant_id, id, name, made FROM users",
    "INSERT INTO boxes (tenant_id, id, label) SELECT tenant_id + 1000, id, 'moved' FROM users",
    "INSERT INTO boxes (tenant_id, id, label) SELECT tenant_id, id + 100, 'limited' FROM users ORDER BY tenant_id DESC, id LIMIT 7 RETURNING tenant_id, id",
    "INSERT INTO boxes (tenant_id, id) SELECT 5, tenant_id * 10 + id + 1000 FROM users WHERE id = 3",
    "INSERT INTO boxes (tenant_id, id, weight) SELECT tenant_id, 2000, sum(total) FROM orders GROUP BY tenant_id",
    "INSERT INTO boxes (tenant_id, id, label) SELECT 2000 + c.id, 1, c.code FROM countries c",
    "INSERT INTO boxes (tenant_id, id) SELECT s, 3000 FROM generate_series(1, 40) s",
    "INSERT INTO boxes (tenant_id, id, weight) SELECT tenant_id, id, NULL FROM users ON CONFLICT DO NOTHING",
    "INSERT INTO boxes (tenant_id, id, weight) SELECT tenant_id, id, '12.345' FROM users ORDER BY 1, 2 LIMIT 5 ON CONFLICT (tenant_id, id) DO UPDATE SET weight = excluded.weight + 1 RETURNING tenant_id, id, weight",
    "INSERT INTO boxes (tenant_id, id) SELECT tenant_id, id FROM users",
    "INSERT INTO boxes (tenant_id, id) SELECT tenant_id, id FROM users WHERE false RETURNING id",
    "WITH top AS (SELECT tenant_id, id FROM users WHERE score > 60) INSERT INTO boxes (tenant_id, id) SELECT tenant_id + 4000, id FROM top",
    "WITH gone AS (DELETE FROM orders WHERE tenant_id = 3 RETURNING id, total) INSERT INTO boxes (tenant_id, id, weight) SELECT 5000 + id, id, total FROM gone",
    "INSERT INTO orders SELECT tenant_id + 1, id + 100, user_id, total, '{1,2,NULL}'::int[] FROM orders",
];

#[tokio::test]
async fn selected_rows_go_where_they_belong() {
    let mut pair = Pair::shop("selected").await;
    pair.same(
        "CREATE TABLE boxes (tenant_id bigint, id int, label text DEFAULT 'none', weight numeric(6,2), \
           made timestamptz, PRIMARY KEY (tenant_id, id))",
    )
    .await;
    for sql in SELECTED {
        pair.same(sql).await;
        pair.holds_the_same("boxes").await;
    }
    pair.holds_the_same("orders").await;
    each_row_is_at_home("selected.boxes").await;
    nothing_is_left_prepared().await;
}

#[tokio::test]
async fn an_insert_of_many_tenants_is_whole_or_not_there() {
    let mut pair = Pair::new("whole", BOXES).await;
    for sql in [
        "INSERT INTO boxes (tenant_id, id) SELECT s, 1 FROM generate_series(1, 20) s",
        "BEGIN",
        "SAVEPOINT a",
        "INSERT INTO boxes (tenant_id, id) VALUES (1, 2), (2, 2), (3, 2), (4, 2)",
        "SAVEPOINT b",
        "INSERT INTO boxes (tenant_id, id) VALUES (5, 2), (6, 2), (7, 2), (8, 2), (7, 2)",
        "ROLLBACK TO b",
        "SELECT count(*) FROM boxes",
        "INSERT INTO boxes (tenant_id, id) SELECT s, 3 FROM generate_series(1, 20) s",
        "COMMIT",
        "INSERT INTO boxes (tenant_id, id) SELECT s, 4 FROM generate_series(1, 20) s UNION ALL SELECT 17, 1",
        "SELECT count(*) FROM boxes",
    ] {
        pair.same(sql).await;
    }
    let moments = pair.ours.ask("SELECT DISTINCT made FROM boxes WHERE id = 3").await.unwrap();
    assert_eq!(moments.rows.len(), 1, "now() is one moment: {moments}");
    nothing_is_left_prepared().await;
}

#[tokio::test]
async fn a_session_of_one_tenant_computes_its_key_and_no_other() {
    let mut pair = Pair::new("one_tenant", BOXES).await;
    pair.ours.ask("SET app.tenant = '7'").await.unwrap();
    for (sql, sqlstate) in [
        ("INSERT INTO boxes (tenant_id, id) VALUES (3 + 4, 1)", ""),
        ("INSERT INTO boxes (tenant_id, id) VALUES (3 + 5, 1)", "42501"),
        ("INSERT INTO boxes (tenant_id, id) SELECT 7, s FROM generate_series(2, 3) s", ""),
        ("INSERT INTO boxes (tenant_id, id) SELECT s, 4 FROM generate_series(6, 7) s", "42501"),
        ("INSERT INTO boxes (tenant_id, id) SELECT tenant_id, id + 10 FROM boxes ORDER BY id LIMIT 1", ""),
    ] {
        let answer = pair.ours.ask(sql).await.unwrap();
        assert_eq!(answer.sqlstate(), sqlstate, "{sql}: {answer}");
    }
    assert_eq!(pair.ours.ask("SELECT count(*) FROM boxes").await.unwrap().value(), "4");
}

const COPIES: [&str; 16] = [
    "COPY users TO STDOUT",
    "COPY users (name, tenant_id) TO STDOUT WITH (FORMAT csv, HEADER, FORCE_QUOTE (name))",
    "COPY odd TO STDOUT",
    "COPY odd TO STDOUT (FORMAT csv)",
    "COPY odd TO STDOUT (FORMAT csv, NULL 'none', QUOTE '''', ESCAPE '\\', DELIMITER ';', FORCE_QUOTE *)",
    "COPY odd TO STDOUT (DELIMITER '|', NULL '')",
    "COPY odd (words) TO STDOUT CSV HEADER",
    "COPY (SELECT tenant_id, score FROM users WHERE score > 40 ORDER BY score DESC, tenant_id) TO STDOUT (HEADER)",
    "COPY (SELECT count(*), sum(score) FROM users) TO STDOUT",
    "COPY (SELECT u.name, o.total FROM users u JOIN orders o ON o.user_id = u.id ORDER BY 1, 2 LIMIT 20) TO STDOUT",
    "COPY (SELECT * FROM users WHERE false) TO STDOUT CSV HEADER",
    "COPY (DELETE FROM orders WHERE tenant_id > 28 RETURNING tenant_id, id) TO STDOUT",
    "COPY (SELECT 1 / (score - 40) FROM users) TO STDOUT",
    "COPY nothing TO STDOUT",
    "COPY users (nothing) TO STDOUT",
    "COPY countries TO STDOUT",
];

#[tokio::test]
async fn copy_to_gives_the_rows_of_all_servers_once() {
    let mut pair = Pair::shop("copied").await;
    pair.same("CREATE TABLE odd (tenant_id bigint PRIMARY KEY, words text, bits bytea, list text[])").await;
    pair.same(
        "INSERT INTO odd VALUES (1, 'a,b;c|d', '\\x00ff', '{a,\"b c\"}'), (2, E'tab\\tnew\\nline\\\\ \\r\\b\\f', NULL, NULL), \
           (3, '\\.', '', '{}'), (4, '', 'x', '{NULL}'), (5, NULL, NULL, NULL), (6, '\"quoted\" ''too''', 'y', NULL), (7, 'none', 'é', NULL)",
    )
    .await;
    for sql in COPIES {
        let (ours, theirs) = (pair.ours.ask(sql).await.unwrap(), pair.oracle.ask(sql).await.unwrap());
        let (mut one, mut other) = (ours.clone().sorted(), theirs.clone().sorted());
        if sql.contains("ORDER BY") || sql.contains("HEADER") {
            (one.copied, other.copied) = (ours.copied.clone(), theirs.copied.clone());
        }
        if sql.contains("HEADER") && !sql.contains("ORDER BY") {
            let head = |copied: &str| copied.lines().next().unwrap_or_default().to_owned();
            assert_eq!(head(&one.copied), head(&other.copied), "{sql}");
            (one, other) = (ours.sorted(), theirs.sorted());
        }
        assert_eq!(one.sqlstate(), other.sqlstate(), "{sql}: {one}");
        if one.fault.is_none() {
            assert_eq!(one.copied, other.copied, "{sql}");
            assert_eq!(one.tag, other.tag, "{sql}");
        }
    }
    pair.holds_the_same("orders").await;
}

#[tokio::test]
async fn binary_copy_of_all_servers_can_be_copied_back() {
    let (_, daemon, _) = stage().await;
    let mut pair = Pair::shop("bits").await;
    pair.ours.ask("CREATE TABLE again (LIKE users INCLUDING ALL)").await.unwrap();
    let client = daemon.connect().await.unwrap();
    let stream = client.copy_out("COPY bits.users TO STDOUT (FORMAT binary)").await.unwrap();
    let data: Vec<bytes::Bytes> = futures_util::TryStreamExt::try_collect(stream).await.unwrap();
    let data = data.concat();
    let answer = pair.ours.copy_in("COPY again FROM STDIN (FORMAT binary)", &data).await.unwrap();
    assert_eq!(answer.tag, "COPY 90", "{answer}");
    let differ =
        "SELECT count(*) FROM users u FULL JOIN again a USING (tenant_id, id) WHERE u.* IS DISTINCT FROM a.*";
    let differ = pair.ours.ask(differ).await.unwrap();
    assert_eq!(differ.value(), "0", "{differ}");
}

#[tokio::test]
async fn the_tag_of_returning_counts_the_rows_of_each_execute() {
    let mut pair = Pair::shop("parts").await;
    for rows in [50, 90] {
        let sql = "UPDATE users SET score = score + 1 RETURNING tenant_id, id";
        let mut heard = Vec::new();
        for session in [&mut pair.ours, &mut pair.oracle] {
            session.queue_parse("", sql).unwrap().queue_bind("", &[]).unwrap();
            for _ in 0..3 {
                session.queue_execute(rows).unwrap();
            }
            session.sync().await.unwrap();
            let messages = session.until_ready().await.unwrap();
            let ends: Vec<String> = messages
                .iter()
                .filter(|message| {
                    matches!(
                        message,
                        tests::Message::Complete(_) | tests::Message::Suspended | tests::Message::Error(_)
                    )
                })
                .map(|message| format!("{message:?}"))
                .collect();
            heard.push(ends);
        }
        assert_eq!(heard[0], heard[1], "{rows} rows at a time");
    }
}

/// Writes to a table of which every server has a copy; what they compute is another value each time.
const COMPUTED: [&str; 11] = [
    "INSERT INTO plans (name) VALUES ('free'), ('team'), ('firm') RETURNING id, name",
    "INSERT INTO plans (name, token) SELECT 'made ' || g, gen_random_uuid() FROM generate_series(1, 300) g",
    "UPDATE plans SET token = gen_random_uuid(), price = random() * 100 WHERE id < 100",
    "UPDATE plans p SET at = clock_timestamp() WHERE p.id < 50",
    "DELETE FROM plans WHERE random() < 0.3",
    "INSERT INTO plans (id, name) VALUES (1, 'again'), (2, 'again') ON CONFLICT (id) DO UPDATE SET name = excluded.name || random(), at = now()",
    "INSERT INTO plans (id, name) VALUES (1, 'again'), (900, 'new') ON CONFLICT DO NOTHING RETURNING *",
    "WITH late AS (SELECT id FROM plans WHERE id > 200) UPDATE plans SET price = random() FROM late WHERE late.id = plans.id RETURNING plans.id, price",
    "UPDATE plans SET price = DEFAULT WHERE id = 5",
    "INSERT INTO plans (id, name) OVERRIDING SYSTEM VALUE VALUES (1000, 'by hand')",
    "DELETE FROM plans WHERE at < now() - interval '1 day' RETURNING id",
];

#[tokio::test]
async fn what_is_random_is_the_same_in_every_copy() {
    let (fleet, ..) = stage().await;
    let mut pair = Pair::new(
        "copies",
        "CREATE TABLE plans (id int GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY, name text, token uuid, \
           price numeric DEFAULT random(), at timestamptz DEFAULT now(), tags text[] DEFAULT '{a,b}', \
           twice numeric GENERATED ALWAYS AS (price * 2) STORED)",
    )
    .await;
    for (number, sql) in COMPUTED.iter().enumerate() {
        let within = number % 2 == 0;
        if within {
            pair.ours.ask("BEGIN").await.unwrap();
        }
        let answer = pair.ours.ask(sql).await.unwrap();
        assert!(answer.fault.is_none(), "{sql}: {answer}");
        if within {
            pair.ours.ask("COMMIT").await.unwrap();
        }
        let mut copies = Vec::new();
        for server in fleet.servers() {
            let client = server.connect("app").await.unwrap();
            let text = "SELECT coalesce(string_agg(p::text, ';' ORDER BY id), '') FROM copies.plans p";
            copies.push(client.query_one(text, &[]).await.unwrap().get::<_, String>(0));
        }
        assert!(!copies[0].is_empty(), "{sql}");
        assert!(copies.iter().all(|copy| *copy == copies[0]), "{sql}");
    }
    let one = pair.ours.ask("INSERT INTO plans (name) VALUES ('last') RETURNING name").await.unwrap();
    assert_eq!((one.tag.as_str(), one.value()), ("INSERT 0 1", "last"));
    let sql = "INSERT INTO plans (name) VALUES ($1) RETURNING name";
    let bound = pair.ours.extended(sql, &[Some("x".to_owned())]).await.unwrap();
    assert_eq!(bound.value(), "x");
    let taken = pair.ours.ask("INSERT INTO plans (id, name) VALUES (1000, 'taken')").await.unwrap();
    assert_eq!(taken.sqlstate(), "23505");
    nothing_is_left_prepared().await;
}

/// Writes that need rows of other servers than the written row's, or give rows another tenant.
const CHOSEN: [&str; 25] = [
    "UPDATE users SET (name, score) = (SELECT max(name), max(total) + 1 FROM orders JOIN users u USING (id)) WHERE id = 1 RETURNING *",
    "UPDATE users SET (score, name) = (SELECT count(*), 'n' || users.id FROM orders o WHERE o.id = users.id), country = DEFAULT WHERE tenant_id > 20",
    "UPDATE orders SET (user_id, total) = ROW (DEFAULT, (SELECT max(score) FROM users)), tags[2] = (SELECT min(id) FROM users) WHERE id = 1 RETURNING tenant_id, user_id, total, tags",
    "UPDATE orders SET tags[id + 1] = (SELECT count(*) FROM users x WHERE x.id = orders.id), tags[1:2] = '{7,8}' WHERE tenant_id < 4 RETURNING *",
    "UPDATE users SET (name, score) = (SELECT name, score FROM users x WHERE x.id = users.id) WHERE tenant_id = 1",
    "UPDATE users SET (name, score) = (SELECT name, score FROM users x WHERE x.id = 77) WHERE tenant_id = 1 AND id = 1 RETURNING *",
    "UPDATE users SET score = (SELECT max(total) FROM orders) WHERE id = 1",
    "UPDATE users SET score = score + o.cnt FROM (SELECT user_id, count(*) AS cnt FROM orders GROUP BY user_id) o WHERE o.user_id = users.id",
    "DELETE FROM users WHERE (tenant_id, id) IN (SELECT tenant_id, id FROM users ORDER BY score DESC, tenant_id, id LIMIT 10) RETURNING tenant_id, id, name",
    "UPDATE users u SET name = 'top' || u.name, score = DEFAULT WHERE score >= (SELECT avg(score) FROM users) RETURNING *",
    "DELETE FROM orders o USING users u WHERE u.id = o.user_id AND u.tenant_id = 2 AND o.tenant_id > 25",
    "WITH best AS (SELECT tenant_id FROM orders ORDER BY total DESC, tenant_id LIMIT 3) UPDATE users SET name = 'best' WHERE tenant_id IN (SELECT tenant_id FROM best)",
    "UPDATE users SET score = 1 WHERE tenant_id = (SELECT max(tenant_id) FROM orders) RETURNING tenant_id, id",
    "DELETE FROM users WHERE score > (SELECT sum(total) FROM orders) RETURNING id, name",
    "UPDATE users SET tenant_id = 1000 + tenant_id WHERE id = 2 RETURNING tenant_id, id, name, score, made",
    "UPDATE users SET tenant_id = 77, name = 'moved', country = DEFAULT WHERE tenant_id = 4 AND id = 1 RETURNING *",
    "UPDATE users SET tenant_id = 9 WHERE tenant_id = 10 AND id = 1",
    "UPDATE users SET tenant_id = NULL WHERE tenant_id = 10 AND id = 1",
    "UPDATE users SET tenant_id = tenant_id WHERE id = 1",
    "UPDATE orders SET tenant_id = 500, tags = tags || 9 WHERE tenant_id IN (1, 2) AND id = tenant_id RETURNING tenant_id, id, total, tags",
    "UPDATE orders SET tenant_id = 501 WHERE id = 2 AND tenant_id < 4",
    "UPDATE users SET score = (SELECT count(*) FROM users x WHERE x.score < users.score)",
    "UPDATE users SET score = 'x' || (SELECT max(name) FROM users)",
    "DELETE FROM orders WHERE user_id IN (SELECT id FROM users WHERE score > 20) AND tenant_id > 20",
    "UPDATE users SET name = (SELECT string_agg(name, ',' ORDER BY name) FROM users) WHERE tenant_id = 12",
];

#[tokio::test]
async fn writes_that_need_rows_of_other_servers_are_those_of_one_server() {
    let mut pair = Pair::shop("chosen").await;
    for (number, sql) in CHOSEN.iter().enumerate() {
        if number % 3 == 0 {
            pair.same("BEGIN").await;
        }
        let failed = !pair.same(sql).await.sqlstate().is_empty();
        if number % 3 == 0 {
            pair.same(if failed { "ROLLBACK" } else { "COMMIT" }).await;
        }
        pair.holds_the_same("users").await;
        pair.holds_the_same("orders").await;
    }
    let some = |values: &[&'static str]| values.iter().map(|value| Some(*value)).collect::<Vec<_>>();
    for (sql, values) in [
        (
            "UPDATE users SET tenant_id = $1 WHERE tenant_id = $2 AND id = $3 RETURNING name, tenant_id",
            some(&["2000", "15", "1"]),
        ),
        (
            "UPDATE users SET score = $1 + (SELECT min(score) FROM users) WHERE score > $2 AND tenant_id = 16",
            some(&["5", "-1"]),
        ),
        (
            "DELETE FROM orders WHERE total < (SELECT max(score) FROM users WHERE score < $1) AND tenant_id = $2",
            some(&["1000", "17"]),
        ),
    ] {
        pair.same_extended(sql, &values).await;
    }
    pair.holds_the_same("users").await;
    pair.holds_the_same("orders").await;
    each_row_is_at_home("chosen.users").await;
    each_row_is_at_home("chosen.orders").await;
    nothing_is_left_prepared().await;
}

#[tokio::test]
async fn a_row_does_not_change_its_tenant_where_others_would_see_it_deleted() {
    let mut pair = Pair::new(
        "watched",
        "CREATE TABLE owners (tenant_id bigint, id int, PRIMARY KEY (tenant_id, id)); \
         CREATE TABLE pets (tenant_id bigint, id int, owner int, PRIMARY KEY (tenant_id, id), \
           FOREIGN KEY (tenant_id, owner) REFERENCES owners (tenant_id, id) ON DELETE CASCADE)",
    )
    .await;
    pair.same("INSERT INTO owners VALUES (1, 1), (2, 2), (3, 3)").await;
    pair.same("INSERT INTO pets VALUES (1, 1, 1), (2, 1, 2), (3, 1, 3)").await;
    pair.refused("UPDATE owners SET tenant_id = 4 WHERE tenant_id = 1").await;
    pair.same("UPDATE pets SET tenant_id = 2, owner = 2, id = 5 WHERE tenant_id = 1 RETURNING *").await;
    pair.same("UPDATE pets SET tenant_id = 9 WHERE tenant_id = 3").await;
    pair.holds_the_same("owners").await;
    pair.holds_the_same("pets").await;
}

#[tokio::test]
async fn a_row_that_changes_meanwhile_is_not_overwritten_with_what_was_computed_before() {
    let (_, daemon, _) = stage().await;
    let mut pair = Pair::shop("race").await;
    pair.ours.ask("UPDATE users SET score = 0").await.unwrap();
    let add = "UPDATE users SET score = score + 1 + 0 * (SELECT count(*)::int FROM users x WHERE x.id = 1)";
    let mut tasks = Vec::new();
    for _ in 0..6 {
        let mut session = daemon.session("app").await.unwrap();
        tasks.push(tokio::spawn(async move {
            session.ask("SET search_path = race").await.unwrap();
            for _ in 0..12 {
                let answer = session.ask(add).await.unwrap();
                assert!(answer.fault.is_none(), "{answer}");
            }
        }));
    }
    for task in tasks {
        task.await.unwrap();
    }
    let scores = pair.ours.ask("SELECT min(score), max(score) FROM users").await.unwrap();
    assert_eq!(scores.rows, [[Some("72".to_owned()), Some("72".to_owned())]]);
}

#[tokio::test]
async fn rows_that_a_write_returns_are_kept_up_to_a_bound() {
    let (fleet, ..) = stage().await;
    let narrow =
        fleet.daemon().name("narrow").section("[merge]\nmax_bytes = \"64kB\"").start().await.unwrap();
    let mut session = narrow.session("app").await.unwrap();
    let setup = "CREATE SCHEMA bounded; CREATE TABLE bounded.notes (tenant_id bigint, id int, text text, PRIMARY KEY (tenant_id, id)); \
         CREATE TABLE bounded.sorts (id int PRIMARY KEY, text text DEFAULT repeat(md5(random()::text), 4000))";
    for answer in session.simple(setup).await.unwrap() {
        assert!(answer.fault.is_none(), "{answer}");
    }
    for sql in [
        "INSERT INTO bounded.notes SELECT n, 1, repeat('x', 9000) FROM generate_series(1, 20) n",
        "INSERT INTO bounded.notes VALUES (1, 2, 'x'), (2, 2, 'x'), (3, 2, 'x') RETURNING repeat(text, 40000)",
        "INSERT INTO bounded.sorts (id) VALUES (1), (2) RETURNING text",
    ] {
        let answer = session.ask(sql).await.unwrap();
        assert_eq!(answer.sqlstate(), "53400", "{sql}: {answer}");
        assert!(answer.rows.is_empty(), "{sql}: {answer}");
    }
    session.ask("INSERT INTO bounded.notes VALUES (1, 1, 'x'), (2, 1, 'y'), (3, 1, 'z')").await.unwrap();
    let chosen = "UPDATE bounded.notes SET text = text || (SELECT count(*) FROM bounded.notes) RETURNING repeat(text, 30000)";
    assert_eq!(session.ask(chosen).await.unwrap().sqlstate(), "53400");
    let left = session.ask("SELECT string_agg(text, '' ORDER BY text) FROM bounded.notes").await.unwrap();
    assert_eq!(left.value(), "xyz", "nothing of what was too large stands");
    let left = session.ask("SELECT count(*) FROM bounded.sorts").await.unwrap();
    assert_eq!(left.value(), "0");
}

/// Each of these is done by each server for its own rows, source and target together.
const MERGES: [&str; 9] = [
    "MERGE INTO users u USING orders o ON u.tenant_id = o.tenant_id AND u.id = o.user_id WHEN MATCHED AND o.total > 20 THEN DELETE WHEN MATCHED THEN UPDATE SET score = o.id, name = name || o.total",
    "MERGE INTO users u USING (SELECT tenant_id AS t, id + 7 AS n, total FROM orders WHERE total > 12) s ON s.t = u.tenant_id AND s.n = u.id WHEN MATCHED THEN DO NOTHING WHEN NOT MATCHED THEN INSERT (tenant_id, id, name, score) VALUES (s.t, s.n, 'merged', s.total)",
    "MERGE INTO users USING countries c ON users.country = c.id WHEN MATCHED AND c.code = 'fr' THEN UPDATE SET name = c.code, score = DEFAULT WHEN MATCHED AND users.score > 70 THEN DELETE WHEN NOT MATCHED THEN DO NOTHING",
    "WITH rich AS (SELECT tenant_id, max(total) AS total FROM orders GROUP BY tenant_id) MERGE INTO users u USING rich r ON r.tenant_id = u.tenant_id WHEN MATCHED AND r.total > 15 THEN UPDATE SET (name, score) = (SELECT code, id FROM countries WHERE id = u.country)",
    "MERGE INTO orders o USING (SELECT a.tenant_id, b.id AS n FROM users a LEFT JOIN orders b ON a.tenant_id = b.tenant_id WHERE a.id = 1) s ON s.tenant_id = o.tenant_id AND s.n = o.id WHEN MATCHED THEN UPDATE SET total = total + 1, tags[2] = 5",
    "MERGE INTO orders o USING users u ON u.tenant_id = o.tenant_id WHEN MATCHED THEN UPDATE SET total = u.id",
    "MERGE INTO orders o USING users u ON u.tenant_id = o.tenant_id AND o.id = u.id WHEN NOT MATCHED THEN INSERT VALUES (u.tenant_id, u.id, u.id, 1, '{4}')",
    "MERGE INTO users u USING orders o ON u.tenant_id = o.tenant_id AND u.id = o.id WHEN MATCHED AND u.score > (SELECT count(*) FROM orders x WHERE x.tenant_id = u.tenant_id) THEN DELETE",
    "MERGE INTO users u USING orders o ON u.tenant_id = o.tenant_id AND u.id = o.id WHEN MATCHED THEN UPDATE SET score = 1 / (u.tenant_id - 17)",
];

#[tokio::test]
async fn merge_into_the_rows_of_all_tenants_is_that_of_one_server() {
    let mut pair = Pair::shop("merges").await;
    pair.all_same(&MERGES, &["users", "orders"]).await;
    pair.refused("MERGE INTO users u USING countries c ON u.country = c.id WHEN NOT MATCHED THEN INSERT (tenant_id, id) VALUES (c.id, 1)").await;
    pair.holds_the_same("users").await;
    each_row_is_at_home("merges.users").await;
    each_row_is_at_home("merges.orders").await;
    nothing_is_left_prepared().await;
}

/// Writes in WITH that each server does for its own rows; what they give is merged.
const WITHIN: [&str; 14] = [
    "WITH d AS (DELETE FROM orders WHERE total > 25 RETURNING *) SELECT count(*), sum(total), min(tenant_id) FROM d",
    "WITH d AS (UPDATE users SET score = score + 1 WHERE id = 2 RETURNING tenant_id, id, score) SELECT * FROM d",
    "WITH d AS (UPDATE users SET score = score + 1 WHERE id = 1 RETURNING tenant_id, id, score) SELECT tenant_id, score FROM d ORDER BY score DESC, tenant_id LIMIT 4 OFFSET 2",
    "WITH d AS (DELETE FROM orders WHERE id = 2 AND tenant_id < 9 RETURNING *) INSERT INTO orders (tenant_id, id, user_id, total) SELECT tenant_id, id + 50, user_id, total * 2 FROM d RETURNING tenant_id, id, total",
    "WITH d AS (DELETE FROM orders WHERE tenant_id > 27 RETURNING tenant_id, user_id) UPDATE users u SET name = 'sold' FROM d WHERE d.tenant_id = u.tenant_id AND d.user_id = u.id RETURNING u.tenant_id, u.id, u.name",
    "WITH d AS (DELETE FROM orders WHERE tenant_id = 4 RETURNING *), u AS (UPDATE users SET score = 0 FROM d WHERE d.tenant_id = users.tenant_id RETURNING users.tenant_id, users.id) SELECT (SELECT count(*) FROM orders o WHERE o.tenant_id = u.tenant_id) AS seen, u.* FROM u",
    "WITH u AS (UPDATE users SET score = 9 WHERE country = 3 RETURNING *) SELECT c.code, count(*) FROM u JOIN countries c ON c.id = u.country GROUP BY c.code",
    "WITH u AS (UPDATE users SET name = 'new' WHERE id = 3 RETURNING tenant_id, id, name) SELECT users.name, u.name FROM users JOIN u USING (tenant_id, id)",
    "WITH u AS (UPDATE users SET score = 10 / (tenant_id - 13) RETURNING *) SELECT count(*) FROM u",
    "WITH d AS (DELETE FROM users WHERE false RETURNING *) SELECT count(*), max(score) FROM d",
    "WITH d AS (DELETE FROM users WHERE tenant_id = 30 RETURNING id, name) SELECT name FROM d ORDER BY id",
    "WITH n AS (INSERT INTO orders (tenant_id, id, total) VALUES (5, 900, 1), (5, 901, 2) RETURNING tenant_id, id) INSERT INTO orders (tenant_id, id, total) SELECT tenant_id, id + 10, 3 FROM n RETURNING tenant_id, id, total",
    "WITH n AS (INSERT INTO orders (tenant_id, id, total) VALUES (5, 920, 1) RETURNING *) INSERT INTO orders (tenant_id, id, total) SELECT 5, id + 10, 3 FROM n",
    "WITH n AS (SELECT tenant_id, id FROM users WHERE id = 1), d AS (DELETE FROM orders o USING n WHERE n.tenant_id = o.tenant_id AND o.id = n.id) SELECT count(*) FROM n",
];

#[tokio::test]
async fn writes_in_with_over_all_tenants_are_those_of_one_server() {
    let mut pair = Pair::shop("within_with").await;
    pair.all_same(&WITHIN, &["users", "orders"]).await;
    let ordered = "WITH d AS (UPDATE users SET score = score + 1 WHERE id = 1 RETURNING tenant_id, score) SELECT * FROM d ORDER BY score DESC, tenant_id LIMIT 4 OFFSET 2";
    pair.same_in_order(ordered).await;
    nothing_is_left_prepared().await;
}

#[tokio::test]
async fn code_that_would_write_one_copy_only_is_refused() {
    let mut pair = Pair::new(
        "audited",
        "CREATE TABLE audit (id uuid DEFAULT gen_random_uuid() PRIMARY KEY, what text);
         CREATE TABLE plain (tenant_id bigint PRIMARY KEY, n int);
         CREATE TABLE watched (tenant_id bigint PRIMARY KEY, n int);
         CREATE TABLE ruled (tenant_id bigint PRIMARY KEY, n int);
         CREATE FUNCTION note(text) RETURNS void LANGUAGE sql AS $$ INSERT INTO audited.audit (what) VALUES ($1) $$;
         CREATE FUNCTION watch() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM note(TG_OP); RETURN NEW; END $$;
         CREATE TRIGGER watch BEFORE INSERT ON watched FOR EACH ROW EXECUTE FUNCTION watch();
         CREATE RULE log AS ON INSERT TO ruled DO ALSO INSERT INTO audit (what) VALUES ('rule')",
    )
    .await;
    pair.ours.ask("SET app.tenant = '1'").await.unwrap();
    for (statement, writer) in [
        ("SELECT note('x')", "note"),
        ("DO $$ BEGIN INSERT INTO audit (what) VALUES ('x'); END $$", "DO"),
        ("DO $$ BEGIN PERFORM note('x'); END $$", "DO"),
        ("INSERT INTO watched VALUES (1, 1)", "watch"),
        ("COPY watched FROM STDIN", "watch"),
        ("INSERT INTO ruled VALUES (1, 1)", "a rule"),
    ] {
        let answer = pair.ours.ask(statement).await.unwrap();
        let fault = answer.fault.as_ref().unwrap_or_else(|| panic!("{statement}: {answer}"));
        let expected = format!(
            "{writer} writes \"audit\", of which every server has a copy: it would write one copy only"
        );
        assert_eq!((&*fault.sqlstate, &*fault.message), ("0A000", &*expected), "{statement}");
    }
    assert!(pair.ours.ask("INSERT INTO plain VALUES (1, 1)").await.unwrap().fault.is_none());
    assert_eq!(pair.ours.ask("SELECT count(*) FROM watched").await.unwrap().value(), "0");
}

/// MERGE whose source no server has by itself.
const MATCHED: [&str; 12] = [
    "MERGE INTO users u USING (VALUES (1, 1, 'one'), (2, 9, 'two'), (17, 9, NULL), (17, 10, 'x')) s (tenant_id, id, name) ON u.tenant_id = s.tenant_id AND u.id = s.id WHEN MATCHED THEN UPDATE SET name = s.name, score = u.score + 1 WHEN NOT MATCHED THEN INSERT (tenant_id, id, name) VALUES (s.tenant_id, s.id, s.name)",
    "MERGE INTO users u USING (SELECT max(tenant_id) AS t, count(*) AS n, user_id FROM orders GROUP BY user_id) s ON s.t = u.tenant_id AND u.id = s.user_id WHEN MATCHED THEN UPDATE SET score = s.n WHEN NOT MATCHED THEN INSERT (tenant_id, id, score) VALUES (s.t, 20, s.n)",
    "MERGE INTO stamps m USING (SELECT tenant_id, row_number() OVER (ORDER BY total DESC, tenant_id) AS place FROM orders WHERE id = 1) s ON m.tenant_id = s.tenant_id AND m.id = s.place WHEN MATCHED AND s.place > 5 THEN DELETE WHEN MATCHED THEN DO NOTHING WHEN NOT MATCHED AND s.place < 9 THEN INSERT (tenant_id, id) VALUES (s.tenant_id, s.place)",
    "MERGE INTO stamps m USING generate_series(1::bigint, 40) AS s (t) ON m.tenant_id = s.t AND m.id = 1 WHEN MATCHED THEN UPDATE SET label = m.label || '!' WHEN NOT MATCHED THEN INSERT VALUES (s.t, 1, 'n' || s.t, '{1,2}', 'sad')",
    "WITH top AS (SELECT tenant_id FROM orders ORDER BY total DESC, tenant_id LIMIT 4) MERGE INTO users u USING top s ON s.tenant_id = u.tenant_id AND u.id = 1 WHEN MATCHED AND u.score > 10 THEN DELETE WHEN MATCHED THEN UPDATE SET score = (SELECT count(*) FROM orders o WHERE o.tenant_id = u.tenant_id)",
    "MERGE INTO stamps m USING (VALUES (1, 1), (1, 1)) s (t, n) ON m.tenant_id = s.t AND m.id = s.n WHEN MATCHED THEN UPDATE SET label = 'twice'",
    "MERGE INTO stamps m USING (VALUES (NULL::bigint, 1)) s (t, n) ON m.tenant_id = s.t AND m.id = s.n WHEN MATCHED THEN DELETE WHEN NOT MATCHED THEN INSERT (tenant_id, id) VALUES (s.t, s.n)",
    "MERGE INTO stamps m USING (SELECT 1::bigint AS t WHERE false) s ON m.tenant_id = s.t WHEN MATCHED THEN DELETE",
    "MERGE INTO stamps m USING (SELECT max(tenant_id) AS t, '{3,4}'::int[] AS l FROM users) s ON m.tenant_id = s.t AND m.id = 1 WHEN MATCHED THEN UPDATE SET list = s.l, list[2] = 9 WHEN NOT MATCHED THEN INSERT (tenant_id, id, list) VALUES (s.t, 1, s.l)",
    "MERGE INTO stamps m USING (VALUES (3, 1, 0), (4, 1, 1)) s (t, n, by) ON m.tenant_id = s.t AND m.id = s.n WHEN MATCHED THEN UPDATE SET label = (10 / s.by)::text",
    "MERGE INTO stamps m USING (VALUES (3, 1)) s (t, n) ON m.tenant_id = s.t AND m.id = s.n WHEN MATCHED THEN UPDATE SET nothing = 1",
    "MERGE INTO stamps m USING (VALUES (1, 77), (2, 77)) s (t, n) ON m.tenant_id = s.t AND m.id = s.n WHEN NOT MATCHED THEN INSERT (tenant_id, id, mood) VALUES (s.t, s.n, DEFAULT)",
];

const STAMPS: &str = "CREATE TYPE mood AS ENUM ('glad', 'sad'); \
    CREATE TABLE stamps (tenant_id bigint, id int, label text DEFAULT 'none', list int[], mood mood DEFAULT 'glad', PRIMARY KEY (tenant_id, id)); \
    CREATE TABLE names (tenant_id bigint, id int, name text COLLATE \"C\", mood mood, PRIMARY KEY (tenant_id, id))";

#[tokio::test]
async fn merge_of_a_source_that_no_server_has_is_that_of_one_server() {
    let mut pair = Pair::shop("matched").await;
    for answer in pair.ours.simple(STAMPS).await.unwrap() {
        assert!(answer.fault.is_none(), "{answer}");
    }
    pair.oracle.simple(STAMPS).await.unwrap();
    pair.all_same(&MATCHED, &["users", "stamps"]).await;
    let upsert = "MERGE INTO stamps m USING unnest($1::bigint[], $2::int[], $3::text[]) AS s (t, n, label) ON m.tenant_id = s.t AND m.id = s.n \
        WHEN MATCHED THEN UPDATE SET label = s.label || $4 WHEN NOT MATCHED THEN INSERT (tenant_id, id, label) VALUES (s.t, s.n, s.label)";
    let given = [Some("{1,2,3,50,51}"), Some("{1,1,2,2,1}"), Some("{a,b,c,NULL,e}"), Some("+")];
    pair.same_extended(upsert, &given).await;
    pair.same_extended(upsert, &given).await;
    pair.holds_the_same("stamps").await;
    let many = "MERGE INTO stamps m USING (SELECT n % 500 AS t, n AS n, 'many' AS label FROM generate_series(1000::bigint, 21000) n) s ON m.tenant_id = s.t AND m.id = s.n WHEN NOT MATCHED THEN INSERT (tenant_id, id, label) VALUES (s.t, s.n, s.label)";
    pair.same(many).await;
    pair.same("SELECT count(*), sum(id), max(tenant_id) FROM stamps").await;
    each_row_is_at_home("matched.stamps").await;
    each_row_is_at_home("matched.users").await;
    pair.ours.ask("SET app.tenant = '5'").await.unwrap();
    let mine = "MERGE INTO stamps m USING (VALUES (5, 1, 'mine')) s (t, n, label) ON m.tenant_id = s.t AND m.id = s.n WHEN MATCHED THEN UPDATE SET label = s.label WHEN NOT MATCHED THEN INSERT (tenant_id, id, label) VALUES (s.t, s.n, s.label)";
    assert_eq!(pair.ours.ask(mine).await.unwrap().tag, "MERGE 1");
    let other = mine.replace("(5, 1, 'mine')", "(6, 1, 'mine')");
    assert_eq!(pair.ours.ask(&other).await.unwrap().sqlstate(), "42501");
    nothing_is_left_prepared().await;
}

#[tokio::test]
async fn merge_stores_one_time_on_all_servers() {
    let mut pair = Pair::new(
        "merged_at",
        "CREATE TABLE logs (tenant_id bigint, id int, at timestamptz DEFAULT now(), PRIMARY KEY (tenant_id, id)); \
         CREATE TABLE sources (tenant_id bigint, id int, PRIMARY KEY (tenant_id, id))",
    )
    .await;
    pair.ours.ask("INSERT INTO sources SELECT n, 1 FROM generate_series(1, 20) n").await.unwrap();
    for source in ["generate_series(1::bigint, 20) AS s (tenant_id)", "sources s"] {
        let sql = format!(
            "MERGE INTO logs l USING {source} ON l.tenant_id = s.tenant_id AND l.id = 1 WHEN NOT MATCHED THEN INSERT (tenant_id, id) VALUES (s.tenant_id, 1)"
        );
        assert_eq!(pair.ours.ask(&sql).await.unwrap().tag, "MERGE 20");
        assert_eq!(pair.ours.ask("SELECT count(DISTINCT at) FROM logs").await.unwrap().value(), "1");
        pair.ours.ask("DELETE FROM logs").await.unwrap();
    }
}

/// CTEs that write, of which each runs by itself and the rest over what they return.
const STAGED: [&str; 13] = [
    "WITH n AS (INSERT INTO users (tenant_id, id, name) VALUES (1, 50, 'a'), (2, 50, 'b'), (3, 50, 'c') RETURNING *) INSERT INTO orders (tenant_id, id, user_id, total) SELECT tenant_id, 50, id, length(name) FROM n RETURNING tenant_id, id, user_id, total",
    "WITH n AS (INSERT INTO users (tenant_id, id, name) VALUES (1, 51, 'a'), (2, 51, 'b') RETURNING tenant_id, id) SELECT count(*), max(tenant_id) FROM n",
    "WITH d AS (DELETE FROM orders WHERE total > 25 RETURNING tenant_id, total) SELECT tenant_id, rank() OVER (ORDER BY total DESC, tenant_id) FROM d",
    "WITH d AS (DELETE FROM orders WHERE tenant_id = 3 OR tenant_id = 4 RETURNING user_id) UPDATE users SET score = 0 FROM d WHERE d.user_id = users.id AND users.tenant_id > 20 AND users.tenant_id <> 25",
    "WITH d AS (DELETE FROM users WHERE id = 3 AND tenant_id > 25 RETURNING *), i AS (INSERT INTO names SELECT tenant_id, id, name, 'sad' FROM d RETURNING tenant_id, name, mood) SELECT name, mood, (SELECT count(*) FROM i x WHERE x.name <= i.name) FROM i",
    "WITH d AS (DELETE FROM names RETURNING name, mood), o AS (SELECT max(total) AS most FROM orders) SELECT d.*, o.most FROM d, o",
    "WITH n (t, i) AS (INSERT INTO names VALUES (7, 1, 'Zed', 'glad'), (8, 1, 'abe', NULL) RETURNING tenant_id, id, name, mood) SELECT * FROM n",
    "WITH d AS (UPDATE names SET name = name || '.' RETURNING name, tenant_id) SELECT array_agg(name ORDER BY name), count(*) FROM d JOIN users u ON u.id = d.tenant_id",
    "WITH d AS (DELETE FROM orders WHERE false RETURNING total, tags) SELECT sum(total), count(*) OVER () FROM d GROUP BY tags",
    "WITH d AS (DELETE FROM orders WHERE id = 1 AND tenant_id < 5) SELECT max(score) - avg(score) FROM users WHERE score > (SELECT avg(score) FROM users)",
    "WITH d AS (DELETE FROM orders WHERE id = 1 AND tenant_id < 9) SELECT * FROM d",
    "WITH n AS (INSERT INTO users (tenant_id, id) VALUES (1, 60), (2, 1) RETURNING *) SELECT count(*) FROM n",
    "WITH n AS (UPDATE users SET score = 60 WHERE id = 1 AND tenant_id < 6 RETURNING tenant_id, score) MERGE INTO names USING (SELECT max(tenant_id) AS t, sum(score) AS s FROM n) s ON names.tenant_id = s.t WHEN NOT MATCHED THEN INSERT VALUES (s.t, s.s, 'sum', NULL)",
];

#[tokio::test]
async fn writes_in_with_that_others_read_across_tenants_are_those_of_one_server() {
    let mut pair = Pair::shop("staged").await;
    for answer in pair.ours.simple(STAMPS).await.unwrap() {
        assert!(answer.fault.is_none(), "{answer}");
    }
    pair.oracle.simple(STAMPS).await.unwrap();
    pair.same("INSERT INTO names VALUES (100, 1, 'keep', 'glad'), (101, 1, 'Keep', 'glad')").await;
    pair.all_same(&STAGED, &["users", "orders", "names"]).await;
    let sql = "WITH d AS (DELETE FROM orders WHERE total > $1 RETURNING tenant_id, total) SELECT count(*), sum(total) * $2 FROM d HAVING count(*) > $3";
    pair.same_extended(sql, &[Some("20"), Some("2"), Some("0")]).await;
    let sql = "WITH n AS (INSERT INTO users (tenant_id, id, name) VALUES ($1, 70, $2), ($3, 70, $2) RETURNING *) INSERT INTO orders (tenant_id, id, user_id) SELECT tenant_id, $4, id FROM n RETURNING *";
    pair.same_extended(sql, &[Some("1"), Some("n"), Some("2"), Some("70")]).await;
    pair.holds_the_same("orders").await;
    for sql in [
        "WITH d AS (DELETE FROM orders WHERE id = 1 RETURNING *) SELECT count(*) OVER () FROM d JOIN orders USING (id)",
        "WITH a AS (UPDATE users SET score = 1 RETURNING *), b AS (UPDATE users SET score = 2 RETURNING id) SELECT rank() OVER (ORDER BY a.id) FROM a, b",
    ] {
        pair.refused(sql).await;
    }
    pair.holds_the_same("users").await;
    each_row_is_at_home("staged.orders").await;
    nothing_is_left_prepared().await;
}

#[tokio::test]
async fn a_cursor_with_hold_over_all_tenants_outlives_its_transaction() {
    let mut pair = Pair::shop("held").await;
    let declare = "DECLARE c CURSOR WITH HOLD FOR SELECT tenant_id, id, name FROM users WHERE score > 5 ORDER BY score DESC, tenant_id, id";
    for sql in [
        "BEGIN",
        declare,
        "FETCH 3 FROM c",
        "UPDATE users SET name = 'changed' WHERE tenant_id = 30",
        "FETCH 2 FROM c",
        "COMMIT",
        "FETCH 4 FROM c",
        "UPDATE users SET score = 0",
        "MOVE 10 FROM c",
        "FETCH ALL FROM c",
        "CLOSE c",
        "FETCH c",
        "UPDATE users SET score = id * 3",
        declare,
        "FETCH 2 FROM c",
        "BEGIN",
        "FETCH 2 FROM c",
        "ROLLBACK",
        "FETCH 2 FROM c",
        "CLOSE ALL",
        "BEGIN",
        declare,
        "ROLLBACK",
        "FETCH c",
        "DECLARE d CURSOR FOR SELECT id FROM users",
    ] {
        pair.same_in_order(sql).await;
    }
    nothing_is_left_prepared().await;
}

#[tokio::test]
async fn notices_of_all_servers_are_heard_while_rows_are_copied_in() {
    let mut pair = Pair::new(
        "noticed",
        "CREATE TABLE marks (tenant_id bigint, id int, PRIMARY KEY (tenant_id, id)); \
         CREATE FUNCTION say() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE NOTICE 'row % of %', NEW.id, NEW.tenant_id; \
           IF NEW.id = 999 THEN RAISE EXCEPTION 'enough'; END IF; RETURN NEW; END $$; \
         CREATE TRIGGER say BEFORE INSERT ON marks FOR EACH ROW EXECUTE FUNCTION say()",
    )
    .await;
    let rows: String =
        (1..=40).flat_map(|tenant| (1..=50).map(move |id| format!("{tenant}\t{id}\n"))).collect();
    for session in [&mut pair.ours, &mut pair.oracle] {
        session.notices.clear();
        let answer = session.copy_in("COPY marks FROM STDIN", rows.as_bytes()).await.unwrap();
        assert_eq!(answer.tag, "COPY 2000");
        assert_eq!(session.notices.len(), 2000);
    }
    let bad: String = (1..=40).map(|tenant| format!("{tenant}\t999\n")).collect();
    let answer = pair.ours.copy_in("COPY marks FROM STDIN", bad.as_bytes()).await.unwrap();
    assert_eq!(answer.sqlstate(), "P0001", "{answer}");
    pair.holds_the_same("marks").await;
}

#[tokio::test]
async fn the_first_rows_of_all_servers_are_locked_and_no_others() {
    let (_, daemon, _) = stage().await;
    let mut pair = Pair::shop("queue").await;
    let first = "SELECT tenant_id, id, score AS s FROM users WHERE score > 3 ORDER BY s DESC, tenant_id, id LIMIT 5 FOR UPDATE SKIP LOCKED";
    pair.same("BEGIN").await;
    let mine = pair.same_in_order(first).await;
    assert_eq!(mine.rows.len(), 5);
    let mut other = daemon.session("app").await.unwrap();
    other.ask("SET search_path = queue").await.unwrap();
    other.ask("BEGIN").await.unwrap();
    let theirs = other.ask(first).await.unwrap();
    assert_eq!(theirs.rows.len(), 5, "{theirs}");
    let in_order = pair.ours.ask("SELECT tenant_id, id, score AS s FROM users WHERE score > 3 ORDER BY s DESC, tenant_id, id LIMIT 10").await.unwrap();
    assert_eq!(
        [mine.rows.clone(), theirs.rows.clone()].concat(),
        in_order.rows,
        "each has rows of its own, in order"
    );
    let mut third = daemon.session("app").await.unwrap();
    third.ask("SET search_path = queue").await.unwrap();
    let free = third.ask("SELECT id FROM users FOR UPDATE SKIP LOCKED").await.unwrap();
    assert_eq!(free.rows.len(), 80, "only what was asked for is locked");
    let nowait = third
        .ask("SELECT id FROM users ORDER BY score DESC, tenant_id, id LIMIT 1 FOR UPDATE NOWAIT")
        .await
        .unwrap();
    assert_eq!(nowait.sqlstate(), "55P03", "{nowait}");
    let all = third
        .ask("SELECT id FROM users ORDER BY score DESC LIMIT 1000 FOR NO KEY UPDATE SKIP LOCKED")
        .await
        .unwrap();
    assert_eq!(all.rows.len(), 80);
    pair.same("COMMIT").await;
    other.ask("COMMIT").await.unwrap();
    for sql in [
        "SELECT * FROM users ORDER BY name LIMIT 4 FOR SHARE",
        "SELECT name, (SELECT code FROM countries WHERE id = country) FROM users u WHERE score < 100 ORDER BY 1 LIMIT 3 FOR UPDATE OF u",
        "SELECT id FROM users WHERE false ORDER BY id LIMIT 3 FOR UPDATE",
        "SELECT id FROM users WHERE score > 3 ORDER BY id LIMIT 0 FOR UPDATE",
        "SELECT id FROM users LIMIT -1 FOR UPDATE",
    ] {
        if !sql.contains("score < 100") {
            pair.same_in_order(sql).await;
        } else {
            assert_eq!(pair.ours.ask(sql).await.unwrap().rows.len(), 3);
        }
    }
    let sql = "SELECT tenant_id, id, name FROM users WHERE country = $1 ORDER BY tenant_id DESC LIMIT $2 FOR UPDATE";
    pair.same_extended(sql, &[Some("2"), Some("3")]).await;
    assert_eq!(pair.ours.extended(sql, &[Some("2".into()), None]).await.unwrap().rows.len(), 30);
    nothing_is_left_prepared().await;
}

#[tokio::test]
async fn workers_take_each_job_of_all_servers_once() {
    let (_, daemon, _) = stage().await;
    let mut pair = Pair::new("jobs", "CREATE TABLE jobs (tenant_id bigint, id int, status text DEFAULT 'new', PRIMARY KEY (tenant_id, id))").await;
    pair.same("INSERT INTO jobs SELECT n % 30, n FROM generate_series(1, 120) n").await;
    let mut workers = Vec::new();
    for _ in 0..4 {
        let mut session = daemon.session("app").await.unwrap();
        workers.push(tokio::spawn(async move {
            session.ask("SET search_path = jobs").await.unwrap();
            let mut done = Vec::new();
            loop {
                session.ask("BEGIN").await.unwrap();
                let jobs = session.ask("SELECT tenant_id, id FROM jobs WHERE status = 'new' ORDER BY id LIMIT 7 FOR UPDATE SKIP LOCKED").await.unwrap();
                assert!(jobs.fault.is_none(), "{jobs}");
                for row in &jobs.rows {
                    let (tenant, id) = (row[0].clone().unwrap(), row[1].clone().unwrap());
                    let sql = format!("UPDATE jobs SET status = 'done' WHERE tenant_id = {tenant} AND id = {id}");
                    assert_eq!(session.ask(&sql).await.unwrap().tag, "UPDATE 1");
                    done.push(id);
                }
                session.ask("COMMIT").await.unwrap();
                let left = session.ask("SELECT count(*) FROM jobs WHERE status = 'new'").await.unwrap();
                if left.value() == "0" {
                    return done;
                }
            }
        }));
    }
    let mut all = Vec::new();
    for worker in workers {
        all.extend(worker.await.unwrap());
    }
    all.sort_by_key(|id| id.parse::<u32>().unwrap());
    assert_eq!(all, (1..=120).map(|id| id.to_string()).collect::<Vec<_>>());
}

/// Rows that are locked by a part of the statement, and written by the rest.
const QUEUES: [&str; 5] = [
    "WITH p AS (SELECT tenant_id, id FROM users WHERE score > 3 ORDER BY score DESC, tenant_id, id LIMIT 4 FOR UPDATE SKIP LOCKED) UPDATE users u SET name = 'taken' FROM p WHERE p.tenant_id = u.tenant_id AND p.id = u.id RETURNING u.*",
    "UPDATE users SET name = 'next', score = 1 WHERE (tenant_id, id) IN (SELECT tenant_id, id FROM users WHERE name <> 'taken' ORDER BY score, tenant_id DESC, id LIMIT 6 FOR UPDATE SKIP LOCKED) RETURNING tenant_id, id, name",
    "WITH p AS (SELECT tenant_id, id, name FROM users WHERE id = 3 ORDER BY tenant_id LIMIT 2 FOR UPDATE), d AS (DELETE FROM users u USING p WHERE p.tenant_id = u.tenant_id AND p.id = u.id RETURNING u.name) SELECT upper(name), count(*) OVER () FROM d",
    "WITH p AS (SELECT tenant_id FROM users WHERE false LIMIT 2 FOR UPDATE) UPDATE orders SET total = 0 FROM p WHERE p.tenant_id = orders.tenant_id RETURNING total",
    "WITH p AS (SELECT tenant_id, id FROM users ORDER BY tenant_id DESC, id LIMIT 2 FOR UPDATE) INSERT INTO orders (tenant_id, id, total) SELECT tenant_id, id + 60, 0 FROM p RETURNING tenant_id, id",
];

#[tokio::test]
async fn rows_that_a_part_of_the_statement_locks_are_written_by_the_rest() {
    let mut pair = Pair::shop("queues").await;
    pair.all_same(&QUEUES, &["users", "orders"]).await;
    let sql = "DELETE FROM orders WHERE tenant_id = (SELECT tenant_id FROM orders WHERE total > $1 ORDER BY tenant_id LIMIT 1 FOR UPDATE) AND id = 1 RETURNING *";
    pair.same_extended(sql, &[Some("5")]).await;
    pair.holds_the_same("orders").await;
    nothing_is_left_prepared().await;
}

#[tokio::test]
async fn what_tables_do_by_themselves_they_do_over_all_servers() {
    let mut pair = Pair::new(
        "themselves",
        "CREATE TABLE parents (tenant_id bigint, id int, PRIMARY KEY (tenant_id, id)); \
         CREATE TABLE logs (tenant_id bigint NOT NULL, what text, parent int); \
         CREATE TABLE children (tenant_id bigint, id int GENERATED ALWAYS AS IDENTITY, parent int, twice int GENERATED ALWAYS AS (parent * 2) STORED, \
           note text, PRIMARY KEY (tenant_id, id), FOREIGN KEY (tenant_id, parent) REFERENCES parents DEFERRABLE INITIALLY DEFERRED); \
         CREATE FUNCTION log() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN \
           INSERT INTO themselves.logs VALUES (NEW.tenant_id, TG_OP, NEW.parent); NEW.note := upper(NEW.note); RETURN NEW; END $$; \
         CREATE TRIGGER log BEFORE INSERT OR UPDATE ON children FOR EACH ROW EXECUTE FUNCTION log()",
    )
    .await;
    for sql in [
        "INSERT INTO parents SELECT n, 1 FROM generate_series(1, 20) n",
        "INSERT INTO children (tenant_id, parent, note) SELECT tenant_id, 1, 'x' FROM parents RETURNING tenant_id, parent, twice, note",
        "INSERT INTO children (tenant_id, id, parent) VALUES (1, 500, 1), (2, 501, 1), (3, 502, 1)",
        "INSERT INTO children (tenant_id, id, parent) OVERRIDING SYSTEM VALUE VALUES (1, 500, 1), (2, 501, 1), (3, 502, 1) RETURNING tenant_id, id, twice",
        "INSERT INTO children (tenant_id, parent, twice) VALUES (1, 1, DEFAULT), (2, 1, DEFAULT), (3, 1, DEFAULT)",
        "UPDATE children SET twice = 3",
        "UPDATE children SET note = 'y' WHERE tenant_id > 5 RETURNING tenant_id, twice, note",
        "UPDATE children SET note = (SELECT 'of ' || count(*) FROM parents) WHERE tenant_id IN (1, 2, 3) RETURNING tenant_id, note",
        "MERGE INTO children c USING (VALUES (4, 1, 'm'), (5, 1, 'n'), (6, 1, 'o')) s (t, p, note) ON c.tenant_id = s.t AND c.parent = s.p WHEN MATCHED THEN UPDATE SET note = s.note WHEN NOT MATCHED THEN INSERT (tenant_id, parent) VALUES (s.t, s.p)",
        "INSERT INTO children (tenant_id, parent) VALUES (3, 77), (4, 77), (5, 77)",
        "BEGIN",
        "INSERT INTO children (tenant_id, parent) VALUES (3, 77), (4, 77), (5, 77)",
        "INSERT INTO parents VALUES (3, 77), (4, 77), (5, 77)",
        "COMMIT",
        "BEGIN",
        "DELETE FROM parents WHERE id = 77",
        "SELECT count(*) FROM children",
        "COMMIT",
        "BEGIN",
        "SET CONSTRAINTS ALL IMMEDIATE",
        "INSERT INTO children (tenant_id, parent) VALUES (5, 9), (6, 9), (7, 9)",
        "ROLLBACK",
        "SELECT tenant_id, parent, twice, note FROM children",
        "SELECT * FROM logs",
        "SELECT * FROM parents",
    ] {
        pair.same(sql).await;
    }
    nothing_is_left_prepared().await;
}
