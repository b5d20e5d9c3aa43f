//! What a statement says: the only room that names the parser crate.
//!
//! [`learn`] reads a text once; a [`Statement`] is all that can be known of one statement without its
//! parameters, its session and the directory. A text that is nested too deeply is not read at all.
//!
//! | file | holds |
//! | --- | --- |
//! | `parse` | a text to its statements |
//! | `statement` | one statement and what is known of it |
//! | `kind`, `classify`, `session` | what kind of statement it is |
//! | `keys` | whose rows it can concern |
//! | `calls`, `functions` | what the functions that it calls do |
//! | `process` | statements about a session's process id |
//! | `sequence` | what it does to sequences: their options, `setval` |
//! | `in_turn` | what cannot run in a transaction, and so runs on one server after the other |
//! | `made` | CREATE TABLE AS, as a table and the query for its rows |
//! | `doing` | DO blocks that are schema changes |
//! | `filling` | what ALTER TABLE computes for rows that are there |
//! | `tenancy` | schema changes of the tenant column |
//! | `lex`, `comment` | tokens; the tenant in a comment |
//! | `misread` | what older servers read otherwise than the parser |
//! | `normal` | a text without its values, for log lines |
//! | `literals`, `template` | a text without its literals; one reading for all texts that differ in those |
//! | `views` | views over sharded tables, written out |
//! | `through` | views that show rows of one table, which need not be written out |
//! | `walk` | the nodes of a tree without recursion |
//! | `insert` | INSERT whose rows belong to several servers |
//! | `rewrite` | the same statement over fewer rows |
//! | `shape` | which SELECTs over all tenants merge exactly, and how |
//! | `gather` | any other SELECT over all tenants: what each server gives, and what one makes of it |

mod alike;
mod assigned;
mod calls;
mod chosen;
mod chosen_copies;
mod classify;
mod code;
mod comment;
mod config;
mod copies;
mod doing;
mod filling;
mod functions;
pub(crate) mod gather;
mod hoisted;
mod in_turn;
pub(crate) mod insert;
pub(crate) mod keys;
mod kind;
mod lex;
mod literals;
pub(crate) mod locked;
pub(crate) mod made;
pub(crate) mod matched;
pub(crate) mod merged_copies;
mod misread;
mod normal;
mod parse;
mod plain;
mod process;
mod returned;
mod rewrite;
pub(crate) mod rows_text;
mod sequence;
mod session;
mod shape;
pub(crate) mod staged;
mod statement;
mod template;
pub(crate) mod temporary;
mod tenancy;
mod through;
mod views;
mod walk;
mod with;

pub(crate) use calls::ROW_LOCKS;
pub(crate) use chosen::{Chosen, Numbered, chosen};
pub(crate) use chosen_copies::{ChosenCopies, chosen_copies};
pub use code::Code;
pub use comment::tenant_comment;
pub use config::{ConfigCall, ConfigValue};
pub use copies::CopiedWrite;
pub(crate) use copies::copied_write;
pub use filling::Filling;
pub(crate) use filling::stopped;
pub use in_turn::{InTurn, Remedy};
pub use insert::Question;
pub use keys::{KeySet, KeyTerm};
pub use kind::{Access, Arguments, CopyKind, CopyOption, Discarded, Hold, Kind, SetScope};
pub use literals::Outline;
pub(crate) use made::{Made, made};
pub use normal::normalized;
pub use parse::{Learned, learn};
pub use plain::{Dependence, Meaning, dependence};
pub use process::{ProcessAsk, ProcessCall, ProcessName};
pub use rewrite::Filter;
#[cfg(test)]
pub(crate) use rewrite::restrict_statement;
pub(crate) use rewrite::restrict_text;
pub(crate) use rewrite::trees;
pub use sequence::{Place, SequenceOptions, SetValues};
pub(crate) use shape::{split, split_write};
pub use statement::Statement;
pub use template::Template;
pub use tenancy::TenancyChange;
pub use through::{SeenThrough, seen_through};

/// The tree of one statement.
pub(crate) type Tree = pg_raw_parse::nodes::RawStmt;

#[cfg(test)]
mod tests;
