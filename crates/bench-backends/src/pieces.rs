//! Texts that servers send either piece by piece or, every time, as a whole so far.

/// Bytes at the beginning and at the end of a text that are kept, to see whether the next one
/// continues it.
const KEPT: usize = 32;

/// What stands for bytes that are no character yet.
const REPLACEMENT: char = char::REPLACEMENT_CHARACTER;

/// Finds what is new in each text of a stream, whether its texts are pieces or wholes.
///
/// The stream does not say which, so its texts must. A text *continues* the one before if it
/// begins with it, where `U+FFFD` at the end of the one before may have become something else.
/// Empty texts say nothing, and neither does what follows on nothing but `U+FFFD`.
///
/// - A text that does not continue the one before shows that they are pieces, for good.
/// - A text that continues the one before and is longer is taken for a whole; two of them settle
///   it. That a piece happens to begin with all of the one before (` a`, ` and`, or `-`, `--`,
///   `---`) is rare; a later piece shows it, and until then only what is repeated is lost.
/// - A text that equals the one before is a repeated piece or a whole that has not grown; the
///   caller's [`Hint`] decides until it is settled.
/// - Once it is settled that they are wholes, a text that does not continue the one before but
///   begins as that did was shortened by the server, which does so to take back a stop string:
///   nothing is new. One that begins otherwise still shows that they are pieces, unless
///   [`Hint::Whole`] has said that they are not.
///
/// It costs the same however long the texts have become: of the one before only its length and
/// its first and last bytes are kept.
#[derive(Debug, Default)]
pub(crate) struct Pieces {
    shape: Shape,
    before: Before,
}

/// What the caller knows about a text besides its content.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Hint {
    /// It is a whole.
    Whole,
    /// If it equals the one before, it is a repeated piece.
    Grown,
    /// If it equals the one before, nothing is new.
    Nothing,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Shape {
    #[default]
    Unknown,
    /// One text continued the one before.
    Likely,
    /// Two did.
    Wholes,
    /// The caller said that they are wholes.
    Told,
    Pieces,
}

/// The text before.
#[derive(Debug, Default)]
struct Before {
    /// Its length in bytes up to the replacement characters at its end.
    stable: usize,
    /// Its length in bytes.
    length: usize,
    /// The first bytes, and the last ones up to `stable`.
    head: [u8; KEPT],
    tail: [u8; KEPT],
}

impl Pieces {
    /// What is new in `text`.
    #[inline]
    pub(crate) fn new_in<'t>(&mut self, text: &'t str, hint: Hint) -> &'t str {
        if self.shape == Shape::Pieces || text.is_empty() {
            return text;
        }
        if hint == Hint::Whole {
            self.shape = Shape::Told;
        }
        if self.before.length == 0 {
            self.before = Before::of(text);
            return text;
        }
        let new = match self.before.continued_by(text) {
            None if self.shape == Shape::Told => "",
            None if self.shape == Shape::Wholes && self.before.begins_like(text) => "",
            None => {
                self.shape = Shape::Pieces;
                text
            }
            Some("") if hint == Hint::Grown && !self.shape.is_settled() => text,
            Some("") => "",
            Some(new) if self.before.stable == 0 => new,
            Some(new) => {
                self.shape = match self.shape {
                    Shape::Unknown => Shape::Likely,
                    Shape::Likely => Shape::Wholes,
                    settled => settled,
                };
                new
            }
        };
        self.before = Before::of(text);
        new
    }
}

impl Shape {
    fn is_settled(self) -> bool {
        !matches!(self, Shape::Unknown | Shape::Likely)
    }
}

impl Before {
    fn of(text: &str) -> Before {
        let stable = text.trim_end_matches(REPLACEMENT).len();
        let (mut head, mut tail) = ([0; KEPT], [0; KEPT]);
        let kept = stable.min(KEPT);
        head[..kept].copy_from_slice(&text.as_bytes()[..kept]);
        tail[..kept].copy_from_slice(&text.as_bytes()[stable - kept..stable]);
        Before {
            stable,
            length: text.len(),
            head,
            tail,
        }
    }

