//! What to do with a statement: which servers, in which role, how the answers become one.
//!
//! [`plan`] is pure and fails closed: what it does not know by name is refused or sees all rows,
//! never routed on a guess.

mod chosen;
mod chosen_copies;
mod copies;
mod copy_in;
mod copy_out;
mod decide;
mod everywhere;
mod fan_out;
mod gather;
mod insert;
mod locked;
mod matched;
mod place;
mod refusals;
mod request;
mod rows;
mod staged;
mod stored;
mod types;
mod writes;

pub use crate::sql::gather::{Limit, Part, PartColumn, Question};
pub use chosen::{ChosenWrite, RowDeed, RowWrite};
pub use chosen_copies::CopiesWrite;
pub use decide::plan;
pub use gather::{GatherPlan, KeyPlan};
pub use insert::{Argument, Computed, Division, Insert, InsertPart};
pub use locked::{Asked, Key, KeyForm, LockedRows};
pub use matched::MatchedRows;
pub use staged::Staged;
pub use stored::{Stored, StoredPart};
pub use types::{
    Answer, CopyIn, CopyOut, CopyRows, Fences, Leg, Legs, Now, Parameter, Plan, Refusal, Role, SessionView,
    TenantKeys, Tenants, Verdict, Way,
};

pub(crate) use fan_out::fan_out;
pub(crate) use refusals::hidden_reason;

#[cfg(test)]
mod template_tests;
#[cfg(test)]
mod tests;
