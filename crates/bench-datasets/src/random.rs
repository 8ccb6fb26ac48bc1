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
//!   have the wrong length. Here it is the tokens that are a whole word: their
//!   texts side by side are those tokens and no others, so a prompt is exact by construction and
//!   costs a copy of its bytes. A sample of the prompts is encoded all the same. For a tokenizer
//!   without enough such words, or if the sample shows a difference, prompts are mended one by
//!   one until exact; one that cannot be is an error, not a wrong number.
//!   Prompts of token ids (`--prompt-token-ids`) use every token that is not special.
//! - **The order of `allowed`** is ascending by id. There it is the order of a Python set.
//! - **The random numbers** come from ChaCha8 instead of PCG64, so that one seed means the same
//!   prompts everywhere and for ever. They are not the prompts Python makes of that seed.

mod ids;
mod range_ratio;
mod rerank;
mod turns;

use bench_types::{Conversation, Prompt};
use serde::{Deserialize, Serialize};

use crate::draw::{Draws, Purpose};
use crate::synthetic::{Plan, Shape, Vocabulary, needed_tokenizer};
use crate::{Dataset, DatasetError, SampleContext, Tokenizer};
pub use ids::RandomIds;
pub use range_ratio::RangeRatio;
use range_ratio::Spread;
pub use rerank::{RandomRerank, RerankOptions};

const NAME: &str = "random";

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
    /// '{"input": 0.1, "output": 0.2}'. '{"from": 0.5}' is uniform in len*0.5..=len instead, as
    /// a number is with --compat sglang.
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

    fn takes_input_len(&self) -> bool {
        true
    }

    fn takes_nonce(&self) -> bool {
        true
    }

    fn sample(&self, cx: &SampleContext<'_>) -> Result<Vec<Conversation>, DatasetError> {
        let tokenizer = needed_tokenizer(cx, NAME)?;
        self.of_vocabulary(cx, tokenizer, Vocabulary::Words)
    }
}

impl Random {
    /// The conversations, with texts of these tokens.
    fn of_vocabulary(
        &self,
        cx: &SampleContext<'_>,
        tokenizer: &Tokenizer,
        vocabulary: Vocabulary,
    ) -> Result<Vec<Conversation>, DatasetError> {
        if let Some(wanted) = cx.multi_turn {
            return self.talks(cx, tokenizer, vocabulary, wanted);
        }
        let batch_size = self.batch_size(cx)?;
        let plan = Plan {
            vocabulary,
            ..self.plan(cx, tokenizer)?
        };
        cx.in_parallel(|| {
            let prompts = in_batches(plan.prompts(cx.prompt_token_ids)?, batch_size);
            let conversation = |((id, shapes), prompt): ((usize, &[Shape]), Prompt)| {
                let tokens = shapes.iter().map(|shape| plan.tokens(shape, 0)).sum();
                Conversation::single(id as u64, prompt, Some(tokens), shapes[0].output)
            };
            Ok(plan
                .shapes
                .chunks(batch_size)
                .enumerate()
                .zip(prompts)
                .map(conversation)
                .collect())
        })
    }

    /// The prompts, one by one.
    pub(crate) fn plan<'a>(
        &self,
        cx: &SampleContext<'_>,
        tokenizer: &'a Tokenizer,
    ) -> Result<Plan<'a>, DatasetError> {
        Ok(Plan {
            prefixes: vec![self.random_prefix_len as usize],
            ..Plan::new(cx, tokenizer, self.shapes(cx, tokenizer)?)
        })
    }

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
                prefix: Some(0),
                input: input as usize,
                output,
                start: draws.below(vocab) as usize + i,
            });
        Ok(shapes.collect())
    }
}

/// The least and the greatest length that `len` and its spread allow.
fn bounds(option: &'static str, len: u32, spread: Spread) -> Result<(u32, u32), DatasetError> {
    let low = (f64::from(len) * spread.low).floor();
    let high = (f64::from(len) * spread.high).ceil();
    if high > f64::from(u32::MAX) {
        return Err(DatasetError::Option {
            option,
            problem: format!(
                "{len} with its range ratio is more than {} tokens",
                u32::MAX
            ),
        });
    }
    Ok(((low as u32).max(spread.least), high as u32))
}

/// The prompts themselves, or `batch_size` of their texts in each.
fn in_batches(prompts: Vec<Prompt>, batch_size: usize) -> Vec<Prompt> {
    if batch_size == 1 {
        return prompts;
    }
    let batch = |prompts: &[Prompt]| {
        let texts = prompts.iter().filter_map(|prompt| match prompt {
            Prompt::Text(text) => Some(text.clone()),
            _ => None,
        });
        Prompt::Batch(texts.collect())
    };
    prompts.chunks(batch_size).map(batch).collect()
}
