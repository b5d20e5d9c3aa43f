//! Client encodings: a text's bytes <-> the text.
//!
//! Statements and keys are thought about in UTF-8; a client may write them in any encoding of one byte a
//! character, of which the first 128 are ASCII's. In those of several bytes a quote may be half of a
//! character; they are not read. `encodings.txt` has PostgreSQL's own tables: of each encoding the first
//! byte that differs from ISO 8859-1 and the code points from there on; `-` where the byte means nothing.

use std::borrow::Cow;
use std::sync::LazyLock;

use bytes::BytesMut;

use super::write;

/// How a client or a connection writes texts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Encoding(Option<&'static Table>);

/// What the bytes from 128 on mean.
#[derive(Debug, PartialEq, Eq)]
struct Table {
    name: &'static str,
    characters: [Option<char>; 128],
}

/// A byte that means nothing in its encoding.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NoCharacter(pub u8);

static TABLES: LazyLock<Vec<Table>> = LazyLock::new(|| {
    let latin1 = Table { name: "LATIN1", characters: std::array::from_fn(latin1) };
    include_str!("encodings.txt").lines().filter_map(Table::read).chain([latin1]).collect()
});

/// What the byte `128 + index` is in ISO 8859-1.
fn latin1(index: usize) -> Option<char> {
    u8::try_from(128 + index).ok().map(char::from)
}

impl Table {
    fn read(line: &'static str) -> Option<Table> {
        let mut words = line.split(' ');
        let name = words.next()?;
        let first = usize::from_str_radix(words.next()?, 16).ok()?.checked_sub(128)?;
        let mut characters = std::array::from_fn(latin1);
        for (character, word) in characters.get_mut(first..)?.iter_mut().zip(words) {
            *character = u32::from_str_radix(word, 16).ok().and_then(char::from_u32);
        }
        Some(Table { name, characters })
    }

    fn character(&self, byte: u8) -> Option<char> {
        match usize::from(byte).checked_sub(128) {
            None => Some(char::from(byte)),
            Some(index) => self.characters.get(index).copied().flatten(),
        }
    }

    fn byte(&self, character: char) -> Option<u8> {
        if character.is_ascii() {
            return u8::try_from(character).ok();
        }
        let index = self.characters.iter().position(|known| *known == Some(character))?;
        u8::try_from(128 + index).ok()
    }
}

impl Encoding {
    /// UTF-8, which the servers store; SQL_ASCII too, where a text's bytes are what they are.
    pub const UTF8: Encoding = Encoding(None);

    /// The encoding that PostgreSQL knows by this name; `None` where it is not one of those that are read.
    pub fn named(name: &str) -> Option<Encoding> {
        let plain = plain(name);
        let name = match plain.as_str() {
            "utf8" | "unicode" | "sqlascii" | "default" | "" => return Some(Encoding::UTF8),
            "iso88591" => "latin1",
            "iso88592" => "latin2",
            "iso88593" => "latin3",
            "iso88594" => "latin4",
            "iso88599" => "latin5",
            "iso885910" => "latin6",
            "iso885913" => "latin7",
            "iso885914" => "latin8",
            "iso885915" => "latin9",
            "iso885916" => "latin10",
            "abc" | "tcvn" | "tcvn5712" | "vscii" => "win1258",
            "alt" => "win866",
            "win" => "win1251",
            "koi8" => "koi8r",
            other => other,
        };
        let number = name.strip_prefix("windows").filter(|number| !number.is_empty());
        let name = number.map_or_else(|| name.to_owned(), |number| format!("win{number}"));
        let is_named = |table: &&Table| table.name.replace('_', "").eq_ignore_ascii_case(&name);
        TABLES.iter().find(is_named).map(|table| Encoding(Some(table)))
    }

    /// True for PostgreSQL's other encodings, of several bytes a character.
    pub fn is_wide(name: &str) -> bool {
        const WIDE: [&str; 26] = [
            "big5",
            "euccn",
            "eucjis2004",
            "eucjp",
            "euckr",
            "euctw",
            "gb18030",
            "gbk",
            "johab",
            "mskanji",
            "muleinternal",
            "shiftjis",
            "shiftjis2004",
            "sjis",
            "uhc",
            "win932",
            "win936",
            "win949",
            "win950",
            "windows932",
            "windows936",
            "windows949",
            "windows950",
            "eucjisx0213",
            "shiftjisx0213",
            "mule",
        ];
        WIDE.contains(&plain(name).as_str())
    }

