//! Is this fleet ready: what `herdctl check` answers, each finding with the statement that helps.
//!
//! | file | holds |
//! | --- | --- |
//! | `finding` | one finding |
//! | `settings` | one server: version, settings, the admin role's rights |
//! | `regions` | tenants on servers of another region than their rule says |
//! | `fleet` | all servers: what must be equal, and the databases' tables |

mod finding;
mod fleet;
mod regions;
mod settings;

pub use finding::{Finding, Weight};
pub use fleet::{Checked, check};
pub use regions::{Breach, broken, would_break};
