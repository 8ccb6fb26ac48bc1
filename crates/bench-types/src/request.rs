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
    /// Several texts in one request, for backends whose protocol takes them.
    Batch(Arc<[Arc<str>]>),
    /// A question and the documents to be ranked by how well they answer it.
    Rerank {
        /// The question.
        query: Arc<str>,
        /// The documents.
        documents: Arc<[Arc<str>]>,
    },
    /// A recording to be transcribed.
    Audio(Arc<Audio>),
}

impl Prompt {
    /// Number of inputs the server works on: the texts of a batch, the documents to be
    /// ranked, otherwise one.
    pub fn inputs(&self) -> usize {
        match self {
            Prompt::Batch(texts) => texts.len(),
            Prompt::Rerank { documents, .. } => documents.len(),
            Prompt::Text(_) | Prompt::TokenIds(_) | Prompt::Chat(_) | Prompt::Audio(_) => 1,
        }
    }
}

/// A recording, as it is in its file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Audio {
    /// Name of the file, without its folder.
    pub file_name: String,
    /// The bytes of the file.
    pub bytes: Vec<u8>,
    /// How long it plays.
    pub duration: Duration,
}

/// What servers are asked to do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Task {
    /// Generate text. Measured by TTFT, TPOT, ITL and E2EL if the answer is streamed, by E2EL
    /// alone if it is not.
    #[default]
    Generate,
    /// Turn inputs into vectors or scores: embeddings, pooling, reranking. Measured by E2EL
    /// and by inputs and input tokens per second.
    Pool,
    /// Turn speech into text. Measured as [`Task::Generate`], and by seconds of audio per
    /// second.
    Transcribe,
}

/// One request of a conversation: a prompt and what may come back.
#[derive(Clone, Debug, PartialEq)]
pub struct Turn {
    /// What is sent.
    pub prompt: Prompt,
    /// Length of the prompt in tokens as the dataset's tokenizer counts it, without what is
    /// repeated of the conversation; `None` if no tokenizer was used, in which case the server's
    /// usage is the only source.
    pub prompt_tokens: Option<u32>,
    /// The most tokens the server may generate (`max_tokens`).
    pub max_output_tokens: u32,
    /// Think time: how long after the end of the turn it follows it is released.
    pub pause: Duration,
    /// The turn it follows, by its place in the conversation, which is smaller than its own;
    /// `None` for the one before it. Turns that follow the same one are sent side by side.
    pub parent: Option<u32>,
    /// The recorded answer, from which later turns go on where [`History::Recorded`] asks for
    /// that.
    pub reply: Option<Arc<str>>,
    /// Length of the reply in tokens, if it was counted.
    pub reply_tokens: Option<u32>,
}

impl Turn {
    /// A turn without think time that follows the one before it.
    pub fn new(prompt: Prompt, prompt_tokens: Option<u32>, max_output_tokens: u32) -> Turn {
        Turn {
            prompt,
            prompt_tokens,
            max_output_tokens,
            pause: Duration::ZERO,
            parent: None,
            reply: None,
            reply_tokens: None,
        }
    }
}

/// What of a conversation a turn's request repeats.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum History {
    /// Nothing: the prompt of every turn is whole as it stands.
    #[default]
    Whole,
    /// The prompts of the turns it follows and the answers recorded to them; the prompt of a
    /// turn is only what is new.
    Recorded,
    /// The prompts of the turns it follows and what the server answered to them; the prompt of
    /// a turn is only what is new.
    Live,
}

/// A sequence of turns that are sent one after the other; a single request is a
/// conversation of one turn.
#[derive(Clone, Debug, PartialEq)]
pub struct Conversation {
    /// Position in the dataset, from 0.
    pub id: u64,
    /// The turns, in order; never empty.
    pub turns: Vec<Turn>,
    /// What of it each turn repeats.
    pub history: History,
    /// When it begins, from the beginning of the trace it was recorded in.
    pub arrival: Option<Duration>,
    /// The class of a mixed workload that it belongs to, by which results are told apart.
    pub class: Option<Arc<str>>,
    /// The LoRA adapter that a trace says it asked for.
    pub adapter: Option<Arc<str>>,
    /// The key by which a router is to keep it with others that share its prefix.
    pub routing_key: Option<Arc<str>>,
}

impl Conversation {
    /// A conversation of one turn without think time.
    pub fn single(
        id: u64,
        prompt: Prompt,
        prompt_tokens: Option<u32>,
        max_output_tokens: u32,
    ) -> Conversation {
        let turn = Turn::new(prompt, prompt_tokens, max_output_tokens);
        Conversation::of_turns(id, vec![turn])
    }

    /// A conversation of turns whose prompts are whole; nothing else is known of it.
    pub fn of_turns(id: u64, turns: Vec<Turn>) -> Conversation {
        Conversation {
            id,
            turns,
            history: History::Whole,
            arrival: None,
            class: None,
            adapter: None,
            routing_key: None,
        }
    }

    /// The place of the turn that the one at `place` follows; `None` for the first.
    pub fn parent_of(&self, place: u32) -> Option<u32> {
        let turn = self.turns.get(place as usize)?;
        turn.parent.or(place.checked_sub(1))
    }

    /// The places of the turns that follow the one at `place`, in order.
    pub fn children_of(&self, place: u32) -> impl Iterator<Item = u32> + '_ {
        let later = (0..).zip(&self.turns).skip(place as usize + 1);
        later
            .map(|(child, _)| child)
            .filter(move |child| self.parent_of(*child) == Some(place))
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn turns_follow_the_one_before_unless_they_say_otherwise() {
        let turn = || Turn::new(Prompt::Text("a".into()), None, 1);
        let mut tree = Conversation::of_turns(0, (0..5).map(|_| turn()).collect());
        tree.turns[2].parent = Some(0);
        tree.turns[4].parent = Some(1);
        let parents: Vec<_> = (0..5).map(|place| tree.parent_of(place)).collect();
        assert_eq!(parents, [None, Some(0), Some(0), Some(2), Some(1)]);
        let children: Vec<Vec<u32>> = (0..5).map(|p| tree.children_of(p).collect()).collect();
        assert_eq!(children, [vec![1, 2], vec![4], vec![3], vec![], vec![]]);
    }
}
