//! Who gets in, by which rule and with what; and what the servers see of it.
#![allow(clippy::unwrap_used)]

use std::fs;
use std::time::Duration;

use tests::{APP_PASSWORD, Authority, Daemon, Fleet, psql, until};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::OnceCell;

const PATIENCE: Duration = Duration::from_secs(30);

const RULES: &str = "
# the rules of these tests
host     all     postgres   127.0.0.1/32   trust
host     all     banned     all            reject
host     app     elsewhere  203.0.113.0/24 trust
host     other   app        all            scram-sha-256
hostssl  app     certified  all            cert map=people
host     app     app,stored,listed,asked,expired,late  127.0.0.0/8  scram-sha-256
host     app     nobody     127.0.0.1/32   scram-sha-256
";

struct Stage {
    fleet: Fleet,
    daemon: Daemon,
    home: std::path::PathBuf,
}

static STAGE: OnceCell<Stage> = OnceCell::const_new();

async fn stage() -> &'static Stage {
    STAGE.get_or_init(async || raise().await.unwrap()).await
}

/// One daemon with every way to know a role, over two servers that know the roles by the same secrets.
async fn raise() -> anyhow::Result<Stage> {
    let fleet = Fleet::builder().servers(2).start().await?;
    let home = fleet.path().join("files");
    let authority = Authority::new(&home)?;
    let (shown, _) = (authority.issue("127.0.0.1")?, authority.issue("Anna")?);
    let alpha = fleet.server(0).connect("app").await?;
    alpha
        .batch_execute(
            "CREATE ROLE stored LOGIN PASSWORD 'stored secret';
             CREATE ROLE asked LOGIN PASSWORD 'asked secret';
             CREATE ROLE late LOGIN PASSWORD 'early secret';
             CREATE ROLE expired LOGIN PASSWORD 'expired secret' VALID UNTIL '2001-01-01';
             CREATE ROLE listed LOGIN PASSWORD 'listed \"secret\"';
             CREATE ROLE certified LOGIN PASSWORD 'certified secret'",
        )
        .await?;
    let secrets = alpha.query("SELECT rolname::text, rolpassword FROM pg_authid WHERE rolname IN ('stored', 'asked', 'late', 'expired', 'listed', 'certified')", &[]).await?;
    let beta = fleet.server(1).connect("app").await?;
    let mut stored = String::new();
    for secret in &secrets {
        let (name, secret): (String, String) = (secret.get(0), secret.get(1));
        beta.batch_execute(&format!("CREATE ROLE {name} LOGIN PASSWORD '{secret}'")).await?;
        if name == "stored" {
            stored = secret;
        }
    }
    for server in fleet.servers() {
        let client = server.connect("app").await?;
        client.batch_execute("CREATE TABLE notes (tenant_id bigint, note_id int, PRIMARY KEY (tenant_id, note_id)); GRANT ALL ON notes TO PUBLIC").await?;
    }
    fs::write(home.join("pg_hba.conf"), RULES)?;
    fs::write(home.join("pg_ident.conf"), "people  Anna  certified\n")?;
    fs::write(
        home.join("userlist.txt"),
        "\"listed\" \"listed \"\"secret\"\"\"\n\"certified\" \"certified secret\"\n\"elsewhere\" \"\"\n\"banned\" \"banned secret\"\n",
    )?;
    let file = |name: &str| home.join(name);
    let daemon = fleet
        .daemon()
        .key("proxy", "client_login_timeout = \"2s\"")
        .key("proxy", &format!("tls_certificate = {:?}\ntls_key = {:?}", shown.certificate, shown.key))
        .key("proxy", &format!("tls_client_ca = {:?}", authority.certificate()))
        .key("proxy", "proxy_protocol = \"optional\"\nproxy_protocol_from = [\"127.0.0.1\"]")
        .section(&format!(
            "[auth]\nhba_file = {:?}\nident_file = {:?}\nfile = {:?}\nuser = \"postgres\"\ncache = \"1h\"\n[[user]]\nname = \"stored\"\npassword = \"{stored}\"",
            file("pg_hba.conf"),
            file("pg_ident.conf"),
            file("userlist.txt"),
        ))
        .start()
        .await?;
    Ok(Stage { fleet, daemon, home })
}

