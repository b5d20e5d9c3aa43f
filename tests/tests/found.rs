//! What the random tests found, each under the promise it broke. What one line of SQL shows stands in `tests/corpus/world`.
#![allow(clippy::unwrap_used)]

use std::path::Path;

use tests::corpus::{Judge, Stage, read_cases};
use tests::random::{KeyType, Order, Outcome, Reply, Statement, Way, World};
use tests::{Daemon, Fleet, Oracle};

/// Two servers and an oracle with the world of random statements; tenants are named by integers.
struct Ground {
    _fleet: Fleet,
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
        Ground { _fleet: fleet, daemon, oracle, stage }
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
    report.assert_refused_at_most(6);
}
