//! A daemon ends, and another takes over, as its operator asked: by signals, the console, systemd.
#![allow(clippy::unwrap_used)]

use std::os::unix::net::UnixDatagram;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use tests::{Daemon, Fleet, Message, Session, Signal, until};
use tokio::net::TcpStream;
use tokio::sync::OnceCell;

const PATIENCE: Duration = Duration::from_secs(15);

static FLEET: OnceCell<Fleet> = OnceCell::const_new();

async fn fleet() -> &'static Fleet {
    let start = async || {
        let fleet = Fleet::builder().servers(1).start().await.unwrap();
        let server = fleet.server(0).connect("app").await.unwrap();
        server.batch_execute("CREATE TABLE kept (who text)").await.unwrap();
        server.batch_execute("ALTER TABLE kept OWNER TO app").await.unwrap();
        fleet
    };
    FLEET.get_or_init(start).await
}

async fn daemon(name: &str) -> Daemon {
    fleet().await.daemon().name(name).start().await.unwrap()
}

/// A session in a transaction that has written.
async fn writer(daemon: &Daemon, who: &str) -> Session {
    let mut session = daemon.session("app").await.unwrap();
    session.ask("BEGIN").await.unwrap();
    assert_eq!(session.ask(&format!("INSERT INTO kept VALUES ('{who}')")).await.unwrap().tag, "INSERT 0 1");
    session
}

async fn is_kept(who: &str) -> bool {
    let server = fleet().await.server(0).connect("app").await.unwrap();
    !server.query("SELECT FROM kept WHERE who = $1", &[&who]).await.unwrap().is_empty()
}

async fn is_sent_away(session: &mut Session) {
    match session.next().await.unwrap() {
        Message::Error(fault) => assert_eq!(fault.sqlstate, "57P01", "{fault}"),
        other => panic!("{other:?}"),
    }
    assert!(session.next().await.is_err(), "the connection is closed");
}

async fn listens(daemon: &Daemon) -> bool {
    TcpStream::connect(("127.0.0.1", daemon.port())).await.is_ok()
}

async fn ends(daemon: &Daemon) {
    until("the daemon has ended", PATIENCE, async || !daemon.is_running()).await;
}

/// Draining: not ready, no new clients, the idle ones sent away, the transaction ends and commits.
async fn drains(daemon: &Daemon, who: &str, signal: Signal) {
    let mut idle = daemon.session("app").await.unwrap();
    let mut writer = writer(daemon, who).await;
    daemon.signal(signal);
    is_sent_away(&mut idle).await;
    assert_eq!(daemon.page("/readyz").await.unwrap().0, 503);
    until("nobody listens", PATIENCE, async || !listens(daemon).await).await;
    assert_eq!(writer.ask("SELECT 1").await.unwrap().value(), "1", "a transaction goes on");
    assert_eq!(writer.ask("COMMIT").await.unwrap().tag, "COMMIT");
    is_sent_away(&mut writer).await;
    ends(daemon).await;
    assert!(is_kept(who).await);
}

#[tokio::test]
async fn sigterm_sends_idle_clients_away_and_lets_a_transaction_end() {
    drains(&daemon("terminated").await, "terminated", Signal::Terminate).await;
}

#[tokio::test]
async fn sigint_does_the_same() {
    drains(&daemon("interrupted").await, "interrupted", Signal::Interrupt).await;
}

#[tokio::test]
async fn a_transaction_that_does_not_end_is_cut_off_after_the_shutdown_timeout() {
    let daemon = fleet().await.daemon().name("impatient").key("proxy", "shutdown_timeout = \"1s\"");
    let daemon = daemon.start().await.unwrap();
    let _writer = writer(&daemon, "impatient").await;
    daemon.signal(Signal::Terminate);
    ends(&daemon).await;
    assert!(!is_kept("impatient").await);
}

#[tokio::test]
async fn sigquit_and_a_second_sigterm_end_it_at_once() {
    let daemon = daemon("quit").await;
    let _one = writer(&daemon, "quit").await;
    daemon.signal(Signal::Quit);
    ends(&daemon).await;
    daemon.start().await.unwrap();
    let _other = writer(&daemon, "quit").await;
    daemon.signal(Signal::Terminate);
    until("it drains", PATIENCE, async || !listens(&daemon).await).await;
    daemon.signal(Signal::Terminate);
    ends(&daemon).await;
    assert!(!is_kept("quit").await);
}

