//! Statements that the session answers itself, or that change what it knows of itself: transactions,
//! settings, prepared statements.

use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use router::ids::{ServerId, quote_literal};
use router::plan::Parameter;
use router::sql::{Arguments, ConfigCall, ConfigValue, Discarded, Kind, SetScope, Statement};

use crate::client::session::Session;
use crate::error::ClientError;
use crate::execute::clock::Moment;
use crate::execute::finish::Ended;
use crate::execute::prepared::{Prepared, Types};
use crate::execute::rows::Rows;
use crate::execute::run::Ask;
use crate::execute::settings::{Replaced, Setting};
use crate::execute::transaction::{Mode, Transaction};
use crate::execute::trouble::Trouble;
use crate::wire::Encoding;
use crate::wire::view::Fields;
use crate::wire::write::{self, OwnColumn};

impl Session {
    /// Runs a statement of the session's own; `None` where it is the servers'.
    ///
    /// # Errors
    /// What PostgreSQL would answer, or a refusal.
    pub(super) async fn command(&mut self, statement: &Arc<Statement>) -> Result<Option<Bytes>, Trouble> {
        let failed = self.executor.transaction.failed;
        let tag = match statement.kind() {
            Kind::Begin { text, read_only } => self.begin(text, *read_only)?,
            Kind::Commit { chain } => return self.commit(*chain).await.map(Some),
            Kind::Rollback { chain } => return self.rollback(*chain).await.map(Some),
            Kind::RollbackTo(name) => return self.rollback_to(name).await.map(Some),
            Kind::PrepareTransaction => return self.prepare_transaction(statement).await.map(Some),
            _ if failed => return Err(ClientError::failed_transaction().into()),
            Kind::Savepoint(name) => return self.savepoint(name).await.map(Some),
            Kind::Release(name) => return self.release(name).await.map(Some),
            Kind::Set { name, scope, value, text } => {
                let setting = Setting { value: value.clone(), statement: text.clone() };
                self.set(statement, name, *scope, setting).await?;
                "SET"
            }
            Kind::Reset(name) => {
                self.reset(statement, Replaced::One(name)).await?;
                self.executor.settings.reset(name);
                self.executor.look_up_parameters().await;
                "RESET"
            }
            Kind::ResetAll => {
                self.reset(statement, Replaced::All).await?;
                self.executor.settings.reset_all();
                self.executor.look_up_parameters().await;
                "RESET"
            }
            Kind::Show(name) if name.starts_with("pgherd.") => return self.show(name).await.map(Some),
            Kind::Deallocate(name) => self.deallocate(name.as_deref())?,
            Kind::Discard(what) => return self.discard(statement, *what).await,
            Kind::Prepare { name, types, body } => self.prepare(name, types, body).await?,
            Kind::Execute { name, arguments } => return self.execute_prepared(name, arguments).await,
            _ => return Ok(None),
        };
        Ok(Some(complete(tag)))
    }

