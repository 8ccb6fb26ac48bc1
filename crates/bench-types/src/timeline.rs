use serde::{Deserialize, Serialize};

use crate::Nanos;

/// What a stream event that was stamped stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MarkKind {
    /// A chunk with a choice that only announces the role (`"role":"assistant"`, no content).
    Role,
    /// Generated text.
    Text,
    /// Generated reasoning ("thinking") text.
    Reasoning,
    /// A piece of a tool call.
    ToolCall,
    /// A chunk with a choice and no payload: the finish reason alone, or tokens whose bytes
    /// do not yet make a character.
    Empty,
    /// A usage report with no choice.
    Usage,
    /// The protocol's end marker, such as `[DONE]`.
    Done,
    /// The whole answer at once, in a response that is not streamed. It tells when the answer
    /// was there, and nothing about its first token.
    Whole,
}

impl MarkKind {
    /// Whether the chunk carried something the user would see: text, reasoning or a tool call.
    pub fn is_content(self) -> bool {
        matches!(
            self,
            MarkKind::Text | MarkKind::Reasoning | MarkKind::ToolCall
        )
    }

    /// Whether the chunk had a non-empty `choices`, which is what `vllm bench serve` counts.
    pub fn is_choice(self) -> bool {
        self.is_content() || matches!(self, MarkKind::Role | MarkKind::Empty)
    }
}

/// One stream event: when it came, what it was and how many tokens it brought.
///
/// Sixteen bytes; a run of 400,000 tokens keeps 6.4 MB of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mark {
    /// When the bytes that completed the event were received.
    pub at: Nanos,
    /// What the event was.
    pub kind: MarkKind,
    /// Tokens the event brought; 0 if it brought none or if nobody knows (the record's
    /// [`crate::RequestRecord::chunk_tokens`] tells which).
    pub tokens: u16,
}

/// Every stamp of one request, on the run's clock.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Timeline {
    /// When the load shape wanted the request to leave.
    pub scheduled: Nanos,
    /// When a slot took it, which is later than `scheduled` when all slots were busy.
    pub released: Nanos,
    /// When a connection was ready, only if one had to be opened for this request.
    pub connected: Option<Nanos>,
    /// Immediately before the first byte was written; `None` if nothing was ever written.
    pub sent: Option<Nanos>,
    /// When the status line and the headers were complete.
    pub headers: Option<Nanos>,
    /// One mark per stream event, in order of arrival.
    pub marks: Vec<Mark>,
    /// When the request was over: end of the body, or the failure.
    pub closed: Nanos,
}

impl Timeline {
    /// Marks of chunks with a non-empty `choices`.
    pub fn choices(&self) -> impl DoubleEndedIterator<Item = &Mark> + Clone {
        self.marks.iter().filter(|mark| mark.kind.is_choice())
    }

    /// Marks of chunks that carry content.
    pub fn contents(&self) -> impl DoubleEndedIterator<Item = &Mark> + Clone {
        self.marks.iter().filter(|mark| mark.kind.is_content())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mark_stays_small() {
        assert_eq!(size_of::<Mark>(), 16);
    }
}
