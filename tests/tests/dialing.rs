//! Servers are reached by whatever leads to them: IPv4, IPv6, a unix socket; by SCRAM, md5 and trust.
#![allow(clippy::unwrap_used)]

use tests::{APP_PASSWORD, Daemon, Fleet, psql};
use tokio::sync::OnceCell;

/// `SELECT 'md5' || md5('old secret' || 'old')`
const OLD: &str = "md585f21a713f86befbdf0c73acf38211fd";

const RULES: &str = "
host  all  postgres  127.0.0.1/32  trust
host  all  app,old   127.0.0.1/32  md5
";

const OLD_ACCESS: &str = "
local all postgres trust
local all all      md5
host  all postgres 127.0.0.1/32 trust
host  all postgres ::1/128      trust
host  all all      ::1/128      md5
";

struct Stage {
    _fleet: Fleet,
    daemon: Daemon,
}

static STAGE: OnceCell<Stage> = OnceCell::const_new();

/// Alpha is reached by its unix socket, beta by IPv6 alone; both store md5 secrets.
async fn stage() -> &'static Stage {
    STAGE.get_or_init(async || raise().await.unwrap()).await
}

async fn raise() -> anyhow::Result<Stage> {
    let fleet = Fleet::builder().servers(2).start().await?;
    for server in fleet.servers() {
        let settings = "listen_addresses = '127.0.0.1,::1'\npassword_encryption = md5";
        server.node(0).reconfigure(settings, OLD_ACCESS).await?;
        server.node(0).stop()?;
        server.node(0).start().await?;
        let admin = server.connect("app").await?;
        admin
            .batch_execute(&format!(
                "ALTER ROLE app PASSWORD '{APP_PASSWORD}'; CREATE ROLE old LOGIN PASSWORD '{OLD}';
                 CREATE TABLE notes (tenant_id bigint, id int, PRIMARY KEY (tenant_id, id));
                 GRANT ALL ON notes TO PUBLIC"
            ))
            .await?;
    }
    let rules = fleet.path().join("rules");
    std::fs::write(&rules, RULES)?;
    let user = format!("[[user]]\nname = \"old\"\npassword = \"{OLD}\"\n[auth]\nhba_file = {rules:?}");
    let daemon = fleet.daemon().section(&user).prepare()?;
    let [alpha, beta] = [0, 1].map(|number| fleet.server(number).node(0).port());
    let text = std::fs::read_to_string(daemon.configuration())?;
    let text =
        text.replace(&format!("\"127.0.0.1:{alpha}\""), &format!("\"{}:{alpha}\"", fleet.path().display()));
    let text = text.replace(&format!("\"127.0.0.1:{beta}\""), &format!("\"[::1]:{beta}\""));
    std::fs::write(daemon.configuration(), text)?;
    daemon.start().await?;
    Ok(Stage { _fleet: fleet, daemon })
}

async fn asks(user: &str, password: &str, sql: &str) -> anyhow::Result<String> {
    let port = stage().await.daemon.port();
    let connection = format!("host=127.0.0.1 port={port} user={user} dbname=app password='{password}'");
    psql(&connection, sql).await
}

#[tokio::test]
async fn a_server_is_reached_by_its_unix_socket_and_another_by_ipv6() {
    let write = |tenant: i64| format!("INSERT INTO notes VALUES ({tenant}, 1) RETURNING inet_server_addr()");
    let mut ways = std::collections::BTreeSet::new();
    for tenant in 1..=12 {
        let answer = asks("app", APP_PASSWORD, &write(tenant)).await.unwrap();
        ways.insert(answer.lines().next().unwrap_or_default().replace("INSERT 0 1", "local"));
    }
    assert_eq!(ways.into_iter().collect::<Vec<_>>(), ["::1", "local"]);
    let both = asks("app", APP_PASSWORD, "SELECT count(*) FROM notes WHERE id = 1").await;
    assert_eq!(both.unwrap(), "12");
}

#[tokio::test]
async fn md5_goes_from_the_client_to_the_servers() {
    let both = "SELECT DISTINCT current_user::text COLLATE \"C\" AS who FROM notes ORDER BY who";
    for (user, password) in [("app", APP_PASSWORD), ("old", "old secret")] {
        asks(user, password, both).await.unwrap();
        assert_eq!(asks(user, password, "SELECT session_user").await.unwrap(), user);
        let refused = asks(user, "guess", both).await.unwrap_err().to_string();
        assert!(refused.contains("password authentication failed"), "{refused}");
    }
}
