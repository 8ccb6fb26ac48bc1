//! The stream that `/v1/messages` answers with, and the whole message.

use bench_stream::SseEvent;
use bench_types::{Failure, Finish, MarkKind, TokenSource};
use serde::de::IgnoredAny;
use serde_json::value::RawValue;

use crate::openai_event::{Text, text_of};
use crate::verdict::Verdict;
use crate::{BackendError, BodyEnd, Decoder, StreamEvent};

/// Decodes the stream of a message.
///
/// Only pieces of content blocks set marks: text, thinking and the input of tools. What comes
/// before the first of them (`message_start`, `content_block_start`, `ping`) is no token. The
/// message is whole when `message_stop` comes, or when the body ends as it should after a
/// reason to stop; one that stops without a reason was given up by the server.
#[derive(Debug, Default)]
pub(crate) struct AnthropicDecoder {
    verdict: Verdict,
    usage: Usage,
    counted: bool,
}

impl Decoder for AnthropicDecoder {
    fn decode(
        &mut self,
        event: SseEvent<'_>,
        emit: &mut dyn FnMut(StreamEvent<'_>),
    ) -> Result<(), BackendError> {
        // Some servers add it. It comes after errors too, so it is no end.
        if event.data.trim_ascii() == b"[DONE]" {
            return Ok(());
        }
        let Some(parsed) = self.verdict.parse::<Event<'_>>(&event, emit)? else {
            return Ok(());
        };
        match parsed.kind() {
            "message_start" => {
                let malformed = |source| BackendError::malformed(event.data, source);
                self.start(parsed.message, emit).map_err(malformed)?;
            }
            "content_block_start" => self.block(&parsed.content_block, emit),
            "content_block_delta" => self.delta(&parsed.delta, emit),
            "message_delta" => self.message_delta(&parsed, emit),
            "message_stop" => self.stop(emit),
            _ if parsed.is_error() => self.verdict.failed(event.data, emit),
            _ => {}
        }
        Ok(())
    }

    fn decode_whole(
        &mut self,
        body: &[u8],
        emit: &mut dyn FnMut(StreamEvent<'_>),
    ) -> Result<(), BackendError> {
        let malformed = |source| BackendError::malformed(body, source);
        let message: Message<'_> = serde_json::from_slice(body).map_err(malformed)?;
        if message.is_error() {
            self.verdict.failed(body, emit);
            return Ok(());
        }
        self.verdict.model(message.model(), emit);
        let pieces: Vec<&str> = message.content.iter().flatten().map(Block::text).collect();
        let text = pieces.concat();
        self.verdict.content |= !text.is_empty();
        emit(StreamEvent::Chunk {
            choice: 0,
            kind: MarkKind::Whole,
            text: &text,
            tokens: None,
        });
        if let Some(usage) = &message.usage {
            self.counted = usage.output_tokens.is_some();
            self.report(usage, false, emit);
        }
        self.reason(message.stop_reason.as_ref());
        if self.verdict.finish.is_none() {
            self.gave_up(emit);
        }
        self.verdict.whole();
        Ok(())
    }

    fn chunk_tokens(&self) -> TokenSource {
        match self.counted {
            true => TokenSource::Usage,
            false => TokenSource::Unknown,
        }
    }

    fn finish(&mut self, end: BodyEnd<'_>) -> Result<Finish, Failure> {
        let complete = self.verdict.finish.is_some();
        self.verdict.judge_unless(end, complete, "`message_stop`")
    }
}

impl AnthropicDecoder {
    fn start(
        &mut self,
        message: Option<&RawValue>,
        emit: &mut dyn FnMut(StreamEvent<'_>),
    ) -> Result<(), serde_json::Error> {
        if let Some(message) = message {
            let message: Message<'_> = serde_json::from_str(message.get())?;
            self.verdict.model(message.model(), emit);
            if let Some(usage) = &message.usage {
                self.usage.update(usage);
                // Nothing has been generated yet, whatever stands here.
                self.usage.output_tokens = None;
            }
        }
        Ok(())
    }

    /// A block begins: empty, but nothing is lost if it is not.
    fn block(&mut self, block: &Option<Block<'_>>, emit: &mut dyn FnMut(StreamEvent<'_>)) {
        if let Some(block) = block {
            for (kind, text) in [
                (MarkKind::Reasoning, text_of(&block.thinking)),
                (MarkKind::Text, text_of(&block.text)),
            ] {
                if !text.is_empty() {
                    self.piece(kind, text, emit);
                }
            }
        }
    }

