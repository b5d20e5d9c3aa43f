//! A statement's text without its values, for log lines.

use super::lex::{Token, Tokens};

/// The text with every constant replaced by `?`, without comments and with single spaces; at most
/// about `longest` bytes of it.
pub fn normalized(text: &str, longest: usize) -> String {
    let mut normal = String::new();
    let mut end = 0;
    for (token, range) in Tokens::of(text) {
        if normal.len() >= longest {
            normal.push_str(" ...");
            break;
        }
        let Some(part) = text.get(range.clone()) else { break };
        if token == Token::Comment {
            continue;
        }
        if range.start > end && end > 0 {
            normal.push(' ');
        }
        let parameter = normal.ends_with('$') && range.start == end;
        end = range.end;
        match token {
            Token::Quoted if is_name(part) => normal.push_str(part),
            Token::Quoted => {
                normal.push('?');
                // Where backslashes escape, the string goes on behind this quote: nothing after it is
                // certain to be no value.
                if part.ends_with("\\'") && !part.starts_with(['e', 'E']) {
                    normal.push_str(" ...");
                    break;
                }
            }
            Token::Word if part.starts_with(|first: char| first.is_ascii_digit()) && !parameter => {
                normal.push('?');
            }
            Token::Word | Token::Sign => normal.push_str(part),
            Token::Comment => {}
        }
    }
    normal
}

/// True for a name in double quotes that ends: another one has all that follows it in it.
fn is_name(part: &str) -> bool {
    part.len() > 1 && part.starts_with('"') && part.ends_with('"')
}

#[cfg(test)]
mod tests {
    use super::normalized;

    #[test]
    fn no_value_stays() {
        for (text, expected) in [
            (
                "SELECT *  FROM \"T 1\" WHERE a = 17 AND b='x''y' /* 42 */",
                "SELECT * FROM \"T 1\" WHERE a = ? AND b=?",
            ),
            ("INSERT INTO t1 VALUES ($1, -2, E'\\'z', $q$secret$q$)", "INSERT INTO t1 VALUES ($1, -?, ?, ?)"),
            ("SELECT 1.5, 0xFF, x'1F', $12 -- 3", "SELECT ?.?, ?, x?, $12"),
            ("SELECT 'it\\' || 'secret'", "SELECT ? ..."),
            ("SELECT 'never closed", "SELECT ?"),
            ("SELECT \"never closed, 'secret'", "SELECT ?"),
        ] {
            assert_eq!(normalized(text, 1000), expected);
        }
        assert_eq!(normalized(&"a ".repeat(1000), 7), "a a a a ...");
    }
}
