//! `POST /v1/responses`, as vLLM writes it.
//!
//! The stream ends with `response.completed`, which always has the usage: `no-done` and
//! `usage-on-finish` change nothing, `no-usage` makes it `null`. An error comes as an
//! `error` event and `response.failed`, an abort as the status `cancelled`.

use http::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};

use super::json::{Object, list};
use super::openai::{self, Message};
use super::{
    Ask, Context, ErrorReply, Event, Format, Piece, Protocol, ServerTimes, Style, Usage, Whole,
};
use crate::hash::{fnv1a, mix};

/// A model would go on until it stops; see the chat route.
const DEFAULT_MAX_TOKENS: u32 = 128;

pub(super) struct Responses;

impl Protocol for Responses {
    fn serves(&self, path: &str) -> bool {
        path == "/v1/responses"
    }

    fn parse(&self, body: &[u8], cx: &Context<'_>) -> Result<(Ask, Box<dyn Format>), ErrorReply> {
        let request: Request = openai::read(body)?;
        let model = openai::check_model(request.model.as_deref(), cx.config)?;
        if let Some(limit) = request.max_output_tokens.filter(|limit| *limit < 1) {
            let message = format!("max_output_tokens must be at least 1, got {limit}.");
            return Err(openai::bad_request("max_output_tokens", &message));
        }
        let mut messages = Vec::new();
        if let Some(instructions) = &request.instructions {
            messages.push(Message::new("system", instructions));
        }
        match request.input {
            Some(Input::Text(text)) => messages.push(Message::new("user", &text)),
            Some(Input::Messages(list)) => messages.extend(list),
            None => return Err(openai::bad_request("input", "input: Field required")),
        }
        let prompt = openai::chat_prompt(&messages, cx.tokenizer);
        let max_tokens = openai::check_length(
            prompt.len() as u64,
            request.max_output_tokens,
            DEFAULT_MAX_TOKENS,
            cx,
        )?;
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
        let format = ResponsesFormat {
            response: Response {
                id: cx.id.to_owned(),
                created: cx.created,
                model,
                instructions: request.instructions,
                temperature: request.temperature.unwrap_or(1.0),
                top_p: request.top_p.unwrap_or(1.0),
                max_tokens,
            },
            style: Style::default(),
            sequence: 0,
            item: None,
            items: Vec::new(),
            reasoning: 0,
            finish: None,
        };
        Ok((ask, Box::new(format)))
    }
}

/// What is read of a request; other fields are ignored.
#[derive(Deserialize)]
struct Request {
    model: Option<String>,
    input: Option<Input>,
    instructions: Option<String>,
    max_output_tokens: Option<i64>,
    temperature: Option<f64>,
    top_p: Option<f64>,
    #[serde(default)]
    ignore_eos: bool,
    #[serde(default)]
    stream: bool,
    sim_fault: Option<String>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Input {
    Text(String),
    Messages(Vec<Message>),
}

/// What every form of the response object repeats.
struct Response {
    id: String,
    created: u64,
    model: String,
    instructions: Option<String>,
    temperature: f64,
    top_p: f64,
    max_tokens: u32,
}

impl Response {
    fn object(
        &self,
        status: &str,
        error: Option<Value>,
        items: &[String],
        counts: Counts,
    ) -> String {
        let incomplete = (status == "incomplete").then(|| json!({"reason": "max_output_tokens"}));
        Object::new()
            .text("id", &format!("resp_{}", self.id))
            .value("created_at", self.created)
            .optional("error", error)
            .value("incomplete_details", incomplete)
            .value("instructions", self.instructions.clone())
            .value("metadata", Value::Null)
            .text("model", &self.model)
            .text("object", "response")
            .raw("output", &list(items))
            .value("parallel_tool_calls", true)
            .value("temperature", self.temperature)
            .text("tool_choice", "none")
            .raw("tools", "[]")
            .value("top_p", self.top_p)
            .value("background", false)
            .value("max_output_tokens", self.max_tokens)
            .value("max_tool_calls", Value::Null)
            .value("previous_response_id", Value::Null)
            .value("prompt", Value::Null)
            .value("reasoning", Value::Null)
            .text("service_tier", "auto")
            .text("status", status)
            .value("text", Value::Null)
            .value("top_logprobs", Value::Null)
            .text("truncation", "disabled")
            .raw("usage", counts.usage.as_deref().unwrap_or("null"))
            .value("user", Value::Null)
            .optional("metrics", counts.times.map(openai::times_value))
            .value("presence_penalty", 0.0)
            .value("frequency_penalty", 0.0)
            .value("kv_transfer_params", Value::Null)
            .value("ec_transfer_params", Value::Null)
            .value("input_messages", Value::Null)
            .value("output_messages", Value::Null)
            .end()
    }
}

/// What is only known at the end.
#[derive(Default)]
struct Counts {
    usage: Option<String>,
    times: Option<ServerTimes>,
}

/// One item of the output: what the model thought, or what it said.
struct Item {
    id: String,
    reasoning: bool,
    text: String,
}

impl Item {
    fn new(response: &Response, index: usize, reasoning: bool) -> Item {
        let prefix = if reasoning { "rs_" } else { "msg_" };
        let unique = mix(&[fnv1a(response.id.as_bytes()), index as u64]);
        Item {
            id: format!("{prefix}{unique:016x}"),
            reasoning,
            text: String::new(),
        }
    }

