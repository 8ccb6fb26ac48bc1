//! Wire protocols: one file per server family.
//!
//! A [`Protocol`] reads a request into an [`Ask`], which is all the engine and the faults
//! need to know of it, and gives a [`Format`] that writes what comes out. Neither does
//! I/O nor knows about HTTP beyond status codes, so a new protocol is one file here and
//! one line in [`PROTOCOLS`].

mod chat;
mod completions;
pub(crate) mod openai;

use http::StatusCode;

use crate::SimConfig;
use crate::tokenizer::SimTokenizer;

/// Every protocol the server speaks.
pub(crate) const PROTOCOLS: &[&dyn Protocol] = &[&completions::Completions, &chat::Chat];

/// How one kind of request is read.
pub(crate) trait Protocol: Sync {
    /// The path it is posted to.
    fn path(&self) -> &'static str;

    /// Reads a request body.
    fn parse(&self, body: &[u8], cx: &Context<'_>) -> Result<(Ask, Box<dyn Format>), ErrorReply>;
}

/// What a protocol may ask the server while it reads a request.
pub(crate) struct Context<'a> {
    pub(crate) config: &'a SimConfig,
    pub(crate) tokenizer: &'a dyn SimTokenizer,
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
    /// Faults asked for in the body.
    pub(crate) fault: Option<String>,
}

/// An answer that is an error, before anything was generated.
#[derive(Debug)]
pub(crate) struct ErrorReply {
    pub(crate) status: StatusCode,
    pub(crate) body: String,
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
}

impl Piece<'_> {
    /// Writes the text of all tokens.
    pub(crate) fn text(&self) -> String {
        self.tokens.iter().map(|token| token.text).collect()
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
}

/// How what comes out of one request is written.
///
/// Events are written without their framing (`data: ` and line ends).
pub(crate) trait Format {
    /// Changes how events look.
    fn style(&mut self, style: Style);

    /// What stands before each event's payload.
    fn prefix(&self) -> &'static str {
        "data: "
    }

    /// The payload that ends a stream, if there is one.
    fn done(&self) -> Option<&'static str>;

    /// Appends the events for a piece.
    fn piece(&self, piece: &Piece<'_>, events: &mut Vec<String>);

    /// Appends the events after the last piece.
    fn close(&self, usage: Usage, times: Option<ServerTimes>, events: &mut Vec<String>);

    /// The event that tells of an error after the stream began.
    fn error(&self, message: &str) -> String;

    /// The body of an answer that is not streamed.
    fn body(&self, choices: &[Whole<'_>], usage: Usage, times: Option<ServerTimes>) -> String;
}
