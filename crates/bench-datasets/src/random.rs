//! Prompts of random tokens, exact in length.
//!
//! The lengths, and which tokens follow which, are those of `vllm bench serve`: with input
//! length L (less the special tokens the server adds to a text) and range ratio r, prompt `i`
//! has a prefix that all prompts share and then `n_i` tokens, `n_i` uniform in
//! `⌊L(1-r)⌋..=⌈L(1+r)⌉`; its output length is uniform between the same kind of bounds, at
//! least 1; and its token `j` after the prefix is `allowed[(o_i + i + j) mod |allowed|]` with
//! `o_i` uniform over the vocabulary. All input lengths are drawn first, then all output
//! lengths, then all offsets.
//!
//! With `--random-batch-size` above 1 a request has so many prompts, the last one what is left.
//!
//! Three things differ, on purpose:
//!
//! - **Which tokens a text is made of.** There, `allowed` is every token that is not special,
//!   and each prompt is decoded, encoded and mended up to ten times, after which it may still
//!   have the wrong length. Here it is the tokens that are a whole word (see [`words`]): their
//!   texts side by side are those tokens and no others, so a prompt is exact by construction and
//!   costs a copy of its bytes. A sample of the prompts is encoded all the same. For a tokenizer
//!   without enough such words, or if the sample shows a difference, prompts are mended one by
//!   one until exact (see [`repair`]); one that cannot be is an error, not a wrong number.
//!   Prompts of token ids (`--prompt-token-ids`) use every token that is not special.
//! - **The order of `allowed`** is ascending by id. There it is the order of a Python set.
//! - **The random numbers** come from ChaCha8 instead of PCG64, so that one seed means the same
//!   prompts everywhere and for ever. They are not the prompts Python makes of that seed.

mod range_ratio;
mod repair;
mod rerank;
mod words;

use std::sync::Arc;

use bench_types::{Conversation, Prompt};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use crate::draw::{Draws, Purpose};
use crate::{Dataset, DatasetError, SampleContext, Tokenizer};
pub use range_ratio::RangeRatio;
use repair::Mender;
pub use rerank::{RandomRerank, RerankOptions};
use words::Words;

const NAME: &str = "random";

/// Roughly how many tokens of the generated texts are encoded again as a check.
const CHECKED_TOKENS: usize = 1 << 16;

/// Prompts of random tokens: as long as asked, to the token.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "kebab-case")]
#[cfg_attr(feature = "cli", derive(clap::Args))]
#[cfg_attr(feature = "cli", command(next_help_heading = "Dataset: random"))]
pub struct Random {
    /// Tokens of a prompt after the shared prefix
    #[cfg_attr(feature = "cli", arg(long, value_name = "TOKENS",
        default_value_t = Random::default().random_input_len))]
    pub random_input_len: u32,

    /// Tokens to generate for a prompt
    #[cfg_attr(feature = "cli", arg(long, value_name = "TOKENS",
        default_value_t = Random::default().random_output_len))]
    pub random_output_len: u32,

    /// Spread of the lengths: uniform in len*(1-r)..=len*(1+r)
    ///
    /// A number from 0 to just below 1 for both lengths, or JSON for each:
    /// '{"input": 0.1, "output": 0.2}'.
    #[cfg_attr(feature = "cli", arg(long, value_name = "RATIO",
        default_value_t = Random::default().random_range_ratio))]
    pub random_range_ratio: RangeRatio,

    /// Tokens of a prefix that all prompts share, in addition to the input length
    #[cfg_attr(feature = "cli", arg(long, value_name = "TOKENS",
        default_value_t = Random::default().random_prefix_len))]
    pub random_prefix_len: u32,

    /// Prompts, or documents to be ranked, in one request; --num-prompts counts all of them
    #[cfg_attr(feature = "cli", arg(long, value_name = "N",
        default_value_t = Random::default().random_batch_size))]
    pub random_batch_size: u32,
}

impl Default for Random {
    fn default() -> Random {
        Random {
            random_input_len: 1024,
            random_output_len: 128,
            random_range_ratio: RangeRatio::default(),
            random_prefix_len: 0,
            random_batch_size: 1,
        }
    }
}

