//! The messages that need no waiting but for the servers' answers, as most do: they are handled where they
//! are met, and what waits is a few words large. All others are futures on the heap.

use std::future::poll_fn;
use std::sync::Arc;
use std::time::Instant;

use router::ids::ServerId;
use router::sql::{Access, ConfigValue, Kind as Sort, Learned, Statement};
use tracing::Instrument;

use crate::client::bind::check_parameters;
use crate::client::extended::is_ours;
use crate::client::portal::{Bound, Portal, Stand, parameters_of};
use crate::client::session::Session;
use crate::client::text::text;
use crate::execute::at_once::{BEGUN, Manner, Stands, Tried};
use crate::execute::opening::Hindrance;
use crate::execute::passing::{Passed, Stir};
use crate::execute::planned::Decision;
use crate::execute::prepared::Prepared;
use crate::execute::relay::Expect;
use crate::execute::transaction::Mode;
use crate::execute::trouble::Trouble;
use crate::metrics::Count;
use crate::net::peer::PeerGone;
use crate::wire::frame::Frame;
use crate::wire::view::{Bind, Query};
use crate::wire::write;

/// What became of a message at once.
pub(super) enum Begun {
    /// All that is to be done.
    Done,
    /// The answer was written, and is to be sent.
    Answered,
    /// A pipeline's end was sent to this server, whose answers are to come.
    Pipeline(ServerId),
    /// A simple query was sent to its server. On the heap: the silent would keep room for it.
    Query(Box<Asked>),
    /// A Bind was planned, and its connection is to be waited for.
    Planned(Box<Decision>),
    /// The same of a simple query.
    PlannedQuery(Box<Planned>),
    /// Nothing: it needs waiting.
    Waits,
}

/// A simple query that one server is to answer, with its permit.
pub(super) struct Planned {
    statement: Arc<Statement>,
    decision: Decision,
    begun: Instant,
}

/// A simple query that one server answers.
pub(super) struct Asked {
    server: ServerId,
    statement: Arc<Statement>,
    decision: Decision,
    begun: Instant,
    /// How many bytes the client had been answered before.
    answered: u64,
    /// Whether its BEGIN went ahead of it.
    stands: Stands,
}

impl Session {
    /// Handles a message as far as that needs no waiting.
    ///
    /// # Errors
    /// What the message deserves.
    pub(super) fn at_once(&mut self, frame: &Frame) -> Result<Begun, Trouble> {
        let done = match frame.tag() {
            b'P' => self.parse(frame).map(|()| true)?,
            _ if self.is_foreign(frame) => false,
            b'B' => return self.bind_at_once(frame),
            b'D' => self.describe_at_once(frame)?,
            b'E' => self.execute_at_once(frame)?,
            b'S' if !self.patience.bounds_work() => return Ok(self.sync_at_once()),
            b'Q' if !self.patience.bounds_work() => return self.query_at_once(frame),
            _ => false,
        };
        Ok(if done { Begun::Done } else { Begun::Waits })
    }

