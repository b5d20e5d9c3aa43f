//! Who somebody is: what roles' passwords are stored as, the exchanges that prove them, and the
//! rules of who may come from where. Pure: bytes and texts in, verdicts out; no socket, no clock.
//!
//! | file | what |
//! | --- | --- |
//! | `keys` | SCRAM's keys, made from a password or from what PostgreSQL stores |
//! | `scram` | the exchange SCRAM-SHA-256(-PLUS), from both ends |
//! | `md5` | what the old md5 authentication sends |
//! | `secret` | what a role's password is stored as |
//! | `hba` | who may come from where: `pg_hba.conf` and `pg_ident.conf` |
//! | `userlist` | PgBouncer's file of users |
//! | `proof` | what a role logs in to servers with |

pub mod hba;
mod keys;
mod md5;
mod proof;
pub mod scram;
mod secret;
mod userlist;

pub use keys::{Key, Keys, Verifier};
pub use md5::{md5_answer, md5_secret};
pub use proof::{CannotProve, Proof};
pub use secret::{Malformed, Secret};
pub use userlist::userlist;