    pub(super) fn begin(&mut self, text: &str, read_only: bool) -> Result<&'static str, Trouble> {
        if self.executor.transaction.failed {
            return Err(ClientError::failed_transaction().into());
        }
        match self.executor.transaction.mode {
            Mode::Explicit => {
                warn(self.peer.out(), "25001", "there is already a transaction in progress");
            }
            // What a message did before its BEGIN belongs to the transaction, as in PostgreSQL.
            Mode::Implicit => {
                self.executor.transaction.mode = Mode::Explicit;
                self.executor.transaction.begin = text.to_owned();
                self.executor.transaction.read_only = read_only;
            }
            Mode::Auto => {
                self.executor.settings.begin();
                std::mem::take(&mut self.executor.transaction).leave();
                self.executor.transaction = Transaction {
                    mode: Mode::Explicit,
                    begin: text.to_owned(),
                    read_only,
                    now: Moment::of_begin(),
                    ..Transaction::default()
                };
            }
        }
        Ok(if text.starts_with("START") { "START TRANSACTION" } else { "BEGIN" })
    }

    async fn commit(&mut self, chain: bool) -> Result<Bytes, Trouble> {
        if self.executor.transaction.mode != Mode::Explicit {
            let warning = "there is no transaction in progress";
            if chain {
                return Err(ClientError::new(
                    "25P01",
                    "COMMIT AND CHAIN can only be used in transaction blocks",
                )
                .into());
            }
            warn(self.peer.out(), "25P01", warning);
            self.executor.end_of_message().await?;
            return Ok(complete("COMMIT"));
        }
        let (begin, read_only) =
            (self.executor.transaction.begin.clone(), self.executor.transaction.read_only);
        self.close_portals();
        let ended = self.executor.commit().await;
        Box::pin(self.executor.look_up_parameters()).await;
        let ended = ended?;
        if chain {
            self.begin(&begin, read_only)?;
        }
        Ok(complete(match ended {
            Ended::Committed => "COMMIT",
            Ended::RolledBack => "ROLLBACK",
        }))
    }

    async fn rollback(&mut self, chain: bool) -> Result<Bytes, Trouble> {
        if self.executor.transaction.mode != Mode::Explicit {
            if chain {
                return Err(ClientError::new(
                    "25P01",
                    "ROLLBACK AND CHAIN can only be used in transaction blocks",
                )
                .into());
            }
            warn(self.peer.out(), "25P01", "there is no transaction in progress");
        }
        let (begin, read_only) =
            (self.executor.transaction.begin.clone(), self.executor.transaction.read_only);
        self.close_portals();
        self.executor.rollback().await;
        Box::pin(self.executor.look_up_parameters()).await;
        if chain {
            self.begin(&begin, read_only)?;
        }
        Ok(complete("ROLLBACK"))
    }

    /// The first phase of the client's own two-phase commit. As COMMIT, it ends what has failed.
    async fn prepare_transaction(&mut self, statement: &Statement) -> Result<Bytes, Trouble> {
        if self.executor.transaction.mode != Mode::Explicit {
            warn(self.peer.out(), "25P01", "there is no transaction in progress");
            return Ok(complete("ROLLBACK"));
        }
        let text = statement.text();
        // One that is written with escapes may say the same.
        if text.contains("pgherd:") || text.contains('\\') {
            let message =
                "a transaction identifier must not begin with \"pgherd:\", nor be written with escapes";
            return Err(ClientError::new("42939", message)
                .hint("Whatever is prepared under such a name is taken for a part of a transaction over servers.")
                .into());
        }
        self.close_portals();
        Ok(complete(match self.executor.prepare(statement).await? {
            Ended::Committed => "PREPARE TRANSACTION",
            Ended::RolledBack => "ROLLBACK",
        }))
    }

    async fn savepoint(&mut self, name: &str) -> Result<Bytes, Trouble> {
        self.in_transaction("SAVEPOINT")?;
        self.executor.on_branches(&format!("SAVEPOINT {}", router::ids::quote_identifier(name))).await?;
        self.executor.transaction.savepoint(name);
        self.executor.settings.savepoint(name);
        Ok(complete("SAVEPOINT"))
    }

    async fn release(&mut self, name: &str) -> Result<Bytes, Trouble> {
        self.in_transaction("RELEASE SAVEPOINT")?;
        if !self.executor.transaction.release(name) {
            return Err(no_savepoint(name));
        }
        self.executor.settings.release(name);
        self.executor
            .on_branches(&format!("RELEASE SAVEPOINT {}", router::ids::quote_identifier(name)))
            .await?;
        Ok(complete("RELEASE"))
    }

    async fn rollback_to(&mut self, name: &str) -> Result<Bytes, Trouble> {
        self.in_transaction("ROLLBACK TO SAVEPOINT")?;
        if self.executor.transaction.broken {
            let lost = "the transaction lost the connection to a server";
            return Err(ClientError::new("25P02", lost)
                .hint("Only ROLLBACK is heard; begin it again.")
                .into());
        }
        if !self.executor.transaction.rollback_to(name) {
            return Err(no_savepoint(name));
        }
        self.executor.settings.rollback_to(name);
        let command = format!("ROLLBACK TO SAVEPOINT {}", router::ids::quote_identifier(name));
        self.executor.on_branches(&command).await?;
        if self.executor.reported.is_changed() {
            self.executor.report_parameters();
        }
        self.executor.transaction.catalog_is_behind |= self.executor.transaction.catalog.is_some();
        Ok(complete("ROLLBACK"))
    }

    fn in_transaction(&self, command: &str) -> Result<(), Trouble> {
        match self.executor.transaction.mode {
            Mode::Explicit => Ok(()),
            Mode::Auto | Mode::Implicit => {
                Err(ClientError::new("25P01", format!("{command} can only be used in transaction blocks"))
                    .into())
            }
        }
    }

    async fn set(
        &mut self,
        statement: &Arc<Statement>,
        name: &str,
        scope: SetScope,
        setting: Setting,
    ) -> Result<(), Trouble> {
        if name == "pgherd.token" {
            let token = setting.value.unwrap_or_default();
            let adopted = self.executor.pin.adopt(&token, &self.executor.fleet.servers);
            return adopted.map_err(|why| {
                ClientError::new("22023", format!("invalid value for parameter \"pgherd.token\": {why}"))
                    .into()
            });
        }
        if let Some(value) = &setting.value {
            check_readable(name, value)?;
        }
        if name != self.executor.database.config.tenant_setting.to_ascii_lowercase()
            || setting.value.is_none()
        {
            // A new value may say but a part of it.
            let replaced = if name == "datestyle" { Replaced::Nothing } else { Replaced::One(name) };
            let lasts = scope == SetScope::Session || self.executor.transaction.mode != Mode::Auto;
            self.set_everywhere(statement, replaced, lasts).await?;
        } else {
            self.check_tenant(setting.value.as_deref().unwrap_or_default())?;
            self.executor.on_branches(statement.text()).await?;
        }
        let setting = self.whole(name, scope, setting);
        match scope {
            SetScope::Session if setting.is_default() => self.executor.settings.reset(name),
            SetScope::Session => self.executor.settings.set(name, setting),
            SetScope::Local => {
                if self.executor.transaction.mode == Mode::Auto {
                    warn(self.peer.out(), "25P01", "SET LOCAL can only be used in transaction blocks");
                }
                self.executor.settings.set_local(name, setting);
            }
            // Of this transaction only, and PostgreSQL's to keep: it ran on each branch, and no other
            // branch can be opened in the same state but by the transaction's BEGIN.
            SetScope::Transaction => {
                self.executor.transaction.begin = amended(&self.executor.transaction.begin, statement.text())
            }
        }
        Ok(())
    }

    /// `SET datestyle TO ymd` changes a part of the value and leaves the rest: what came of it is kept.
    fn whole(&self, name: &str, scope: SetScope, setting: Setting) -> Setting {
        match self.executor.reported.value("DateStyle") {
            Some(value) if name == "datestyle" && !setting.is_default() => match scope {
                SetScope::Local => Setting::local_of(name, value),
                SetScope::Session | SetScope::Transaction => Setting::of(name, value),
            },
            _ => setting,
        }
    }

    fn check_tenant(&self, value: &str) -> Result<(), Trouble> {
        let database = &self.executor.database;
        match database.catalog.load().key_type {
            Some(key_type) if !value.is_empty() && key_type.parse(value).is_none() => {
                let setting = &database.config.tenant_setting;
                Err(ClientError::new(
                    "22023",
                    format!("invalid value for parameter \"{setting}\": \"{value}\""),
                )
                .hint(format!("The tenant column is of type {key_type:?}."))
                .into())
            }
            _ => Ok(()),
        }
    }

    /// Runs a RESET where it must hold, and what the session began with: to a server that is what was set.
    async fn reset(&mut self, statement: &Arc<Statement>, replaced: Replaced<'_>) -> Result<(), Trouble> {
        self.set_everywhere(statement, replaced, false).await?;
        let beginning = self.executor.settings.beginning(replaced);
        if !beginning.is_empty() {
            self.executor.on_branches(&beginning).await?;
            self.executor.report_parameters();
        }
        self.executor.reported.note_reset();
        Ok(())
    }

    /// Runs a SET or RESET where it must hold: on every branch, or where there is none on some
    /// connection, so that PostgreSQL says whether it is right. Where that one refuses, one is tried that has
    /// nothing of what is changed: a value that has become wrong can be changed.
    async fn set_everywhere(
        &mut self,
        statement: &Arc<Statement>,
        replaced: Replaced<'_>,
        lasts: bool,
    ) -> Result<(), Trouble> {
        let begun = self.executor.transaction.branches.values().any(|branch| branch.begun);
        if !begun {
            let tried = self.executor.try_out(statement.text(), lasts).await;
            let Err(Trouble::Relay(_)) = &tried else { return tried };
            let before = self.executor.settings.set_aside(replaced);
            let tried = self.executor.try_out(statement.text(), lasts).await;
            self.executor.settings.put_back(before);
            return tried;
        }
        self.executor.on_branches(statement.text()).await?;
        self.executor.report_parameters();
        Ok(())
    }

    async fn show(&mut self, name: &str) -> Result<Bytes, Trouble> {
        let value = match name {
            "pgherd.token" => self.executor.token().await?,
            "pgherd.version" => env!("CARGO_PKG_VERSION").to_owned(),
            _ => {
                return Err(ClientError::new(
                    "42704",
                    format!("unrecognized configuration parameter \"{name}\""),
                )
                .into());
            }
        };
        if self.describes {
            write::row_description(self.peer.out(), &[OwnColumn::text(name)]);
        }
        write::data_row(self.peer.out(), [Some(value.as_bytes())]);
        Ok(complete("SHOW"))
    }

    fn deallocate(&mut self, name: Option<&str>) -> Result<&'static str, Trouble> {
        match name {
            None => {
                self.prepared.clear();
                Ok("DEALLOCATE ALL")
            }
            Some(name) => match self.prepared.remove(name) {
                Some(_) => Ok("DEALLOCATE"),
                None => Err(ClientError::no_such_statement(name).into()),
            },
        }
    }

    async fn discard(
        &mut self,
        statement: &Arc<Statement>,
        what: Discarded,
    ) -> Result<Option<Bytes>, Trouble> {
        match what {
            Discarded::All => {
                if self.executor.transaction.mode != Mode::Auto {
                    return Err(ClientError::new(
                        "25001",
                        "DISCARD ALL cannot run inside a transaction block",
                    )
                    .into());
                }
                self.prepared.clear();
                self.portals.clear();
                let fresh = self.executor.settings.are_as_begun();
                self.executor.settings.discard_all();
                self.executor.let_go();
                self.executor.end_kept().await;
                if !fresh {
                    self.executor.reported.note_reset();
                    self.executor.look_up_parameters().await;
                }
                Ok(Some(complete("DISCARD ALL")))
            }
            Discarded::Plans => Ok(Some(complete("DISCARD PLANS"))),
            Discarded::Temp | Discarded::Sequences => {
                if what == Discarded::Sequences {
                    self.executor.on_branches(statement.text()).await?;
                }
                self.executor.on_held(statement.text()).await?;
                Ok(Some(complete(if what == Discarded::Temp { "DISCARD TEMP" } else { "DISCARD SEQUENCES" })))
            }
        }
    }

    async fn prepare(&mut self, name: &str, types: &str, body: &str) -> Result<&'static str, Trouble> {
        if self.prepared.contains(name) {
            return Err(ClientError::duplicate_statement(name).into());
        }
        let prepared = Arc::new(Prepared::new(body.into(), Types::Names(types.to_owned())));
        self.executor.check(&prepared).await?;
        self.prepared.insert(name, prepared);
        Ok("PREPARE")
    }

    /// SQL's EXECUTE: the statement is planned with the arguments' values; it runs under the name that
    /// the server knows it by.
    async fn execute_prepared(
        &mut self,
        name: &str,
        arguments: &Arguments,
    ) -> Result<Option<Bytes>, Trouble> {
        let prepared = self.executed_as(name)?;
        self.executor.check_arguments(name, &prepared, arguments.count())?;
        let arguments = self.executor.values_of(arguments, &prepared).await?;
        let statement = self.executor.statement_of(&prepared)?;
        let Some(statement) = statement else { return Ok(Some(complete(""))) };
        let parameters: Vec<Parameter<'_>> = arguments
            .iter()
            .enumerate()
            .map(|(index, value)| Parameter {
                type_oid: prepared.type_oid(index),
                binary: false,
                value: value.as_deref().map(str::as_bytes),
            })
            .collect();
        if let Some(completion) = Box::pin(self.command(&statement)).await? {
            return Ok(Some(completion));
        }
        let ask =
            Ask { statement: &statement, parameters: &parameters, formats: &[], describe: self.describes };
        if let Some(answer) = Box::pin(self.answer_of_process(&statement, &parameters)).await? {
            let ask = Ask { statement: &answer, parameters: &[], formats: &[], describe: self.describes };
            return self.executor.run(&mut self.peer, ask, &mut Rows::through()).await;
        }
        let config = self.config_of(&statement, &parameters)?;
        let completion = self.executor.run_prepared(&mut self.peer, ask, &prepared).await?;
        self.track(config, self.executor.alone).await?;
        Ok(completion)
    }

    /// The settings that a statement makes by a function, with its parameters' values.
    ///
    /// # Errors
    /// 0A000 where SET may not make it either, or where a value cannot be read.
    pub(super) fn config_of(
        &self,
        statement: &Statement,
        parameters: &[Parameter<'_>],
    ) -> Result<Vec<ConfigCall>, Trouble> {
        let mut calls = statement.sets_config().to_vec();
        for call in &mut calls {
            if let ConfigValue::Parameter(number) = call.value {
                let parameter = parameters.get(usize::from(number).wrapping_sub(1));
                call.value = parameter.and_then(text_of).map_or(ConfigValue::Asked, ConfigValue::Text);
            }
            self.check_same_encoding(call)?;
            match &call.value {
                ConfigValue::Text(value) => check_readable(&call.name, value)?,
                ConfigValue::Parameter(_) | ConfigValue::Asked => check_readable(&call.name, "?")?,
            }
        }
        Ok(calls)
    }

    /// A server tells of another encoding when the message is over; what follows within it could be read
    /// in the old one.
    fn check_same_encoding(&self, call: &ConfigCall) -> Result<(), ClientError> {
        let same = match &call.value {
            ConfigValue::Text(value) => Encoding::named(value) == Some(self.executor.settings.encoding()),
            ConfigValue::Parameter(_) | ConfigValue::Asked => false,
        };
        match call.name == "client_encoding" && !same {
            true => {
                Err(ClientError::unsupported("set_config of client_encoding", "Use SET client_encoding."))
            }
            false => Ok(()),
        }
    }

    /// What calls of `set_config` on a server mean for the session, and for its other servers.
    ///
    /// # Errors
    /// PostgreSQL's own.
    pub(super) async fn track(
        &mut self,
        calls: Vec<ConfigCall>,
        server: Option<ServerId>,
    ) -> Result<(), Trouble> {
        for ConfigCall { name, value, local } in calls {
            let value = match value {
                ConfigValue::Text(value) => value,
                ConfigValue::Parameter(_) | ConfigValue::Asked => {
                    let Some(server) = server else {
                        return Err(ClientError::internal("a setting of nobody knows which server").into());
                    };
                    let Some(value) = self.executor.setting_at(server, &name).await? else { continue };
                    value
                }
            };
            self.executor.set_elsewhere(server, &set_config(&name, &value, local)).await?;
            let scope = if local { SetScope::Local } else { SetScope::Session };
            let setting = self.whole(&name, scope, Setting::of(&name, &value));
            match local {
                true => self.executor.settings.set_local(&name, setting),
                false => self.executor.settings.set(&name, setting),
            }
        }
        Ok(())
    }

    /// Portals end with their transaction.
    pub(super) fn close_portals(&mut self) {
        self.portals.clear();
    }
}

