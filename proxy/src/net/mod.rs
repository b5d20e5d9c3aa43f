//! Sockets: what listens for clients, how servers are dialed, TLS on both sides, and the one
//! stream type that the rest of the proxy reads and writes.

pub mod dial;
pub mod hang_up;
pub mod listen;
pub mod peer;
pub mod proxy_header;
mod shelf;
mod stream;
pub mod tls;

pub use listen::Listener;
pub use stream::Stream;
pub use tls::ServerTls;
