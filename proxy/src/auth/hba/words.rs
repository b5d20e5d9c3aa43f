//! Lines and words of PostgreSQL's authentication files: blanks part fields, commas the words of one
//! field, quotes take away a word's meaning, `#` begins a comment, a backslash at the end of a line
//! continues it.

/// What is wrong in a line.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {what}")]
pub struct LineFault {
    /// The line, from 1.
    pub line: usize,
    /// What is wrong.
    pub what: String,
}

/// One word.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Word {
    pub(super) text: String,
    /// It stood in quotes: then it is a name and nothing else.
    pub(super) quoted: bool,
}

impl Word {
    /// True where it is this keyword.
    pub(super) fn is(&self, keyword: &str) -> bool {
        !self.quoted && self.text == keyword
    }
}

/// One line's fields, each with its words.
pub(super) struct Line {
    /// Its number, from 1.
    pub(super) number: usize,
    pub(super) fields: Vec<Vec<Word>>,
}

/// The lines that hold something.
pub(super) fn lines(text: &str) -> Result<Vec<Line>, LineFault> {
    let mut lines = Vec::new();
    let (mut joined, mut begun) = (String::new(), 1);
    for (index, line) in text.lines().enumerate() {
        if joined.is_empty() {
            begun = index + 1;
        }
        if let Some(continued) = line.strip_suffix('\\') {
            joined.push_str(continued);
            continue;
        }
        joined.push_str(line);
        let fields = fields(&joined).map_err(|what| LineFault { line: begun, what: what.into() })?;
        if !fields.is_empty() {
            lines.push(Line { number: begun, fields });
        }
        joined.clear();
    }
    Ok(lines)
}

fn fields(line: &str) -> Result<Vec<Vec<Word>>, &'static str> {
    let mut fields: Vec<Vec<Word>> = Vec::new();
    let mut characters = line.chars().peekable();
    // After a comma the field goes on, blanks or not.
    let mut goes_on = false;
    while let Some(&character) = characters.peek() {
        match character {
            '#' => break,
            ',' => {
                characters.next();
                goes_on = true;
            }
            blank if blank.is_whitespace() => {
                characters.next();
            }
            _ => {
                let word = word(&mut characters)?;
                match fields.last_mut().filter(|_| goes_on) {
                    Some(field) => field.push(word),
                    None => fields.push(vec![word]),
                }
                goes_on = false;
            }
        }
    }
    Ok(fields)
}

fn word(characters: &mut std::iter::Peekable<std::str::Chars<'_>>) -> Result<Word, &'static str> {
    let (mut text, mut quoted, mut open) = (String::new(), false, false);
    while let Some(&character) = characters.peek() {
        match character {
            '"' => {
                (quoted, open) = (true, !open);
                characters.next();
                // Two quotes within quotes are one.
                if !open && characters.peek() == Some(&'"') {
                    text.push('"');
                    characters.next();
                    open = true;
                }
            }
            ',' | '#' if !open => break,
            blank if blank.is_whitespace() && !open => break,
            other => {
                text.push(other);
                characters.next();
            }
        }
    }
    if open { Err("a quote is not closed") } else { Ok(Word { text, quoted }) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &str) -> Vec<String> {
        let show = |word: &Word| if word.quoted { format!("\"{}\"", word.text) } else { word.text.clone() };
        let field = |field: &Vec<Word>| field.iter().map(show).collect::<Vec<_>>().join("+");
        let line = |line: &Line| {
            let fields: Vec<String> = line.fields.iter().map(field).collect();
            format!("{}: {}", line.number, fields.join(" "))
        };
        lines(text).expect("sound").iter().map(line).collect()
    }

    #[test]
    fn lines_and_words_are_postgresqls() {
        let text = "# all\n\nlocal  all\tall trust # why\nhost a,\"b c\", d \\\n all\n\"say \"\"x\"\"\"";
        let expected = ["3: local all all trust", "4: host a+\"b c\"+d all", "6: \"say \"x\"\""];
        assert_eq!(shown(text), expected);
        assert!(lines("a\nb \"c").is_err_and(|fault| fault.line == 2));
    }
}