    /// True where texts need not be UTF-8.
    pub fn is_foreign(self) -> bool {
        self.0.is_some()
    }

    /// PostgreSQL's name.
    pub fn name(self) -> &'static str {
        self.0.map_or("UTF8", |table| table.name)
    }

    /// A foreign text; one in UTF-8 is its reader's to check.
    ///
    /// # Errors
    /// A byte that means nothing.
    pub fn read(self, bytes: &[u8]) -> Result<String, NoCharacter> {
        let Some(table) = self.0 else { return Ok(String::from_utf8_lossy(bytes).into_owned()) };
        bytes.iter().map(|byte| table.character(*byte).ok_or(NoCharacter(*byte))).collect()
    }

    /// A text's bytes; `None` where it has a character that the encoding has not.
    pub fn write(self, text: &str) -> Option<Cow<'_, [u8]>> {
        match self.0 {
            Some(table) if !text.is_ascii() => text
                .chars()
                .map(|character| table.byte(character))
                .collect::<Option<Vec<u8>>>()
                .map(Cow::Owned),
            Some(_) | None => Some(Cow::Borrowed(text.as_bytes())),
        }
    }

    /// The errors and notices at the end of `out`, from `at` on, which were written in UTF-8, in this
    /// encoding; a character that it has not becomes a question mark.
    pub fn rewrite_fields(self, out: &mut BytesMut, at: usize) {
        let Some(table) = self.0.filter(|_| !out[at..].is_ascii()) else { return };
        let mut messages = out.split_off(at);
        while let Ok(Some(frame)) = super::cut(&mut messages, usize::MAX) {
            let text = String::from_utf8_lossy(frame.body());
            let body: Vec<u8> = text.chars().map(|character| table.byte(character).unwrap_or(b'?')).collect();
            write::raw(out, frame.tag(), &body);
        }
    }
}

/// A name as PostgreSQL compares it.
fn plain(name: &str) -> String {
    let letters = name.chars().filter(char::is_ascii_alphanumeric);
    letters.map(|letter| letter.to_ascii_lowercase()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::cut;
    use crate::wire::view::{Fields, error_fields};

    #[test]
    fn encodings_have_postgresqls_names_and_aliases() {
        let names = [
            ("latin1", "LATIN1"),
            ("ISO_8859_1", "LATIN1"),
            ("iso-8859-15", "LATIN9"),
            ("Windows-1252", "WIN1252"),
            ("win1252", "WIN1252"),
            ("KOI8", "KOI8R"),
            ("ISO_8859_5", "ISO_8859_5"),
            ("windows874", "WIN874"),
            ("UTF-8", "UTF8"),
            ("sql_ascii", "UTF8"),
        ];
        for (given, name) in names {
            assert_eq!(Encoding::named(given).map(Encoding::name), Some(name), "{given}");
        }
        for given in
            ["SJIS", "BIG5", "GBK", "EUC_JP", "GB18030", "UHC", "JOHAB", "latin99", "windows", "ows1252"]
        {
            assert_eq!(Encoding::named(given), None, "{given}");
        }
    }

    #[test]
    fn what_was_read_is_written_again_as_it_was() {
        for table in TABLES.iter() {
            let encoding = Encoding(Some(table));
            let bytes: Vec<u8> = (1..=255).filter(|byte| table.character(*byte).is_some()).collect();
            let text = encoding.read(&bytes).unwrap();
            assert_eq!(encoding.write(&text).as_deref(), Some(bytes.as_slice()), "{}", table.name);
        }
        let latin1 = Encoding::named("latin1").unwrap();
        assert_eq!((latin1.read(b"caf\xe9").as_deref(), latin1.write("5 €")), (Ok("café"), None));
        assert_eq!(Encoding::named("win1252").unwrap().read(b"\x81"), Err(NoCharacter(0x81)));
    }

    #[test]
    fn an_error_is_told_in_the_clients_encoding() {
        let mut out = BytesMut::from(&b"before"[..]);
        write::error(&mut out, &Fields::new(vec![(b'C', "42601".into()), (b'M', "é of €".into())]));
        Encoding::named("latin1").unwrap().rewrite_fields(&mut out, 6);
        let frame = cut(&mut out.split_off(6), 1000).unwrap().unwrap();
        assert!(frame.body().ends_with(b"M\xe9 of ?\0\0"), "{:?}", frame.body());
        assert_eq!(error_fields(&frame).sqlstate(), "42601");
    }
}
