//! A session's settings, as PostgreSQL would keep them: what the start-up message asked for, what
//! SET changed since, what SET LOCAL changed until the transaction ends, and what a rollback undoes.
//!
//! A setting is kept as the text of the statement that makes it, so that each connection the session
//! gets can be brought to the same state.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Deref;
use std::sync::{Arc, OnceLock};

use router::ids::{quote_identifier, quote_literal};

use crate::execute::alike::Alike;
use crate::server::Applied;
use crate::wire::Encoding;

/// One setting: its value as far as it is a plain constant, and the statement that makes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Setting {
    /// The value as SHOW would begin to read it; `None` where only the server knows (a list, DEFAULT).
    pub value: Option<String>,
    /// `SET name TO ...`, without LOCAL.
    pub statement: String,
}

impl Setting {
    /// True for `SET name TO DEFAULT`: the value that the session began with.
    pub fn is_default(&self) -> bool {
        self.value.is_none() && self.statement.ends_with(" TO DEFAULT")
    }

    /// The same for the transaction only.
    pub fn local_of(name: &str, value: &str) -> Setting {
        Setting { value: Some(value.to_owned()), statement: set_statement("SET LOCAL", name, value) }
    }

    /// A setting of one string value, as in a start-up message.
    pub fn of(name: &str, value: &str) -> Setting {
        Setting { value: Some(value.to_owned()), statement: set_statement("SET", name, value) }
    }
}

/// `SET name TO 'value'` with each part of a dotted name quoted; `search_path` and its like take
/// their value as a list, which only `set_config` reads from one string.
fn set_statement(command: &str, name: &str, value: &str) -> String {
    const LISTS: [&str; 5] = [
        "search_path",
        "temp_tablespaces",
        "session_preload_libraries",
        "local_preload_libraries",
        "datestyle",
    ];
    if LISTS.contains(&name.to_ascii_lowercase().as_str()) {
        let local = command.ends_with("LOCAL");
        return format!(
            "SELECT pg_catalog.set_config({}, {}, {local})",
            quote_literal(name),
            quote_literal(value)
        );
    }
    let name: Vec<String> = name.split('.').map(quote_identifier).collect();
    format!("{command} {} TO {}", name.join("."), quote_literal(value))
}

type Map = BTreeMap<String, Setting>;

/// The statement of a setting that a connection has from nobody knows whom; no setting is made by it.
const UNKNOWN: &str = "";
/// The name under which a connection says that anything may have been set on it.
const EVERYTHING: &str = "*";

/// What is known of a connection on which code ran that may have changed anything of its session.
pub fn forget(applied: &Applied) -> Applied {
    let mut statements = applied.statements().clone();
    statements.insert(EVERYTHING.to_owned(), UNKNOWN.to_owned());
    Applied::new(statements)
}

/// What is known of a connection whose encoding was changed.
pub fn forget_encoding(applied: &Applied) -> Applied {
    let mut statements = applied.statements().clone();
    statements.insert("client_encoding".to_owned(), UNKNOWN.to_owned());
    Applied::new(statements)
}

/// Settings that are shared and not changed: those of a session at one moment.
#[derive(Debug, Default)]
pub struct State {
    map: Map,
    applied: OnceLock<Applied>,
}

impl State {
    fn of(map: Map) -> Arc<State> {
        Arc::new(State { map, applied: OnceLock::new() })
    }

    /// What a connection that has these settings and no others is known to have.
    pub fn applied(&self) -> &Applied {
        let statement = |(name, setting): (&String, &Setting)| (name.clone(), setting.statement.clone());
        self.applied.get_or_init(|| Applied::new(self.map.iter().map(statement).collect()))
    }
}

impl PartialEq for State {
    fn eq(&self, other: &State) -> bool {
        self.map == other.map
    }
}

impl Deref for State {
    type Target = Map;

