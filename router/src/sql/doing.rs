//! DO blocks that change the schema and do nothing else, as migration tools write them: schema changes, under
//! conditions about the system catalogs, errors caught. Such a block is a schema change itself. What is not
//! understood here makes the block one that nobody has read.

use std::ops::Range;

use super::code::Word;
use super::filling::Filling;
use super::kind::{Access, Kind};
use super::lex::{Token, Tokens};
use super::parse::{Learned, learn};
use super::statement::Statement;
use super::temporary::OwnNames;
use crate::catalog::{Catalog, SearchPath};

/// Deeper blocks are not read.
const MOST_DEPTH: usize = 20;

/// The names that the schema changes of a block's code concern, not quoted; `None` where it does more than change
/// the schema.
pub(super) fn schema_changes(code: &str, catalog: &Catalog, path: &SearchPath) -> Option<Vec<String>> {
    let mut names = Vec::new();
    let parts = Reader::read(code)?;
    if parts.changes.is_empty() {
        return None;
    }
    for change in parts.changes {
        names.extend(names_of_change(&only(change, catalog, path)?)?);
    }
    let asks_catalogs = |condition: &str| {
        only(&format!("SELECT {condition}"), catalog, path).is_some_and(|asked| is_about_catalogs(&asked))
    };
    parts.conditions.into_iter().all(asks_catalogs).then_some(names)
}

fn only(text: &str, catalog: &Catalog, path: &SearchPath) -> Option<Statement> {
    let Learned::Statements(statements) = learn(text, catalog, path) else { return None };
    let [statement] = <[_; 1]>::try_from(statements).ok()?;
    std::sync::Arc::into_inner(statement)
}

/// What a schema change names; `None` for another statement, and for one that is more than it says: it computes
/// values for rows, moves them to other tenants, or changes how sequences count.
fn names_of_change(statement: &Statement) -> Option<Vec<String>> {
    let fills = |filling: &Filling| filling.reads_clock || !filling.computed.is_empty();
    let is_plain = matches!(statement.kind(), Kind::Ddl { transactional: true, temporary: false })
        && statement.refusal().is_none()
        && statement.misreading().is_none()
        && !statement.filling().is_some_and(fills)
        && statement.tenancy_change().is_none()
        && !statement.sequence_options().increment;
    if !is_plain {
        return None;
    }
    Some(match statement.own_names() {
        Some(OwnNames::Of(names) | OwnNames::MadeOf(names) | OwnNames::Shared(names)) => names.clone(),
        None => Vec::new(),
    })
}

/// A question that every server answers alike: it reads the system catalogs only.
fn is_about_catalogs(statement: &Statement) -> bool {
    let (touched, calls) = (statement.touched(), statement.calls());
    let tables = touched.sharded.len() + touched.reads.len() + touched.writes.len();
    matches!(statement.kind(), Kind::Query)
        && statement.refusal().is_none()
        && statement.access() == Access::Read
        && tables + touched.unknown.len() + touched.unsafe_tables.len() == 0
        && calls.opaque.is_none()
        && calls.differs.is_none()
        && calls.server.is_none()
        && calls.home.is_none()
        && calls.of_connection.is_none()
        && calls.config.is_empty()
        && !calls.unknown_config
}

/// The SQL of a block.
#[derive(Default)]
struct Parts<'a> {
    /// The statements that it runs.
    changes: Vec<&'a str>,
    /// The conditions of IF and ELSIF.
    conditions: Vec<&'a str>,
}

/// Reads PL/pgSQL: BEGIN, IF, RAISE, NULL, EXCEPTION and statements; nothing else.
struct Reader<'a> {
    code: &'a str,
    words: Vec<(Word<'a>, Range<usize>)>,
    at: usize,
    parts: Parts<'a>,
}

