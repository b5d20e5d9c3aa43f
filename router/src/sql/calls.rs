//! The functions that a statement calls, as far as routing cares.

use pg_raw_parse::nodes::FuncCall;
use pg_raw_parse::{ConstValue, Node};

use super::config::{ConfigCall, Settings};
use super::functions::{Effect, effect_of, is_harmless};
use super::kind::Hold;
use super::walk::Survey;
use crate::catalog::{Catalog, Volatility, Writer};

/// What [`Calls::writing`] names where nothing writes but the locks of FOR UPDATE and its kin.
pub(crate) const ROW_LOCKS: &str = "FOR UPDATE";

/// What the calls of a statement do.
#[derive(Debug, Default)]
pub(crate) struct Calls {
    /// A function that may read sharded tables behind the planner's back.
    pub(crate) opaque: Option<String>,
    /// A function that may write, or a lock.
    pub(crate) writing: Option<String>,
    /// A function that must run on the one server where all sessions run it: sequences, advisory
    /// locks, notifications.
    pub(crate) home: Option<String>,
    /// An advisory lock or a notification: it means nothing on another server than the home server.
    pub(crate) home_only: Option<String>,
    /// Code that writes a table of which every server has a copy.
    pub(crate) writer: Option<Writer>,
    /// A call of `pg_notify`.
    pub(crate) notifies: bool,
    /// An advisory lock until the transaction's end.
    pub(crate) locks_transaction: bool,
    /// A call of `setval`.
    pub(crate) setval: bool,
    /// A function whose value differs from server to server.
    pub(crate) differs: Option<String>,
    /// A function that acts on one server's processes or files.
    pub(crate) server: Option<String>,
    /// A function that reads what this connection did in earlier transactions.
    pub(crate) of_connection: Option<String>,
    /// The connection must be kept for the session.
    pub(crate) hold: Option<Hold>,
    /// Calls of `set_config` of which it is known what they set.
    pub(crate) config: Vec<ConfigCall>,
    /// A call of `set_config` with another name than a constant, or another third argument.
    pub(crate) unknown_config: bool,
}

impl Calls {
    /// Judges the calls of a statement; a name that the catalog does not know is opaque.
    pub(super) fn of(root: Node<'_>, survey: &Survey<'_>, catalog: &Catalog) -> Calls {
        let mut calls = Calls::default();
        let settings = Settings::of(root);
        for call in &survey.calls {
            calls.judge(call, &settings, catalog);
        }
        calls
    }

    fn judge(&mut self, call: &FuncCall, settings: &Settings<'_>, catalog: &Catalog) {
        let names: Vec<&str> = call.funcname().iter().filter_map(Node::as_str).collect();
        let name = names.last().copied().unwrap_or_default();
        if names == ["pgherd", "unique_id"] {
            self.writing.get_or_insert_with(|| name.to_owned());
            self.differs.get_or_insert_with(|| name.to_owned());
            return;
        }
        let facts = catalog.functions.get(name);
        let volatility = facts.map_or(Volatility::Volatile, |facts| facts.volatility);
        let builtin = facts.is_some_and(|facts| facts.builtin);
        let effect = effect_of(name);
        if effect == Effect::RunsSql || !(builtin || facts.is_some() && volatility == Volatility::Immutable) {
            self.opaque.get_or_insert_with(|| name.to_owned());
        }
        if let Some(table) = catalog.writers.get(name) {
            self.writer.get_or_insert_with(|| Writer { function: name.to_owned(), table: table.clone() });
        }
        if volatility == Volatility::Volatile && !is_harmless(name) && effect != Effect::Config {
            self.writing.get_or_insert_with(|| name.to_owned());
        }
        let reads_copies = facts.is_some_and(|facts| facts.reads_copies);
        if volatility == Volatility::Volatile || of_server(name) || reads_copies {
            self.differs.get_or_insert_with(|| name.to_owned());
        }
        match effect {
            Effect::Plain | Effect::RunsSql => {}
            Effect::Sequence => {
                self.setval |= name == "setval";
                self.needs_home(name, None);
            }
            Effect::SequenceOfSession => {
                self.of_connection.get_or_insert_with(|| name.to_owned());
            }
            Effect::Notify | Effect::TransactionLock => {
                self.notifies |= effect == Effect::Notify;
                self.locks_transaction |= effect == Effect::TransactionLock;
                self.needs_home(name, None);
                self.home_only.get_or_insert_with(|| name.to_owned());
            }
            Effect::SessionLock => {
                self.needs_home(name, Some(Hold::AdvisoryLock));
                self.home_only.get_or_insert_with(|| name.to_owned());
            }
            Effect::Server => {
                self.server.get_or_insert_with(|| name.to_owned());
            }
            Effect::Config => match settings.call(call) {
                Some(config) => self.config.push(config),
                None => self.unknown_config = true,
            },
        }
    }

    fn needs_home(&mut self, name: &str, hold: Option<Hold>) {
        self.home.get_or_insert_with(|| name.to_owned());
        self.writing.get_or_insert_with(|| name.to_owned());
        self.hold = self.hold.or(hold);
    }
}

/// True for stable functions that read a clock or the server's own state.
fn of_server(name: &str) -> bool {
    matches!(name, "now" | "transaction_timestamp" | "statement_timestamp" | "age")
        || ["pg_", "inet_", "txid_", "current_setting"].iter().any(|prefix| name.starts_with(prefix))
}

/// A constant in text form; a cast of one is read as the constant.
pub(super) fn constant(node: Node<'_>) -> Option<String> {
    match node {
        Node::A_Const(constant) => match constant.val()? {
            ConstValue::Integer(value) => Some(value.to_string()),
            ConstValue::Float(text) | ConstValue::String(text) => Some(text.to_owned()),
            ConstValue::Boolean(true) => Some("true".to_owned()),
            ConstValue::Boolean(false) => Some("false".to_owned()),
            _ => None,
        },
        Node::TypeCast(cast) => constant(cast.arg()),
        _ => None,
    }
}