    fn deref(&self) -> &Map {
        &self.map
    }
}

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
        let mut map = self.session.map.clone();
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
        let defaults = self.defaults.map.clone();
        self.change_session(|session| {
            *session = defaults;
            session.extend(kept);
        });
    }

    /// DISCARD ALL: as new.
    pub fn discard_all(&mut self) {
        self.note_beginning();
        self.clear_local();
        let defaults = self.defaults.map.clone();
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

/// The statements that bring a connection from what was applied to it to what the session has.
pub fn difference(applied: &BTreeMap<String, String>, wanted: &Map) -> Vec<String> {
    if applied.contains_key(EVERYTHING) {
        let anew = wanted.iter().map(|(name, setting)| (name.as_str(), setting.statement.clone()));
        return AS_NEW
            .iter()
            .map(|statement| (*statement).to_owned())
            .chain(ordered(anew.collect()))
            .collect();
    }
    let gone = applied.keys().filter(|name| !wanted.contains_key(*name));
    let new = wanted.iter().filter(|(name, setting)| applied.get(*name) != Some(&setting.statement));
    let mut steps: Vec<(&str, String)> = gone
        .map(|name| (name.as_str(), reset_statement(name)))
        .chain(new.map(|(name, setting)| (name.as_str(), setting.statement.clone())))
        .collect();
    // What another role set may be the login role's only to change: so that comes back first.
    if !steps.is_empty() {
        for name in IDENTITY.into_iter().filter(|name| applied.contains_key(*name)) {
            steps.retain(|(other, _)| *other != name);
            steps.push((name, reset_statement(name)));
            steps.extend(wanted.get(name).map(|setting| (name, setting.statement.clone())));
        }
    }
    ordered(steps)
}

/// Who a session is, in the order in which that is set: a session's user has no role at first.
const IDENTITY: [&str; 2] = ["session_authorization", "role"];

/// The statements in an order in which they may be run: the login role comes back first, and another is
/// taken on last.
fn ordered(mut steps: Vec<(&str, String)>) -> Vec<String> {
    steps.sort_by_key(|(name, statement)| {
        match (IDENTITY.iter().position(|identity| identity == name), statement.starts_with("RESET ")) {
            (Some(_), true) => 0,
            (None, _) => 1,
            (Some(place), false) => 2 + place,
        }
    });
    steps.into_iter().map(|(_, statement)| statement).collect()
}

/// DISCARD ALL but for the prepared statements, in parts that may stand beside others in one message.
const AS_NEW: [&str; 7] = [
    "CLOSE ALL",
    "SET SESSION AUTHORIZATION DEFAULT",
    "RESET ALL",
    "UNLISTEN *",
    "SELECT pg_catalog.pg_advisory_unlock_all()",
    "DISCARD TEMP",
    "DISCARD SEQUENCES",
];

/// The statements from one state of a transaction's settings to a later one.
fn steps((session, local): (&Map, &Map), (then, then_local): (&Map, &Map)) -> Vec<String> {
    let names: BTreeSet<&String> = session.keys().chain(local.keys()).chain(then.keys()).collect();
    let again = |name: &&String| session.get(*name) != then.get(*name) || lifted(local, then_local, name);
    let lasting = |name: &String| match then.get(name) {
        Some(setting) => setting.statement.clone(),
        None => reset_statement(name),
    };
    let anew: BTreeSet<&String> = names.into_iter().filter(again).collect();
    let passing = then_local
        .iter()
        .filter(|(name, setting)| local.get(*name) != Some(setting) || anew.contains(name))
        .map(|(name, setting)| local_statement(name, setting));
    let lasting = anew.iter().map(|name| (name.as_str(), lasting(name))).collect();
    ordered(lasting).into_iter().chain(passing).collect()
}

/// True where a SET LOCAL was overridden by a SET or a RESET.
fn lifted(local: &Map, then_local: &Map, name: &str) -> bool {
    local.contains_key(name) && !then_local.contains_key(name)
}

fn local_statement(name: &str, setting: &Setting) -> String {
    match (&setting.value, setting.statement.strip_prefix("SET ")) {
        (Some(value), _) => set_statement("SET LOCAL", name, value),
        (None, Some(rest)) if !rest.starts_with("LOCAL ") => format!("SET LOCAL {rest}"),
        (None, _) => setting.statement.clone(),
    }
}

fn reset_statement(name: &str) -> String {
    match name {
        "session_authorization" => "RESET SESSION AUTHORIZATION".to_owned(),
        _ => {
            let name: Vec<String> = name.split('.').map(quote_identifier).collect();
            format!("RESET {}", name.join("."))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings() -> Settings {
        Settings::starting_with([("work_mem".to_owned(), "1MB".to_owned())])
    }

    #[test]
    fn a_branch_that_comes_late_goes_the_same_way() {
        let mut settings = settings();
        settings.begin();
        settings.set("timezone", Setting::of("timezone", "Asia/Tokyo"));
        settings.savepoint("a");
        settings.set_local("work_mem", Setting::of("work_mem", "3MB"));
        settings.savepoint("b");
        settings.set("work_mem", Setting::of("work_mem", "4MB"));
        settings.reset("timezone");
        assert_eq!(settings.before().keys().collect::<Vec<_>>(), ["work_mem"]);
        assert_eq!(
            settings.replay(),
            [
                r#"SET "timezone" TO 'Asia/Tokyo'"#,
                r#"SAVEPOINT "a""#,
                r#"SET LOCAL "work_mem" TO '3MB'"#,
                r#"SAVEPOINT "b""#,
                r#"RESET "timezone""#,
                r#"SET "work_mem" TO '4MB'"#,
            ]
        );
    }

    #[test]
    fn whatever_changes_a_value_changes_the_stamp() {
        let steps: [fn(&mut Settings); 12] = [
            |settings| settings.set("a", Setting::of("a", "1")),
            Settings::begin,
            |settings| settings.set_local("a", Setting::of("a", "2")),
            |settings| settings.savepoint("s"),
            |settings| settings.set_local("a", Setting::of("a", "3")),
            |settings| settings.rollback_to("s"),
            Settings::commit,
            Settings::begin,
            |settings| settings.set("a", Setting::of("a", "4")),
            Settings::rollback,
            |settings| settings.reset("work_mem"),
            Settings::discard_all,
        ];
        let mut settings = settings();
        let mut seen = BTreeMap::new();
        for step in steps {
            step(&mut settings);
            let values = ["a", "work_mem"].map(|name| settings.value(name).map(str::to_owned));
            assert_eq!(*seen.entry(settings.stamp()).or_insert_with(|| values.clone()), values);
        }
    }

    #[test]
    fn what_a_transaction_changed_is_made_anew_by_whoever_is_next() {
        let mut settings = settings();
        let before = settings.session().applied().clone();
        let mut applied = before.clone();
        settings.commit_on(&mut applied);
        assert_eq!(applied, before);
        settings.begin();
        settings.set("timezone", Setting::of("timezone", "Asia/Tokyo"));
        settings.set("work_mem", Setting::of("work_mem", "4MB"));
        settings.commit_on(&mut applied);
        settings.commit();
        assert_eq!(difference(applied.statements(), settings.session()).len(), 2);
        assert_eq!(
            difference(applied.statements(), &Map::new()),
            [r#"RESET "timezone""#, r#"RESET "work_mem""#]
        );
    }

    #[test]
    fn a_rollback_undoes_what_the_transaction_set() {
        let mut settings = settings();
        settings.begin();
        settings.set("work_mem", Setting::of("work_mem", "2MB"));
        settings.set_local("app.tenant", Setting::of("app.tenant", "42"));
        assert_eq!(settings.value("work_mem"), Some("2MB"));
        assert_eq!(settings.value("app.tenant"), Some("42"));
        settings.rollback();
        assert_eq!(settings.value("work_mem"), Some("1MB"));
        assert_eq!(settings.value("app.tenant"), None);
    }

    #[test]
    fn a_commit_keeps_set_and_ends_set_local() {
        let mut settings = settings();
        settings.begin();
        settings.set("work_mem", Setting::of("work_mem", "2MB"));
        settings.set_local("app.tenant", Setting::of("app.tenant", "42"));
        settings.commit();
        assert_eq!(settings.value("work_mem"), Some("2MB"));
        assert_eq!(settings.value("app.tenant"), None);
    }

    #[test]
    fn a_rollback_to_a_savepoint_undoes_what_came_after_it() {
        let mut settings = settings();
        settings.begin();
        settings.set_local("a", Setting::of("a", "1"));
        settings.savepoint("s");
        settings.set_local("a", Setting::of("a", "2"));
        settings.rollback_to("s");
        assert_eq!(settings.value("a"), Some("1"));
        settings.set_local("a", Setting::of("a", "3"));
        settings.rollback_to("s");
        assert_eq!(settings.value("a"), Some("1"));
    }

    #[test]
    fn set_local_to_default_is_what_the_session_began_with() {
        let mut settings = settings();
        settings.set("work_mem", Setting::of("work_mem", "2MB"));
        settings.begin();
        let default = Setting { value: None, statement: "SET LOCAL work_mem TO DEFAULT".to_owned() };
        settings.set_local("work_mem", default);
        assert_eq!(settings.value("work_mem"), Some("1MB"));
    }

    #[test]
    fn set_local_outside_a_transaction_has_no_effect() {
        let mut settings = settings();
        settings.set_local("a", Setting::of("a", "1"));
        assert_eq!(settings.value("a"), None);
    }

    #[test]
    fn the_difference_sets_what_is_new_and_resets_what_is_gone() {
        let mut applied = BTreeMap::new();
        applied.insert("role".to_owned(), "SET ROLE x".to_owned());
        let wanted = settings();
        assert_eq!(difference(&applied, wanted.session()), ["RESET \"role\"", "SET \"work_mem\" TO '1MB'"]);
    }

    #[test]
    fn the_login_role_comes_back_before_and_another_is_taken_on_after_what_it_alone_may_set() {
        let mut first = settings();
        for name in ["lo_compat_privileges", "session_authorization", "role"] {
            first.set(name, Setting::of(name, "x"));
        }
        let applied = first.session().applied().clone();
        assert_eq!(
            difference(applied.statements(), settings().session()),
            ["RESET SESSION AUTHORIZATION", "RESET \"role\"", "RESET \"lo_compat_privileges\""]
        );
        assert_eq!(
            difference(&BTreeMap::new(), first.session()),
            [
                "SET \"lo_compat_privileges\" TO 'x'",
                "SET \"work_mem\" TO '1MB'",
                "SET \"session_authorization\" TO 'x'",
                "SET \"role\" TO 'x'",
            ]
        );
        let mut second = settings();
        second.set("role", Setting::of("role", "x"));
        let applied = second.session().applied().clone();
        assert!(difference(applied.statements(), second.session()).is_empty());
        second.set("statement_timeout", Setting::of("statement_timeout", "1"));
        assert_eq!(
            difference(applied.statements(), second.session()),
            ["RESET \"role\"", "SET \"statement_timeout\" TO '1'", "SET \"role\" TO 'x'"]
        );
        first.set("session_authorization", Setting::of("session_authorization", "y"));
        assert_eq!(first.value("role"), Some("none"), "another user has no role at first");
    }

    #[test]
    fn reset_goes_back_to_what_the_session_began_with() {
        let mut settings = settings();
        settings.set("work_mem", Setting::of("work_mem", "9MB"));
        settings.reset("work_mem");
        assert_eq!(settings.value("work_mem"), Some("1MB"));
    }
}
