//! Logins over real sockets, with a real client on the other side.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use bytes::BytesMut;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_postgres::NoTls;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::accept::{Door, Entrance};
use super::host::Host;
use super::logins::Logins;
use super::workers::Workers;
use crate::client::{Burden, CancelRequest, Gate, Role, Roles, Startup, Unknowable};
use crate::config::{AdminConfig, Config, DatabaseConfig, Password, UserConfig};
use crate::metrics::Metrics;
use crate::net::Listener;
use crate::net::listen::Sharing;

/// Says that it is ready, and which parameters it got as ParameterStatus, until the client leaves.
struct Mirror;

impl Host for Mirror {
    type Resting = ();

    async fn serve(self: Arc<Self>, startup: Box<Startup>, _burden: Arc<Burden>) -> Option<()> {
        let Startup { mut stream, mut leftover, parameters, .. } = *startup;
        let mut out = BytesMut::new();
        for (name, value) in parameters {
            let body = [name.as_bytes(), b"\0", value.as_bytes(), b"\0"].concat();
            out.extend_from_slice(b"S");
            out.extend_from_slice(&(body.len() as u32 + 4).to_be_bytes());
            out.extend_from_slice(&body);
        }
        out.extend_from_slice(b"Z\0\0\0\x05I");
        let _ = stream.write_all(&out).await;
        while stream.read_buf(&mut leftover).await.is_ok_and(|count| count > 0) {}
        None
    }

    async fn serve_on(self: Arc<Self>, (): (), _burden: Arc<Burden>) -> Option<()> {
        None
    }

    async fn cancel(self: Arc<Self>, _request: CancelRequest) {}

    fn hold(&self, _held: bool) {}

    fn reload(&self, _config: Arc<Config>) {}
}

/// The configuration knows all there are.
impl Roles for Mirror {
    async fn role(&self, _user: &str, _database: &str) -> Result<Option<Arc<Role>>, Unknowable> {
        Ok(None)
    }

    fn doubt(&self, _user: &str) {}
}

struct Served {
    address: SocketAddr,
    shutdown: CancellationToken,
}

impl Drop for Served {
    fn drop(&mut self) {
        self.shutdown.cancel();
    }
}

fn served(change: impl FnOnce(&mut Config)) -> Served {
    let mut config = Config {
        databases: vec![DatabaseConfig { name: "app".into(), ..DatabaseConfig::default() }],
        users: vec![UserConfig {
            name: "app".into(),
            password: Password::new("right"),
            ..UserConfig::default()
        }],
        admin: AdminConfig { user: "boss".into(), password: Password::new("boss"), ..AdminConfig::default() },
        ..Config::default()
    };
    change(&mut config);
    let listener = Listener::tcp(([127, 0, 0, 1], 0).into(), Sharing::Alone, 16).expect("a free port");
    let address = listener.address().expect("an address").expect("over TCP");
    let shutdown = CancellationToken::new();
    let door = Door {
        gate: ArcSwap::from_pointee(Gate::new(Arc::new(config), None)),
        host: Arc::new(Mirror),
        metrics: Metrics::default(),
        tasks: TaskTracker::new(),
        guests: TaskTracker::new(),
        logins: Logins::default(),
        closing: shutdown.clone(),
        shutdown: shutdown.clone(),
        workers: Workers::start(2).expect("threads"),
    };
    tokio::spawn(Arc::new(door).attend(Entrance::Ours(listener)));
    Served { address, shutdown }
}

/// The SQLSTATE that a login ends with; `None` where it is let in.
async fn login(served: &Served, settings: &str) -> Option<String> {
    let (host, port) = (served.address.ip(), served.address.port());
    let settings = format!("host={host} port={port} {settings}");
    match tokio_postgres::connect(&settings, NoTls).await {
        Ok(_) => None,
        Err(error) => Some(error.code().map_or_else(|| error.to_string(), |code| code.code().to_owned())),
    }
}

/// What is answered to these bytes before the connection is closed.
async fn answer(served: &Served, bytes: &[u8]) -> Vec<u8> {
    let mut stream = TcpStream::connect(served.address).await.expect("a listener");
    stream.write_all(bytes).await.expect("an open connection");
    let mut answer = Vec::new();
    let read = tokio::time::timeout(Duration::from_secs(5), stream.read_to_end(&mut answer)).await;
    // A connection that is reset is closed, too.
    let _ = read.expect("the connection is closed soon");
    answer
}

fn packet(code: u32, body: &[u8]) -> Vec<u8> {
    [&(8 + body.len() as u32).to_be_bytes()[..], &code.to_be_bytes(), body].concat()
}

fn sqlstate(answer: &[u8]) -> &str {
    let at = answer.windows(2).position(|pair| pair == b"\0C").expect("an ErrorResponse");
    std::str::from_utf8(&answer[at + 2..at + 7]).expect("five characters")
}

const V3: u32 = 3 << 16;
const SSL: u32 = 1234 << 16 | 5679;
const GSS: u32 = 1234 << 16 | 5680;
const CANCEL: u32 = 1234 << 16 | 5678;