impl Stage {
    fn libpq(&self, user: &str, password: &str, more: &str) -> String {
        let port = self.daemon.port();
        format!("host=127.0.0.1 port={port} user={user} dbname=app password='{password}' {more}")
    }

    /// What somebody gets to hear who asks on both servers who they are.
    async fn whoami(&self, user: &str, password: &str) -> anyhow::Result<String> {
        let both = "SELECT DISTINCT current_user::text COLLATE \"C\" AS who FROM notes ORDER BY who";
        psql(&self.libpq(user, password, ""), both).await?;
        psql(&self.libpq(user, password, ""), "SELECT session_user").await
    }

    async fn refusal(&self, user: &str, password: &str, more: &str) -> String {
        psql(&self.libpq(user, password, more), "SELECT 1").await.unwrap_err().to_string()
    }
}

#[tokio::test]
async fn a_client_that_proves_itself_against_a_stored_secret_is_its_role_on_every_server() {
    let stage = stage().await;
    for tenant in 1..=6 {
        let sql = format!("INSERT INTO notes VALUES ({tenant}, 100)");
        psql(&stage.libpq("stored", "stored secret", ""), &sql).await.unwrap();
    }
    assert_eq!(
        psql(&stage.libpq("stored", "stored secret", ""), "SELECT session_user").await.unwrap(),
        "stored"
    );
    assert_eq!(
        psql(&stage.libpq("stored", "stored secret", ""), "SELECT count(*) FROM notes WHERE note_id = 100")
            .await
            .unwrap(),
        "6"
    );
    let refused = stage.refusal("stored", "another", "").await;
    assert!(refused.contains("password authentication failed for user \"stored\""), "{refused}");
}

#[tokio::test]
async fn roles_that_only_the_servers_know_log_in_with_their_passwords() {
    let stage = stage().await;
    assert_eq!(stage.whoami("asked", "asked secret").await.unwrap(), "asked");
    for (user, password) in [("asked", "wrong"), ("expired", "expired secret"), ("nobody", "asked secret")] {
        let refused = stage.refusal(user, password, "").await;
        assert!(
            refused.contains(&format!("password authentication failed for user \"{user}\"")),
            "{refused}"
        );
    }
}

#[tokio::test]
async fn a_changed_password_works_soon_after_it_was_tried() {
    let stage = stage().await;
    assert_eq!(stage.whoami("late", "early secret").await.unwrap(), "late");
    let (alpha, beta) =
        (stage.fleet.server(0).connect("app").await, stage.fleet.server(1).connect("app").await);
    let (alpha, beta) = (alpha.unwrap(), beta.unwrap());
    alpha.batch_execute("ALTER ROLE late PASSWORD 'later secret'").await.unwrap();
    let secret = "SELECT rolpassword FROM pg_authid WHERE rolname = 'late'";
    let secret: String = alpha.query_one(secret, &[]).await.unwrap().get(0);
    beta.batch_execute(&format!("ALTER ROLE late PASSWORD '{secret}'")).await.unwrap();
    until("the new password works, long before the cache forgets the old", PATIENCE, async || {
        stage.whoami("late", "later secret").await.is_ok()
    })
    .await;
}

#[tokio::test]
async fn users_of_a_userlist_get_in() {
    let stage = stage().await;
    assert_eq!(stage.whoami("listed", "listed \"secret\"").await.unwrap(), "listed");
}

#[tokio::test]
async fn the_first_rule_that_fits_decides() {
    let stage = stage().await;
    assert_eq!(stage.whoami("app", APP_PASSWORD).await.unwrap(), "app");
    let refused = stage.refusal("banned", "banned secret", "sslmode=disable").await;
    let expected = "pg_hba.conf rejects connection for host \"127.0.0.1\", user \"banned\", database \"app\", no encryption";
    assert!(refused.contains(expected), "{refused}");
    let refused = stage.refusal("elsewhere", "", "sslmode=require").await;
    let expected =
        "no pg_hba.conf entry for host \"127.0.0.1\", user \"elsewhere\", database \"app\", SSL encryption";
    assert!(refused.contains(expected), "{refused}");
}

