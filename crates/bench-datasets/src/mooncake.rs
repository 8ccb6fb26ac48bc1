//! Mooncake's traces, by the flags of SGLang's `bench_serving`.
//!
//! JSONL with one `{"timestamp": ..., "input_length": ..., "output_length": ..., "hash_ids": [...]}`
//! on each line; timestamps are milliseconds, a hash id is a block of 512 tokens. Prompts are those
//! of [`TimedTrace`](crate::TimedTrace): blocks of the same hash id are the same tokens, and a prompt
//! is as long as the trace says.
//!
//! With `--mooncake-num-rounds` above 1 each request becomes a conversation of so many turns. A
//! turn's prompt is all that was said before, with as many tokens for each answer as the trace says
//! the answer had, and the request's own prompt again. A turn is sent when the one before it has
//! ended.
//!
//! SGLang makes other prompts of the same file (a hash id is its number and 128 times `hi`, whatever
//! `input_length` says) and sends all rounds of a request at once.

use bench_types::Conversation;
use serde::{Deserialize, Serialize};

use crate::trace::{self, BlockTrace, Played, Rows};
use crate::{Dataset, DatasetError, SampleContext};

const NAME: &str = "mooncake";
const SLOWDOWN: &str = "--mooncake-slowdown-factor";

/// The tokens that a hash id stands for in Mooncake's traces.
pub(crate) const BLOCK_TOKENS: u32 = 512;

/// Seconds for each unit of a timestamp in Mooncake's traces.
pub(crate) const UNIT: f64 = 0.001;

/// Mooncake's traces
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "kebab-case")]
#[cfg_attr(feature = "cli", derive(clap::Args))]
#[cfg_attr(feature = "cli", command(next_help_heading = "Dataset: mooncake"))]
pub struct Mooncake {
    /// Which of the published traces it is; the file itself is given with --dataset-path
    #[cfg_attr(feature = "cli", arg(long, value_enum, value_name = "NAME",
        default_value_t = Mooncake::default().mooncake_workload))]
    pub mooncake_workload: MooncakeWorkload,

    /// Replay so many times as slowly as it was recorded, before --trace-speedup
    #[cfg_attr(feature = "cli", arg(long, value_name = "FACTOR", allow_negative_numbers = true,
        default_value_t = Mooncake::default().mooncake_slowdown_factor))]
    pub mooncake_slowdown_factor: f64,

    /// Turns that each request of the trace becomes
    #[cfg_attr(feature = "cli", arg(long, value_name = "N",
        default_value_t = Mooncake::default().mooncake_num_rounds))]
    pub mooncake_num_rounds: u32,
}

impl Default for Mooncake {
    fn default() -> Mooncake {
        Mooncake {
            mooncake_workload: MooncakeWorkload::Conversation,
            mooncake_slowdown_factor: 1.0,
            mooncake_num_rounds: 1,
        }
    }
}

/// One of Mooncake's published traces.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "cli", derive(clap::ValueEnum))]
#[serde(rename_all = "lowercase")]
pub enum MooncakeWorkload {
    /// `FAST25-release/arxiv-trace/mooncake_trace.jsonl`
    Mooncake,
    /// `FAST25-release/traces/conversation_trace.jsonl`
    Conversation,
    /// `FAST25-release/traces/synthetic_trace.jsonl`
    Synthetic,
    /// `FAST25-release/traces/toolagent_trace.jsonl`
    Toolagent,
}

impl MooncakeWorkload {
    /// What to give as the dataset's file.
    fn format(self) -> &'static str {
        match self {
            MooncakeWorkload::Mooncake => {
                "FAST25-release/arxiv-trace/mooncake_trace.jsonl of \
                 https://github.com/kvcache-ai/Mooncake"
            }
            MooncakeWorkload::Conversation => {
                "FAST25-release/traces/conversation_trace.jsonl of \
                 https://github.com/kvcache-ai/Mooncake"
            }
            MooncakeWorkload::Synthetic => {
                "FAST25-release/traces/synthetic_trace.jsonl of \
                 https://github.com/kvcache-ai/Mooncake"
            }
            MooncakeWorkload::Toolagent => {
                "FAST25-release/traces/toolagent_trace.jsonl of \
                 https://github.com/kvcache-ai/Mooncake"
            }
        }
    }
}

impl Dataset for Mooncake {
    fn name(&self) -> &'static str {
        NAME
    }

    fn has_arrivals(&self) -> bool {
        true
    }

    fn speed_flag(&self) -> Option<&'static str> {
        (self.mooncake_slowdown_factor != 1.0).then_some(SLOWDOWN)
    }

    fn takes_nonce(&self) -> bool {
        true
    }

    fn sample(&self, cx: &SampleContext<'_>) -> Result<Vec<Conversation>, DatasetError> {
        self.check()?;
        let path = trace::path(cx, NAME, self.mooncake_workload.format())?;
        let format = BlockTrace::usual(UNIT * self.mooncake_slowdown_factor);
        let mut rows = Rows::of_blocks(path, format)?;
        let slots = rows.schedule(cx, NAME)?;
        let how = Played {
            turns: self.mooncake_num_rounds,
            ..Played::blocks(NAME, BLOCK_TOKENS)
        };
        trace::play(cx, how, &rows.rows, &slots)
    }
}

impl Mooncake {
    fn check(&self) -> Result<(), DatasetError> {
        let slowdown = self.mooncake_slowdown_factor;
        if !(slowdown.is_finite() && slowdown > 0.0) {
            return Err(DatasetError::Option {
                option: SLOWDOWN,
                problem: format!("{slowdown} is no factor; give a number above 0"),
            });
        }
        if self.mooncake_num_rounds == 0 {
            return Err(DatasetError::Option {
                option: "--mooncake-num-rounds",
                problem: "0 rounds are no request; give 1 or more".to_owned(),
            });
        }
        Ok(())
    }
}
