//! Who may come from where, and how they prove who they are: `pg_hba.conf` and `pg_ident.conf` as
//! PostgreSQL reads them (its manual, "Client Authentication").
//!
//! | file | what |
//! | --- | --- |
//! | `rules` | the rules, and which of them a client meets first |
//! | `read` | the rules of a file's text |
//! | `ident` | the names of others that a role goes by |
//! | `words` | lines and words, as both files have them |

mod ident;
mod read;
mod rules;
mod words;

pub use ident::IdentMaps;
pub use rules::{Certificate, Hba, Method, Network, Origin, Rule, Visitor};
pub use words::LineFault;
