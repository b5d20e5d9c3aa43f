//! One task a client, from the accepted socket to the last word.
//!
//! | file | holds |
//! | --- | --- |
//! | `startup` | TLS, who the client is, what it asks for; ends with an authenticated client |
//! | `packet` | the packets of that time |
//! | `options` | settings in a startup's `options` |
//! | `auth` | SCRAM-SHA-256 against the configured password |

mod auth;
mod handshake;
mod options;
mod packet;

pub use auth::Credentials;
pub use handshake::Ended;
pub use packet::{CancelRequest, ProtocolVersion};