    /// `response.{what}` of this kind of text.
    fn event(&self, what: &'static str) -> &'static str {
        match (self.reasoning, what) {
            (true, "delta") => "response.reasoning_text.delta",
            (true, _) => "response.reasoning_text.done",
            (false, "delta") => "response.output_text.delta",
            (false, _) => "response.output_text.done",
        }
    }

    /// The only part of its content.
    fn part(&self, logprobs: &str) -> String {
        if self.reasoning {
            return Object::new()
                .text("text", &self.text)
                .text("type", "reasoning_text")
                .end();
        }
        Object::new()
            .raw("annotations", "[]")
            .text("text", &self.text)
            .text("type", "output_text")
            .raw("logprobs", logprobs)
            .end()
    }

    fn object(&self, status: &str) -> String {
        let done = status == "completed";
        let parts = if done {
            list(&[self.part("null")])
        } else {
            "[]".to_owned()
        };
        let out = Object::new().text("id", &self.id);
        if self.reasoning {
            return out
                .raw("summary", "[]")
                .text("type", "reasoning")
                .raw("content", if done { &parts } else { "null" })
                .value("encrypted_content", Value::Null)
                .text("status", status)
                .end();
        }
        out.raw("content", &parts)
            .text("role", "assistant")
            .text("status", status)
            .text("type", "message")
            .value("phase", Value::Null)
            .end()
    }
}

struct ResponsesFormat {
    response: Response,
    style: Style,
    /// Number of the next event.
    sequence: u32,
    /// The item being written.
    item: Option<Item>,
    /// Those that are done.
    items: Vec<String>,
    reasoning: u32,
    finish: Option<String>,
}

impl ResponsesFormat {
    /// Appends an event whose fields after the sequence number are in `after`.
    fn push(
        &mut self,
        name: &'static str,
        before: Object,
        after: impl FnOnce(Object) -> Object,
        events: &mut Vec<Event>,
    ) {
        let out = before.value("sequence_number", self.sequence);
        self.sequence += 1;
        events.push(Event {
            name: Some(name),
            data: after(out).text("type", name).end(),
        });
    }

    fn push_response(&mut self, name: &'static str, object: &str, events: &mut Vec<Event>) {
        let before = Object::new().raw("response", object);
        self.push(name, before, |out| out, events);
    }

    fn open_item(&mut self, reasoning: bool, events: &mut Vec<Event>) -> Item {
        let index = self.items.len();
        let item = Item::new(&self.response, index, reasoning);
        let before = Object::new()
            .raw("item", &item.object("in_progress"))
            .value("output_index", index);
        self.push("response.output_item.added", before, |out| out, events);
        let before = Object::new()
            .value("content_index", 0)
            .text("item_id", &item.id)
            .value("output_index", index)
            .raw("part", &item.part("[]"));
        self.push("response.content_part.added", before, |out| out, events);
        item
    }

    fn close_item(&mut self, events: &mut Vec<Event>) {
        let Some(item) = self.item.take() else {
            return;
        };
        let index = self.items.len();
        let place = || {
            Object::new()
                .value("content_index", 0)
                .text("item_id", &item.id)
        };
        let before = place()
            .when(!item.reasoning, |out| out.raw("logprobs", "[]"))
            .value("output_index", index);
        let text = |out: Object| out.text("text", &item.text);
        self.push(item.event("done"), before, text, events);
        let before = place()
            .value("output_index", index)
            .raw("part", &item.part("null"));
        self.push("response.content_part.done", before, |out| out, events);
        let done = item.object("completed");
        let before = Object::new()
            .raw("item", &done)
            .value("output_index", index);
        self.push("response.output_item.done", before, |out| out, events);
        self.items.push(done);
    }

