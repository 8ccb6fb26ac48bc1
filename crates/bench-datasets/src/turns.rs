//! Questions of one turn or more, as benchmarks of speculative decoding have them.
//!
//! An entry has its questions in `turns`, a list of texts, or in `prompt`, a text or a list of
//! them, or in chat `messages`; and it may have a `category`. The first question is the prompt.

use std::collections::BTreeSet;

use bench_types::{Conversation, Prompt};
use serde_json::Value;

use crate::chat::{self, Exchange};
use crate::record::{Fields, Record};
use crate::rows::{self, Row, Source};
use crate::{DatasetError, SampleContext};

/// What the file of such a dataset looks like.
pub(crate) const FORMAT: &str =
    "JSONL, a JSON array, CSV or Parquet of {\"turns\": [\"...\"], \"category\": \"...\"}";

/// What to do about a bad entry.
pub(crate) const CURE: &str = "each entry is {\"turns\": [\"first question\", ...]}, with a \
                               \"category\" if one is asked for";

/// What a dataset of questions asks for.
pub(crate) struct Questions<'a> {
    /// The dataset.
    pub(crate) dataset: &'static str,
    /// Tokens to generate.
    pub(crate) output_len: u32,
    /// The only category to take, and its flag.
    pub(crate) category: Option<(&'static str, &'a str)>,
}

impl Questions<'_> {
    /// The first questions of `source`.
    pub(crate) fn sample(
        &self,
        cx: &SampleContext<'_>,
        source: &Source,
    ) -> Result<Vec<Conversation>, DatasetError> {
        let mut entries: Vec<Row<Fields>> = source.rows()?;
        if entries.is_empty() && cx.num_prompts > 0 {
            return Err(source.nothing_usable(0, "the file is empty"));
        }
        if let Some((flag, category)) = self.category {
            entries = of_category(source, entries, flag, category)?;
        }
        rows::order(cx, &mut entries);
        let output = cx.output_len.unwrap_or(self.output_len);
        let mut conversations = rows::take(cx, self.dataset, &entries, |row| {
            let record = Record::new(source, row);
            let (prompt, tokens) = self.question(cx, &record)?;
            Ok(Some(Conversation::single(0, prompt, tokens, output)))
        })?;
        rows::oversample(cx, self.dataset, &mut conversations);
        Ok(conversations)
    }

    fn question(
        &self,
        cx: &SampleContext<'_>,
        record: &Record<'_>,
    ) -> Result<(Prompt, Option<u32>), DatasetError> {
        let text = match record.first(&["turns", "prompt"]) {
            None => {
                let messages = chat::messages(record, "messages")?.map(Exchange::first);
                return match messages.filter(|exchange| !exchange.asked.is_empty()) {
                    Some(exchange) => cx.messages_prompt(self.dataset, &exchange.asked),
                    None => Err(record.error("missing field `turns`".to_owned())),
                };
            }
            Some(("prompt", Value::String(text))) => text.clone(),
            Some((name, _)) => match record.list(name)?.as_deref().and_then(|list| list.first()) {
                Some(Value::String(text)) => text.clone(),
                Some(other) => return Err(record.wrong(name, other, "a list of texts")),
                None => return Err(record.error(format!("`{name}` is empty"))),
            },
        };
        cx.asked_prompt(self.dataset, &text)
    }
}

/// The entries of one category, or an error that lists the others.
fn of_category(
    source: &Source,
    entries: Vec<Row<Fields>>,
    flag: &'static str,
    category: &str,
) -> Result<Vec<Row<Fields>>, DatasetError> {
    let mut others = BTreeSet::new();
    let mut taken = Vec::new();
    for row in entries {
        match Record::new(source, &row).needed_text("category")? {
            this if this == category => taken.push(row),
            other => {
                others.insert(other.to_owned());
            }
        }
    }
    if taken.is_empty() {
        let others: Vec<String> = others.into_iter().collect();
        return Err(DatasetError::Option {
            option: flag,
            problem: format!(
                "{} has no entry of the category `{category}`; it has {}",
                source.path().display(),
                others.join(", ")
            ),
        });
    }
    Ok(taken)
}
