//! Parse, Bind, Close, Flush and Sync: a pipeline, and what is owed in it.
//!
//! Messages for a single server are written to its connection as they come, and its replies are read
//! at Flush and Sync, so a pipeline costs one round trip. Before the pipeline turns to another
//! server, or to something the session does itself, what is owed is read.

use std::sync::Arc;

use bytes::BytesMut;
use router::ids::{KeyType, ServerId};
use router::plan::{Parameter, Role, Way};
use router::sql::{ConfigValue, Kind as Sort, Statement};

use crate::client::portal::{Bound, Portal, Stand, parameters_of};
use crate::client::session::Session;
use crate::error::ClientError;
use crate::execute::executor::{Decision, Hindrance};
use crate::execute::prepared::{Prepared, Types};
use crate::execute::relay::Expect;
use crate::execute::trouble::Trouble;
use crate::metrics::Count;
use crate::net::peer::PeerGone;
use crate::wire::frame::{Frame, SERVER_LIMIT, WireFault, cut};
use crate::wire::view::{Bind, Close, Kind, Parse};
use crate::wire::{Encoding, NoCharacter, rewrite, write};

/// How many prepared statements a client may have.
const MOST_PREPARED: usize = 10_000;

impl Session {
    /// Handles one message of the extended protocol; Parse, Bind and Sync have functions of their own.
    ///
    /// # Errors
    /// [`Trouble`].
    pub(super) async fn extended(&mut self, frame: &Frame) -> Result<(), Trouble> {
        match frame.tag() {
            b'D' => self.describe(frame).await,
            b'E' => self.execute(frame).await,
            b'C' => self.close(frame).await,
            _ => self.flush().await,
        }
    }

    /// An error in the pipeline: it is told, and nothing more is heard until Sync.
    pub(super) async fn stumble(&mut self, trouble: Trouble) -> Result<(), PeerGone> {
        let trouble = match trouble {
            // What the servers owe comes first; an error among it takes the place of this one.
            Trouble::Tell(error)
                if !error.is_fatal() && (error.class() != "08" || error.sqlstate == "08P01") =>
            {
                match self.catch_up().await {
                    Ok(()) => Trouble::Tell(error),
                    Err(earlier) => earlier,
                }
            }
            trouble => trouble,
        };
        self.forget_pipeline();
        self.skipping = true;
        self.trouble(trouble).await?;
        self.peer.flush().await
    }

    pub(super) async fn catch_up(&mut self) -> Result<(), Trouble> {
        self.settle_unchecked().await?;
        self.drain().await
    }

    /// Nothing is owed any more, and no server is the pipeline's.
    pub(super) fn forget_pipeline(&mut self) {
        for (name, _) in std::mem::take(&mut self.unchecked) {
            self.prepared.remove(&name);
        }
        self.expects.clear();
        self.current = None;
    }

    /// True where messages of the extended protocol came since the last Sync, and left something.
    pub(super) fn is_in_pipeline(&self) -> bool {
        self.current.is_some() || !self.expects.is_empty() || !self.unchecked.is_empty()
    }

    /// A simple query comes before the pipeline's Sync: it goes on in the pipeline's transaction.
    ///
    /// # Errors
    /// What the pipeline meets.
    pub(super) async fn join_pipeline(&mut self) -> Result<(), Trouble> {
        if !self.is_in_pipeline() {
            return Ok(());
        }
        self.catch_up().await?;
        self.current = None;
        self.executor.upgrade().await
    }

    pub(super) fn parse(&mut self, frame: &Frame) -> Result<(), Trouble> {
        self.executor.counters.add(Count::ClientParses, 1);
        let parse = Parse::read(frame).map_err(malformed)?;
        let name = &*self.text(parse.name)?;
        if !name.is_empty() && self.prepared.contains(name) {
            return Err(ClientError::duplicate_statement(name).into());
        }
        if self.prepared.len() >= MOST_PREPARED {
            return Err(
                ClientError::new("53400", format!("more than {MOST_PREPARED} prepared statements")).into()
            );
        }
        let prepared =
            Arc::new(Prepared::new((*self.text(parse.text)?).into(), Types::Oids(parse.types.clone())));
        if self.executor.transaction.failed {
            let statement = self.executor.statement_of(&prepared)?;
            if statement.is_some_and(|statement| !statement.is_transaction_control()) {
                return self.not_failed();
            }
        }
        self.prepared.insert(name, Arc::clone(&prepared));
        self.unchecked.push((name.into(), prepared));
        Ok(())
    }

