//! A command's text -> what is asked. Words are case-insensitive; values stand in single quotes or
//! bare; a semicolon at the end is allowed.

use router::ids::MoveId;

/// What is asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Command {
    /// Nothing: an empty text.
    Nothing,
    /// SHOW and its subject, in upper case.
    Show(String),
    /// Later commands mean this database.
    Use(String),
    /// Where a tenant lives.
    Where(String),
    /// Is the fleet ready?
    Check,
    /// Read the configuration again.
    Reload,
    /// Begin moves.
    MoveStart {
        /// Tenants, separated by commas.
        tenants: Option<String>,
        /// Shards, as `0-99,200`.
        shards: Option<String>,
        /// The target's name.
        to: String,
        /// Only say what would refuse it.
        dry_run: bool,
    },
    /// One move.
    MoveShow(MoveId),
    /// Undo a move.
    MoveAbort(MoveId),
    /// Remove what is left over.
    MoveGc,
}

/// The text is no command.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("syntax error at or near \"{0}\"")]
pub(super) struct NoCommand(pub(super) String);

/// Reads a command.
pub(super) fn read(text: &str) -> Result<Command, NoCommand> {
    let tokens = tokens(text)?;
    let words: Vec<&str> = tokens.iter().map(String::as_str).collect();
    let upper: Vec<String> = words.iter().map(|word| word.to_ascii_uppercase()).collect();
    let upper: Vec<&str> = upper.iter().map(String::as_str).collect();
    match upper.as_slice() {
        [] => Ok(Command::Nothing),
        ["SHOW", subject] => Ok(Command::Show((*subject).to_owned())),
        ["USE", _] => Ok(Command::Use(tokens[1].clone())),
        ["WHERE", _] => Ok(Command::Where(tokens[1].clone())),
        ["CHECK"] => Ok(Command::Check),
        ["RELOAD"] => Ok(Command::Reload),
        ["MOVE", "GC"] => Ok(Command::MoveGc),
        ["MOVE", "SHOW", _] => move_id(words[2]).map(Command::MoveShow),
        ["MOVE", "ABORT", _] => move_id(words[2]).map(Command::MoveAbort),
        ["MOVE", "START", kind @ ("TENANTS" | "SHARDS"), _, "TO", _, options @ ..] => {
            let value = Some(tokens[3].clone());
            let (tenants, shards) = if *kind == "TENANTS" { (value, None) } else { (None, value) };
            let dry_run = match options {
                [] | ["CONFIRM"] => false,
                ["DRY", "RUN"] | ["DRY", "RUN", "CONFIRM"] => true,
                [other, ..] => return Err(NoCommand((*other).to_owned())),
            };
            Ok(Command::MoveStart { tenants, shards, to: tokens[5].clone(), dry_run })
        }
        _ => Err(NoCommand(words.iter().rev().take(1).copied().collect())),
    }
}

fn move_id(word: &str) -> Result<MoveId, NoCommand> {
    word.parse().map(MoveId).map_err(|_| NoCommand(word.to_owned()))
}

/// Cuts a text into words and quoted values.
fn tokens(text: &str) -> Result<Vec<String>, NoCommand> {
    let mut tokens = Vec::new();
    let mut rest = text.trim().trim_end_matches(';').trim_end();
    while !rest.is_empty() {
        let (token, after) = match rest.strip_prefix('\'') {
            Some(quoted) => quoted_token(quoted).ok_or_else(|| NoCommand(rest.to_owned()))?,
            None => {
                let end = rest.find(char::is_whitespace).unwrap_or(rest.len());
                (rest[..end].to_owned(), &rest[end..])
            }
        };
        tokens.push(token);
        rest = after.trim_start();
    }
    Ok(tokens)
}

fn quoted_token(quoted: &str) -> Option<(String, &str)> {
    let mut token = String::new();
    let mut rest = quoted;
    loop {
        let end = rest.find('\'')?;
        token.push_str(&rest[..end]);
        rest = &rest[end + 1..];
        match rest.strip_prefix('\'') {
            Some(more) => {
                token.push('\'');
                rest = more;
            }
            None => return Some((token, rest)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_are_read_whatever_their_case() {
        assert_eq!(read("show pools;"), Ok(Command::Show("POOLS".into())));
        assert_eq!(read("WHERE 'o''neil'"), Ok(Command::Where("o'neil".into())));
        assert_eq!(read("move abort 7"), Ok(Command::MoveAbort(MoveId(7))));
        assert_eq!(read("  ;"), Ok(Command::Nothing));
        assert_eq!(
            read("MOVE START TENANTS '1,2' TO beta DRY RUN"),
            Ok(Command::MoveStart {
                tenants: Some("1,2".into()),
                shards: None,
                to: "beta".into(),
                dry_run: true
            })
        );
    }

    #[test]
    fn what_is_no_command_is_named() {
        for text in ["SELECT 1", "MOVE ABORT x", "WHERE 'open", "MOVE START TENANTS 1 TO beta AT once"] {
            assert!(read(text).is_err(), "{text}");
        }
    }
}
