//! What a statement calls and names: settings, sequences, locks, notifications, relations.

use std::sync::Arc;

use super::super::calls::Calls;
use super::super::config::{ConfigCall, ConfigValue};
use super::super::filling::Filling;
use super::super::keys::Touched;
use super::super::kind::Kind;
use super::super::process::ProcessCall;
use super::super::sequence::{SequenceOptions, SetValues};
use super::super::temporary::OwnNames;
use super::super::tenancy::TenancyChange;
use super::Statement;

impl Statement {
    /// How it may change whose rows a table's are.
    pub fn tenancy_change(&self) -> Option<&TenancyChange> {
        self.said.tenancy.as_ref()
    }

    /// What it computes for rows that are there already.
    pub fn filling(&self) -> Option<&Filling> {
        self.said.filling.as_ref()
    }

    /// The settings that it changes by calling `set_config`.
    pub fn sets_config(&self) -> &[ConfigCall] {
        &self.said.calls.config
    }

    /// What it asks of a session's process, where it is nothing else.
    pub fn process_call(&self) -> Option<&ProcessCall> {
        self.said.process.as_deref()
    }

    /// True where only a server can say what it has set.
    pub fn asks_settings(&self) -> bool {
        self.sets_config().iter().any(|call| call.value == ConfigValue::Asked)
    }

    /// True where it reads what a sequence gave its session before.
    pub fn reads_sequences(&self) -> bool {
        let inner = self.inner().is_some_and(|inner| inner.said.calls.of_connection.is_some());
        inner || self.said.calls.of_connection.is_some()
    }

    /// The options of existing sequences that it sets.
    pub fn sequence_options(&self) -> SequenceOptions {
        self.said.sequence_options
    }

    /// The calls of `setval` that it consists of, if it does nothing else.
    pub fn set_values(&self) -> Option<&SetValues> {
        self.said.set_values.as_ref()
    }

    /// True where a temporary object of the session may be what it names: then the plan must know which there are.
    pub fn asks_for_temporary(&self) -> bool {
        self.said.own_names.is_some()
    }

    /// The cursor on whose row it stands (`WHERE CURRENT OF`): it runs where that is open.
    pub fn current_of(&self) -> Option<&str> {
        self.and_inner().find_map(|statement| statement.said.current_of.as_deref())
    }

    /// What it names that its session may have made for itself.
    pub(crate) fn own_names(&self) -> Option<&OwnNames> {
        self.said.own_names.as_ref()
    }

    /// True where it sends notifications.
    pub fn notifies(&self) -> bool {
        matches!(self.said.kind, Kind::Notify)
            || self.and_inner().any(|statement| statement.said.calls.notifies)
    }

    /// True where it takes advisory locks until the transaction's end.
    pub fn locks_transaction(&self) -> bool {
        self.and_inner().any(|statement| statement.said.calls.locks_transaction)
    }

    /// True where it runs code whose text the proxy has not read: a user's function, DO, CALL.
    pub fn runs_unread_code(&self) -> bool {
        let inner = self.inner().is_some_and(|inner| inner.said.calls.opaque.is_some());
        inner || self.said.calls.opaque.is_some() || matches!(self.said.kind, Kind::Do | Kind::Call)
    }

    /// True where it names a relation of a user's, or one that the catalog does not know.
    pub fn names_relations(&self) -> bool {
        let named = |touched: &Touched| {
            !(touched.sharded.is_empty() && touched.reads.is_empty() && touched.writes.is_empty())
        };
        self.names_uncertain() || self.and_inner().any(|statement| named(statement.touched()))
    }

    /// True where it names a relation that the catalog does not know.
    pub fn names_unknown(&self) -> bool {
        self.and_inner().any(|statement| !statement.touched().unknown.is_empty())
    }

    /// True where it names a relation that the catalog does not know, or that servers hold differently.
    pub fn names_uncertain(&self) -> bool {
        let uncertain = |touched: &Touched| !(touched.unknown.is_empty() && touched.unsafe_tables.is_empty());
        self.and_inner().any(|statement| uncertain(statement.touched()))
    }

    fn and_inner(&self) -> impl Iterator<Item = &Statement> {
        std::iter::once(self).chain(self.inner().map(Arc::as_ref))
    }

    /// The relations that it names.
    pub(crate) fn touched(&self) -> &Touched {
        &self.said.touched
    }

    /// The functions that it calls.
    pub(crate) fn calls(&self) -> &Calls {
        &self.said.calls
    }

    /// True where it names no sharded table: what it needs may be on any server.
    pub fn is_without_tenants(&self) -> bool {
        let part = self.inner().map_or(self, |inner| inner);
        self.touched().sharded.is_empty() && part.touched().sharded.is_empty()
    }
}
