//! Request bodies of the OpenAI chat protocol, as gateways log them.
//!
//! `--dataset-path` names JSONL (or a JSON array) of `{"messages": [...], "max_tokens": ...}`;
//! lines of OpenAI's batch files, which have that under `body`, are read as well. All messages
//! are sent, in the order of the seed. The output length is `--output-len`, else
//! `--sharegpt-output-len`, else the entry's `max_completion_tokens` or `max_tokens`, else 256.
//!
//! An entry's other fields (`tools`, `temperature`, ...) are not sent; a warning counts them.

use std::collections::BTreeMap;

use bench_types::Conversation;
use serde_json::Value;

use crate::chat;
use crate::record::{Fields, Record};
use crate::rows::{self, Row, Source};
use crate::{Dataset, DatasetError, SampleContext, ShareGpt};

const NAME: &str = "openai";

/// Tokens to generate, unless an option or the entry says otherwise.
const OUTPUT_LEN: u32 = 256;

/// Fields that have a meaning here, or that the run decides.
const KNOWN: [&str; 6] = [
    "messages",
    "max_tokens",
    "max_completion_tokens",
    "model",
    "stream",
    "stream_options",
];

/// Request bodies of the OpenAI chat protocol (JSONL).
#[derive(Clone, Debug, Default, PartialEq)]
pub struct OpenAiLog {
    /// Output length.
    pub sharegpt: ShareGpt,
}

impl Dataset for OpenAiLog {
    fn name(&self) -> &'static str {
        NAME
    }

    fn takes_chat_template(&self) -> bool {
        true
    }

    fn sample(&self, cx: &SampleContext<'_>) -> Result<Vec<Conversation>, DatasetError> {
        let source = Source::new(
            cx,
            NAME,
            "JSONL of {\"messages\": [...], \"max_tokens\": ...}",
            "each entry is the body of a chat request: {\"messages\": [{\"role\": ..., \
             \"content\": ...}]}",
        )?;
        let mut entries: Vec<Row<Fields>> = source.rows()?;
        if entries.is_empty() && cx.num_prompts > 0 {
            return Err(source.nothing_usable(0, "the file is empty"));
        }
        for row in &mut entries {
            if let Some(Value::Object(body)) = row.value.get_mut("body") {
                row.value = std::mem::take(body);
            }
        }
        warn_of_unsent(cx, &source, &entries);
        rows::order(cx, &mut entries);
        let given = cx.output_len.or(self.sharegpt.sharegpt_output_len);
        let mut conversations = rows::take(cx, NAME, &entries, |row| {
            let record = Record::new(&source, row);
            let messages = chat::messages(&record, "messages")?
                .ok_or_else(|| record.error("missing field `messages`".to_owned()))?;
            let (prompt, tokens) = cx.messages_prompt(NAME, &messages)?;
            let output = match given {
                Some(len) => len,
                None => record
                    .tokens("max_completion_tokens")?
                    .or(record.tokens("max_tokens")?)
                    .unwrap_or(OUTPUT_LEN),
            };
            Ok(Some(Conversation::single(0, prompt, tokens, output)))
        })?;
        rows::oversample(cx, NAME, &mut conversations);
        Ok(conversations)
    }
}

/// Says which fields of the entries are not sent.
fn warn_of_unsent(cx: &SampleContext<'_>, source: &Source, entries: &[Row<Fields>]) {
    let mut unsent: BTreeMap<&str, usize> = BTreeMap::new();
    for row in entries {
        let record = Record::new(source, row);
        for name in record.names().filter(|name| !KNOWN.contains(name)) {
            *unsent.entry(name).or_default() += 1;
        }
    }
    if unsent.is_empty() {
        return;
    }
    let counts: Vec<String> = unsent
        .into_iter()
        .map(|(name, count)| format!("`{name}` ({count})"))
        .collect();
    cx.warn(format!(
        "fields of the entries of {} are not sent: {}; what all requests share can be given as \
         sampling flags or with --extra-body",
        source.path().display(),
        counts.join(", ")
    ));
}
