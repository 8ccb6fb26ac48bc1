use std::fmt;

use serde::de::{self, Visitor};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::value::RawValue;
use twox_hash::XxHash3_128;

/// A line of a trace in the project's own format: one request.
///
/// A trace is JSONL; the page on the trace format in the documentation has every field. A field
/// that is not one of these is an error.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TraceLine {
    /// The session it is a turn of; without one it is a session of its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session: Option<String>,
    /// Its name in the session, for others to follow it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// The turn it follows; without one it follows the one before it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent: Option<String>,
    /// When the session begins, in seconds on the trace's clock. The first line of a session has
    /// it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<f64>,
    /// Seconds from the end of the turn it follows to its beginning; 0 without it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delay: Option<f64>,
    /// What the turns of the session repeat. The first line of a session has it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub history: Option<TraceHistory>,
    /// The prompt, as chat messages: a JSON array.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub messages: Option<Box<RawValue>>,
    /// The prompt, as text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prompt: Option<String>,
    /// The prompt's length in tokens, if its text is not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub input_tokens: Option<u32>,
    /// The blocks that a prompt of `input_tokens` begins with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hash_ids: Option<Vec<HashId>>,
    /// The tokens of a block.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub block_tokens: Option<u32>,
    /// The most tokens that may come back.
    pub output_tokens: u32,
    /// The recorded answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reply: Option<String>,
    /// The LoRA adapter that was asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub adapter: Option<String>,
    /// The class of a mixed workload.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub class: Option<String>,
    /// The key by which a router keeps it with others.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub routing_key: Option<String>,
}

/// What the turns of a session in a trace repeat.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TraceHistory {
    /// Nothing: every prompt is whole.
    #[default]
    Whole,
    /// The prompts before it and their recorded answers; a prompt is what is new.
    Recorded,
    /// The prompts before it and what the server answers; a prompt is what is new.
    Live,
}

/// The name of a block of tokens: prompts that begin with the same blocks begin with the same
/// tokens.
///
/// In a file it is a whole number, or a text, which stands for the lower 64 bits of its XXH3.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
pub struct HashId(u64);

impl HashId {
    /// The block of this number.
    pub fn new(number: u64) -> HashId {
        HashId(number)
    }

    /// Its number.
    pub fn number(self) -> u64 {
        self.0
    }
}

impl<'de> Deserialize<'de> for HashId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<HashId, D::Error> {
        struct Id;

        impl Visitor<'_> for Id {
            type Value = HashId;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a hash id: a whole number or a text")
            }

            fn visit_u64<E: de::Error>(self, number: u64) -> Result<HashId, E> {
                Ok(HashId(number))
            }

            fn visit_i64<E: de::Error>(self, number: i64) -> Result<HashId, E> {
                Ok(HashId(number as u64))
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<HashId, E> {
                let mut hash = XxHash3_128::new();
                hash.write(text.as_bytes());
                Ok(HashId(hash.finish_128() as u64))
            }
        }

        deserializer.deserialize_any(Id)
    }
}
