//! The roles that a server knows and the configuration does not: asked for by `[auth] user`, on the
//! home server, over one connection of its own that never carries a client's settings.
//!
//! An answer is believed for `[auth] cache`; when a client fails with it, for a second. One question
//! is asked at a time, so that a flood of logins is no flood of questions.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio_postgres::Client;

use super::Fleet;
use crate::client::{Role, Roles, Unknowable};
use crate::config::AuthConfig;
use crate::replicas::Node;

/// How long a question waits for the home server.
const PATIENCE: Duration = Duration::from_secs(5);
/// For how long an answer is believed with which a client has failed.
const DOUBTED: Duration = Duration::from_secs(1);
/// More answers are not kept.
const MOST: usize = 10_000;

/// What servers have said of roles.
#[derive(Default)]
pub struct RoleBook {
    answers: Mutex<HashMap<String, Answer>>,
    line: tokio::sync::Mutex<Option<Line>>,
}

struct Answer {
    role: Option<Arc<Role>>,
    asked: Instant,
    doubted: bool,
}

/// The connection that asks.
struct Line {
    client: Client,
    /// With which settings it was made.
    made_for: (AuthConfig, Node, String),
}

impl RoleBook {
    fn answers(&self) -> MutexGuard<'_, HashMap<String, Answer>> {
        self.answers.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The answer of before, if it is still believed.
    fn remembered(&self, user: &str, cache: Duration) -> Option<Option<Arc<Role>>> {
        let answers = self.answers();
        let answer = answers.get(user)?;
        let limit = if answer.doubted { cache.min(DOUBTED) } else { cache };
        (answer.asked.elapsed() < limit).then(|| answer.role.clone())
    }

    fn remember(&self, user: &str, role: Option<Arc<Role>>, cache: Duration) {
        let mut answers = self.answers();
        if answers.len() >= MOST {
            answers.retain(|_, answer| answer.asked.elapsed() < cache);
        }
        if answers.len() < MOST {
            answers.insert(user.to_owned(), Answer { role, asked: Instant::now(), doubted: false });
        }
    }

    /// Forgets all answers: the configuration may ask otherwise now.
    pub(super) fn forget(&self) {
        self.answers().clear();
    }
}

impl Roles for Fleet {
    async fn role(&self, user: &str, database: &str) -> Result<Option<Arc<Role>>, Unknowable> {
        let config = self.config.load_full();
        let (auth, cache) = (&config.auth, config.auth.cache.unwrap_or_default());
        if auth.user.is_empty() {
            return Ok(None);
        }
        if let Some(remembered) = self.roles.remembered(user, cache) {
            return Ok(remembered);
        }
        let mut line = self.roles.line.lock().await;
        // Somebody before us in the line may have asked the same.
        if let Some(remembered) = self.roles.remembered(user, cache) {
            return Ok(remembered);
        }
        let known = [auth.database.as_str(), database];
        let named = known
            .into_iter()
            .find(|name| !name.is_empty() && (*name == auth.database || self.databases.contains_key(*name)));
        let database = named.or_else(|| config.databases.first().map(|first| first.name.as_str()));
        let asked = self.ask(&mut line, auth, database.unwrap_or("postgres"), user).await;
        let role = asked.inspect_err(|_| *line = None)?;
        self.roles.remember(user, role.clone(), cache);
        Ok(role)
    }

    fn doubt(&self, user: &str) {
        if let Some(answer) = self.roles.answers().get_mut(user) {
            answer.doubted = true;
        }
    }
}

impl Fleet {
    async fn ask(
        &self,
        line: &mut Option<Line>,
        auth: &AuthConfig,
        database: &str,
        user: &str,
    ) -> Result<Option<Arc<Role>>, Unknowable> {
        let server = self.servers.iter().next().ok_or_else(|| Unknowable("there is no server".into()))?;
        let node = server.wait_for_primary(PATIENCE).await.map_err(|error| Unknowable(error.to_string()))?;
        let wanted = (auth.clone(), node.clone(), database.to_owned());
        let standing = line.take().filter(|line| line.made_for == wanted && !line.client.is_closed());
        let asking = match standing {
            Some(standing) => standing,
            None => self.dial_line(wanted).await?,
        };
        let asked = tokio::time::timeout(PATIENCE, asking.client.query(&auth.query, &[&user])).await;
        let rows = asked.map_err(|_| Unknowable("auth.query got no answer in time".into()))?;
        let rows = rows.map_err(|error| {
            Unknowable(format!("auth.query failed: {}", crate::replicas::spell_out(&error)))
        })?;
        *line = Some(asking);
        let Some(row) = rows.first() else { return Ok(None) };
        let text = |column: usize| row.try_get::<_, Option<String>>(column);
        let (name, secret) = match (text(0), text(1)) {
            (Ok(name), Ok(secret)) => (name, secret),
            _ => return Err(Unknowable("auth.query must give two texts: name and secret".into())),
        };
        // A query that names another role than it was asked for must not let anybody be that role.
        if name.as_deref() != Some(user) {
            return Ok(None);
        }
        // Without a secret nobody can prove to be it; it is as if it were not there.
        let Some(secret) = secret.filter(|secret| !secret.is_empty()) else { return Ok(None) };
        let role = Role::new(Some(&secret), true)
            .map_err(|fault| Unknowable(format!("the secret of {user} {fault}")))?;
        Ok(Some(Arc::new(role)))
    }

    async fn dial_line(&self, wanted: (AuthConfig, Node, String)) -> Result<Line, Unknowable> {
        let (auth, node, database) = &wanted;
        let control = self.servers.control();
        let mut parameters = control.parameters(database);
        parameters.user(&auth.user).application_name("pgherd/auth");
        // Whatever the role's own settings say, names mean PostgreSQL's own things.
        parameters.options("-c search_path=pg_catalog");
        if auth.password.is_empty() && auth.user == control.admin().user {
            parameters.password(control.admin().password.reveal());
        } else {
            parameters.password(auth.password.reveal());
        }
        let client = control.connect_with(node, parameters).await;
        let client = client.map_err(|error| Unknowable(error.to_string()))?;
        Ok(Line { client, made_for: wanted })
    }
}
