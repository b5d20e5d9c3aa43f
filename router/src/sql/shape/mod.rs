//! Which SELECTs over sharded rows of all tenants are exactly the merge of what each server gives, and
//! how.
//!
//! Accepted by name: selection, joins by the tenant column and with reference tables, ORDER BY, LIMIT,
//! DISTINCT, the aggregates that combine; anything at all within groups of one tenant. Everything else
//! is refused.
//!
//! | file | answers |
//! | --- | --- |
//! | `split` | the whole question |
//! | `analysis` | what a query block or subquery is to the block around it |
//! | `from`, `scope` | which joins a server can do by itself; what names mean |
//! | `expression`, `functions` | which expressions give the same on several servers |
//! | `types`, `facts` | what type a value has, and whether the proxy may compare it |
//! | `outputs`, `names` | what the block gives; what ORDER BY 2 means |
//! | `rows`, `groups`, `limit` | the merge of rows, of groups, and how many |
//! | `core`, `candidates` | for statements that are gathered: what servers can join by themselves |
//! | `leg`, `clock` | the text for one server |
//! | `write`, `merge_into` | which writes each server does for its own rows |

mod analysis;
mod candidates;
mod clock;
mod core;
mod expression;
mod facts;
mod from;
mod functions;
mod groups;
mod leg;
mod limit;
mod merge_into;
mod names;
mod outputs;
mod rows;
mod scope;
mod split;
#[cfg(test)]
mod tests;
mod types;
mod write;

pub(crate) use candidates::{Bare, Candidates, Said};
pub(crate) use clock::{reads_clock, stop_clock};
pub(crate) use core::{Core, Outlook, ordinal};
pub(crate) use expression::is_plain;
pub(crate) use functions::is_same_everywhere;
pub(crate) use merge_into::check_matched;
pub(crate) use names::{fields_of, function_name, output_name};
pub(crate) use outputs::without_places;
pub(crate) use split::split;
pub(crate) use write::{check_insert_clauses, is_same_anywhere, is_stamped, sharded_table, split_write};

/// True where the proxy orders the values of a column exactly as PostgreSQL does.
pub(crate) fn has_known_order(column: &crate::catalog::Column) -> bool {
    facts::Facts::of_column(column).has_known_order()
}
