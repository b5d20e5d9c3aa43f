//! A session's settings, as PostgreSQL would keep them: what the start-up message asked for, what
//! SET changed since, what SET LOCAL changed until the transaction ends, and what a rollback undoes.
//!
//! A setting is kept as the text of the statement that makes it, so that each connection the session
//! gets can be brought to the same state.

use std::collections::BTreeSet;
use std::sync::Arc;

use router::ids::quote_identifier;

use super::difference::{UNKNOWN, steps};
use super::setting::{Map, Setting};
use super::state::State;
use crate::execute::alike::Alike;
use crate::server::Applied;
use crate::wire::Encoding;

/// Which settings a command gives values that do not depend on those they have.
#[derive(Debug, Clone, Copy)]
pub enum Replaced<'a> {
    /// None.
    Nothing,
    /// One.
    One(&'a str),
    /// All.
    All,
}

/// Settings that were set aside for a moment.
#[derive(Debug)]
pub struct Aside {
    session: Arc<State>,
    local: Map,
}

/// All settings of one session.
#[derive(Debug, Default)]
pub struct Settings {
    defaults: Arc<State>,
    session: Arc<State>,
    local: Map,
    /// True within a transaction. What held when it began is noted at its first change.
    open: bool,
    marks: Vec<(Option<String>, Arc<State>, Map)>,
    stamp: u64,
    encoding: Encoding,
}

impl Settings {
    /// The settings of a session that began with these (name, value) pairs.
    pub fn starting_with(parameters: impl IntoIterator<Item = (String, String)>) -> Settings {
        let defaults: Map = parameters
            .into_iter()
            .map(|(name, value)| (name.to_ascii_lowercase(), Setting::of(&name, &value)))
            .collect();
        Settings::beginning_with(State::of(defaults))
    }

    /// The same settings of a session that has just begun, kept once with others'.
    pub fn shared(self, beginnings: &Alike<State>) -> Settings {
        Settings::beginning_with(beginnings.share(self.defaults))
    }

    fn beginning_with(defaults: Arc<State>) -> Settings {
        let mut settings = Settings { session: Arc::clone(&defaults), defaults, ..Settings::default() };
        settings.changed();
        settings
    }

    /// True where a transaction has changed no setting and set no savepoint.
    pub fn is_as_before(&self) -> bool {
        let same = |(_, session, local): &(_, Arc<State>, Map)| {
            Arc::ptr_eq(session, &self.session) && local.is_empty()
        };
        self.local.is_empty() && self.marks.len() <= 1 && self.marks.iter().all(same)
    }

    /// The value that holds now, where it was set by the session to a plain constant.
    pub fn value(&self, name: &str) -> Option<&str> {
        let setting = self.local.get(name).or_else(|| self.session.get(name))?;
        setting.value.as_deref()
    }

    /// True where the session has what it began with.
    pub fn are_as_begun(&self) -> bool {
        self.session == self.defaults
    }

    /// What a connection must have before a transaction of this session begins.
    pub fn session(&self) -> &State {
        &self.session
    }

    /// What a connection that has these settings already is known by in the pool; `None` where there are
    /// none.
    pub fn preferred(&self) -> Option<u64> {
        (!self.session.is_empty()).then(|| self.session.applied().fingerprint())
    }

    /// The same as long as every [`Self::value`] is.
    pub fn stamp(&self) -> u64 {
        self.stamp
    }

    /// How the client writes its texts.
    pub fn encoding(&self) -> Encoding {
        self.encoding
    }

    fn changed(&mut self) {
        self.stamp += 1;
        self.encoding = self.value("client_encoding").and_then(Encoding::named).unwrap_or_default();
    }

    fn change_session(&mut self, change: impl FnOnce(&mut Map)) {
        let mut map = (**self.session).clone();
        change(&mut map);
        self.session = State::of(map);
        self.changed();
    }

    fn clear_local(&mut self) {
        if !self.local.is_empty() {
            self.local.clear();
            self.changed();
        }
    }

    /// What a connection must have before the open transaction begins on it, so that a rollback there
    /// undoes what a rollback here undoes.
    pub fn before(&self) -> &State {
        self.marks.first().map_or(&self.session, |(_, session, _)| session)
    }

    /// The statements that bring a transaction, just begun on a connection that has [`Self::before`],
    /// to where this one stands: its settings and its savepoints, in their order.
    pub fn replay(&self) -> Vec<String> {
        let none = Map::new();
        let (mut session, mut local): (&Map, &Map) = (self.before(), &none);
        let mut script = Vec::new();
        for (name, then, then_local) in self.marks.iter().skip(1) {
            script.extend(steps((session, local), (then, then_local)));
            script.extend(name.iter().map(|name| format!("SAVEPOINT {}", quote_identifier(name))));
            (session, local) = (then, then_local);
        }
        script.extend(steps((session, local), (&self.session, &self.local)));
        script
    }

    /// Notes what is known of a connection after a transaction of this session has committed on it, which
    /// had these settings when it began. A setting that the transaction changed may have been changed there or
    /// not: whoever uses the connection next makes it anew.
    pub fn commit_on(&self, applied: &mut Applied) {
        if applied.is(self.session.applied()) {
            return;
        }
        let before = applied.statements();
        let names: BTreeSet<&String> = before.keys().chain(self.session.keys()).collect();
        let known = |name: &String| match (before.get(name), self.session.get(name)) {
            (Some(before), Some(now)) if *before == now.statement => before.clone(),
            _ => UNKNOWN.to_owned(),
        };
        *applied = Applied::new(names.into_iter().map(|name| (name.clone(), known(name))).collect());
    }

