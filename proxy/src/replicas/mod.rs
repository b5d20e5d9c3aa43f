//! The servers: which nodes they have, who is primary, how far replicas are, and what a reader
//! must find there to see what was written.
//!
//! | file | holds |
//! | --- | --- |
//! | `control` | a connection of the admin role to a node |
//! | `observe` | one probe: what a node says of itself |
//! | `judge` | pure: who is primary, which replicas may be read |
//! | `samples` | pure: numbered log positions of the primary |
//! | `server` | one server: roles as they are now, waiting for a primary, choosing a replica |
//! | `prober` | the task that keeps a server's roles true |
//! | `servers` | all servers by name |
//! | `pins` | what each tenant's readers must see |
//! | `session_pin` | what a session's reads must see, and its text form, the token |

mod control;
mod judge;
mod observe;
mod pins;
mod prober;
mod samples;
mod server;
mod servers;
mod session_pin;

pub use crate::config::{NodeAddress as Node, PinScope};
pub(crate) use control::spell_out;
pub use control::{Control, ControlError};
pub use judge::{NodeRole, NodeStatus};
pub use pins::Pins;
pub use samples::SampleNumber;
pub use server::{NoPrimary, Requirement, Server, ServerStatus};
pub use servers::{Servers, UnknownServer, Unreachable};
pub use session_pin::{NotAToken, SessionPin, TokenUnavailable};
