//! The session's hand on the servers: it plans statements, gets the connections they need, brings
//! those to the session's state, and gives them back.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::BytesMut;
use router::catalog::{Catalog, SearchPath};
use router::directory::Directory;
use router::ids::{ServerId, TenantKey};
use router::plan::{Leg, Parameter, Plan, Role, SessionView, Tenants, Verdict};
use router::sql::{Hold, Kind, Learned, Statement};
use smallvec::SmallVec;

use crate::auth::Proof;
use crate::config::PoolMode;
use crate::directory::NearDirectory;
use crate::error::ClientError;
use crate::execute::cancel::Cancellable;
use crate::execute::reported::Reported;
use crate::execute::route::Routes;
use crate::execute::settings::{Settings, difference, forget_encoding};
use crate::execute::transaction::{Branch, Mode, Permit, Transaction};
use crate::execute::trouble::Trouble;
use crate::fleet::{Database, Fleet};
use crate::metrics::SessionCounters;
use crate::pool::{Admission, CheckoutError, Fate, Lent, Request};
use crate::replicas::{Node, SessionPin};

/// How often a statement is planned anew because the directory moved on under it.
pub(super) const MOST_REPLANS: u32 = 100;
/// How long a statement waits for a frozen placement. A freeze is far shorter; this is the bound that
/// a broken mover meets.
const LONGEST_FREEZE: Duration = Duration::from_secs(30);

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
    /// What the settings of this stamp say.
    path: Option<Box<(u64, SearchPath)>>,
    tenant: Option<Box<(u64, u64, Option<TenantKey>)>>,
}

/// What keeps a branch from being used for the moment.
pub(crate) enum Hindrance {
    /// The directory has moved on: plan again.
    Replan,
    /// A real trouble.
    Trouble(Trouble),
}

impl<T: Into<Trouble>> From<T> for Hindrance {
    fn from(trouble: T) -> Hindrance {
        Hindrance::Trouble(trouble.into())
    }
}

/// A plan and the directory it was made with.
#[derive(Debug, Clone)]
pub struct Decision {
    /// The plan.
    pub plan: Plan,
    /// The directory of the plan.
    pub directory: NearDirectory,
}

/// What planning came to, for the moment.
pub(super) enum Decided {
    /// The plan, and its permit is taken.
    Ready(Decision),
    /// The directory has moved on: plan again.
    Outdated,
    /// What it needs is frozen in the directory of this version.
    Frozen(u64),
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
            path: None,
            tenant: None,
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