#[tokio::test]
async fn sigusr1_holds_statements_and_sigusr2_lets_them_go_on() {
    let daemon = daemon("paused").await;
    let mut writer = writer(&daemon, "paused").await;
    let mut other = daemon.session("app").await.unwrap();
    daemon.signal(Signal::First);
    let console = daemon.console().await.unwrap();
    let has = async |words: &str, column: &str, wanted: &str| {
        let messages = console.simple_query(words).await.unwrap();
        messages.iter().any(|message| match message {
            tokio_postgres::SimpleQueryMessage::Row(row) => row.get(column) == Some(wanted),
            _ => false,
        })
    };
    until("it is paused", PATIENCE, async || has("SHOW DATABASES", "paused", "1").await).await;
    assert_eq!(writer.ask("COMMIT").await.unwrap().tag, "COMMIT", "a transaction goes on");
    let held = async { other.ask("SELECT 7").await.unwrap().value().to_owned() };
    let resumed = async {
        until("it waits", PATIENCE, async || has("SHOW CLIENTS", "state", "waiting").await).await;
        daemon.signal(Signal::Second);
    };
    assert_eq!(tokio::join!(held, resumed).0, "7");
}

#[tokio::test]
async fn sighup_reads_the_configuration_again_and_says_what_needs_a_restart() {
    let daemon = daemon("reloaded").await;
    let mut client = writer(&daemon, "reloaded").await;
    let file = daemon.configuration();
    let text = std::fs::read_to_string(&file).unwrap();
    let text = text.replace("[proxy]\n", "[proxy]\npeer_id = 9\n");
    std::fs::write(&file, format!("{text}\n[[user]]\nname = \"postgres\"\n")).unwrap();
    daemon.reload();
    until("the new user may enter", PATIENCE, async || {
        tests::connect(&daemon.url("app", "postgres")).await.is_ok()
    })
    .await;
    assert!(daemon.log().contains("needs a restart"), "{}", daemon.log_tail());
    assert_eq!(client.ask("COMMIT").await.unwrap().tag, "COMMIT", "nobody was disturbed");
}

#[tokio::test]
async fn a_shutdown_may_wait_until_the_last_client_leaves() {
    let daemon = daemon("lingering").await;
    let mut client = daemon.session("app").await.unwrap();
    daemon.console().await.unwrap().simple_query("SHUTDOWN WAIT_FOR_CLIENTS").await.unwrap();
    until("nobody listens", PATIENCE, async || !listens(&daemon).await).await;
    assert_eq!(daemon.page("/readyz").await.unwrap().0, 503);
    for _ in 0..3 {
        assert_eq!(client.ask("SELECT 1").await.unwrap().value(), "1");
    }
    drop(client);
    ends(&daemon).await;
}

/// Connects, asks and leaves, again and again until told to stop; answers how often.
async fn come_and_go(port: u16, stop: Arc<AtomicBool>, served: Arc<AtomicUsize>) {
    while !stop.load(Ordering::Relaxed) {
        let mut session = Session::open(port, "app", "app", &[]).await.expect("no connection is refused");
        assert_eq!(session.ask("SELECT 1").await.unwrap().value(), "1");
        served.fetch_add(1, Ordering::Relaxed);
    }
}

#[tokio::test]
async fn a_new_process_takes_over_on_the_same_port_and_no_connection_is_refused() {
    let sharing = async |name| fleet().await.daemon().name(name).key("proxy", "so_reuseport = true");
    let old = sharing("old").await.start().await.unwrap();
    let console = old.console().await.unwrap();
    let new = sharing("new").await.prepare().unwrap();
    let text = std::fs::read_to_string(new.configuration()).unwrap();
    let (from, to) =
        (format!("127.0.0.1:{}\"\nhttp", new.port()), format!("127.0.0.1:{}\"\nhttp", old.port()));
    std::fs::write(new.configuration(), text.replace(&from, &to)).unwrap();
    let (stop, served) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
    let clients =
        (0..4).map(|_| tokio::spawn(come_and_go(old.port(), Arc::clone(&stop), Arc::clone(&served))));
    let clients: Vec<_> = clients.collect();
    until("clients are served", PATIENCE, async || served.load(Ordering::Relaxed) > 20).await;
    new.start().await.unwrap();
    console.simple_query("SHUTDOWN WAIT_FOR_CLIENTS").await.unwrap();
    ends(&old).await;
    let before = served.load(Ordering::Relaxed);
    until("the new one serves them", PATIENCE, async || served.load(Ordering::Relaxed) > before + 50).await;
    stop.store(true, Ordering::Relaxed);
    for client in clients {
        client.await.unwrap();
    }
}

#[tokio::test]
async fn a_daemon_serves_on_the_socket_that_systemd_listens_on() {
    let daemon = fleet().await.daemon().name("activated").prepare().unwrap();
    let socket = format!("127.0.0.1:{}", daemon.port());
    let mut systemd = Command::new("systemd-socket-activate");
    systemd.args(["-l", &socket, "--fdname=clients"]).arg(tests::pgherd().unwrap());
    systemd.args(["serve", "--config"]).arg(daemon.configuration());
    let log = std::fs::File::create(daemon.configuration().with_file_name("activated.log")).unwrap();
    let mut child = systemd.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log).spawn().unwrap();
    until("systemd listens", PATIENCE, async || listens(&daemon).await).await;
    // Who comes before the daemon runs waits, and is served.
    let mut session = daemon.session("app").await.unwrap();
    assert_eq!(session.ask("SELECT 1").await.unwrap().value(), "1");
    Signal::Terminate.send(child.id());
    until("the daemon has ended", PATIENCE, async || child.try_wait().unwrap().is_some()).await;
}