/// Statements and keys are read in encodings of one byte a character and in UTF-8, and strings by the SQL
/// standard: what a server reads in another way could concern other rows than those it was sent for.
///
/// # Errors
/// 0A000 for a setting that makes servers read a statement otherwise.
pub(super) fn check_readable(name: &str, value: &str) -> Result<(), ClientError> {
    let value = value.trim_matches(['\'', '"']);
    match name {
        "client_encoding" if Encoding::is_wide(value) => Err(ClientError::unsupported(
            format!("client_encoding {value} is not supported"),
            "Set it to UTF8 or to an encoding of one byte a character, as LATIN1 or WIN1252.",
        )),
        "client_encoding" if Encoding::named(value).is_none() => {
            let message = format!("invalid value for parameter \"client_encoding\": \"{value}\"");
            Err(ClientError::new("22023", message))
        }
        "standard_conforming_strings" if !is_on(&value.to_ascii_lowercase()) => {
            Err(ClientError::unsupported(
                "standard_conforming_strings must be on",
                "Write strings with backslashes as E'...'.",
            ))
        }
        _ => Ok(()),
    }
}

/// True for what PostgreSQL takes for a true boolean, and for a default.
fn is_on(value: &str) -> bool {
    let begins = |word: &str| !value.is_empty() && word.starts_with(value);
    matches!(value, "on" | "1" | "default") || begins("true") || begins("yes")
}