    /// Plans a statement; waits, bounded, while what it needs is frozen. The permit is taken.
    ///
    /// # Errors
    /// The planner's refusal; 57014 where a freeze does not end.
    pub(crate) async fn decide(
        &mut self,
        statement: &Statement,
        parameters: &[Parameter<'_>],
    ) -> Result<Decision, Trouble> {
        let mut started = None;
        for _ in 0..MOST_REPLANS {
            let version = match self.try_to_decide(statement, parameters)? {
                Decided::Ready(decision) => return Ok(decision),
                Decided::Outdated => continue,
                Decided::Frozen(version) => version,
            };
            let started = *started.get_or_insert_with(Instant::now);
            let patience = LONGEST_FREEZE.saturating_sub(started.elapsed());
            self.fleet.metrics.held_statements.inc();
            let changed = Box::pin(self.changed(version, patience)).await;
            self.fleet.metrics.held_statements.dec();
            if !changed? {
                return Err(ClientError::new("57014", "canceling statement: its placement stayed frozen")
                    .hint("A move is being cut over and does not get on; \"herdctl moves\" shows it.")
                    .into());
            }
        }
        Err(ClientError::new("40001", "the directory changed too often while the statement was planned")
            .into())
    }

    /// Plans a statement with the directory of this moment. Where it is ready the permit is taken.
    pub(super) fn try_to_decide(
        &mut self,
        statement: &Statement,
        parameters: &[Parameter<'_>],
    ) -> Result<Decided, Trouble> {
        let tenant = self.tenant()?;
        let directory = self.database.directory.load_near();
        self.check_numbers(statement)?;
        let tenant = tenant.as_ref();
        let mut verdict = match &self.transaction.catalog {
            Some(own) => self.plan(statement, &directory, own, tenant, parameters),
            None => self.plan(statement, &directory, &self.database.catalog.look(), tenant, parameters),
        };
        if let Verdict::Learn = verdict {
            let catalog = self.catalog();
            let whole = self.learn_as_a_whole(statement, &catalog)?;
            verdict = self.plan(&whole, &directory, &catalog, tenant, parameters);
        }
        match verdict {
            Verdict::Learn => Err(ClientError::internal("a statement cannot be read as a whole").into()),
            Verdict::Refuse(refusal) => Err(refusal.into()),
            Verdict::Wait(_) => Ok(Decided::Frozen(directory.version())),
            Verdict::Run(plan) => {
                self.check_isolation(&plan)?;
                if self.settings.encoding().is_foreign() {
                    self.check_encoding(statement, &plan, &self.catalog())?;
                }
                if !self.enter(&directory, &plan) {
                    return Ok(Decided::Outdated);
                }
                self.admit(&plan)?;
                Ok(Decided::Ready(Decision { plan, directory }))
            }
        }
    }

    fn plan(
        &self,
        statement: &Statement,
        directory: &Directory,
        catalog: &Catalog,
        tenant: Option<&TenantKey>,
        parameters: &[Parameter<'_>],
    ) -> Verdict {
        let fenced = self.transaction.fenced(directory);
        let away = match statement.is_without_tenants() {
            true => self.away(directory),
            false => Vec::new(),
        };
        let session = SessionView {
            tenant,
            fan_out: self.login.fan_out,
            read_write_transaction: self.transaction.reads_to_write
                || self.transaction.is_explicit() && !self.transaction.read_only,
            held: self.standing(statement),
            fenced: &fenced,
            now: &self.transaction.now,
            away: &away,
            counted: self.counted(statement),
        };
        router::plan::plan(statement, directory, catalog, &session, parameters)
    }

    /// A statement whose template did not say enough.
    fn learn_as_a_whole(
        &mut self,
        statement: &Statement,
        catalog: &Catalog,
    ) -> Result<Arc<Statement>, Trouble> {
        let path = self.search_path();
        match &*self.database.learn_without_template(statement.text(), catalog, &path) {
            Learned::Statements(statements) if statements.len() == 1 => Ok(Arc::clone(&statements[0])),
            _ => Err(ClientError::internal("a statement cannot be read as a whole").into()),
        }
    }

    /// Takes the permit for a plan's servers; `false` where the directory has moved on.
    pub(super) fn enter(&mut self, directory: &Directory, plan: &Plan) -> bool {
        let mut servers = SmallVec::<[ServerId; 4]>::new();
        plan.legs.iter().for_each(|leg| servers.push(leg.server));
        if self.transaction.passes.last().is_some_and(|pass| pass.is_for(directory, &servers, &plan.tenants))
        {
            // The same again: a long transaction needs no second permit, only that nothing is newer.
            return self.database.directory.stands(directory);
        }
        match self.database.directory.enter(directory, &servers, &plan.tenants) {
            Ok(pass) => {
                self.transaction.furnish();
                self.transaction.passes.push(Permit { pass, servers, tenants: plan.tenants.clone() });
                true
            }
            Err(_) => false,
        }
    }

    /// The servers without a primary at the moment.
    fn away(&self, directory: &Directory) -> Vec<ServerId> {
        let numbered = (0..).map(ServerId).zip(directory.servers());
        let is_away =
            |name: &str| self.fleet.servers.named(name).is_ok_and(|server| server.primary().is_none());
        numbered.filter(|(_, name)| is_away(name)).map(|(id, _)| id).collect()
    }

    /// The server that a statement must stay on: its cursor's, else that of the connection the session
    /// keeps.
    pub(super) fn standing(&self, statement: &Statement) -> Option<ServerId> {
        let cursor = match statement.kind() {
            Kind::Fetch { name } | Kind::CloseCursor(Some(name)) => {
                self.transaction.cursors.get(name).copied()
            }
            _ => None,
        };
        let mut branches = self.transaction.branches.iter();
        let holding = || branches.find(|(_, branch)| branch.hold.is_some()).map(|(server, _)| server);
        cursor.or_else(|| self.held.as_ref().map(|held| held.0)).or_else(holding)
    }

    async fn changed(&self, version: u64, patience: Duration) -> Result<bool, ClientError> {
        let news = tokio::time::timeout(patience, self.database.directory.newer_than(version));
        self.cancellable.unless_requested(async { news.await.is_ok() }).await
    }

    /// Waits for a directory newer than a decision's, after a fence said that it is outdated.
    pub(crate) async fn await_news(&self, decision: &Decision) -> Result<(), Trouble> {
        match self.changed(decision.directory.version(), LONGEST_FREEZE).await? {
            true => Ok(()),
            false => Err(ClientError::new(
                "57014",
                "canceling statement: a move is being cut over and does not get on",
            )
            .into()),
        }
    }

    /// The branch of a leg's server, made if there is none yet: connected, with the session's
    /// settings, begun where the transaction needs it, with the leg's fences held.
    pub(crate) async fn branch(&mut self, leg: &Leg, decision: &Decision) -> Result<&mut Branch, Hindrance> {
        let begun = self.transaction.mode != Mode::Auto;
        if self.is_of_one_moment(decision) {
            Box::pin(self.begin_everywhere(&decision.directory)).await?;
        }
        if self.transaction.branches.contains(leg.server) {
            Box::pin(self.leave_outdated(leg.server, decision)).await?;
        }
        if !self.transaction.branches.contains(leg.server) {
            let branch = self.open(leg.server, decision, begun).await?;
            self.transaction.branches.insert(leg.server, branch);
        }
        if !leg.fences.is_empty() {
            Box::pin(self.fence(leg)).await?;
        }
        let branch = self.transaction.branches.get_mut(leg.server);
        Ok(branch.expect("the branch was made above"))
    }

    /// The branches of all legs, with all their fences, before anything runs; the first leg's server.
    pub(super) async fn branch_all(&mut self, decision: &Decision) -> Result<ServerId, Hindrance> {
        for leg in &decision.plan.legs {
            self.branch(leg, decision).await?;
        }
        Ok(decision.plan.legs[0].server)
    }

    pub(super) async fn open(
        &mut self,
        server: ServerId,
        decision: &Decision,
        begun: bool,
    ) -> Result<Branch, Trouble> {
        let mut hold = None;
        self.holding.get_or_insert_with(Instant::now);
        let (mut connection, replica) = match self.held.take() {
            Some(held) if held.0 == server => {
                let (_, connection, why) = *held;
                hold = Some(why);
                (connection, false)
            }
            other => {
                self.held = other;
                match self.kept.remove(&server) {
                    Some(connection) => (self.still_good(server, connection, &decision.directory)?, false),
                    None => self.connect(server, &decision.plan, &decision.directory).await?,
                }
            }
        };
        self.settings.begin();
        if let Err(trouble) = self.prepare_for_use(&mut connection, begun).await {
            self.put_back(server, connection, (hold, replica));
            return Err(trouble);
        }
        let mut branch = Branch {
            connection,
            begun,
            replica,
            executed: false,
            unsynced: false,
            fences: BTreeMap::new(),
            directory: Arc::clone(&decision.directory),
            preparing: Vec::new(),
            coded: false,
            notices: BytesMut::new(),
            notifies: false,
            locks: false,
            hold,
        };
        self.cancellable.runs_on(branch.connection.cancel_handle());
        branch.connection.enrolled.iter().for_each(|enrolled| enrolled.note_user(self.client));
        self.list(server, &branch.connection);
        if begun {
            let replay = self.settings.replay();
            let opening: Vec<String> = std::iter::once(self.transaction.opening()).chain(replay).collect();
            Box::pin(must(&mut branch.connection, &opening.join("; "))).await?;
        }
        Ok(branch)
    }

    /// Brings a connection to where the session's next transaction on it begins.
    async fn prepare_for_use(&mut self, connection: &mut Lent, begun: bool) -> Result<(), Trouble> {
        self.dress(connection, begun).await?;
        self.take_numbers(connection, begun).await
    }

    /// A connection that could not be used goes to where it came from, as it was: what lives on one that the
    /// session keeps stays. Where that one broke, the session ends.
    fn put_back(&mut self, server: ServerId, connection: Lent, (hold, replica): (Option<Hold>, bool)) {
        let stays = hold.is_some() || self.is_session_mode() && !replica;
        match (connection.is_clean(), hold) {
            (false, _) => self.lost_kept |= stays,
            (true, Some(why)) => self.held = Some(Box::new((server, connection, why))),
            (true, None) if stays => drop(self.kept.insert(server, connection)),
            (true, None) => self.fleet.pools.checkin(connection, Fate::Keep),
        }
    }

    /// With its second branch a transaction may be part of a deadlock that no server sees.
    pub(super) fn list(&mut self, server: ServerId, connection: &Lent) {
        if self.transaction.branches.is_empty() {
            return;
        }
        match &self.transaction.listed {
            Some(listed) => listed.add(server, connection.process()),
            None => {
                let branches = self.transaction.branches.iter();
                let process = |(server, branch): (ServerId, &Branch)| (server, branch.connection.process());
                let mut processes: Vec<_> = branches.map(process).collect();
                processes.push((server, connection.process()));
                let gives_way = self.transaction.mode == Mode::Auto;
                self.transaction.listed =
                    Some(self.database.transactions.enter(processes, &self.cancellable, gives_way));
            }
        }
    }

    /// A connection to a node of the server that may run the plan.
    async fn connect(
        &mut self,
        id: ServerId,
        plan: &Plan,
        directory: &Directory,
    ) -> Result<(Lent, bool), Trouble> {
        let name = directory.server_name(id);
        let Some(route) = self.routes.to(name, &self.fleet) else {
            let message = format!("server \"{name}\" is not in the configuration any more");
            return Err(ClientError::new("08001", message).into());
        };
        let server = Arc::clone(&route.server);
        if plan.role == Role::Replica && self.mode == PoolMode::Transaction && server.has_replicas() {
            let requirement =
                self.database.pins.requirement(&server, &plan.tenants, &self.pin, directory.floor(id));
            if let Some(node) = server.replica(requirement)
                && let Ok(connection) = self.checkout(name, node, plan).await
            {
                return Ok((connection, true));
            }
        }
        let node = match server.primary() {
            Some(node) => node,
            None => {
                let wait = self.fleet.config.load().replicas.primary_wait;
                let primary = server.wait_for_primary(wait);
                let primary = Box::pin(self.cancellable.unless_requested(primary)).await?;
                primary.map_err(|_| ClientError::no_primary(name))?
            }
        };
        match self.checkout(name, node, plan).await {
            Ok(connection) => Ok((connection, false)),
            Err(error) => {
                server.suspect(node);
                Err(error.into())
            }
        }
    }

    async fn checkout(&mut self, server: &str, node: &Node, plan: &Plan) -> Result<Lent, ClientError> {
        let Some(route) = self.routes.to(server, &self.fleet) else {
            return Err(ClientError::no_primary(server));
        };
        let pool = route.pools.of(&route.server, node, &self.fleet, &self.database, &self.login);
        let tenant = match &plan.tenants {
            Tenants::Some(keys) => keys.first(),
            Tenants::None | Tenants::All => None,
        };
        let prefer = self.settings.preferred();
        let begun = Instant::now();
        let lent = self.fleet.pools.checkout(Request {
            pool: &pool,
            tenant,
            prefer,
            underway: !self.transaction.branches.is_empty(),
        });
        let lent = self.cancellable.unless_requested(lent).await;
        let waited = begun.elapsed();
        self.counters.assigned(waited);
        if let Some(metrics) = &route.metrics {
            metrics.waited(waited);
        }
        let lent = lent?;
        lent.map_err(|error| not_lent(server, &self.database.name, &error))
    }

    /// Brings a connection to the session's settings: those of before the transaction where it is to
    /// begin there with them.
    async fn dress(&mut self, connection: &mut Lent, begun: bool) -> Result<(), Trouble> {
        let wanted = if begun { self.settings.before() } else { self.settings.session() };
        let applied = wanted.applied();
        if connection.settings != *applied {
            let mut statements = difference(connection.settings.statements(), wanted).join("; ");
            if connection.encoding().write(&statements).is_none() {
                Box::pin(must(connection, "SET client_encoding TO 'UTF8'")).await?;
                statements =
                    difference(forget_encoding(&connection.settings).statements(), wanted).join("; ");
            }
            Box::pin(must(connection, &statements)).await?;
        }
        // The session's own, so that the two are one when they meet again.
        if !connection.settings.is(applied) {
            connection.settings = applied.clone();
        }
        Ok(())
    }

    /// Touches the leg's fence tokens in the branch. Nothing else ran in the same step, so a token
    /// that is gone leaves the branch as it was.
    async fn fence(&mut self, leg: &Leg) -> Result<(), Hindrance> {
        let Some(branch) = self.transaction.branches.get_mut(leg.server) else { return Ok(()) };
        for fence in
            leg.fences.iter().filter(|fence| !branch.fences.contains_key(*fence)).cloned().collect::<Vec<_>>()
        {
            let touch =
                format!("SAVEPOINT pgherd_fence; SELECT FROM pgherd.{fence}; RELEASE SAVEPOINT pgherd_fence");
            let outcome = branch.connection.simple(&touch).await;
            let outcome = outcome?;
            match outcome.error {
                None => {
                    branch.fences.insert(fence, self.transaction.savepoints.len());
                }
                Some(fields) if fields.sqlstate() == "42P01" => {
                    must(
                        &mut branch.connection,
                        "ROLLBACK TO SAVEPOINT pgherd_fence; RELEASE SAVEPOINT pgherd_fence",
                    )
                    .await?;
                    return Err(Hindrance::Replan);
                }
                Some(fields) => return Err(fields.into()),
            }
        }
        Ok(())
    }

    fn hear(&mut self, news: BytesMut) {
        if !news.is_empty() {
            self.news.get_or_insert_default().unsplit(news);
        }
    }

    /// Gives a branch's connection back, or keeps it for the session.
    pub(super) fn release(&mut self, server: ServerId, mut branch: Branch) {
        // An empty buffer that is split is made one to share first, which costs an allocation.
        if !branch.notices.is_empty() {
            self.notices.unsplit(branch.notices.split());
        }
        let news = std::mem::take(&mut branch.connection.news);
        if branch.hold.is_some() {
            self.hear(news);
            self.held = branch.hold.map(|why| Box::new((server, branch.connection, why)));
            return;
        }
        if self.mode == PoolMode::Session && !branch.replica && branch.connection.is_clean() {
            self.hear(news);
            self.kept.insert(server, branch.connection);
            return;
        }
        self.fleet.pools.checkin(branch.connection, Fate::Keep);
    }
}

/// What the client is told where no connection was lent.
pub(super) fn not_lent(server: &str, database: &str, error: &CheckoutError) -> ClientError {
    match error {
        CheckoutError::TimedOut { .. } => ClientError::pool_exhausted(server),
        CheckoutError::TooManyWaiting => {
            ClientError::new("53300", format!("too many wait for a connection to server {server}"))
                .hint("raise [pool] max_waiting, or end transactions sooner")
        }
        CheckoutError::TenantFull { most } => ClientError::tenant_limit(*most, "connections at once"),
        CheckoutError::TenantBusy { most } => ClientError::tenant_limit(*most, "statements at once"),
        CheckoutError::TenantFast { most } => ClientError::tenant_limit(*most, "statements a second"),
        CheckoutError::Paused => ClientError::paused(database),
        CheckoutError::Dial(why) => ClientError::cannot_connect(server, why.to_string()),
        CheckoutError::Failing(_) => ClientError::cannot_connect(server, error.to_string()),
        CheckoutError::ShuttingDown => ClientError::shutting_down(),
    }
}

/// Runs a statement of the proxy's own, which must succeed.
pub(super) async fn must(connection: &mut Lent, sql: &str) -> Result<(), Trouble> {
    let outcome = connection.simple(sql).await?;
    match outcome.error {
        None => Ok(()),
        Some(fields) => Err(fields.into()),
    }
}