#[tokio::test]
async fn a_certificate_lets_in_whom_the_map_names() {
    let stage = stage().await;
    let shown = format!("sslmode=require sslcert={0}/Anna.crt sslkey={0}/Anna.key", stage.home.display());
    assert_eq!(
        psql(&stage.libpq("certified", "", &shown), "SELECT session_user").await.unwrap(),
        "certified"
    );
    let refused = stage.refusal("certified", "certified secret", "sslmode=require").await;
    assert!(refused.contains("connection requires a valid client certificate"), "{refused}");
    let other =
        format!("sslmode=require sslcert={0}/127.0.0.1.crt sslkey={0}/127.0.0.1.key", stage.home.display());
    let refused = stage.refusal("certified", "certified secret", &other).await;
    assert!(refused.contains("certificate authentication failed for user \"certified\""), "{refused}");
}

/// What is heard after these bytes and a startup message of `user`: the tag of the first message and its text.
async fn heard(stage: &Stage, ahead: &[u8], user: &str) -> Option<(u8, String)> {
    let mut stream = TcpStream::connect(("127.0.0.1", stage.daemon.port())).await.unwrap();
    let body = format!("\0\x03\0\0user\0{user}\0database\0app\0\0");
    let startup = [&(body.len() as u32 + 4).to_be_bytes()[..], body.as_bytes()].concat();
    stream.write_all(&[ahead, &startup].concat()).await.unwrap();
    let tag = stream.read_u8().await.ok()?;
    let mut body = vec![0; stream.read_u32().await.ok()? as usize - 4];
    stream.read_exact(&mut body).await.ok()?;
    Some((tag, String::from_utf8_lossy(&body).into_owned()))
}

#[tokio::test]
async fn a_balancers_word_is_where_the_client_is() {
    let stage = stage().await;
    let far = b"PROXY TCP4 203.0.113.9 127.0.0.1 5000 6432\r\n";
    let (tag, body) = heard(stage, far, "elsewhere").await.unwrap();
    assert_eq!((tag, body.as_str()), (b'R', "\0\0\0\0"), "trusted from there");
    let (_, body) = heard(stage, far, "listed").await.unwrap();
    assert!(body.contains("no pg_hba.conf entry for host \"203.0.113.9\""), "{body}");
    let two =
        [&b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c"[..], &[203, 0, 113, 9, 127, 0, 0, 1, 0x13, 0x88, 0x19, 0x20]]
            .concat();
    assert_eq!(heard(stage, &two, "elsewhere").await.unwrap().0, b'R');
    let health = b"\r\n\r\n\0\r\nQUIT\n\x20\0\0\0";
    let (tag, _) = heard(stage, health, "elsewhere").await.unwrap();
    assert_eq!(tag, b'E', "the balancer itself is not elsewhere");
    assert_eq!(heard(stage, b"PROXY nonsense\r\n", "elsewhere").await, None);
}

#[tokio::test]
async fn who_says_nothing_holds_nothing_for_long() {
    let stage = stage().await;
    let mut silent = Vec::new();
    for _ in 0..200 {
        let mut stream = TcpStream::connect(("127.0.0.1", stage.daemon.port())).await.unwrap();
        stream.write_all(b"\0").await.unwrap();
        silent.push(stream);
    }
    assert_eq!(stage.whoami("app", APP_PASSWORD).await.unwrap(), "app");
    for mut stream in silent {
        let ended = tokio::time::timeout(PATIENCE, stream.read(&mut [0; 8])).await;
        assert!(matches!(ended, Ok(Ok(0) | Err(_))), "{ended:?}");
    }
}

#[tokio::test]
async fn another_protocol_is_not_waited_for() {
    let stage = stage().await;
    for garbage in [&b"GET / HTTP/1.1\r\n\r\n"[..], &[0, 0, 0, 4], &[0x7f, 0xff, 0xff, 0xff, 0, 3, 0, 0]] {
        let mut stream = TcpStream::connect(("127.0.0.1", stage.daemon.port())).await.unwrap();
        stream.write_all(garbage).await.unwrap();
        let ended = tokio::time::timeout(Duration::from_secs(1), stream.read(&mut [0; 8])).await;
        assert!(matches!(ended, Ok(Ok(0) | Err(_))), "{ended:?} after {garbage:?}");
    }
}
