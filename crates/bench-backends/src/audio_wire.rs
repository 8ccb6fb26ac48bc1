//! The streams that `/v1/audio/transcriptions` answers with, and the whole transcription.

use bench_stream::SseEvent;
use bench_types::{Failure, Finish, MarkKind, TokenSource};
use memchr::memmem;
use serde::de::IgnoredAny;

use crate::openai_event::{Text, text_of};
use crate::openai_wire::OpenAiDecoder;
use crate::verdict::Verdict;
use crate::{BackendError, BodyEnd, Decoder, StreamEvent};

/// What the types of OpenAI's own events begin with.
const TRANSCRIPT: &str = "transcript.text.";

/// Decodes both kinds of streams: the chunks of vLLM, which are those of the chat route, and the
/// events of OpenAI's own servers, which end with `transcript.text.done`.
#[derive(Debug, Default)]
pub(crate) struct AudioDecoder {
    chunks: OpenAiDecoder,
    /// Of everything but chunks.
    verdict: Verdict,
    /// There were events of OpenAI's own, or the answer came whole.
    own: bool,
    heard: bool,
    counted: bool,
}

impl Decoder for AudioDecoder {
    fn decode(
        &mut self,
        event: SseEvent<'_>,
        emit: &mut dyn FnMut(StreamEvent<'_>),
    ) -> Result<(), BackendError> {
        if self.verdict.is_done() {
            return Ok(());
        }
        if !is_transcript(&event) {
            return self.chunks.decode(event, emit);
        }
        let malformed = |source| BackendError::malformed(event.data, source);
        let parsed: Event<'_> = serde_json::from_slice(event.data).map_err(malformed)?;
        self.own = true;
        self.transcript(&parsed, emit);
        Ok(())
    }

    fn decode_whole(
        &mut self,
        body: &[u8],
        emit: &mut dyn FnMut(StreamEvent<'_>),
    ) -> Result<(), BackendError> {
        self.own = true;
        let malformed = |source| BackendError::malformed(body, source);
        let answer: Event<'_> = serde_json::from_slice(body).map_err(malformed)?;
        if answer.is_error() {
            self.verdict.failed(body, emit);
            return Ok(());
        }
        let text = text_of(&answer.text);
        // In a silent recording nothing is said.
        self.verdict.content |= answer.text.is_some();
        emit(StreamEvent::Chunk {
            choice: 0,
            kind: MarkKind::Whole,
            text,
            tokens: None,
        });
        self.counted = self.usage(&answer, false, emit);
        self.verdict.whole();
        Ok(())
    }

    fn chunk_tokens(&self) -> TokenSource {
        match (self.own, self.counted) {
            (true, true) => TokenSource::Usage,
            (true, false) => TokenSource::Unknown,
            (false, _) => self.chunks.chunk_tokens(),
        }
    }

    fn finish(&mut self, end: BodyEnd<'_>) -> Result<Finish, Failure> {
        match (self.chunks.finish(end), self.own) {
            (Err(error @ Failure::Server(_)), _) => Err(error),
            (_, true) => self.verdict.judge(end, "`transcript.text.done`"),
            (verdict, false) => verdict,
        }
    }
}

impl AudioDecoder {
    fn transcript(&mut self, event: &Event<'_>, emit: &mut dyn FnMut(StreamEvent<'_>)) {
        match text_of(&event.kind) {
            "transcript.text.delta" => self.piece(text_of(&event.delta), emit),
            "transcript.text.done" => {
                // It repeats what the deltas said. Some servers send it alone.
                if !self.heard {
                    self.piece(text_of(&event.text), emit);
                }
                // In a silent recording nothing was said.
                self.verdict.content |= event.text.is_some();
                self.usage(event, true, emit);
                self.verdict.ended(emit);
            }
            // A segment repeats the deltas with the name of the speaker.
            _ => {}
        }
    }

    fn piece(&mut self, text: &str, emit: &mut dyn FnMut(StreamEvent<'_>)) {
        let kind = match text {
            "" => MarkKind::Empty,
            _ => MarkKind::Text,
        };
        self.heard = true;
        self.verdict.content |= kind.is_content();
        emit(StreamEvent::Chunk {
            choice: 0,
            kind,
            text,
            tokens: None,
        });
    }

    /// Reports the token counts if there are any: some servers charge by the second, and then
    /// say how many seconds there were. Returns whether those of the text are among them.
    fn usage(
        &mut self,
        event: &Event<'_>,
        alone: bool,
        emit: &mut dyn FnMut(StreamEvent<'_>),
    ) -> bool {
        let counts = event.usage.as_ref().map(Usage::counts);
        let (prompt, completion) = counts.unwrap_or_default();
        self.verdict.content |= completion > Some(0);
        if prompt.is_some() || completion.is_some() {
            emit(StreamEvent::Usage {
                prompt,
                completion,
                cached: None,
                alone,
            });
        }
        completion.is_some()
    }
}

/// Whether an event is one of OpenAI's own. The words alone do not make it one: somebody may
/// have said them in a chunk.
fn is_transcript(event: &SseEvent<'_>) -> bool {
    if memmem::find(event.data, TRANSCRIPT.as_bytes()).is_none() {
        return false;
    }
    let kind = serde_json::from_slice::<Kind<'_>>(event.data);
    kind.is_ok_and(|kind| text_of(&kind.kind).starts_with(TRANSCRIPT))
}

#[derive(serde::Deserialize)]
struct Kind<'a> {
    #[serde(rename = "type", borrow)]
    kind: Option<Text<'a>>,
}

/// An event of OpenAI's, or the whole transcription; every key may be missing or null.
#[derive(Debug, Default, serde::Deserialize)]
#[serde(default)]
struct Event<'a> {
    #[serde(rename = "type", borrow)]
    kind: Option<Text<'a>>,
    #[serde(borrow)]
    delta: Option<Text<'a>>,
    #[serde(borrow)]
    text: Option<Text<'a>>,
    usage: Option<Usage>,
    #[serde(borrow)]
    object: Option<Text<'a>>,
    error: Option<IgnoredAny>,
    detail: Option<IgnoredAny>,
}

impl Event<'_> {
    fn is_error(&self) -> bool {
        let detail = self.detail.is_some() && self.text.is_none();
        text_of(&self.object) == "error" || self.error.is_some() || detail
    }
}

/// Token counts, by OpenAI's names or by those of the chat route.
#[derive(Debug, Default, serde::Deserialize)]
#[serde(default)]
struct Usage {
    input_tokens: Option<u32>,
    prompt_tokens: Option<u32>,
    output_tokens: Option<u32>,
    completion_tokens: Option<u32>,
}

impl Usage {
    /// Tokens of the recording and of the text.
    fn counts(&self) -> (Option<u32>, Option<u32>) {
        let input = self.input_tokens.or(self.prompt_tokens);
        let output = self.output_tokens.or(self.completion_tokens);
        (input, output)
    }
}
