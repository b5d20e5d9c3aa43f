//! Keys that are asked for before rows are sent on: with them each server leaves out what finds no partner. One or two
//! rounds: what the first one found makes the second one's questions smaller.

use bytes::{BufMut, BytesMut};
use futures_util::future::try_join_all;
use router::plan::{GatherPlan, KeyPlan, Leg, Parameter};

use super::collect::{Bound, broken};
use super::run::chosen_parameters;
use crate::execute::executor::Executor;
use crate::execute::trouble::Trouble;
use crate::net::peer::Peer;
use crate::pool::Lent;
use crate::wire::frame::Frame;
use crate::wire::view::{self, Kind, Row};
use crate::wire::write;

/// Keys are asked for once a server has given so many rows.
pub(super) const MANY: i32 = 2_000;

/// More keys than this, of all servers together, or more bytes, cost more than they save.
const MOST_KEYS: i32 = 40_000;
const MOST_BYTES: usize = 1 << 20;

/// The portal of a question: that of the rows stays.
const PORTAL: &[u8] = b"pgherd_keys";

/// What was found out of a statement's keys.
pub(super) struct Keys<'p> {
    plan: &'p KeyPlan,
    /// For each question an array; `None` where it has no answer, or too many.
    arrays: Vec<Option<BytesMut>>,
    /// How many keys each has.
    counts: Vec<i32>,
    /// Bytes that came.
    pub(super) bytes: u64,
}

/// What a server answers: for each question the array, if it gave one.
type Answers = Vec<Option<Vec<u8>>>;

impl<'p> Keys<'p> {
    /// Asks all legs.
    ///
    /// # Errors
    /// A server's own; 53400 where they give too much; the client is gone.
    pub(super) async fn ask(
        executor: &mut Executor,
        peer: &mut Peer,
        legs: &[Leg],
        (plan, all): (&'p KeyPlan, &[Parameter<'_>]),
        bound: &Bound,
    ) -> Result<Keys<'p>, Trouble> {
        let count = plan.questions.len();
        let mut keys = Keys { plan, arrays: vec![None; count], counts: vec![0; count], bytes: 0 };
        let first: Vec<usize> = (0..count).filter(|question| plan.questions[*question].filtered).collect();
        keys.round(executor, peer, legs, (&first, all), bound).await?;
        let second: Vec<usize> = (0..count).filter(|question| keys.has_become_smaller(*question)).collect();
        if !second.is_empty() {
            keys.round(executor, peer, legs, (&second, all), bound).await?;
        }
        Ok(keys)
    }

    /// True where a question is about a part that keys of a third part make smaller.
    fn has_become_smaller(&self, question: usize) -> bool {
        let limits = &self.plan.limits;
        let part = self.plan.questions[question].part;
        let asking = || limits.iter().filter(|limit| limit.question == question);
        let by = limits.iter().filter(|limit| limit.part == part && self.arrays[limit.question].is_some());
        by.map(|limit| self.plan.questions[limit.question].part)
            .any(|third| asking().any(|limit| limit.part != third))
    }

    async fn round(
        &mut self,
        executor: &mut Executor,
        peer: &mut Peer,
        legs: &[Leg],
        (questions, all): (&[usize], &[Parameter<'_>]),
        bound: &Bound,
    ) -> Result<(), Trouble> {
        for (leg, (texts, _)) in legs.iter().zip(&self.plan.legs) {
            for question in questions {
                let own = chosen_parameters(&self.plan.questions[*question].parameters, all)?;
                let connection = executor.connection(leg.server);
                self.write(connection.out(), texts[*question].as_bytes(), own);
            }
            let connection = executor.connection(leg.server);
            connection.queue_sync();
            connection.flush().await?;
        }
        let branches = executor.transaction.branches.iter_mut();
        let concerned = branches.filter(|(server, _)| legs.iter().any(|leg| leg.server == *server));
        let reading = concerned.map(|(_, branch)| answers(&mut branch.connection, questions.len()));
        let given = tokio::select! {
            biased;
            given = try_join_all(reading) => given?,
            gone = peer.departure() => return Err(gone.into()),
        };
        for (place, question) in questions.iter().enumerate() {
            let arrays: Option<Vec<&[u8]>> =
                given.iter().map(|answers| answers.get(place)?.as_deref()).collect();
            let bytes = arrays.iter().flatten().map(|array| array.len() as u64).sum();
            self.bytes += bytes;
            bound.take(bytes)?;
            let Some(arrays) = arrays else { continue };
            let (count, array) =
                united(&arrays, self.plan.questions[*question].element_oid).ok_or_else(broken)?;
            if count <= MOST_KEYS && array.len() <= MOST_BYTES {
                self.counts[*question] = count;
                self.arrays[*question] = Some(array);
            }
        }
        Ok(())
    }

    fn write(&self, out: &mut BytesMut, text: &[u8], own: Vec<Parameter<'_>>) {
        let parameters = self.parameters(own);
        let types: Vec<u32> = parameters.iter().map(|parameter| parameter.type_oid).collect();
        let formats: Vec<i16> = parameters.iter().map(|parameter| i16::from(parameter.binary)).collect();
        write::parse(out, b"", text, &types);
        write::bind(out, PORTAL, b"", &formats, parameters.iter().map(|parameter| parameter.value), &[1]);
        write::execute(out, PORTAL, 0);
        write::close(out, Kind::Portal, PORTAL);
    }

    /// The client's parameters of a text, and the arrays after them.
    pub(super) fn parameters<'a>(&'a self, own: Vec<Parameter<'a>>) -> Vec<Parameter<'a>> {
        let arrays = self.plan.questions.iter().zip(&self.arrays).map(|(question, array)| Parameter {
            type_oid: question.array_oid,
            binary: true,
            value: array.as_deref(),
        });
        own.into_iter().chain(arrays).collect()
    }

    /// True where they leave anything out.
    pub(super) fn are_found(&self) -> bool {
        self.arrays.iter().any(Option::is_some)
    }

    /// The legs with the texts that leave out what has no key.
    pub(super) fn legs(&self, legs: &[Leg]) -> Vec<Leg> {
        let leg = |(leg, (_, text)): (&Leg, &(_, std::sync::Arc<str>))| Leg {
            text: Some(text.clone()),
            ..leg.clone()
        };
        legs.iter().zip(&self.plan.legs).map(leg).collect()
    }

    /// A line for each question, for EXPLAIN.
    pub(super) fn lines(&self) -> Vec<String> {
        let counts = self.arrays.iter().zip(&self.counts);
        let found = counts.map(|(array, count)| match array {
            Some(_) => count.to_string(),
            None => "too many".to_owned(),
        });
        titles(self.plan).into_iter().zip(found).map(|(title, found)| format!("{title}: {found}")).collect()
    }
}

/// `Keys orders.id, for part 2` for each question.
pub(super) fn titles(plan: &KeyPlan) -> Vec<String> {
    let title = |(number, question): (usize, &router::plan::Question)| {
        let limits = plan.limits.iter().filter(|limit| limit.question == number);
        let parts: Vec<String> = limits.map(|limit| (limit.part + 1).to_string()).collect();
        format!("  Keys {}, for part {}", question.column, parts.join(", "))
    };
    plan.questions.iter().enumerate().map(title).collect()
}

/// The plan's keys, where legs may be asked twice: their snapshots last.
pub(super) fn usable<'p>(executor: &Executor, plan: &'p GatherPlan) -> Option<&'p KeyPlan> {
    let lasts = executor.needs_bracket()
        || executor.transaction.is_explicit() && executor.transaction.keeps_snapshot();
    plan.keys.as_deref().filter(|_| lasts && plan.many)
}

