//! A locking SELECT under a LIMIT over several servers: the first rows are chosen without locks, then locked by
//! their keys on their servers; for those that cannot be had the next ones are taken.

use std::collections::HashMap;

use bytes::{Bytes, BytesMut};
use router::ids::ServerId;
use router::plan::{Computed, Key, KeyForm, LockedRows, Parameter};

use crate::error::ClientError;
use crate::execute::answered::{Keeping, parted, tell_first_columns};
use crate::execute::executor::Executor;
use crate::execute::insert::leg_of;
use crate::execute::leg::{LegAsk, formats_behind};
use crate::execute::opening::Hindrance;
use crate::execute::planned::Decision;
use crate::execute::rows::Rows;
use crate::execute::run::Ask;
use crate::execute::trouble::Trouble;
use crate::net::peer::Peer;
use crate::wire::frame::Frame;
use crate::wire::write;

/// How many rows are locked by one statement.
const AT_ONCE: usize = 200;
/// How many rows more are chosen each time, at most.
const MOST_CHOSEN: u64 = 20_000;

/// Runs the SELECT.
///
/// # Errors
/// A server's own, 55P03 of NOWAIT among them; 53400 where the rows are too large.
pub(super) async fn run(
    executor: &mut Executor,
    peer: &mut Peer,
    ask: Ask<'_>,
    rows: &mut Rows,
    decision: &Decision,
    locked: &LockedRows,
) -> Result<Option<Bytes>, Hindrance> {
    let first = executor.branch_all(decision).await?;
    let parameters = executor.typed(peer, first, locked.statement(), ask.parameters).await?;
    let wanted = executor.answer(peer, first, locked.wanted(), &parameters).await?;
    let wanted = number(&wanted);
    if wanted.is_some_and(i64::is_negative) {
        return Err(Trouble::from(ClientError::new("2201W", "LIMIT must not be negative")).into());
    }
    let wanted = wanted.map_or(u64::MAX, i64::unsigned_abs);
    let mut hand = Hand {
        decision,
        locked,
        parameters: &parameters,
        formats: ask.formats,
        keeping: Keeping::up_to(executor.fleet.config.load().merge.max_bytes),
        form: KeyForm::default(),
        description: None,
        got: Vec::new(),
    };
    let mut tried: Vec<Key> = Vec::new();
    let mut visible = 0;
    for round in 0_u32.. {
        let missing = wanted - hand.got.len() as u64;
        let count = missing.saturating_mul(1 << round.min(10)).min(MOST_CHOSEN);
        let limit = count.to_string();
        let (text, values) = locked
            .choose(&parameters, Some(limit.as_bytes()), (&hand.form, &tried))
            .map_err(Trouble::from)?;
        let chosen = executor.computed(peer, first, &text, &values).await?;
        visible = chosen.types.len().saturating_sub(locked.keys());
        hand.form = KeyForm::of(&chosen, visible);
        let mut keys: Vec<Key> =
            chosen.rows.into_iter().map(|mut row| row.split_off(visible.min(row.len()))).collect();
        let all = (keys.len() as u64) < count;
        if keys.is_empty() && hand.description.is_none() {
            hand.lock(executor, peer, first, &[], visible).await?;
        }
        while !keys.is_empty() && (hand.got.len() as u64) < wanted {
            let missing = usize::try_from(wanted - hand.got.len() as u64).unwrap_or(usize::MAX);
            let some: Vec<Key> = keys.drain(..missing.min(AT_ONCE).min(keys.len())).collect();
            hand.take(executor, peer, &some, visible).await?;
            tried.extend(some);
        }
        if all || hand.got.len() as u64 >= wanted {
            break;
        }
    }
    if let Some(description) = &hand.description {
        tell_first_columns(peer, ask, rows, description, visible)?;
    }
    let count = hand.got.len();
    for row in hand.got {
        rows.push(peer, row).await?;
    }
    let mut out = BytesMut::new();
    write::command_complete(&mut out, &format!("SELECT {count}"));
    Ok(Some(out.freeze()))
}

/// The bigint that an answer is; `None` for NULL.
fn number(answer: &Computed) -> Option<i64> {
    let value = answer.rows.first()?.first()?.as_ref()?;
    match answer.is_binary(0) {
        true => Some(i64::from_be_bytes(value.as_ref().try_into().ok()?)),
        false => std::str::from_utf8(value).ok()?.parse().ok(),
    }
}

/// What locks rows by their keys.
struct Hand<'a> {
    decision: &'a Decision,
    locked: &'a LockedRows,
    /// The statement's parameters.
    parameters: &'a [Parameter<'a>],
    /// The formats of the client's columns.
    formats: &'a [i16],
    keeping: Keeping,
    /// How the keys are written.
    form: KeyForm,
    description: Option<Frame>,
    /// The rows that were locked, in order.
    got: Vec<Bytes>,
}

impl Hand<'_> {
    /// Locks those of the rows that can be had.
    async fn take(
        &mut self,
        executor: &mut Executor,
        peer: &mut Peer,
        some: &[Key],
        visible: usize,
    ) -> Result<(), Hindrance> {
        let mut servers: Vec<(ServerId, Vec<&Key>)> = Vec::new();
        for key in some {
            let server = self.locked.server_of(&self.decision.directory, &self.form, key);
            let server = server.map_err(Trouble::from)?;
            match servers.iter_mut().find(|(of, _)| *of == server) {
                Some((_, keys)) => keys.push(key),
                None => servers.push((server, vec![key])),
            }
        }
        servers.sort_unstable_by_key(|(server, _)| *server);
        let mut locked: HashMap<Key, Bytes> = HashMap::new();
        for (server, keys) in servers {
            locked.extend(self.lock(executor, peer, server, &keys, visible).await?);
        }
        self.got.extend(some.iter().filter_map(|key| locked.remove(key)));
        Ok(())
    }

    /// Locks rows of one server; each with its key.
    async fn lock(
        &mut self,
        executor: &mut Executor,
        peer: &mut Peer,
        server: ServerId,
        keys: &[&Key],
        visible: usize,
    ) -> Result<Vec<(Key, Bytes)>, Hindrance> {
        executor.branch(leg_of(&self.decision.plan.legs, server)?, self.decision).await?;
        let asked = self.locked.lock(self.parameters, &self.form, keys);
        let (text, values) = asked.map_err(Trouble::from)?;
        let keys = self.form.binary.iter().map(|binary| i16::from(*binary));
        let formats = formats_behind(self.formats, visible, keys);
        let leg = LegAsk { text: &text, parameters: &values, formats: &formats };
        let answers = executor.ask_kept(peer, server, &[leg], &mut self.keeping).await?;
        let mut rows = Vec::new();
        for answer in answers {
            self.description = self.description.take().or(answer.description);
            for row in answer.rows {
                let (row, key) = parted(row, visible)?;
                rows.push((key, row));
            }
        }
        Ok(rows)
    }
}
