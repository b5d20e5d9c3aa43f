//! The oracle: one plain PostgreSQL that holds all the rows and says what the right answer is.

use std::path::Path;

use anyhow::Result;
use tokio_postgres::Client;

use crate::node::Node;
use crate::session::Session;
use crate::{database, template};

/// The template slot of oracles, apart from those of servers.
const SLOT: usize = 9;

/// One PostgreSQL with the same roles and databases as the fleet beside it.
#[derive(Debug)]
pub struct Oracle {
    node: Node,
}

impl Oracle {
    pub(crate) async fn start(directory: &Path, databases: &[String]) -> Result<Oracle> {
        let node = Node::new(directory, "oracle")?;
        template::copy_to(SLOT, node.data())?;
        node.start().await?;
        database::furnish(node.port(), databases).await?;
        Ok(Oracle { node })
    }

    /// The URL of a database.
    #[must_use]
    pub fn url(&self, user: &str, database: &str) -> String {
        self.node.url(user, database)
    }

    /// A connection of the superuser.
    pub async fn connect(&self, database: &str) -> Result<Client> {
        self.node.connect(database).await
    }

    /// A session of the application's role that shows every message.
    pub async fn session(&self, database: &str) -> Result<Session> {
        self.session_with(database, &[]).await
    }

    /// As [`Oracle::session`], with settings from the start.
    pub async fn session_with(&self, database: &str, settings: &[(&str, &str)]) -> Result<Session> {
        Session::open(self.node.port(), database::APP_USER, database, settings).await
    }
}