    /// Binds a portal; its plan may be there already, with its permit.
    pub(super) async fn bind(
        &mut self,
        frame: &Frame,
        planned: Option<Box<Decision>>,
    ) -> Result<(), Trouble> {
        let read: Vec<Option<String>>;
        let bind = Bind::read(frame).map_err(malformed)?;
        let (portal_name, statement_name) = (self.text(bind.portal)?, self.text(bind.statement)?);
        let portal_name = &*portal_name;
        let prepared = self.prepared_as(&statement_name)?;
        if !portal_name.is_empty() && self.portals.contains(portal_name) {
            return Err(ClientError::new("42P03", format!("cursor \"{portal_name}\" already exists")).into());
        }
        let statement = self.read_now(&prepared).await?;
        if let Some(statement) = &statement {
            check_parameters(&bind, &prepared, statement)?;
            if let Sort::Execute { name, arguments } = statement.kind() {
                self.not_failed()?;
                let meant = self.bind_of(name, arguments, &bind)?;
                return Box::pin(self.bind(&meant, None)).await;
            }
        }
        let (mut config, mut stand) = (Vec::new(), Stand::Ours);
        if let Some(statement) = statement.as_ref().filter(|statement| !is_ours(statement)) {
            self.not_failed()?;
            if prepared.described.is_of_before(self.executor.catalog().version) {
                Box::pin(self.keep_word(&prepared)).await?;
            }
            let mut parameters = parameters_of(&prepared, &bind);
            read = self.read_parameters(&parameters)?;
            for (parameter, read) in parameters.iter_mut().zip(&read) {
                parameter.value = read.as_ref().map(String::as_bytes).or(parameter.value);
            }
            config = self.config_of(statement, &parameters)?;
            let asks = config.iter().any(|call| call.value == ConfigValue::Asked);
            stand = self.place((statement, planned), &prepared, &parameters, &bind, asks).await?;
            if matches!(stand, Stand::Waiting) && read.iter().any(Option::is_some) {
                return Err(ClientError::encoding_unsupported(
                    "parameters of a statement over several servers",
                    self.executor.settings.encoding().name(),
                )
                .into());
            }
        }
        let bound = match stand {
            Stand::OnServer(_) => None,
            Stand::Ours | Stand::Waiting | Stand::Fetched(_) | Stand::Done => {
                Box::pin(self.settle_unchecked()).await?;
                self.say(write::bind_complete);
                Some(Box::new(Bound::from(&bind)))
            }
        };
        self.portals.insert(portal_name, Portal { prepared, statement, bound, config, stand });
        Ok(())
    }

    /// The parameters that are text and not in UTF-8, read; in their places `None` for all others.
    fn read_parameters(&self, parameters: &[Parameter<'_>]) -> Result<Vec<Option<String>>, ClientError> {
        let encoding = self.executor.settings.encoding();
        if !encoding.is_foreign() {
            return Ok(Vec::new());
        }
        let keys_are_text = self.executor.catalog().key_type == Some(KeyType::Text);
        let read = |parameter: &Parameter<'_>| match parameter.value {
            Some(value) if !value.is_ascii() && is_text(parameter, keys_are_text) => {
                encoding.read(value).map(Some).map_err(|byte| no_character(encoding, byte))
            }
            Some(_) | None => Ok(None),
        };
        parameters.iter().map(read).collect()
    }

