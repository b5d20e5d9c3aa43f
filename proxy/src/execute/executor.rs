//! The session's hand on the servers, and what it reads statements with: catalog, search path, tenant.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::BytesMut;
use router::catalog::{Catalog, SearchPath};
use router::ids::{ServerId, TenantKey};
use router::plan::Role;
use router::sql::{Hold, Learned, Statement};

use crate::auth::Proof;
use crate::config::PoolMode;
use crate::error::ClientError;
use crate::execute::cancel::Cancellable;
use crate::execute::reported::Reported;
use crate::execute::route::Routes;
use crate::execute::settings::Settings;
use crate::execute::transaction::Transaction;
use crate::fleet::{Database, Fleet};
use crate::metrics::SessionCounters;
use crate::pool::{Admission, Lent};
use crate::replicas::SessionPin;
/// The user towards the servers.
#[derive(Debug, Clone)]
pub struct Login {
    /// The role.
    pub user: String,
    /// What it proves itself with.
    pub proof: Arc<Proof>,
    /// True where it may run statements over all tenants.
    pub fan_out: bool,
}

/// A session's hand on the servers.
pub struct Executor {
    /// The daemon's parts.
    pub fleet: Arc<Fleet>,
    /// The session's database.
    pub database: Arc<Database>,
    /// Who the session is.
    pub login: Login,
    /// The session's settings.
    pub settings: Settings,
    /// The open transaction.
    pub transaction: Transaction,
    /// The connection that the session keeps between transactions, because of what lives on it; few have one.
    pub held: Option<Box<(ServerId, Lent, Hold)>>,
    /// In session mode: the connections to primaries that the session keeps to its end.
    pub(super) kept: BTreeMap<ServerId, Lent>,
    /// How long the session keeps its connections.
    pub(super) mode: PoolMode,
    /// True once a connection broke that the session needs to keep: it cannot go on.
    pub lost_kept: bool,
    /// What the statements under way may count on of their tenants' limits.
    pub admissions: Vec<Admission>,
    /// What the client was told of server parameters.
    pub reported: Reported,
    /// How many characters of the client's message stand before the statement that runs.
    pub before: usize,
    /// The server of the last statement, where it ran on one only.
    pub alone: Option<ServerId>,
    /// The session's own writes, for pins of scope `session` and tokens.
    pub pin: SessionPin,
    /// What the client's cancel requests end.
    pub cancellable: Arc<Cancellable>,
    /// What servers said besides, as messages: due before the next CommandComplete.
    pub notices: BytesMut,
    /// The process id that the client was told.
    pub client: i32,
    /// Notifications for the session, as messages: due before the next ReadyForQuery.
    pub news: Option<Box<BytesMut>>,
    /// What the session did.
    pub counters: SessionCounters,
    /// Since when the transaction holds connections.
    pub(super) holding: Option<Instant>,
    /// Statements of a pipeline that were sent and whose replies have not come: on what role, since when.
    pub(super) uncounted: Vec<(Role, Instant, Option<Arc<Statement>>)>,
    /// Statements that take longer are logged.
    pub(super) slow: Option<Duration>,
    /// Tells its numbers from others' on connections.
    pub(super) number: u64,
    pub(super) routes: Routes,
    /// The session's temporary relations, for a statement whose plan depends on them.
    pub(super) temporary: Box<[String]>,
    /// What the settings of this stamp say.
    path: Option<Box<(u64, SearchPath)>>,
    tenant: Option<Box<(u64, u64, Option<TenantKey>)>>,
    /// The tenant that a comment of the statement names which is run: its parts name it, too.
    pub(super) commented: Option<Box<str>>,
}

