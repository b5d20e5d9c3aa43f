//! Where clients come in: addresses of both families, the unix socket, and how many may be there.
#![allow(clippy::unwrap_used)]

use std::io::ErrorKind;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::time::Duration;

use tests::{APP_PASSWORD, APP_USER, Daemon, Fleet, free_port, until};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::OnceCell;
use tokio::time::timeout;
use tokio_postgres::NoTls;

const PATIENCE: Duration = Duration::from_secs(10);

struct Stage {
    fleet: Fleet,
    daemon: Daemon,
    /// Where it listens on IPv6.
    sixth: u16,
}

static STAGE: OnceCell<Stage> = OnceCell::const_new();

async fn stage() -> &'static Stage {
    let start = async || {
        let fleet = Fleet::builder().servers(1).start().await.unwrap();
        let socket = format!("unix_socket_dir = {:?}\nunix_socket_mode = \"0600\"", fleet.path());
        let daemon = fleet.daemon().key("proxy", &socket).key("proxy", "max_client_connections = 3");
        let daemon = daemon.key("proxy", "max_client_logins = 2").prepare().unwrap();
        let sixth = free_port().unwrap();
        let first = format!("\"127.0.0.1:{}\"", daemon.port());
        let text = std::fs::read_to_string(daemon.configuration()).unwrap();
        let both = format!("listen = [{first}, \"[::1]:{sixth}\"]");
        std::fs::write(daemon.configuration(), text.replacen(&format!("listen = {first}"), &both, 1))
            .unwrap();
        daemon.start().await.unwrap();
        Stage { fleet, daemon, sixth }
    };
    STAGE.get_or_init(start).await
}

/// What a client hears that asks by these parameters of libpq.
async fn asks(place: &str) -> Result<String, tokio_postgres::Error> {
    let parameters = format!("{place} user={APP_USER} password='{APP_PASSWORD}' dbname=app");
    let (client, connection) = tokio_postgres::connect(&parameters, NoTls).await?;
    let talk = tokio::spawn(connection);
    let answer = client.query_one("SELECT 'here'", &[]).await.map(|row| row.get(0));
    drop(client);
    talk.await.unwrap()?;
    answer
}

fn socket(stage: &Stage) -> PathBuf {
    stage.fleet.path().join(format!(".s.PGSQL.{}", stage.daemon.port()))
}

#[tokio::test]
async fn every_address_of_the_list_and_the_unix_socket_let_clients_in() {
    let stage = stage().await;
    let folder = stage.fleet.path().display();
    let places = [
        format!("host=127.0.0.1 port={}", stage.daemon.port()),
        format!("host=::1 port={}", stage.sixth),
        format!("host={folder} port={}", stage.daemon.port()),
    ];
    for place in places {
        until(&format!("there is room at {place}"), PATIENCE, async || asks(&place).await.is_ok()).await;
    }
    let mode = std::fs::metadata(socket(stage)).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
}

/// Strangers beyond the bound are not even accepted; on the unix socket there is room for who belongs here.
#[tokio::test]
async fn who_logs_in_without_a_word_is_bounded_and_lets_others_in_when_it_leaves() {
    let stage = stage().await;
    let address = ("127.0.0.1", stage.daemon.port());
    let request = [0, 0, 0, 8, 4, 210, 22, 47];
    let mut silent = Vec::new();
    let mut waiting = None;
    for _ in 0..10 {
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(&request).await.unwrap();
        let mut answer = [0];
        match timeout(Duration::from_millis(500), stream.read_exact(&mut answer)).await {
            Ok(read) => drop(read.unwrap()),
            Err(_) => {
                waiting = Some(stream);
                break;
            }
        }
        silent.push(stream);
    }
    let mut waiting = waiting.expect("the bound holds");
    // One for each of the two addresses may be in before the bound is looked at again.
    assert!((2..=4).contains(&silent.len()), "{} are logging in", silent.len());
    let unix = format!("host={} port={}", stage.fleet.path().display(), stage.daemon.port());
    until("the unix socket lets clients in", PATIENCE, async || asks(&unix).await.is_ok()).await;
    drop(silent);
    let mut answer = [0];
    timeout(PATIENCE, waiting.read_exact(&mut answer)).await.expect("it is accepted now").unwrap();
    assert_eq!(&answer, b"N");
}

#[tokio::test]
async fn the_console_lets_its_admin_in_when_there_is_no_room_for_clients() {
    let stage = stage().await;
    let mut clients = Vec::new();
    until("there is no room for clients", PATIENCE, async || match stage.daemon.session("app").await {
        Ok(session) => {
            clients.push(session);
            false
        }
        Err(error) => error.to_string().contains("53300"),
    })
    .await;
    let console = stage.daemon.console().await.unwrap();
    assert!(!console.simple_query("SHOW CLIENTS").await.unwrap().is_empty());
}

#[tokio::test]
async fn an_address_that_is_taken_is_named() {
    let fleet = &stage().await.fleet;
    let daemon = fleet.daemon().name("second").prepare().unwrap();
    let taken = std::net::TcpListener::bind(("127.0.0.1", daemon.port())).unwrap();
    let error = daemon.start().await.unwrap_err().to_string();
    assert!(error.contains(&format!("cannot listen on {}", taken.local_addr().unwrap())), "{error}");
    assert_eq!(
        TcpStream::connect(("::1", daemon.port())).await.unwrap_err().kind(),
        ErrorKind::ConnectionRefused
    );
}
