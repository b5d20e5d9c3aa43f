//! PgBouncer's `userlist.txt`: `"user" "password or secret"`, one a line.

use zeroize::Zeroizing;

use super::hba::LineFault;

/// The users of a file, each with its password or secret; an empty one is a user without password.
///
/// # Errors
/// The first [`LineFault`].
pub fn userlist(text: &str) -> Result<Vec<(String, Zeroizing<String>)>, LineFault> {
    let mut users: Vec<(String, Zeroizing<String>)> = Vec::new();
    for (index, line) in text.lines().enumerate() {
        let fault = |what: &str| LineFault { line: index + 1, what: what.into() };
        let line = line.trim_start();
        if line.is_empty() || line.starts_with([';', '#']) {
            continue;
        }
        let not_a_line = || fault("a line is \"user\" \"password\"");
        let (user, rest) = quoted(line).ok_or_else(not_a_line)?;
        let (secret, _) = quoted(rest.trim_start()).ok_or_else(not_a_line)?;
        if user.is_empty() {
            return Err(fault("the user has no name"));
        }
        if users.iter().any(|(other, _)| *other == user) {
            return Err(fault("the user stands there twice"));
        }
        users.push((user, Zeroizing::new(secret)));
    }
    Ok(users)
}

/// A text in quotes, two of which within are one; and what follows it.
fn quoted(text: &str) -> Option<(String, &str)> {
    let mut rest = text.strip_prefix('"')?;
    let mut value = String::new();
    loop {
        let (part, after) = rest.split_once('"')?;
        value.push_str(part);
        match after.strip_prefix('"') {
            Some(more) => {
                value.push('"');
                rest = more;
            }
            None => return Some((value, after)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn users_are_read_as_pgbouncer_reads_them() {
        let read = userlist("; a comment\n\"app\" \"se\"\"cret\"\n\n  \"other\" \"md5abc\" what follows\n")
            .expect("sound");
        let read: Vec<(&str, &str)> =
            read.iter().map(|(user, secret)| (user.as_str(), secret.as_str())).collect();
        assert_eq!(read, [("app", "se\"cret"), ("other", "md5abc")]);
        for (text, line) in [("app secret", 1), ("\n\"app\"", 2), ("\"a\" \"b\"\n\"a\" \"c\"", 2), ("\"a", 1)]
        {
            assert_eq!(userlist(text).map_err(|fault| fault.line), Err(line), "{text}");
        }
    }
}
