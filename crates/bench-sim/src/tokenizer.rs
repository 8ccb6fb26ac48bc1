use std::collections::HashMap;
use std::sync::{PoisonError, RwLock};

use crate::hash::fnv1a;

/// Turns text into token ids and back.
///
/// The server counts prompts with it and picks words of its output so that each is one
/// token. Inject the client's own tokenizer (see [`crate::SimServer::start_with_tokenizer`])
/// where both must agree on every count. Special tokens are not added.
pub trait SimTokenizer: Send + Sync {
    /// The token ids of a text.
    fn encode(&self, text: &str) -> Vec<u32>;

    /// The text of token ids; unknown ones become U+FFFD.
    fn decode(&self, tokens: &[u32]) -> String;
}

/// The built-in tokenizer: a token is a word with the space before it, or any other
/// single character.
///
/// Ids are hashes of the pieces, hence the same in every process. Only pieces seen by
/// [`encode`](SimTokenizer::encode) can be decoded.
#[derive(Debug, Default)]
pub struct WordTokenizer {
    seen: RwLock<HashMap<u32, Box<str>>>,
}

/// Pieces beyond this many are counted but not remembered, to bound the memory of a
/// server that runs for long.
const MOST_REMEMBERED: usize = 1 << 20;

impl SimTokenizer for WordTokenizer {
    fn encode(&self, text: &str) -> Vec<u32> {
        let pieces = || Pieces { rest: text };
        let ids: Vec<u32> = pieces().map(id).collect();
        let unseen: Vec<_> = {
            let seen = self.seen.read().unwrap_or_else(PoisonError::into_inner);
            match seen.len() < MOST_REMEMBERED {
                true => pieces()
                    .zip(&ids)
                    .filter(|(_, id)| !seen.contains_key(id))
                    .collect(),
                false => Vec::new(),
            }
        };
        if !unseen.is_empty() {
            let mut seen = self.seen.write().unwrap_or_else(PoisonError::into_inner);
            seen.extend(unseen.into_iter().map(|(piece, id)| (*id, piece.into())));
        }
        ids
    }

    fn decode(&self, tokens: &[u32]) -> String {
        let seen = self.seen.read().unwrap_or_else(PoisonError::into_inner);
        tokens
            .iter()
            .map(|id| seen.get(id).map_or("\u{fffd}", |piece| piece))
            .collect()
    }
}

/// 31 bits, so that ids survive languages without unsigned integers.
fn id(piece: &str) -> u32 {
    (fnv1a(piece.as_bytes()) >> 33) as u32
}

/// The pieces of a text, in order and without a gap.
struct Pieces<'a> {
    rest: &'a str,
}

impl<'a> Iterator for Pieces<'a> {
    type Item = &'a str;

    fn next(&mut self) -> Option<&'a str> {
        let word = |text: &str| {
            text.find(|c: char| !c.is_alphanumeric())
                .unwrap_or(text.len())
        };
        let space = usize::from(self.rest.starts_with(' '));
        let after = &self.rest[space..];
        let end = match word(after) {
            0 => space + after.chars().next().map_or(0, char::len_utf8),
            len => space + len,
        };
        let (piece, rest) = self.rest.split_at(end);
        self.rest = rest;
        (!piece.is_empty()).then_some(piece)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_are_words_and_single_characters() {
        let pieces: Vec<_> = Pieces {
            rest: "Hello world, it's 42!  \n😀 né",
        }
        .collect();
        let expected = [
            "Hello", " world", ",", " it", "'", "s", " 42", "!", "  ", "\n", "😀", " né",
        ];
        assert_eq!(pieces, expected);
        assert_eq!(Pieces { rest: "" }.count(), 0);
        assert_eq!(Pieces { rest: " " }.collect::<Vec<_>>(), [" "]);
    }

    #[test]
    fn text_round_trips() {
        let tokenizer = WordTokenizer::default();
        let text = "Hello world, it's 42!  \n😀 né ";
        assert_eq!(tokenizer.decode(&tokenizer.encode(text)), text);
        assert_eq!(tokenizer.decode(&[1]), "\u{fffd}");
    }

    #[test]
    fn ids_are_stable() {
        // The published value of FNV-1a for "a".
        assert_eq!(fnv1a(b"a"), 0xaf63_dc4c_8601_ec8c);
        assert_eq!(WordTokenizer::default().encode("a"), [0x57b1_ee26]);
    }
}
