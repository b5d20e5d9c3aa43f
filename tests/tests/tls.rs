//! TLS on both sides: servers that let nobody in without it, and clients that insist on it.
#![allow(clippy::unwrap_used)]

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, ServerName};
use tests::{APP_PASSWORD, Authority, Daemon, Fleet, Session, psql, until};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::OnceCell;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

const PATIENCE: Duration = Duration::from_secs(30);

/// The harness comes in as before; everybody else by TLS, with a certificate and a password.
const ACCESS: &str = "
local all all trust
host all postgres 127.0.0.1/32 trust
hostssl all,replication all 127.0.0.1/32 scram-sha-256 clientcert=verify-ca
";

struct Stage {
    fleet: Fleet,
    daemon: Daemon,
    home: PathBuf,
}

static STAGE: OnceCell<Stage> = OnceCell::const_new();

async fn stage() -> &'static Stage {
    STAGE.get_or_init(async || raise().await.unwrap()).await
}

/// Two servers that demand TLS, and a daemon that knows no other way to speak to them.
async fn raise() -> anyhow::Result<Stage> {
    let fleet = Fleet::builder().servers(2).start().await?;
    let home = fleet.path().join("certificates");
    let (servers, clients) = (Authority::new(&home.join("servers"))?, Authority::new(&home.join("clients"))?);
    let (shown, own) = (servers.issue("127.0.0.1")?, servers.issue("pgherd")?);
    for server in fleet.servers() {
        let client = server.connect("app").await?;
        client
            .batch_execute("CREATE ROLE steward LOGIN SUPERUSER REPLICATION PASSWORD 'steward secret'")
            .await?;
        client.batch_execute("CREATE TABLE notes (tenant_id bigint, note_id int, PRIMARY KEY (tenant_id, note_id)); GRANT ALL ON notes TO app").await?;
        let node = server.node(0);
        node.keep_file("server.crt", &shown.certificate)?;
        node.keep_file("server.key", &shown.key)?;
        node.keep_file("clients.crt", &servers.certificate())?;
        node.reconfigure("ssl = on\nssl_ca_file = 'clients.crt'", ACCESS).await?;
    }
    let ours = clients.issue("pgherd")?;
    let (kept, kept_key) = (home.join("pgherd.crt"), home.join("pgherd.key"));
    fs::copy(&ours.certificate, &kept)?;
    fs::copy(&ours.key, &kept_key)?;
    let daemon = fleet
        .daemon()
        .key("proxy", &format!("tls_certificate = {kept:?}\ntls_key = {kept_key:?}"))
        .key("proxy", &format!("tls_client_ca = {:?}", clients.certificate()))
        .prepare()?;
    let towards = format!(
        "tls = \"verify-full\"\ntls_ca = {:?}\ntls_certificate = {:?}\ntls_key = {:?}\nnodes = ",
        servers.certificate(),
        own.certificate,
        own.key
    );
    let text = fs::read_to_string(daemon.configuration())?.replace("nodes = ", &towards);
    let steward = "[admin]\nuser = \"steward\"\npassword = \"steward secret\"\n";
    fs::write(
        daemon.configuration(),
        text.replace("[admin]\nuser = \"postgres\"\npassword = \"\"\n", steward),
    )?;
    daemon.start().await?;
    Ok(Stage { fleet, daemon, home })
}

impl Stage {
    fn authority(&self) -> PathBuf {
        self.home.join("clients/ca.crt")
    }

    /// What libpq is told to connect as the application.
    fn libpq(&self, more: &str) -> String {
        let port = self.daemon.port();
        format!("host=127.0.0.1 port={port} user=app dbname=app password='{APP_PASSWORD}' {more}")
    }
}

#[tokio::test]
async fn servers_that_demand_tls_and_certificates_are_probed_read_and_written() {
    let stage = stage().await;
    let client = stage.daemon.connect().await.unwrap();
    for tenant in 1..=8_i64 {
        client.execute("INSERT INTO notes VALUES ($1, 1)", &[&tenant]).await.unwrap();
    }
    assert_eq!(client.query_one("SELECT count(*) FROM notes", &[]).await.unwrap().get::<_, i64>(0), 8);
    for server in stage.fleet.servers() {
        let server = server.connect("app").await.unwrap();
        let ours = "SELECT count(*) FILTER (WHERE NOT ssl), count(*) FILTER (WHERE client_dn = '/CN=pgherd') FROM pg_stat_ssl JOIN pg_stat_activity USING (pid) WHERE application_name LIKE 'pgherd/%'";
        let row = server.query_one(ours, &[]).await.unwrap();
        assert_eq!(row.get::<_, i64>(0), 0, "connections in clear");
        assert!(row.get::<_, i64>(1) > 0, "connections with our certificate");
    }
}