    /// What follows in `text` on this one; `None` if it does not continue it.
    fn continued_by<'t>(&self, text: &'t str) -> Option<&'t str> {
        let tail = &self.tail[..self.stable.min(KEPT)];
        let (beginning, rest) = text.split_at_checked(self.stable)?;
        if !beginning.as_bytes().ends_with(tail) {
            return None;
        }
        let replaced = self.length - self.stable;
        match rest.split_at_checked(replaced) {
            Some((same, new)) if same.chars().all(|c| c == REPLACEMENT) => Some(new),
            _ => Some(rest),
        }
    }

    /// Whether `text` begins like this one, as far as both go and the first bytes tell.
    fn begins_like(&self, text: &str) -> bool {
        let text = text.trim_end_matches(REPLACEMENT).as_bytes();
        let both = text.len().min(self.stable).min(KEPT);
        text[..both] == self.head[..both]
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(texts: &[&str], hint: Hint) -> Vec<String> {
        let mut pieces = Pieces::default();
        let new = |text: &&str| pieces.new_in(text, hint).to_owned();
        texts.iter().map(new).collect()
    }

    #[test]
    fn wholes_give_what_is_new() {
        let texts = ["", "a", "ab", "ab", "", "abc\u{e9}", "abc\u{e9} d"];
        let new = ["", "a", "b", "", "", "c\u{e9}", " d"];
        assert_eq!(read(&texts, Hint::Nothing), new);
        // The equal text comes when it is settled.
        let texts = ["", "a", "ab", "abc\u{e9}", "", "abc\u{e9}", "abc\u{e9} d"];
        let new = ["", "a", "b", "c\u{e9}", "", "", " d"];
        assert_eq!(read(&texts, Hint::Grown), new);
    }

    #[test]
    fn pieces_are_new_as_they_are() {
        let texts = ["Hello", " world", " world", "!", " world! And", ""];
        assert_eq!(read(&texts, Hint::Grown), texts);
        assert_eq!(read(&texts, Hint::Nothing), texts);
    }

    #[test]
    fn equal_texts_at_the_beginning_are_for_the_hint_to_decide() {
        let texts = ["\n", "\n", "\n", "So"];
        assert_eq!(read(&texts, Hint::Grown), texts);
        assert_eq!(read(&texts, Hint::Nothing), ["\n", "", "", "So"]);
        // A whole that has not grown, at the same place, is told from a piece by the next.
        let texts = ["a", "a", "ab", "abc"];
        assert_eq!(read(&texts, Hint::Grown), ["a", "a", "b", "c"]);
    }

    #[test]
    fn a_piece_that_begins_like_the_one_before_costs_its_beginning_once() {
        let texts = [" a", " and", " a", " and"];
        assert_eq!(read(&texts, Hint::Grown), [" a", "nd", " a", " and"]);
        // Repeated, the hint decides.
        let texts = [" a", " and", " and", " so"];
        assert_eq!(read(&texts, Hint::Grown), [" a", "nd", " and", " so"]);
        assert_eq!(read(&texts, Hint::Nothing), [" a", "nd", "", " so"]);
    }

    #[test]
    fn pieces_that_look_like_wholes_do_not_cost_the_rest() {
        for hint in [Hint::Grown, Hint::Nothing] {
            let texts = ["-", "--", "---", "x", "-", "--"];
            assert_eq!(read(&texts, hint), ["-", "-", "-", "x", "-", "--"]);
            let long = "a line of more than thirty-two bytes";
            let longer = format!("{long}, and {long}");
            let texts = ["a", long, &longer, "x", "x"];
            assert_eq!(read(&texts, hint)[3..], ["x", "x"]);
        }
    }

    #[test]
    fn what_follows_on_half_a_character_shows_nothing() {
        for hint in [Hint::Grown, Hint::Nothing] {
            let texts = ["\u{FFFD}", "x", "x=", "y", "x", "y"];
            let new = ["\u{FFFD}", "x", "=", "y", "x", "y"];
            assert_eq!(read(&texts, hint), new);
        }
        // Nor is anything of a whole lost.
        let texts = ["\u{FFFD}", "\u{e9}", "\u{e9}a", "\u{e9}ab"];
        assert_eq!(read(&texts, Hint::Grown), ["\u{FFFD}", "\u{e9}", "a", "b"]);
    }

    #[test]
    fn replacement_characters_may_become_others() {
        let texts = [
            "a\u{FFFD}",
            "a\u{e9}",
            "a\u{e9}\u{FFFD}\u{FFFD}",
            "a\u{e9}\u{1F600}",
        ];
        let new = ["a\u{FFFD}", "\u{e9}", "\u{FFFD}\u{FFFD}", "\u{1F600}"];
        assert_eq!(read(&texts, Hint::Nothing), new);
        let stay = ["a\u{FFFD}", "a\u{FFFD}b", "a\u{FFFD}bc"];
        assert_eq!(read(&stay, Hint::Nothing), ["a\u{FFFD}", "b", "c"]);
    }

    #[test]
    fn a_stop_string_taken_back_is_not_new() {
        let texts = ["ab", "ab S", "ab ST", "ab"];
        assert_eq!(read(&texts, Hint::Grown), ["ab", " S", "T", ""]);
        let long = "a stop string may also come late, after much text";
        let stopped = format!("{long} S");
        let grown = ["a ", "a stop", &stopped, long, &stopped];
        assert_eq!(read(&grown, Hint::Grown)[3..], ["", " S"]);
        // The server may write what it has sent in another way, if not from the beginning.
        let other = format!("{} whatever", &long[..KEPT]);
        let revised = ["a ", "a stop", long, &other, &format!("{other}!")];
        assert_eq!(read(&revised, Hint::Grown)[3..], ["", "!"]);
        assert_eq!(read(&["ab S", "ab"], Hint::Whole), ["ab S", ""]);
    }

    proptest! {
        /// Wholes come out as the pieces they were made of, however long they get.
        #[test]
        fn wholes_and_pieces_agree(parts in prop::collection::vec("[a-z\u{e9}\n ]{1,20}", 1..40)) {
            let mut whole = String::new();
            let mut wholes = Pieces::default();
            for part in &parts {
                whole.push_str(part);
                prop_assert_eq!(wholes.new_in(&whole, Hint::Whole), part);
            }
        }

        /// Pieces come through once it is clear that they are.
        #[test]
        fn pieces_come_through(parts in prop::collection::vec(".{0,8}", 0..20)) {
            let mut pieces = Pieces::default();
            prop_assert_eq!(pieces.new_in("x", Hint::Grown), "x");
            prop_assert_eq!(pieces.new_in("y", Hint::Grown), "y");
            for part in &parts {
                prop_assert_eq!(pieces.new_in(part, Hint::Grown), part);
            }
        }
    }
}
