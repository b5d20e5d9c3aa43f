//! A regression file, which is written for psql, as the statements that a client sends.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};

/// What is sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// A statement.
    Ask(String),
    /// COPY FROM STDIN with its data.
    CopyIn(String, Vec<u8>),
}

/// The steps of a file of `folder`, PostgreSQL's `src/test/regress`. What only psql can do is left out; a COPY
/// from one of the folder's files becomes one from STDIN.
pub fn steps(folder: &Path, name: &str) -> Result<Vec<Step>> {
    let file = folder.join("sql").join(format!("{name}.sql"));
    let text = fs::read(&file).with_context(|| format!("cannot read {}", file.display()))?;
    let text = String::from_utf8_lossy(&text);
    let mut steps = Vec::new();
    let mut filename = String::new();
    let mut script = Script { rest: &text };
    while let Some(piece) = script.next() {
        match piece {
            Piece::Meta(line) => {
                if let Some(value) = line.strip_prefix("\\set filename ") {
                    let value = value.strip_prefix(":abs_srcdir ").unwrap_or_default();
                    filename = value.trim().trim_matches(['\'', '/']).to_owned();
                }
            }
            Piece::Dropped => {}
            Piece::Statement(sql) => {
                let lower = sql.to_lowercase();
                if lower.contains(":'filename'")
                    && lower.trim_start().starts_with("copy")
                    && lower.contains(" from ")
                    && folder.join(&filename).is_file()
                {
                    let data = fs::read(folder.join(&filename))?;
                    steps.push(Step::CopyIn(sql.replace(":'filename'", "STDIN"), data));
                } else if sql.contains(":'") || sql.contains(":\"") {
                    // A variable of psql's.
                } else if lower.trim_start().starts_with("copy") && lower.contains("from stdin") {
                    steps.push(Step::CopyIn(sql, script.data()));
                } else {
                    steps.push(Step::Ask(sql));
                }
            }
        }
    }
    Ok(steps)
}

enum Piece {
    Statement(String),
    /// A line of psql's.
    Meta(String),
    /// A statement whose result psql would use.
    Dropped,
}

struct Script<'a> {
    rest: &'a str,
}

impl Script<'_> {
    fn next(&mut self) -> Option<Piece> {
        self.rest = self.rest.trim_start();
        while self.rest.starts_with("--") {
            self.rest = self.rest.split_once('\n').map_or("", |(_, rest)| rest).trim_start();
        }
        if self.rest.is_empty() {
            return None;
        }
        if self.rest.starts_with('\\') {
            let (line, rest) = self.rest.split_once('\n').unwrap_or((self.rest, ""));
            self.rest = rest;
            return Some(Piece::Meta(line.trim_end().to_owned()));
        }
        let (length, ends_in_meta) = end_of_statement(self.rest);
        let (sql, rest) = self.rest.split_at(length);
        self.rest = rest.strip_prefix(';').unwrap_or(rest);
        if ends_in_meta {
            self.rest = self.rest.split_once('\n').map_or("", |(_, rest)| rest);
            return Some(Piece::Dropped);
        }
        Some(Piece::Statement(sql.trim().to_owned()))
    }

    /// The lines behind a COPY up to `\.`.
    fn data(&mut self) -> Vec<u8> {
        let from = self.rest.split_once('\n').map_or("", |(_, rest)| rest);
        let mut data = Vec::new();
        let mut rest = from;
        while let Some((line, after)) = rest.split_once('\n') {
            rest = after;
            if line.trim_end() == "\\." {
                break;
            }
            data.extend_from_slice(line.as_bytes());
            data.push(b'\n');
        }
        self.rest = rest;
        data
    }
}

/// Where a statement ends, at its semicolon or at a command of psql's; true for the latter.
fn end_of_statement(text: &str) -> (usize, bool) {
    let bytes = text.as_bytes();
    let (mut at, mut depth, mut atomic) = (0, 0_usize, 0_usize);
    while at < bytes.len() {
        let rest = &text.as_bytes()[at..];
        let word_before = at > 0 && (bytes[at - 1].is_ascii_alphanumeric() || bytes[at - 1] == b'_');
        match bytes[at] {
            b'\'' => {
                let escapes = at > 0 && matches!(bytes[at - 1], b'e' | b'E');
                at = end_of_quoted(bytes, at, escapes);
                continue;
            }
            b'"' => {
                at = end_of_quoted(bytes, at, false);
                continue;
            }
            b'-' if rest.starts_with(b"--") => {
                at += rest.iter().position(|byte| *byte == b'\n').unwrap_or(rest.len());
                continue;
            }
            b'/' if rest.starts_with(b"/*") => {
                at += text.get(at..).and_then(|rest| rest.find("*/")).map_or(rest.len(), |end| end + 2);
                continue;
            }
            b'$' if !word_before => {
                if let Some(length) = dollar_quoted(rest) {
                    at += length;
                    continue;
                }
            }
            b'(' | b'[' => depth += 1,
            b')' | b']' => depth = depth.saturating_sub(1),
            b'b' | b'B' if !word_before && is_word(rest, b"begin atomic") => atomic += 1,
            b'c' | b'C' if !word_before && atomic > 0 && is_word(rest, b"case") => atomic += 1,
            b'e' | b'E' if !word_before && atomic > 0 && is_word(rest, b"end") => atomic -= 1,
            b'\\' if depth == 0 => return (at, true),
            b';' if depth == 0 && atomic == 0 => return (at, false),
            _ => {}
        }
        at += 1;
    }
    (bytes.len(), false)
}

fn is_word(rest: &[u8], word: &[u8]) -> bool {
    let same = rest.get(..word.len()).is_some_and(|start| start.eq_ignore_ascii_case(word));
    same && rest.get(word.len()).is_none_or(|byte| !byte.is_ascii_alphanumeric() && *byte != b'_')
}

fn end_of_quoted(bytes: &[u8], start: usize, escapes: bool) -> usize {
    let quote = bytes[start];
    let mut at = start + 1;
    while at < bytes.len() {
        match bytes[at] {
            b'\\' if escapes => at += 2,
            byte if byte == quote && bytes.get(at + 1) == Some(&quote) => at += 2,
            byte if byte == quote => return at + 1,
            _ => at += 1,
        }
    }
    bytes.len()
}

fn dollar_quoted(rest: &[u8]) -> Option<usize> {
    let tag = 2 + rest[1..].iter().position(|byte| *byte == b'$')?;
    let name = &rest[1..tag - 1];
    let is_tag = name.first().is_none_or(|byte| !byte.is_ascii_digit())
        && name.iter().all(|byte| byte.is_ascii_alphanumeric() || *byte == b'_');
    let body = rest.get(tag..)?;
    let end = body.windows(tag).position(|window| window == &rest[..tag])?;
    is_tag.then_some(tag + end + tag)
}
