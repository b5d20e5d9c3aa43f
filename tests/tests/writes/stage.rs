//! Three servers, a pgherd over them and one PostgreSQL with the same rows; a session of each, told the same.

use std::collections::BTreeSet;
use std::time::Duration;

use tests::{Answer, Daemon, Fleet, Oracle, Session, until};
use tokio::sync::OnceCell;

static STAGE: OnceCell<(Fleet, Daemon, Oracle)> = OnceCell::const_new();

pub(crate) async fn stage() -> &'static (Fleet, Daemon, Oracle) {
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
pub(crate) struct Pair {
    pub(crate) ours: Session,
    pub(crate) oracle: Session,
}

impl Pair {
    /// With a schema of its own, made of these statements.
    pub(crate) async fn new(schema: &str, statements: &str) -> Pair {
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
    pub(crate) async fn shop(schema: &str) -> Pair {
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
    pub(crate) async fn same(&mut self, sql: &str) -> Answer {
        let (ours, theirs) = (self.ours.ask(sql).await.unwrap(), self.oracle.ask(sql).await.unwrap());
        agree(sql, &ours, &theirs, false);
        ours
    }

    /// The same answer, rows in the same order.
    pub(crate) async fn same_in_order(&mut self, sql: &str) -> Answer {
        let (ours, theirs) = (self.ours.ask(sql).await.unwrap(), self.oracle.ask(sql).await.unwrap());
        agree(sql, &ours, &theirs, true);
        ours
    }

    /// The same answer in the extended protocol.
    pub(crate) async fn same_extended(&mut self, sql: &str, parameters: &[Option<&str>]) -> Answer {
        let parameters: Vec<Option<String>> =
            parameters.iter().map(|value| value.map(str::to_owned)).collect();
        let ours = self.ours.extended(sql, &parameters).await.unwrap();
        let theirs = self.oracle.extended(sql, &parameters).await.unwrap();
        agree(sql, &ours, &theirs, true);
        ours
    }

    /// The same answer to each, in one protocol or the other, some of them within a transaction; afterwards
    /// the tables hold the same.
    pub(crate) async fn all_same(&mut self, statements: &[&str], tables: &[&str]) {
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

    pub(crate) async fn holds_the_same(&mut self, table: &str) {
        let sql = format!("SELECT * FROM {table}");
        let ours = self.ours.ask(&sql).await.unwrap();
        let theirs = self.oracle.ask(&sql).await.unwrap();
        assert!(!theirs.rows.is_empty(), "{table} is empty");
        agree(&sql, &ours, &theirs, false);
    }

    /// Refused, and nothing of it stands.
    pub(crate) async fn refused(&mut self, sql: &str) {
        let answer = self.ours.ask(sql).await.unwrap();
        assert!(answer.fault.as_ref().is_some_and(tests::Fault::is_refusal), "{sql}: {answer}");
    }
}

pub(crate) fn agree(sql: &str, ours: &Answer, theirs: &Answer, in_order: bool) {
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

pub(crate) async fn nothing_is_left_prepared() {
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

/// Every server has the same rows of a table.
pub(crate) async fn copies_are_equal(table: &str) {
    let (fleet, ..) = stage().await;
    let mut copies = BTreeSet::new();
    for server in fleet.servers() {
        let client = server.connect("app").await.unwrap();
        let text = format!("SELECT coalesce(string_agg(t::text, ';' ORDER BY t::text), '') FROM {table} t");
        copies.insert(client.query_one(&text, &[]).await.unwrap().get::<_, String>(0));
    }
    assert_eq!(copies.len(), 1, "{table}: {copies:#?}");
}

/// No tenant has rows on two servers, and all servers have some.
pub(crate) async fn each_row_is_at_home(table: &str) {
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

pub(crate) const STAMPS: &str = "CREATE TYPE mood AS ENUM ('glad', 'sad'); \
    CREATE TABLE stamps (tenant_id bigint, id int, label text DEFAULT 'none', list int[], mood mood DEFAULT 'glad', PRIMARY KEY (tenant_id, id)); \
    CREATE TABLE names (tenant_id bigint, id int, name text COLLATE \"C\", mood mood, PRIMARY KEY (tenant_id, id))";
