//! UPDATE and DELETE of a table of which every server has a copy, by rows of sharded tables: the rows that may be
//! meant are locked in every copy, those that are meant are chosen and their new values computed once, and each is
//! written by its key in every copy, all in one atomic commit.

use std::collections::HashSet;

use bytes::{Bytes, BytesMut};
use router::ids::ServerId;
use router::plan::{Computed, CopiesWrite, Parameter};
use router::sql::Question;

use crate::execute::answered::{Answered, Keeping, tell_columns};
use crate::execute::executor::Executor;
use crate::execute::inner::{own_parameters, values};
use crate::execute::insert::values_of;
use crate::execute::leg::LegAsk;
use crate::execute::opening::Hindrance;
use crate::execute::planned::Decision;
use crate::execute::rows::Rows;
use crate::execute::run::Ask;
use crate::execute::settled::not_equal;
use crate::execute::trouble::Trouble;
use crate::execute::whole::whole_formats;
use crate::net::peer::Peer;
use crate::wire::write;

/// How many rows are written to a server before its answers are read.
const AT_ONCE: usize = 200;

type Keys = HashSet<Vec<Option<Bytes>>>;

/// Runs the write.
///
/// # Errors
/// A refusal of the SELECT that chooses, a server's own error; the caller rolls back.
pub(super) async fn run(
    executor: &mut Executor,
    peer: &mut Peer,
    ask: Ask<'_>,
    rows: &mut Rows,
    decision: &Decision,
    chosen: &CopiesWrite,
) -> Result<Option<Bytes>, Hindrance> {
    let first = executor.branch_all(decision).await?;
    // What is wrong with the statement as a whole a server says before anything runs.
    let parameters = executor.typed(peer, first, chosen.statement(), ask.parameters).await?;
    let mut left = lock(executor, peer, decision, chosen.lock(), &parameters).await?;
    let mut computed = executor.answer(peer, first, chosen.choose(), &parameters).await?;
    chosen.check_returned(&computed.types).map_err(Trouble::from)?;
    // Once, and only what is locked: what has changed or come into being meanwhile is left alone.
    computed.rows.retain(|row| left.remove(row.get(..chosen.keys()).unwrap_or_default()));
    let count = computed.rows.len();
    if count == 0 {
        // No row has this key: what RETURNING has is told all the same.
        computed.rows.push(vec![None; computed.types.len()]);
    }
    let hand = Hand { chosen, parameters: &parameters, computed: &computed };
    let mut returned = Vec::new();
    let servers = decision.plan.legs.iter().map(|leg| leg.server);
    for server in servers.take(if count == 0 { 1 } else { usize::MAX }) {
        let limit = executor.fleet.config.load().merge.max_bytes;
        let (formats, mut keeping) = match server == first {
            true => (ask.formats, Keeping::up_to(limit)),
            false => (&[][..], Keeping::again(limit)),
        };
        let answers = hand.write_all(executor, peer, server, formats, &mut keeping).await?;
        if server == first {
            returned = answers;
        } else if std::iter::zip(&returned, &answers).any(|(home, answer)| home.count() != answer.count()) {
            return Err(Trouble::from(not_equal()).into());
        }
    }
    if let Some(description) = returned.first().and_then(|answer| answer.description.as_ref()) {
        tell_columns(peer, ask, rows, description)?;
    }
    // A trigger may have left some out.
    let written: u64 = returned.iter().map(Answered::count).sum();
    for row in returned.into_iter().flat_map(|answer| answer.rows) {
        rows.push(peer, row).await?;
    }
    let mut out = BytesMut::new();
    write::command_complete(&mut out, &format!("{} {written}", chosen.word()));
    Ok(Some(out.freeze()))
}

/// Locks the rows that may be meant, copy after copy; the keys of those that every copy has.
async fn lock(
    executor: &mut Executor,
    peer: &mut Peer,
    decision: &Decision,
    question: &Question,
    parameters: &[Parameter<'_>],
) -> Result<Keys, Trouble> {
    let parameters = own_parameters(question, parameters)?;
    let formats = match executor.writes_whole_values() {
        true => Vec::new(),
        false => {
            let first = decision.plan.legs[0].server;
            whole_formats(executor.connection(first), peer, &question.text, &parameters).await?
        }
    };
    let mut all: Option<Keys> = None;
    for leg in &decision.plan.legs {
        let mut keeping = Keeping::again(executor.fleet.config.load().merge.max_bytes);
        let ask = LegAsk { text: &question.text, parameters: &parameters, formats: &formats };
        let answers = executor.ask_kept(peer, leg.server, &[ask], &mut keeping).await?;
        let rows = answers.into_iter().flat_map(|answer| answer.rows);
        let here = rows.map(values).collect::<Result<Keys, _>>()?;
        all = Some(match all {
            None => here,
            Some(all) => all.into_iter().filter(|key| here.contains(key)).collect(),
        });
    }
    Ok(all.unwrap_or_default())
}

/// What writes rows by their keys.
struct Hand<'a> {
    chosen: &'a CopiesWrite,
    /// The statement's parameters.
    parameters: &'a [Parameter<'a>],
    /// The rows.
    computed: &'a Computed,
}

impl Hand<'_> {
    /// Writes all rows in one copy.
    async fn write_all(
        &self,
        executor: &mut Executor,
        peer: &mut Peer,
        server: ServerId,
        formats: &[i16],
        keeping: &mut Keeping,
    ) -> Result<Vec<Answered>, Trouble> {
        let rows: Vec<usize> = (0..self.computed.rows.len()).collect();
        let mut answers = Vec::new();
        for some in rows.chunks(AT_ONCE) {
            let arguments = some.iter().map(|row| self.chosen.arguments(*row, &self.computed.types));
            let values: Vec<Vec<Parameter<'_>>> =
                arguments.map(|arguments| values_of(&arguments, self.parameters, self.computed)).collect();
            let asks: Vec<LegAsk<'_>> = values
                .iter()
                .map(|parameters| LegAsk { text: self.chosen.write(), parameters, formats })
                .collect();
            answers.extend(executor.ask_kept(peer, server, &asks, keeping).await?);
        }
        Ok(answers)
    }
}