impl<'a> Reader<'a> {
    fn read(code: &'a str) -> Option<Parts<'a>> {
        let words = Tokens::of(code)
            .filter(|(token, _)| *token != Token::Comment)
            .map(|(token, range)| (Word { token, text: &code[range.clone()] }, range))
            .collect();
        let mut reader = Reader { code, words, at: 0, parts: Parts::default() };
        reader.block(0)?;
        reader.skip(";");
        (reader.at == reader.words.len()).then_some(reader.parts)
    }

    fn is(&self, keyword: &str) -> bool {
        self.words.get(self.at).is_some_and(|(word, _)| word.is(keyword) || word.text == keyword)
    }

    fn skip(&mut self, keyword: &str) -> bool {
        let there = self.is(keyword);
        self.at += usize::from(there);
        there
    }

    fn expect(&mut self, keyword: &str) -> Option<()> {
        self.skip(keyword).then_some(())
    }

    /// BEGIN ... [EXCEPTION WHEN ... THEN ...] END
    fn block(&mut self, depth: usize) -> Option<()> {
        self.expect("begin")?;
        self.statements(depth)?;
        if self.skip("exception") {
            while self.skip("when") {
                self.until("then")?;
                self.statements(depth)?;
            }
        }
        self.expect("end")
    }

    fn statements(&mut self, depth: usize) -> Option<()> {
        if depth > MOST_DEPTH {
            return None;
        }
        while !["end", "exception", "when", "else", "elsif", "elseif"].iter().any(|word| self.is(word)) {
            if self.is("begin") {
                self.block(depth + 1)?;
                self.expect(";")?;
            } else if self.skip("if") {
                self.branches(depth + 1)?;
            } else if self.skip("null") {
                self.expect(";")?;
            } else if self.skip("raise") {
                // What it computes could be anything.
                let said = self.until(";")?;
                if said.contains('(') {
                    return None;
                }
            } else if self.is("do") {
                // A block in a block in a block would be read by as many calls.
                return None;
            } else {
                let change = self.until(";")?;
                self.parts.changes.push(change);
            }
        }
        Some(())
    }

    /// ... THEN ... [ELSIF ... THEN ...] [ELSE ...] END IF;
    fn branches(&mut self, depth: usize) -> Option<()> {
        loop {
            let condition = self.until("then")?;
            self.parts.conditions.push(condition);
            self.statements(depth)?;
            if !(self.skip("elsif") || self.skip("elseif")) {
                break;
            }
        }
        if self.skip("else") {
            self.statements(depth)?;
        }
        ["end", "if", ";"].iter().try_for_each(|word| self.expect(word))
    }

    /// The text up to a keyword or sign outside parentheses, which is skipped. CASE has keywords of its own.
    fn until(&mut self, end: &str) -> Option<&'a str> {
        let from = self.words.get(self.at)?.1.start;
        let mut depth = 0_usize;
        loop {
            let (word, range) = self.words.get(self.at)?;
            match word.text {
                "(" => depth += 1,
                ")" => depth = depth.checked_sub(1)?,
                _ if word.is("case") => return None,
                ";" if end != ";" => return None,
                _ if depth == 0 && self.is(end) => {
                    let text = &self.code[from..range.start];
                    self.at += 1;
                    return Some(text);
                }
                _ => {}
            }
            self.at += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::fixture::{catalog, path};

    fn names(code: &str) -> Option<Vec<String>> {
        schema_changes(code, &catalog(), &path())
    }

    #[test]
    fn what_migration_tools_write_is_a_schema_change() {
        for code in [
            "BEGIN CREATE TYPE state AS ENUM ('a;', 'END'); EXCEPTION WHEN duplicate_object THEN null; END",
            "begin\n ALTER TABLE users ADD CONSTRAINT fk FOREIGN KEY (country_id) REFERENCES countries(id); -- x;\n\
             exception when duplicate_object or sqlstate '42710' then raise notice 'there'; end;",
            "BEGIN IF NOT EXISTS (SELECT 1 FROM pg_type WHERE typname = 'state') THEN CREATE TYPE state AS ENUM ('a'); \
             ELSE ALTER TYPE state ADD VALUE 'b'; END IF; END",
            "BEGIN IF EXISTS (SELECT FROM information_schema.columns WHERE table_name = 'users') THEN \
             BEGIN DROP INDEX users_name; EXCEPTION WHEN others THEN NULL; END; END IF; END",
        ] {
            assert!(names(code).is_some(), "{code}");
        }
        assert!(names("BEGIN ALTER TABLE users ADD extra int, ADD more text DEFAULT 'x'; END").is_some());
        let named = names("BEGIN ALTER TABLE users ALTER name DROP NOT NULL; DROP TABLE IF EXISTS a, b; END");
        assert_eq!(named, Some(vec!["users".to_owned(), "a".to_owned(), "b".to_owned()]));
    }

    #[test]
    fn a_block_that_does_more_is_not() {
        for code in [
            "",
            "BEGIN END",
            "BEGIN NULL; END",
            "DECLARE x int; BEGIN CREATE TYPE a AS ENUM (); END",
            "BEGIN CREATE TYPE a AS ENUM (); UPDATE users SET name = 'x'; END",
            "BEGIN CREATE TYPE a AS ENUM (); PERFORM f(); END",
            "BEGIN CREATE TYPE a AS ENUM (); EXECUTE 'DELETE FROM users'; END",
            "BEGIN CREATE TYPE a AS ENUM (); COMMIT; END",
            "BEGIN IF EXISTS (SELECT FROM users) THEN CREATE TYPE a AS ENUM (); END IF; END",
            "BEGIN IF nosy() THEN CREATE TYPE a AS ENUM (); END IF; END",
            "BEGIN IF random() < 0.5 THEN CREATE TYPE a AS ENUM (); END IF; END",
            "BEGIN FOR i IN 1..2 LOOP CREATE TYPE a AS ENUM (); END LOOP; END",
            "BEGIN CREATE TABLE a AS SELECT * FROM users; END",
            "BEGIN CREATE TEMP TABLE a (b int); END",
            "BEGIN ALTER TABLE users RENAME tenant_id TO t; END",
            "BEGIN ALTER TABLE users ADD made timestamptz DEFAULT now(); END",
            "BEGIN ALTER TABLE users ADD n serial; END",
            "BEGIN CREATE INDEX CONCURRENTLY a ON users (id); END",
            "BEGIN RAISE NOTICE '%', f(1); CREATE TYPE a AS ENUM (); END",
            "BEGIN CREATE TYPE a AS ENUM (); END; SELECT 1",
            "BEGIN IF CASE WHEN true THEN true END THEN CREATE TYPE a AS ENUM (); END IF; END",
            "BEGIN x := 1; CREATE TYPE a AS ENUM (); END",
            "BEGIN CREATE TYPE a AS ENUM ();",
            "BEGIN DO $a$ BEGIN CREATE TYPE a AS ENUM (); END $a$; END",
            "BEGIN IF 1; DO $a$ BEGIN CREATE TYPE a AS ENUM (); END $a$; SELECT 1 THEN CREATE TYPE a AS ENUM (); END IF; END",
        ] {
            assert_eq!(names(code), None, "{code}");
        }
    }
}
