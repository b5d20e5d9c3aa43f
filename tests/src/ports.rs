//! Free ports on the loopback address.

use std::net::TcpListener;

use anyhow::{Result, bail};
use rand::Rng;

/// A port that nobody listens on. Drawn below the range that the kernel gives to outgoing connections, so that
/// none of those takes it before its server is up.
pub fn free_port() -> Result<u16> {
    for _ in 0..1000 {
        let port = rand::rng().random_range(15_000..32_000);
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return Ok(port);
        }
    }
    bail!("no free port on 127.0.0.1 between 15000 and 32000")
}
