//! Writes to tables of which every server has a copy, where what they compute may differ from server to
//! server.

use std::sync::Arc;

use super::request::Request;
use super::{Plan, Refusal, Verdict, Way, everywhere};
use crate::sql::keys::Touched;
use crate::sql::{Kind, copied_write};

/// Plans such a write: the home server computes it, and the others write the same rows.
pub(super) fn computed_once(request: &Request<'_>, touched: &Touched) -> Result<Verdict, Refusal> {
    let unknown = || Refusal::unsupported("a write to several tables of which every server has a copy", "");
    let [relation] = touched.writes.as_slice() else { return Err(unknown()) };
    let plain = matches!(request.statement.kind(), Kind::Write) && !request.statement.has_steps();
    if !plain || relation.has_triggers {
        return Err(unknown());
    }
    let write = copied_write(request.statement.raw(), relation)?;
    Ok(match everywhere::on_all(request, "computed once, every server has a copy")? {
        Verdict::Run(plan) => Verdict::Run(Plan { way: Way::Copies(Arc::new(write)), ..plan }),
        verdict @ (Verdict::Wait(_) | Verdict::Learn | Verdict::Refuse(_)) => verdict,
    })
}
