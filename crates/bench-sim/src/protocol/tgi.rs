//! Text Generation Inference: `POST /generate_stream`, `/generate` and `/`.
//!
//! One event per token. Nothing marks the end of the stream but the event with
//! `generated_text`, so `no-done` changes nothing. A request that cannot be served is
//! answered by an error event in a stream of status 200, or by status 422. TGI knows no
//! aborts: it says that the generation is incomplete. `no-usage` leaves the details out;
//! reasoning is not told apart, and the end of a sequence cannot be ignored.

use http::StatusCode;
use serde::Deserialize;
use serde_json::Value;

use super::json::{Object, list};
use super::openai;
use super::{
    Ask, Context, ErrorReply, Event, Format, Piece, Protocol, ServerTimes, Style, Token, Usage,
    Whole,
};

/// What TGI takes for a request that names no limit, since its version 2.
const DEFAULT_MAX_TOKENS: u32 = 100;

pub(super) struct Tgi;

impl Protocol for Tgi {
    fn serves(&self, path: &str) -> bool {
        matches!(path, "/generate_stream" | "/generate" | "/")
    }

    fn parse(&self, body: &[u8], cx: &Context<'_>) -> Result<(Ask, Box<dyn Format>), ErrorReply> {
        let request: Request = serde_json::from_slice(body).map_err(|e| unreadable(&e))?;
        let root = cx.path == "/";
        let stream = cx.path == "/generate_stream" || root && request.stream;
        let ask = ask(&request, stream, cx).map_err(|message| {
            let message = format!("Input validation error: {message}");
            match stream {
                true => {
                    ErrorReply::stream(format!("data:{}\n\n", error_body(&message, "validation")))
                }
                false => refuse(StatusCode::UNPROCESSABLE_ENTITY, &message),
            }
        })?;
        let parameters = &request.parameters;
        let full_text = parameters.return_full_text.unwrap_or(false);
        let characters = request.inputs.chars().count();
        let format = TgiFormat {
            characters,
            list: root,
            details: parameters.details.unwrap_or(false),
            seed: parameters.seed,
            input: if full_text {
                request.inputs
            } else {
                String::new()
            },
            text: String::new(),
            style: Style::default(),
            index: 0,
        };
        Ok((ask, Box::new(format)))
    }
}

/// What is read of a request; other fields are ignored.
#[derive(Deserialize)]
struct Request {
    inputs: String,
    #[serde(default)]
    parameters: Parameters,
    #[serde(default)]
    stream: bool,
    sim_fault: Option<String>,
}

#[derive(Default, Deserialize)]
struct Parameters {
    max_new_tokens: Option<u32>,
    temperature: Option<f64>,
    truncate: Option<usize>,
    return_full_text: Option<bool>,
    details: Option<bool>,
    seed: Option<u64>,
}

fn ask(request: &Request, stream: bool, cx: &Context<'_>) -> Result<Ask, String> {
    let parameters = &request.parameters;
    if parameters.temperature.is_some_and(|t| t <= 0.0) {
        return Err("`temperature` must be strictly positive".to_owned());
    }
    let max_tokens = parameters.max_new_tokens.unwrap_or(DEFAULT_MAX_TOKENS);
    if max_tokens == 0 {
        return Err("`max_new_tokens` must be strictly positive".to_owned());
    }
    let mut prompt = cx.tokenizer.encode(&request.inputs);
    if let Some(most) = parameters.truncate.filter(|most| *most < prompt.len()) {
        prompt.drain(..prompt.len() - most);
    }
    if prompt.is_empty() {
        return Err("`inputs` cannot be empty".to_owned());
    }
    let (context, length) = (u64::from(cx.config.max_model_len), prompt.len() as u64);
    if length + u64::from(max_tokens) > context {
        return Err(format!(
            "`inputs` tokens + `max_new_tokens` must be <= {context}. Given: {length} `inputs` \
             tokens and {max_tokens} `max_new_tokens`"
        ));
    }
    Ok(Ask {
        model: cx.config.model.clone(),
        prompts: vec![prompt],
        n: 1,
        max_tokens,
        ignore_eos: false,
        stream,
        stream_interval: None,
        fault: request.sim_fault.clone(),
    })
}

struct TgiFormat {
    /// Of the input.
    characters: usize,
    /// Whether the body is a list, as it is on `/`.
    list: bool,
    details: bool,
    seed: Option<u64>,
    /// The input, if it is to be repeated in front of the output.
    input: String,
    /// The output so far.
    text: String,
    style: Style,
    /// Of the last event.
    index: u32,
}

impl TgiFormat {
    fn token(token: &Token<'_>) -> String {
        Object::new()
            .value("id", token.id)
            .text("text", token.text)
            .value("logprob", openai::logprob(token))
            .value("special", false)
            .end()
    }

    /// The details, or `null`; `last` are fields that only one kind of answer has.
    fn details(
        &self,
        finish: Option<&str>,
        usage: Usage,
        last: impl FnOnce(Object) -> Object,
    ) -> Option<String> {
        let details = || {
            let out = Object::new()
                .value("finish_reason", finish_reason(finish))
                .value("generated_tokens", usage.completion)
                .value("seed", self.seed);
            last(out).end()
        };
        (self.details && !self.style.no_usage).then(details)
    }
}

