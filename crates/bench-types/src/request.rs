use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// What a request asks the model to continue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Prompt {
    /// Plain text. Chat backends send it as one user message.
    Text(Arc<str>),
    /// Token ids, for backends whose protocol takes them.
    TokenIds(Arc<[u32]>),
    /// A JSON array of chat messages, already serialized.
    Chat(Arc<str>),
}

/// One request of a conversation: a prompt and what may come back.
#[derive(Clone, Debug, PartialEq)]
pub struct Turn {
    /// What is sent.
    pub prompt: Prompt,
    /// Length of the prompt in tokens as the dataset's tokenizer counts it; `None` if no
    /// tokenizer was used, in which case the server's usage is the only source.
    pub prompt_tokens: Option<u32>,
    /// The most tokens the server may generate (`max_tokens`).
    pub max_output_tokens: u32,
    /// Think time: how long after the end of the turn before this one it is released.
    pub pause: Duration,
}

/// A sequence of turns that are sent one after the other; a single request is a
/// conversation of one turn.
#[derive(Clone, Debug, PartialEq)]
pub struct Conversation {
    /// Position in the dataset, from 0.
    pub id: u64,
    /// The turns, in order; never empty.
    pub turns: Vec<Turn>,
}

impl Conversation {
    /// A conversation of one turn without think time.
    pub fn single(
        id: u64,
        prompt: Prompt,
        prompt_tokens: Option<u32>,
        max_output_tokens: u32,
    ) -> Conversation {
        let pause = Duration::ZERO;
        Conversation {
            id,
            turns: vec![Turn {
                prompt,
                prompt_tokens,
                max_output_tokens,
                pause,
            }],
        }
    }
}

/// Sampling parameters sent with every request of a run; `None` leaves the choice to the
/// server.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Sampling {
    /// `temperature`: 0 is greedy.
    pub temperature: Option<f64>,
    /// `top_p`: nucleus sampling mass.
    pub top_p: Option<f64>,
    /// `top_k`: number of candidates (an extension of vLLM and SGLang).
    pub top_k: Option<i64>,
    /// `min_p`: least probability relative to the best candidate (an extension).
    pub min_p: Option<f64>,
    /// `frequency_penalty`.
    pub frequency_penalty: Option<f64>,
    /// `presence_penalty`.
    pub presence_penalty: Option<f64>,
    /// `repetition_penalty` (an extension).
    pub repetition_penalty: Option<f64>,
}