    fn delta(&mut self, delta: &Option<Delta<'_>>, emit: &mut dyn FnMut(StreamEvent<'_>)) {
        let Some(delta) = delta else {
            return;
        };
        let (kind, text) = match text_of(&delta.kind) {
            "text_delta" => (MarkKind::Text, &delta.text),
            "thinking_delta" => (MarkKind::Reasoning, &delta.thinking),
            "input_json_delta" => (MarkKind::ToolCall, &delta.partial_json),
            // Signatures and citations are no output of the model.
            _ => return,
        };
        self.piece(kind, text_of(text), emit);
    }

    fn piece(&mut self, kind: MarkKind, text: &str, emit: &mut dyn FnMut(StreamEvent<'_>)) {
        let kind = match text {
            "" => MarkKind::Empty,
            _ => kind,
        };
        self.verdict.content |= kind.is_content();
        emit(StreamEvent::Chunk {
            choice: 0,
            kind,
            text,
            tokens: None,
        });
    }

    fn message_delta(&mut self, event: &Event<'_>, emit: &mut dyn FnMut(StreamEvent<'_>)) {
        let delta = event.delta.as_ref();
        self.reason(delta.and_then(|delta| delta.stop_reason.as_ref()));
        if let Some(usage) = &event.usage {
            self.report(usage, true, emit);
        }
    }

    fn stop(&mut self, emit: &mut dyn FnMut(StreamEvent<'_>)) {
        match self.verdict.finish {
            Some(_) => self.verdict.ended(emit),
            None => self.gave_up(emit),
        }
    }

    fn gave_up(&mut self, emit: &mut dyn FnMut(StreamEvent<'_>)) {
        let text = "the server gave up (no `stop_reason`)";
        self.verdict.failed(text.as_bytes(), emit);
    }

    /// Reports the counts so far, with what is new in `usage`.
    fn report(&mut self, usage: &Usage, alone: bool, emit: &mut dyn FnMut(StreamEvent<'_>)) {
        self.usage.update(usage);
        let completion = self.usage.output_tokens;
        self.verdict.content |= completion > Some(0);
        emit(StreamEvent::Usage {
            prompt: self.usage.prompt(),
            completion,
            cached: self.usage.cache_read_input_tokens,
            alone,
        });
    }

    fn reason(&mut self, reason: Option<&Text<'_>>) {
        let Some(reason) = reason else {
            return;
        };
        self.verdict.reason(match &*reason.0 {
            "end_turn" | "stop_sequence" => "stop",
            "max_tokens" | "model_context_window_exceeded" => "length",
            "tool_use" => "tool_calls",
            "refusal" => "content_filter",
            _ => "other",
        });
    }
}

/// An event; every key may be missing or null.
#[derive(Debug, Default, serde::Deserialize)]
#[serde(default)]
struct Event<'a> {
    #[serde(rename = "type", borrow)]
    kind: Option<Text<'a>>,
    #[serde(borrow)]
    object: Option<Text<'a>>,
    /// A message when the stream begins, a text in errors of some servers.
    #[serde(borrow)]
    message: Option<&'a RawValue>,
    #[serde(borrow)]
    content_block: Option<Block<'a>>,
    #[serde(borrow)]
    delta: Option<Delta<'a>>,
    usage: Option<Usage>,
    error: Option<IgnoredAny>,
    detail: Option<IgnoredAny>,
}

impl Event<'_> {
    fn kind(&self) -> &str {
        text_of(&self.kind)
    }

    fn is_error(&self) -> bool {
        let detail = self.detail.is_some() && self.kind.is_none();
        let named = self.kind() == "error" || text_of(&self.object) == "error";
        named || self.error.is_some() || detail
    }
}

#[derive(Debug, Default, serde::Deserialize)]
#[serde(default)]
struct Delta<'a> {
    #[serde(rename = "type", borrow)]
    kind: Option<Text<'a>>,
    #[serde(borrow)]
    text: Option<Text<'a>>,
    #[serde(borrow)]
    thinking: Option<Text<'a>>,
    #[serde(borrow)]
    partial_json: Option<Text<'a>>,
    #[serde(borrow)]
    stop_reason: Option<Text<'a>>,
}