impl Dataset for Random {
    fn name(&self) -> &'static str {
        NAME
    }

    fn sample(&self, cx: &SampleContext<'_>) -> Result<Vec<Conversation>, DatasetError> {
        let tokenizer = needed_tokenizer(cx, NAME)?;
        let batch_size = self.batch_size(cx)?;
        let shapes = self.shapes(cx, tokenizer)?;
        let prefix_len = self.random_prefix_len as usize;
        cx.in_parallel(|| {
            let prompts = if cx.prompt_token_ids {
                id_prompts(tokenizer, cx.seed, prefix_len, &shapes)
            } else {
                let texts = texts(tokenizer, cx.seed, prefix_len, &shapes)?;
                text_prompts(texts, batch_size)
            };
            let conversation = |((id, shapes), prompt): ((usize, &[Shape]), Prompt)| {
                let tokens: usize = shapes.iter().map(|shape| prefix_len + shape.input).sum();
                Conversation::single(id as u64, prompt, Some(tokens as u32), shapes[0].output)
            };
            Ok(shapes
                .chunks(batch_size)
                .enumerate()
                .zip(prompts)
                .map(conversation)
                .collect())
        })
    }
}

/// The tokenizer, without which there is nothing to choose tokens from.
fn needed_tokenizer<'a>(
    cx: &SampleContext<'a>,
    dataset: &'static str,
) -> Result<&'a Tokenizer, DatasetError> {
    cx.tokenizer.ok_or(DatasetError::NeedsTokenizer {
        dataset,
        purpose: "to choose its tokens from, also for prompts of token ids",
        otherwise: "",
    })
}

/// What is drawn for one prompt.
#[derive(Clone, Copy, Debug)]
struct Shape {
    /// Tokens after the prefix.
    input: usize,
    /// Tokens to generate.
    output: u32,
    /// Where in the allowed tokens it starts, before the modulo.
    start: usize,
}

impl Random {
    /// How many prompts go into a request.
    fn batch_size(&self, cx: &SampleContext<'_>) -> Result<usize, DatasetError> {
        let refuse = |problem: String| {
            Err(DatasetError::Option {
                option: "--random-batch-size",
                problem,
            })
        };
        match self.random_batch_size {
            0 => refuse("a request of 0 prompts cannot be sent; give 1 or more".to_owned()),
            n if n > 1 && cx.prompt_token_ids => refuse(format!(
                "{n} prompts in a request are sent as text; leave out --prompt-token-ids, or \
                 send one prompt in each request"
            )),
            n => Ok(n as usize),
        }
    }

    /// Draws lengths and offsets.
    fn shapes(
        &self,
        cx: &SampleContext<'_>,
        tokenizer: &Tokenizer,
    ) -> Result<Vec<Shape>, DatasetError> {
        let specials = if cx.prompt_token_ids {
            0
        } else {
            tokenizer.specials_per_prompt()
        };
        let input_len = cx.input_len.unwrap_or(self.random_input_len);
        let output_len = cx.output_len.unwrap_or(self.random_output_len);
        let ratio = self.random_range_ratio;
        let (low, high) = bounds(
            "--random-input-len",
            input_len.saturating_sub(specials),
            ratio.input(),
        )?;
        let (out_low, out_high) = bounds("--random-output-len", output_len, ratio.output())?;
        if low == 0 && self.random_prefix_len == 0 {
            return Err(DatasetError::Option {
                option: "--random-input-len",
                problem: format!(
                    "{input_len} allows prompts without any token, as the range ratio is {ratio} \
                     and a server adds {specials} special tokens; ask for more tokens"
                ),
            });
        }

        let mut draws = Draws::new(cx.seed, Purpose::Shapes);
        let mut lengths = |low, high| -> Vec<u32> {
            (0..cx.num_prompts)
                .map(|_| draws.between(low, high))
                .collect()
        };
        let inputs = lengths(low, high);
        let outputs = lengths(out_low.max(1), out_high.max(1));
        let vocab = tokenizer.vocab_size() as u64;
        let shapes = inputs
            .into_iter()
            .zip(outputs)
            .enumerate()
            .map(|(i, (input, output))| Shape {
                input: input as usize,
                output,
                start: draws.below(vocab) as usize + i,
            });
        Ok(shapes.collect())
    }
}