    /// SET or `set_config(.., false)`.
    pub fn set(&mut self, name: &str, setting: Setting) {
        self.note_beginning();
        self.local.remove(name);
        self.change_session(|session| {
            session.insert(name.to_owned(), setting);
            take_role_off(name, session);
        });
    }

    /// SET LOCAL or `set_config(.., true)`; without a transaction it has no effect.
    pub fn set_local(&mut self, name: &str, setting: Setting) {
        if self.open {
            self.note_beginning();
            let default = self.defaults.get(name).filter(|_| setting.is_default());
            self.local.insert(name.to_owned(), default.cloned().unwrap_or(setting));
            self.changed();
        }
    }

    /// RESET name, SET name TO DEFAULT.
    pub fn reset(&mut self, name: &str) {
        self.note_beginning();
        self.local.remove(name);
        let default = self.defaults.get(name).cloned();
        self.change_session(|session| {
            match default {
                Some(setting) => session.insert(name.to_owned(), setting),
                None => session.remove(name),
            };
            take_role_off(name, session);
        });
    }

    /// Resets what a command is to replace, for the moment; what was is to be put back.
    pub fn set_aside(&mut self, replaced: Replaced<'_>) -> Aside {
        let aside = Aside { session: Arc::clone(&self.session), local: self.local.clone() };
        match replaced {
            Replaced::One(name) if self.session.contains_key(name) => self.reset(name),
            Replaced::One(_) | Replaced::Nothing => {}
            Replaced::All => self.discard_all(),
        }
        aside
    }

    /// The statements that make what the session began with of these.
    pub fn beginning(&self, replaced: Replaced<'_>) -> String {
        let is_meant = |name: &str| match replaced {
            Replaced::Nothing => false,
            Replaced::One(one) => name == one,
            Replaced::All => true,
        };
        let meant = self.defaults.iter().filter(|(name, _)| is_meant(name));
        meant.map(|(_, setting)| setting.statement.as_str()).collect::<Vec<_>>().join("; ")
    }

    /// Everything is as it was before [`Self::set_aside`].
    pub fn put_back(&mut self, Aside { session, local }: Aside) {
        if !Arc::ptr_eq(&self.session, &session) {
            self.note_beginning();
            (self.session, self.local) = (session, local);
            self.changed();
        }
    }

    /// RESET ALL. The role and the session's user stay, as in PostgreSQL.
    pub fn reset_all(&mut self) {
        self.note_beginning();
        self.clear_local();
        let keep = |name: &str| matches!(name, "role" | "session_authorization");
        let kept: Map =
            self.session.iter().filter(|(name, _)| keep(name)).map(|(n, s)| (n.clone(), s.clone())).collect();
        let defaults = (**self.defaults).clone();
        self.change_session(|session| {
            *session = defaults;
            session.extend(kept);
        });
    }

    /// DISCARD ALL: as new.
    pub fn discard_all(&mut self) {
        self.note_beginning();
        self.clear_local();
        let defaults = (**self.defaults).clone();
        self.change_session(|session| *session = defaults);
    }

    /// A transaction begins.
    pub fn begin(&mut self) {
        self.open = true;
    }

    fn note_beginning(&mut self) {
        if self.open && self.marks.is_empty() {
            self.mark(None);
        }
    }

    /// SAVEPOINT name.
    pub fn savepoint(&mut self, name: &str) {
        self.note_beginning();
        self.mark(Some(name.to_owned()));
    }

    fn mark(&mut self, name: Option<String>) {
        if self.marks.capacity() == 0 {
            self.marks.reserve_exact(1);
        }
        self.marks.push((name, self.session.clone(), self.local.clone()));
    }

    /// ROLLBACK TO name: what was set since the savepoint is undone.
    pub fn rollback_to(&mut self, name: &str) {
        if let Some(at) = self.marks.iter().rposition(|(mark, ..)| mark.as_deref() == Some(name)) {
            self.marks.truncate(at + 1);
            if let Some((_, session, local)) = self.marks.last() {
                self.session.clone_from(session);
                self.local.clone_from(local);
                self.changed();
            }
        }
    }

    /// RELEASE name.
    pub fn release(&mut self, name: &str) {
        if let Some(at) = self.marks.iter().rposition(|(mark, ..)| mark.as_deref() == Some(name)) {
            self.marks.truncate(at);
        }
    }

    /// The transaction committed: SET LOCAL ends.
    pub fn commit(&mut self) {
        self.open = false;
        self.marks.clear();
        self.clear_local();
    }

    /// The transaction was rolled back: every setting is as it was before.
    pub fn rollback(&mut self) {
        self.open = false;
        let began = self.marks.drain(..).next();
        if let Some((_, session, _)) = began
            && !Arc::ptr_eq(&self.session, &session)
        {
            self.session = session;
            self.changed();
        }
        self.clear_local();
    }
}

/// A session's user, once set, has no role at first.
fn take_role_off(changed: &str, session: &mut Map) {
    if changed == "session_authorization" && session.contains_key("role") {
        let none = Setting { value: Some("none".to_owned()), statement: "SET ROLE NONE".to_owned() };
        session.insert("role".to_owned(), none);
    }
}
