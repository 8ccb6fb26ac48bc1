//! What the server says: words drawn from a fixed list, each of them one token.

use crate::SimError;
use crate::hash::{mix, unit_float};
use crate::tokenizer::SimTokenizer;

/// The first word of every output, where the tokenizer allows it.
const FIRST: &str = "simulated";

const PLAIN: &str = "token server model batch step cache queue block word text time data \
     line code test case path point value number key name list table page book story question \
     answer idea plan part place group world year day way thing hand eye life work week \
     company system program government night water room mother area money fact month lot right \
     study job business issue side kind head house service friend father power hour game end \
     member law car city community team minute kid body information back parent face others \
     level office door health person art war history party result change morning reason \
     research girl guy moment air teacher force education";

const WIDE: &str = "naïve café über señor Ελλάδα мир 東京 日本語 こんにちは 한국어 שלום नमस्ते \
     😀 🚀 👍🏽 ½ € ∑ ñandú Łódź";

/// A word and its token.
#[derive(Debug)]
pub(crate) struct Word {
    pub(crate) id: u32,
    pub(crate) text: String,
}

/// Which kind of words an output is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Script {
    /// ASCII.
    Plain,
    /// Multi-byte characters.
    Wide,
    /// Multi-byte characters, each word two tokens of which the first one has no text.
    WidePartial,
}

/// The words of a server, each with a leading space.
#[derive(Debug)]
pub(crate) struct Words {
    plain: Vec<Word>,
    wide: Vec<Word>,
    /// Half a character: a token that gives no text yet.
    partial: Word,
    /// Half a character after which nothing came.
    broken: Word,
}

impl Words {
    /// Keeps the words that are one token for `tokenizer`. The wide ones need not be:
    /// they are there to be awkward.
    pub(crate) fn new(tokenizer: &dyn SimTokenizer) -> Result<Words, SimError> {
        let word = |text: &str| {
            let text = format!(" {text}");
            let ids = tokenizer.encode(&text);
            (ids, text)
        };
        let single = |text| match word(text) {
            (ids, text) if ids.len() == 1 => Some(Word { id: ids[0], text }),
            _ => None,
        };
        let plain: Vec<Word> = std::iter::once(FIRST)
            .chain(PLAIN.split_whitespace())
            .filter_map(single)
            .collect();
        if plain.is_empty() {
            return Err(SimError::Tokenizer);
        }
        let wide = WIDE.split_whitespace().map(|text| {
            let (ids, text) = word(text);
            Word {
                id: ids.first().copied().unwrap_or_default(),
                text,
            }
        });
        Ok(Words {
            plain,
            wide: wide.collect(),
            partial: Word {
                id: 0,
                text: String::new(),
            },
            broken: Word {
                id: 0,
                text: "\u{fffd}".to_owned(),
            },
        })
    }

    /// Word number `position` of the output of `len` words that `stream` stands for.
    pub(crate) fn word(&self, script: Script, stream: u64, position: u32, len: u32) -> &Word {
        let pick =
            |list: &'_ [Word]| (mix(&[stream, position.into()]) % list.len() as u64) as usize;
        match script {
            Script::Plain if position == 0 => &self.plain[0],
            Script::Plain => &self.plain[pick(&self.plain)],
            Script::Wide => &self.wide[pick(&self.wide)],
            Script::WidePartial if position % 2 == 1 => &self.wide[pick(&self.wide)],
            Script::WidePartial if position + 1 == len => &self.broken,
            Script::WidePartial => &self.partial,
        }
    }
}

/// Length of an output of at most `limit` tokens that stops after each with probability
/// `stop`, and whether it did.
pub(crate) fn output_length(stream: u64, limit: u32, stop: f64) -> (u32, bool) {
    if stop <= 0.0 {
        return (limit, false);
    }
    // The geometric distribution by inversion of its tail.
    let draw = 1.0 - unit_float(&[stream, u64::MAX]);
    let length = (draw.ln() / (1.0 - stop).ln()).floor() + 1.0;
    match length < f64::from(limit) {
        true => (length as u32, true),
        false => (limit, false),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::WordTokenizer;

    fn text(script: Script, stream: u64, len: u32) -> String {
        let words = Words::new(&WordTokenizer::default()).unwrap();
        (0..len)
            .map(|i| words.word(script, stream, i, len).text.clone())
            .collect()
    }

    #[test]
    fn an_output_has_as_many_tokens_as_words() {
        let tokenizer = WordTokenizer::default();
        let text = text(Script::Plain, 3, 200);
        assert!(text.starts_with(" simulated "));
        assert_eq!(tokenizer.encode(&text).len(), 200);
    }

    #[test]
    fn outputs_depend_on_nothing_but_their_stream() {
        assert_eq!(text(Script::Plain, 3, 50), text(Script::Plain, 3, 50));
        assert_ne!(text(Script::Plain, 3, 50), text(Script::Plain, 4, 50));
    }

    #[test]
    fn partial_characters_give_no_text_until_they_are_complete() {
        let words = Words::new(&WordTokenizer::default()).unwrap();
        let empty = |i| words.word(Script::WidePartial, 1, i, 5).text.is_empty();
        assert_eq!(
            (0..5).map(empty).collect::<Vec<_>>(),
            [true, false, true, false, false]
        );
        assert_eq!(words.word(Script::WidePartial, 1, 4, 5).text, "\u{fffd}");
    }

    #[test]
    fn a_tokenizer_for_which_no_word_is_one_token_is_refused() {
        struct Bytes;
        impl SimTokenizer for Bytes {
            fn encode(&self, text: &str) -> Vec<u32> {
                text.bytes().map(u32::from).collect()
            }
            fn decode(&self, _: &[u32]) -> String {
                String::new()
            }
        }
        assert!(matches!(Words::new(&Bytes), Err(SimError::Tokenizer)));
    }

    #[test]
    fn early_stops_have_the_asked_for_mean() {
        let lengths: Vec<_> = (0..2_000)
            .map(|i| output_length(mix(&[i]), 10_000, 0.02))
            .collect();
        let mean = lengths.iter().map(|(n, _)| f64::from(*n)).sum::<f64>() / 2_000.0;
        assert!((46.0..54.0).contains(&mean), "{mean}");
        assert!(lengths.iter().all(|(n, stopped)| *stopped && *n >= 1));
        assert_eq!(output_length(1, 7, 0.0), (7, false));
        assert_eq!(output_length(1, 7, 1.0), (1, true));
    }
}
