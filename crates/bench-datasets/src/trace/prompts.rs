//! Prompts that are as long and as much alike as a trace says.
//!
//! A prompt is made of pieces. Each is so many tokens of a stream of its own, so a piece of the
//! same stream is the same text wherever it stands, and a shorter one is the beginning of a longer
//! one. The stream is ChaCha8 with a key of four numbers:
//!
//! | piece | key |
//! |---|---|
//! | block of a trace | its hash id, the tokens of a block, the nonce, the round |
//! | tokens of one request alone | the seed, the line and the copy, the nonce, the round |
//!
//! The kind of piece stands beside the round. Without a nonce its number and the round are 0: a
//! block is then the same tokens in every run, on every machine and in every release, for one
//! tokenizer. The tokens are whole words (as those of `random`), which stay what they are beside
//! each other; so token ids and text are the same tokens.

use bench_types::Prompt;
use rayon::prelude::*;

use super::line::HashId;
use crate::draw::Draws;
use crate::synthetic::{Order, Plan, Shape, Words};
use crate::{DatasetError, SampleContext, Tokenizer};

/// Roughly how many tokens of the texts are encoded again as a check.
const CHECKED_TOKENS: usize = 1 << 16;

/// Which stream of tokens a piece is cut from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Key([u64; 4]);

/// Some tokens of a prompt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Piece {
    key: Key,
    tokens: u32,
}

/// The request whose prompt is wanted: where it stands, and how often it was sent before.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Asked {
    /// The line of the file, from 1.
    pub(crate) line: usize,
    /// Which of the requests that are made of the line, if there are several by intention.
    pub(crate) copy: u32,
    /// How often the trace was gone through before.
    pub(crate) round: u32,
}

/// What the pieces of all requests have in common.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Cutter {
    seed: u64,
    nonce: Option<u64>,
}

impl Cutter {
    pub(crate) fn new(cx: &SampleContext<'_>) -> Cutter {
        Cutter {
            seed: cx.seed,
            nonce: cx.nonce,
        }
    }

    /// `tokens` of request `asked` alone, the `part`th such piece.
    pub(crate) fn own(self, asked: Asked, part: u32, tokens: u32) -> Piece {
        let kind = 2 + u64::from(part);
        let request = u64::from(asked.copy) << 40 | asked.line as u64;
        self.piece([self.seed, request], kind, asked.round, tokens)
    }

    /// The pieces of a prompt of `tokens` tokens that begins with the blocks of `hash_ids`, each
    /// of `block_tokens`. The last block is cut where the prompt ends; what the blocks are short
    /// of are tokens of this request alone.
    pub(crate) fn blocks(
        self,
        asked: Asked,
        hash_ids: &[HashId],
        block_tokens: u32,
        tokens: u32,
    ) -> Vec<Piece> {
        let mut left = tokens;
        let mut pieces = Vec::with_capacity(hash_ids.len() + 1);
        for id in hash_ids {
            let tokens = left.min(block_tokens);
            if tokens == 0 {
                return pieces;
            }
            let key = [id.number(), u64::from(block_tokens)];
            pieces.push(self.piece(key, 1, asked.round, tokens));
            left -= tokens;
        }
        if left > 0 {
            pieces.push(self.own(asked, 0, left));
        }
        pieces
    }

    fn piece(self, of: [u64; 2], kind: u64, round: u32, tokens: u32) -> Piece {
        let round = self.nonce.map_or(0, |_| round);
        let nonce = self.nonce.unwrap_or(0);
        let key = Key([of[0], of[1], nonce, kind << 32 | u64::from(round)]);
        Piece { key, tokens }
    }
}

/// What tokens are taken from.
enum Alphabet {
    /// Words, as text or as ids.
    Words(Words),
    /// All ordinary tokens, as ids.
    Ids(Vec<u32>),
    /// Texts of no given tokens, mended until they are as long as wanted.
    Mended,
}

/// Makes prompts of pieces.
pub(crate) struct Maker<'a> {
    cx: SampleContext<'a>,
    tokenizer: &'a Tokenizer,
    alphabet: Alphabet,
    as_ids: bool,
}