#[tokio::test]
async fn tenants_move_between_servers_that_demand_tls() {
    let stage = stage().await;
    let client = stage.daemon.connect().await.unwrap();
    client.execute("INSERT INTO notes VALUES (77, 7)", &[]).await.unwrap();
    let console = format!(
        "host=127.0.0.1 port={} user=steward dbname=pgherd password='steward secret'",
        stage.daemon.port()
    );
    let lives = psql(&console, "WHERE '77'").await.unwrap();
    let target = if lives.contains("alpha") { "beta" } else { "alpha" };
    psql(&console, &format!("MOVE START TENANTS '77' TO '{target}'")).await.unwrap();
    until("the tenant lives on the other server", Duration::from_secs(60), async || {
        psql(&console, "WHERE '77'").await.is_ok_and(|lives| lives.contains(target))
    })
    .await;
    let row = client.query_one("SELECT note_id FROM notes WHERE tenant_id = 77", &[]).await.unwrap();
    assert_eq!(row.get::<_, i32>(0), 7);
}

#[tokio::test]
async fn a_client_that_trusts_nobody_gets_in() {
    let stage = stage().await;
    let strict =
        format!("sslmode=verify-full channel_binding=require sslrootcert={}", stage.authority().display());
    assert_eq!(psql(&stage.libpq(&strict), "SELECT current_user").await.unwrap(), "app");
    let foreign = format!("sslmode=verify-full sslrootcert={}", stage.home.join("servers/ca.crt").display());
    let refused = psql(&stage.libpq(&foreign), "SELECT 1").await.unwrap_err().to_string();
    assert!(refused.contains("certificate verify failed"), "{refused}");
    assert_eq!(psql(&stage.libpq("sslmode=disable"), "SELECT 1").await.unwrap(), "1");
}

#[tokio::test]
async fn a_certificate_of_a_client_that_nobody_has_signed_ends_the_handshake() {
    let stage = stage().await;
    let files = |folder: &str, name: &str| {
        let folder = stage.home.join(folder);
        format!("sslmode=require sslcert={0}/{name}.crt sslkey={0}/{name}.key", folder.display())
    };
    let refused = psql(&stage.libpq(&files("servers", "pgherd")), "SELECT 1").await;
    assert!(refused.is_err(), "{refused:?}");
    assert_eq!(psql(&stage.libpq(&files("clients", "pgherd")), "SELECT 1").await.unwrap(), "1");
}

/// TLS from the first byte, with these protocols in ALPN.
async fn direct(port: u16, authority: &Path, protocols: &[&[u8]]) -> std::io::Result<TlsStream<TcpStream>> {
    let mut roots = rustls::RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(authority).unwrap()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config =
        rustls::ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let mut config = config.with_root_certificates(roots).with_no_client_auth();
    config.alpn_protocols = protocols.iter().map(|protocol| protocol.to_vec()).collect();
    let stream = TcpStream::connect(("127.0.0.1", port)).await?;
    TlsConnector::from(Arc::new(config)).connect(ServerName::try_from("127.0.0.1").unwrap(), stream).await
}

fn startup() -> Vec<u8> {
    let body = b"\0\x03\0\0user\0app\0database\0app\0\0";
    [&(body.len() as u32 + 4).to_be_bytes()[..], body].concat()
}

/// The tag and body of the next message.
async fn message(stream: &mut (impl AsyncReadExt + Unpin)) -> std::io::Result<(u8, Vec<u8>)> {
    let tag = stream.read_u8().await?;
    let mut body = vec![0; stream.read_u32().await? as usize - 4];
    stream.read_exact(&mut body).await?;
    Ok((tag, body))
}

#[tokio::test]
async fn tls_may_come_first_and_must_then_name_the_protocol() {
    let stage = stage().await;
    let mut stream = direct(stage.daemon.port(), &stage.authority(), &[b"postgresql"]).await.unwrap();
    stream.write_all(&startup()).await.unwrap();
    let (tag, body) = message(&mut stream).await.unwrap();
    assert_eq!((tag, &body[..4]), (b'R', &[0, 0, 0, 10][..]));
    assert!(body.windows(18).any(|name| name == b"SCRAM-SHA-256-PLUS"), "PLUS is offered");
    for protocols in [&[][..], &[&b"http/1.1"[..]]] {
        let ended = async {
            let mut stream = direct(stage.daemon.port(), &stage.authority(), protocols).await?;
            stream.write_all(&startup()).await?;
            message(&mut stream).await
        };
        assert!(ended.await.is_err(), "{protocols:?}");
    }
}

