//! Wire protocols: one file per server family.
//!
//! A [`Protocol`] reads a request into an [`Ask`], which is all the engine and the faults
//! need to know of it, and gives a [`Format`] that writes what comes out. Neither does
//! I/O nor knows about HTTP beyond status codes, so a new protocol is one file here and
//! one line in [`PROTOCOLS`].

mod audio;
mod chat;
mod completions;
mod embeddings;
mod json;
mod messages;
mod multipart;
pub(crate) mod openai;
mod pooled;
mod pooling;
mod rerank;
mod responses;
mod sglang;
mod tgi;
mod triton;
mod wav;

use bench_types::Nanos;
use http::StatusCode;

use crate::SimConfig;
use crate::tokenizer::SimTokenizer;

/// Every protocol the server speaks.
pub(crate) const PROTOCOLS: &[&dyn Protocol] = &[
    &completions::Completions,
    &chat::Chat,
    &responses::Responses,
    &messages::Messages,
    // Before TGI, with which it shares a path.
    &sglang::Sglang,
    &tgi::Tgi,
    &triton::Triton,
    &embeddings::Embeddings,
    &pooling::Pooling,
    &rerank::Rerank,
    &audio::Transcriptions,
];

/// How one kind of request is read.
pub(crate) trait Protocol: Sync {
    /// Whether requests of its kind are posted to `path`.
    fn serves(&self, path: &str) -> bool;

    /// Reads a request body.
    fn parse(&self, body: &[u8], cx: &Context<'_>) -> Result<(Ask, Box<dyn Format>), ErrorReply>;
}

/// What a protocol may ask the server while it reads a request.
pub(crate) struct Context<'a> {
    pub(crate) config: &'a SimConfig,
    pub(crate) tokenizer: &'a dyn SimTokenizer,
    /// What was posted to.
    pub(crate) path: &'a str,
    /// Unique part of the response id.
    pub(crate) id: &'a str,
    /// Unix time in seconds.
    pub(crate) created: u64,
}

/// What a request asks for.
#[derive(Debug)]
pub(crate) struct Ask {
    /// The name it is answered under.
    pub(crate) model: String,
    /// At least one prompt, none of them empty.
    pub(crate) prompts: Vec<Vec<u32>>,
    /// Outputs per prompt.
    pub(crate) n: u32,
    /// Most output tokens per choice.
    pub(crate) max_tokens: u32,
    pub(crate) ignore_eos: bool,
    pub(crate) stream: bool,
    /// Tokens per event, if the request has a say in it.
    pub(crate) stream_interval: Option<u32>,
    /// Faults asked for in the body.
    pub(crate) fault: Option<String>,
}

/// An answer that is an error, before anything was generated.
#[derive(Debug)]
pub(crate) struct ErrorReply {
    pub(crate) status: StatusCode,
    pub(crate) body: String,
    /// Whether `body` is an event stream, which some servers send even then.
    pub(crate) stream: bool,
}

impl ErrorReply {
    /// A JSON body.
    pub(crate) fn json(status: StatusCode, body: String) -> ErrorReply {
        let stream = false;
        ErrorReply {
            status,
            body,
            stream,
        }
    }

    /// Status 200 and a whole event stream.
    pub(crate) fn stream(body: String) -> ErrorReply {
        let (status, stream) = (StatusCode::OK, true);
        ErrorReply {
            status,
            body,
            stream,
        }
    }
}

/// Deviations from how a protocol usually looks.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Style {
    /// Role chunk without content.
    pub(crate) bare_role: bool,
    pub(crate) usage_on_finish: bool,
    pub(crate) no_usage: bool,
}

/// Token counts of a whole answer, so far.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Usage {
    pub(crate) prompt: u32,
    pub(crate) completion: u32,
    pub(crate) cached: u32,
}

/// Server-side times of a whole answer, in milliseconds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct ServerTimes {
    pub(crate) ttft_ms: f64,
    pub(crate) generation_ms: f64,
    pub(crate) queue_ms: f64,
    pub(crate) mean_itl_ms: Option<f64>,
    pub(crate) tokens_per_second: Option<f64>,
}

