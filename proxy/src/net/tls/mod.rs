//! TLS settings: a certificate towards clients, and what is demanded of servers.
//!
//! | file | what |
//! | --- | --- |
//! | `clients` | the daemon's own certificate, and whose certificates of clients are believed |
//! | `servers` | what is demanded of a server's nodes; renewed while connections stand |
//! | `trust` | which certificates of servers are believed |
//! | `binding` | what SCRAM-SHA-256-PLUS binds to, and whom a certificate names |
//! | `pem` | certificates and keys from files |

pub mod binding;
mod clients;
mod pem;
mod servers;
mod trust;

pub use clients::{ClientTls, towards_clients};
pub use pem::TlsFault;
pub use servers::{ServerTls, Terms};
