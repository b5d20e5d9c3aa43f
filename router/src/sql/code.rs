//! What the source of a function or of a DO block writes, as far as its words say it. Code runs on the one
//! server where it is called: a table of which every server has a copy would be changed there alone.

use std::collections::HashMap;

use super::lex::{Token, Tokens};

/// What a source says.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Code {
    /// The tables that it writes, without their schemas. What EXECUTE runs is not among them.
    pub writes: Vec<String>,
    /// The names before a parenthesis: the functions that it calls, among other things.
    pub calls: Vec<String>,
}

impl Code {
    /// Reads a source in SQL or PL/pgSQL.
    pub fn read(source: &str) -> Code {
        let words: Vec<Word<'_>> = Tokens::of(source)
            .filter(|(token, _)| *token != Token::Comment)
            .map(|(token, range)| Word { token, text: &source[range] })
            .collect();
        let mut code = Code::default();
        for (at, word) in words.iter().enumerate() {
            let next = |ahead: usize| words.get(at + ahead);
            let is = |ahead: usize, keyword: &str| next(ahead).is_some_and(|word| word.is(keyword));
            let target = match () {
                () if word.is("insert") && is(1, "into") => Some(2),
                () if word.is("merge") && is(1, "into") => Some(2),
                () if word.is("delete") && is(1, "from") => Some(2),
                () if word.is("truncate") && is(1, "table") => Some(2),
                () if word.is("update") || word.is("truncate") || word.is("copy") => Some(1),
                () => None,
            };
            if let Some(target) = target {
                let target = at + if is(target, "only") { target + 1 } else { target };
                code.writes.extend(name_at(&words, target));
            }
            if next(1).is_some_and(|next| next.text == "(") {
                code.calls.extend(word.name());
            }
        }
        code
    }

    /// The first table that `is_copied` which it writes, itself or by one of the `writers` that it calls.
    pub fn written<'a>(
        &'a self,
        is_copied: impl Fn(&str) -> bool,
        writers: &'a HashMap<String, String>,
    ) -> Option<&'a String> {
        let own = self.writes.iter().find(|table| is_copied(table));
        own.or_else(|| self.calls.iter().find_map(|call| writers.get(call)))
    }
}

/// A word of code, or a sign.
pub(super) struct Word<'a> {
    pub(super) token: Token,
    pub(super) text: &'a str,
}

impl Word<'_> {
    pub(super) fn is(&self, keyword: &str) -> bool {
        self.token == Token::Word && self.text.eq_ignore_ascii_case(keyword)
    }

    /// The word as a name.
    pub(super) fn name(&self) -> Option<String> {
        match self.token {
            Token::Word => Some(self.text.to_lowercase()),
            Token::Quoted => {
                let name = self.text.strip_prefix('"')?.strip_suffix('"')?;
                Some(name.replace("\"\"", "\""))
            }
            Token::Comment | Token::Sign => None,
        }
    }
}

/// The last part of the name that begins here.
fn name_at(words: &[Word<'_>], at: usize) -> Option<String> {
    let qualified = words.get(at + 1).is_some_and(|word| word.text == ".");
    words.get(if qualified { at + 2 } else { at })?.name()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_code_writes_is_read_from_its_words() {
        for (source, writes) in [
            ("BEGIN INSERT INTO audit VALUES (1); RETURN NEW; END", vec!["audit"]),
            ("update only public.\"Log\" set a = 1; -- delete from t\n", vec!["Log"]),
            ("SELECT 'delete from t'; PERFORM f(1)", vec![]),
            ("merge into m using t on true when matched then update set a = 1", vec!["m", "set"]),
            ("truncate table a.b; DELETE FROM c WHERE x", vec!["b", "c"]),
        ] {
            assert_eq!(Code::read(source).writes, writes, "{source}");
        }
        assert_eq!(Code::read("PERFORM Note(1); x := \"F\" (2)").calls, ["note", "F"]);
    }
}
