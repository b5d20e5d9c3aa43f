//! What comes before a client is known: packets, `options`, SASL messages.

use std::sync::{Arc, LazyLock};

use proxy::client::{Gate, hostile};
use proxy::config::Config;

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
