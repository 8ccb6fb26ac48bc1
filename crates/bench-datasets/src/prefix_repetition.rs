//! A few long prefixes, each in front of many prompts, exact in length.
//!
//! `vllm bench serve`'s dataset of that name: `--prefix-repetition-num-prefixes` prefixes of
//! random tokens, and prompts that are a prefix and a suffix of their own, in random order. Two
//! things differ:
//!
//! - **Lengths are exact**, also where prefix and suffix meet: there, the last token of one and
//!   the first of the other may be read as a single token.
//! - **Every prompt asked for is made.** There, each prefix has `⌊prompts / prefixes⌋` prompts,
//!   and the remainder is dropped without a word. Here the first prefixes have one more.
//!
//! As there, special tokens that the server adds to a text come on top.

use bench_types::{Conversation, Prompt};
use serde::{Deserialize, Serialize};

use crate::synthetic::{Order, Plan, Shape, needed_tokenizer};
use crate::{Dataset, DatasetError, SampleContext, rows, trace};

const NAME: &str = "prefix_repetition";

/// Prompts that share a few prefixes: as long as asked, to the token.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "kebab-case")]
#[cfg_attr(feature = "cli", derive(clap::Args))]
#[cfg_attr(
    feature = "cli",
    command(next_help_heading = "Dataset: prefix_repetition")
)]
pub struct PrefixRepetition {
    /// Tokens of a prefix
    #[cfg_attr(feature = "cli", arg(long, value_name = "TOKENS",
        default_value_t = PrefixRepetition::default().prefix_repetition_prefix_len))]
    pub prefix_repetition_prefix_len: u32,

    /// Tokens of a prompt after its prefix
    #[cfg_attr(feature = "cli", arg(long, value_name = "TOKENS",
        default_value_t = PrefixRepetition::default().prefix_repetition_suffix_len))]
    pub prefix_repetition_suffix_len: u32,

    /// Number of prefixes, shared evenly among the prompts
    #[cfg_attr(feature = "cli", arg(long, value_name = "N",
        default_value_t = PrefixRepetition::default().prefix_repetition_num_prefixes))]
    pub prefix_repetition_num_prefixes: u32,

    /// Tokens to generate for a prompt
    #[cfg_attr(feature = "cli", arg(long, value_name = "TOKENS",
        default_value_t = PrefixRepetition::default().prefix_repetition_output_len))]
    pub prefix_repetition_output_len: u32,
}

impl Default for PrefixRepetition {
    fn default() -> PrefixRepetition {
        PrefixRepetition {
            prefix_repetition_prefix_len: 256,
            prefix_repetition_suffix_len: 256,
            prefix_repetition_num_prefixes: 10,
            prefix_repetition_output_len: 128,
        }
    }
}

impl Dataset for PrefixRepetition {
    fn name(&self) -> &'static str {
        NAME
    }

    fn takes_nonce(&self) -> bool {
        true
    }

    fn sample(&self, cx: &SampleContext<'_>) -> Result<Vec<Conversation>, DatasetError> {
        let tokenizer = needed_tokenizer(cx, NAME)?;
        self.check()?;
        // Those that no prompt begins with are not made.
        let prefixes = (self.prefix_repetition_num_prefixes as usize).min(cx.num_prompts.max(1));
        let output = cx.output_len.unwrap_or(self.prefix_repetition_output_len);
        let mut order: Vec<usize> = (0..cx.num_prompts).map(|i| i % prefixes).collect();
        order.sort_unstable();
        rows::order(cx, &mut order);
        let shape = |prefix| Shape {
            prefix: Some(prefix),
            input: self.prefix_repetition_suffix_len as usize,
            output,
            start: 0,
        };
        let plan = Plan {
            order: Order::Scattered,
            prefixes: vec![self.prefix_repetition_prefix_len as usize; prefixes],
            ..Plan::new(cx, tokenizer, order.into_iter().map(shape).collect())
        };
        let prompts = cx.in_parallel(|| plan.prompts(cx.prompt_token_ids))?;
        let conversation = |((id, shape), prompt): ((u64, &Shape), Prompt)| {
            Conversation::single(id, prompt, Some(plan.tokens(shape, 0)), shape.output)
        };
        Ok((0..)
            .zip(&plan.shapes)
            .zip(prompts)
            .map(conversation)
            .collect())
    }
}

impl PrefixRepetition {
    fn check(&self) -> Result<(), DatasetError> {
        let refuse = |option, problem: &str| {
            Err(DatasetError::Option {
                option,
                problem: problem.to_owned(),
            })
        };
        if self.prefix_repetition_num_prefixes == 0 {
            return refuse(
                "--prefix-repetition-num-prefixes",
                "there is no prompt without a prefix; give 1 or more",
            );
        }
        if self.prefix_repetition_prefix_len == 0 && self.prefix_repetition_suffix_len == 0 {
            return refuse(
                "--prefix-repetition-suffix-len",
                "0 makes prompts without any token, as the prefix has none either; ask for more \
                 tokens",
            );
        }
        let (prefix, suffix) = (
            self.prefix_repetition_prefix_len,
            self.prefix_repetition_suffix_len,
        );
        if prefix.saturating_add(suffix) > trace::MOST_PROMPT_TOKENS {
            return refuse(
                "--prefix-repetition-prefix-len",
                "prompts of more than 100,000,000 tokens cannot be made; ask for fewer",
            );
        }
        Ok(())
    }
}
