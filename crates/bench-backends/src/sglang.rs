use bench_stream::SseEvent;
use bench_types::{Failure, Finish, MarkKind, Prompt, TokenSource};
use bytes::Bytes;
use serde::de::Error as _;

use crate::openai_body::Body;
use crate::pieces::Pieces;
use crate::sglang_event::{Event, Meta, Reason};
use crate::verdict::Verdict;
use crate::{Backend, BackendError, BodyEnd, Decoder, Request, StreamEvent};

const NAME: &str = "sglang";

/// Most answers to one request; a larger index is a malformed event.
const MAX_ANSWERS: u32 = 4_096;

/// SGLang with its own route, `/generate`.
///
/// An object `sampling_params` among the user's own fields does not replace the one that is
/// sent: its fields do, one by one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SgLang;

impl Backend for SgLang {
    fn name(&self) -> &'static str {
        NAME
    }

    fn aliases(&self) -> &'static [&'static str] {
        &["sglang-native"]
    }

    fn default_path(&self, _: bool) -> &'static str {
        "/generate"
    }

    fn encode(&self, request: &Request<'_>) -> Result<http::Request<Bytes>, BackendError> {
        request.refuse_beam_search(NAME)?;
        let mut body = Body::of(request);
        match request.prompt {
            Prompt::Text(text) => body.field("text", &**text)?,
            Prompt::TokenIds(ids) => body.field("input_ids", &**ids)?,
            Prompt::Batch(texts) => body.texts("text", texts)?,
            other => return Err(BackendError::prompt(NAME, other)),
        }
        body.object("sampling_params", |parameters| {
            parameters.field("max_new_tokens", &request.max_output_tokens)?;
            parameters.sampling(request)
        })?;
        body.optional("lora_path", request.lora)?;
        body.optional("stream", request.stream.then_some(true))?;
        if let Some(candidates) = request.logprobs {
            body.raw("return_logprob", "true");
            body.field("top_logprobs_num", &candidates)?;
        }
        match (request.request_id, request.prompt) {
            (None, _) => {}
            // Every text of a batch is a request to the server.
            (Some(id), Prompt::Batch(texts)) => {
                let ids: Vec<String> = (0..texts.len()).map(|i| format!("{id}_{i}")).collect();
                body.field("rid", &ids)?;
            }
            (Some(id), _) => body.field("rid", id)?,
        }
        request.post(self.default_path(request.stream), body.finish()?)
    }

    fn decoder(&self) -> Box<dyn Decoder> {
        Box::new(SgLangDecoder::default())
    }
}

/// Decodes the stream of `/generate`; [`Verdict`] judges it.
///
/// An event has all text and all ids so far, unless the server sends only what is new
/// (`--incremental-streaming-output`); [`Pieces`] finds out. The tokens of an event are those
/// that `completion_tokens` grew by. The texts of a batch are told apart by their index, and
/// their counts add up; of their times, those of the one that ended last are reported.
#[derive(Debug, Default)]
struct SgLangDecoder {
    /// What was seen of each answer, by index.
    answers: Vec<Answer>,
    usage: Totals,
    /// Chunks with and without the number of their tokens came.
    counted: bool,
    uncounted: bool,
    timings_seen: bool,
    verdict: Verdict,
}

#[derive(Debug, Default)]
struct Answer {
    seen: bool,
    finished: bool,
    counts: Totals,
    pieces: Pieces,
}

/// Token counts, of one answer or of all; the sum of as many as there may be fits.
#[derive(Clone, Copy, Debug, Default)]
struct Totals {
    prompt: Option<u64>,
    completion: Option<u64>,
    cached: Option<u64>,
}

impl Decoder for SgLangDecoder {
    fn decode(
        &mut self,
        event: SseEvent<'_>,
        emit: &mut dyn FnMut(StreamEvent<'_>),
    ) -> Result<(), BackendError> {
        let Some(parsed) = self.verdict.parse::<Event<'_>>(&event, emit)? else {
            return Ok(());
        };
        if parsed.is_error() {
            self.verdict.failed(event.data, emit);
            return Ok(());
        }
        let index = parsed.index.unwrap_or(0);
        if index >= MAX_ANSWERS {
            let source = serde_json::Error::custom("the index of an answer is too large");
            return Err(BackendError::malformed(event.data, source));
        }
        if parsed.is_answer() {
            let meta = parsed.meta_info.as_ref();
            let tokens = meta.and_then(|meta| self.count(index, meta));
            self.chunk(index, &parsed, tokens, emit);
            if let Some(meta) = meta {
                self.report(meta, emit);
            }
        }
        Ok(())
    }

