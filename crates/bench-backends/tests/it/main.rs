//! The codecs on captured streams, on made-up ones, and the requests they write.

mod anthropic;
mod audio;
mod captures;
mod counts;
mod damage;
mod deepspeed_mii;
mod encode;
mod engines;
mod outcomes;
mod pooling;
mod responses;
mod sglang;
mod shapes;
mod tgi;
mod trtllm;
mod wire;

use bench_backends::{BackendError, BodyEnd, Decoder, StreamEvent, backend};
use bench_stream::{SseLimits, SseParser};
use bench_types::{Failure, Finish, MarkKind, ServerTimings, TokenSource};
use http::{HeaderName, HeaderValue};

/// Prompt and completion tokens, cached tokens, and whether it was a report of its own.
type UsageReport = (Option<u32>, Option<u32>, Option<u32>, bool);

/// Everything a decoder said about a stream.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Seen {
    /// Choice, kind, text and tokens of every chunk.
    pub(crate) chunks: Vec<(u32, MarkKind, String, Option<u32>)>,
    pub(crate) usages: Vec<UsageReport>,
    pub(crate) models: Vec<String>,
    pub(crate) timings: Vec<ServerTimings>,
    pub(crate) errors: Vec<String>,
    pub(crate) done: usize,
    pub(crate) marks: Vec<MarkKind>,
}

impl Seen {
    fn take(&mut self, event: StreamEvent<'_>) {
        self.marks.extend(event.mark().map(|(kind, _)| kind));
        match event {
            StreamEvent::Chunk {
                choice,
                kind,
                text,
                tokens,
            } => self.chunks.push((choice, kind, text.to_owned(), tokens)),
            StreamEvent::Usage {
                prompt,
                completion,
                cached,
                alone,
            } => self.usages.push((prompt, completion, cached, alone)),
            StreamEvent::Model(model) => self.models.push(model.to_owned()),
            StreamEvent::Timings(timings) => self.timings.push(timings),
            StreamEvent::Error(message) => self.errors.push(message.to_owned()),
            StreamEvent::Done => self.done += 1,
            other => panic!("unknown event {other:?}"),
        }
    }

    /// The text of one choice.
    pub(crate) fn text(&self, choice: u32) -> String {
        let mine = self.chunks.iter().filter(|chunk| chunk.0 == choice);
        mine.map(|chunk| chunk.2.as_str()).collect()
    }

    /// The kinds of the chunks, in order.
    pub(crate) fn kinds(&self) -> Vec<MarkKind> {
        self.chunks.iter().map(|chunk| chunk.1).collect()
    }

    /// The token counts of the chunks, in order.
    pub(crate) fn tokens(&self) -> Vec<Option<u32>> {
        self.chunks.iter().map(|chunk| chunk.3).collect()
    }
}

/// What became of a stream.
#[derive(Debug, PartialEq)]
pub(crate) struct Decoded {
    pub(crate) seen: Seen,
    pub(crate) source: TokenSource,
    pub(crate) outcome: Result<Finish, Failure>,
}

/// Feeds a body in frames to a parser and a decoder, the way a run does.
pub(crate) fn decode<'f>(
    mut decoder: Box<dyn Decoder>,
    frames: impl IntoIterator<Item = &'f [u8]>,
    end: BodyEnd<'_>,
) -> Decoded {
    let mut seen = Seen::default();
    let read = read(&mut *decoder, &mut seen, frames);
    let outcome = match read {
        Ok(()) => decoder.finish(end),
        Err(error) => Err(error.into()),
    };
    Decoded {
        seen,
        source: decoder.chunk_tokens(),
        outcome,
    }
}

/// Gives the headers and the body of an answer that was not streamed to a decoder, the way a
/// run does.
pub(crate) fn whole(
    mut decoder: Box<dyn Decoder>,
    headers: &[(String, String)],
    body: &[u8],
) -> Decoded {
    let mut seen = Seen::default();
    let header = |(name, value): &(String, String)| {
        let name = name.parse::<HeaderName>().expect("a name");
        (name, value.parse::<HeaderValue>().expect("a value"))
    };
    let headers = headers.iter().map(header).collect();
    decoder.headers(&headers, &mut |event| seen.take(event));
    let read = decoder.decode_whole(body, &mut |event| seen.take(event));
    let outcome = match read {
        Ok(()) => decoder.finish(BodyEnd::Complete),
        Err(error) => Err(error.into()),
    };
    Decoded {
        seen,
        source: decoder.chunk_tokens(),
        outcome,
    }
}

fn read<'f>(
    decoder: &mut dyn Decoder,
    seen: &mut Seen,
    frames: impl IntoIterator<Item = &'f [u8]>,
) -> Result<(), BackendError> {
    let mut parser = SseParser::new(SseLimits::default());
    for frame in frames {
        let mut events = parser.push(frame);
        while let Some(event) = events.next() {
            let event = event.expect("small");
            decoder.decode(event, &mut |event| seen.take(event))?;
        }
    }
    match parser.finish().expect("small") {
        Some(last) => decoder.decode(last, &mut |event| seen.take(event)),
        None => Ok(()),
    }
}

/// Decodes a whole body of the chat route that ended cleanly.
pub(crate) fn chat(body: &str) -> Decoded {
    let decoder = backend("openai-chat").expect("registered").decoder();
    decode(decoder, [body.as_bytes()], BodyEnd::Complete)
}

/// A body of these events.
pub(crate) fn body(events: &[&str]) -> String {
    events
        .iter()
        .map(|event| format!("data: {event}\n\n"))
        .collect()
}