    fn counts(&self, usage: Usage, reasoning: u32, times: Option<ServerTimes>) -> Counts {
        let input = Object::new()
            .value("cached_tokens", usage.cached)
            .value("cache_write_tokens", 0)
            .raw("input_tokens_per_turn", "[]")
            .raw("cached_tokens_per_turn", "[]")
            .end();
        let output = Object::new()
            .value("reasoning_tokens", reasoning)
            .value("tool_output_tokens", 0)
            .raw("output_tokens_per_turn", "[]")
            .raw("tool_output_tokens_per_turn", "[]")
            .end();
        let all = Object::new()
            .value("input_tokens", usage.prompt)
            .raw("input_tokens_details", &input)
            .value("output_tokens", usage.completion)
            .raw("output_tokens_details", &output)
            .value("total_tokens", usage.prompt + usage.completion)
            .end();
        let usage = (!self.style.no_usage).then_some(all);
        Counts { usage, times }
    }
}

fn status(finish: Option<&str>) -> &'static str {
    match finish {
        Some("length") => "incomplete",
        Some("abort") => "cancelled",
        Some(_) => "completed",
        None => "in_progress",
    }
}

impl Format for ResponsesFormat {
    fn style(&mut self, style: Style) {
        self.style = style;
    }

    fn refuse(&self, status: StatusCode, message: &str) -> ErrorReply {
        openai::refuse(status, message)
    }

    fn open(&mut self, events: &mut Vec<Event>) {
        let object = self
            .response
            .object("in_progress", None, &[], Counts::default());
        self.push_response("response.created", &object, events);
        self.push_response("response.in_progress", &object, events);
    }

    fn piece(&mut self, piece: &Piece<'_>, events: &mut Vec<Event>) {
        self.finish = piece.finish.map(str::to_owned);
        if piece.reasoning {
            self.reasoning += piece.tokens.len() as u32;
        }
        let text = piece.text();
        if text.is_empty() {
            return;
        }
        if self.item.as_ref().map(|item| item.reasoning) != Some(piece.reasoning) {
            self.close_item(events);
            self.item = Some(self.open_item(piece.reasoning, events));
        }
        let index = self.items.len();
        if let Some(mut item) = self.item.take() {
            item.text.push_str(&text);
            let before = Object::new()
                .value("content_index", 0)
                .text("delta", &text)
                .text("item_id", &item.id)
                .when(!item.reasoning, |out| out.raw("logprobs", "[]"))
                .value("output_index", index);
            self.push(item.event("delta"), before, |out| out, events);
            self.item = Some(item);
        }
    }

    fn close(&mut self, usage: Usage, times: Option<ServerTimes>, events: &mut Vec<Event>) {
        self.close_item(events);
        let counts = self.counts(usage, self.reasoning, times);
        let status = status(self.finish.as_deref());
        let object = self.response.object(status, None, &self.items, counts);
        self.push_response("response.completed", &object, events);
    }

    fn error(&mut self, message: &str, events: &mut Vec<Event>) {
        let before = Object::new()
            .text("code", "server_error")
            .text("message", message)
            .value("param", Value::Null);
        self.push("error", before, |out| out, events);
        let error = json!({"code": "server_error", "message": message});
        let object = self
            .response
            .object("failed", Some(error), &self.items, Counts::default());
        self.push_response("response.failed", &object, events);
    }

    fn body(&self, choices: &[Whole<'_>], usage: Usage, times: Option<ServerTimes>) -> String {
        let mut items = Vec::new();
        let (mut finish, mut thought) = (None, 0);
        for whole in choices {
            (finish, thought) = (whole.finish, whole.reasoning as u32);
            let (reasoning, content) = whole.tokens.split_at(whole.reasoning);
            for (reasoning, tokens) in [(true, reasoning), (false, content)] {
                let mut item = Item::new(&self.response, items.len(), reasoning);
                item.text = super::text(tokens);
                if !item.text.is_empty() {
                    items.push(item.object("completed"));
                }
            }
        }
        let counts = self.counts(usage, thought, times);
        self.response.object(status(finish), None, &items, counts)
    }
}