    /// A Bind of a statement that one server runs as it stands, with a connection to be had at once.
    fn bind_at_once(&mut self, frame: &Frame) -> Result<Begun, Trouble> {
        let Ok(bind) = Bind::read(frame) else { return Ok(Begun::Waits) };
        let (Ok(portal), Ok(name)) = (text(bind.portal), text(bind.statement)) else {
            return Ok(Begun::Waits);
        };
        let Some(prepared) = self.prepared.get(name).cloned() else { return Ok(Begun::Waits) };
        if self.executor.transaction.failed || (!portal.is_empty() && self.portals.contains(portal)) {
            return Ok(Begun::Waits);
        }
        // The schema as it stands is to be read first.
        if self.executor.is_behind() {
            return Ok(Begun::Waits);
        }
        let Some(statement) = self.executor.statement_of(&prepared)? else { return Ok(Begun::Waits) };
        if self.executor.is_puzzled_by(&statement) {
            return Ok(Begun::Waits);
        }
        if statement.process_call().is_some() {
            return Ok(Begun::Waits);
        }
        if is_ours(&statement) {
            let done = self.bind_ours_at_once(portal, prepared, statement, &bind)?;
            return Ok(if done { Begun::Done } else { Begun::Waits });
        }
        if prepared.described.is_of_before(self.executor.catalog_version()) {
            return Ok(Begun::Waits);
        }
        check_parameters(&bind, &prepared, &statement)?;
        let parameters = parameters_of(&prepared, &bind);
        let config = self.config_of(&statement, &parameters)?;
        if config.iter().any(|call| call.value == ConfigValue::Asked) {
            return Ok(Begun::Waits);
        }
        let (current, idle) = (self.current(), self.expects.is_empty());
        let at = |server| current == Some(server) || (current.is_none() && idle);
        let (decision, stands) =
            match self.executor.branch_at_once(&statement, &parameters, Manner::Pipeline, at)? {
                Tried::Stands(decision, stands) => (decision, stands),
                Tried::Planned(decision) => return Ok(Begun::Planned(decision)),
                Tried::Nothing => return Ok(Begun::Waits),
            };
        if stands == Stands::Begins {
            self.expects.extend(BEGUN.map(Expect::Swallow));
        }
        self.executor.counters.add(Count::Binds, 1);
        let server = self.send_bind(&decision, &statement, &prepared, &bind);
        let (statement, stand) = (Some(statement), Stand::OnServer(server));
        self.portals.insert(portal, Portal { prepared, statement, bound: None, config, stand });
        Ok(Begun::Done)
    }

    /// A Bind of what the session answers itself, with nothing before it that a server is to check.
    fn bind_ours_at_once(
        &mut self,
        portal: &str,
        prepared: Arc<Prepared>,
        statement: Arc<Statement>,
        bind: &Bind<'_>,
    ) -> Result<bool, Trouble> {
        let alone = self.unchecked.iter().all(|(_, unchecked)| Arc::ptr_eq(unchecked, &prepared));
        if !alone || matches!(statement.kind(), Sort::Execute { .. }) {
            return Ok(false);
        }
        check_parameters(bind, &prepared, &statement)?;
        self.executor.counters.add(Count::Binds, 1);
        for _ in std::mem::take(&mut self.unchecked) {
            self.say(write::parse_complete);
        }
        self.say(write::bind_complete);
        let (bound, config, stand) = (Some(Box::new(Bound::from(bind))), Vec::new(), Stand::Ours);
        self.portals.insert(portal, Portal { prepared, statement: Some(statement), bound, config, stand });
        Ok(true)
    }

    /// Executes a BEGIN, with nothing before it in its pipeline: no server hears of it yet.
    pub(super) fn begin_at_once(&mut self, portal: &str) -> Result<bool, Trouble> {
        let Some(Portal { statement: Some(statement), stand: Stand::Ours, .. }) = self.portals.get(portal)
        else {
            return Ok(false);
        };
        let statement = Arc::clone(statement);
        let Sort::Begin { text, read_only } = statement.kind() else { return Ok(false) };
        if self.is_in_pipeline() || self.executor.transaction.mode != Mode::Auto {
            return Ok(false);
        }
        let begun = Instant::now();
        let tag = self.begin(text, *read_only)?;
        self.executor.count_local(begun);
        write::command_complete(self.peer.out(), tag);
        Ok(true)
    }

    fn sync_at_once(&mut self) -> Begun {
        if self.skipping || !self.unchecked.is_empty() {
            return Begun::Waits;
        }
        let Some(server) = self.current() else {
            if !self.expects.is_empty() || !self.executor.end_of_message_at_once() {
                return Begun::Waits;
            }
            self.say_synced();
            return Begun::Answered;
        };
        self.executor.pipeline(server).queue_sync();
        self.expects.push_back(Expect::Ready);
        self.executor.report(server);
        Begun::Pipeline(server)
    }

