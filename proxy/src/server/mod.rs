//! One connection to one node of a server.
//!
//! | file | what |
//! | --- | --- |
//! | `target` | where to dial and as whom |
//! | `applied` | the session settings on a connection |
//! | `dial` | the stream, the startup and the authentication |
//! | `handshake` | the login: what the node asks for, and what it says of itself |
//! | `connection` | the connection: what it is, and what the server still owes |
//! | `exchange` | frames in and out |
//! | `status`, `gone` | where its transaction stands; how it is lost |
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
mod exchange;
mod gone;
mod handshake;
mod prepared;
mod roster;
mod simple;
mod status;
mod target;

pub use alarm::{Alarm, Alarms};
pub use applied::Applied;
pub use cancel::{CancelHandle, Canceled};
pub use connection::Connection;
pub use dial::{DialError, WhyNot};
pub use exchange::Reply;
pub use gone::{ServerGone, WhyGone};
pub use prepared::PreparedStatements;
pub use roster::{Card, Enrolled, Roster};
pub use simple::SimpleOutcome;
pub use status::{NumbersOf, TransactionStatus};
pub use target::Target;
