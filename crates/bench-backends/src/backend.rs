use bench_stream::SseEvent;
use bench_types::{Failure, Finish, MarkKind, ServerTimings, Task, TokenSource};
use bytes::Bytes;
use http::HeaderMap;

use crate::{BackendError, Request};

/// The wire protocol of a family of servers, without I/O.
pub trait Backend: Send + Sync {
    /// The name users choose it by.
    fn name(&self) -> &'static str;

    /// Other names it answers to.
    fn aliases(&self) -> &'static [&'static str] {
        &[]
    }

    /// What its servers are asked to do.
    fn task(&self) -> Task {
        Task::Generate
    }

    /// Whether its servers can stream an answer. If not, [`Request::stream`] is ignored.
    fn can_stream(&self) -> bool {
        true
    }

    /// The route that a request is posted to unless [`Request::path`] says otherwise.
    fn default_path(&self, stream: bool) -> &'static str;

    /// The HTTP request for `request`. Its URI is the path alone; the transport adds the
    /// host.
    ///
    /// # Errors
    /// [`BackendError`] if the protocol cannot express the request.
    fn encode(&self, request: &Request<'_>) -> Result<http::Request<Bytes>, BackendError>;

    /// A decoder for the answer to one request.
    fn decoder(&self) -> Box<dyn Decoder>;
}

/// Reads the answer to one request and judges it.
pub trait Decoder: Send {
    /// Reads the headers of the response, before anything else; for servers that report their
    /// own times there.
    fn headers(&mut self, headers: &HeaderMap, emit: &mut dyn FnMut(StreamEvent<'_>)) {
        let _ = (headers, emit);
    }

    /// Reads one event and emits what it holds, in order. At most one chunk is emitted for
    /// each choice in the event.
    ///
    /// # Errors
    /// [`BackendError`] if the event does not follow the protocol; the answer has then
    /// failed and the rest of it need not be read.
    fn decode(
        &mut self,
        event: SseEvent<'_>,
        emit: &mut dyn FnMut(StreamEvent<'_>),
    ) -> Result<(), BackendError>;

    /// Reads the whole body of an answer that was not to be streamed and emits what it holds,
    /// text as chunks of the kind [`MarkKind::Whole`].
    ///
    /// # Errors
    /// [`BackendError`] if the body does not follow the protocol, or if the protocol has no
    /// such answers.
    fn decode_whole(
        &mut self,
        body: &[u8],
        emit: &mut dyn FnMut(StreamEvent<'_>),
    ) -> Result<(), BackendError> {
        let _ = (body, emit);
        Err(BackendError::NotStreamed)
    }

    /// Where the token counts of the chunks came from; [`TokenSource::Unknown`] if a chunk
    /// with content had none.
    fn chunk_tokens(&self) -> TokenSource;

    /// The body is over: was the answer whole, and why did it end?
    ///
    /// # Errors
    /// The [`Failure`] if it was not.
    fn finish(&mut self, end: BodyEnd<'_>) -> Result<Finish, Failure>;
}

/// How the body of a response ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BodyEnd<'a> {
    /// As HTTP says it should: last chunk, or Content-Length reached.
    Complete,
    /// Before that; the text says how.
    Cut(&'a str),
}

/// What an event of the stream holds.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub enum StreamEvent<'a> {
    /// A chunk with a choice.
    Chunk {
        /// Which of the answers it belongs to (`n` > 1), from 0.
        choice: u32,
        /// What it brought. If it brought several things at once, text counts for more
        /// than a tool call, and that for more than reasoning.
        kind: MarkKind,
        /// The generated text: reasoning, answer and tool-call arguments in this order.
        text: &'a str,
        /// Tokens it brought, if the server says so.
        tokens: Option<u32>,
    },
    /// The server's token counts so far; the last report holds the totals.
    Usage {
        /// Tokens of the prompt, if the server says so.
        prompt: Option<u32>,
        /// Tokens generated, of all choices if it is a report of its own; `None` if the
        /// server does not say how many.
        completion: Option<u32>,
        /// Prompt tokens taken from the prefix cache, if the server says so.
        cached: Option<u32>,
        /// The report came in a chunk without choices.
        alone: bool,
    },
    /// The model that answers; emitted once.
    Model(&'a str),
    /// What the server says about its own times.
    Timings(ServerTimings),
    /// An error reported inside the stream. [`Decoder::finish`] fails because of it.
    Error(&'a str),
    /// The end marker.
    Done,
}

impl StreamEvent<'_> {
    /// The mark to set in the timeline, with its tokens; `None` if the event only adds to
    /// what another one marks.
    #[inline]
    pub fn mark(&self) -> Option<(MarkKind, Option<u32>)> {
        match self {
            StreamEvent::Chunk { kind, tokens, .. } => Some((*kind, *tokens)),
            StreamEvent::Usage { alone: true, .. } => Some((MarkKind::Usage, None)),
            StreamEvent::Done => Some((MarkKind::Done, None)),
            _ => None,
        }
    }
}
