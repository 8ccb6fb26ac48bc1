//! What the OpenAI routes have in common, in the shape vLLM gives it.

use std::fmt::Write as _;

use http::StatusCode;
use serde::Deserialize;

use super::{Ask, Context, ErrorReply, Event, Piece, ServerTimes, Style, Token, Usage};
use crate::SimConfig;
use crate::tokenizer::SimTokenizer;

/// Most choices of a request, so that a typo does not fill the memory.
const MOST_CHOICES: u32 = 16_384;

/// Fields of both kinds of requests. All others are ignored.
#[derive(Debug, Deserialize)]
pub(super) struct Request {
    pub(super) model: Option<String>,
    pub(super) prompt: Option<Prompt>,
    pub(super) messages: Option<Vec<Message>>,
    pub(super) max_tokens: Option<i64>,
    pub(super) max_completion_tokens: Option<i64>,
    stream: Option<bool>,
    stream_options: Option<StreamOptions>,
    n: Option<u32>,
    temperature: Option<f64>,
    ignore_eos: Option<bool>,
    /// A number for completions, a truth value for chats.
    logprobs: Option<serde_json::Value>,
    return_token_ids: Option<bool>,
    sim_fault: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
struct StreamOptions {
    include_usage: Option<bool>,
    continuous_usage_stats: Option<bool>,
}

/// The four forms of a prompt.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
pub(super) enum Prompt {
    Text(String),
    Ids(Vec<u32>),
    Texts(Vec<String>),
    IdLists(Vec<Vec<u32>>),
}

impl Prompt {
    pub(super) fn encode(self, tokenizer: &dyn SimTokenizer) -> Vec<Vec<u32>> {
        match self {
            Prompt::Text(text) => vec![tokenizer.encode(&text)],
            Prompt::Ids(ids) => vec![ids],
            Prompt::Texts(texts) => texts.iter().map(|text| tokenizer.encode(text)).collect(),
            Prompt::IdLists(lists) => lists,
        }
    }
}

/// One message of a chat.
#[derive(Debug, Deserialize)]
pub(crate) struct Message {
    role: String,
    #[serde(default)]
    content: Content,
}

impl Message {
    /// A message of plain text.
    pub(super) fn new(role: &str, text: &str) -> Message {
        Message::of(role, Content::Text(text.to_owned()))
    }

