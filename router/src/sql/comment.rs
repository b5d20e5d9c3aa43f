//! The tenant that a comment names: `/*tenant='acme'*/`, or among the other pairs that sqlcommenter
//! writes, `/*action='list',tenant='a%20b'*/`.

use std::fmt::Write;

use super::lex::{Token, Tokens};

/// The tenant named by the comments of a statement's text; `None` where none or several are named.
pub(super) fn tenant_of(text: &str) -> Option<String> {
    if !text.contains("/*") {
        return None;
    }
    let comments = Tokens::of(text).filter(|(token, _)| *token == Token::Comment);
    let mut tenants = comments.filter_map(|(_, range)| pair(text.get(range)?));
    let first = tenants.next()?;
    tenants.all(|tenant| tenant == first).then_some(first)
}

/// The comment that names this tenant.
pub fn tenant_comment(tenant: &str) -> String {
    let mut value = String::new();
    for byte in tenant.bytes() {
        match byte.is_ascii_alphanumeric() {
            true => value.push(char::from(byte)),
            false => {
                let _ = write!(value, "%{byte:02X}");
            }
        }
    }
    format!("/*tenant='{value}'*/")
}

fn pair(comment: &str) -> Option<String> {
    let inside = comment.strip_prefix("/*")?.strip_suffix("*/")?;
    let mut found = inside.match_indices("tenant='").filter(|(at, _)| {
        let before = inside[..*at].trim_end();
        before.is_empty() || before.ends_with(',')
    });
    let (at, prefix) = found.next()?;
    let rest = &inside[at + prefix.len()..];
    let mut value = String::new();
    let mut characters = rest.chars();
    loop {
        match characters.next()? {
            '\'' => break,
            '\\' => value.push(characters.next()?),
            character => value.push(character),
        }
    }
    decoded(&value)
}

/// Takes percent-encoding away.
fn decoded(value: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(value.len());
    let mut rest = value.bytes();
    while let Some(byte) = rest.next() {
        let digit = |byte: Option<u8>| byte.and_then(|byte| (byte as char).to_digit(16));
        bytes.push(match byte {
            b'%' => (digit(rest.next())? * 16 + digit(rest.next())?) as u8,
            byte => byte,
        });
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_comment_names_any_tenant() {
        for tenant in ["acme", "a b", "o'neil", "*/ select 1 /*", "-7", "ärger%41\\", ""] {
            assert_eq!(tenant_of(&format!("{} SELECT 1", tenant_comment(tenant))).as_deref(), Some(tenant));
        }
    }

    #[test]
    fn a_tenant_in_a_comment_is_found() {
        for (text, tenant) in [
            ("/*tenant='acme'*/ select 1", Some("acme")),
            ("select 1 /*action='list',tenant='a%20b'*/", Some("a b")),
            ("select 1 /* tenant='o\\'neil' */", Some("o'neil")),
            ("select '/*tenant=''acme''*/'", None),
            ("select 1 /*subtenant='acme'*/", None),
            ("/*tenant='a'*/ select 1 /*tenant='b'*/", None),
            ("select 1 -- tenant='acme'", None),
            ("select 1 /*tenant='acme*/", None),
        ] {
            assert_eq!(tenant_of(text).as_deref(), tenant, "{text}");
        }
    }
}