/// When what happened to one output.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Stamps {
    /// Unix time that the others count from, in seconds.
    pub(crate) epoch: f64,
    pub(crate) arrived: Nanos,
    pub(crate) admitted: Nanos,
    pub(crate) first: Nanos,
    pub(crate) last: Nanos,
}

impl Stamps {
    /// A stamp as Unix time in seconds.
    pub(crate) fn unix(&self, stamp: Nanos) -> f64 {
        self.epoch + stamp.as_secs_f64()
    }
}

/// One token of an output.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Token<'a> {
    pub(crate) id: u32,
    pub(crate) text: &'a str,
}

/// Tokens of one choice that leave in one event.
#[derive(Debug)]
pub(crate) struct Piece<'a> {
    pub(crate) choice: u32,
    pub(crate) tokens: &'a [Token<'a>],
    /// The whole prompt, with the first piece of a choice.
    pub(crate) prompt: Option<&'a [u32]>,
    pub(crate) reasoning: bool,
    pub(crate) finish: Option<&'a str>,
    /// Whether this is the last piece of the last choice.
    pub(crate) last: bool,
    /// Counts including this piece.
    pub(crate) usage: Usage,
    /// Counts of this choice alone, including this piece.
    pub(crate) choice_usage: Usage,
    pub(crate) stamps: Stamps,
}

impl Piece<'_> {
    /// Writes the text of all tokens.
    pub(crate) fn text(&self) -> String {
        text(self.tokens)
    }
}

/// One whole output, for an answer that is not streamed.
#[derive(Debug)]
pub(crate) struct Whole<'a> {
    pub(crate) tokens: Vec<Token<'a>>,
    pub(crate) prompt: &'a [u32],
    /// How many of `tokens` are reasoning.
    pub(crate) reasoning: usize,
    pub(crate) finish: Option<&'a str>,
    pub(crate) usage: Usage,
    pub(crate) stamps: Stamps,
}

impl Whole<'_> {
    /// The text of all tokens.
    pub(crate) fn text(&self) -> String {
        text(&self.tokens)
    }
}

/// The text of tokens.
pub(crate) fn text(tokens: &[Token<'_>]) -> String {
    tokens.iter().map(|token| token.text).collect()
}

/// One event of a stream, without its framing.
#[derive(Debug)]
pub(crate) struct Event {
    /// Its `event:` field, if it has one.
    pub(crate) name: Option<&'static str>,
    pub(crate) data: String,
}

impl From<String> for Event {
    fn from(data: String) -> Event {
        let name = None;
        Event { name, data }
    }
}

/// How what comes out of one request is written.
///
/// Only `refuse`, `piece` and `body` are needed; the rest has defaults for a protocol that
/// has no such thing.
pub(crate) trait Format {
    /// Changes how events look.
    fn style(&mut self, _style: Style) {}

    /// What stands before each event's payload.
    fn prefix(&self) -> &'static str {
        "data: "
    }

    /// The answer instead of one, when something fails before anything was generated.
    fn refuse(&self, status: StatusCode, message: &str) -> ErrorReply;

    /// Further headers, which replace the usual ones; of a stream if there is no `whole`.
    fn headers(&self, _whole: Option<&Whole<'_>>) -> Vec<(&'static str, String)> {
        Vec::new()
    }

    /// Appends the events that leave at once, before the first token.
    fn open(&mut self, _events: &mut Vec<Event>) {}

    /// Appends the events for a piece.
    fn piece(&mut self, piece: &Piece<'_>, events: &mut Vec<Event>);

    /// Appends the events after the last piece.
    fn close(&mut self, _usage: Usage, _times: Option<ServerTimes>, _events: &mut Vec<Event>) {}

    /// Appends the events that tell of an error after the stream began.
    fn error(&mut self, message: &str, events: &mut Vec<Event>) {
        let reply = self.refuse(StatusCode::INTERNAL_SERVER_ERROR, message);
        events.push(reply.body.into());
    }

    /// The event that marks the end of a stream, if there is one.
    fn done(&self) -> Option<Event> {
        None
    }

    /// The body of an answer that is not streamed.
    fn body(&self, choices: &[Whole<'_>], usage: Usage, times: Option<ServerTimes>) -> String;
}
