//! Functions whose code does nothing but compute. A user's function counts as able to read any tenant's rows unless
//! its words show that it cannot: each name in its code is looked at, whatever it stands for there, so that what is
//! not understood makes the function suspect, never plain.

use std::collections::HashMap;

use super::code::Word;
use super::functions::{Effect, effect_of};
use super::lex::{Token, Tokens};
use super::shape::is_same_everywhere;
use crate::catalog::{FunctionFacts, Volatility};

/// Statements that do more than read, and those that run a text.
const ACTING: &[&str] = &[
    "alter",
    "analyze",
    "begin_transaction",
    "call",
    "cluster",
    "comment",
    "commit",
    "copy",
    "create",
    "delete",
    "discard",
    "do",
    "drop",
    "execute",
    "grant",
    "import",
    "insert",
    "listen",
    "load",
    "lock",
    "merge",
    "move",
    "notify",
    "prepare",
    "reassign",
    "refresh",
    "reindex",
    "reset",
    "revoke",
    "rollback",
    "savepoint",
    "security",
    "set",
    "tablesample",
    "truncate",
    "unlisten",
    "update",
    "vacuum",
];

/// The clock in its keyword form: it differs from server to server.
const CLOCK: &[&str] = &["current_date", "current_time", "current_timestamp", "localtime", "localtimestamp"];

/// What reads the system catalogs: OIDs differ from server to server.
const OF_CATALOG: &[&str] =
    &["information_schema", "tg_relid", "regclass", "regproc", "regprocedure", "regtype", "regrole"];

/// Words within whose parentheses FROM is no clause.
const TAKING_FROM: &[&str] = &["extract", "overlay", "position", "substring", "trim"];

/// What a name in code may mean.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Meaning {
    /// A table or view of which every server has a copy.
    Copied,
    /// A user's function that is not known to be plain, or any other relation.
    Suspect,
    /// Neither: a variable, a column, a keyword, a function of PostgreSQL's.
    Nothing,
}

/// What a plain function's value depends on besides its arguments and the session's settings.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dependence {
    /// Nothing.
    Arguments,
    /// Tables of which every server has a copy.
    Copies,
}

/// What code depends on; `None` where it may do more than compute. `functions` are PostgreSQL's own.
pub fn dependence(
    source: &str,
    functions: &HashMap<String, FunctionFacts>,
    meaning: impl Fn(&str) -> Meaning,
) -> Option<Dependence> {
    let words: Vec<Word<'_>> = Tokens::of(source)
        .filter(|(token, _)| *token != Token::Comment)
        .map(|(token, range)| Word { token, text: &source[range] })
        .collect();
    let mut depends = Dependence::Arguments;
    // The word before each parenthesis that is open.
    let mut inside: Vec<Option<String>> = Vec::new();
    for (at, word) in words.iter().enumerate() {
        match word.text {
            "(" => inside.push(at.checked_sub(1).and_then(|before| words[before].name())),
            ")" => drop(inside.pop()),
            _ => {}
        }
        // A name in Unicode escapes could be any name.
        if word.token == Token::Quoted && word.text.contains('"') && word.text.contains('\\') {
            return None;
        }
        let Some(name) = word.name() else { continue };
        match meaning(&name) {
            Meaning::Suspect => return None,
            Meaning::Copied => depends = Dependence::Copies,
            Meaning::Nothing => {}
        }
        if word.token == Token::Word {
            let taken = inside
                .last()
                .is_some_and(|before| before.as_deref().is_some_and(|before| TAKING_FROM.contains(&before)));
            let distinct = at.checked_sub(1).is_some_and(|before| words[before].is("distinct"));
            let is_clause = (name == "from" && !taken && !distinct) || name == "join" || name == "only";
            if is_clause && !is_known_source(&words, at + 1, &meaning) {
                return None;
            }
            if [ACTING, CLOCK, OF_CATALOG].iter().any(|list| list.contains(&name.as_str()))
                || name.starts_with("pg_") && name != "pg_catalog" && name != "pg_typeof"
            {
                return None;
            }
        }
        if let Some(facts) = functions.get(&name)
            && words.get(at + 1).is_some_and(|next| next.text == "(")
            && !is_plain(&name, facts)
        {
            return None;
        }
    }
    Some(depends)
}

/// A function of PostgreSQL's that gives the same on every server, and does nothing.
fn is_plain(name: &str, facts: &FunctionFacts) -> bool {
    effect_of(name) == Effect::Plain
        && match facts.volatility {
            Volatility::Immutable => true,
            Volatility::Stable => is_same_everywhere(name),
            Volatility::Volatile => false,
        }
}

