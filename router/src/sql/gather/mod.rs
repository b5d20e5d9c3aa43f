//! Any SELECT over rows of all tenants, computed by PostgreSQL itself: the rows that it can need are
//! cut out of the statement as parts, which every server gives; one server runs the rest over them.
//!
//! | file | answers |
//! | --- | --- |
//! | `cut` | the whole question |
//! | `reads` | which sharded tables a statement reads, and by which names |
//! | `conditions` | which conditions a server may apply before it sends rows |
//! | `partners` | which rows find no partner in tables of which every server has a copy |
//! | `ties`, `keys` | which rows find no partner in other sharded tables, by keys that those give first |
//! | `reduce`, `groups` | what servers can compute of a block: joins by the tenant, groups, first rows |
//! | `classes`, `arrange`, `grouped`, `flat` | tables that the tenant ties, in a FROM clause with others |
//! | `dependent` | GROUP BY of a key that is none any more |
//! | `typing` | the types of what they compute |
//! | `names`, `words` | which columns can be meant |
//! | `part` | what a part is made of, and how it travels |
//! | `leg` | the text for each server |
//! | `rest` | the text for the server that computes the answer |
//! | `text` | expressions and clauses as text |

mod arrange;
#[cfg(test)]
mod class_tests;
mod classes;
mod conditions;
mod cut;
mod dependent;
mod flat;
mod grouped;
mod groups;
mod keys;
mod leg;
mod names;
mod part;
mod partners;
mod reads;
mod reduce;
mod rest;
#[cfg(test)]
mod tests;
mod text;
mod ties;
mod typing;
mod words;

pub(crate) use classes::join_classes;
pub(crate) use cut::{Cut, Effort, Given, cut};
pub(crate) use dependent::group_by_dependents;
pub(crate) use keys::Keys;
pub use keys::{Limit, Question};
pub use part::{Part, PartColumn};
pub(super) use text::expression_text;