/// A message: empty when a stream begins, or the whole answer.
#[derive(Debug, Default, serde::Deserialize)]
#[serde(default)]
struct Message<'a> {
    #[serde(rename = "type", borrow)]
    kind: Option<Text<'a>>,
    #[serde(borrow)]
    object: Option<Text<'a>>,
    #[serde(borrow)]
    model: Option<Text<'a>>,
    #[serde(borrow)]
    content: Option<Vec<Block<'a>>>,
    #[serde(borrow)]
    stop_reason: Option<Text<'a>>,
    usage: Option<Usage>,
    error: Option<IgnoredAny>,
    detail: Option<IgnoredAny>,
}

impl Message<'_> {
    fn model(&self) -> Option<&str> {
        self.model.as_ref().map(|model| &*model.0)
    }

    fn is_error(&self) -> bool {
        let named = text_of(&self.kind) == "error" || text_of(&self.object) == "error";
        let detail = self.detail.is_some() && self.content.is_none();
        named || self.error.is_some() || detail
    }
}

/// A block of content: text, thinking, or the use of a tool with its input.
#[derive(Debug, Default, serde::Deserialize)]
#[serde(default)]
struct Block<'a> {
    #[serde(borrow)]
    text: Option<Text<'a>>,
    #[serde(borrow)]
    thinking: Option<Text<'a>>,
    #[serde(borrow)]
    input: Option<&'a RawValue>,
}

impl Block<'_> {
    fn text(&self) -> &str {
        match (&self.text, &self.thinking, self.input) {
            (Some(text), ..) | (None, Some(text), _) => &text.0,
            (None, None, Some(input)) => input.get(),
            (None, None, None) => "",
        }
    }
}

/// Token counts. Those of the prompt come at the beginning, and in three parts.
#[derive(Clone, Debug, Default, serde::Deserialize)]
#[serde(default)]
struct Usage {
    input_tokens: Option<u32>,
    cache_creation_input_tokens: Option<u32>,
    cache_read_input_tokens: Option<u32>,
    output_tokens: Option<u32>,
}

impl Usage {
    /// Takes over the counts that `newer` has.
    fn update(&mut self, newer: &Usage) {
        for (count, newer) in [
            (&mut self.input_tokens, newer.input_tokens),
            (
                &mut self.cache_creation_input_tokens,
                newer.cache_creation_input_tokens,
            ),
            (
                &mut self.cache_read_input_tokens,
                newer.cache_read_input_tokens,
            ),
            (&mut self.output_tokens, newer.output_tokens),
        ] {
            *count = newer.or(*count);
        }
    }

    /// All tokens of the prompt: the server's `input_tokens` leaves out those that were written
    /// to the cache or read from it.
    fn prompt(&self) -> Option<u32> {
        let cached = [
            self.cache_creation_input_tokens,
            self.cache_read_input_tokens,
        ];
        let uncached = self.input_tokens?;
        let add = |sum: u32, part| sum.saturating_add(part);
        Some(cached.into_iter().flatten().fold(uncached, add))
    }
}
