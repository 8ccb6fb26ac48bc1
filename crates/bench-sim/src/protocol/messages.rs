//! Anthropic's `POST /v1/messages`.
//!
//! `message_delta` carries the stop reason and the usage, so `usage-on-finish` changes
//! nothing; `no-usage` leaves the usage out. `message_stop` is what `no-done` leaves out, and
//! what does not come after an error. An abort is a stop reason of `null`.

use http::StatusCode;
use serde::Deserialize;
use serde_json::Value;

use super::json::{Object, list};
use super::openai::{self, Content, Message};
use super::{
    Ask, Context, ErrorReply, Event, Format, Piece, Protocol, ServerTimes, Style, Usage, Whole,
};

pub(super) struct Messages;

impl Protocol for Messages {
    fn serves(&self, path: &str) -> bool {
        path == "/v1/messages"
    }

    fn parse(&self, body: &[u8], cx: &Context<'_>) -> Result<(Ask, Box<dyn Format>), ErrorReply> {
        let bad = |message: &str| refuse(StatusCode::BAD_REQUEST, message);
        let request: Request = serde_json::from_slice(body)
            .map_err(|e| bad(&format!("The request body is not valid JSON: {e}")))?;
        let asked = request.model.as_deref();
        let model = openai::check_model(asked, cx.config).map_err(|_| {
            let message = format!("model: {}", asked.unwrap_or_default());
            refuse(StatusCode::NOT_FOUND, &message)
        })?;
        let Some(max_tokens) = request.max_tokens else {
            return Err(bad("max_tokens: Field required"));
        };
        if max_tokens < 1 {
            return Err(bad("max_tokens: must be greater than or equal to 1"));
        }
        if request.messages.is_empty() {
            return Err(bad("messages: at least one message is required"));
        }
        let system = request.system.map(|content| Message::of("system", content));
        let messages: Vec<_> = system.into_iter().chain(request.messages).collect();
        let prompt = openai::chat_prompt(&messages, cx.tokenizer);
        let max_tokens = openai::fit(prompt.len() as u64, Some(max_tokens), 1, cx)
            .map_err(|message| bad(&message))?;
        let ask = Ask {
            model: model.clone(),
            prompts: vec![prompt],
            n: 1,
            max_tokens,
            ignore_eos: request.ignore_eos,
            stream: request.stream,
            stream_interval: None,
            fault: request.sim_fault,
        };
        let format = MessagesFormat {
            id: format!("msg_{}", cx.id),
            model,
            details: cx.config.prompt_tokens_details,
            style: Style::default(),
            started: false,
            failed: false,
            block: None,
            blocks: 0,
            finish: None,
        };
        Ok((ask, Box::new(format)))
    }
}

/// What is read of a request; other fields are ignored.
#[derive(Deserialize)]
struct Request {
    model: Option<String>,
    max_tokens: Option<i64>,
    #[serde(default)]
    messages: Vec<Message>,
    system: Option<Content>,
    #[serde(default)]
    stream: bool,
    /// Not of Anthropic's, but servers that have other routes as well take it.
    #[serde(default)]
    ignore_eos: bool,
    sim_fault: Option<String>,
}

struct MessagesFormat {
    id: String,
    model: String,
    details: bool,
    style: Style,
    started: bool,
    failed: bool,
    /// Whether the content block being written is thinking.
    block: Option<bool>,
    /// Blocks that are done.
    blocks: u32,
    finish: Option<String>,
}

fn event(name: &'static str) -> Object {
    Object::new().text("type", name)
}

/// A content block, or the delta of one.
fn block(thinking: bool, suffix: &str, text: &str) -> String {
    let (kind, key) = match thinking {
        true => ("thinking", "thinking"),
        false => ("text", "text"),
    };
    Object::new()
        .text("type", &format!("{kind}{suffix}"))
        .text(key, text)
        .end()
}

fn stop_reason(finish: Option<&str>) -> Option<&'static str> {
    match finish {
        Some("length") => Some("max_tokens"),
        Some("stop") => Some("end_turn"),
        _ => None,
    }
}

impl MessagesFormat {
    fn push(name: &'static str, data: Object, events: &mut Vec<Event>) {
        events.push(Event {
            name: Some(name),
            data: data.end(),
        });
    }

