//! The statements that sharding proxies get wrong: equal to the oracle or refused, none wrong.
#![allow(clippy::unwrap_used)]

use std::path::Path;

use tests::corpus::{Judge, Stage, read_cases};
use tests::{APP_USER, Fleet};
use tokio_postgres::types::{FromSql, Type};

/// `most` of the cases are refused, and none is answered otherwise than by PostgreSQL.
async fn no_answer_is_wrong(database: &str, name: &str, most: usize) {
    let fleet = Fleet::builder()
        .servers(2)
        .database("app_text")
        .database("app_uuid")
        .database("app_tenant")
        .start()
        .await
        .unwrap();
    let daemon = fleet.daemon().start().await.unwrap();
    let oracle = fleet.oracle().await.unwrap();
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus").join(name);
    let stage = Stage::load(&fleet, daemon.port(), &oracle, database, &corpus).await.unwrap();
    let judge = Judge::new(&stage, daemon.port(), &oracle, database);
    let report = judge.judge(&read_cases(&corpus).unwrap()).await.unwrap();
    report.print(name);
    report.assert_none_wrong();
    report.assert_refused_at_most(most);
}

#[tokio::test]
async fn no_answer_about_tenants_named_by_bigint_is_wrong() {
    no_answer_is_wrong("app", "bigint", 40).await;
}

#[tokio::test]
async fn no_answer_about_tenants_named_by_text_is_wrong() {
    no_answer_is_wrong("app_text", "text", 0).await;
}

#[tokio::test]
async fn no_answer_about_tenants_named_by_uuid_is_wrong() {
    no_answer_is_wrong("app_uuid", "uuid", 0).await;
}

#[tokio::test]
async fn no_answer_to_a_session_of_one_tenant_is_wrong() {
    no_answer_is_wrong("app_tenant", "tenant", 4).await;
}

/// The bytes of a value as they came.
#[derive(Debug, PartialEq, Eq)]
struct Raw(Option<Vec<u8>>);

impl<'a> FromSql<'a> for Raw {
    fn from_sql(_: &Type, raw: &'a [u8]) -> Result<Raw, Box<dyn std::error::Error + Sync + Send>> {
        Ok(Raw(Some(raw.to_vec())))
    }

    fn from_sql_null(_: &Type) -> Result<Raw, Box<dyn std::error::Error + Sync + Send>> {
        Ok(Raw(None))
    }

    fn accepts(_: &Type) -> bool {
        true
    }
}

const ANSWERS_IN_BINARY: [&str; 10] = [
    "SELECT * FROM users ORDER BY tenant_id, user_id",
    "SELECT tenant_id, balance, total FROM users JOIN orders USING (tenant_id, user_id) ORDER BY balance, total, tenant_id, user_id, order_id",
    "SELECT count(*), sum(score), avg(score), min(score), max(score), sum(amount), avg(amount) FROM users JOIN events USING (tenant_id)",
    "SELECT sum(total), avg(total), min(total), max(total), sum(-total), avg(total / 7) FROM orders",
    "SELECT sum(balance), avg(balance), min(balance), max(balance) FROM users WHERE balance <> 'NaN'",
    "SELECT sum(balance), avg(balance), bool_and(active), bool_or(active), min(born), max(created_at) FROM users",
    "SELECT sum(score), avg(score), count(score), max(born) FROM users WHERE tenant_id > 1000",
    "SELECT score, active, count(*), avg(balance) FROM users GROUP BY score, active ORDER BY active, score DESC NULLS LAST",
    "SELECT DISTINCT total, quantity FROM orders ORDER BY total DESC NULLS LAST, quantity LIMIT 20 OFFSET 3",
    "SELECT code, created_at, ratio FROM users ORDER BY code DESC, created_at LIMIT 40",
];

#[tokio::test]
async fn a_merged_answer_in_binary_is_postgresqls_to_the_byte() {
    let fleet = Fleet::builder().servers(2).database("app_binary").start().await.unwrap();
    let daemon = fleet.daemon().start().await.unwrap();
    let oracle = fleet.oracle().await.unwrap();
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus/bigint");
    let _stage = Stage::load(&fleet, daemon.port(), &oracle, "app_binary", &corpus).await.unwrap();
    let ours = tests::connect(&daemon.url("app_binary", APP_USER)).await.unwrap();
    let plain = oracle.connect("app_binary").await.unwrap();
    for query in ANSWERS_IN_BINARY {
        let answer = |rows: Vec<tokio_postgres::Row>| -> Vec<Vec<Raw>> {
            rows.iter().map(|row| (0..row.len()).map(|at| row.get::<_, Raw>(at)).collect()).collect()
        };
        let (ours, plain) = (ours.query(query, &[]).await.unwrap(), plain.query(query, &[]).await.unwrap());
        assert_eq!(answer(ours), answer(plain), "{query}");
    }
}
