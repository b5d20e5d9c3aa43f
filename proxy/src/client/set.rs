//! Statements that make and tell settings: SET, RESET, SHOW of pgherd's own, and `set_config` in any other.

use std::sync::Arc;

use bytes::Bytes;
use router::ids::{ServerId, quote_literal};
use router::plan::Parameter;
use router::sql::{ConfigCall, ConfigValue, SetScope, Statement};

use crate::client::command::{complete, warn};
use crate::client::session::Session;
use crate::error::ClientError;
use crate::execute::settings::{Replaced, Setting};
use crate::execute::transaction::Mode;
use crate::execute::trouble::Trouble;
use crate::wire::Encoding;
use crate::wire::write::{self, OwnColumn};

impl Session {
    pub(super) async fn set(
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
    pub(super) async fn reset(
        &mut self,
        statement: &Arc<Statement>,
        replaced: Replaced<'_>,
    ) -> Result<(), Trouble> {
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

    pub(super) async fn show(&mut self, name: &str) -> Result<Bytes, Trouble> {
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

/// A transaction's BEGIN, amended so that a branch opened later has what SET TRANSACTION said.
fn amended(begin: &str, set_transaction: &str) -> String {
    format!("{begin}; {set_transaction}")
}
