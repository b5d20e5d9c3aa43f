//! Servers, catalog and first start against real PostgreSQL: what the daemon learns of a fleet.

use std::time::Duration;

use proxy::boot;
use proxy::catalog::LiveCatalog;
use proxy::check::Checked;
use proxy::config::{Config, DatabaseConfig, NodeAddress, PinScope, ServerConfig};
use proxy::replicas::{Pins, Servers, SessionPin};
use router::catalog::{Collation, RelationKind, View};
use router::ids::{Lsn, ServerId, TenantKey};
use router::plan::Tenants;
use tests::{Fleet, until};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

const LIMIT: Duration = Duration::from_secs(20);

const SCHEMA: &str = "
CREATE TABLE users (tenant_id bigint NOT NULL, id bigint NOT NULL, mail text, code text COLLATE \"C\",
    PRIMARY KEY (tenant_id, id));
CREATE TABLE tasks (tenant_id bigint NOT NULL, id bigint NOT NULL, user_id bigint,
    PRIMARY KEY (tenant_id, id), FOREIGN KEY (tenant_id, user_id) REFERENCES users);
CREATE TABLE plans (id int PRIMARY KEY, name text);
CREATE TABLE loose (tenant_id bigint NOT NULL, id bigint PRIMARY KEY);
CREATE TABLE maybe (tenant_id bigint, id bigint);
CREATE TABLE stray_key (tenant_id bigint NOT NULL, user_tenant bigint, user_id bigint,
    FOREIGN KEY (user_tenant, user_id) REFERENCES users);
CREATE TABLE events (tenant_id bigint NOT NULL, day date NOT NULL) PARTITION BY RANGE (day);
CREATE TABLE events_now PARTITION OF events DEFAULT;
CREATE VIEW open_tasks AS SELECT * FROM tasks;
CREATE VIEW open_open_tasks AS SELECT * FROM open_tasks;
CREATE VIEW plan_names AS SELECT name FROM plans;
CREATE VIEW busy_tenants AS SELECT tenant_id, count(*) FROM open_open_tasks GROUP BY tenant_id;
CREATE VIEW plan_count AS SELECT count(*) FROM plan_names;
CREATE MATERIALIZED VIEW counted AS SELECT count(*) FROM tasks;
CREATE FUNCTION nosy() RETURNS bigint LANGUAGE sql VOLATILE AS 'SELECT count(*) FROM tasks';
CREATE VIEW nosy_view AS SELECT nosy();
";

fn config(fleet: &Fleet) -> Config {
    let server = |server: &tests::Server| ServerConfig {
        name: server.name().to_owned(),
        nodes: server
            .nodes()
            .iter()
            .map(|node| NodeAddress { host: "127.0.0.1".into(), port: node.port() })
            .collect(),
        ..ServerConfig::default()
    };
    Config {
        databases: vec![DatabaseConfig { name: "app".into(), ..DatabaseConfig::default() }],
        servers: fleet.servers().iter().map(server).collect(),
        ..Config::default()
    }
}

/// Servers under probe; the guard ends the probes.
async fn probed(config: &Config) -> (Servers, tokio_util::sync::DropGuard) {
    let (servers, shutdown) = (Servers::new(config).expect("no TLS files"), CancellationToken::new());
    servers.probe(config, &TaskTracker::new(), &shutdown);
    for server in servers.iter() {
        server.wait_for_primary(LIMIT).await.expect("a primary");
    }
    (servers, shutdown.drop_guard())
}

