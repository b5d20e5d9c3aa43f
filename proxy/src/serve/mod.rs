//! The daemon's life: listen, accept, reload, drain.
//!
//! | file | holds |
//! | --- | --- |
//! | `daemon` | what runs beside the fleet, and the order in which it starts and ends |
//! | `accept` | from a listener to sessions |
//! | `host` | whom a client is handed to once it is authenticated |
//! | `logging` | log lines |
//! | `logins` | how many are logging in |
//! | `reload` | what the console asks: read the configuration again, end |
//! | `signals` | what the operator asks for |
//! | `workers` | the threads that clients are served on |
//! | `balance` | which clients go from one of them to another |
//! | `systemd` | sockets that are handed over, and what systemd is told |

mod accept;
mod balance;
mod daemon;
mod host;
mod logging;
mod logins;
mod reload;
mod signals;
mod systemd;
#[cfg(test)]
mod tests;
mod workers;

pub use daemon::{CannotServe, Daemon};
pub use host::Host;
pub use logging::log_to_stderr;
pub use reload::{Ending, NotReloaded, Orders, Reloaded};
