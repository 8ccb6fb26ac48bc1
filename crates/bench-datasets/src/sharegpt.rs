//! Recorded conversations in the format of the ShareGPT collection.
//!
//! The rules are those of `vllm bench serve`: of each conversation with two turns or more, in
//! the order of the seed, the first turn is the prompt and the second says how long the output
//! is; it is taken if the prompt has 4 to 1,024 tokens, the output at least 4 (whatever
//! `--sharegpt-output-len` asks for is long enough), and both together at most 2,048. If too few
//! are left, some are repeated.
//!
//! `--sharegpt-context-len` asks for the rule of SGLang's `bench_serving` instead: prompt and
//! output have at least 2 tokens each and together at most that many, without a limit if it is 0.
//! `--prompt-suffix` puts its text, and `Assistant:`, behind every prompt, where it counts.
//!
//! With `--multi-turn` a conversation is taken whole: every turn of the user with its answer, up to
//! the first that is beyond these limits. Turns after the first may be as short as one token.
//! Conversations of which fewer than two turns are left are left out.
//!
//! Without a tokenizer nothing can be measured. With an output length given, that only means
//! that conversations of any length are taken; without one, there is nothing to ask for, and it
//! is an error.

mod turns;

use std::borrow::Cow;

use bench_types::Conversation;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::rows::{self, Row, Source};
use crate::{Dataset, DatasetError, SampleContext};

const NAME: &str = "sharegpt";

const MIN_TOKENS: u32 = 4;
const MAX_PROMPT_TOKENS: u32 = 1_024;
const MAX_TOTAL_TOKENS: u32 = 2_048;

/// What stands behind the suffix of a prompt.
const ASSISTANT: &str = "Assistant:";

/// First turns of recorded conversations (a ShareGPT JSON file)
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "kebab-case")]
#[cfg_attr(feature = "cli", derive(clap::Args))]
#[cfg_attr(feature = "cli", command(next_help_heading = "Dataset: sharegpt"))]
pub struct ShareGpt {
    /// Tokens to generate for a prompt, instead of as many as the recorded answer has
    #[cfg_attr(feature = "cli", arg(long, value_name = "TOKENS"))]
    pub sharegpt_output_len: Option<u32>,

    /// Take conversations of 2 tokens or more in prompt and answer each and at most this many
    /// together (0: any number), not a prompt of 4 to 1024, an answer of 4 or more, 2048 in all
    #[cfg_attr(feature = "cli", arg(long, value_name = "TOKENS"))]
    pub sharegpt_context_len: Option<u32>,

    /// Text to put behind every prompt, with the mark `Assistant:` after it
    #[cfg_attr(feature = "cli", arg(long, value_name = "TEXT",
        default_value_t = String::new(), hide_default_value = true))]
    pub prompt_suffix: String,
}

/// A conversation of the file. Whatever else the file says of it is not looked at.
#[derive(Deserialize)]
struct Recorded {
    #[serde(default, alias = "conversation")]
    conversations: Vec<Message>,
}

#[derive(Deserialize)]
struct Message {
    /// Who said it, if the file tells.
    #[serde(default, alias = "role")]
    from: Value,
    #[serde(alias = "content")]
    value: String,
}

impl Dataset for ShareGpt {
    fn name(&self) -> &'static str {
        NAME
    }

    fn can_take_chat_template(&self) -> bool {
        true
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
            cx.warn(format!(
                "without a tokenizer conversations of `{NAME}` of any length are taken"
            ));
        }
        let source = Source::new(
            cx,
            NAME,
            "a JSON array, or JSONL or Parquet rows, of {\"conversations\": [{\"from\": ..., \"value\": ...}, ...]}",
            "each entry is {\"conversations\": [{\"from\": ..., \"value\": ...}, ...]}",
        )?;
        let mut recorded: Vec<Row<Recorded>> = source.rows()?;
        let entries = recorded.len();
        recorded.retain(|row| row.value.conversations.len() >= 2);
        let short = entries - recorded.len();
        if short > 0 {
            cx.warn(format!(
                "{short} of the {entries} entries of `{NAME}` are left out: they have fewer than \
                 two turns"
            ));
        }
        rows::order(cx, &mut recorded);

        let mut conversations = rows::take(cx, NAME, &recorded, |row| match cx.multi_turn {
            None => take(self, cx, output_len, &row.value),
            Some(wanted) => self.whole(cx, output_len, &row.value, wanted),
        })?;
        if conversations.is_empty() && cx.num_prompts > 0 && cx.multi_turn.is_some() {
            return Err(source.nothing_usable(entries, turns::NEEDS));
        }
        if conversations.is_empty() && cx.num_prompts > 0 {
            if self.sharegpt_context_len.is_some() {
                return Err(source.nothing_usable(
                    entries,
                    "an entry needs two turns, a prompt and an answer of at least 2 tokens each, and \
                     no more in all than --sharegpt-context-len says (0: any number)",
                ));
            }
            return Err(source.nothing_usable(
                entries,
                "an entry needs two turns, a prompt of 4 to 1024 tokens, an answer of at least 4 \
                 tokens, and at most 2048 tokens in all; --sharegpt-output-len takes the place of \
                 the answer's length, --sharegpt-context-len that of the limits",
            ));
        }
        rows::oversample(cx, NAME, &mut conversations);
        Ok(conversations)
    }
}

/// The request that a recorded conversation makes, if its lengths are within the limits.
fn take(
    options: &ShareGpt,
    cx: &SampleContext<'_>,
    output_len: Option<u32>,
    recorded: &Recorded,
) -> Result<Option<Conversation>, DatasetError> {
    let [question, answer, ..] = recorded.conversations.as_slice() else {
        return Ok(None);
    };
    let question = options.suffixed(&question.value);
    let (prompt, prompt_tokens) = cx.plain_prompt(NAME, &question)?;
    let output = match (output_len, cx.tokenizer) {
        (Some(len), _) => len,
        (None, Some(tokenizer)) => tokenizer.count(&answer.value)?,
        (None, None) => return Ok(None),
    };
    let fits = options.takes(prompt_tokens, output, output_len.is_some());
    Ok(fits.then(|| Conversation::single(0, prompt, prompt_tokens, output)))
}

impl ShareGpt {
    /// The prompt with the suffix, if there is one.
    fn suffixed<'t>(&self, prompt: &'t str) -> Cow<'t, str> {
        if self.prompt_suffix.is_empty() {
            return Cow::Borrowed(prompt);
        }
        let prompt = prompt.strip_suffix(ASSISTANT).unwrap_or(prompt);
        Cow::Owned(format!("{prompt}{}{ASSISTANT}", self.prompt_suffix))
    }

    /// Whether a conversation of these lengths is taken; one of unknown length is.
    fn takes(&self, prompt: Option<u32>, output: u32, output_is_given: bool) -> bool {
        let Some(tokens) = prompt else { return true };
        if self.sharegpt_context_len.is_some() {
            return tokens >= 2 && output >= 2 && self.has_room(prompt, output);
        }
        (MIN_TOKENS..=MAX_PROMPT_TOKENS).contains(&tokens)
            && (output_is_given || output >= MIN_TOKENS)
            && tokens.saturating_add(output) <= MAX_TOTAL_TOKENS
    }

    /// Whether `--sharegpt-context-len` has room for prompt and output.
    pub(crate) fn has_room(&self, prompt: Option<u32>, output: u32) -> bool {
        match (prompt, self.sharegpt_context_len) {
            (_, None | Some(0)) | (None, _) => true,
            (Some(prompt), Some(most)) => prompt.saturating_add(output) <= most,
        }
    }
}
