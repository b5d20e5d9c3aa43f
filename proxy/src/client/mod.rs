//! One task a client, from the accepted socket to the last word.
//!
//! | file | holds |
//! | --- | --- |
//! | `startup` | TLS, who the client is, what it asks for; ends with an authenticated client |
//! | `gate` | what a client must pass: TLS, credentials, room |
//! | `handshake` | a connection before it is a session |
//! | `secure` | TLS with clients, and what a stream says about its other end |
//! | `packet` | the packets of that time |
//! | `options` | settings in a startup's `options` |
//! | `auth` | SCRAM-SHA-256 against the configured password |

mod auth;
mod gate;
mod handshake;
mod options;
mod packet;
mod secure;
mod startup;

pub use auth::Credentials;
pub use gate::{Gate, GateTls, Slot};
pub use handshake::Ended;
pub use packet::{CancelRequest, ProtocolVersion};
pub use startup::{Arrival, Startup, receive};