async fn answers(connection: &mut Lent, questions: usize) -> Result<Answers, Trouble> {
    let mut answers = Vec::with_capacity(questions);
    let mut array = None;
    while connection.owed() > 0 {
        let frame = connection.frame().await?;
        match frame.tag() {
            b'D' => array = Some(only_value(&frame)),
            b'C' => answers.push(array.take()),
            b'E' => return Err(view::error_fields(&frame).without_place().into()),
            _ => {}
        }
    }
    Ok(answers)
}

/// The array of an answer; one of no rows is empty.
fn only_value(frame: &Frame) -> Vec<u8> {
    let value = Row::read(frame).ok().and_then(|mut row| row.next()).and_then(Result::ok).flatten();
    value.map(<[u8]>::to_vec).unwrap_or_default()
}

/// The elements of all arrays as one, and how many they are; `None` where one is broken.
fn united(arrays: &[&[u8]], element_oid: u32) -> Option<(i32, BytesMut)> {
    let (mut count, mut elements) = (0_i32, BytesMut::new());
    for array in arrays {
        let Some(dimensions) = array.get(..4) else { continue };
        if dimensions == [0; 4] {
            continue;
        }
        count = count.checked_add(i32::from_be_bytes(array.get(12..16)?.try_into().ok()?))?;
        elements.put_slice(array.get(20..)?);
    }
    let mut out = BytesMut::with_capacity(20 + elements.len());
    out.put_i32(i32::from(count > 0));
    out.put_i32(0);
    out.put_u32(element_oid);
    if count > 0 {
        out.put_i32(count);
        out.put_i32(1);
    }
    out.put_slice(&elements);
    Some((count, out))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn array(values: &[i32]) -> Vec<u8> {
        let mut out = vec![];
        out.put_i32(i32::from(!values.is_empty()));
        out.put_i32(0);
        out.put_u32(23);
        if !values.is_empty() {
            out.put_i32(i32::try_from(values.len()).unwrap());
            out.put_i32(1);
        }
        for value in values {
            out.put_i32(4);
            out.put_i32(*value);
        }
        out
    }

    #[test]
    fn the_keys_of_several_servers_are_one_array() {
        let given = [array(&[1, 2]), Vec::new(), array(&[]), array(&[2, 7])];
        let given: Vec<&[u8]> = given.iter().map(Vec::as_slice).collect();
        assert_eq!(united(&given, 23).unwrap(), (4, BytesMut::from(array(&[1, 2, 2, 7]).as_slice())));
        assert_eq!(united(&[&[], &[]], 23).unwrap(), (0, BytesMut::from(array(&[]).as_slice())));
        assert_eq!(united(&[&[0, 0, 0, 1, 0]], 23), None);
    }
}
