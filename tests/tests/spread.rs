//! Tenants live on all servers, and a key leads to one server however it is written.
#![allow(clippy::unwrap_used)]

use std::collections::{HashMap, HashSet};

use tests::{Daemon, Fleet};
use tokio::sync::OnceCell;

static STAGE: OnceCell<(Fleet, Daemon)> = OnceCell::const_new();

async fn stage() -> &'static (Fleet, Daemon) {
    let start = async || {
        let fleet = Fleet::builder().servers(2).start().await.unwrap();
        let daemon = fleet.daemon().start().await.unwrap();
        (fleet, daemon)
    };
    STAGE.get_or_init(start).await
}

/// The servers that hold rows of each tenant of a table.
async fn homes(fleet: &Fleet, table: &str) -> HashMap<String, Vec<usize>> {
    let mut homes: HashMap<String, Vec<usize>> = HashMap::new();
    for (number, server) in fleet.servers().iter().enumerate() {
        let client = server.connect("app").await.unwrap();
        let tenants =
            client.query(&format!("SELECT DISTINCT tenant_id::text FROM {table}"), &[]).await.unwrap();
        tenants.iter().for_each(|row| homes.entry(row.get(0)).or_default().push(number));
    }
    homes
}

#[tokio::test]
async fn tenants_are_spread_over_all_servers() {
    let (fleet, daemon) = stage().await;
    let client = daemon.connect().await.unwrap();
    client.batch_execute("CREATE TABLE many (tenant_id bigint PRIMARY KEY)").await.unwrap();
    for tenant in 1..=200_i64 {
        client.execute("INSERT INTO many VALUES ($1)", &[&tenant]).await.unwrap();
    }
    let homes = homes(fleet, "many").await;
    assert_eq!(homes.len(), 200);
    assert!(homes.values().all(|servers| servers.len() == 1), "each tenant lives on one server");
    for server in 0..2 {
        let count = homes.values().filter(|servers| **servers == [server]).count();
        assert!((60..=140).contains(&count), "server {server} has {count} of 200 tenants");
    }
}

#[tokio::test]
async fn a_statement_right_after_a_burst_of_ddl_knows_the_new_tables() {
    let (fleet, daemon) = stage().await;
    for extended in [false, true] {
        let mut session = daemon.session("app").await.unwrap();
        for number in 0..4 {
            let sql = format!("CREATE TABLE burst_{extended}_{number} (tenant_id bigint PRIMARY KEY)");
            session.ask(&sql).await.unwrap();
        }
        for tenant in 1..=20 {
            let sql = format!("INSERT INTO burst_{extended}_3 VALUES ({tenant})");
            let answer = if extended { session.extended(&sql, &[]).await } else { session.ask(&sql).await };
            assert_eq!(answer.unwrap().tag, "INSERT 0 1");
        }
        let homes = homes(fleet, &format!("burst_{extended}_3")).await;
        assert!((0..2).all(|server| homes.values().any(|servers| *servers == [server])), "{homes:?}");
    }
}

#[tokio::test]
async fn a_key_in_all_its_spellings_leads_to_one_server() {
    let (fleet, daemon) = stage().await;
    let client = daemon.connect().await.unwrap();
    client
        .batch_execute("CREATE TABLE spelled (tenant_id bigint, way text, PRIMARY KEY (tenant_id, way))")
        .await
        .unwrap();
    let mut session = daemon.session("app").await.unwrap();
    let mut copied = String::new();
    for tenant in 1..=40_i64 {
        for (way, key) in [
            ("literal", format!("{tenant}")),
            ("quoted", format!("'{tenant}'")),
            ("cast", format!("'{tenant}'::bigint")),
        ] {
            client.batch_execute(&format!("INSERT INTO spelled VALUES ({key}, '{way}')")).await.unwrap();
        }
        client.execute("INSERT INTO spelled VALUES ($1, 'binary')", &[&tenant]).await.unwrap();
        let text = [Some(tenant.to_string())];
        let answer = session.extended("INSERT INTO spelled VALUES ($1, 'text')", &text).await.unwrap();
        assert_eq!(answer.tag, "INSERT 0 1", "{answer}");
        copied.push_str(&format!("{tenant}\tcopy\n"));
    }
    let answer = session.copy_in("COPY spelled FROM STDIN", copied.as_bytes()).await.unwrap();
    assert_eq!(answer.tag, "COPY 40", "{answer}");
    let homes = homes(fleet, "spelled").await;
    assert!(homes.values().all(|servers| servers.len() == 1), "one key, one server: {homes:?}");
    assert_eq!(homes.values().flatten().collect::<HashSet<_>>().len(), 2);
    for tenant in 1..=40_i64 {
        let ways =
            client.query_one("SELECT count(*) FROM spelled WHERE tenant_id = $1", &[&tenant]).await.unwrap();
        assert_eq!(ways.get::<_, i64>(0), 6, "tenant {tenant} finds all its rows");
    }
}

