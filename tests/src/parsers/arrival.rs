//! What comes before anybody is known: packets, `options`, SASL messages, a load balancer's header.

use std::sync::{Arc, LazyLock};

use proxy::auth::scram::{Binding, ClientExchange};
use proxy::client::{Gate, hostile};
use proxy::config::Config;
use proxy::net::proxy_header;

static GATE: LazyLock<Gate> = LazyLock::new(|| {
    let text = "[[server]]\nname = 'a'\nnodes = ['localhost:5432']\n[[database]]\nname = 'app'\n\
                [[user]]\nname = 'app'\npassword = 'secret'\n";
    let config = Config::parse(text, "pgherd.toml").unwrap_or_else(|faults| panic!("{faults}"));
    let gate = Gate::new(Arc::new(config), None);
    gate.warm()();
    gate
});

/// The packets before the login.
pub(super) fn startup(bytes: &[u8]) {
    hostile::packets(bytes);
}

/// The `options` of a startup.
pub(super) fn options(bytes: &[u8]) {
    hostile::options(bytes);
}

/// What a client that logs in says.
pub(super) fn sasl(bytes: &[u8]) {
    hostile::login(bytes, &GATE);
}

/// What a server says that we log in to: a challenge never asks for more hashing than is bearable.
pub(super) fn challenge(bytes: &[u8]) {
    for binding in [Binding::Unable, Binding::NotOffered, Binding::EndPoint(vec![7; 32])] {
        let (exchange, _, _) = ClientExchange::begin(binding, "fyko+d2lbbFgONRv9qkxdawL".to_owned());
        if let Ok(challenge) = exchange.challenge(bytes) {
            assert!(!challenge.salt.is_empty() && challenge.iterations.get() <= 1_000_000);
        }
    }
}

/// The header that a load balancer writes ahead of the client's bytes.
pub(super) fn proxy(bytes: &[u8]) {
    let _ = bytes.first().map(|first| proxy_header::version(*first));
    let _ = proxy_header::line(bytes);
    if let Some((prefix, rest)) = bytes.split_first_chunk::<{ proxy_header::PREFIX }>()
        && let Ok(length) = proxy_header::rest_length(prefix)
    {
        let _ = proxy_header::binary(prefix, rest.get(..length).unwrap_or(rest));
    }
}
