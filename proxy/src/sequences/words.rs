//! What is said to a server about a sequence.

use router::ids::quote_literal;
use router::sequences::{Counter, Position};

/// The question for a sequence's counter, by its quoted name; [`counter`] reads the answer.
pub fn question(name: &str) -> String {
    format!(
        "SELECT s.seqstart, s.seqincrement, s.seqmin, s.seqmax, s.seqcycle, q.last_value, q.is_called \
         FROM pg_catalog.pg_sequence s, {name} q WHERE s.seqrelid = {}::pg_catalog.regclass",
        quote_literal(name)
    )
}

/// The counter in an answer, as text.
pub fn counter(row: &[Option<String>]) -> Option<Counter> {
    let number = |index: usize| row.get(index)?.as_deref()?.parse::<i64>().ok();
    let truth = |index: usize| Some(row.get(index)?.as_deref()? == "t");
    Some(Counter {
        start: number(0)?,
        increment: number(1)?,
        min: number(2)?,
        max: number(3)?,
        cycles: truth(4)?,
        at: Position { value: number(5)?, called: truth(6)? },
    })
}

/// The statements that make a sequence count as this counter does, by its quoted name.
pub fn definition(name: &str, counter: &Counter) -> String {
    let Counter { start, increment, at, .. } = counter;
    let restart = if at.called { *start } else { at.value };
    let alter =
        format!("ALTER SEQUENCE {name} INCREMENT BY {increment} START WITH {start} RESTART WITH {restart}");
    match at.called {
        false => alter,
        true => {
            let literal = quote_literal(name);
            format!("{alter}; SELECT pg_catalog.setval({literal}::pg_catalog.regclass, {}, true)", at.value)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_counter_is_read_and_written() {
        let row = ["1", "16", "1", "100", "f", "33", "t"].map(|value| Some(value.to_owned()));
        let counter = counter(&row).expect("a whole row");
        assert_eq!(counter.next(), 49);
        assert_eq!(
            definition("s", &counter),
            "ALTER SEQUENCE s INCREMENT BY 16 START WITH 1 RESTART WITH 1; \
             SELECT pg_catalog.setval('s'::pg_catalog.regclass, 33, true)"
        );
    }
}
