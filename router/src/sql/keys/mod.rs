//! Whose rows a statement can concern: for each reference to a sharded table, the set of tenant keys
//! outside of which its rows cannot contribute to the statement.
//!
//! Only WHERE and join conditions restrict. What is not known by name restricts nothing.
//!
//! | file | holds |
//! | --- | --- |
//! | `set` | sets of keys as templates over constants and parameters |
//! | `array`, `values` | the keys that an array or a value is |
//! | `scope` | what the names of a query block mean |
//! | `facts` | what a condition implies |
//! | `region` | the parts of a FROM clause whose rows satisfy the same conditions |
//! | `blocks`, `from`, `writes` | the walk over query blocks, FROM clauses, writes |
//! | `touched` | the result |

mod array;
mod blocks;
mod facts;
mod from;
mod region;
mod scope;
mod set;
mod touched;
mod values;
mod writes;

pub(crate) use blocks::{analyse, named};
pub use set::{KeySet, KeyTerm};
pub(crate) use touched::{Reference, Touched, Use};
#[cfg(test)]
mod tests;
