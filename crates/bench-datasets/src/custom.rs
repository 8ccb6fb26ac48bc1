//! Prompts of one's own, from a file.
//!
//! JSONL, a JSON array, CSV or Parquet. An entry has one of
//!
//! - `prompt`: a text, or a list of chat messages;
//! - `messages`: a list of chat messages, `{"role": ..., "content": ...}`. All of them are sent;
//!   if the last one is the assistant's, it is the completion;
//! - `conversations`: a conversation as in the ShareGPT collection. What stands before the first
//!   answer is sent, and that answer is the completion;
//!
//! and may have `output_tokens` and `completion`. How long the output is:
//!
//! 1. `--output-len`, if given;
//! 2. with `--custom-output-len -1`: the entry's `output_tokens`, else the length of its
//!    completion, else it is an error;
//! 3. otherwise the length of its completion, if it has one and there is a tokenizer, else
//!    `--custom-output-len`.
//!
//! An entry is checked when it is used: those that a run does not need may be wrong.
//!
//! Messages that are nothing but one text of the user are sent as that text, all others as chat
//! messages. Without a tokenizer prompts are sent uncounted.

use bench_types::{Conversation, Prompt};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::chat::{self, Exchange};
use crate::record::{Fields, Record};
use crate::rows::{self, Row, Source};
use crate::{Dataset, DatasetError, SampleContext};

const NAME: &str = "custom";

/// Stands for "what the entry says".
const AS_RECORDED: i64 = -1;

/// Prompts of your own (JSONL, a JSON array, CSV or Parquet)
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

    fn takes_chat_template(&self) -> bool {
        true
    }

    fn sample(&self, cx: &SampleContext<'_>) -> Result<Vec<Conversation>, DatasetError> {
        let output_len = self.output_len(cx)?;
        let source = Source::new(
            cx,
            NAME,
            "JSONL, a JSON array, CSV or Parquet of {\"prompt\": ..., \"output_tokens\": ...}, with \
             \"completion\" instead of a number or \"messages\" instead of a text",
            "each entry is {\"prompt\": \"...\"} or {\"messages\": [...]}, with \
             \"output_tokens\" or \"completion\" if --custom-output-len is -1",
        )?;
        let mut entries: Vec<Row<Fields>> = source.rows()?;
        if entries.is_empty() && cx.num_prompts > 0 {
            return Err(source.nothing_usable(0, "the file is empty"));
        }
        rows::order(cx, &mut entries);
        let mut conversations = rows::take(cx, NAME, &entries, |row| {
            let record = Record::new(&source, row);
            let asked = Asked::of(cx, &record)?;
            let output = output_tokens(cx, output_len, &record, asked.answer.as_deref())?
                .ok_or_else(|| record.error("it does not say how long its output is".to_owned()))?;
            Ok(Some(Conversation::single(
                0,
                asked.prompt,
                asked.tokens,
                output,
            )))
        })?;
        rows::oversample(cx, NAME, &mut conversations);
        Ok(conversations)
    }
}

/// What an entry asks.
struct Asked {
    prompt: Prompt,
    tokens: Option<u32>,
    /// The recorded answer.
    answer: Option<String>,
}

impl Asked {
    fn of(cx: &SampleContext<'_>, record: &Record<'_>) -> Result<Asked, DatasetError> {
        let name = record.first(&["prompt"]).or(record.first(&chat::MESSAGES));
        let exchange = match name {
            None => return Err(record.error("missing field `prompt` or `messages`".to_owned())),
            Some(("prompt", Value::String(text))) => {
                let (prompt, tokens) = cx.asked_prompt(NAME, text)?;
                return Ok(Asked {
                    prompt,
                    tokens,
                    answer: None,
                });
            }
            Some(("prompt", other)) if !other.is_array() => {
                return Err(record.wrong("prompt", other, "a text"));
            }
            Some((name @ ("prompt" | "messages"), _)) => {
                chat::messages(record, name)?.map(Exchange::last)
            }
            Some((name, _)) => chat::messages(record, name)?.map(Exchange::first),
        };
        let exchange = exchange.filter(|exchange| !exchange.asked.is_empty());
        let Some(Exchange { asked, answer }) = exchange else {
            return Err(record.error("it has an answer, but nothing that was asked".to_owned()));
        };
        let (prompt, tokens) = cx.messages_prompt(NAME, &asked)?;
        Ok(Asked {
            prompt,
            tokens,
            answer,
        })
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

/// How many tokens to generate for an entry; `None` if nothing says.
pub(crate) fn output_tokens(
    cx: &SampleContext<'_>,
    output_len: OutputLen,
    record: &Record<'_>,
    answer: Option<&str>,
) -> Result<Option<u32>, DatasetError> {
    let completion = || match (record.text("completion")?.or(answer), cx.tokenizer) {
        (Some(text), Some(tokenizer)) => tokenizer.count(text).map(Some),
        _ => Ok(None),
    };
    match (output_len, record.tokens("output_tokens")?) {
        (OutputLen::Fixed(len), _) => Ok(Some(len)),
        (OutputLen::CompletionOr(len), _) => Ok(Some(completion()?.unwrap_or(len))),
        (OutputLen::AsRecorded, Some(len)) => Ok(Some(len)),
        (OutputLen::AsRecorded, None) => completion(),
    }
}