    /// A simple query of one statement that one server answers.
    fn query_at_once(&mut self, frame: &Frame) -> Result<Begun, Trouble> {
        let begun = Instant::now();
        let Ok(query) = Query::read(frame) else { return Ok(Begun::Waits) };
        let Ok(text) = text(query.text) else { return Ok(Begun::Waits) };
        if self.is_in_pipeline() || self.executor.transaction.failed || !self.executor.notices.is_empty() {
            return Ok(Begun::Waits);
        }
        if self.executor.is_behind() {
            return Ok(Begun::Waits);
        }
        let learned = self.executor.learn(text);
        let Learned::Statements(statements) = &*learned else { return Ok(Begun::Waits) };
        let [statement] = statements.as_slice() else { return Ok(Begun::Waits) };
        if !is_plain(statement)
            || self.executor.is_puzzled_by(statement)
            || self.executor.transaction.mode == Mode::Implicit
        {
            return Ok(Begun::Waits);
        }
        let tried = self.executor.branch_at_once(statement, &[], Manner::Query, |_| true);
        let statement = Arc::clone(statement);
        match tried {
            Ok(Tried::Stands(decision, stands)) => {
                let planned = Planned { statement, decision, begun };
                Ok(Begun::Query(Box::new(self.ask(planned, stands))))
            }
            Ok(Tried::Planned(decision)) => {
                let decision = *decision;
                Ok(Begun::PlannedQuery(Box::new(Planned { statement, decision, begun })))
            }
            // A refusal is a simple query's own to tell.
            Ok(Tried::Nothing) | Err(_) => Ok(Begun::Waits),
        }
    }

    /// Sends a simple query to its plan's server, which has a branch.
    fn ask(&mut self, planned: Planned, stands: Stands) -> Asked {
        let Planned { statement, decision, begun } = planned;
        // A simple query ends the unnamed statement and portal.
        self.portals.remove("");
        self.prepared.remove("");
        let leg = &decision.plan.legs[0];
        let (server, sent) = (leg.server, leg.text.as_deref().unwrap_or(statement.text()));
        self.executor.executed(server);
        self.executor.connection(server).queue_query(sent);
        self.executor.report(server);
        let answered = self.peer.written();
        Asked { server, statement, decision, begun, answered, stands }
    }

    /// Answers a simple query that was planned, once it has its connection.
    pub(super) async fn query_planned(
        &mut self,
        frame: &Frame,
        planned: Box<Planned>,
    ) -> Result<(), PeerGone> {
        // Whatever becomes of it, it ends the unnamed statement and portal.
        self.portals.remove("");
        self.prepared.remove("");
        let leg = &planned.decision.plan.legs[0];
        let trouble = match self.executor.branch(leg, &planned.decision).await {
            Ok(_) => {
                let asked = self.ask(*planned, Stands::Begun);
                return self.hear_query(frame, &asked).await;
            }
            Err(Hindrance::Replan) => {
                // Its permit stays until the transaction ends, as one for a plan that was given up does.
                if let Err(trouble) = self.executor.await_news(&planned.decision).await {
                    trouble
                } else {
                    return self.simple(frame).await;
                }
            }
            Err(Hindrance::Trouble(trouble)) => trouble,
        };
        let (server, answered) = (leg.server, self.peer.written());
        let Planned { statement, decision, begun } = *planned;
        let asked = Asked { server, statement, decision, begun, answered, stands: Stands::Begun };
        self.hear_query_out(frame, &asked, &[], Err(trouble)).await
    }

    /// Brings the client the answers to its pipeline, which has ended.
    pub(super) async fn hear_pipeline(&mut self, server: ServerId) -> Result<(), PeerGone> {
        let heard = loop {
            match self.executor.pass_pipeline(&mut self.peer, server, &mut self.expects) {
                Passed::Whole => break Ok(true),
                Passed::Apart => break Ok(false),
                Passed::Part => {}
                Passed::Rows => self.peer.flush().await?,
            }
            match poll_fn(|task| self.executor.poll_answer(&mut self.peer, server, task)).await {
                Ok(Stir::Server) => {}
                Ok(Stir::Client) => break Ok(false),
                Err(trouble) => break Err(trouble),
            }
        };
        if let Ok(true) = heard {
            self.current = None;
            if self.executor.end_of_message_at_once() {
                self.say_synced();
                return self.peer.flush().await;
            }
        }
        let span = self.span();
        Box::pin(self.hear_pipeline_out(server, heard)).instrument(span).await
    }

