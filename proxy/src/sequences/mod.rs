//! Sequences on the servers, so that all of them together give each number once.
//!
//! `router::sequences` says how; here they are read and changed. A change of the schema through pgherd brings
//! new sequences apart by itself (`execute::sequences`); those that were there before, and those of a
//! server that came later, are an operator's to bring apart.
//!
//! | file | holds |
//! | --- | --- |
//! | `words` | the SQL: what is asked, what is changed |
//! | `survey` | all sequences of a database on all servers |
//! | `apart` | bringing them apart, each in one atomic commit |

mod apart;
mod survey;
mod words;

pub use apart::{Outcome, bring_apart};
pub use survey::{SurveyFailed, Surveyed, counters, survey};
pub use words::{counter, definition, question};