fn finish_reason(finish: Option<&str>) -> Option<&'static str> {
    match finish {
        Some("length") => Some("length"),
        Some("stop") => Some("eos_token"),
        _ => None,
    }
}

fn error_body(message: &str, kind: &str) -> String {
    Object::new()
        .text("error", message)
        .text("error_type", kind)
        .end()
}

fn refuse(status: StatusCode, message: &str) -> ErrorReply {
    let kind = match status {
        StatusCode::BAD_REQUEST | StatusCode::UNPROCESSABLE_ENTITY => "validation",
        StatusCode::TOO_MANY_REQUESTS => "overloaded",
        _ => "generation",
    };
    ErrorReply::json(status, error_body(message, kind))
}

fn unreadable(error: &serde_json::Error) -> ErrorReply {
    let (status, what) = if error.is_data() {
        let what = "Failed to deserialize the JSON body into the target type";
        (StatusCode::UNPROCESSABLE_ENTITY, what)
    } else {
        let what = "Failed to parse the request body as JSON";
        (StatusCode::BAD_REQUEST, what)
    };
    refuse(status, &format!("{what}: {error}"))
}

impl Format for TgiFormat {
    fn style(&mut self, style: Style) {
        self.style = style;
    }

    fn prefix(&self) -> &'static str {
        "data:"
    }

    fn refuse(&self, status: StatusCode, message: &str) -> ErrorReply {
        refuse(status, message)
    }

    fn headers(&self, whole: Option<&Whole<'_>>) -> Vec<(&'static str, String)> {
        let mut headers = vec![
            ("x-compute-type", "simulated".to_owned()),
            ("x-compute-characters", self.characters.to_string()),
        ];
        let Some(Whole { usage, stamps, .. }) = whole else {
            headers.push(("content-type", "text/event-stream".to_owned()));
            headers.push(("x-accel-buffering", "no".to_owned()));
            return headers;
        };
        let total = stamps.last.since(stamps.arrived);
        let inference = stamps.last.since(stamps.admitted).as_millis_f64();
        let per_token = inference / f64::from(usage.completion.max(1));
        let milliseconds = |ms: f64| format!("{}", ms as u64);
        let queue = stamps.admitted.since(stamps.arrived).as_millis_f64();
        headers.extend([
            ("x-compute-time", total.as_secs_f64().to_string()),
            ("x-total-time", milliseconds(total.as_millis_f64())),
            ("x-validation-time", "0".to_owned()),
            ("x-queue-time", milliseconds(queue)),
            ("x-inference-time", milliseconds(inference)),
            ("x-time-per-token", milliseconds(per_token)),
            ("x-prompt-tokens", usage.prompt.to_string()),
            ("x-generated-tokens", usage.completion.to_string()),
            (
                "x-total-tokens",
                (usage.prompt + usage.completion).to_string(),
            ),
        ]);
        headers
    }

    fn piece(&mut self, piece: &Piece<'_>, events: &mut Vec<Event>) {
        for (i, token) in piece.tokens.iter().enumerate() {
            self.index += 1;
            self.text.push_str(token.text);
            let last = piece.finish.filter(|_| i + 1 == piece.tokens.len());
            let details = last.and_then(|finish| {
                let input = |out: Object| out.value("input_length", piece.choice_usage.prompt);
                self.details(Some(finish), piece.choice_usage, input)
            });
            let out = Object::new()
                .value("index", self.index)
                .raw("token", &TgiFormat::token(token));
            let out = match last {
                Some(_) => out.text("generated_text", &(self.input.clone() + &self.text)),
                None => out.value("generated_text", Value::Null),
            };
            let details = details.as_deref().unwrap_or("null");
            events.push(out.raw("details", details).end().into());
        }
        if piece.finish == Some("abort") {
            let message = "Incomplete generation stream";
            events.push(error_body(message, "incomplete_generation_stream").into());
        }
    }

    fn error(&mut self, message: &str, events: &mut Vec<Event>) {
        let message = format!("Request failed during generation: {message}");
        events.push(error_body(&message, "generation").into());
    }

    fn body(&self, choices: &[Whole<'_>], _: Usage, _: Option<ServerTimes>) -> String {
        let answer = |whole: &Whole<'_>| {
            let text = self.input.clone() + &whole.text();
            let tokens: Vec<_> = whole.tokens.iter().map(TgiFormat::token).collect();
            let details = self.details(whole.finish, whole.usage, |out| {
                out.raw("prefill", "[]").raw("tokens", &list(&tokens))
            });
            let out = Object::new().text("generated_text", &text);
            match details {
                Some(details) => out.raw("details", &details).end(),
                None => out.end(),
            }
        };
        let answers: Vec<_> = choices.iter().map(answer).collect();
        if self.list {
            list(&answers)
        } else {
            answers.concat()
        }
    }
}
