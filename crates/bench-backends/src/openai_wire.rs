//! The stream that the OpenAI-like routes answer with.

use std::borrow::Cow;

use bench_stream::SseEvent;
use bench_types::{Failure, Finish, MarkKind, TokenSource};
use serde::de::Error as _;

use crate::error::excerpt;
use crate::error_body::error_message;
use crate::openai_event::{Choice, Event};
use crate::repeat::{Counts, Repeats, TextChunk};
use crate::{BackendError, BodyEnd, Decoder, StreamEvent};

/// Most choices of an answer; a larger index is a malformed event.
const MAX_CHOICES: u32 = 4_096;

/// Decodes and judges the stream of a completion or a chat completion.
///
/// How [`Decoder::finish`] decides, first match wins:
///
/// 1. An error inside the stream, or the finish reason `abort` or `error`: the server
///    failed, whatever else came.
/// 2. After `[DONE]` nothing can be missing, so it does not matter how the body ended.
///    Without it, a body that was cut is truncated even if a finish reason came: the usage
///    or the rest of another choice may be lost.
/// 3. The last event is cut in the middle: truncated.
/// 4. Neither `[DONE]` nor a finish reason for every choice: truncated.
/// 5. Not a single token, by content, by chunk counts and by usage: no tokens.
/// 6. Whole, with the finish reason, or [`Finish::Unstated`] if there is none.
#[derive(Debug, Default)]
pub(crate) struct OpenAiDecoder {
    repeats: Repeats,
    /// What was seen of each choice, by index.
    choices: Vec<ChoiceState>,
    /// Every chunk reports usage; decided by the first one.
    continuous: Option<bool>,
    chunk_tokens: ChunkTokens,
    model_seen: bool,
    finish: Option<Finish>,
    error: Option<String>,
    /// The beginning of a last event that is cut.
    cut: Option<String>,
    content: bool,
    tokens: bool,
    done: bool,
}

#[derive(Clone, Debug, Default)]
struct ChoiceState {
    seen: bool,
    finished: bool,
    /// Tokens reported so far by continuous usage.
    tokens: u32,
}

/// Where the counts of the chunks came from.
#[derive(Debug, Default)]
struct ChunkTokens {
    source: TokenSource,
    missing: bool,
}