/// The value of a parameter of type text, in either format.
fn text_of(parameter: &Parameter<'_>) -> Option<String> {
    /// Undeclared, `text`, `varchar`.
    const TEXTS: [u32; 3] = [0, 25, 1043];
    let bytes = parameter.value.filter(|_| TEXTS.contains(&parameter.type_oid))?;
    std::str::from_utf8(bytes).ok().map(str::to_owned)
}

/// The call that does on another connection what the client's did.
fn set_config(name: &str, value: &str, local: bool) -> String {
    format!("SELECT pg_catalog.set_config({}, {}, {local})", quote_literal(name), quote_literal(value))
}

/// A WARNING to the client.
fn warn(out: &mut BytesMut, sqlstate: &str, message: &str) {
    say_besides(out, "WARNING", sqlstate, message);
}

/// A notice of the proxy's own.
pub(super) fn say_besides(out: &mut BytesMut, severity: &str, sqlstate: &str, message: &str) {
    let fields = [(b'S', severity), (b'V', severity), (b'C', sqlstate), (b'M', message)];
    write::notice(out, &Fields::new(fields.map(|(letter, value)| (letter, value.to_owned())).to_vec()));
}

/// A transaction's BEGIN, amended so that a branch opened later has what SET TRANSACTION said.
fn amended(begin: &str, set_transaction: &str) -> String {
    format!("{begin}; {set_transaction}")
}

fn no_savepoint(name: &str) -> Trouble {
    ClientError::new("3B001", format!("savepoint \"{name}\" does not exist")).into()
}

fn complete(tag: &str) -> Bytes {
    let mut out = BytesMut::new();
    write::command_complete(&mut out, tag);
    out.freeze()
}