#[tokio::test]
async fn a_cancel_request_may_come_over_tls_and_its_connection_ends_in_good_order() {
    let stage = stage().await;
    let daemon = &stage.daemon;
    let mut session = Session::speaking(2, (daemon.port(), "app", "app"), &[]).await.unwrap();
    let (process, secret) = session.backend_key();
    let canceling = until("the sleeper is cancelled", PATIENCE, async || {
        let mut stream = direct(daemon.port(), &stage.authority(), &[b"postgresql"]).await.unwrap();
        stream.write_all(&tests::cancel_request(process, &secret)).await.unwrap();
        assert_eq!(stream.read(&mut [0]).await.unwrap(), 0, "a close_notify");
        false
    });
    tokio::select! {
        answer = session.ask("SELECT pg_sleep(60)") => assert_eq!(answer.unwrap().sqlstate(), "57014"),
        () = canceling => {}
    }
}

#[tokio::test]
async fn a_client_that_was_told_of_no_binding_is_told_that_somebody_lies() {
    let stage = stage().await;
    let mut stream = direct(stage.daemon.port(), &stage.authority(), &[b"postgresql"]).await.unwrap();
    stream.write_all(&startup()).await.unwrap();
    message(&mut stream).await.unwrap();
    let first = b"y,,n=,r=abcdefgh";
    let body = [b"SCRAM-SHA-256\0", &(first.len() as u32).to_be_bytes()[..], first].concat();
    stream.write_all(&[b"p", &(body.len() as u32 + 4).to_be_bytes()[..], &body].concat()).await.unwrap();
    let (tag, body) = message(&mut stream).await.unwrap();
    assert_eq!(tag, b'E');
    assert!(String::from_utf8_lossy(&body).contains("channel binding negotiation error"));
}

#[tokio::test]
async fn bytes_in_clear_behind_an_sslrequest_are_never_read() {
    let stage = stage().await;
    let mut stream = TcpStream::connect(("127.0.0.1", stage.daemon.port())).await.unwrap();
    let request = [0, 0, 0, 8, 0x04, 0xd2, 0x16, 0x2f];
    stream.write_all(&[&request[..], &startup()].concat()).await.unwrap();
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer).await;
    assert!(answer.is_empty(), "{answer:?}");
}

#[tokio::test]
async fn a_new_certificate_is_shown_after_a_reload_and_who_is_inside_stays() {
    let stage = stage().await;
    // A daemon of its own: the others go on with the first certificate.
    let home = stage.home.join("renewed");
    let (older, newer) =
        (Authority::new(&home.join("older")).unwrap(), Authority::new(&home.join("newer")).unwrap());
    let (certificate, key) = (home.join("shown.crt"), home.join("shown.key"));
    let show = |authority: &Authority| {
        let identity = authority.issue("pgherd").unwrap();
        fs::copy(identity.certificate, &certificate).unwrap();
        fs::copy(identity.key, &key).unwrap();
    };
    show(&older);
    let daemon = stage.fleet.daemon().name("renewed").servers(1);
    let daemon = daemon.key("proxy", &format!("tls_certificate = {certificate:?}\ntls_key = {key:?}"));
    let daemon = daemon.key("proxy", "tls_required = true").prepare().unwrap();
    // Of the servers this one asks nothing but the catalog, as the superuser that needs no TLS.
    daemon.start().await.unwrap();
    let refused = daemon.connect().await;
    assert!(format!("{:?}", refused.err().unwrap()).contains("without TLS"));
    let mut inside = direct(daemon.port(), &older.certificate(), &[b"postgresql"]).await.unwrap();
    show(&newer);
    daemon.reload();
    until("the new certificate is shown", PATIENCE, async || {
        direct(daemon.port(), &newer.certificate(), &[b"postgresql"]).await.is_ok()
    })
    .await;
    inside.write_all(&startup()).await.unwrap();
    assert_eq!(message(&mut inside).await.unwrap().0, b'R');
}

#[tokio::test]
async fn a_server_s_tls_is_preferred_and_not_missed_where_there_is_none() {
    const ALL: &str = "local all all trust\nhost all,replication all 127.0.0.1/32 trust";
    let fleet = Fleet::builder().servers(1).start().await.unwrap();
    let node = fleet.server(0).node(0);
    let shown = Authority::new(&fleet.path().join("own")).unwrap().issue("127.0.0.1").unwrap();
    node.keep_file("server.crt", &shown.certificate).unwrap();
    node.keep_file("server.key", &shown.key).unwrap();
    let daemon = fleet.daemon().start().await.unwrap();
    let mut session = daemon.session("app").await.unwrap();
    let console = daemon.console().await.unwrap();
    for (ssl, encrypted) in [("off", "f"), ("on", "t"), ("off", "f")] {
        node.reconfigure(&format!("ssl = {ssl}"), ALL).await.unwrap();
        until(&format!("connections are new, with ssl {ssl}"), Duration::from_secs(20), async || {
            console.simple_query("RECONNECT").await.unwrap();
            let sql = "SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()";
            session.ask(sql).await.is_ok_and(|answer| answer.fault.is_none() && answer.value() == encrypted)
        })
        .await;
    }
}