    /// Adds `usage`, unless a fault takes it away.
    fn usage(&self, out: Object, usage: Usage) -> Object {
        let cached = if self.details { usage.cached } else { 0 };
        let counts = Object::new()
            .value("input_tokens", usage.prompt - cached)
            .value("output_tokens", usage.completion)
            .when(self.details, |out| {
                out.value("cache_read_input_tokens", cached)
            });
        out.when(!self.style.no_usage, |out| out.raw("usage", &counts.end()))
    }

    /// The message itself.
    fn message(&self, content: &[String], finish: Option<&str>, usage: Usage) -> String {
        let out = Object::new()
            .text("id", &self.id)
            .text("type", "message")
            .text("role", "assistant")
            .raw("content", &list(content))
            .text("model", &self.model)
            .value("stop_reason", stop_reason(finish))
            .value("stop_sequence", Value::Null);
        self.usage(out, usage).end()
    }

    fn start(&mut self, usage: Usage, events: &mut Vec<Event>) {
        if !std::mem::replace(&mut self.started, true) {
            let completion = 0;
            let usage = Usage {
                completion,
                ..usage
            };
            let message = self.message(&[], None, usage);
            let data = event("message_start").raw("message", &message);
            MessagesFormat::push("message_start", data, events);
        }
    }

    fn start_block(&mut self, thinking: bool, events: &mut Vec<Event>) {
        self.stop_block(events);
        self.block = Some(thinking);
        let name = "content_block_start";
        let data = event(name)
            .raw("content_block", &block(thinking, "", ""))
            .value("index", self.blocks);
        MessagesFormat::push(name, data, events);
        if self.blocks == 0 {
            MessagesFormat::push("ping", event("ping"), events);
        }
    }

    fn stop_block(&mut self, events: &mut Vec<Event>) {
        if self.block.take().is_some() {
            let name = "content_block_stop";
            let data = event(name).value("index", self.blocks);
            MessagesFormat::push(name, data, events);
            self.blocks += 1;
        }
    }
}

fn refuse(status: StatusCode, message: &str) -> ErrorReply {
    let kind = match status.as_u16() {
        401 => "authentication_error",
        403 => "permission_error",
        404 => "not_found_error",
        413 => "request_too_large",
        429 => "rate_limit_error",
        503 | 529 => "overloaded_error",
        400..500 => "invalid_request_error",
        _ => "api_error",
    };
    let error = Object::new()
        .text("type", kind)
        .text("message", message)
        .end();
    ErrorReply::json(status, event("error").raw("error", &error).end())
}

impl Format for MessagesFormat {
    fn style(&mut self, style: Style) {
        self.style = style;
    }

    fn refuse(&self, status: StatusCode, message: &str) -> ErrorReply {
        refuse(status, message)
    }

    fn piece(&mut self, piece: &Piece<'_>, events: &mut Vec<Event>) {
        self.start(piece.usage, events);
        self.finish = piece.finish.map(str::to_owned);
        let text = piece.text();
        if text.is_empty() {
            return;
        }
        if self.block != Some(piece.reasoning) {
            self.start_block(piece.reasoning, events);
        }
        let name = "content_block_delta";
        let data = event(name)
            .raw("delta", &block(piece.reasoning, "_delta", &text))
            .value("index", self.blocks);
        MessagesFormat::push(name, data, events);
    }

    fn close(&mut self, usage: Usage, _: Option<ServerTimes>, events: &mut Vec<Event>) {
        self.stop_block(events);
        let delta = Object::new()
            .value("stop_reason", stop_reason(self.finish.as_deref()))
            .value("stop_sequence", Value::Null)
            .end();
        let data = event("message_delta").raw("delta", &delta);
        MessagesFormat::push("message_delta", self.usage(data, usage), events);
    }

    fn error(&mut self, message: &str, events: &mut Vec<Event>) {
        self.failed = true;
        events.push(Event {
            name: Some("error"),
            data: refuse(StatusCode::INTERNAL_SERVER_ERROR, message).body,
        });
    }

    fn done(&self) -> Option<Event> {
        (!self.failed).then(|| Event {
            name: Some("message_stop"),
            data: event("message_stop").end(),
        })
    }

    fn body(&self, choices: &[Whole<'_>], usage: Usage, _: Option<ServerTimes>) -> String {
        let mut content = Vec::new();
        let mut finish = None;
        for whole in choices {
            finish = whole.finish;
            let (thinking, said) = whole.tokens.split_at(whole.reasoning);
            for (kind, tokens) in [(true, thinking), (false, said)] {
                if !tokens.is_empty() {
                    content.push(block(kind, "", &super::text(tokens)));
                }
            }
        }
        self.message(&content, finish, usage)
    }
}