/// The least and the greatest length that `len` and `ratio` allow.
fn bounds(option: &'static str, len: u32, ratio: f64) -> Result<(u32, u32), DatasetError> {
    let low = (f64::from(len) * (1.0 - ratio)).floor();
    let high = (f64::from(len) * (1.0 + ratio)).ceil();
    if high > f64::from(u32::MAX) {
        return Err(DatasetError::Option {
            option,
            problem: format!(
                "{len} with range ratio {ratio} is more than {} tokens",
                u32::MAX
            ),
        });
    }
    Ok((low as u32, high as u32))
}

/// `count` of the allowed tokens, one after the other from `start` on, round and round.
fn run(allowed: &[u32], start: usize, count: usize) -> impl Iterator<Item = u32> + '_ {
    let start = start % allowed.len();
    allowed[start..]
        .iter()
        .chain(allowed.iter().cycle())
        .copied()
        .take(count)
}

/// `count` random places in `0..allowed`, for the shared prefix.
fn prefix_places(seed: u64, allowed: usize, count: usize) -> Vec<usize> {
    let mut draws = Draws::new(seed, Purpose::Prefix);
    (0..count)
        .map(|_| draws.below(allowed as u64) as usize)
        .collect()
}

/// Prompts of token ids, of any token that is not special.
fn id_prompts(
    tokenizer: &Tokenizer,
    seed: u64,
    prefix_len: usize,
    shapes: &[Shape],
) -> Vec<Prompt> {
    let allowed = tokenizer.ordinary_ids();
    let places = prefix_places(seed, allowed.len(), prefix_len);
    let prefix: Vec<u32> = places.into_iter().map(|place| allowed[place]).collect();
    let prompt = |shape: &Shape| {
        let inner = run(&allowed, shape.start, shape.input);
        Prompt::TokenIds(prefix.iter().copied().chain(inner).collect())
    };
    shapes.par_iter().map(prompt).collect()
}

/// Prompts of one text each, or of `batch_size` texts.
fn text_prompts(texts: Vec<Arc<str>>, batch_size: usize) -> Vec<Prompt> {
    if batch_size == 1 {
        return texts.into_iter().map(Prompt::Text).collect();
    }
    let batch = |texts: &[Arc<str>]| Prompt::Batch(texts.into());
    texts.chunks(batch_size).map(batch).collect()
}

/// Exact texts: of whole words if the tokenizer has them, mended ones otherwise.
fn texts(
    tokenizer: &Tokenizer,
    seed: u64,
    prefix_len: usize,
    shapes: &[Shape],
) -> Result<Vec<Arc<str>>, DatasetError> {
    if let Some(words) = Words::of(tokenizer) {
        let prefix = prefix_places(seed, words.len(), prefix_len);
        let texts: Vec<Arc<str>> = shapes
            .par_iter()
            .map(|shape| words.text(&prefix, shape.start, shape.input))
            .collect();
        if sample_is_exact(tokenizer, &words, &prefix, shapes, &texts)? {
            return Ok(texts);
        }
    }
    tracing::warn!(
        tokenizer = tokenizer.id(),
        "the tokenizer has too few words that stay whole: each prompt is mended until its length \
         is exact, which takes longer"
    );
    let mender = Mender::new(tokenizer, seed, prefix_len)?;
    shapes
        .par_iter()
        .enumerate()
        .map(|(i, shape)| mender.text(i, shape.start, shape.input))
        .collect()
}

/// Encodes some of the texts, evenly spread, and compares them with the tokens meant.
fn sample_is_exact(
    tokenizer: &Tokenizer,
    words: &Words,
    prefix: &[usize],
    shapes: &[Shape],
    texts: &[Arc<str>],
) -> Result<bool, DatasetError> {
    let tokens: usize = shapes.iter().map(|shape| prefix.len() + shape.input).sum();
    let step = tokens.div_ceil(CHECKED_TOKENS).max(1);
    let checks: Result<Vec<bool>, DatasetError> = shapes
        .par_iter()
        .zip(texts)
        .step_by(step)
        .map(|(shape, text)| {
            Ok(tokenizer.encode(text)? == words.ids(prefix, shape.start, shape.input))
        })
        .collect();
    Ok(checks?.into_iter().all(|exact| exact))
}
