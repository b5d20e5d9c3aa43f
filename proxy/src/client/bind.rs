//! Bind: a portal, and where its statement runs.

use std::sync::Arc;

use bytes::BytesMut;
use router::ids::{KeyType, ServerId};
use router::plan::{Parameter, Role, Way};
use router::sql::{Arguments, ConfigValue, Kind as Sort, Statement};

use crate::client::extended::is_ours;
use crate::client::portal::{Bound, Portal, Stand, parameters_of};
use crate::client::session::Session;
use crate::client::text::{malformed, no_character};
use crate::error::ClientError;
use crate::execute::opening::Hindrance;
use crate::execute::planned::Decision;
use crate::execute::prepared::Prepared;
use crate::execute::relay::Expect;
use crate::execute::trouble::Trouble;
use crate::wire::frame::{Frame, SERVER_LIMIT, cut};
use crate::wire::view::Bind;
use crate::wire::{rewrite, write};

impl Session {
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
                let meant = self.bind_of(name, arguments, &bind).await?;
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
            stand = match statement.process_call() {
                Some(_) => Stand::Waiting,
                None => self.place((statement, planned), &prepared, &parameters, &bind, asks).await?,
            };
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

    /// The Bind that an EXECUTE means: of the statement that it names, with its arguments.
    async fn bind_of(
        &mut self,
        name: &str,
        arguments: &Arguments,
        bind: &Bind<'_>,
    ) -> Result<Frame, Trouble> {
        let prepared = self.executed_as(name)?;
        self.executor.check_arguments(name, &prepared, arguments.count())?;
        if let Arguments::Computed { .. } = arguments {
            Box::pin(self.drain()).await?;
            Box::pin(self.executor.upgrade()).await?;
            self.executor.open_implicit();
        }
        let arguments = Box::pin(self.executor.values_of(arguments, &prepared)).await?;
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
