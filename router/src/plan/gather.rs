//! One SELECT over all tenants that does not merge: what each server gives of it, and which of them
//! computes the answer.

use std::sync::Arc;

use super::request::Request;
use super::{Parameter, Refusal};
use crate::ids::{MoveId, ServerId};
use crate::sql::gather::{
    Cut, Effort, Given, Keys, Limit, Part, Question, cut, group_by_dependents, join_classes,
};
use crate::sql::{self, Filter, Tree};

/// How a statement is gathered. Its legs give the parts' rows: the number of the part from 1, then the
/// columns of all parts, in the binary format.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GatherPlan {
    /// What each leg gives.
    pub parts: Vec<Part>,
    /// The client's parameters that the legs have, from 1, in the legs' order.
    pub parameters: Vec<u16>,
    /// The client's parameters that are not in the statement over the parts any more.
    pub absent: Vec<u16>,
    /// The statement over the parts as arrays: one parameter a column of each part, after the client's own.
    pub over_arrays: Arc<str>,
    /// The statement over the parts as temporary tables.
    pub over_tables: Arc<str>,
    /// True where there may be as many rows as a table has: not only groups, or the first ones.
    pub many: bool,
    /// The server that must compute the answer; `None`: any of the legs'.
    pub place: Option<ServerId>,
    /// What the legs may leave out where they give many rows.
    pub keys: Option<Arc<KeyPlan>>,
}

/// Keys that are asked for first, so that legs leave out what has none of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyPlan {
    /// What is asked for.
    pub questions: Vec<Question>,
    /// Which parts need which.
    pub limits: Vec<Limit>,
    /// For each leg in order, the texts of the questions and that of the leg itself, whose parameters are those of the
    /// gather's legs and, of each question, an array or NULL.
    pub legs: Vec<(Vec<Arc<str>>, Arc<str>)>,
}

/// Plans a SELECT that no merge does exactly: the plan, and each leg's text in the order of `hidden`, which
/// has for each server the moves whose rows it hides.
pub(super) fn gather(
    request: &Request<'_>,
    statement: &Tree,
    hidden: &[&[MoveId]],
) -> Result<(GatherPlan, Vec<Arc<str>>), Refusal> {
    let subject = request.subject();
    let types: Vec<u32> =
        request.parameters.iter().map(|parameter: &Parameter<'_>| parameter.type_oid).collect();
    let count = usize::from(subject.parameter_count()).max(types.len());
    let given = Given { types: &types, count };
    let path = subject.path();
    let extended = group_by_dependents(statement, request.catalog, path)?;
    let extended = extended.map(|text| sql::trees(&text)).transpose()?;
    let statement = extended.as_ref().and_then(|trees| trees.first()).unwrap_or(statement);
    let joined = join_classes(statement, request.catalog, path, given)?.map(|text| sql::trees(&text));
    let joined = joined.transpose()?;
    let of = |statement: &Tree, effort| {
        let cut = cut(statement, request.catalog, path, given, effort, request.session.now.now())?;
        let text_for = |text: &Arc<str>, moves: &&[MoveId]| match moves {
            [] => Ok(Arc::clone(text)),
            moves => {
                let filter = Filter { tenant: None, hidden: moves.to_vec() };
                sql::restrict_text(text, request.catalog, path, &filter)
            }
        };
        let texts =
            hidden.iter().map(|moves| text_for(&cut.leg, moves)).collect::<Result<Vec<_>, Refusal>>()?;
        let keys = cut.keys.as_ref().and_then(|keys| key_plan(keys, hidden, text_for).ok());
        Ok((cut, texts, keys))
    };
    // What the servers cannot compute, or not without the rows that moves hide, is computed of more rows.
    let reduced = of(statement, Effort::Reduce);
    let joined = joined.as_ref().and_then(|trees| trees.first());
    // Keys leave out more rows than a join that is sent whole.
    let joined = joined.filter(|_| !matches!(reduced, Ok((_, _, Some(_)))));
    // Fewer parts are worth it; where a server computes the whole block, there is nothing to join first.
    let fewer = |parts: usize| !reduced.as_ref().is_ok_and(|(cut, ..)| cut.parts.len() <= parts);
    let joined = joined
        .and_then(|statement| of(statement, Effort::Reduce).ok())
        .filter(|(cut, ..)| fewer(cut.parts.len()));
    let (cut, texts, keys) =
        joined.map_or(reduced, Ok).or_else(|_: Refusal| of(statement, Effort::Select))?;
    let Cut { parts, parameters, absent, over_arrays, over_tables, many, home, held, .. } = cut;
    let place = match (held, request.session.held) {
        (true, Some(held)) => Some(held),
        (true, None) => Some(ServerId::HOME),
        (false, _) => home.then_some(ServerId::HOME),
    };
    let keys = keys.map(Arc::new);
    Ok((GatherPlan { parts, parameters, absent, over_arrays, over_tables, many, place, keys }, texts))
}

/// The keys with their texts for each leg.
fn key_plan(
    keys: &Keys,
    hidden: &[&[MoveId]],
    text_for: impl Fn(&Arc<str>, &&[MoveId]) -> Result<Arc<str>, Refusal>,
) -> Result<KeyPlan, Refusal> {
    let leg = |moves: &&[MoveId]| {
        let questions = keys.questions.iter().map(|question| text_for(&question.text, moves));
        Ok::<_, Refusal>((questions.collect::<Result<Vec<_>, Refusal>>()?, text_for(&keys.leg, moves)?))
    };
    Ok(KeyPlan {
        questions: keys.questions.clone(),
        limits: keys.limits.clone(),
        legs: hidden.iter().map(leg).collect::<Result<Vec<_>, Refusal>>()?,
    })
}
