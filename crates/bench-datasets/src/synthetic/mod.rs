//! Prompts made of tokens instead of sentences, exact in length.
//!
//! A dataset says in a [`Plan`] how long the prompts are, which of them share a beginning and
//! whether their tokens stand in a row or are drawn one by one; here they become texts or token
//! ids of just those lengths.
//!
//! **The nonce.** Two runs of one seed would send the same prompts, and a server that still has
//! the first run in its prefix cache would answer the second one faster. With a nonce, the first
//! [`HEAD`] tokens of all that begins a prompt or follows a shared prefix are drawn from a stream
//! of seed and nonce, each prompt's for itself. As they are drawn one by one, and not taken in a
//! row from a random start (which two of *n* prompts have in common as soon as *n* is about the
//! root of the vocabulary), two prompts begin alike with probability |allowed|^-8. Everything
//! else follows from the seed alone.

mod repair;
mod words;

use std::sync::Arc;

use bench_types::Prompt;
use rayon::prelude::*;

use crate::draw::{Beginning, Draws, Purpose};
use crate::{DatasetError, SampleContext, Tokenizer};
use repair::Mender;
pub(crate) use words::Words;

/// Tokens of a beginning that depend on the nonce: fewer than any server's cache block has, and
/// enough that no two are alike.
const HEAD: usize = 8;

/// Roughly how many tokens of the generated texts are encoded again as a check.
const CHECKED_TOKENS: usize = 1 << 16;

/// What is drawn for one prompt.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Shape {
    /// Which prefix it begins with.
    pub(crate) prefix: Option<usize>,
    /// Tokens after the prefix.
    pub(crate) input: usize,
    /// Tokens to generate.
    pub(crate) output: u32,
    /// Where in the allowed tokens it starts, before the modulo, if they stand in a row.
    pub(crate) start: usize,
}

/// How the tokens of a prompt follow each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Order {
    /// As in the list of allowed tokens, from the shape's start on, round and round.
    Row,
    /// Each is drawn by itself.
    Scattered,
}

/// Which tokens a text may be made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Vocabulary {
    /// Whole words, if the tokenizer has them.
    Words,
    /// All but the special ones.
    Any,
}

/// Prompts to be made.
pub(crate) struct Plan<'a> {
    pub(crate) tokenizer: &'a Tokenizer,
    pub(crate) seed: u64,
    pub(crate) nonce: Option<u64>,
    pub(crate) vocabulary: Vocabulary,
    pub(crate) order: Order,
    /// Lengths of the prefixes.
    pub(crate) prefixes: Vec<usize>,
    /// What stands between a prefix and what follows it.
    pub(crate) separator: &'static str,
    pub(crate) shapes: Vec<Shape>,
}

/// What stands in a prompt after its prefix, as places in the allowed tokens: some places, then a
/// row of them.
struct Own {
    places: Vec<usize>,
    start: usize,
    count: usize,
}

impl Own {
    /// Its tokens, as `allowed` has them.
    fn ids<'a>(&'a self, allowed: &'a [u32]) -> impl Iterator<Item = u32> + 'a {
        let places = self.places.iter().map(|&place| allowed[place]);
        let start = self.start % allowed.len();
        let row = allowed[start..].iter().chain(allowed.iter().cycle());
        places.chain(row.copied().take(self.count))
    }
}

