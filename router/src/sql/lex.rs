//! PostgreSQL's tokens, as far as one must know them to find comments and the parts of a statement in
//! its text. The text has been parsed already: what is not closed ends with the text.

use std::ops::Range;

/// What a token is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Token {
    /// `-- ...` or `/* ... */`, nested.
    Comment,
    /// A keyword, a name or a number.
    Word,
    /// A quoted name or string of any kind.
    Quoted,
    /// One character of anything else.
    Sign,
}

/// The tokens of a text with their byte ranges, in order, without white space.
pub(super) struct Tokens<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Tokens<'a> {
    /// Begins at the start of a text.
    pub(super) fn of(text: &'a str) -> Tokens<'a> {
        Tokens { bytes: text.as_bytes(), at: 0 }
    }

    fn peek(&self, ahead: usize) -> u8 {
        self.bytes.get(self.at + ahead).copied().unwrap_or(0)
    }

    fn find(&self, from: usize, what: &[u8]) -> usize {
        let rest = self.bytes.get(from..).unwrap_or_default();
        let found = rest.windows(what.len().max(1)).position(|window| window == what);
        found.map_or(self.bytes.len(), |position| from + position + what.len())
    }

    fn end_of_block_comment(&self) -> usize {
        let (mut depth, mut at) = (0usize, self.at);
        while at < self.bytes.len() {
            match (self.bytes[at], self.bytes.get(at + 1)) {
                (b'/', Some(b'*')) => (depth, at) = (depth + 1, at + 2),
                (b'*', Some(b'/')) => (depth, at) = (depth - 1, at + 2),
                _ => at += 1,
            }
            if depth == 0 {
                return at;
            }
        }
        self.bytes.len()
    }

    /// The end of a string or name that begins here with `quote`; a doubled quote stays inside, and
    /// in an escape string a backslash takes the next character with it.
    fn end_of_quoted(&self, start: usize, quote: u8, escapes: bool) -> usize {
        let mut at = start + 1;
        while at < self.bytes.len() {
            match self.bytes[at] {
                b'\\' if escapes => at += 2,
                byte if byte == quote && self.bytes.get(at + 1) == Some(&quote) => at += 2,
                byte if byte == quote => return at + 1,
                _ => at += 1,
            }
        }
        self.bytes.len()
    }

    /// The end of a dollar-quoted string that begins here; `None` where it is no such string.
    fn end_of_dollar_quoted(&self) -> Option<usize> {
        let rest = self.bytes.get(self.at + 1..)?;
        let tag = rest.iter().position(|byte| *byte == b'$')?;
        let name = &rest[..tag];
        let fits = name.first().is_none_or(|byte| !byte.is_ascii_digit())
            && name.iter().all(|b| is_word(*b) && *b != b'$');
        fits.then(|| self.find(self.at + tag + 2, &self.bytes[self.at..self.at + tag + 2]))
    }
}

fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'$' || byte >= 0x80
}

impl Iterator for Tokens<'_> {
    type Item = (Token, Range<usize>);

    fn next(&mut self) -> Option<Self::Item> {
        while self.peek(0).is_ascii_whitespace() || self.peek(0) == 0x0b {
            self.at += 1;
        }
        let start = self.at;
        let first = *self.bytes.get(start)?;
        let escapes = matches!(first, b'e' | b'E') && self.peek(1) == b'\'';
        let (token, end) = match first {
            b'-' if self.peek(1) == b'-' => {
                let line = self.bytes[start..].iter().position(|byte| matches!(byte, b'\n' | b'\r'));
                (Token::Comment, line.map_or(self.bytes.len(), |length| start + length))
            }
            b'/' if self.peek(1) == b'*' => (Token::Comment, self.end_of_block_comment()),
            b'\'' | b'"' => (Token::Quoted, self.end_of_quoted(start, first, false)),
            _ if escapes => (Token::Quoted, self.end_of_quoted(start + 1, b'\'', true)),
            b'$' => match self.end_of_dollar_quoted() {
                Some(end) => (Token::Quoted, end),
                None => (Token::Sign, start + 1),
            },
            byte if is_word(byte) => {
                let length = self.bytes[start..].iter().position(|byte| !is_word(*byte));
                (Token::Word, length.map_or(self.bytes.len(), |length| start + length))
            }
            _ => (Token::Sign, start + 1),
        };
        self.at = end.min(self.bytes.len());
        Some((token, start..self.at))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tokens(text: &str) -> Vec<(Token, &str)> {
        Tokens::of(text).map(|(token, range)| (token, &text[range])).collect()
    }

    #[test]
    fn a_comment_is_found_only_where_it_is_one() {
        use Token::{Comment, Quoted, Sign, Word};
        let text = "select '/* no */', \"--\", $a$ -- $a$ /* a /* b */ c */ -- x\n, E'\\'--' ";
        let expected = vec![
            (Word, "select"),
            (Quoted, "'/* no */'"),
            (Sign, ","),
            (Quoted, "\"--\""),
            (Sign, ","),
            (Quoted, "$a$ -- $a$"),
            (Comment, "/* a /* b */ c */"),
            (Comment, "-- x"),
            (Sign, ","),
            (Quoted, "E'\\'--'"),
        ];
        assert_eq!(tokens(text), expected);
    }

    #[test]
    fn nothing_unclosed_is_read_beyond_the_end() {
        for text in ["'", "\"", "/*", "/*/", "$$", "$a$x", "E'\\", "--", "$", "é'é"] {
            assert!(Tokens::of(text).count() < 9, "{text}");
        }
    }
}
