//! Traces whose prompts are blocks of tokens with hash ids: Mooncake, Bailian and their like.
//!
//! JSONL; each line is a request with a timestamp, the lengths of its prompt and of its answer, and
//! the hash ids of the blocks of its prompt. What the fields are called can be said
//! (`--timed-trace-label-...`); `--timed-trace-sec-multiplier` makes seconds of the timestamps
//! (0.001 for milliseconds), and `--timed-trace-chunk-hash-size` is the number of tokens in a block
//! (16 in Bailian's traces, 512 in Mooncake's).
//!
//! The same hash id is the same tokens in every prompt, process, release and on every machine, for
//! one tokenizer: so many whole words, drawn from a ChaCha8 stream whose key is the hash id and the
//! number of tokens in a block (see `trace/prompts.rs`), and a nonce if the run has one. The last
//! block is cut where the prompt ends, so that a prompt has exactly as many tokens as the trace
//! says. Where the list of hash ids is too short for that, the rest is tokens that no other prompt
//! has, and a warning says how many requests that is; hash ids beyond the prompt's end are not
//! used.
//!
//! Prompts are sent as token ids where the backend takes them, and otherwise as text that comes back
//! as the same tokens, to which a server may add special ones.
//!
//! The earliest line of the file is the beginning of the trace. Requests without prompt or output
//! tokens are left out and told.

use std::path::Path;

use bench_types::Conversation;
use serde::{Deserialize, Serialize};

use crate::trace::{self, BlockTrace, Played, Rows};
use crate::{Dataset, DatasetError, SampleContext};

const NAME: &str = "timed_trace";

/// Traces of blocks with hash ids
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "kebab-case")]
#[cfg_attr(feature = "cli", derive(clap::Args))]
#[cfg_attr(feature = "cli", command(next_help_heading = "Dataset: timed_trace"))]
pub struct TimedTrace {
    /// Tokens in the block that a hash id stands for: 16 in Bailian's traces, 512 in Mooncake's
    #[cfg_attr(feature = "cli", arg(long, value_name = "TOKENS",
        default_value_t = TimedTrace::default().timed_trace_chunk_hash_size))]
    pub timed_trace_chunk_hash_size: u32,

    /// Seconds for each unit of a timestamp: 0.001 if they are milliseconds
    #[cfg_attr(feature = "cli", arg(long, value_name = "SECONDS", allow_negative_numbers = true,
        default_value_t = TimedTrace::default().timed_trace_sec_multiplier))]
    pub timed_trace_sec_multiplier: f64,

    /// Name of the field with the timestamp
    #[cfg_attr(feature = "cli", arg(long, value_name = "FIELD",
        default_value_t = TimedTrace::default().timed_trace_label_timestamp))]
    pub timed_trace_label_timestamp: String,

    /// Name of the field with the length of the prompt in tokens
    #[cfg_attr(feature = "cli", arg(long, value_name = "FIELD",
        default_value_t = TimedTrace::default().timed_trace_label_input_length))]
    pub timed_trace_label_input_length: String,

    /// Name of the field with the length of the answer in tokens
    #[cfg_attr(feature = "cli", arg(long, value_name = "FIELD",
        default_value_t = TimedTrace::default().timed_trace_label_output_length))]
    pub timed_trace_label_output_length: String,

    /// Name of the field with the list of hash ids
    #[cfg_attr(feature = "cli", arg(long, value_name = "FIELD",
        default_value_t = TimedTrace::default().timed_trace_label_hash_ids))]
    pub timed_trace_label_hash_ids: String,
}

impl Default for TimedTrace {
    fn default() -> TimedTrace {
        TimedTrace {
            timed_trace_chunk_hash_size: 16,
            timed_trace_sec_multiplier: 1.0,
            timed_trace_label_timestamp: "timestamp".to_owned(),
            timed_trace_label_input_length: "input_length".to_owned(),
            timed_trace_label_output_length: "output_length".to_owned(),
            timed_trace_label_hash_ids: "hash_ids".to_owned(),
        }
    }
}

impl Dataset for TimedTrace {
    fn name(&self) -> &'static str {
        NAME
    }

    fn has_arrivals(&self) -> bool {
        true
    }

    fn takes_nonce(&self) -> bool {
        true
    }

    fn sample(&self, cx: &SampleContext<'_>) -> Result<Vec<Conversation>, DatasetError> {
        let format = self.format()?;
        let path = trace::path(cx, NAME, "JSONL of requests with hash ids")?;
        let mut rows = Rows::of_blocks(path, format)?;
        self.check_hash_ids(&rows, path)?;
        let slots = rows.schedule(cx, NAME)?;
        let how = Played::blocks(NAME, self.timed_trace_chunk_hash_size);
        trace::play(cx, how, &rows.rows, &slots)
    }
}

impl TimedTrace {
    /// Refuses a trace without any hash id, which is likely one that calls them something else.
    fn check_hash_ids(&self, rows: &Rows, path: &Path) -> Result<(), DatasetError> {
        if rows.rows.iter().any(|row| !row.hash_ids.is_empty()) {
            return Ok(());
        }
        Err(DatasetError::Option {
            option: "--timed-trace-label-hash-ids",
            problem: format!(
                "no line of {} has hash ids in `{}`, so no prompts would have anything in common; \
                 give the name of the field that has them",
                path.display(),
                self.timed_trace_label_hash_ids
            ),
        })
    }

    fn format(&self) -> Result<BlockTrace<'_>, DatasetError> {
        let unit = self.timed_trace_sec_multiplier;
        if !(unit.is_finite() && unit > 0.0) {
            return Err(DatasetError::Option {
                option: "--timed-trace-sec-multiplier",
                problem: format!("{unit} makes no seconds; give a number above 0"),
            });
        }
        if self.timed_trace_chunk_hash_size == 0 {
            return Err(DatasetError::Option {
                option: "--timed-trace-chunk-hash-size",
                problem: "a block of 0 tokens is nothing; give 1 or more".to_owned(),
            });
        }
        Ok(BlockTrace {
            timestamp: &self.timed_trace_label_timestamp,
            input_length: &self.timed_trace_label_input_length,
            output_length: &self.timed_trace_label_output_length,
            hash_ids: &self.timed_trace_label_hash_ids,
            unit,
            cure: "each line is a JSON object with a timestamp, the lengths of prompt and answer \
                   in tokens, and a list of hash ids; the flags --timed-trace-label-... say what \
                   the fields are called",
        })
    }
}