impl<'a> Plan<'a> {
    /// Prompts of tokens in a row, without prefixes.
    pub(crate) fn new(
        cx: &SampleContext<'_>,
        tokenizer: &'a Tokenizer,
        shapes: Vec<Shape>,
    ) -> Plan<'a> {
        Plan {
            tokenizer,
            seed: cx.seed,
            nonce: cx.nonce,
            vocabulary: Vocabulary::Words,
            order: Order::Row,
            prefixes: Vec::new(),
            separator: "",
            shapes,
        }
    }

    /// Tokens of what stands between a prefix and what follows it.
    pub(crate) fn separator_tokens(&self) -> Result<usize, DatasetError> {
        if self.separator.is_empty() {
            return Ok(0);
        }
        Ok(self.tokenizer.encode(self.separator)?.len())
    }

    /// How long the prompt of `shape` is, with its prefix and `separator` tokens between.
    pub(crate) fn tokens(&self, shape: &Shape, separator: usize) -> u32 {
        let prefix = shape.prefix.map_or(0, |prefix| self.prefixes[prefix]);
        let between = if prefix == 0 { 0 } else { separator };
        (prefix + between + shape.input) as u32
    }

    /// One prompt for each shape, as token ids or as texts.
    pub(crate) fn prompts(&self, token_ids: bool) -> Result<Vec<Prompt>, DatasetError> {
        if token_ids {
            return self.id_prompts();
        }
        Ok(self.texts()?.into_iter().map(Prompt::Text).collect())
    }

    /// Prompts of token ids, of any token that is not special.
    fn id_prompts(&self) -> Result<Vec<Prompt>, DatasetError> {
        let allowed = self.tokenizer.ordinary_ids();
        let separator = self.tokenizer.encode(self.separator)?;
        let prefix = |places: Vec<usize>| -> Vec<u32> {
            let ids = places.into_iter().map(|place| allowed[place]);
            ids.chain(separator.iter().copied()).collect()
        };
        let is_used = self.used_prefixes();
        let prefixes: Vec<Vec<u32>> = (0..self.prefixes.len())
            .map(|index| match self.prefixes[index] {
                tokens if tokens == 0 || !is_used[index] => Vec::new(),
                _ => prefix(self.prefix_places(index, allowed.len())),
            })
            .collect();
        let prompt = |(index, shape): (usize, &Shape)| {
            let prefix = shape.prefix.map_or(&[][..], |prefix| &prefixes[prefix]);
            let own = self.own(index, allowed.len());
            Prompt::TokenIds(prefix.iter().copied().chain(own.ids(&allowed)).collect())
        };
        Ok(self.shapes.par_iter().enumerate().map(prompt).collect())
    }

    /// Exact texts: of whole words if the tokenizer has them, mended ones otherwise.
    pub(crate) fn texts(&self) -> Result<Vec<Arc<str>>, DatasetError> {
        if self.vocabulary == Vocabulary::Words {
            if let Some(words) = Words::of(self.tokenizer)
                && let Some(texts) = self.word_texts(&words)?
            {
                return Ok(texts);
            }
            tracing::warn!(
                tokenizer = self.tokenizer.id(),
                "the tokenizer has too few words that stay whole: each prompt is mended until its \
                 length is exact, which takes longer"
            );
        }
        let mender = Mender::new(self)?;
        (0..self.shapes.len())
            .into_par_iter()
            .map(|index| mender.text(index))
            .collect()
    }

    /// Texts of whole words; none if the words turn out not to stay whole.
    fn word_texts(&self, words: &Words) -> Result<Option<Vec<Arc<str>>>, DatasetError> {
        let is_used = self.used_prefixes();
        let prefixes: Vec<Vec<usize>> = (0..self.prefixes.len())
            .map(|index| match is_used[index] {
                true => self.prefix_places(index, words.len()),
                false => Vec::new(),
            })
            .collect();
        let prefix = |shape: &Shape| shape.prefix.map_or(&[][..], |prefix| &prefixes[prefix]);
        let separator = |prefix: &[usize]| {
            if prefix.is_empty() {
                ""
            } else {
                self.separator
            }
        };
        let text = |(index, shape): (usize, &Shape)| {
            let prefix = prefix(shape);
            words.text(prefix, separator(prefix), &self.own(index, words.len()))
        };
        let texts: Vec<Arc<str>> = self.shapes.par_iter().enumerate().map(text).collect();

        let between = self.tokenizer.encode(self.separator)?;
        let tokens: usize = self
            .shapes
            .iter()
            .map(|shape| self.tokens(shape, between.len()) as usize)
            .sum();
        let step = tokens.div_ceil(CHECKED_TOKENS).max(1);
        let is_exact = |((index, shape), text): ((usize, &Shape), &Arc<str>)| {
            let prefix = prefix(shape);
            let between = if prefix.is_empty() { &[][..] } else { &between };
            let meant = words.ids(prefix, between, &self.own(index, words.len()));
            Ok(self.tokenizer.encode(text)? == meant)
        };
        let checks: Result<Vec<bool>, DatasetError> = self
            .shapes
            .par_iter()
            .enumerate()
            .zip(&texts)
            .step_by(step)
            .map(is_exact)
            .collect();
        Ok(checks?.into_iter().all(|exact| exact).then_some(texts))
    }

    /// Which of the prefixes prompts begin with; the others need not be made.
    fn used_prefixes(&self) -> Vec<bool> {
        let mut is_used = vec![false; self.prefixes.len()];
        for prefix in self.shapes.iter().filter_map(|shape| shape.prefix) {
            is_used[prefix] = true;
        }
        is_used
    }

    /// The places of a prefix in `allowed` tokens.
    fn prefix_places(&self, index: usize, allowed: usize) -> Vec<usize> {
        let purpose = Purpose::Prefix(index as u32);
        self.begun(
            Beginning::Prefix(index as u32),
            places(self.seed, purpose, allowed, self.prefixes[index]),
            allowed,
        )
    }

    /// What is a prompt's own in `allowed` tokens.
    fn own(&self, index: usize, allowed: usize) -> Own {
        let Shape { input, start, .. } = self.shapes[index];
        let beginning = Beginning::Prompt(index as u32);
        match self.order {
            Order::Scattered => {
                let purpose = Purpose::Body(index as u32);
                let places = places(self.seed, purpose, allowed, input);
                Own {
                    places: self.begun(beginning, places, allowed),
                    start: 0,
                    count: 0,
                }
            }
            Order::Row => {
                let head = if self.nonce.is_some() {
                    HEAD.min(input)
                } else {
                    0
                };
                Own {
                    places: self.begun(beginning, vec![0; head], allowed),
                    start: start.wrapping_add(head),
                    count: input - head,
                }
            }
        }
    }

    /// The places with those at the beginning drawn anew by the nonce, if there is one.
    fn begun(&self, beginning: Beginning, mut places: Vec<usize>, allowed: usize) -> Vec<usize> {
        if let Some(nonce) = self.nonce {
            let mut draws = Draws::of_nonce(self.seed, nonce, beginning);
            for place in places.iter_mut().take(HEAD) {
                *place = draws.below(allowed as u64) as usize;
            }
        }
        places
    }
}

/// `count` random places in `0..allowed`.
fn places(seed: u64, purpose: Purpose, allowed: usize, count: usize) -> Vec<usize> {
    let mut draws = Draws::new(seed, purpose);
    (0..count)
        .map(|_| draws.below(allowed as u64) as usize)
        .collect()
}

/// The tokenizer, without which there is nothing to choose tokens from.
pub(crate) fn needed_tokenizer<'a>(
    cx: &SampleContext<'a>,
    dataset: &'static str,
) -> Result<&'a Tokenizer, DatasetError> {
    cx.tokenizer.ok_or(DatasetError::NeedsTokenizer {
        dataset,
        purpose: "to choose its tokens from, also for prompts of token ids",
        otherwise: "",
    })
}
