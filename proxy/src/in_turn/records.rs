//! The records of unfinished changes, on the home server.

use tokio_postgres::Client;

/// The class of the advisory locks of whoever is at a change; the second key is its number.
const LOCK: i32 = 0x7067_6864;

/// A change as it is recorded: who runs which text, and what names mean in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Work {
    /// The text.
    pub statement: String,
    /// What it makes or takes away, where one name says that.
    pub object: Option<String>,
    /// `current_setting('search_path')`.
    pub path: String,
    /// The role.
    pub role: String,
}

/// A change that is under way or was left unfinished.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unfinished {
    /// Its number.
    pub id: i64,
    /// What it is.
    pub work: Work,
    /// When it began.
    pub began: String,
    /// The servers that it is done on.
    pub done: Vec<String>,
    /// What the server said that it failed on.
    pub error: Option<String>,
    /// True while somebody is at it.
    pub running: bool,
}

/// A record that is held: nobody else is at the change while this lives.
#[derive(Debug)]
pub struct Record {
    client: Client,
    /// Its number.
    pub id: i64,
    /// The servers that it was done on before.
    pub done: Vec<String>,
    /// True where what it is about may stand on some servers and not on others.
    pub again: bool,
}

/// What came of opening a record.
#[derive(Debug)]
pub enum Opened {
    /// It is held.
    Held(Record),
    /// Somebody else is at it.
    Busy(i64),
}

impl Record {
    /// Opens the record of a change: the one that stands, or a new one. `client` is a connection of the admin
    /// role to the home server.
    ///
    /// # Errors
    /// The server's.
    pub async fn open(
        client: Client,
        work: &Work,
        takes_away: bool,
    ) -> Result<Opened, tokio_postgres::Error> {
        let Work { statement, object, path, role } = work;
        let standing = "SELECT id FROM pgherd.in_turn WHERE statement = $1 AND path = $2 AND role = $3";
        let standing = client.query_opt(standing, &[statement, path, role]).await?;
        let id: i64 = match &standing {
            Some(row) => row.get(0),
            None => {
                let insert = "INSERT INTO pgherd.in_turn (statement, object, path, role) VALUES ($1, $2, $3, $4) \
                     ON CONFLICT (md5(statement), path, role) DO UPDATE SET role = excluded.role RETURNING id";
                client.query_one(insert, &[statement, object, path, role]).await?.get(0)
            }
        };
        let kin = "SELECT count(*) FROM pgherd.in_turn WHERE object = $1 AND path = $2 AND id <> $3";
        let left = takes_away && client.query_one(kin, &[object, path, &id]).await?.get::<_, i64>(0) > 0;
        Record::hold(client, id, standing.is_some() || left).await
    }

    /// Takes a record that stands.
    ///
    /// # Errors
    /// The server's.
    pub async fn hold(client: Client, id: i64, again: bool) -> Result<Opened, tokio_postgres::Error> {
        let lock = "SELECT pg_catalog.pg_try_advisory_lock($1, ($2::bigint % 2147483647)::int)";
        if !client.query_one(lock, &[&LOCK, &id]).await?.get::<_, bool>(0) {
            return Ok(Opened::Busy(id));
        }
        let row = client.query_opt("SELECT done FROM pgherd.in_turn WHERE id = $1", &[&id]).await?;
        let done = row.map(|row| row.get(0)).unwrap_or_default();
        Ok(Opened::Held(Record { client, id, done, again }))
    }

    /// Notes that it is done on a server.
    ///
    /// # Errors
    /// The server's.
    pub async fn done(&mut self, server: &str) -> Result<(), tokio_postgres::Error> {
        if !self.done.iter().any(|done| done == server) {
            self.done.push(server.to_owned());
        }
        let note = "UPDATE pgherd.in_turn SET done = $2, error = NULL WHERE id = $1";
        self.client.execute(note, &[&self.id, &self.done]).await.map(|_| ())
    }

    /// Notes what a server said where it failed.
    ///
    /// # Errors
    /// The server's.
    pub async fn failed(&self, error: &str) -> Result<(), tokio_postgres::Error> {
        let note = "UPDATE pgherd.in_turn SET error = $2 WHERE id = $1";
        self.client.execute(note, &[&self.id, &error]).await.map(|_| ())
    }

    /// It stands on every server, or on none: the record goes, and with it those of what it took away.
    ///
    /// # Errors
    /// The server's.
    pub async fn close(self, work: &Work, took_away: bool) -> Result<(), tokio_postgres::Error> {
        let gone = "DELETE FROM pgherd.in_turn WHERE id = $1 OR ($2 AND object = $3 AND path = $4)";
        self.client.execute(gone, &[&self.id, &took_away, &work.object, &work.path]).await.map(|_| ())
    }
}

/// All records, the oldest first.
///
/// # Errors
/// The server's.
pub async fn unfinished(client: &Client) -> Result<Vec<Unfinished>, tokio_postgres::Error> {
    let question = "SELECT t.id, t.statement, t.object, t.path, t.role, \
           pg_catalog.to_char(t.began AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS'), t.done, t.error, \
           EXISTS (SELECT FROM pg_catalog.pg_locks l WHERE l.locktype = 'advisory' AND l.granted \
             AND l.database = (SELECT oid FROM pg_catalog.pg_database WHERE datname = pg_catalog.current_database()) \
             AND l.classid::bigint = $1 AND l.objid::bigint = t.id % 2147483647 AND l.objsubid = 2) \
         FROM pgherd.in_turn t ORDER BY t.id";
    let rows = client.query(question, &[&i64::from(LOCK)]).await?;
    Ok(rows
        .into_iter()
        .map(|row| Unfinished {
            id: row.get(0),
            work: Work { statement: row.get(1), object: row.get(2), path: row.get(3), role: row.get(4) },
            began: row.get(5),
            done: row.get(6),
            error: row.get(7),
            running: row.get(8),
        })
        .collect())
}
