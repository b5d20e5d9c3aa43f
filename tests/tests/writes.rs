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
        let daemon = fleet.daemon().start().await.unwrap();
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
    assert_eq!(one.columns, other.columns, "{sql}");
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
async fn what_needs_rows_of_other_servers_writes_nothing() {
    let mut pair = Pair::shop("refused").await;
    for sql in [
        "UPDATE users SET score = (SELECT max(total) FROM orders)",
        "DELETE FROM users u USING orders o WHERE o.id = u.id",
        "UPDATE users SET score = nextval('pg_catalog.nothing')",
        "SELECT * FROM users ORDER BY score, tenant_id, id LIMIT 3 FOR UPDATE",
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