impl<'a> Maker<'a> {
    /// One for prompts that share blocks, or only have lengths. They are token ids if those are
    /// asked for, or if they share blocks and the backend takes ids.
    pub(crate) fn new(
        cx: &SampleContext<'a>,
        dataset: &'static str,
        shares_blocks: bool,
    ) -> Result<Maker<'a>, DatasetError> {
        let tokenizer = cx.tokenizer.ok_or_else(|| needs_tokenizer(dataset))?;
        let as_ids = cx.prompt_token_ids || shares_blocks && cx.takes_token_ids;
        let alphabet = match Words::of(tokenizer) {
            Some(words) => Alphabet::Words(words),
            None if as_ids => Alphabet::Ids(tokenizer.ordinary_ids()),
            None if shares_blocks => return Err(no_words(tokenizer)),
            None => Alphabet::Mended,
        };
        Ok(Maker {
            cx: *cx,
            tokenizer,
            alphabet,
            as_ids,
        })
    }

    /// The special tokens that a server adds to a prompt by itself.
    pub(crate) fn specials(&self) -> u32 {
        if self.as_ids {
            0
        } else {
            self.tokenizer.specials_per_prompt()
        }
    }

    /// The prompts of these pieces, in their order.
    pub(crate) fn prompts(&self, wanted: &[Vec<Piece>]) -> Result<Vec<Prompt>, DatasetError> {
        let words = match &self.alphabet {
            Alphabet::Words(words) => words,
            Alphabet::Ids(ids) => {
                return Ok(wanted.par_iter().map(|one| of_ids(ids, one)).collect());
            }
            Alphabet::Mended => return self.mended(wanted),
        };
        let tokens: usize = wanted
            .iter()
            .map(|pieces| Piece::total(pieces) as usize)
            .sum();
        let step = tokens.div_ceil(CHECKED_TOKENS).max(1);
        wanted
            .par_iter()
            .enumerate()
            .map(|(index, pieces)| self.of_words(words, pieces, index % step == 0))
            .collect()
    }

    fn of_words(
        &self,
        words: &Words,
        pieces: &[Piece],
        check: bool,
    ) -> Result<Prompt, DatasetError> {
        let places = places(pieces, words.len());
        if self.as_ids {
            return Ok(Prompt::TokenIds(words.ids_of(&places).into()));
        }
        let text = words.text_of(&places);
        if check && self.tokenizer.encode(&text)? != words.ids_of(&places) {
            return Err(no_words(self.tokenizer));
        }
        Ok(Prompt::Text(text))
    }

    /// Prompts of which only the lengths are as wanted.
    fn mended(&self, wanted: &[Vec<Piece>]) -> Result<Vec<Prompt>, DatasetError> {
        let shape = |pieces: &Vec<Piece>| Shape {
            prefix: None,
            input: Piece::total(pieces) as usize,
            output: 0,
            start: 0,
        };
        let shapes = wanted.iter().map(shape).collect();
        let plan = Plan {
            order: Order::Scattered,
            ..Plan::new(&self.cx, self.tokenizer, shapes)
        };
        plan.prompts(false)
    }
}

/// A prompt of any of `ids`.
fn of_ids(ids: &[u32], pieces: &[Piece]) -> Prompt {
    let places = places(pieces, ids.len()).into_iter();
    Prompt::TokenIds(places.map(|place| ids[place]).collect())
}

impl Piece {
    /// The tokens of some pieces.
    pub(crate) fn total(pieces: &[Piece]) -> u32 {
        pieces.iter().map(|piece| piece.tokens).sum()
    }
}

/// Which of `allowed` tokens the pieces are.
fn places(pieces: &[Piece], allowed: usize) -> Vec<usize> {
    let mut places = Vec::with_capacity(Piece::total(pieces) as usize);
    for piece in pieces {
        let mut draws = Draws::keyed(piece.key.0);
        let drawn = (0..piece.tokens).map(|_| draws.below(allowed as u64) as usize);
        places.extend(drawn);
    }
    places
}

/// What is wrong if there is no tokenizer.
fn needs_tokenizer(dataset: &'static str) -> DatasetError {
    DatasetError::NeedsTokenizer {
        dataset,
        purpose: "to make prompts of the lengths that the trace has",
        otherwise: "",
    }
}

fn no_words(tokenizer: &Tokenizer) -> DatasetError {
    DatasetError::NoWords {
        tokenizer: tokenizer.id().to_owned(),
    }
}