    /// What a prepared text says, with the schema as it stands.
    ///
    /// # Errors
    /// 42601 where it holds several statements; what the pipeline meets.
    pub(super) async fn read_now(&mut self, prepared: &Prepared) -> Result<Option<Arc<Statement>>, Trouble> {
        let statement = self.executor.statement_of(prepared)?;
        if statement.as_ref().is_some_and(|statement| self.executor.is_puzzled_by(statement)) {
            Box::pin(self.drain()).await?;
            Box::pin(self.executor.look_again()).await;
        }
        if !self.executor.is_behind() {
            return self.executor.statement_of(prepared);
        }
        if statement.is_none_or(|statement| self.executor.needs_catalog(&statement)) {
            Box::pin(self.drain()).await?;
            Box::pin(self.executor.catch_up(&prepared.text)).await?;
        }
        self.executor.statement_of(prepared)
    }

    /// What the client prepared under a name.
    ///
    /// # Errors
    /// 26000 where that is nothing.
    pub(super) fn prepared_as(&self, name: &str) -> Result<Arc<Prepared>, ClientError> {
        self.prepared.get(name).cloned().ok_or_else(|| ClientError::no_such_statement(name))
    }

    /// What an EXECUTE of this name runs. Parse lets a client prepare an EXECUTE, even of itself: one that
    /// names another has no end that is certain.
    ///
    /// # Errors
    /// 26000 where nothing has the name; 0A000 where an EXECUTE has it.
    pub(super) fn executed_as(&mut self, name: &str) -> Result<Arc<Prepared>, Trouble> {
        let prepared = self.prepared_as(name)?;
        let statement = self.executor.statement_of(&prepared)?;
        match statement.is_some_and(|statement| matches!(statement.kind(), Sort::Execute { .. })) {
            true => Err(ClientError::unsupported(
                "EXECUTE of a statement that is an EXECUTE itself is not supported",
                "Execute the statement that is meant.",
            )
            .into()),
            false => Ok(prepared),
        }
    }

    /// The Bind that an EXECUTE means: of the statement that it names, with its arguments.
    fn bind_of(
        &mut self,
        name: &str,
        arguments: &[Option<String>],
        bind: &Bind<'_>,
    ) -> Result<Frame, Trouble> {
        let prepared = self.executed_as(name)?;
        self.executor.check_arguments(name, &prepared, arguments.len())?;
        let values = arguments.iter().map(|value| value.as_deref().map(str::as_bytes));
        let mut out = BytesMut::new();
        write::bind(&mut out, bind.portal, name.as_bytes(), &[], values, &bind.result_formats);
        let frame = cut(&mut out, SERVER_LIMIT).map_err(malformed)?;
        Ok(frame.expect("a whole message was written"))
    }

