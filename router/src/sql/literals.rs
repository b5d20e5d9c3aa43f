//! A text without its literals: what is left is the same for all statements that differ in values only.
//!
//! Only what is certain without a grammar is taken out: whole numbers and plain strings. A text with anything
//! that could make a literal mean something else (comments, parameters, escapes, dollar quotes, prefixed or
//! doubled quotes) has no shape here, and is read as a whole.

use std::ops::Range;

use crate::plan::Parameter;

/// OIDs of `pg_type`: what PostgreSQL takes whole numbers for.
const INT4: u32 = 23;
const INT8: u32 = 20;
/// What a byte begins, outside of quotes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Class {
    /// Nothing that matters here.
    Other,
    /// A name or a keyword.
    Letter,
    /// A number.
    Digit,
    /// A string.
    Quote,
    /// A name in quotes.
    NameQuote,
    /// Perhaps a comment.
    Dash,
    /// Perhaps a comment.
    Slash,
    /// What only the grammar can tell.
    Uncertain,
}

/// The class of each byte.
const CLASSES: [Class; 256] = {
    let mut classes = [Class::Other; 256];
    let mut byte = 0;
    while byte < 256 {
        classes[byte] = match byte as u8 {
            b'0'..=b'9' => Class::Digit,
            b'a'..=b'z' | b'A'..=b'Z' | b'_' | 0x80..=0xff => Class::Letter,
            b'\'' => Class::Quote,
            b'"' => Class::NameQuote,
            b'-' => Class::Dash,
            b'/' => Class::Slash,
            b'$' | b'\\' | 0 => Class::Uncertain,
            _ => Class::Other,
        };
        byte += 1;
    }
    classes
};

fn class(byte: u8) -> Class {
    CLASSES[byte as usize]
}

/// More digits may be no bigint.
const MOST_DIGITS: usize = 18;
/// The most literals that are taken out; beyond, the text is read as a whole.
const MOST_LITERALS: usize = 64;

/// A literal in a text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Literal {
    /// Its value's bytes, without quotes.
    pub(super) value: Range<usize>,
    /// INT4 or INT8; 0 for a string, whose type PostgreSQL infers.
    pub(super) type_oid: u32,
}

/// A text with `$1`, `$2` ... in its literals' places.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outline {
    pub(super) text: String,
    pub(super) literals: Vec<Literal>,
}

impl Outline {
    /// The outline of a text; `None` where it has no literals, or where they cannot be told for certain.
    pub fn of(text: &str) -> Option<Outline> {
        let bytes = text.as_bytes();
        let mut outline =
            Outline { text: String::with_capacity(text.len() + 16), literals: Vec::with_capacity(4) };
        let (mut at, mut copied) = (0, 0);
        while let Some(&byte) = bytes.get(at) {
            at = match class(byte) {
                Class::Other => at + 1,
                Class::Letter => end_of_word(bytes, at + 1),
                Class::Digit => {
                    let end = end_of_word(bytes, at + 1);
                    if let Some(type_oid) = whole_number(bytes, at, end) {
                        outline.take(&text[copied..at], Literal { value: at..end, type_oid })?;
                        copied = end;
                    }
                    end
                }
                Class::Quote => {
                    let value = string(bytes, at)?;
                    let end = value.end + 1;
                    outline.take(&text[copied..at], Literal { value, type_oid: 0 })?;
                    copied = end;
                    end
                }
                Class::NameQuote => at + 2 + position(&bytes[at + 1..], b'"')?,
                Class::Dash if bytes.get(at + 1) == Some(&b'-') => return None,
                Class::Slash if bytes.get(at + 1) == Some(&b'*') => return None,
                Class::Dash | Class::Slash => at + 1,
                Class::Uncertain => return None,
            };
        }
        outline.text.push_str(&text[copied..]);
        (!outline.literals.is_empty()).then_some(outline)
    }

    fn take(&mut self, before: &str, literal: Literal) -> Option<()> {
        if self.literals.len() == MOST_LITERALS {
            return None;
        }
        self.text.push_str(before);
        self.literals.push(literal);
        let number = self.literals.len() as u8;
        self.text.push('$');
        if number >= 10 {
            self.text.push(char::from(b'0' + number / 10));
        }
        self.text.push(char::from(b'0' + number % 10));
        Some(())
    }

