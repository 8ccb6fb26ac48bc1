//! Recorded conversations in the format of the ShareGPT collection.
//!
//! The rules are those of `vllm bench serve`: of each conversation with two turns or more, in
//! the order of the seed, the first turn is the prompt and the second says how long the output
//! is; it is taken if the prompt has 4 to 1,024 tokens, the output at least 4 (whatever
//! `--sharegpt-output-len` asks for is long enough), and both together at most 2,048. If too few
//! are left, some are repeated.
//!
//! Without a tokenizer nothing can be measured. With an output length given, that only means
//! that conversations of any length are taken; without one, there is nothing to ask for, and it
//! is an error.

use bench_types::Conversation;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use crate::rows::{self, Row, Source};
use crate::{Dataset, DatasetError, SampleContext};

const NAME: &str = "sharegpt";

const MIN_TOKENS: u32 = 4;
const MAX_PROMPT_TOKENS: u32 = 1_024;
const MAX_TOTAL_TOKENS: u32 = 2_048;

/// Fewest conversations that are tokenized at a time.
const BLOCK: usize = 256;

/// First turns of recorded conversations (a ShareGPT JSON file)
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "kebab-case")]
#[cfg_attr(feature = "cli", derive(clap::Args))]
#[cfg_attr(feature = "cli", command(next_help_heading = "Dataset: sharegpt"))]
pub struct ShareGpt {
    /// Tokens to generate for a prompt, instead of as many as the recorded answer has
    #[cfg_attr(feature = "cli", arg(long, value_name = "TOKENS"))]
    pub sharegpt_output_len: Option<u32>,
}

/// A conversation of the file. Whatever else the file says of it is not looked at.
#[derive(Deserialize)]
struct Recorded {
    #[serde(default, alias = "conversation")]
    conversations: Vec<Message>,
}

#[derive(Deserialize)]
struct Message {
    #[serde(alias = "content")]
    value: String,
}

impl Dataset for ShareGpt {
    fn name(&self) -> &'static str {
        NAME
    }

    fn sample(&self, cx: &SampleContext<'_>) -> Result<Vec<Conversation>, DatasetError> {
        let output_len = cx.output_len.or(self.sharegpt_output_len);
        if cx.tokenizer.is_none() {
            if output_len.is_none() {
                return Err(DatasetError::NeedsTokenizer {
                    dataset: NAME,
                    purpose: "to measure the recorded answers",
                    otherwise: ", or give --sharegpt-output-len and take prompts of any length",
                });
            }
            tracing::warn!("no tokenizer: prompts of any length are taken from the dataset");
        }
        let source = Source::new(
            cx,
            NAME,
            "a JSON array of {\"conversations\": [{\"from\": ..., \"value\": ...}, ...]}",
            "each entry is {\"conversations\": [{\"from\": ..., \"value\": ...}, ...]}",
        )?;
        let mut recorded: Vec<Row<Recorded>> = source.rows()?;
        let entries = recorded.len();
        recorded.retain(|row| row.value.conversations.len() >= 2);
        rows::order(cx, &mut recorded);

        let mut conversations = Vec::with_capacity(cx.num_prompts);
        let mut rest = recorded.as_slice();
        while conversations.len() < cx.num_prompts && !rest.is_empty() {
            let missing = cx.num_prompts - conversations.len();
            let (block, after) = rest.split_at(rest.len().min(missing.max(BLOCK)));
            rest = after;
            let taken: Result<Vec<Option<Conversation>>, DatasetError> = cx.in_parallel(|| {
                block
                    .par_iter()
                    .map(|row| take(cx, output_len, &row.value))
                    .collect()
            });
            conversations.extend(taken?.into_iter().flatten().take(missing));
        }
        if conversations.is_empty() && cx.num_prompts > 0 {
            return Err(source.nothing_usable(
                entries,
                "an entry needs two turns, a prompt of 4 to 1024 tokens, an answer of at least 4 \
                 tokens, and at most 2048 tokens in all; --sharegpt-output-len takes the place of \
                 the answer's length",
            ));
        }
        for (id, conversation) in (0..).zip(&mut conversations) {
            conversation.id = id;
        }
        rows::oversample(cx, NAME, &mut conversations);
        Ok(conversations)
    }
}

/// The request that a recorded conversation makes, if its lengths are within the limits.
fn take(
    cx: &SampleContext<'_>,
    output_len: Option<u32>,
    recorded: &Recorded,
) -> Result<Option<Conversation>, DatasetError> {
    let [question, answer, ..] = recorded.conversations.as_slice() else {
        return Ok(None);
    };
    let (prompt, prompt_tokens) = cx.recorded_prompt(NAME, &question.value)?;
    let output = match (output_len, cx.tokenizer) {
        (Some(len), _) => len,
        (None, Some(tokenizer)) => tokenizer.count(&answer.value)?,
        (None, None) => return Ok(None),
    };
    let fits = prompt_tokens.is_none_or(|prompt| {
        (MIN_TOKENS..=MAX_PROMPT_TOKENS).contains(&prompt)
            && (output_len.is_some() || output >= MIN_TOKENS)
            && prompt.saturating_add(output) <= MAX_TOTAL_TOKENS
    });
    Ok(fits.then(|| Conversation::single(0, prompt, prompt_tokens, output)))
}