fn checked<'a>(config: &'a proxy::config::DatabaseConfig, catalog: &'a LiveCatalog) -> Checked<'a> {
    let names = ["alpha".to_owned(), "beta".to_owned()];
    let directory = router::directory::start(&names, 64, router::directory::Start::Spread);
    Checked { config, catalog, directory: directory.into() }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_catalog_says_what_can_be_sharded_and_why_not() -> anyhow::Result<()> {
    let fleet = Fleet::builder().servers(2).replicas(0).start().await?;
    for server in fleet.servers() {
        server.connect("app").await?.batch_execute(SCHEMA).await?;
    }
    let config = config(&fleet);
    let (servers, _probes) = probed(&config).await;
    let live = LiveCatalog::new(&config.databases[0]);
    let catalog = live.refresh(&servers).await?;
    let kind = |name: &str| catalog.relations[&("public".to_owned(), name.to_owned())].kind.clone();
    for sharded in ["users", "tasks", "events", "events_now"] {
        assert!(matches!(kind(sharded), RelationKind::Sharded { .. }), "{sharded}: {:?}", kind(sharded));
    }
    for refused in ["loose", "maybe", "stray_key", "counted", "nosy_view"] {
        assert!(matches!(kind(refused), RelationKind::Unsafe { .. }), "{refused}: {:?}", kind(refused));
    }
    assert_eq!(kind("plans"), RelationKind::Reference);
    let view = |name: &str| catalog.relations[&("public".to_owned(), name.to_owned())].view.clone();
    assert_eq!((kind("plan_names"), view("plan_names")), (RelationKind::Reference, Some(View::default())));
    assert_eq!((kind("open_open_tasks"), view("open_open_tasks")), (kind("tasks"), Some(View::default())));
    assert_eq!(kind("plan_count"), RelationKind::ReferenceView);
    assert!(matches!(kind("busy_tenants"), RelationKind::ShardedView { .. }));
    let users = &catalog.relations[&("public".to_owned(), "users".to_owned())];
    assert_eq!(users.unique_keys, [vec![0, 1]]);
    assert_eq!(users.columns[2].collation, Collation::Deterministic);
    assert_eq!(users.columns[3].collation, Collation::Bytes);
    assert!(!catalog.functions["nosy"].builtin && catalog.functions["count"].aggregate);
    assert!(catalog.functions["lower"].builtin);

    assert_eq!(live.refresh(&servers).await?.version, catalog.version, "nothing changed");
    let lacking = proxy::check::check(&servers, &[checked(&config.databases[0], &live)]).await;
    let errors: Vec<_> = lacking.iter().filter(|one| one.weight == proxy::check::Weight::Error).collect();
    assert!(errors.is_empty(), "{errors:?}");
    assert!(lacking.iter().any(|finding| finding.what.contains("loose_pkey")), "{lacking:?}");
    let second = fleet.server(1).connect("app").await?;
    second.batch_execute("ALTER TABLE users ADD extra int").await?;
    let catalog = live.refresh(&servers).await?;
    let users = &catalog.relations[&("public".to_owned(), "users".to_owned())];
    assert!(matches!(users.kind, RelationKind::Unsafe { .. }), "the servers hold it differently");
    let lacking = proxy::check::check(&servers, &[checked(&config.databases[0], &live)]).await;
    assert!(lacking.iter().any(|finding| finding.what.contains("extra")), "{lacking:?}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_first_start_finds_rows_where_they_are() -> anyhow::Result<()> {
    let fleet = Fleet::builder().servers(2).replicas(0).start().await?;
    for server in fleet.servers() {
        server.connect("app").await?.batch_execute(SCHEMA).await?;
    }
    let config = config(&fleet);
    let (servers, _probes) = probed(&config).await;
    let open = async |folder: &std::path::Path| -> anyhow::Result<_> {
        let store = proxy::directory::open(&format!("file:{}", folder.display()))?;
        Ok(boot::open(&config.databases[0], &servers, store).await?)
    };
    let folders = tempfile::tempdir()?;
    let spread = open(&folders.path().join("empty")).await?;
    assert_eq!(spread.load().holders(), [ServerId(0), ServerId(1)]);

    let insert = "INSERT INTO users SELECT n, 1 FROM generate_series(1, 20) n";
    fleet.server(1).connect("app").await?.batch_execute(insert).await?;
    let adopted = open(&folders.path().join("one")).await?;
    assert_eq!(adopted.load().holders(), [ServerId(1)]);

    fleet.server(0).connect("app").await?.batch_execute(insert).await?;
    let refused = open(&folders.path().join("both")).await.expect_err("tenants stand twice");
    assert!(refused.to_string().contains("expected on"), "{refused}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn replicas_answer_readers_who_wrote_nothing_newer_and_one_is_found_when_promoted() -> anyhow::Result<()>
{
    let fleet = Fleet::builder().servers(1).replicas(1).start().await?;
    let config = config(&fleet);
    let (servers, _probes) = probed(&config).await;
    let server = servers.iter().next().expect("a server").clone();
    let pins = Pins::new(PinScope::Tenant);
    let tenants = Tenants::Some([TenantKey::Integer(5)].into());
    let mut session = SessionPin::default();
    let replica = |session: &SessionPin| server.replica(pins.requirement(&server, &tenants, session, Lsn(0)));
    until("the replica is used", LIMIT, async || replica(&SessionPin::default()).is_some()).await;

    fleet.server(0).replicas()[0].pause_replay().await?;
    fleet.server(0).connect("app").await?.batch_execute("CREATE TABLE t (a int)").await?;
    pins.wrote(&server, &tenants, &mut session);
    let token = session.token(&servers, LIMIT).await?;
    assert!(replica(&session).is_none(), "the replica is held back");
    let mut elsewhere = SessionPin::default();
    elsewhere.adopt(&token, &servers)?;
    let other = Pins::new(PinScope::Tenant);
    assert!(server.replica(other.requirement(&server, &tenants, &elsewhere, Lsn(0))).is_none(), "{token}");
    fleet.server(0).replicas()[0].resume_replay().await?;
    until("the replica has the write", LIMIT, async || replica(&session).is_some()).await;

    let old = server.primary().expect("a primary");
    fleet.server(0).nodes()[0].kill_9()?;
    server.suspect(old);
    until("the primary is missed", LIMIT, async || server.primary().is_none()).await;
    fleet.server(0).replicas()[0].promote().await?;
    let new = server.wait_for_primary(LIMIT).await?;
    assert_ne!(new, old);
    Ok(())
}
