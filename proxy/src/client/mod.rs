//! One task a client, from the accepted socket to the last word.
//!
//! | file | holds |
//! | --- | --- |
//! | `startup` | TLS, who the client is, what it asks for; ends with an authenticated client |
//! | `gate` | what a client must pass: TLS, credentials, room |
//! | `handshake` | a connection before it is a session |
//! | `secure` | TLS with clients, and what a stream says about its other end |
//! | `hostile` | the parsers of this room, for fuzzing |
//! | `packet` | the packets of that time |
//! | `options` | settings in a startup's `options` |
//! | `origin` | where a client is, as a load balancer says |
//! | `route` | how a client reached us |
//! | `roles` | the roles that clients may be, and what each is checked with |
//! | `auth` | the rule that a client meets, and the exchange that it asks for |
//! | `session` | the life of a client after that: the loop over its messages |
//! | `guest` | its coming and going |
//! | `hearing` | waiting for its next message |
//! | `text` | its texts, in its encoding |
//! | `spans` | what a client's log lines are told apart by |
//! | `simple` | Query: one text, one or several statements |
//! | `extended` | Parse, Close, and what is prepared |
//! | `bind` | Bind: a portal, and where its statement runs |
//! | `owed` | a pipeline, and what is owed in it up to Flush and Sync |
//! | `at_once` | the messages that need no waiting but for a server's answer |
//! | `describe` | Describe: columns before anything runs |
//! | `fetch` | Execute: a portal's rows |
//! | `function` | FunctionCall: a function by its OID |
//! | `burden` | what a thread and its clients know of each other |
//! | `patience` | how long a client and its statements may take |
//! | `portal` | what Bind made |
//! | `command` | statements that the session answers itself; those of prepared statements |
//! | `transactions` | BEGIN, COMMIT, SAVEPOINT ... |
//! | `set` | SET, RESET, `set_config` |
//! | `process` | which process a session is, and the end of another one |
//! | `registry` | who is there, and who may be cancelled |

mod at_once;
mod auth;
mod bind;
mod burden;
mod command;
mod describe;
mod extended;
mod fetch;
mod function;
mod gate;
mod guest;
mod handshake;
mod hearing;
#[doc(hidden)]
pub mod hostile;
mod named;
mod options;
mod origin;
mod owed;
mod packet;
mod patience;
mod portal;
mod process;
pub mod registry;
mod roles;
mod route;
mod secure;
mod session;
mod set;
mod simple;
mod spans;
mod startup;
mod text;
mod transactions;

pub use burden::Burden;
pub use gate::{Gate, Slot};
pub use handshake::Ended;
pub use packet::{CancelRequest, ProtocolVersion};
pub use roles::{Role, Roles, Unknowable};
pub use session::{Resting, serve};
pub use startup::{Arrival, Startup, receive};
