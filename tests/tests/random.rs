//! Random statements: PostgreSQL's answer or a refusal, over one, two and four servers. `STATEMENTS` and `SEED` are taken
//! from the environment.
#![allow(clippy::unwrap_used)]

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use rand::Rng;
use tests::corpus::Stage;
use tests::random::{Duel, KeyType, Tally, World};
use tests::{Daemon, Fleet, Seed, until};

/// How long a move may take.
const MOVE: Duration = Duration::from_secs(120);
/// What servers send is soon too much for arrays: keys are asked for, and temporary tables made.
const GATHER: &str = "[gather]\narray_rows = 5";
/// How many statements a test run puts to the fleets, all in all.
const STATEMENTS: u64 = 500;

fn statements() -> u64 {
    std::env::var("STATEMENTS").ok().and_then(|text| text.parse().ok()).unwrap_or(STATEMENTS)
}

async fn every_answer_is_postgresqls(servers: usize, keys: KeyType, share: u64) {
    let seed = Seed::draw().number();
    let fleet = Fleet::builder().servers(servers).start().await.unwrap();
    let daemon = fleet.daemon().section(if servers == 2 { GATHER } else { "" }).start().await.unwrap();
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
    every_answer_is_postgresqls(2, KeyType::Int8, 4).await;
}

#[tokio::test]
async fn every_answer_over_four_servers_is_postgresqls() {
    every_answer_is_postgresqls(4, KeyType::Text, 3).await;
}

async fn moves_are_done(daemon: &Daemon) -> bool {
    let Ok(text) = daemon.asked(&["moves", "--json"]).await else { return false };
    let moves: Vec<serde_json::Value> = serde_json::from_str(&text).unwrap();
    assert!(moves.iter().all(|one| one["phase"] != "aborted"), "{moves:?}");
    moves.iter().all(|one| one["phase"] == "done")
}

#[tokio::test]
async fn every_answer_is_postgresqls_while_tenants_move() {
    let seed = Seed::draw();
    let fleet = Fleet::builder().servers(2).start().await.unwrap();
    let daemon = fleet.daemon().start().await.unwrap();
    let oracle = fleet.oracle().await.unwrap();
    let world = World::of(KeyType::Int8).unwrap();
    let stage = Stage::load(&fleet, daemon.port(), &oracle, "app", world.path()).await.unwrap();
    let mut duel = Duel::new(&stage, daemon.port(), &oracle, "app", KeyType::Int8);
    let (mut tally, mut dice) = (Tally::default(), seed.generator(0));
    while (tally.seen() as u64) < statements() / 5 && tally.finds_none_different() {
        let over = AtomicBool::new(false);
        let moves = async {
            for to in ["beta", "alpha"] {
                let tenants: Vec<String> = (1..=12)
                    .filter(|_| dice.random_bool(0.6))
                    .map(|tenant: u32| tenant.to_string())
                    .collect();
                let tenants = if tenants.is_empty() { "1".to_owned() } else { tenants.join(",") };
                daemon
                    .asked(&["move", "start", "--tenants", &tenants, "--to", to, "--confirm"])
                    .await
                    .unwrap();
                until("the tenants have moved", MOVE, async || moves_are_done(&daemon).await).await;
            }
            over.store(true, Ordering::Relaxed);
        };
        let fight = duel.fight_until(seed.number(), tally.seen() as u64, || over.load(Ordering::Relaxed));
        let (round, ()) = tokio::join!(fight, moves);
        tally.absorb(round.unwrap());
        assert_eq!(stage.difference(false).await.unwrap(), None, "after {} units", tally.seen());
        stage.refill(daemon.port(), "app").await.unwrap();
    }
    tally.print("moving");
    tally.assert_none_different();
}
