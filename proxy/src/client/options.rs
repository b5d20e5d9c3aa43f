//! The `options` of a StartupMessage: `-c name=value --name=value`, as libpq's PGOPTIONS has them.

use crate::error::ClientError;

/// The settings that `options` holds, in their order. Spaces part words, a backslash keeps the next
/// character (PostgreSQL's `pg_split_opts`); `-` in a name stands for `_`.
pub(super) fn settings(options: &str) -> Result<Vec<(String, String)>, ClientError> {
    let mut words = words(options).into_iter();
    let mut settings = Vec::new();
    while let Some(word) = words.next() {
        let setting = match word.strip_prefix("--").or_else(|| word.strip_prefix("-c")) {
            Some("") if word == "-c" => words.next().ok_or_else(|| invalid(&word))?,
            Some("") | None => return Err(invalid(&word)),
            Some(setting) => setting.to_owned(),
        };
        let (name, value) = setting.split_once('=').ok_or_else(|| no_value(&word, &setting))?;
        if name.is_empty() {
            return Err(invalid(&word));
        }
        settings.push((name.replace('-', "_"), value.to_owned()));
    }
    Ok(settings)
}

fn invalid(word: &str) -> ClientError {
    ClientError::fatal("42601", format!("invalid command-line argument for server process: {word}"))
        .hint("options may hold -c name=value and --name=value")
}

fn no_value(word: &str, setting: &str) -> ClientError {
    let dashes = if word.starts_with("--") { "--" } else { "-c " };
    ClientError::fatal("42601", format!("{dashes}{setting} requires a value"))
}

fn words(options: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut characters = options.chars();
    while let Some(character) = characters.next() {
        match character {
            ' ' | '\t' | '\n' | '\r' | '\x0b' | '\x0c' => words.extend(word.take()),
            '\\' => word.get_or_insert_default().extend(characters.next()),
            other => word.get_or_insert_default().push(other),
        }
    }
    words.extend(word);
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_spelling_gives_the_setting() {
        let pairs = |options: &str| settings(options).map_err(|error| error.sqlstate);
        let expected = |pairs: &[(&str, &str)]| {
            Ok(pairs.iter().map(|(name, value)| (name.to_string(), value.to_string())).collect::<Vec<_>>())
        };
        assert_eq!(pairs(""), expected(&[]));
        assert_eq!(pairs("-c a=b"), expected(&[("a", "b")]));
        assert_eq!(pairs("-ca=b --c-d=e"), expected(&[("a", "b"), ("c_d", "e")]));
        assert_eq!(pairs(r"-c app.tenant=o\ neil\\x"), expected(&[("app.tenant", r"o neil\x")]));
        assert_eq!(pairs("  -c search_path=a,b=c "), expected(&[("search_path", "a,b=c")]));
        assert_eq!(pairs("-c a="), expected(&[("a", "")]));
        for faulty in ["-c", "-c a", "--a", "--", "-d 5", "words", "-c =5"] {
            assert_eq!(pairs(faulty), Err("42601"), "{faulty}");
        }
    }
}