    /// A message with any content.
    pub(super) fn of(role: &str, content: Content) -> Message {
        let role = role.to_owned();
        Message { role, content }
    }
}

/// The content of a message: text, parts of which some are text, or nothing.
#[derive(Debug, Default, Deserialize)]
#[serde(untagged)]
pub(super) enum Content {
    Text(String),
    Parts(Vec<Part>),
    #[default]
    None,
}

#[derive(Debug, Deserialize)]
pub(super) struct Part {
    #[serde(default)]
    text: String,
}

/// The prompt that a chat stands for. A reply appended to it is a prefix of the next
/// turn's prompt, so that the prefix cache sees conversations grow.
pub(crate) fn chat_prompt(messages: &[Message], tokenizer: &dyn SimTokenizer) -> Vec<u32> {
    let mut text = String::new();
    for Message { role, content } in messages {
        text.push_str(role);
        text.push(':');
        match content {
            Content::Text(content) => text.push_str(content),
            Content::Parts(parts) => parts.iter().for_each(|part| text.push_str(&part.text)),
            Content::None => {}
        }
        text.push('\n');
    }
    text.push_str("assistant:");
    tokenizer.encode(&text)
}

/// An error body as vLLM writes it.
pub(crate) fn error(
    status: StatusCode,
    kind: &str,
    param: Option<&str>,
    message: &str,
) -> ErrorReply {
    let body = serde_json::json!({"error": {
        "message": message, "type": kind, "param": param, "code": status.as_u16(),
    }});
    ErrorReply::json(status, body.to_string())
}

/// An error body for a status that says it all.
pub(crate) fn refuse(status: StatusCode, message: &str) -> ErrorReply {
    let kind = match status {
        StatusCode::BAD_REQUEST => "BadRequestError".to_owned(),
        _ => status
            .canonical_reason()
            .unwrap_or("Error")
            .replace(' ', ""),
    };
    error(status, &kind, None, message)
}

/// The answer to a request that is well-formed but asks for the impossible.
pub(crate) fn bad_request(param: &str, message: &str) -> ErrorReply {
    error(
        StatusCode::BAD_REQUEST,
        "BadRequestError",
        Some(param),
        message,
    )
}

/// Reads JSON, or answers as vLLM does when it cannot.
pub(crate) fn read<T: for<'a> Deserialize<'a>>(body: &[u8]) -> Result<T, ErrorReply> {
    serde_json::from_slice(body).map_err(|e| {
        let offset = body.split(|b| *b == b'\n').take(e.line().saturating_sub(1));
        let offset = offset.map(|line| line.len() + 1).sum::<usize>() + e.column();
        let (kind, what) = match e.is_data() {
            true => ("value_error", "Invalid value"),
            false => ("json_invalid", "JSON decode error"),
        };
        let param = format!("body.{offset}");
        let message = format!(
            "1 validation error:\n  {{'type': '{kind}', 'loc': '{param}', 'msg': '{what}', \
             'ctx': {{'error': '{e}'}}}}"
        );
        error(
            StatusCode::BAD_REQUEST,
            "Bad Request",
            Some(&param),
            &message,
        )
    })
}

/// The name to answer under; 404 for a model the server does not have.
pub(crate) fn check_model(model: Option<&str>, config: &SimConfig) -> Result<String, ErrorReply> {
    let served = &config.model;
    match model {
        None => Ok(served.clone()),
        Some(model) if model == served || config.lora.iter().any(|name| name == model) => {
            Ok(model.to_owned())
        }
        Some(model) => {
            let names = std::iter::once(served).chain(&config.lora);
            let names: Vec<&str> = names.map(String::as_str).collect();
            let names = names.join(", ");
            let message = format!("The model `{model}` does not exist. Valid aliases: {names}.");
            Err(error(
                StatusCode::NOT_FOUND,
                "NotFoundError",
                Some("model"),
                &message,
            ))
        }
    }
}

impl Request {
    /// Reads and checks a request; `default_max_tokens` is for one that names no limit.
    pub(super) fn parse(
        body: &[u8],
        cx: &Context<'_>,
        default_max_tokens: u32,
    ) -> Result<(Ask, Options), ErrorReply> {
        let request: Request = read(body)?;
        let model = check_model(request.model.as_deref(), cx.config)?;
        if let Some(t) = request.temperature.filter(|t| *t < 0.0) {
            let message = format!(
                "temperature must be non-negative, got {t:?}. (parameter=temperature, value={t:?})"
            );
            return Err(bad_request("temperature", &message));
        }
        let max_tokens = request.max_completion_tokens.or(request.max_tokens);
        if let Some(m) = max_tokens.filter(|m| *m < 1) {
            let message = format!(
                "max_tokens must be at least 1, got {m}. (parameter=max_tokens, value={m})"
            );
            return Err(bad_request("max_tokens", &message));
        }
        let n = request.n.unwrap_or(1);
        if !(1..=MOST_CHOICES).contains(&n) {
            let message =
                format!("n must be in 1..={MOST_CHOICES}, got {n}. (parameter=n, value={n})");
            return Err(bad_request("n", &message));
        }
        let prompts = match (request.prompt, request.messages) {
            (Some(prompt), _) => prompt.encode(cx.tokenizer),
            (None, Some(messages)) => vec![chat_prompt(&messages, cx.tokenizer)],
            (None, None) => Vec::new(),
        };
        if prompts.is_empty() || prompts.iter().any(Vec::is_empty) {
            let message =
                "Either prompt or prompt_embeds must be provided and non-empty. (parameter=prompt)";
            return Err(bad_request("prompt", message));
        }
        let longest = prompts.iter().map(Vec::len).max().unwrap_or_default() as u64;
        let max_tokens = check_length(longest, max_tokens, default_max_tokens, cx)?;
        let stream_options = request.stream_options.unwrap_or_default();
        let options = Options {
            id: cx.id.to_owned(),
            created: cx.created,
            model: model.clone(),
            include_usage: stream_options.include_usage.unwrap_or(false),
            continuous_usage: stream_options.continuous_usage_stats.unwrap_or(false),
            details: cx.config.prompt_tokens_details,
            logprobs: request.logprobs.is_some_and(|v| v.is_number() || v == true),
            token_ids: request.return_token_ids.unwrap_or(false),
            style: Style::default(),
        };
        let ask = Ask {
            model,
            prompts,
            n,
            max_tokens,
            ignore_eos: request.ignore_eos.unwrap_or(false),
            stream: request.stream.unwrap_or(false),
            stream_interval: None,
            fault: request.sim_fault,
        };
        Ok((ask, options))
    }
}

/// The answer to a prompt that does not fit into the context.
pub(super) fn too_long(context: u64) -> ErrorReply {
    bad_request("input_tokens", &longer_than(context))
}

fn longer_than(context: u64) -> String {
    let at_least = context + 1;
    format!(
        "This model's maximum context length is {context} tokens. However, your prompt contains \
         at least {at_least} input tokens, which exceeds this limit even without any output \
         tokens. Please reduce the length of the input prompt. \
         (parameter=input_tokens, value={at_least})"
    )
}

/// Checks a request against the context length; returns its limit of output tokens.
pub(super) fn check_length(
    prompt: u64,
    max_tokens: Option<i64>,
    default_max_tokens: u32,
    cx: &Context<'_>,
) -> Result<u32, ErrorReply> {
    fit(prompt, max_tokens, default_max_tokens, cx)
        .map_err(|message| bad_request("input_tokens", &message))
}

/// As [`check_length`], for a protocol with errors of its own.
pub(super) fn fit(
    prompt: u64,
    max_tokens: Option<i64>,
    default_max_tokens: u32,
    cx: &Context<'_>,
) -> Result<u32, String> {
    let context = u64::from(cx.config.max_model_len);
    if prompt >= context {
        return Err(longer_than(context));
    }
    let room = context - prompt;
    let Some(wanted) = max_tokens.map(i64::unsigned_abs) else {
        return Ok(u64::from(default_max_tokens).min(room) as u32);
    };
    if wanted > room {
        return Err(format!(
            "This model's maximum context length is {context} tokens. However, you requested \
             {wanted} output tokens and your prompt contains {prompt} input tokens, for a total \
             of {} tokens. Please reduce the length of the input prompt or the number of \
             requested output tokens. (parameter=input_tokens, value={prompt})",
            prompt.saturating_add(wanted)
        ));
    }
    Ok(wanted as u32)
}

/// What the formats of both routes need to know.
#[derive(Debug)]
pub(super) struct Options {
    pub(super) id: String,
    pub(super) created: u64,
    pub(super) model: String,
    pub(super) include_usage: bool,
    pub(super) continuous_usage: bool,
    pub(super) details: bool,
    pub(super) logprobs: bool,
    pub(super) token_ids: bool,
    pub(super) style: Style,
}

impl Options {
    /// `{"id":...,"object":...,"created":...,"model":...,"choices":[`: what every event of an
    /// answer starts with.
    pub(super) fn head(&self, id_prefix: &str, object: &str) -> String {
        let mut head = String::with_capacity(160);
        head.push_str("{\"id\":");
        json_string(&mut head, &format!("{id_prefix}{}", self.id));
        // Writing to a string cannot fail.
        let _ = write!(
            head,
            ",\"object\":\"{object}\",\"created\":{},\"model\":",
            self.created
        );
        json_string(&mut head, &self.model);
        head.push_str(",\"choices\":[");
        head
    }