    fn decode_whole(
        &mut self,
        body: &[u8],
        emit: &mut dyn FnMut(StreamEvent<'_>),
    ) -> Result<(), BackendError> {
        let malformed = |source| BackendError::malformed(body, source);
        let answers: Vec<Event<'_>> = match body.trim_ascii_start().first() {
            Some(b'[') => serde_json::from_slice(body).map_err(malformed)?,
            _ => vec![serde_json::from_slice(body).map_err(malformed)?],
        };
        for (index, answer) in (0..).zip(&answers) {
            if answer.is_error() {
                self.verdict.failed(body, emit);
                return Ok(());
            }
            let Some(meta) = &answer.meta_info else {
                let source = serde_json::Error::custom("an answer without `meta_info`");
                return Err(malformed(source));
            };
            self.count(index, meta);
            self.verdict.content |= !answer.text().is_empty();
            self.finished(index, meta);
            emit(StreamEvent::Chunk {
                choice: index,
                kind: MarkKind::Whole,
                text: answer.text(),
                tokens: None,
            });
            self.report(meta, emit);
        }
        self.verdict.whole();
        Ok(())
    }

    fn chunk_tokens(&self) -> TokenSource {
        match (self.counted, self.uncounted) {
            (true, false) => TokenSource::Usage,
            _ => TokenSource::Unknown,
        }
    }

    fn finish(&mut self, end: BodyEnd<'_>) -> Result<Finish, Failure> {
        let mut seen = self.answers.iter().filter(|answer| answer.seen);
        let finished = self.verdict.finish.is_some() && seen.all(|answer| answer.finished);
        let awaited = "a finish reason and without [DONE]";
        self.verdict.judge_unless(end, finished, awaited)
    }
}

impl SgLangDecoder {
    fn answer(&mut self, index: u32) -> &mut Answer {
        let index = index as usize;
        if self.answers.len() <= index {
            self.answers.resize_with(index + 1, Answer::default);
        }
        let answer = &mut self.answers[index];
        answer.seen = true;
        answer
    }

    /// Takes down the counts of an answer so far, and returns by how much it grew.
    fn count(&mut self, index: u32, meta: &Meta<'_>) -> Option<u32> {
        let answer = self.answer(index);
        let before = answer.counts;
        let known = |now: Option<u32>, before| now.map(u64::from).or(before);
        let now = Totals {
            prompt: known(meta.prompt_tokens, before.prompt),
            // Counts do not shrink.
            completion: meta.completion_tokens.map(u64::from).max(before.completion),
            cached: known(meta.cached_tokens, before.cached),
        };
        answer.counts = now;
        self.usage.replace(before, now);
        let more = now.completion.unwrap_or(0) - before.completion.unwrap_or(0);
        let more = u32::try_from(more).ok();
        self.verdict.content |= more > Some(0);
        self.counted |= meta.completion_tokens.is_some();
        meta.completion_tokens.and(more)
    }

    fn chunk(
        &mut self,
        index: u32,
        event: &Event<'_>,
        tokens: Option<u32>,
        emit: &mut dyn FnMut(StreamEvent<'_>),
    ) {
        let more = tokens.unwrap_or(0);
        let text = self
            .answer(index)
            .pieces
            .new_in(event.text(), event.hint(more));
        let kind = match text {
            "" if event.is_ids_only() && more > 0 => MarkKind::Text,
            "" => MarkKind::Empty,
            _ => MarkKind::Text,
        };
        self.verdict.content |= kind.is_content();
        self.uncounted |= kind.is_content() && tokens.is_none();
        if let Some(meta) = &event.meta_info {
            self.finished(index, meta);
        }
        emit(StreamEvent::Chunk {
            choice: index,
            kind,
            text,
            tokens,
        });
    }

    fn finished(&mut self, index: u32, meta: &Meta<'_>) {
        let Some(Reason { kind, message }) = &meta.finish_reason else {
            return;
        };
        self.answer(index).finished = true;
        let kind = kind.as_ref().map_or("", |kind| &kind.0);
        match message {
            Some(message) if kind == "abort" => self.verdict.fail(format!(
                "the server gave up (finish_reason `abort`): {}",
                message.0
            )),
            _ => self.verdict.reason(kind),
        }
    }

    /// Emits the counts so far and, once at the beginning and for every end, the times.
    fn report(&mut self, meta: &Meta<'_>, emit: &mut dyn FnMut(StreamEvent<'_>)) {
        if self.usage.prompt.is_some() || self.usage.completion.is_some() {
            emit(self.usage.event());
        }
        if (!self.timings_seen || meta.finish_reason.is_some())
            && let Some(timings) = meta.timings()
        {
            self.timings_seen = true;
            emit(StreamEvent::Timings(timings));
        }
    }
}

impl Totals {
    /// Counts one answer with `now` in the place of `before`.
    fn replace(&mut self, before: Totals, now: Totals) {
        for (sum, before, now) in [
            (&mut self.prompt, before.prompt, now.prompt),
            (&mut self.completion, before.completion, now.completion),
            (&mut self.cached, before.cached, now.cached),
        ] {
            if let Some(now) = now {
                let others = sum.unwrap_or(0) - before.unwrap_or(0);
                *sum = Some(others + now);
            }
        }
    }

    fn event(self) -> StreamEvent<'static> {
        let bounded = |count| u32::try_from(count).unwrap_or(u32::MAX);
        StreamEvent::Usage {
            prompt: self.prompt.map(bounded),
            completion: self.completion.map(bounded),
            cached: self.cached.map(bounded),
            alone: false,
        }
    }
}