impl Executor {
    /// The hand of a new session.
    pub fn new(fleet: Arc<Fleet>, database: Arc<Database>, login: Login, settings: Settings) -> Executor {
        let slow = fleet.config.load().proxy.slow_statement;
        Executor {
            counters: fleet.metrics.session(&database.name, &login.user),
            holding: None,
            kept: BTreeMap::new(),
            mode: fleet.pools.settings().mode(&database.name, &login.user),
            admissions: Vec::new(),
            lost_kept: false,
            notices: BytesMut::new(),
            news: None,
            client: 0,
            fleet,
            database,
            login,
            settings,
            transaction: Transaction::default(),
            held: None,
            reported: Reported::default(),
            before: 0,
            alone: None,
            pin: SessionPin::default(),
            cancellable: Arc::default(),
            uncounted: Vec::new(),
            slow,
            number: rand::random(),
            routes: Routes::default(),
            temporary: Box::default(),
            path: None,
            tenant: None,
            commented: None,
        }
    }

    /// True where the session keeps its connections to its end.
    pub(super) fn is_session_mode(&self) -> bool {
        self.mode == PoolMode::Session
    }

    /// The catalog as this session sees it.
    pub fn catalog(&self) -> Arc<Catalog> {
        match &self.transaction.catalog {
            Some(own) => Arc::clone(own),
            None => self.database.catalog.load(),
        }
    }

    /// The version of the catalog as this session sees it.
    pub fn catalog_version(&self) -> u64 {
        match &self.transaction.catalog {
            Some(own) => own.version,
            None => self.database.catalog.version(),
        }
    }

    /// The schemas that unqualified names are looked for in.
    pub fn search_path(&mut self) -> SearchPath {
        self.path_of_now().clone()
    }

    /// As [`Self::search_path`], without a copy.
    pub fn path_of_now(&mut self) -> &SearchPath {
        let stamp = self.settings.stamp();
        if self.path.as_ref().is_none_or(|known| known.0 != stamp) {
            let path = self.read_path();
            self.path = Some(Box::new((stamp, path)));
        }
        self.path.as_ref().map(|known| &known.1).expect("it was noted above")
    }

    /// What a text says to this session at this moment.
    pub fn learn(&mut self, text: &str) -> Arc<Learned> {
        self.path_of_now();
        let path = self.path.as_ref().map(|known| &known.1).expect("it was noted above");
        match &self.transaction.catalog {
            Some(own) => self.database.learn(text, own, path),
            None => self.database.learn(text, &self.database.catalog.look(), path),
        }
    }

    fn read_path(&self) -> SearchPath {
        let user = match self.settings.value("role").or(self.settings.value("session_authorization")) {
            None | Some("none" | "default") => &self.login.user,
            Some(role) => role,
        };
        let path = match self.settings.value("search_path") {
            None => SearchPath::standard(user),
            Some(list) => SearchPath::read(list, user),
        };
        (*self.database.paths.share(Arc::new(path))).clone()
    }

    /// The tenant that the session names.
    ///
    /// # Errors
    /// 22023 where the setting is no key of the database's type.
    pub fn tenant(&mut self) -> Result<Option<TenantKey>, ClientError> {
        let stamps = (self.settings.stamp(), self.catalog_version());
        if let Some((settings, version, tenant)) = self.tenant.as_deref()
            && (*settings, *version) == stamps
        {
            return Ok(tenant.clone());
        }
        let catalog = self.catalog();
        let tenant = self.read_tenant(&catalog)?;
        self.tenant = Some(Box::new((stamps.0, catalog.version, tenant.clone())));
        Ok(tenant)
    }

    fn read_tenant(&self, catalog: &Catalog) -> Result<Option<TenantKey>, ClientError> {
        let setting = &self.database.config.tenant_setting;
        let value = match self.settings.value(&setting.to_ascii_lowercase()) {
            None | Some("") => return Ok(None),
            Some(value) => value,
        };
        let Some(key_type) = catalog.key_type else { return Ok(None) };
        key_type.parse(value).map(Some).ok_or_else(|| {
            ClientError::new("22023", format!("invalid value for parameter \"{setting}\": \"{value}\""))
        })
    }
}
