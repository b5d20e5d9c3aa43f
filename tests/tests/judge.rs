//! The corpus and its judge, tried on PostgreSQL itself: whoever gives PostgreSQL's answers is found equal.
#![allow(clippy::unwrap_used)]

use std::path::Path;

use tests::Fleet;
use tests::corpus::{Judge, Stage, read_cases};

#[tokio::test]
async fn postgresql_is_equal_to_itself_in_every_case() {
    let fleet = Fleet::builder().servers(1).database("app_text").database("app_uuid").start().await.unwrap();
    let oracle = fleet.oracle().await.unwrap();
    let front = fleet.server(0).node(0).port();
    for (database, name) in [("app", "bigint"), ("app_text", "text"), ("app_uuid", "uuid")] {
        let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus").join(name);
        let stage = Stage::load(&fleet, front, &oracle, database, &corpus).await.unwrap();
        let report =
            Judge::new(&stage, front, &oracle, database).judge(&read_cases(&corpus).unwrap()).await.unwrap();
        report.print(&format!("{name} on PostgreSQL"));
        report.assert_none_wrong();
    }
}
