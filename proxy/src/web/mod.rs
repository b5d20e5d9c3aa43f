//! The HTTP side: `/healthz` (the process lives), `/readyz` (send it clients), `/metrics`.

mod readiness;
mod routes;

pub use readiness::{Readiness, Stage};
pub use routes::serve;
