//! The harness keeps its own promises.
#![allow(clippy::unwrap_used)]

use std::time::{Duration, Instant};

use tests::{Fleet, Weather, connect, until};

#[tokio::test]
async fn a_fleet_has_primaries_and_replicas_that_follow() {
    let fleet = Fleet::builder().servers(2).replicas(1).start().await.unwrap();
    for server in fleet.servers() {
        let primary = server.connect("app").await.unwrap();
        primary.batch_execute("CREATE TABLE t AS SELECT 42 AS answer").await.unwrap();
        server.caught_up().await.unwrap();
        let replica = server.node(1).connect("app").await.unwrap();
        let answer: i32 = replica.query_one("SELECT answer FROM t", &[]).await.unwrap().get(0);
        assert_eq!(answer, 42);
        let collation = "SELECT 'a' < 'B'";
        assert!(
            replica.query_one(collation, &[]).await.unwrap().get::<_, bool>(0),
            "text order is not byte order"
        );
    }
    let identity = "SELECT system_identifier FROM pg_control_system()";
    let mut identities = Vec::new();
    for server in fleet.servers() {
        let row = server.connect("app").await.unwrap().query_one(identity, &[]).await.unwrap();
        identities.push(row.get::<_, i64>(0));
    }
    assert_ne!(identities[0], identities[1], "two servers do not look like one");
}

#[tokio::test]
async fn a_paused_replica_stays_behind_and_a_killed_primary_is_replaced() {
    let fleet = Fleet::builder().servers(1).replicas(1).start().await.unwrap();
    let (server, replica) = (fleet.server(0), fleet.server(0).node(1));
    replica.pause_replay().await.unwrap();
    let primary = server.connect("app").await.unwrap();
    primary.batch_execute("CREATE TABLE t (n int)").await.unwrap();
    let behind = replica.connect("app").await.unwrap();
    assert!(behind.query("SELECT * FROM t", &[]).await.is_err(), "what is paused does not replay");
    replica.resume_replay().await.unwrap();
    server.caught_up().await.unwrap();
    server.node(0).kill_9().unwrap();
    replica.promote().await.unwrap();
    assert_eq!(server.primary().await.name(), "alpha-1");
    server.rejoin(0).await.unwrap();
    until("the old primary follows the new one", Duration::from_secs(30), async || {
        matches!(server.node(0).is_replica().await, Ok(true))
    })
    .await;
}

#[tokio::test]
async fn the_oracle_answers_a_session_of_the_application() {
    let fleet = Fleet::builder().servers(0).start().await.unwrap();
    let oracle = fleet.oracle().await.unwrap();
    let mut session = oracle.session("app").await.unwrap();
    let answer = session.extended("SELECT $1::int + 1 AS next", &[Some("41".to_owned())]).await.unwrap();
    assert_eq!((answer.value(), answer.columns[0].type_oid, answer.tag.as_str()), ("42", 23, "SELECT 1"));
    let answers = session.simple("SELECT 1; SELECT 1/0; SELECT 2").await.unwrap();
    assert_eq!((answers.len(), answers[1].sqlstate()), (2, "22012"));
}

#[tokio::test]
async fn a_fleet_leaves_nothing_behind() {
    let fleet = Fleet::builder().servers(1).start().await.unwrap();
    let (path, port) = (fleet.path().to_owned(), fleet.server(0).node(0).port());
    drop(fleet);
    assert!(!path.exists());
    assert!(std::net::TcpStream::connect(("127.0.0.1", port)).is_err());
}

#[tokio::test]
async fn a_relay_has_the_weather_it_is_told() {
    let fleet = Fleet::builder().servers(1).relays().start().await.unwrap();
    let relay = fleet.server(0).relay(0);
    let url = format!("postgres://postgres@127.0.0.1:{}/app", relay.port());
    let client = connect(&url).await.unwrap();
    relay.set(Weather::Delayed(Duration::from_millis(100)));
    let started = Instant::now();
    client.simple_query("SELECT 1").await.unwrap();
    assert!(started.elapsed() >= Duration::from_millis(200), "there and back: {:?}", started.elapsed());
    relay.set(Weather::Silent);
    let silent = tokio::time::timeout(Duration::from_millis(300), client.simple_query("SELECT 2")).await;
    assert!(silent.is_err(), "nothing passes");
    relay.set(Weather::Cut);
    until("the open connection is cut", Duration::from_secs(5), async || client.is_closed()).await;
    assert!(connect(&url).await.is_err(), "new ones are cut too");
    relay.set(Weather::Fair);
    connect(&url).await.unwrap().simple_query("SELECT 3").await.unwrap();
}
