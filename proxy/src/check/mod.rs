//! Is this fleet ready: what `herdctl check` answers, each finding with the statement that helps.
//!
//! | file | holds |
//! | --- | --- |
//! | `finding` | one finding |
//! | `settings` | one server: version, settings, the admin role's rights |
//! | `fleet` | all servers: what must be equal, and the databases' tables |

mod finding;
mod fleet;
mod settings;

pub use finding::{Finding, Weight};
pub use fleet::check;
