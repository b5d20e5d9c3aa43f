//! The whole demo, top to bottom.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result};
use tokio_postgres::NoTls;

use super::advice::advice;
use super::binaries::Binaries;
use super::cluster::{Cluster, free_port};
use super::load;
use crate::config::Config;

/// What the command line says.
#[derive(Debug, Clone)]
pub struct DemoOptions {
    /// The folder of the servers' data.
    pub dir: PathBuf,
    /// Begin anew.
    pub fresh: bool,
    /// How many servers.
    pub servers: u16,
    /// How many replicas each has.
    pub replicas: u16,
}

/// How long the daemon may take to be ready.
const READY: Duration = Duration::from_secs(30);

/// Runs the demo until Ctrl-C.
///
/// # Errors
/// PostgreSQL is missing, a server does not start, or the load fails.
pub async fn run(options: DemoOptions) -> Result<()> {
    let binaries = Binaries::find().await?;
    let folder = folder(&binaries, &options).await?;
    println!(
        "Starting {} servers with {} replica(s) each in {} ...",
        options.servers,
        options.replicas,
        folder.display()
    );
    let cluster = Cluster::start(binaries, &folder, options.servers, options.replicas).await?;
    let outcome = serve(&cluster, &folder).await;
    println!("Stopping the servers ...");
    cluster.stop().await;
    outcome
}

/// The folder, empty where it is to be fresh; elsewhere where PostgreSQL's user cannot enter it.
async fn folder(binaries: &Binaries, options: &DemoOptions) -> Result<PathBuf> {
    let wanted = std::path::absolute(&options.dir)?;
    let parent = wanted.parent().map(PathBuf::from).unwrap_or_default();
    std::fs::create_dir_all(&parent)?;
    let folder = match binaries.can_enter(&parent).await {
        true => wanted,
        false => {
            let other = PathBuf::from("/var/tmp/pgherd-demo");
            println!("User postgres cannot enter {}; using {}.", parent.display(), other.display());
            other
        }
    };
    if options.fresh && folder.exists() {
        let old = Cluster::there(binaries.clone(), &folder);
        if let Some(old) = old {
            old.stop().await;
        }
        std::fs::remove_dir_all(&folder)
            .with_context(|| format!("{} could not be removed", folder.display()))?;
    }
    binaries.own(&folder).await?;
    Ok(folder)
}

async fn serve(cluster: &Cluster, folder: &std::path::Path) -> Result<()> {
    prepare_servers(cluster).await?;
    let file = folder.join("pgherd.toml");
    if !file.exists() {
        std::fs::write(&file, config_text(cluster, folder)?)?;
    }
    let config = Config::load(&file).map_err(|faults| anyhow::anyhow!("{faults}"))?;
    let listen = *config.proxy.listen.first().context("the configuration listens nowhere")?;
    let http = config.proxy.http_listen;
    let mut daemon = tokio::spawn(crate::fleet::serve(config, file.clone()));
    let url = format!("postgres://app:app@{listen}/app");
    let loaded = async {
        let client = connect(&url).await?;
        load::load(&client).await
    };
    tokio::select! {
        loaded = loaded => loaded?,
        ended = &mut daemon => return Ok(ended.context("the daemon broke")??),
    }
    let console = format!("postgres://postgres@{listen}/pgherd");
    println!("{}", advice(&url, &console, &http.to_string(), &file.display().to_string(), &herdctl()));
    Ok(daemon.await.context("the daemon broke")??)
}

async fn connect(url: &str) -> Result<tokio_postgres::Client> {
    let deadline = tokio::time::Instant::now() + READY;
    loop {
        match tokio_postgres::connect(url, NoTls).await {
            Ok((client, connection)) => {
                tokio::spawn(connection);
                return Ok(client);
            }
            Err(error) if tokio::time::Instant::now() > deadline => {
                return Err(error).context("nobody answered in time");
            }
            Err(_) => tokio::time::sleep(Duration::from_millis(100)).await,
        }
    }
}

/// How to call herdctl: beside this program, or from the path.
fn herdctl() -> String {
    let beside = std::env::current_exe().ok().map(|program| program.with_file_name("herdctl"));
    let there = beside.filter(|program| program.exists());
    there.map_or_else(|| "herdctl".to_owned(), |program| program.display().to_string())
}

/// The application's role and database on every primary.
async fn prepare_servers(cluster: &Cluster) -> Result<()> {
    for instance in cluster.instances.iter().filter(|instance| !instance.replica) {
        let url = format!("postgres://postgres@127.0.0.1:{}/postgres", instance.port);
        let client = connect(&url).await?;
        if client.query("SELECT 1 FROM pg_catalog.pg_database WHERE datname = 'app'", &[]).await?.is_empty() {
            client.batch_execute("CREATE ROLE app LOGIN PASSWORD 'app'").await?;
            client.batch_execute("CREATE DATABASE app OWNER app").await?;
        }
    }
    // A replica is of use once it has replayed the database.
    for replica in cluster.instances.iter().filter(|instance| instance.replica) {
        connect(&format!("postgres://postgres@127.0.0.1:{}/app", replica.port)).await?;
    }
    Ok(())
}

fn config_text(cluster: &Cluster, folder: &std::path::Path) -> Result<String> {
    let port = |wanted: u16| match std::net::TcpListener::bind(("127.0.0.1", wanted)) {
        Ok(_) => Ok(wanted),
        Err(_) => free_port(),
    };
    let mut text = format!(
        "[proxy]\nlisten = \"127.0.0.1:{}\"\nhttp_listen = \"127.0.0.1:{}\"\n\n\
         [directory]\nstore = \"file:{}\"\n\n\
         [[database]]\nname = \"app\"\ntenant_column = \"tenant_id\"\ntenant_setting = \"app.tenant\"\nshards = 4096\n\n",
        port(6432)?,
        port(6480)?,
        folder.join("directory").display(),
    );
    for server in cluster.servers() {
        let nodes = cluster.instances.iter().filter(|instance| instance.server == server);
        let nodes: Vec<String> = nodes.map(|instance| format!("\"127.0.0.1:{}\"", instance.port)).collect();
        text.push_str(&format!("[[server]]\nname = \"{server}\"\nnodes = [{}]\n\n", nodes.join(", ")));
    }
    text.push_str(
        "[[user]]\nname = \"app\"\npassword = \"app\"\n\n[admin]\nuser = \"postgres\"\npassword = \"\"\n",
    );
    Ok(text)
}
