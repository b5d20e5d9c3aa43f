//! Where a server's error points: into the text that the server got, which may be the client's with a
//! tenant's condition put in, or one statement of several. The client is told the place in its own text.

use router::plan::Leg;

use crate::wire::view::Fields;

/// From the text that a server got to the client's.
#[derive(Debug, Clone, Copy)]
pub struct Aim<'a> {
    /// What the client asked for.
    pub asked: &'a str,
    /// What the server got; `None` where servers got different texts.
    pub sent: Option<&'a str>,
    /// How many characters stand before it in the client's message.
    pub before: usize,
}

impl<'a> Aim<'a> {
    /// The aim of a statement that runs as these legs.
    pub fn of(asked: &'a str, legs: &'a [Leg], before: usize) -> Aim<'a> {
        let mut texts = legs.iter().map(|leg| leg.text.as_deref().unwrap_or(asked));
        let first = texts.next().unwrap_or(asked);
        Aim { asked, sent: texts.all(|text| text == first).then_some(first), before }
    }

    /// The error as it points into the client's text; where it points at what the client never wrote, it
    /// points nowhere.
    pub fn correct(&self, error: &Fields) -> Fields {
        let place = error.get(b'P').and_then(|place| place.parse().ok());
        let place = place.and_then(|place| self.place(place)).map(|place| place.to_string());
        let other = error.iter().filter(|(letter, _)| *letter != b'P');
        let other = other.map(|(letter, value)| (letter, value.to_owned()));
        Fields::new(other.chain(place.map(|place| (b'P', place))).collect())
    }

    /// A place counts characters from 1.
    fn place(&self, place: usize) -> Option<usize> {
        let sent = self.sent?;
        if sent == self.asked {
            return Some(place + self.before);
        }
        let (asked, sent) = (words(self.asked), words(sent));
        let index = place.checked_sub(1)?;
        let number = sent.iter().position(|word| word.at + word.length() > index)?;
        let alike = asked.iter().zip(&sent).take_while(|(asked, sent)| asked.is(sent)).count();
        let its = match number.checked_sub(alike) {
            None => number,
            Some(behind) => alike + origin(&asked[alike..], &sent[alike..], behind)?,
        };
        Some(asked.get(its)?.at + (index - sent[number].at) + 1 + self.before)
    }
}

/// A word of a text, or a sign.
struct Word<'a> {
    text: &'a str,
    /// How many characters stand before it.
    at: usize,
}

impl Word<'_> {
    fn length(&self) -> usize {
        self.text.chars().count()
    }

    /// The same word: a tree is printed with its keywords in capitals.
    fn is(&self, other: &Word<'_>) -> bool {
        self.text.eq_ignore_ascii_case(other.text)
    }
}

/// A text's words and the signs between them.
fn words(text: &str) -> Vec<Word<'_>> {
    let (mut words, mut rest, mut at) = (Vec::new(), text, 0);
    while let Some(first) = rest.chars().next() {
        let is_in_word = |character: char| character.is_alphanumeric() || character == '_';
        let end = match is_in_word(first) {
            true => rest.find(|character| !is_in_word(character)).unwrap_or(rest.len()),
            false => first.len_utf8(),
        };
        let (text, after) = rest.split_at(end);
        words.push(Word { text, at });
        (rest, at) = (after, at + text.chars().count());
    }
    words
}

/// Which word of `asked` became that of `sent`, where `sent` is `asked` with something put in at as few
/// places as may be; `None` where it was put in, or where the texts are too long for that question.
fn origin(asked: &[Word<'_>], sent: &[Word<'_>], index: usize) -> Option<usize> {
    const LONGEST: usize = 1000;
    const NEVER: u16 = u16::MAX;
    if asked.len() > LONGEST || sent.len() > LONGEST {
        return None;
    }
    let alike = |taken: usize, read: usize| asked.get(taken).is_some_and(|word| word.is(&sent[read]));
    // How many places it takes at least from here on: where the word before was the client's, and
    // where it was put in.
    let width = asked.len() + 1;
    let mut places = vec![[NEVER; 2]; width * (sent.len() + 1)];
    let at = |taken: usize, read: usize| read * width + taken;
    places[at(asked.len(), sent.len())] = [0; 2];
    for read in (0..sent.len()).rev() {
        for taken in (0..width).rev() {
            let kept = match alike(taken, read) {
                true => places[at(taken + 1, read + 1)][0],
                false => NEVER,
            };
            let put_in = places[at(taken, read + 1)][1];
            places[at(taken, read)] = [kept.min(put_in.saturating_add(1)), kept.min(put_in)];
        }
    }
    let (mut taken, mut before) = (0, 0);
    for read in 0..index {
        let here = places[at(taken, read)][before];
        let kept = alike(taken, read) && places[at(taken + 1, read + 1)][0] == here;
        (taken, before) = if kept { (taken + 1, 0) } else { (taken, 1) };
    }
    let here = places[at(taken, index)][before];
    let kept = alike(taken, index) && places[at(taken + 1, index + 1)][0] == here;
    (here != NEVER && kept).then_some(taken)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(asked: &str, sent: &str, place: usize) -> Option<usize> {
        Aim { asked, sent: Some(sent), before: 0 }.place(place)
    }

    #[test]
    fn what_was_put_in_moves_what_stands_behind_it() {
        let (asked, sent) = ("a WHERE b", "a WHERE (t = 1) AND (b)");
        assert_eq!(place(asked, sent, 1), Some(1));
        assert_eq!(place(asked, sent, 10), None, "the client did not write that");
        assert_eq!(place(asked, sent, 22), Some(9));
        let (asked, sent) = (
            "FROM n WHERE id = 1 AND id = nope ORDER BY id",
            "FROM n WHERE (tenant_id = 1) AND (id = 1 AND id = nope) ORDER BY id",
        );
        for word in ["id = 1 AND", "nope", "ORDER"] {
            let (there, here) = (sent.find(word).map(|at| at + 1), asked.find(word).map(|at| at + 1));
            assert_eq!(place(asked, sent, there.unwrap_or_default()), here, "{word}");
        }
        assert_eq!(place("select nope from n", "SELECT nope FROM n", 8), Some(8), "printed in capitals");
        let (asked, sent) = ("\u{e4} nope ORDER BY x", "\u{e4} (t = 1) nope ORDER BY x");
        assert_eq!(place(asked, sent, 11), Some(3));
        assert_eq!(place(asked, sent, sent.chars().count()), Some(asked.chars().count()));
    }

    #[test]
    fn places_out_of_the_text_point_nowhere() {
        for at in [0, 9, usize::MAX] {
            assert_eq!(place("a b", "a x b", at), None);
        }
        assert_eq!(place("a b", "a x b", 5), Some(3));
        assert_eq!(place("WHERE nope", "WHERE n.t = 1 AND nope", 19), Some(7), "a word is whole");
        assert_eq!(place("ab", "xyz", 2), None, "something else altogether");
    }

    #[test]
    fn one_of_several_statements_points_into_their_message() {
        let aim = Aim { asked: "SELECT x", sent: Some("SELECT x"), before: 10 };
        assert_eq!(aim.place(8), Some(18));
        let fields = Fields::new(vec![(b'M', "no".into()), (b'P', "8".into())]);
        assert_eq!(aim.correct(&fields).get(b'P'), Some("18"));
    }
}
