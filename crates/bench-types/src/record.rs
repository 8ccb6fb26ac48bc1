use serde::{Deserialize, Serialize};

use crate::{Nanos, Outcome, Timeline};

/// Where a token count comes from, best first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TokenSource {
    /// The server's `usage`.
    Usage,
    /// The token ids or log probabilities the server sent with each chunk.
    TokenIds,
    /// The server's total equals the number of content chunks, so each brought one.
    OnePerChunk,
    /// Counted by the tokenizer from the text, after the run.
    Tokenizer,
    /// The dataset's own count (input side only).
    Dataset,
    /// Each content chunk taken for one token, for want of anything better.
    Chunks,
    /// Not known.
    #[default]
    Unknown,
}

/// What a request is there for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RequestKind {
    /// To be measured.
    #[default]
    Load,
    /// To bring the server up to the load before anything is measured.
    WarmUp,
    /// To feel, beside the load, how long a small request takes.
    Probe,
}

/// The number of inputs of a plain request.
fn one() -> u32 {
    1
}

/// How many socket reads of a request were stamped by which clock.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReceiveCounts {
    /// Reads stamped with the time the kernel received the bytes.
    pub kernel: u32,
    /// Reads stamped in user space, when the bytes were read.
    pub user: u32,
    /// Reads that brought more than one content chunk.
    pub merged: u32,
}

/// What the server itself says about the time a request took, in seconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct ServerTimings {
    /// Waiting for a place in the batch.
    pub queue: Option<f64>,
    /// Processing the prompt.
    pub prefill: Option<f64>,
    /// Generating after the first token.
    pub decode: Option<f64>,
    /// From arrival to the first token.
    pub ttft: Option<f64>,
    /// From arrival to the end.
    pub e2e: Option<f64>,
}

/// The generated text with the place where each content chunk ended.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Transcript {
    /// The whole text: reasoning, answer and tool-call arguments in order of arrival.
    pub text: String,
    /// For each mark whose kind is content, the length of `text` in bytes after it.
    pub ends: Vec<u32>,
}

/// One request: what was asked, every stamp, and how it ended.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RequestRecord {
    /// Position in the order of sending, from 0: the index into the schedule.
    pub id: u64,
    /// The conversation this request belongs to.
    pub conversation: u64,
    /// Which turn of the conversation it is, from 0.
    pub turn: u32,
    /// Which of the run's servers it was sent to, from 0.
    #[serde(default)]
    pub server_index: u16,
    /// Which of the run's models it asked for, from 0: more than one only with LoRA adapters.
    #[serde(default)]
    pub model_index: u16,
    /// Which of the run's classes its conversation belongs to, from 0: more than one only in a
    /// mixed workload.
    #[serde(default)]
    pub class_index: u16,
    /// What it is there for.
    #[serde(default)]
    pub kind: RequestKind,
    /// Inputs in the request: the texts of a batch or the documents to be ranked.
    #[serde(default = "one")]
    pub inputs: u32,
    /// How long the recording plays that is to be transcribed.
    #[serde(default)]
    pub audio: Option<Nanos>,
    /// Length of the prompt in tokens.
    pub prompt_tokens: u32,
    /// Where `prompt_tokens` comes from.
    pub prompt_tokens_source: TokenSource,
    /// Prompt tokens the server took from its prefix cache, if it says so.
    pub cached_tokens: Option<u32>,
    /// Prompt tokens that stood at the beginning of an earlier prompt of the run: what an
    /// unlimited prefix cache that was empty before would have. `None` if it is not known.
    #[serde(default)]
    pub expected_cached_tokens: Option<u32>,
    /// The most tokens the server was allowed to generate.
    pub max_output_tokens: u32,
    /// Number of tokens generated.
    pub output_tokens: u32,
    /// Where `output_tokens` comes from.
    pub output_tokens_source: TokenSource,
    /// Where the `tokens` of the marks come from.
    pub chunk_tokens: TokenSource,
    /// Every stamp.
    pub timeline: Timeline,
    /// How it ended.
    pub outcome: Outcome,
    /// What the server says about it.
    pub server: Option<ServerTimings>,
    /// Which clock stamped its reads.
    pub receive: ReceiveCounts,
    /// The text, if it was kept.
    pub transcript: Option<Transcript>,
}
