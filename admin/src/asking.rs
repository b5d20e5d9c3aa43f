//! One connection to the admin console, made again when the daemon comes back.

use std::time::Duration;

use anyhow::{Context, Result, bail};
use tokio_postgres::{Client, Config, NoTls, SimpleQueryMessage};

/// An answer of the console.
#[derive(Debug, Default, Clone)]
pub(crate) struct Answer {
    /// The columns' names.
    pub columns: Vec<String>,
    /// The rows; an absent value is NULL.
    pub rows: Vec<Vec<Option<String>>>,
}

impl Answer {
    /// A row's value by its column's name.
    pub(crate) fn field<'a>(&self, row: &'a [Option<String>], column: &str) -> Option<&'a str> {
        let index = self.columns.iter().position(|name| name == column)?;
        row.get(index)?.as_deref()
    }
}

/// The console.
pub(crate) struct Console {
    config: Config,
    database: Option<String>,
    client: Client,
}

impl Console {
    /// Connects. `database` is which of the daemon's databases later questions mean.
    ///
    /// # Errors
    /// The URL is wrong, nobody listens, or the console refuses the user.
    pub(crate) async fn open(url: &str, database: Option<String>) -> Result<Console> {
        let mut config: Config =
            url.parse().context("the URL is not of the form postgres://user@host:port/pgherd")?;
        if config.get_dbname().is_none() {
            config.dbname("pgherd");
        }
        config.application_name("herdctl").connect_timeout(Duration::from_secs(5));
        let client = connect(&config).await?;
        let mut console = Console { config, database, client };
        console.choose().await?;
        Ok(console)
    }

    async fn choose(&mut self) -> Result<()> {
        match self.database.clone() {
            Some(database) => self.ask(&format!("USE '{}'", database.replace('\'', "''"))).await.map(|_| ()),
            None => Ok(()),
        }
    }

    /// Connects again, as often as it takes within `patience`.
    ///
    /// # Errors
    /// Nobody answered in that time.
    pub(crate) async fn reopen(&mut self, patience: Duration) -> Result<()> {
        let deadline = tokio::time::Instant::now() + patience;
        loop {
            match connect(&self.config).await {
                Ok(client) => {
                    self.client = client;
                    return self.choose().await;
                }
                Err(error) if tokio::time::Instant::now() >= deadline => return Err(error),
                Err(_) => tokio::time::sleep(Duration::from_millis(250)).await,
            }
        }
    }

    /// True where the connection is lost.
    pub(crate) fn is_lost(&self) -> bool {
        self.client.is_closed()
    }

    /// Asks the console something.
    ///
    /// # Errors
    /// The console's refusal, with its hint; or the connection is lost.
    pub(crate) async fn ask(&mut self, words: &str) -> Result<Answer> {
        let messages = match self.client.simple_query(words).await {
            Ok(messages) => messages,
            Err(error) => match error.as_db_error() {
                Some(refusal) => match refusal.hint().or(refusal.detail()) {
                    Some(hint) => bail!("{} ({hint})", refusal.message()),
                    None => bail!("{}", refusal.message()),
                },
                None => return Err(error).context("the connection to the console failed"),
            },
        };
        let mut answer = Answer::default();
        for message in messages {
            match message {
                SimpleQueryMessage::RowDescription(columns) => {
                    answer.columns = columns.iter().map(|column| column.name().to_owned()).collect();
                }
                SimpleQueryMessage::Row(row) => {
                    answer.rows.push((0..row.len()).map(|index| row.get(index).map(str::to_owned)).collect());
                }
                _ => {}
            }
        }
        Ok(answer)
    }
}

async fn connect(config: &Config) -> Result<Client> {
    let (client, connection) = config.connect(NoTls).await.map_err(|error| match error.as_db_error() {
        Some(refusal) => anyhow::anyhow!("{}", refusal.message()),
        None => anyhow::Error::new(error).context("nobody answers there; is pgherd running?"),
    })?;
    // The task ends with the client; what broke it is seen by the next question.
    tokio::spawn(connection);
    Ok(client)
}
