//! Questions about long texts, from LongBench v2.
//!
//! `--dataset-path` names its `data.json`, or the rows as JSONL, CSV or Parquet
//! (`THUDM/LongBench-v2`). A prompt is the entry's `context`, its `question` and its four choices
//! (`choice_A` to `choice_D`), in the order of the seed:
//!
//! ```text
//! {context}
//!
//! Question: {question}
//! A. {choice_A}
//! ...
//! Answer:
//! ```
//!
//! The output length is `--output-len`, else `--sharegpt-output-len`, else 10. With
//! `--sharegpt-context-len`, entries that need more tokens in all are left out. These are the
//! rules of SGLang's `bench_serving`.

use bench_types::Conversation;

use crate::record::{Fields, Record};
use crate::rows::{self, Row, Source};
use crate::{Dataset, DatasetError, SampleContext, ShareGpt};

const NAME: &str = "longbench_v2";

/// Tokens to generate, unless an option says otherwise: a letter and a few words.
const OUTPUT_LEN: u32 = 10;

/// Questions about long texts (a file of LongBench v2).
#[derive(Clone, Debug, Default, PartialEq)]
pub struct LongBenchV2 {
    /// Output length and context length.
    pub sharegpt: ShareGpt,
}

impl Dataset for LongBenchV2 {
    fn name(&self) -> &'static str {
        NAME
    }

    fn can_take_chat_template(&self) -> bool {
        true
    }

    fn sample(&self, cx: &SampleContext<'_>) -> Result<Vec<Conversation>, DatasetError> {
        let source = Source::new(
            cx,
            NAME,
            "the data.json of LongBench v2, or its rows as JSONL, CSV or Parquet",
            "each entry has the texts context, question, choice_A, choice_B, choice_C and choice_D",
        )?;
        let mut entries: Vec<Row<Fields>> = source.rows()?;
        rows::order(cx, &mut entries);
        let output = cx.output_len.or(self.sharegpt.sharegpt_output_len);
        let output = output.unwrap_or(OUTPUT_LEN);
        let mut conversations = rows::take(cx, NAME, &entries, |row| {
            let text = question(&Record::new(&source, row))?;
            let (prompt, tokens) = cx.plain_prompt(NAME, &text)?;
            let fits = self.sharegpt.has_room(tokens, output);
            Ok(fits.then(|| Conversation::single(0, prompt, tokens, output)))
        })?;
        if conversations.is_empty() && cx.num_prompts > 0 {
            return Err(source.nothing_usable(
                entries.len(),
                "an entry may have as many tokens as --sharegpt-context-len says; raise it",
            ));
        }
        rows::oversample(cx, NAME, &mut conversations);
        Ok(conversations)
    }
}

fn question(record: &Record<'_>) -> Result<String, DatasetError> {
    let context = record.needed_text("context")?;
    let question = record.needed_text("question")?;
    let mut text = format!("{context}\n\nQuestion: {question}\n");
    for letter in ["A", "B", "C", "D"] {
        let choice = record.needed_text(&format!("choice_{letter}"))?;
        text.push_str(&format!("{letter}. {choice}\n"));
    }
    text.push_str("Answer:");
    Ok(text)
}