    /// The text with parameters in the literals' places.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The kinds of the literals, which belong to the outline as its text does.
    pub fn type_oids(&self) -> impl Iterator<Item = u32> {
        self.literals.iter().map(|literal| literal.type_oid)
    }
}

impl Literal {
    /// The literal as the parameter in its place.
    pub(super) fn parameter<'a>(&self, text: &'a str) -> Parameter<'a> {
        let value = text.as_bytes().get(self.value.clone());
        Parameter { type_oid: self.type_oid, binary: false, value }
    }
}

fn position(bytes: &[u8], byte: u8) -> Option<usize> {
    bytes.iter().position(|found| *found == byte)
}

/// As PostgreSQL's scanner: `$` is met before it could stand inside a name.
fn is_word(byte: u8) -> bool {
    matches!(class(byte), Class::Letter | Class::Digit)
}

fn end_of_word(bytes: &[u8], start: usize) -> usize {
    let rest = bytes.get(start..).unwrap_or_default();
    start + rest.iter().position(|byte| !is_word(*byte)).unwrap_or(rest.len())
}

/// The inside of a plain string that begins at `quote`; `None` where it is prefixed, or has quotes inside,
/// or touches a word.
fn string(bytes: &[u8], quote: usize) -> Option<Range<usize>> {
    let before = quote.checked_sub(1).and_then(|before| bytes.get(before));
    if before.is_some_and(|byte| is_word(*byte) || matches!(byte, b'&' | b'\'' | b'"')) {
        return None;
    }
    let start = quote + 1;
    let end = start + position(&bytes[start..], b'\'')?;
    let inside_is_plain = !bytes[start..end].iter().any(|byte| matches!(byte, b'\\' | 0));
    let after_is_plain = bytes.get(end + 1).is_none_or(|byte| !is_word(*byte) && *byte != b'\'');
    (inside_is_plain && after_is_plain).then_some(start..end)
}

/// The type of the whole number that a word is; `None` where it is another word, or part of a fraction.
fn whole_number(bytes: &[u8], start: usize, end: usize) -> Option<u32> {
    let digits = &bytes[start..end];
    let touches_point = bytes.get(end) == Some(&b'.') || start > 0 && bytes[start - 1] == b'.';
    if touches_point || digits.len() > MOST_DIGITS || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let value = digits.iter().fold(0i64, |value, digit| value * 10 + i64::from(digit - b'0'));
    Some(if i32::try_from(value).is_ok() { INT4 } else { INT8 })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outline(text: &str) -> Option<(String, Vec<(&str, u32)>)> {
        let outline = Outline::of(text)?;
        let literals = outline.literals.iter();
        let literals = literals.map(|literal| (&text[literal.value.clone()], literal.type_oid)).collect();
        Some((outline.text, literals))
    }

    #[test]
    fn whole_numbers_and_plain_strings_are_taken_out() {
        for (text, expected, literals) in [
            (
                "select a1 from t2 where x = 42 and y = 'b' and z in (1,2)",
                "select a1 from t2 where x = $1 and y = $2 and z in ($3,$4)",
                vec![("42", INT4), ("b", 0), ("1", INT4), ("2", INT4)],
            ),
            ("select -5, 3000000000", "select -$1, $2", vec![("5", INT4), ("3000000000", INT8)]),
            ("select 1.5, .5, 2., 1e5, 7", "select 1.5, .5, 2., 1e5, $1", vec![("7", INT4)]),
            ("select \"1 'x'\", 'é'", "select \"1 'x'\", $1", vec![("é", 0)]),
            ("select 12345678901234567890, 1", "select 12345678901234567890, $1", vec![("1", INT4)]),
        ] {
            assert_eq!(outline(text), Some((expected.to_owned(), literals)), "{text}");
        }
    }

    #[test]
    fn a_text_whose_literals_are_not_certain_has_no_outline() {
        for text in [
            "select 1",
            "select 'a''b'",
            "select E'a'",
            "select B'101'",
            "select U&'x'",
            "select 'a\\b'",
            "select $1, 2",
            "select $$a$$, 2",
            "select 1 -- 'x'",
            "select 1 /* 2 */",
            "select 'a",
            "select \"a",
            "select 'a'b",
            "select * from t",
        ] {
            assert_eq!(outline(text).is_some(), text == "select 1", "{text}");
        }
    }
}