    /// The usage that the event of a piece carries, if any.
    pub(super) fn event_usage(&self, piece: &Piece<'_>) -> Option<Usage> {
        if self.style.no_usage {
            None
        } else if self.style.usage_on_finish && piece.last {
            Some(piece.usage)
        } else {
            (self.include_usage && self.continuous_usage).then_some(piece.choice_usage)
        }
    }

    /// Whether the usage has an event of its own.
    pub(super) fn usage_at_end(&self) -> bool {
        self.include_usage && !self.style.no_usage && !self.style.usage_on_finish
    }

    /// `"usage":{...}` of an event.
    pub(super) fn stream_usage(&self, out: &mut String, usage: Usage) {
        let Usage {
            prompt,
            completion,
            cached,
        } = usage;
        let _ = write!(
            out,
            "\"usage\":{{\"prompt_tokens\":{prompt},\"total_tokens\":{},\"completion_tokens\":{completion}",
            prompt + completion
        );
        if self.details {
            let _ = write!(
                out,
                ",\"prompt_tokens_details\":{{\"cached_tokens\":{cached}}}"
            );
        }
        out.push('}');
    }

    /// `"service_tier":...` up to `"usage":{...}` of a body.
    pub(super) fn body_usage(&self, out: &mut String, usage: Usage) {
        let Usage {
            prompt,
            completion,
            cached,
        } = usage;
        out.push_str("\"service_tier\":null,");
        system_fingerprint(out);
        let _ = write!(
            out,
            ",\"usage\":{{\"prompt_tokens\":{prompt},\"total_tokens\":{},\"completion_tokens\":{completion},",
            prompt + completion
        );
        match self.details {
            true => {
                let _ = write!(
                    out,
                    "\"prompt_tokens_details\":{{\"cached_tokens\":{cached}}}"
                );
            }
            false => out.push_str("\"prompt_tokens_details\":null"),
        }
        out.push_str(",\"completion_tokens_details\":null}");
    }

