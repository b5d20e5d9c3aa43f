//! Holds what pgherd answered against what the oracle answered.

use crate::answer::{Answer, Column, Fault};
use crate::corpus::case::Expectation;

/// Types from here on are the users' own; their OIDs are each server's affair.
const FIRST_USER_OID: u32 = 16384;

/// What a comparison found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// pgherd gave PostgreSQL's answer.
    Equal,
    /// pgherd refused, with this message.
    Refused(String),
    /// pgherd gave another answer, and how it differs.
    Wrong(String),
}

/// Compares the answers to one simple query, which may hold several statements.
#[must_use]
pub fn compare(expectation: Expectation, ours: Vec<Answer>, oracles: Vec<Answer>) -> Verdict {
    // PostgreSQL refuses some things in the same words.
    let refuses_too = |fault: &Fault| {
        let same = |own: &Fault| (&own.sqlstate, &own.message) == (&fault.sqlstate, &fault.message);
        oracles.iter().filter_map(|answer| answer.fault.as_ref()).any(same)
    };
    let faults = ours.iter().filter_map(|answer| answer.fault.as_ref());
    let refusal = faults.into_iter().find(|fault| fault.is_refusal() && !refuses_too(fault));
    if let Some(fault) = refusal {
        return Verdict::Refused(fault.to_string());
    }
    if ours.len() != oracles.len() {
        let difference = format!("{} answers instead of {}", ours.len(), oracles.len());
        return wrong(&difference, &ours, &oracles);
    }
    for (our, oracle) in ours.iter().zip(&oracles) {
        if let Some(difference) = difference(expectation, our, oracle) {
            return wrong(difference, std::slice::from_ref(our), std::slice::from_ref(oracle));
        }
    }
    Verdict::Equal
}

fn wrong(difference: &str, ours: &[Answer], oracles: &[Answer]) -> Verdict {
    let print = |answers: &[Answer]| answers.iter().map(ToString::to_string).collect::<String>();
    Verdict::Wrong(format!("{difference}\n  pgherd:\n{}  PostgreSQL:\n{}", print(ours), print(oracles)))
}

fn difference(expectation: Expectation, our: &Answer, oracle: &Answer) -> Option<&'static str> {
    if our.sqlstate() != oracle.sqlstate() {
        return Some("another error");
    }
    if our.fault.is_some() {
        return None;
    }
    if our.tag != oracle.tag {
        return Some("another command tag");
    }
    if !same_columns(&our.columns, &oracle.columns) {
        return Some("other columns");
    }
    let same_rows = match expectation {
        Expectation::Sequence => our.rows == oracle.rows && our.copied == oracle.copied,
        Expectation::Rows => {
            let (our, oracle) = (our.clone().sorted(), oracle.clone().sorted());
            our.rows == oracle.rows && our.copied == oracle.copied
        }
        Expectation::Shape => our.rows.len() == oracle.rows.len(),
        Expectation::Constant(column) => our.rows.len() == oracle.rows.len() && is_constant(our, column),
    };
    if same_rows { None } else { Some("other rows") }
}

fn same_columns(ours: &[Column], oracles: &[Column]) -> bool {
    let user_type = |column: &Column| column.type_oid >= FIRST_USER_OID;
    let same = |our: &Column, oracle: &Column| {
        let same_type = our.type_oid == oracle.type_oid || (user_type(our) && user_type(oracle));
        our.name == oracle.name && same_type
    };
    ours.len() == oracles.len() && ours.iter().zip(oracles).all(|(our, oracle)| same(our, oracle))
}

fn is_constant(answer: &Answer, column: usize) -> bool {
    answer.rows.windows(2).all(|pair| pair[0].get(column) == pair[1].get(column))
}
