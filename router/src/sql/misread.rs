//! What older servers read otherwise than the parser, which is PostgreSQL 18's, and without an error.
//!
//! | text | PostgreSQL 18 | older |
//! | --- | --- | --- |
//! | `E'\v'` | a vertical tab | before 16: the letter `v` |
//! | `0x1F`, `0o7`, `0b1`, `1_000` | one number | 14: a number, then an alias |

use super::lex::{Token, Tokens};
use crate::plan::Refusal;

/// The first version that reads `\v` as the parser does.
const WITH_VERTICAL_TAB: u32 = 160_000;
/// The first version that refuses letters behind a number.
const WITHOUT_JUNK: u32 = 150_000;

/// The refusal of a text of which a server of version `oldest` may read something else; 0: not known.
pub(super) fn misreading(text: &str, oldest: u32) -> Option<Refusal> {
    if oldest == 0 || oldest >= WITH_VERTICAL_TAB {
        return None;
    }
    let may_have =
        text.contains("\\v") || (oldest < WITHOUT_JUNK && text.contains(['x', 'X', 'o', 'O', 'b', 'B', '_']));
    if !may_have {
        return None;
    }
    Tokens::of(text).find_map(|(token, range)| {
        let part = text.get(range)?;
        match token {
            Token::Quoted if has_vertical_tab(part) => Some(Refusal::unsupported(
                "the escape \\v means one thing to PostgreSQL before 16 and another from 16 on",
                "Write \\x0B for the vertical tab, or v for the letter.",
            )),
            Token::Word if oldest < WITHOUT_JUNK && is_new_number(part) => Some(Refusal::unsupported(
                format!("PostgreSQL 14 does not read {part} as one number"),
                "Write it in decimal digits.",
            )),
            Token::Comment | Token::Word | Token::Quoted | Token::Sign => None,
        }
    })
}

/// True for an escape string that has `\v`.
fn has_vertical_tab(quoted: &str) -> bool {
    let mut bytes = quoted.bytes();
    if !matches!(bytes.next(), Some(b'e' | b'E')) {
        return false;
    }
    while let Some(byte) = bytes.next() {
        if byte == b'\\' && bytes.next() == Some(b'v') {
            return true;
        }
    }
    false
}

/// True for a number that PostgreSQL 14 ends earlier.
fn is_new_number(word: &str) -> bool {
    word.starts_with(|first: char| first.is_ascii_digit())
        && word.contains(['x', 'X', 'o', 'O', 'b', 'B', '_'])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_an_older_server_reads_otherwise_is_found() {
        for (text, oldest, found) in [
            (r"select E'\v'", 150_000, true),
            (r"select e'a\\\v'", 140_000, true),
            (r"select E'a\\v', 'b\v'", 150_000, false),
            (r"select E'\v'", 160_000, false),
            ("select 0x1F", 140_000, true),
            ("select 1_000", 140_000, true),
            ("select 0x1F, 1_000", 150_000, false),
            ("select x1, 'a_1', 1e5, a_1, 12 b from t_1 -- 0x1", 140_000, false),
        ] {
            assert_eq!(misreading(text, oldest).is_some(), found, "{text} on {oldest}");
        }
    }
}