    /// Plans a bound statement, where it has no plan; where it is one server's, the Bind goes there, unless it
    /// `asks` what it has set.
    async fn place(
        &mut self,
        (statement, mut planned): (&Statement, Option<Box<Decision>>),
        prepared: &Prepared,
        parameters: &[Parameter<'_>],
        bind: &Bind<'_>,
        asks: bool,
    ) -> Result<Stand, Trouble> {
        loop {
            let permits = self.executor.transaction.passes.len();
            let decision = match planned.take() {
                Some(decision) => *decision,
                None => self.executor.decide(statement, parameters).await?,
            };
            let leg = &decision.plan.legs[0];
            let apart = asks || statement.is_explain() || statement.changes_schema();
            if apart || !matches!(decision.plan.way, Way::Single) {
                self.executor.transaction.passes.truncate(permits);
                return Ok(Stand::Waiting);
            }
            if !leg.fences.is_empty() {
                Box::pin(self.drain()).await?;
                Box::pin(self.executor.upgrade()).await?;
                self.executor.open_implicit();
            }
            self.at(leg.server).await?;
            if decision.plan.role == Role::Primary
                && self.executor.transaction.branches.get(leg.server).is_some_and(|branch| branch.replica)
            {
                Box::pin(self.drain()).await?;
            }
            match self.executor.branch(leg, &decision).await {
                Ok(_) => {}
                Err(Hindrance::Replan) => {
                    Box::pin(self.executor.await_news(&decision)).await?;
                    continue;
                }
                Err(Hindrance::Trouble(trouble)) => return Err(trouble),
            }
            return Ok(Stand::OnServer(self.send_bind(&decision, statement, prepared, bind)));
        }
    }

    /// Sends a Bind to its plan's server, which has a branch; the statement goes there first where it is not.
    pub(super) fn send_bind(
        &mut self,
        decision: &Decision,
        statement: &Statement,
        prepared: &Prepared,
        bind: &Bind<'_>,
    ) -> ServerId {
        let leg = &decision.plan.legs[0];
        self.current = Some(leg.server);
        self.send_unchecked(leg.server);
        let name = match &leg.text {
            None => self.ready_on(leg.server, prepared),
            Some(text) => {
                let restricted = Prepared::new(Arc::clone(text), prepared.types.clone());
                self.ready_on(leg.server, &restricted)
            }
        };
        rewrite::bind_with(self.executor.pipeline(leg.server).out(), bind, name.as_bytes(), None);
        self.expects.push_back(Expect::Relay(b'2'));
        // The portal lives in the transaction that it was bound in.
        self.executor.executed(leg.server);
        self.executor.note(statement, decision);
        leg.server
    }

    /// Nothing but the end of a failed transaction is heard.
    pub(super) fn not_failed(&self) -> Result<(), Trouble> {
        match self.executor.transaction.failed {
            true => Err(ClientError::failed_transaction().into()),
            false => Ok(()),
        }
    }

    async fn close(&mut self, frame: &Frame) -> Result<(), Trouble> {
        let close = Close::read(frame).map_err(malformed)?;
        let name = &*self.text(close.name)?;
        Box::pin(self.settle_unchecked()).await?;
        match close.kind {
            Kind::Statement => {
                self.prepared.remove(name);
            }
            Kind::Portal
                if self.executor.transaction.cursors.contains_key(name)
                    || self.executor.holds() && !self.portals.contains(name) =>
            {
                let closed = self.pass_to_cursor(name, frame, Expect::Relay(b'3')).await;
                self.executor.transaction.cursors.remove(name);
                return closed;
            }
            Kind::Portal => {
                if let Some(Portal { stand: Stand::OnServer(server), .. }) = self.portals.remove(name)
                    && self.executor.transaction.branches.contains(server)
                {
                    self.at(server).await?;
                    self.executor.pipeline(server).out().extend_from_slice(frame.bytes());
                    self.expects.push_back(Expect::Relay(b'3'));
                    return Ok(());
                }
            }
        }
        self.say(write::close_complete);
        Ok(())
    }

    async fn flush(&mut self) -> Result<(), Trouble> {
        Box::pin(self.catch_up()).await?;
        Ok(self.peer.flush().await?)
    }

    pub(super) async fn sync(&mut self) -> Result<(), PeerGone> {
        let outcome = if std::mem::take(&mut self.skipping) { Ok(()) } else { self.sync_servers().await };
        self.synced(outcome).await
    }

    /// Says how a pipeline ended, up to its ReadyForQuery.
    pub(super) async fn synced(&mut self, outcome: Result<(), Trouble>) -> Result<(), PeerGone> {
        if let Err(trouble) = outcome {
            Box::pin(self.trouble(trouble)).await?;
        }
        self.say_synced();
        self.peer.flush().await
    }

    /// What stands at a pipeline's end.
    pub(super) fn say_synced(&mut self) {
        self.forget_pipeline();
        if !self.executor.transaction.is_explicit() {
            self.close_portals();
        }
        self.ready();
    }

    /// Ends the pipeline: what is owed is read, and what is not the client's transaction ends.
    async fn sync_servers(&mut self) -> Result<(), Trouble> {
        if !self.unchecked.is_empty() {
            Box::pin(self.settle_unchecked()).await?;
        }
        if let Some(server) = self.current() {
            self.executor.pipeline(server).queue_sync();
            self.expects.push_back(Expect::Ready);
        }
        self.end_of_pipeline().await
    }

    /// Reads what is owed up to Sync, and ends what is not the client's transaction.
    pub(super) async fn end_of_pipeline(&mut self) -> Result<(), Trouble> {
        self.read_owed().await?;
        self.current = None;
        self.executor.end_of_message().await
    }

    /// The server that the pipeline is at, while its connection is there.
    pub(super) fn current(&mut self) -> Option<ServerId> {
        let branches = &self.executor.transaction.branches;
        self.current = self.current.filter(|server| branches.contains(*server));
        self.current
    }

    /// Reads all that the current server owes, with a Flush where no Sync was sent.
    pub(super) async fn drain(&mut self) -> Result<(), Trouble> {
        if let Some(server) = self.current()
            && self.expects.iter().any(|expect| !matches!(expect, Expect::Say(_)))
        {
            write::flush(self.executor.pipeline(server).out());
        }
        self.read_owed().await
    }

    async fn read_owed(&mut self) -> Result<(), Trouble> {
        let mut expects = std::mem::take(&mut self.expects);
        let outcome = match self.current() {
            Some(server) => self.executor.relay(&mut self.peer, server, &mut expects).await,
            None => {
                for expect in expects.drain(..) {
                    if let Expect::Say(bytes) = expect {
                        self.peer.out().extend_from_slice(&bytes);
                    }
                }
                Ok(())
            }
        };
        // What remains was never prepared.
        for expect in expects.drain(..) {
            if let Expect::Parsed(name) = expect {
                self.prepared.remove(&name);
            }
        }
        self.expects = expects;
        outcome
    }

    /// True where the pipeline is at `server`, in a transaction that has not failed.
    pub(super) fn is_ready_at(&mut self, server: ServerId) -> bool {
        !self.executor.transaction.failed && self.is_at(server)
    }

    /// True where the pipeline is at `server`.
    pub(super) fn is_at(&mut self, server: ServerId) -> bool {
        self.current() == Some(server)
    }

    /// Makes `server` the one that the pipeline goes to.
    async fn at(&mut self, server: ServerId) -> Result<(), Trouble> {
        if self.is_at(server) {
            return Ok(());
        }
        if self.current.is_none() && self.expects.is_empty() {
            self.current = self.executor.transaction.branches.contains(server).then_some(server);
            return Ok(());
        }
        Box::pin(self.turn_to(server)).await
    }

    async fn turn_to(&mut self, server: ServerId) -> Result<(), Trouble> {
        if let Some(current) = self.current()
            && current != server
        {
            self.drain().await?;
            self.executor.leave(current).await?;
            self.current = None;
        }
        if self.current.is_none() {
            self.read_owed().await?;
            self.current = self.executor.transaction.branches.contains(server).then_some(server);
        }
        Ok(())
    }

    /// Makes the server of a portal the one that the pipeline goes to.
    pub(super) async fn return_to(&mut self, server: ServerId, portal: &str) -> Result<(), Trouble> {
        self.at(server).await?;
        match self.current {
            Some(_) => Ok(()),
            None => Err(ClientError::no_such_portal(portal).into()),
        }
    }

    /// What was parsed is checked by this server on the way; its ParseCompletes are the client's.
    pub(super) fn send_unchecked(&mut self, server: ServerId) {
        for (name, prepared) in std::mem::take(&mut self.unchecked) {
            let (_, parsed) = self.readied(server, &prepared);
            match parsed {
                true => self.expects.push_back(Expect::Parsed(name)),
                false => self.say(write::parse_complete),
            }
        }
    }

    /// What was parsed and never bound is checked by some server.
    pub(super) async fn settle_unchecked(&mut self) -> Result<(), Trouble> {
        let mut foreign = false;
        for (_, prepared) in &self.unchecked {
            foreign |= !self.executor.statement_of(prepared)?.is_some_and(|statement| is_ours(&statement));
        }
        if !foreign || self.executor.transaction.failed {
            for _ in std::mem::take(&mut self.unchecked) {
                self.say(write::parse_complete);
            }
            return Ok(());
        }
        let server = self.checking_server().await?;
        self.send_unchecked(server);
        Ok(())
    }

    /// A server that may parse and describe: any knows the same tables.
    pub(super) async fn checking_server(&mut self) -> Result<ServerId, Trouble> {
        if let Some(current) = self.current() {
            return Ok(current);
        }
        self.read_owed().await?;
        let server = self.executor.any_branch().await?;
        self.current = Some(server);
        Ok(server)
    }

    pub(super) fn ready_on(&mut self, server: ServerId, prepared: &Prepared) -> Arc<str> {
        let (name, parsed) = self.readied(server, prepared);
        if parsed {
            self.expects.push_back(Expect::Swallow(b'1'));
        }
        name
    }

    fn readied(&mut self, server: ServerId, prepared: &Prepared) -> (Arc<str>, bool) {
        let readied = self.executor.ready(server, prepared);
        for _ in 0..readied.closed {
            self.expects.push_back(Expect::Swallow(b'3'));
        }
        if readied.parsed && matches!(prepared.types, Types::Names(_)) {
            self.expects.push_back(Expect::Swallow(b'1'));
            self.expects.push_back(Expect::Swallow(b'2'));
            self.expects.push_back(Expect::Swallow(b'C'));
            return (readied.name, false);
        }
        (readied.name, readied.parsed)
    }

    /// Says something in its place among what the servers owe.
    pub(super) fn say(&mut self, message: impl FnOnce(&mut BytesMut)) {
        if self.expects.is_empty() {
            message(self.peer.out());
            return;
        }
        let mut out = BytesMut::new();
        message(&mut out);
        self.expects.push_back(Expect::Say(out.freeze()));
    }
}

/// PostgreSQL's check of a Bind's numbers, in the name that the client knows.
pub(super) fn check_parameters(
    bind: &Bind<'_>,
    prepared: &Prepared,
    statement: &Statement,
) -> Result<(), ClientError> {
    let (formats, given) = (bind.formats.len(), bind.parameters.len());
    if formats > 1 && formats != given {
        let message = format!("bind message has {formats} parameter formats but {given} parameters");
        return Err(ClientError::new("08P01", message));
    }
    let wanted = prepared.declared().max(usize::from(statement.parameter_count()));
    if given != wanted {
        let name = String::from_utf8_lossy(bind.statement);
        let message = format!(
            "bind message supplies {given} parameters, but prepared statement \"{name}\" requires {wanted}"
        );
        return Err(ClientError::new("08P01", message));
    }
    Ok(())
}

/// True for a value that the server takes for a text; one that is binary and of no declared type is taken for
/// one where it may be a key that is text.
fn is_text(parameter: &Parameter<'_>, keys_are_text: bool) -> bool {
    /// `text`, `varchar`, `bpchar`, `name`.
    const TEXTS: [u32; 4] = [25, 1043, 1042, 19];
    !parameter.binary || TEXTS.contains(&parameter.type_oid) || (parameter.type_oid == 0 && keys_are_text)
}

/// True for the statements that the session answers itself.
pub(super) fn is_ours(statement: &Statement) -> bool {
    statement.is_session_command()
}

/// A message whose frame is whole and whose body is not: the session is still in step.
pub(super) fn malformed(fault: WireFault) -> ClientError {
    ClientError::new("08P01", fault.to_string())
}

/// A text of the client's, in PostgreSQL's words where it is not UTF-8.
pub(super) fn text(bytes: &[u8]) -> Result<&str, ClientError> {
    std::str::from_utf8(bytes).map_err(|fault| {
        let wrong = bytes.get(fault.valid_up_to()..).unwrap_or_default();
        let length = match wrong.first() {
            Some(0xf0..=0xf7) => 4,
            Some(0xe0..=0xef) => 3,
            Some(0xc0..=0xdf) => 2,
            Some(_) | None => 1,
        };
        let shown: Vec<String> = wrong.iter().take(length).map(|byte| format!("0x{byte:02x}")).collect();
        let message = format!("invalid byte sequence for encoding \"UTF8\": {}", shown.join(" "));
        ClientError::new("22021", message).hint("Is client_encoding what the client writes?")
    })
}

/// PostgreSQL's words for a byte that means nothing in the client's encoding.
pub(super) fn no_character(encoding: Encoding, NoCharacter(byte): NoCharacter) -> ClientError {
    let name = encoding.name();
    let message = format!(
        "character with byte sequence 0x{byte:02x} in encoding \"{name}\" has no equivalent in encoding \"UTF8\""
    );
    ClientError::new("22P05", message)
}
