//! Prompts of one's own, from a file.
//!
//! Either JSONL, one `{"prompt": ..., "output_tokens": ...}` on each line, or a JSON array of
//! `{"prompt": ..., "completion": ..., "id": ...}`; both forms may carry both hints. How long
//! the output is:
//!
//! 1. `--output-len`, if given;
//! 2. with `--custom-output-len -1`: the entry's `output_tokens`, else the length of its
//!    `completion`, else it is an error;
//! 3. otherwise the length of its `completion`, if it has one and there is a tokenizer, else
//!    `--custom-output-len`.
//!
//! Prompts are sent as they stand: no chat template is applied here, a chat backend's server
//! applies its own. Without a tokenizer prompts are sent uncounted.

use bench_types::Conversation;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use crate::rows::{self, Row, Source};
use crate::{Dataset, DatasetError, SampleContext};

const NAME: &str = "custom";

/// Stands for "what the entry says".
const AS_RECORDED: i64 = -1;

/// Prompts of your own (JSONL, or a JSON array)
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "kebab-case")]
#[cfg_attr(feature = "cli", derive(clap::Args))]
#[cfg_attr(feature = "cli", command(next_help_heading = "Dataset: custom"))]
pub struct Custom {
    /// Tokens to generate for a prompt whose entry has no completion, or for a recording; -1:
    /// the entry says
    #[cfg_attr(feature = "cli", arg(long, value_name = "TOKENS", allow_negative_numbers = true,
        default_value_t = Custom::default().custom_output_len))]
    pub custom_output_len: i64,
}

impl Default for Custom {
    fn default() -> Custom {
        Custom {
            custom_output_len: 256,
        }
    }
}

#[derive(Deserialize)]
struct Entry {
    prompt: String,
    output_tokens: Option<u32>,
    completion: Option<String>,
}

/// Where a request's output length comes from.
#[derive(Clone, Copy)]
pub(crate) enum OutputLen {
    /// The same for all.
    Fixed(u32),
    /// The entry's completion, or this.
    CompletionOr(u32),
    /// The entry.
    AsRecorded,
}

impl Dataset for Custom {
    fn name(&self) -> &'static str {
        NAME
    }

    fn sample(&self, cx: &SampleContext<'_>) -> Result<Vec<Conversation>, DatasetError> {
        let output_len = self.output_len(cx)?;
        let source = Source::new(
            cx,
            NAME,
            "JSONL of {\"prompt\": ..., \"output_tokens\": ...}, or a JSON array of \
             {\"prompt\": ..., \"completion\": ...}",
            "each entry is {\"prompt\": \"...\"}, with \"output_tokens\" or \"completion\" if \
             --custom-output-len is -1",
        )?;
        let mut entries: Vec<Row<Entry>> = source.rows()?;
        if entries.is_empty() && cx.num_prompts > 0 {
            return Err(source.nothing_usable(0, "the file is empty"));
        }
        rows::order(cx, &mut entries);
        entries.truncate(cx.num_prompts);

        let mut conversations = cx.in_parallel(|| {
            let conversation = |(id, row): (usize, &Row<Entry>)| {
                let (prompt, tokens) = cx.recorded_prompt(NAME, &row.value.prompt)?;
                let output = output_tokens(cx, output_len, &row.value)?.ok_or_else(|| {
                    let problem = "it does not say how long its output is";
                    source.entry_error(row.entry, row.line, problem.to_owned())
                })?;
                Ok(Conversation::single(id as u64, prompt, tokens, output))
            };
            entries
                .par_iter()
                .enumerate()
                .map(conversation)
                .collect::<Result<Vec<_>, _>>()
        })?;
        rows::oversample(cx, NAME, &mut conversations);
        Ok(conversations)
    }
}

impl Custom {
    /// What the options say about the output length.
    pub(crate) fn output_len(&self, cx: &SampleContext<'_>) -> Result<OutputLen, DatasetError> {
        if let Some(len) = cx.output_len {
            return Ok(OutputLen::Fixed(len));
        }
        if self.custom_output_len == AS_RECORDED {
            return Ok(OutputLen::AsRecorded);
        }
        u32::try_from(self.custom_output_len)
            .map(OutputLen::CompletionOr)
            .map_err(|_| DatasetError::Option {
                option: "--custom-output-len",
                problem: format!(
                    "{} is no number of tokens; give one, or -1 to take it from each entry",
                    self.custom_output_len
                ),
            })
    }
}

/// How many tokens to generate for `entry`; `None` if nothing says.
fn output_tokens(
    cx: &SampleContext<'_>,
    output_len: OutputLen,
    entry: &Entry,
) -> Result<Option<u32>, DatasetError> {
    let completion = || match (&entry.completion, cx.tokenizer) {
        (Some(text), Some(tokenizer)) => tokenizer.count(text).map(Some),
        _ => Ok(None),
    };
    match (output_len, entry.output_tokens) {
        (OutputLen::Fixed(len), _) => Ok(Some(len)),
        (OutputLen::CompletionOr(len), _) => Ok(Some(completion()?.unwrap_or(len))),
        (OutputLen::AsRecorded, Some(len)) => Ok(Some(len)),
        (OutputLen::AsRecorded, None) => completion(),
    }
}
