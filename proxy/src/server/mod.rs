//! One connection to one node of a server.
//!
//! | file | what |
//! | --- | --- |
//! | `target` | where to dial and as whom |
//! | `applied` | the session settings on a connection |
//! | `dial` | the stream, the startup and the authentication |
//! | `handshake` | the login: what the node asks for, and what it says of itself |
//! | `connection` | frames in and out, and what the server still owes |
//! | `simple` | small statements of the proxy's own |
//! | `prepared` | what is prepared on a connection |
//! | `alarm` | wakes who waits for a node that was given up |
//! | `roster` | which connections there are |
//! | `cancel` | canceling what runs on a connection, and never what runs there later |

mod alarm;
mod applied;
mod cancel;
mod connection;
mod dial;
mod handshake;
mod prepared;
mod roster;
mod simple;
mod target;

pub use alarm::{Alarm, Alarms};
pub use applied::Applied;
pub use cancel::{CancelHandle, Canceled};
pub use connection::{Connection, NumbersOf, Reply, ServerGone, TransactionStatus, WhyGone};
pub use dial::{DialError, WhyNot};
pub use prepared::PreparedStatements;
pub use roster::{Card, Enrolled, Roster};
pub use simple::SimpleOutcome;
pub use target::Target;
