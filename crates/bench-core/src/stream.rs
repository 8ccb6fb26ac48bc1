//! What one response says, piece by piece: from stamped bytes to marks, counts and an outcome.

use bench_backends::{BodyEnd, Decoder, StreamEvent};
use bench_http::Arrival;
use bench_stream::{SseLimits, SseParser, TimelineBuilder};
use bench_types::{
    Failure, Finish, MarkKind, Nanos, ReceiveCounts, ServerTimings, TokenSource, Transcript,
};
use http::HeaderMap;

/// Everything collected from one response.
pub(crate) struct ResponseStream {
    sse: SseParser,
    decoder: Box<dyn Decoder>,
    pub(crate) seen: Seen,
}

/// What the events said so far.
#[derive(Default)]
pub(crate) struct Seen {
    pub(crate) timeline: TimelineBuilder,
    pub(crate) transcript: Option<Transcript>,
    /// The text of the first choice, without reasoning and tool calls, for later turns.
    pub(crate) reply: Option<String>,
    pub(crate) prompt_tokens: Option<u32>,
    pub(crate) completion_tokens: Option<u32>,
    pub(crate) cached_tokens: Option<u32>,
    pub(crate) server: Option<ServerTimings>,
    pub(crate) model: Option<String>,
    pub(crate) receive: ReceiveCounts,
    /// Content chunks.
    pub(crate) contents: u64,
    /// Tokens that the server counted with the events.
    counted: u64,
    /// Whether the end marker of the protocol came.
    pub(crate) done: bool,
    /// The last read, to tell whether it brought several chunks.
    last_read: Option<(Nanos, u32)>,
}

impl ResponseStream {
    pub(crate) fn new(
        decoder: Box<dyn Decoder>,
        keep_text: bool,
        keep_reply: bool,
    ) -> ResponseStream {
        ResponseStream {
            sse: SseParser::new(SseLimits::default()),
            decoder,
            seen: Seen {
                transcript: keep_text.then(Transcript::default),
                reply: keep_reply.then(String::new),
                ..Seen::default()
            },
        }
    }

    /// Takes in a piece of the body.
    pub(crate) fn data(&mut self, bytes: &[u8], at: Arrival) -> Result<(), Failure> {
        self.seen.read(at);
        let mut events = self.sse.push(bytes);
        while let Some(event) = events.next() {
            let event = event.map_err(|error| Failure::Protocol(error.to_string()))?;
            self.decoder
                .decode(event, &mut |event| self.seen.event(event, at.at))
                .map_err(|error| Failure::Protocol(error.to_string()))?;
        }
        Ok(())
    }

    /// Takes in the headers of the response.
    pub(crate) fn headers(&mut self, headers: &HeaderMap, at: Arrival) {
        self.seen.read(at);
        self.seen.timeline.headers(at.at);
        self.decoder
            .headers(headers, &mut |event| self.seen.event(event, at.at));
    }

    /// Takes in the whole body of an answer that is not streamed.
    pub(crate) fn whole(&mut self, body: &[u8], at: Arrival) -> Result<Finish, Failure> {
        self.decoder
            .decode_whole(body, &mut |event| self.seen.event(event, at.at))
            .map_err(|error| Failure::Protocol(error.to_string()))?;
        self.decoder.finish(BodyEnd::Complete)
    }

    /// The body is over: what became of the request.
    pub(crate) fn end(&mut self, end: BodyEnd<'_>, at: Nanos) -> Result<Finish, Failure> {
        let last = self
            .sse
            .finish()
            .map_err(|error| Failure::Protocol(error.to_string()))?;
        if let Some(event) = last {
            let decoded = self
                .decoder
                .decode(event, &mut |event| self.seen.event(event, at));
            // An event that was cut short need not make sense.
            if let (Err(error), BodyEnd::Complete) = (decoded, &end) {
                return Err(Failure::Protocol(error.to_string()));
            }
        }
        self.decoder.finish(end)
    }

    /// Where the token counts of the chunks come from, as far as the server gave any.
    pub(crate) fn chunk_token_source(&self) -> TokenSource {
        self.decoder.chunk_tokens()
    }
}

impl Seen {
    /// Counts the read that brought a piece of the response, once.
    pub(crate) fn read(&mut self, at: Arrival) {
        if self.last_read.is_some_and(|(last, _)| last == at.at) {
            return;
        }
        self.last_read = Some((at.at, 0));
        if at.kernel {
            self.receive.kernel += 1;
        } else {
            self.receive.user += 1;
        }
    }

    /// Tokens so far, as far as the events tell: content chunks stand for one each.
    pub(crate) fn tokens(&self) -> u64 {
        self.counted.max(self.contents)
    }

    fn event(&mut self, event: StreamEvent<'_>, at: Nanos) {
        if let Some((kind, tokens)) = event.mark() {
            self.timeline.mark(at, kind, tokens);
            self.counted += u64::from(tokens.unwrap_or(0));
        }
        if let (
            Some(reply),
            StreamEvent::Chunk {
                choice: 0,
                kind,
                text,
                ..
            },
        ) = (&mut self.reply, event)
            && matches!(kind, MarkKind::Text | MarkKind::Whole)
        {
            reply.push_str(text);
        }
        match event {
            StreamEvent::Chunk { kind, text, .. } if kind.is_content() => self.content(text),
            StreamEvent::Chunk {
                kind: MarkKind::Whole,
                text,
                ..
            } => {
                if let Some(transcript) = &mut self.transcript {
                    transcript.text.push_str(text);
                }
            }
            StreamEvent::Usage {
                prompt,
                completion,
                cached,
                ..
            } => {
                self.prompt_tokens = prompt.or(self.prompt_tokens);
                self.completion_tokens = completion.or(self.completion_tokens);
                self.cached_tokens = cached.or(self.cached_tokens);
            }
            StreamEvent::Timings(timings) => self.server = Some(timings),
            StreamEvent::Model(model) => self.model = Some(model.to_owned()),
            StreamEvent::Done => self.done = true,
            // The decoder keeps an error for the outcome; the rest is in the timeline.
            _ => {}
        }
    }

    fn content(&mut self, text: &str) {
        self.contents += 1;
        if let Some((_, chunks)) = &mut self.last_read {
            *chunks += 1;
            if *chunks == 2 {
                self.receive.merged += 1;
            }
        }
        if let Some(transcript) = &mut self.transcript {
            transcript.text.push_str(text);
            let end = u32::try_from(transcript.text.len()).unwrap_or(u32::MAX);
            transcript.ends.push(end);
        }
    }
}
