//! The HTTP side: `/healthz` (the process lives), `/readyz` (send it clients), `/metrics`, and `/` for
//! people.

mod board;
mod readiness;
mod routes;

pub use board::{Board, Section};
pub use readiness::{Readiness, Stage};
pub use routes::serve;