    /// The event with the usage, if it has one of its own.
    pub(super) fn usage_event(
        &self,
        head: &str,
        usage: Usage,
        times: Option<ServerTimes>,
        events: &mut Vec<Event>,
    ) {
        if !self.usage_at_end() {
            return;
        }
        let mut out = String::with_capacity(head.len() + 160);
        out.push_str(head);
        out.push_str("],");
        self.stream_usage(&mut out, usage);
        out.push(',');
        system_fingerprint(&mut out);
        if let Some(times) = times {
            out.push(',');
            metrics(&mut out, Some(times));
        }
        out.push('}');
        events.push(out.into());
    }
}

/// `"system_fingerprint":"..."`.
pub(super) fn system_fingerprint(out: &mut String) {
    out.push_str(concat!(
        "\"system_fingerprint\":\"bench-sim-",
        env!("CARGO_PKG_VERSION"),
        "\""
    ));
}

/// `"metrics":...`.
pub(super) fn metrics(out: &mut String, times: Option<ServerTimes>) {
    // Writing to a string cannot fail.
    let _ = write!(
        out,
        "\"metrics\":{}",
        serde_json::json!(times.map(times_value))
    );
}

/// The server's times of a request.
pub(super) fn times_value(times: ServerTimes) -> serde_json::Value {
    serde_json::json!({
        "time_to_first_token_ms": times.ttft_ms,
        "generation_time_ms": times.generation_ms,
        "queue_time_ms": times.queue_ms,
        "mean_itl_ms": times.mean_itl_ms,
        "tokens_per_second": times.tokens_per_second,
    })
}

/// A JSON string.
pub(super) fn json_string(out: &mut String, text: &str) {
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            c if c < ' ' => {
                let _ = write!(out, "\\u{:04x}", c as u32);
            }
            c => out.push(c),
        }
    }
    out.push('"');
}

/// A JSON list of numbers, or `null`.
pub(super) fn json_ids(out: &mut String, ids: Option<impl Iterator<Item = u32>>) {
    let Some(ids) = ids else {
        return out.push_str("null");
    };
    out.push('[');
    for (i, id) in ids.enumerate() {
        let comma = if i == 0 { "" } else { "," };
        let _ = write!(out, "{comma}{id}");
    }
    out.push(']');
}

/// A log-probability that depends on the token only.
pub(super) fn logprob(token: &Token<'_>) -> f64 {
    -f64::from(token.id % 1_000) / 100.0
}

/// `null`, or the finish reason in quotes.
pub(super) fn finish(out: &mut String, reason: Option<&str>) {
    match reason {
        Some(reason) => json_string(out, reason),
        None => out.push_str("null"),
    }
}

/// The end of a stream, the same on all OpenAI routes.
pub(super) fn done() -> Option<Event> {
    Some("[DONE]".to_owned().into())
}
