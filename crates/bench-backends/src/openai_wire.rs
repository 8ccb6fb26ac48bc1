//! The stream that the OpenAI-like routes answer with.

use std::borrow::Cow;

use bench_stream::SseEvent;
use bench_types::{Failure, Finish, MarkKind, TokenSource};
use serde::de::Error as _;

use crate::openai_event::{Choice, Event};
use crate::repeat::{Counts, Repeats, TextChunk};
use crate::verdict::Verdict;
use crate::{BackendError, BodyEnd, Decoder, StreamEvent};

/// Most choices of an answer; a larger index is a malformed event.
const MAX_CHOICES: u32 = 4_096;

/// Decodes the stream of a completion or a chat completion; [`Verdict`] judges it.
#[derive(Debug, Default)]
pub(crate) struct OpenAiDecoder {
    repeats: Repeats,
    /// What was seen of each choice, by index.
    choices: Vec<ChoiceState>,
    /// Every chunk counts the tokens so far; decided by the first one.
    continuous: Option<bool>,
    chunk_tokens: ChunkTokens,
    verdict: Verdict,
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
        if self.verdict.is_done() {
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
            self.verdict.failed(body, emit);
            return Ok(());
        }
        self.verdict.model(answer.model(), emit);
        for choice in answer.choices() {
            let (content, text) = choice.payload();
            self.verdict.content |= content.is_some();
            if let Some(reason) = &choice.finish_reason {
                self.verdict.reason(&reason.0);
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
            self.verdict.content |= counts.completion > Some(0);
            if counts.completion.is_some() {
                self.chunk_tokens.source = TokenSource::Usage;
            }
            emit(usage_event(counts, false));
        }
        if let Some(metrics) = &answer.metrics {
            emit(StreamEvent::Timings(metrics.timings()));
        }
        self.verdict.whole();
        Ok(())
    }

    fn chunk_tokens(&self) -> TokenSource {
        match self.chunk_tokens.missing {
            true => TokenSource::Unknown,
            false => self.chunk_tokens.source,
        }
    }

    fn finish(&mut self, end: BodyEnd<'_>) -> Result<Finish, Failure> {
        let mut seen = self.choices.iter().filter(|choice| choice.seen);
        let finished = self.verdict.finish.is_some() && seen.all(|choice| choice.finished);
        let awaited = "a finish reason and without [DONE]";
        self.verdict.judge_unless(end, finished, awaited)
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
        let Some(parsed) = self.verdict.parse::<Event<'_>>(&event, emit)? else {
            return Ok(());
        };
        let data = event.data.trim_ascii();
        if parsed.is_error() {
            self.verdict.failed(data, emit);
            return Ok(());
        }
        self.parsed(data, &parsed, emit)
    }

    fn parsed(
        &mut self,
        data: &[u8],
        event: &Event<'_>,
        emit: &mut dyn FnMut(StreamEvent<'_>),
    ) -> Result<(), BackendError> {
        self.verdict.model(event.model(), emit);
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
            self.verdict.content |= counts.completion > Some(0);
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
        let counted = tokens.is_some_and(|tokens| tokens > 0);
        self.verdict.content |= content.is_some() || counted;
        let state = &mut self.choices[index];
        state.seen = true;
        if let Some(reason) = &choice.finish_reason {
            state.finished = true;
            self.verdict.reason(&reason.0);
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
        let completion = usage.and_then(|usage| usage.completion);
        let continuous = *self.continuous.get_or_insert(completion.is_some());
        let (tokens, source) = match completion {
            // The role leaves together with the first token; its chunk has none of its own.
            Some(_) if continuous && kind == MarkKind::Role => (Some(0), TokenSource::Usage),
            Some(completion) if continuous => {
                let so_far = &mut self.choices[choice as usize].tokens;
                let more = completion.saturating_sub(*so_far);
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
