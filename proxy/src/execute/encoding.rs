//! Statements of clients that do not write UTF-8: which plans give them PostgreSQL's answer.
//!
//! Their connections have their encoding, so what one server answers is relayed as it is. Where the proxy
//! reads rows itself, it compares text as bytes of UTF-8.

use router::catalog::Catalog;
use router::ids::KeyType;
use router::merge::{AggregateKind, MergePlan, Output};
use router::plan::{Plan, Way};
use router::sql::Statement;

use crate::error::ClientError;
use crate::execute::executor::Executor;
use crate::execute::trouble::Trouble;
use crate::wire::Encoding;

impl Executor {
    /// Lets a plan through whose answer is exact in the session's encoding.
    ///
    /// # Errors
    /// 0A000 for another one, and where its texts cannot be written in the encoding.
    pub(super) fn check_encoding(
        &self,
        statement: &Statement,
        plan: &Plan,
        catalog: &Catalog,
    ) -> Result<(), Trouble> {
        let encoding = self.settings.encoding();
        let what = match &plan.way {
            Way::Single | Way::Everywhere(_) | Way::InTurn => None,
            Way::Merge(merge) if is_free_of_order(merge) || orders_as_utf8(encoding) => None,
            Way::Merge(_) => Some("rows of several servers in an order"),
            Way::CopyIn(_) if statement.text().is_ascii() && catalog.key_type != Some(KeyType::Text) => None,
            // The values go through as they are.
            Way::Copies(copied) if copied.first.is_ascii() && copied.again.is_ascii() => None,
            Way::CopyIn(_) => Some("COPY of rows whose tenants are text"),
            Way::Gather(_)
            | Way::Copies(_)
            | Way::Chosen(_)
            | Way::CopiesChosen(_)
            | Way::Locked(_)
            | Way::Staged(_)
            | Way::Stored(_)
            | Way::Matched(_)
            | Way::CopyOut(_)
            | Way::Insert(_) => Some("this statement over several servers"),
        };
        if let Some(what) = what {
            return Err(ClientError::encoding_unsupported(what, encoding.name()).into());
        }
        let texts = plan.legs.iter().map(|leg| leg.text.as_deref().unwrap_or(statement.text()));
        match texts.into_iter().all(|text| encoding.write(text).is_some()) {
            true => Ok(()),
            false => Err(ClientError::encoding_unsupported("the statement", encoding.name()).into()),
        }
    }
}

/// True where texts compare as their UTF-8 does.
fn orders_as_utf8(encoding: Encoding) -> bool {
    encoding.name() == "LATIN1"
}

/// True where no value is compared with another one but for being the same.
fn is_free_of_order(merge: &MergePlan) -> bool {
    let compares = |output: &Output| match output {
        Output::Key => false,
        Output::Aggregate(aggregate) => matches!(aggregate.kind, AggregateKind::Min | AggregateKind::Max),
    };
    merge.order.is_empty() && !merge.group.iter().flat_map(|group| &group.outputs).any(compares)
}