/// What stands in FROM: a table that is known, a CTE, a function, a subquery.
fn is_known_source(words: &[Word<'_>], at: usize, meaning: &impl Fn(&str) -> Meaning) -> bool {
    let text = |index: usize| words.get(index).map_or("", |word| word.text);
    let skipped = ["lateral", "only", "rows"].iter().any(|word| text(at).eq_ignore_ascii_case(word));
    let mut at = if skipped { at + 1 } else { at };
    if skipped && text(at).eq_ignore_ascii_case("from") {
        at += 1;
    }
    if text(at) == "(" {
        return is_last_source(words, at);
    }
    while text(at + 1) == "." {
        at += 2;
    }
    let Some(name) = words.get(at).and_then(Word::name) else { return false };
    let is_cte = (0..words.len()).any(|index| {
        words[index].name().as_ref() == Some(&name)
            && text(index + 1).eq_ignore_ascii_case("as")
            && ["(", "materialized", "not"].iter().any(|next| text(index + 2).eq_ignore_ascii_case(next))
    });
    let known = text(at + 1) == "(" || is_cte || meaning(&name) == Meaning::Copied;
    known && is_last_source(words, at + 1)
}

/// True where no comma follows before the clause ends: what stands behind it would be a source too.
fn is_last_source(words: &[Word<'_>], from: usize) -> bool {
    const ENDS: [&str; 10] =
        [";", "where", "group", "order", "limit", "union", "loop", "join", "on", "having"];
    let mut depth = 0_usize;
    for word in words.iter().skip(from) {
        match word.text {
            "(" => depth += 1,
            ")" if depth == 0 => return true,
            ")" => depth -= 1,
            "," if depth == 0 => return false,
            text if depth == 0 && ENDS.iter().any(|end| text.eq_ignore_ascii_case(end)) => return true,
            _ => {}
        }
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ask(source: &str) -> Option<Dependence> {
        let plain = |volatility| FunctionFacts {
            volatility,
            builtin: true,
            aggregate: false,
            window: false,
            returns_set: false,
            reads_copies: false,
        };
        let functions = [
            ("lower", Volatility::Immutable),
            ("unnest", Volatility::Immutable),
            ("to_char", Volatility::Stable),
            ("now", Volatility::Stable),
            ("pg_sleep", Volatility::Volatile),
            ("nextval", Volatility::Volatile),
            ("random", Volatility::Volatile),
            ("query_to_xml", Volatility::Stable),
            ("extract", Volatility::Immutable),
        ];
        let functions = functions.map(|(name, volatility)| (name.to_owned(), plain(volatility))).into();
        dependence(source, &functions, |name| match name {
            "kinds" => Meaning::Copied,
            "users" | "reader" | "numbers" => Meaning::Suspect,
            _ => Meaning::Nothing,
        })
    }

    #[test]
    fn code_that_computes_is_plain() {
        for source in [
            "SELECT $1 + $2",
            "BEGIN IF a IS DISTINCT FROM b THEN RETURN lower(a) || to_char(b, 'YYYY'); END IF; RETURN NULL; END",
            "DECLARE n int := 0; BEGIN FOR i IN 1..10 LOOP n := n + i; END LOOP; RAISE NOTICE 'n'; RETURN n; END",
            "SELECT extract(epoch FROM at) FROM unnest($1) u(at)",
            "WITH a AS (SELECT 1 AS b) SELECT b FROM a WHERE b > 0",
            "SELECT 'from users'",
        ] {
            assert_eq!(ask(source), Some(Dependence::Arguments), "{source}");
        }
        for source in [
            "SELECT name FROM kinds WHERE id = $1",
            "SELECT k.a FROM only public.kinds k JOIN kinds l ON true",
        ] {
            assert_eq!(ask(source), Some(Dependence::Copies), "{source}");
        }
    }

    #[test]
    fn what_may_do_more_is_suspect() {
        for source in [
            "SELECT count(*) FROM users",
            "SELECT count(*) FROM \"users\"",
            "SELECT u FROM unnest($1) u, later",
            "SELECT a FROM later",
            "SELECT a FROM kinds, later",
            "SELECT a FROM kinds JOIN later USING (a)",
            "BEGIN EXECUTE q; END",
            "SELECT reader(1)",
            "SELECT (row).reader FROM kinds",
            "INSERT INTO kinds VALUES (1)",
            "SELECT now()",
            "SELECT current_date",
            "SELECT random()",
            "SELECT nextval('n')",
            "SELECT query_to_xml($1, true, true, '')",
            "SELECT pg_sleep(1)",
            "SELECT $1::regclass",
            "SELECT relname FROM pg_class",
            "SET search_path TO a",
            "SELECT count(*) FROM unnest($1), U&\"\\0075sers\"",
        ] {
            assert_eq!(ask(source), None, "{source}");
        }
    }
}
