//! Every parser of outside bytes, as a function of some bytes that panics where it breaks a promise.
//!
//! `tests/fuzz` feeds them with what libFuzzer thinks of; the suite `parsers` replays the corpus that
//! came of it. A parser that takes options reads them from the first bytes.
//!
//! | file | whose bytes |
//! | --- | --- |
//! | `messages` | clients' and servers' messages |
//! | `arrival` | what comes before a client or a server is known |
//! | `statements` | SQL, and the values in it |
//! | `rows` | COPY data, and rows to merge |
//! | `others` | the replication stream, the configuration, who gets in |

mod arrival;
mod messages;
mod others;
mod rows;
mod statements;

/// A parser under a name.
pub type Parser = (&'static str, fn(&[u8]));

/// All of them.
pub const PARSERS: &[Parser] = &[
    ("frames", messages::frames),
    ("client", messages::client),
    ("server", messages::server),
    ("encoding", messages::encoding),
    ("startup", arrival::startup),
    ("options", arrival::options),
    ("sasl", arrival::sasl),
    ("challenge", arrival::challenge),
    ("proxy", arrival::proxy),
    ("sql", statements::sql),
    ("template", statements::template),
    ("words", statements::words),
    ("tenant", statements::tenant),
    ("copy", rows::copy),
    ("written", rows::written),
    ("merge", rows::merge),
    ("pgoutput", others::pgoutput),
    ("config", others::config),
    ("access", others::access),
];

/// The parser of this name.
#[must_use]
pub fn named(name: &str) -> Option<fn(&[u8])> {
    PARSERS.iter().find(|(known, _)| *known == name).map(|(_, parser)| *parser)
}
