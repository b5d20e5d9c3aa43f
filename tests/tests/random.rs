//! Random statements: PostgreSQL's answer or a refusal, over one, two and four servers. `STATEMENTS` and `SEED` are taken
//! from the environment.
#![allow(clippy::unwrap_used)]

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tests::corpus::Stage;
use tests::random::{Duel, KeyType, World};
use tests::{Daemon, Fleet, Seed, until};

/// How many statements a test run puts to the fleets, all in all.
const STATEMENTS: u64 = 500;

fn statements() -> u64 {
    std::env::var("STATEMENTS").ok().and_then(|text| text.parse().ok()).unwrap_or(STATEMENTS)
}

async fn every_answer_is_postgresqls(servers: usize, keys: KeyType, share: u64) {
    let seed = Seed::draw().number();
    let fleet = Fleet::builder().servers(servers).start().await.unwrap();
    let daemon = fleet.daemon().start().await.unwrap();
    let oracle = fleet.oracle().await.unwrap();
    let world = World::of(keys).unwrap();
    let stage = Stage::load(&fleet, daemon.port(), &oracle, "app", world.path()).await.unwrap();
    let mut duel = Duel::new(&stage, daemon.port(), &oracle, "app", keys);
    let tally = duel.fight(seed, 0..statements() * share / 10).await.unwrap();
    tally.print(&format!("{servers}-{keys:?}"));
    tally.assert_none_different();
}

#[tokio::test]
async fn every_answer_over_one_server_is_postgresqls() {
    every_answer_is_postgresqls(1, KeyType::Uuid, 1).await;
}

#[tokio::test]
async fn every_answer_over_two_servers_is_postgresqls() {
    every_answer_is_postgresqls(2, KeyType::Int8, 5).await;
}

#[tokio::test]
async fn every_answer_over_four_servers_is_postgresqls() {
    every_answer_is_postgresqls(4, KeyType::Text, 4).await;
}

async fn moves_are_done(daemon: &Daemon) -> bool {
    let Ok(text) = daemon.asked(&["moves", "--json"]).await else { return false };
    let moves: Vec<serde_json::Value> = serde_json::from_str(&text).unwrap();
    assert!(moves.iter().all(|one| one["phase"] != "aborted"), "{moves:?}");
    moves.iter().all(|one| one["phase"] == "done")
}

#[tokio::test]
async fn every_answer_is_postgresqls_while_tenants_move() {
    let seed = Seed::draw().number();
    let fleet = Fleet::builder().servers(2).start().await.unwrap();
    let daemon = fleet.daemon().start().await.unwrap();
    let oracle = fleet.oracle().await.unwrap();
    let world = World::of(KeyType::Int8).unwrap();
    let stage = Stage::load(&fleet, daemon.port(), &oracle, "app", world.path()).await.unwrap();
    let over = AtomicBool::new(false);
    let moves = async {
        for to in ["beta", "alpha"] {
            let tenants = "1,2,3,4,5,6,7,8";
            daemon.asked(&["move", "start", "--tenants", tenants, "--to", to, "--confirm"]).await.unwrap();
            until("the tenants have moved", Duration::from_secs(120), async || moves_are_done(&daemon).await)
                .await;
        }
        over.store(true, Ordering::Relaxed);
    };
    let mut duel = Duel::new(&stage, daemon.port(), &oracle, "app", KeyType::Int8);
    let fight = duel.fight_until(seed, || over.load(Ordering::Relaxed));
    let (tally, ()) = tokio::join!(fight, moves);
    let tally = tally.unwrap();
    tally.print("moving");
    tally.assert_none_different();
    assert_eq!(stage.difference(false).await.unwrap(), None, "after {} units", tally.seen());
}
