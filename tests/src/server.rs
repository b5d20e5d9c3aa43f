//! One server: a primary and its replicas.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result};
use tokio_postgres::Client;

use crate::node::Node;
use crate::process::{run, unprivileged};
use crate::relay::Relay;
use crate::{binaries, database, template, until};

/// A replication group of a fleet. Node 0 starts as the primary.
#[derive(Debug)]
pub struct Server {
    name: String,
    nodes: Vec<Node>,
    relays: Vec<Relay>,
}

impl Server {
    /// Makes and starts a primary and `replicas` streaming replicas, all copies of the template of `slot`.
    pub(crate) async fn start(directory: &Path, name: &str, slot: usize, replicas: usize) -> Result<Server> {
        let mut nodes = Vec::new();
        for number in 0..=replicas {
            let node = Node::new(directory, &format!("{name}-{number}"))?;
            template::copy_to(slot, node.data())?;
            nodes.push(node);
        }
        let server = Server { name: name.to_owned(), nodes, relays: Vec::new() };
        server.node(0).start().await?;
        for replica in server.replicas() {
            replica.follow(server.node(0))?;
            replica.start().await?;
        }
        Ok(server)
    }

    /// The name that the daemon's configuration gives it.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The node of a number; 0 was the primary at the start.
    #[must_use]
    pub fn node(&self, number: usize) -> &Node {
        &self.nodes[number]
    }

    /// All the nodes.
    #[must_use]
    pub fn nodes(&self) -> &[Node] {
        &self.nodes
    }

    /// The nodes that started as replicas.
    #[must_use]
    pub fn replicas(&self) -> &[Node] {
        &self.nodes[1..]
    }

    /// The relay in front of a node; only in fleets built with relays.
    #[must_use]
    pub fn relay(&self, node: usize) -> &Relay {
        self.relays.get(node).expect("the fleet was built with relays")
    }

    /// The node that takes writes now; waits for one.
    pub async fn primary(&self) -> &Node {
        let mut found = None;
        until(&format!("{} has a primary", self.name), Duration::from_secs(60), async || {
            for (number, node) in self.nodes.iter().enumerate() {
                if matches!(node.is_replica().await, Ok(false)) {
                    found = Some(number);
                    return true;
                }
            }
            false
        })
        .await;
        self.node(found.expect("until has seen one"))
    }

    /// A superuser's connection to a database on the present primary.
    pub async fn connect(&self, database: &str) -> Result<Client> {
        self.primary().await.connect(database).await
    }

    /// Waits until every replica has replayed what its primary has written by now.
    pub async fn caught_up(&self) -> Result<()> {
        let primary = self.primary().await;
        let position = "SELECT pg_current_wal_insert_lsn()::text";
        let target: String = primary.connect("postgres").await?.query_one(position, &[]).await?.get(0);
        let question = format!("SELECT coalesce(pg_last_wal_replay_lsn() >= '{target}', false)");
        for node in self.nodes.iter().filter(|node| node.port() != primary.port()) {
            let client = node.connect("postgres").await?;
            until(&format!("{} has replayed {target}", node.name()), Duration::from_secs(60), async || {
                client.query_one(&question, &[]).await.is_ok_and(|row| row.get(0))
            })
            .await;
        }
        Ok(())
    }

    /// Makes a node that is down a fresh replica of the present primary, as an operator would with pg_basebackup.
    pub async fn rejoin(&self, number: usize) -> Result<()> {
        let (node, primary) = (self.node(number), self.primary().await);
        node.stop()?;
        run(Command::new("rm").arg("-rf").arg(node.data()))?;
        let mut backup = unprivileged(&binaries::postgres()?.0.join("pg_basebackup"));
        backup.arg("--pgdata").arg(node.data()).args([
            "--no-sync",
            "--checkpoint=fast",
            "--wal-method=stream",
        ]);
        backup.args(["--host=127.0.0.1", "--username=postgres", "--port"]).arg(primary.port().to_string());
        run(&mut backup).context("cannot copy the primary")?;
        node.follow(primary)?;
        node.start().await
    }

    /// Where the daemon finds the nodes: their relays when there are any.
    pub(crate) fn addresses(&self) -> Vec<String> {
        let direct = self.nodes.iter().map(Node::port);
        let ports: Vec<u16> = if self.relays.is_empty() {
            direct.collect()
        } else {
            self.relays.iter().map(Relay::port).collect()
        };
        ports.into_iter().map(|port| format!("127.0.0.1:{port}")).collect()
    }

    pub(crate) async fn furnish(&self, databases: &[String]) -> Result<()> {
        database::furnish(self.node(0).port(), databases).await
    }

    pub(crate) fn put_behind_relays(&mut self) -> Result<()> {
        self.relays = self.nodes.iter().map(|node| Relay::start(node.port())).collect::<Result<_>>()?;
        Ok(())
    }
}