#[tokio::test]
async fn a_session_that_names_a_tenant_sees_its_rows_and_no_others() {
    let (_, daemon) = stage().await;
    let client = daemon.connect().await.unwrap();
    client.batch_execute("CREATE TABLE seen (tenant_id bigint PRIMARY KEY)").await.unwrap();
    for tenant in 1..=20_i64 {
        client.execute("INSERT INTO seen VALUES ($1)", &[&tenant]).await.unwrap();
    }
    client.batch_execute("SET app.tenant = '7'").await.unwrap();
    let rows = client.query("SELECT tenant_id FROM seen", &[]).await.unwrap();
    assert_eq!(rows.iter().map(|row| row.get::<_, i64>(0)).collect::<Vec<_>>(), [7]);
    assert!(client.query("SELECT tenant_id FROM seen WHERE tenant_id = 8", &[]).await.is_err());
    client.batch_execute("DELETE FROM seen").await.unwrap();
    client.batch_execute("RESET app.tenant").await.unwrap();
    let count: i64 = client.query_one("SELECT count(*) FROM seen", &[]).await.unwrap().get(0);
    assert_eq!(count, 19, "a tenant's session deleted its own row only");
}

#[tokio::test]
async fn the_placement_survives_a_restart() {
    let fleet = Fleet::builder().servers(2).start().await.unwrap();
    let daemon = fleet.daemon().start().await.unwrap();
    let client = daemon.connect().await.unwrap();
    client.batch_execute("CREATE TABLE kept (tenant_id bigint PRIMARY KEY)").await.unwrap();
    for tenant in 1..=50_i64 {
        client.execute("INSERT INTO kept VALUES ($1)", &[&tenant]).await.unwrap();
    }
    daemon.restart().await.unwrap();
    let client = daemon.connect().await.unwrap();
    for tenant in 1..=50_i64 {
        assert!(
            client.query_opt("SELECT FROM kept WHERE tenant_id = $1", &[&tenant]).await.unwrap().is_some()
        );
    }
}

#[tokio::test]
async fn a_server_that_holds_rows_already_is_adopted() {
    let fleet = Fleet::builder().servers(2).start().await.unwrap();
    for server in fleet.servers() {
        let client = server.connect("app").await.unwrap();
        client
            .batch_execute("CREATE TABLE old (tenant_id bigint PRIMARY KEY); ALTER TABLE old OWNER TO app")
            .await
            .unwrap();
    }
    let alpha = fleet.server(0).connect("app").await.unwrap();
    alpha.batch_execute("INSERT INTO old SELECT generate_series(1, 30)").await.unwrap();
    let daemon = fleet.daemon().start().await.unwrap();
    let client = daemon.connect().await.unwrap();
    for tenant in 1..=30_i64 {
        assert!(
            client.query_opt("SELECT FROM old WHERE tenant_id = $1", &[&tenant]).await.unwrap().is_some()
        );
    }
    client.execute("INSERT INTO old VALUES (1000), (1001), (1002)", &[]).await.unwrap();
    assert!(
        homes(&fleet, "old").await.values().all(|servers| servers == &[0]),
        "all shards are on the adopted server"
    );
}