#[tokio::test]
async fn who_may_enter_enters_and_the_others_are_told_why() {
    let served = served(|_| ());
    let refused = |sqlstate: &str| Some(sqlstate.to_owned());
    assert_eq!(login(&served, "user=app password=right dbname=app").await, None);
    assert_eq!(login(&served, "user=app password=right").await, None, "the user's name is the database's");
    assert_eq!(login(&served, "user=app password=wrong dbname=app").await, refused("28P01"));
    assert_eq!(login(&served, "user=nobody password=right dbname=app").await, refused("28P01"));
    assert_eq!(login(&served, "user=app password=right dbname=other").await, refused("3D000"));
    assert_eq!(login(&served, "user=app password=right dbname=pgherd").await, refused("28000"));
    assert_eq!(login(&served, "user=boss password=boss dbname=pgherd").await, None);
    assert_eq!(login(&served, "user=boss password=boss dbname=app").await, refused("28000"));
    let options = "user=app password=right dbname=app options='-c work_mem'";
    assert_eq!(login(&served, options).await, refused("42601"));
}

#[tokio::test]
async fn the_settings_of_a_startup_arrive() {
    let served = served(|config| config.users[0].password = Password::default());
    let body = b"user\0app\0search_path\0a\0options\0-c app.tenant=o\\ neil\0application_name\0me\0\0";
    let mut stream = TcpStream::connect(served.address).await.expect("a listener");
    stream.write_all(&packet(V3, body)).await.expect("an open connection");
    let mut answer = BytesMut::new();
    while !answer.ends_with(b"Z\0\0\0\x05I") {
        assert_ne!(stream.read_buf(&mut answer).await.expect("an answer"), 0);
    }
    let at = |text: &str| answer.windows(text.len()).position(|part| part == text.as_bytes());
    let order = [at("app.tenant\0o neil\0"), at("search_path\0a\0"), at("application_name\0me\0")];
    assert!(order.iter().all(Option::is_some) && order.is_sorted(), "{answer:?}");
}

#[tokio::test]
async fn encryption_is_declined_in_either_order() {
    let served = served(|_| ());
    for (first, second) in [(SSL, GSS), (GSS, SSL)] {
        let startup = packet(V3, b"user\0app\0replication\0true\0\0");
        let answer = answer(&served, &[packet(first, b""), packet(second, b""), startup].concat()).await;
        assert_eq!(&answer[..3], b"NNE");
        assert_eq!(sqlstate(&answer), "0A000");
    }
}

#[tokio::test]
async fn garbage_is_closed_without_a_word() {
    let served = served(|_| ());
    let endless = [0x7F, 0xFF, 0xFF, 0xFF];
    for bytes in [
        &b"GET / HTTP/1.1\r\n\r\n"[..],
        b"\x16\x03\x01\x02\x00\x01",
        &endless,
        &[0; 8],
        b"\0\0\0\x09\0\x03\0\0x",
    ] {
        assert!(answer(&served, bytes).await.is_empty(), "{bytes:?}");
    }
    assert_eq!(sqlstate(&answer(&served, &packet(2 << 16, b"x")).await), "0A000");
    assert_eq!(sqlstate(&answer(&served, &packet(V3, b"database\0app\0\0")).await), "28000");
}

#[tokio::test]
async fn a_newer_protocol_is_negotiated_down() {
    let served = served(|_| ());
    let startup = packet(V3 | 9999, b"user\0nobody\0_pq_.cats\0on\0replication\0true\0\0");
    let answer = answer(&served, &startup).await;
    assert_eq!(answer[0], b'v');
    assert_eq!(answer[5..9], (V3 | 2).to_be_bytes());
    assert_eq!(&answer[9..24], b"\0\0\0\x01_pq_.cats\0E");
}

#[tokio::test]
async fn a_protocol_that_is_spoken_needs_no_negotiation() {
    let served = served(|_| ());
    for minor in [0, 2] {
        let plain = packet(V3 | minor, b"user\0nobody\0replication\0true\0\0");
        assert_eq!(answer(&served, &plain).await[0], b'E', "3.{minor}");
        let asking = packet(V3 | minor, b"user\0nobody\0_pq_.cats\0on\0replication\0true\0\0");
        let answer = answer(&served, &asking).await;
        assert_eq!((answer[0], &answer[5..9]), (b'v', &(V3 | minor).to_be_bytes()[..]), "3.{minor}");
    }
}

#[tokio::test]
async fn who_says_nothing_is_let_go() {
    let served = served(|config| config.proxy.client_login_timeout = Duration::from_millis(100));
    assert!(answer(&served, b"").await.is_empty());
    assert!(answer(&served, b"\0").await.is_empty());
    let cancel = packet(CANCEL, &[0; 36]);
    assert!(answer(&served, &cancel[..cancel.len() - 1]).await.is_empty());
}

#[tokio::test]
async fn a_full_house_still_lets_the_admin_in() {
    let served = served(|config| config.proxy.max_client_connections = 1);
    let (host, port) = (served.address.ip(), served.address.port());
    let settings = format!("host={host} port={port} user=app password=right dbname=app");
    let inside = tokio_postgres::connect(&settings, NoTls).await.expect("room for one");
    assert_eq!(login(&served, "user=app password=right dbname=app").await.as_deref(), Some("53300"));
    assert_eq!(login(&served, "user=boss password=boss dbname=pgherd").await, None);
    drop(inside);
}

#[tokio::test]
async fn without_tls_nobody_enters_where_it_is_required() {
    let served = served(|config| config.proxy.tls_required = true);
    assert_eq!(login(&served, "user=app password=right dbname=app").await.as_deref(), Some("28000"));
}