impl Decoder for OpenAiDecoder {
    #[inline]
    fn decode(
        &mut self,
        event: SseEvent<'_>,
        emit: &mut dyn FnMut(StreamEvent<'_>),
    ) -> Result<(), BackendError> {
        if self.done {
            return Ok(());
        }
        if event.event.is_none()
            && let Some(chunk) = self.repeats.recognize(event.data)
        {
            self.repeated(&chunk, emit);
            return Ok(());
        }
        self.decode_new(event, emit)
    }

    fn decode_whole(
        &mut self,
        body: &[u8],
        emit: &mut dyn FnMut(StreamEvent<'_>),
    ) -> Result<(), BackendError> {
        let malformed = |source| BackendError::malformed(body, source);
        let answer: Event<'_> = serde_json::from_slice(body).map_err(malformed)?;
        if answer.is_error() {
            self.in_band_error(body, emit);
            return Ok(());
        }
        self.model(&answer, emit);
        for choice in answer.choices() {
            let (content, text) = choice.payload();
            self.content |= content.is_some();
            if let Some(reason) = &choice.finish_reason {
                self.finished(&reason.0);
            }
            emit(StreamEvent::Chunk {
                choice: choice.index,
                kind: MarkKind::Whole,
                text: &text,
                tokens: None,
            });
        }
        if let Some(usage) = &answer.usage {
            let counts = usage.counts().map_err(malformed)?;
            self.tokens |= counts.completion > 0;
            self.chunk_tokens.source = TokenSource::Usage;
            emit(usage_event(counts, false));
        }
        if let Some(metrics) = &answer.metrics {
            emit(StreamEvent::Timings(metrics.timings()));
        }
        self.done = true;
        Ok(())
    }

    fn chunk_tokens(&self) -> TokenSource {
        match self.chunk_tokens.missing {
            true => TokenSource::Unknown,
            false => self.chunk_tokens.source,
        }
    }

    fn finish(&mut self, end: BodyEnd<'_>) -> Result<Finish, Failure> {
        if let Some(error) = self.error.take() {
            return Err(Failure::Server(error));
        }
        if !self.done {
            if let BodyEnd::Cut(reason) = end {
                return Err(Failure::Truncated(reason.to_owned()));
            }
            if let Some(event) = self.cut.take() {
                let text = format!("the last event is cut: {event}");
                return Err(Failure::Truncated(text));
            }
            let mut seen = self.choices.iter().filter(|choice| choice.seen);
            if self.finish.is_none() || !seen.all(|choice| choice.finished) {
                let text = "the body ended without a finish reason and without [DONE]";
                return Err(Failure::Truncated(text.to_owned()));
            }
        }
        if !self.content && !self.tokens {
            return Err(Failure::NoTokens);
        }
        Ok(self.finish.unwrap_or(Finish::Unstated))
    }
}

impl OpenAiDecoder {
    /// Emits a chunk like one that was decoded before; only its counts are news.
    fn repeated(&mut self, chunk: &TextChunk<'_>, emit: &mut dyn FnMut(StreamEvent<'_>)) {
        let (choice, kind, usage) = (chunk.choice, chunk.kind, chunk.usage);
        let tokens = self.count(choice, kind, usage, None);
        emit(StreamEvent::Chunk {
            choice,
            kind,
            text: &chunk.text,
            tokens,
        });
        if let Some(counts) = usage {
            emit(usage_event(counts, false));
        }
    }

    /// Decodes an event that is not like the one before.
    fn decode_new(
        &mut self,
        event: SseEvent<'_>,
        emit: &mut dyn FnMut(StreamEvent<'_>),
    ) -> Result<(), BackendError> {
        let data = event.data.trim_ascii();
        if data == b"[DONE]" {
            self.done = true;
            emit(StreamEvent::Done);
            return Ok(());
        }
        if data.is_empty() {
            return Ok(());
        }
        let declared_error = event.event == Some(b"error");
        let parsed: Event<'_> = match serde_json::from_slice(data) {
            Ok(parsed) => parsed,
            Err(_) if declared_error => {
                self.in_band_error(data, emit);
                return Ok(());
            }
            Err(_) if !event.terminated => {
                self.cut = Some(excerpt(data));
                return Ok(());
            }
            Err(source) => return Err(BackendError::malformed(data, source)),
        };
        if declared_error || parsed.is_error() {
            self.in_band_error(data, emit);
            return Ok(());
        }
        self.parsed(data, &parsed, emit)
    }

    fn in_band_error(&mut self, data: &[u8], emit: &mut dyn FnMut(StreamEvent<'_>)) {
        let message = error_message(data);
        emit(StreamEvent::Error(&message));
        self.error.get_or_insert(message);
    }

    fn parsed(
        &mut self,
        data: &[u8],
        event: &Event<'_>,
        emit: &mut dyn FnMut(StreamEvent<'_>),
    ) -> Result<(), BackendError> {
        self.model(event, emit);
        let usage = match &event.usage {
            Some(usage) => {
                let malformed = |source| BackendError::malformed(data, source);
                Some(usage.counts().map_err(malformed)?)
            }
            None => None,
        };
        let mut choices = 0;
        for choice in event.choices() {
            choices += 1;
            if choice.index >= MAX_CHOICES {
                let source = serde_json::Error::custom("the index of a choice is too large");
                return Err(BackendError::malformed(data, source));
            }
            self.choice(choice, usage, emit);
        }
        if let Some(counts) = usage {
            self.tokens |= counts.completion > 0;
            emit(usage_event(counts, choices == 0));
        }
        if let Some(metrics) = &event.metrics {
            emit(StreamEvent::Timings(metrics.timings()));
        }
        if choices == 1 && event.metrics.is_none() {
            self.learn(data, event, usage);
        }
        Ok(())
    }

    fn model(&mut self, event: &Event<'_>, emit: &mut dyn FnMut(StreamEvent<'_>)) {
        if !self.model_seen
            && let Some(model) = &event.model
        {
            self.model_seen = true;
            emit(StreamEvent::Model(&model.0));
        }
    }

    fn choice(
        &mut self,
        choice: &Choice<'_>,
        usage: Option<Counts>,
        emit: &mut dyn FnMut(StreamEvent<'_>),
    ) {
        let index = choice.index as usize;
        if self.choices.len() <= index {
            self.choices.resize(index + 1, ChoiceState::default());
        }
        let (content, text) = choice.payload();
        let first = !self.choices[index].seen;
        let kind = match content {
            Some(kind) => kind,
            None if first && choice.has_role() => MarkKind::Role,
            None => MarkKind::Empty,
        };
        let tokens = self.count(choice.index, kind, usage, choice.listed_tokens());
        self.content |= content.is_some();
        self.tokens |= tokens.is_some_and(|tokens| tokens > 0);
        let state = &mut self.choices[index];
        state.seen = true;
        if let Some(reason) = &choice.finish_reason {
            state.finished = true;
            self.finished(&reason.0);
        }
        emit(StreamEvent::Chunk {
            choice: choice.index,
            kind,
            text: &text,
            tokens,
        });
    }

    /// Tokens that a chunk brought: by how much the usage of its choice grew, or else the
    /// number of token ids or log probabilities `listed` in it.
    fn count(
        &mut self,
        choice: u32,
        kind: MarkKind,
        usage: Option<Counts>,
        listed: Option<u32>,
    ) -> Option<u32> {
        let continuous = *self.continuous.get_or_insert(usage.is_some());
        let (tokens, source) = match usage {
            // The role leaves together with the first token; its chunk has none of its own.
            Some(_) if continuous && kind == MarkKind::Role => (Some(0), TokenSource::Usage),
            Some(usage) if continuous => {
                let so_far = &mut self.choices[choice as usize].tokens;
                let more = usage.completion.saturating_sub(*so_far);
                *so_far += more;
                (Some(more), TokenSource::Usage)
            }
            _ => (listed, TokenSource::TokenIds),
        };
        match tokens {
            Some(_) => self.chunk_tokens.source = source,
            None => self.chunk_tokens.missing |= kind.is_content(),
        }
        tokens
    }

    fn finished(&mut self, reason: &str) {
        let finish = match reason {
            "stop" | "eos_token" | "stop_sequence" => Finish::Stop,
            "length" => Finish::Length,
            "tool_calls" | "function_call" => Finish::ToolCalls,
            "content_filter" => Finish::ContentFilter,
            "abort" | "error" => {
                let text = format!("the server gave up (finish_reason `{reason}`)");
                self.error.get_or_insert(text);
                return;
            }
            _ => Finish::Other,
        };
        self.finish.get_or_insert(finish);
    }

    /// Remembers an event that holds one piece of content and, but for usage, nothing else
    /// that changes the state of the decoder a second time.
    fn learn(&mut self, data: &[u8], event: &Event<'_>, usage: Option<Counts>) {
        let Some(choice) = event.choices().next() else {
            return;
        };
        if choice.finish_reason.is_none()
            && choice.listed_tokens().is_none()
            && let (Some(kind), text @ Cow::Borrowed(_)) = choice.payload()
        {
            let chunk = TextChunk {
                choice: choice.index,
                kind,
                text,
                usage,
            };
            let completion = event.usage.as_ref().and_then(|usage| usage.completion());
            let total = event.usage.as_ref().and_then(|usage| usage.total());
            self.repeats.learn(data, &chunk, completion, total);
        }
    }
}

fn usage_event(counts: Counts, alone: bool) -> StreamEvent<'static> {
    StreamEvent::Usage {
        prompt: counts.prompt,
        completion: counts.completion,
        cached: counts.cached,
        alone,
    }
}