    /// The same where more is to be done than to pass bytes on.
    async fn hear_pipeline_out(
        &mut self,
        server: ServerId,
        heard: Result<bool, Trouble>,
    ) -> Result<(), PeerGone> {
        let outcome = match heard {
            Ok(_) => self.end_of_pipeline().await,
            Err(trouble) => {
                self.executor.lost(server);
                for expect in std::mem::take(&mut self.expects) {
                    // What remains was never prepared.
                    if let Expect::Parsed(name) = expect {
                        self.prepared.remove(&name);
                    }
                }
                Err(trouble)
            }
        };
        self.synced(outcome).await
    }

    /// Brings the client the answer to its simple query.
    pub(super) async fn hear_query(&mut self, frame: &Frame, asked: &Asked) -> Result<(), PeerGone> {
        let server = asked.server;
        let mut owed: &[u8] = match asked.stands {
            Stands::Begun => &[],
            Stands::Begins => &BEGUN,
        };
        let heard = loop {
            match self.executor.pass_query(&mut self.peer, server, &mut owed) {
                Passed::Whole => break Ok(true),
                Passed::Apart => break Ok(false),
                Passed::Part => {}
                Passed::Rows => self.peer.flush().await?,
            }
            match poll_fn(|task| self.executor.poll_answer(&mut self.peer, server, task)).await {
                Ok(Stir::Server) => {}
                Ok(Stir::Client) => break Ok(false),
                Err(trouble) => break Err(trouble),
            }
        };
        if let Ok(true) = heard {
            self.executor.answered(&asked.statement, &asked.decision, asked.begun);
            if self.executor.end_of_message_at_once() {
                self.ready();
                return self.peer.flush().await;
            }
        }
        let span = self.span();
        Box::pin(self.hear_query_out(frame, asked, owed, heard)).instrument(span).await
    }

    /// The same where more is to be done than to pass bytes on.
    async fn hear_query_out(
        &mut self,
        frame: &Frame,
        asked: &Asked,
        owed: &[u8],
        heard: Result<bool, Trouble>,
    ) -> Result<(), PeerGone> {
        let outcome = match heard {
            Ok(true) => Ok(None),
            Ok(false) => match self.executor.begun(asked.server, owed).await {
                Ok(()) => {
                    let (statement, decision) = (&asked.statement, &asked.decision);
                    let rest = self.executor.rest_of_single(&mut self.peer, statement, decision);
                    rest.await.inspect(|_| self.executor.answered(statement, decision, asked.begun))
                }
                Err(trouble) => Err(trouble),
            },
            Err(trouble) => {
                self.executor.drop_branch(asked.server);
                Err(trouble)
            }
        };
        if let Err(trouble) = &outcome {
            let fresh = self.peer.written() == asked.answered;
            let alone = self.executor.transaction.mode == Mode::Auto
                && asked.statement.access() == Access::Read
                && !self.executor.keeps_connections();
            if fresh && alone && trouble.is_connection_failure() {
                self.executor.transaction.begin_anew();
                return self.simple(frame).await;
            }
            self.executor.not_answered(&asked.statement, &asked.decision, asked.begun, trouble);
        }
        self.finish_query(outcome).await?;
        self.ready();
        self.peer.flush().await
    }
}

/// True for what is a server's alone, and leaves nothing but its answer.
fn is_plain(statement: &Statement) -> bool {
    !statement.is_session_command()
        && !statement.needs_transaction()
        && statement.sets_config().is_empty()
        && statement.process_call().is_none()
        && statement.hold().is_none()
        && !matches!(statement.kind(), Sort::DeclareCursor { .. })
}
