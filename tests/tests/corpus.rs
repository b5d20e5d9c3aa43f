//! The statements that sharding proxies get wrong: equal to the oracle or refused, none wrong.
#![allow(clippy::unwrap_used)]

use std::path::Path;

use tests::Fleet;
use tests::corpus::{Judge, Stage, read_cases};

async fn no_answer_is_wrong(database: &str, name: &str) {
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
}

#[tokio::test]
async fn no_answer_about_tenants_named_by_bigint_is_wrong() {
    no_answer_is_wrong("app", "bigint").await;
}

#[tokio::test]
async fn no_answer_about_tenants_named_by_text_is_wrong() {
    no_answer_is_wrong("app_text", "text").await;
}

#[tokio::test]
async fn no_answer_about_tenants_named_by_uuid_is_wrong() {
    no_answer_is_wrong("app_uuid", "uuid").await;
}

#[tokio::test]
async fn no_answer_to_a_session_of_one_tenant_is_wrong() {
    no_answer_is_wrong("app_tenant", "tenant").await;
}