#[tokio::test]
async fn systemd_is_told_of_each_stage() {
    let daemon = fleet().await.daemon().name("notifying").prepare().unwrap();
    let path = daemon.configuration().with_file_name("notify.socket");
    let socket = UnixDatagram::bind(&path).unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    let heard = || {
        let mut message = [0; 256];
        let length = socket.recv(&mut message).unwrap();
        String::from_utf8_lossy(&message[..length]).into_owned()
    };
    daemon.set_environment("NOTIFY_SOCKET", path.to_str().unwrap());
    daemon.set_environment("WATCHDOG_USEC", "60000000");
    daemon.start().await.unwrap();
    let (first, second) = (heard(), heard());
    assert!(first.contains("READY=1") && second.contains("WATCHDOG=1"), "{first}{second}");
    daemon.reload();
    let reloading = heard();
    assert!(reloading.contains("RELOADING=1") && reloading.contains("MONOTONIC_USEC="), "{reloading}");
    assert!(heard().contains("READY=1"));
    daemon.signal(Signal::Terminate);
    assert!(heard().contains("STOPPING=1"));
    ends(&daemon).await;
}

#[tokio::test]
async fn a_cancel_request_that_arrives_at_another_proxy_is_passed_on() {
    let (one, other) = (tests::free_port().unwrap(), tests::free_port().unwrap());
    let peered = async |name: &str, id: u8, peer: u8, port: u16| {
        let peer = format!("[[peer]]\nid = {peer}\naddress = \"127.0.0.1:{port}\"");
        fleet()
            .await
            .daemon()
            .name(name)
            .key("proxy", &format!("peer_id = {id}"))
            .section(&peer)
            .prepare()
            .unwrap()
    };
    let (first, second) = (peered("first", 1, 2, other).await, peered("second", 2, 1, one).await);
    for (daemon, port) in [(&first, one), (&second, other)] {
        let text = std::fs::read_to_string(daemon.configuration()).unwrap();
        let (from, to) =
            (format!("127.0.0.1:{}\"\nhttp", daemon.port()), format!("127.0.0.1:{port}\"\nhttp"));
        std::fs::write(daemon.configuration(), text.replace(&from, &to)).unwrap();
        daemon.start().await.unwrap();
    }
    for minor in [0, 2] {
        let mut session = Session::speaking(minor, (one, "app", "app"), &[]).await.unwrap();
        let (process, secret) = session.backend_key();
        let mut wrong = secret.to_vec();
        wrong[0] ^= 1;
        let sleeps = async { session.ask("SELECT pg_sleep(60)").await.unwrap() };
        let cancels = async {
            let server = fleet().await.server(0).connect("app").await.unwrap();
            let runs =
                "SELECT FROM pg_stat_activity WHERE query LIKE 'SELECT pg_sleep%' AND state = 'active'";
            until("it sleeps", PATIENCE, async || !server.query(runs, &[]).await.unwrap().is_empty()).await;
            tests::cancel_with(other, process, &wrong).await.unwrap();
            assert!(!server.query(runs, &[]).await.unwrap().is_empty(), "a wrong key cancels nothing");
            tests::cancel_with(other, process, &secret).await.unwrap();
        };
        assert_eq!(tokio::join!(sleeps, cancels).0.sqlstate(), "57014");
        assert_eq!(session.ask("SELECT 1").await.unwrap().value(), "1");
    }
}

#[tokio::test]
async fn a_slow_statement_is_logged_without_its_values_and_comings_and_goings_are() {
    let daemon = fleet().await.daemon().name("logging").key("proxy", "slow_statement = \"10ms\"");
    let daemon = daemon.start().await.unwrap();
    let mut session = daemon.session("app").await.unwrap();
    session.ask("SELECT pg_sleep(0.02), 'geheim', 31337").await.unwrap();
    session
        .extended("SELECT pg_sleep(0.03), 'geheim'::text, $1::int", &[Some("31337".to_owned())])
        .await
        .unwrap();
    session.ask("SELECT 'quick'").await.unwrap();
    drop(session);
    until("both are logged, and the end of the session", PATIENCE, async || {
        let log = daemon.log();
        log.matches("slow statement").count() == 2 && log.contains("closed because")
    })
    .await;
    let log = daemon.log();
    assert!(log.contains("SELECT pg_sleep(?.?), ?, ?") && log.contains("$1::int"), "{log}");
    assert!(log.contains("app/app@127.0.0.1") && log.contains("connected"), "{log}");
    assert!(!log.contains("geheim") && !log.contains("31337") && !log.contains(tests::APP_PASSWORD), "{log}");
}
