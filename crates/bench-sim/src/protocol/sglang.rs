//! SGLang's own `POST /generate`.
//!
//! Every event holds all that was generated so far. Errors in a request that asks for a
//! stream come as an event of a stream with status 200. The same path belongs to TGI,
//! whose requests have `inputs`.
//!
//! The counts stand in every event, so `usage-on-finish` changes nothing; `no-usage` leaves
//! them out. Reasoning is not told apart but counted.

use http::StatusCode;
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::{Map, Value, json};

use super::json::{Object, list};
use super::openai::{self, Prompt};
use super::tgi::Tgi;
use super::{
    Ask, Context, ErrorReply, Event, Format, Piece, Protocol, ServerTimes, Stamps, Style, Token,
    Usage, Whole,
};
use crate::flavour::Flavour;

/// What SGLang takes for a request that names no limit.
const DEFAULT_MAX_TOKENS: i64 = 128;

/// Most outputs of a prompt, so that a typo does not fill the memory.
const MOST_OUTPUTS: u32 = 16_384;

/// The keys of `sampling_params`. Any other one is an error.
const SAMPLING: [&str; 28] = [
    "max_new_tokens",
    "stop",
    "stop_token_ids",
    "stop_regex",
    "temperature",
    "top_p",
    "top_k",
    "min_p",
    "frequency_penalty",
    "presence_penalty",
    "repetition_penalty",
    "min_new_tokens",
    "n",
    "json_schema",
    "regex",
    "ebnf",
    "structural_tag",
    "ignore_eos",
    "skip_special_tokens",
    "spaces_between_special_tokens",
    "no_stop_trim",
    "stream_interval",
    "logit_bias",
    "sampling_seed",
    "custom_params",
    "beam_width",
    "watermark",
    "choice",
];

pub(super) struct Sglang;

impl Protocol for Sglang {
    fn serves(&self, path: &str) -> bool {
        path == "/generate"
    }

    fn parse(&self, body: &[u8], cx: &Context<'_>) -> Result<(Ask, Box<dyn Format>), ErrorReply> {
        if cx.config.engine == Flavour::Tgi {
            return Tgi.parse(body, cx);
        }
        let mut request: Request = serde_json::from_slice(body).map_err(|e| bad_json(&e))?;
        if request.inputs.is_some() && cx.config.engine == Flavour::All {
            return Tgi.parse(body, cx);
        }
        let sampling = sampling(request.sampling_params.take().unwrap_or_default())?;
        let stream = request.stream.unwrap_or(false);
        let (ask, batch) = ask(&mut request, &sampling, cx).map_err(|message| match stream {
            true => ErrorReply::stream(error_stream(&message)),
            false => refuse(StatusCode::BAD_REQUEST, &message),
        })?;
        let format = SglangFormat {
            ids: ids(
                request.rid,
                cx.id,
                ask.prompts.len() * ask.n as usize,
                batch,
            ),
            batch,
            metrics: cx.config.request_metrics,
            logprobs: request.return_logprob.unwrap_or(false),
            top_logprobs: request.top_logprobs_num.unwrap_or(0) > 0,
            logprob_texts: request.return_text_in_logprobs.unwrap_or(false),
            style: Style::default(),
            so_far: Vec::new(),
        };
        Ok((ask, Box::new(format)))
    }
}

/// What is read of a request; other fields are ignored.
#[derive(Deserialize)]
struct Request {
    text: Option<Prompt>,
    input_ids: Option<Prompt>,
    /// The prompt of a request for TGI.
    inputs: Option<IgnoredAny>,
    sampling_params: Option<Map<String, Value>>,
    stream: Option<bool>,
    return_logprob: Option<bool>,
    top_logprobs_num: Option<u32>,
    return_text_in_logprobs: Option<bool>,
    rid: Option<Rid>,
    sim_fault: Option<String>,
}

/// Ids that the client gives.
#[derive(Deserialize)]
#[serde(untagged)]
enum Rid {
    One(String),
    Each(Vec<String>),
}

#[derive(Deserialize)]
struct Sampling {
    max_new_tokens: Option<i64>,
    temperature: Option<f64>,
    n: Option<u32>,
    ignore_eos: Option<bool>,
    stream_interval: Option<u32>,
}

fn sampling(fields: Map<String, Value>) -> Result<Sampling, ErrorReply> {
    let bad = |message: String| {
        let body = Object::new().text("error", &message).end();
        ErrorReply::json(StatusCode::BAD_REQUEST, body)
    };
    if let Some(unknown) = fields.keys().find(|key| !SAMPLING.contains(&key.as_str())) {
        let known: Vec<_> = SAMPLING.iter().map(|key| format!("`{key}`")).collect();
        return Err(bad(format!(
            "unknown field `{unknown}`, expected one of {}",
            known.join(", ")
        )));
    }
    serde_json::from_value(Value::Object(fields)).map_err(|error| bad(error.to_string()))
}

/// What is asked for, and whether it is answered by a list.
fn ask(
    request: &mut Request,
    sampling: &Sampling,
    cx: &Context<'_>,
) -> Result<(Ask, bool), String> {
    if let Some(t) = sampling
        .temperature
        .filter(|t| !(t.is_finite() && *t >= 0.0))
    {
        return Err(format!(
            "temperature must be a non-negative finite number, got {t}."
        ));
    }
    let max_tokens = sampling.max_new_tokens.unwrap_or(DEFAULT_MAX_TOKENS);
    if max_tokens < 1 {
        return Err(format!(
            "max_new_tokens must be at least 1, got {max_tokens}."
        ));
    }
    let n = sampling.n.unwrap_or(1);
    if !(1..=MOST_OUTPUTS).contains(&n) {
        return Err(format!("n must be in 1..={MOST_OUTPUTS}, got {n}."));
    }
    let Some(prompt) = request.text.take().or_else(|| request.input_ids.take()) else {
        return Err("Either text, input_ids or input_embeds should be provided.".to_owned());
    };
    let batch = n > 1 || matches!(prompt, Prompt::Texts(_) | Prompt::IdLists(_));
    let prompts = prompt.encode(cx.tokenizer);
    if prompts.is_empty() || prompts.iter().any(Vec::is_empty) {
        return Err("text and input_ids must not be empty.".to_owned());
    }
    let longest = prompts.iter().map(Vec::len).max().unwrap_or_default() as u64;
    let ask = Ask {
        model: cx.config.model.clone(),
        prompts,
        n,
        max_tokens: check_length(longest, max_tokens.unsigned_abs(), cx)?,
        ignore_eos: sampling.ignore_eos.unwrap_or(false),
        stream: request.stream.unwrap_or(false),
        stream_interval: sampling.stream_interval.map(|n| n.max(1)),
        fault: request.sim_fault.take(),
    };
    Ok((ask, batch))
}

/// Checks a request against the context length; returns its limit of output tokens.
fn check_length(prompt: u64, max_tokens: u64, cx: &Context<'_>) -> Result<u32, String> {
    let context = u64::from(cx.config.max_model_len);
    if prompt >= context {
        return Err(format!(
            "The input ({prompt} tokens) is longer than the model's context length ({context} \
             tokens)."
        ));
    }
    match u32::try_from(max_tokens) {
        Ok(limit) if prompt + max_tokens <= context => Ok(limit),
        _ => Err(format!(
            "Requested token count exceeds the model's maximum context length of {context} \
             tokens. You requested a total of {} tokens: {prompt} tokens from the input messages \
             and {max_tokens} tokens for the completion. Please reduce the number of tokens in \
             the input messages or the completion to fit within the limit.",
            prompt.saturating_add(max_tokens)
        )),
    }
}

/// The id of each output.
fn ids(rid: Option<Rid>, id: &str, outputs: usize, batch: bool) -> Vec<String> {
    let number = |of: &str| (0..outputs).map(|i| format!("{of}_{i}")).collect();
    match rid {
        Some(Rid::Each(ids)) if ids.len() == outputs => ids,
        Some(Rid::Each(ids)) => number(&ids.concat()),
        Some(Rid::One(id)) if batch => number(&id),
        Some(Rid::One(id)) => vec![id],
        None => (0..outputs).map(|i| format!("{id}{i:016x}")).collect(),
    }
}

struct SglangFormat {
    ids: Vec<String>,
    /// Whether there is a list of outputs.
    batch: bool,
    /// Whether the server tells its times.
    metrics: bool,
    logprobs: bool,
    top_logprobs: bool,
    logprob_texts: bool,
    style: Style,
    /// What each output has sent.
    so_far: Vec<SoFar>,
}

/// All that was generated of one output until now.
#[derive(Clone, Default)]
struct SoFar {
    text: String,
    ids: Vec<u32>,
    /// `[logprob, id, text]` of each token, if asked for.
    logprobs: Vec<Value>,
    reasoning: u32,
    /// Whether there has been an event.
    started: bool,
}

/// The state of an output when it is written.
struct State<'a> {
    index: usize,
    usage: Usage,
    stamps: Stamps,
    finish: Option<&'a str>,
    streamed: bool,
    first: bool,
}

impl SglangFormat {
    fn push(&self, so_far: &mut SoFar, tokens: &[Token<'_>], reasoning: usize) {
        so_far.text.push_str(&super::text(tokens));
        so_far.ids.extend(tokens.iter().map(|token| token.id));
        so_far.reasoning += reasoning as u32;
        if self.logprobs {
            let entry = |token: &Token<'_>| {
                let text = self.logprob_texts.then_some(token.text);
                json!([openai::logprob(token), token.id, text])
            };
            so_far.logprobs.extend(tokens.iter().map(entry));
        }
    }

    fn output(&self, so_far: &SoFar, state: &State<'_>) -> String {
        Object::new()
            .text("text", &so_far.text)
            .ids("output_ids", &so_far.ids)
            .raw("meta_info", &self.meta(so_far, state))
            .when(self.batch && state.streamed, |out| {
                out.value("index", state.index)
            })
            .end()
    }

    fn meta(&self, so_far: &SoFar, state: &State<'_>) -> String {
        let State { usage, stamps, .. } = *state;
        let counts = !self.style.no_usage;
        let last = state.finish.is_some();
        let version = Object::new()
            .text("version", "default")
            .value("start", 0)
            .value("end", usage.completion)
            .end();
        let cached = (usage.cached > 0).then(|| json!({"device": usage.cached, "host": 0}));
        Object::new()
            .text("id", self.ids.get(state.index).map_or("", String::as_str))
            .raw("finish_reason", &finish_reason(state.finish, usage))
            .when(counts, |out| out.value("prompt_tokens", usage.prompt))
            .text("weight_version", "default")
            .value("num_retractions", 0)
            .when(self.metrics, |out| {
                out.value("storage_prefetch_wait", 0.0)
                    .value("storage_staging_wait", 0.0)
                    .value("forward_entry_time", stamps.unix(stamps.admitted))
                    .value("prefill_finished_time", stamps.unix(stamps.first))
                    .value("queue_time", seconds(&stamps, stamps.admitted))
            })
            .when(self.logprobs, |out| self.token_logprobs(out, so_far))
            .when(counts, |out| {
                out.value("reasoning_tokens", so_far.reasoning)
                    .value("completion_tokens", usage.completion)
                    .value("cached_tokens", usage.cached)
            })
            .when(last, |out| out.raw("weight_versions", &list(&[version])))
            .value("cached_tokens_details", cached)
            .value("dp_rank", Value::Null)
            .when(last, |out| {
                out.value("e2e_latency", seconds(&stamps, stamps.last))
            })
            .when(last && self.metrics, |out| {
                out.value("request_received_ts", stamps.unix(stamps.arrived))
                    .value("first_token_latency", seconds(&stamps, stamps.first))
                    .value("api_server_dispatch_finish_ts", stamps.unix(stamps.arrived))
            })
            .when(
                state.streamed && (state.first || last && self.metrics),
                |out| sent(out, &stamps),
            )
            .when(last && self.metrics, |out| {
                out.value("request_finished_ts", stamps.unix(stamps.last))
                    .optional("decode_throughput", throughput(usage, &stamps))
            })
            .when(!state.streamed, |out| sent(out, &stamps))
            .end()
    }

    fn token_logprobs(&self, out: Object, so_far: &SoFar) -> Object {
        let empty = || Value::Array(Vec::new());
        // The sampled token is the only candidate that is known.
        let top = || so_far.logprobs.iter().map(|token| json!([token])).collect();
        let top = if self.top_logprobs { top() } else { empty() };
        out.value("input_token_logprobs", empty())
            .value("output_token_logprobs", so_far.logprobs.clone())
            .value("output_token_logprobs_length", so_far.logprobs.len())
            .when(self.top_logprobs, |out| {
                out.value("input_top_logprobs", empty())
                    .value("output_top_logprobs", top)
            })
    }
}

fn sent(out: Object, stamps: &Stamps) -> Object {
    out.value("response_sent_to_client_ts", stamps.unix(stamps.first))
}

/// Seconds from the arrival of the request.
fn seconds(stamps: &Stamps, at: bench_types::Nanos) -> f64 {
    at.since(stamps.arrived).as_secs_f64()
}

/// Tokens per second after the first one.
fn throughput(usage: Usage, stamps: &Stamps) -> Option<f64> {
    let seconds = stamps.last.since(stamps.first).as_secs_f64();
    let tokens = usage.completion.saturating_sub(1);
    (tokens > 0 && seconds > 0.0).then(|| f64::from(tokens) / seconds)
}

fn finish_reason(finish: Option<&str>, usage: Usage) -> String {
    let Some(finish) = finish else {
        return "null".to_owned();
    };
    let out = Object::new().text("type", finish);
    match finish {
        "length" => out.value("length", usage.completion).end(),
        // The id of the end-of-sequence token.
        "stop" => out.value("matched", 0).end(),
        _ => out
            .text("message", "Aborted")
            .value("status_code", Value::Null)
            .value("err_type", Value::Null)
            .end(),
    }
}

fn refuse(status: StatusCode, message: &str) -> ErrorReply {
    let error = Object::new().text("message", message).end();
    ErrorReply::json(status, Object::new().raw("error", &error).end())
}

/// The event that tells of an error.
fn error_event(kind: &str, status: StatusCode, message: &str) -> String {
    let error = Object::new()
        .text("message", message)
        .text("type", kind)
        .value("code", status.as_u16())
        .value("retryable", status.is_server_error())
        .end();
    Object::new().raw("error", &error).end()
}

/// The stream that answers a request which cannot be served.
fn error_stream(message: &str) -> String {
    let event = error_event("invalid_request_error", StatusCode::BAD_REQUEST, message);
    format!("data: {event}\n\ndata: [DONE]\n\n")
}

fn bad_json(error: &serde_json::Error) -> ErrorReply {
    let status = StatusCode::BAD_REQUEST;
    let body = Object::new()
        .text("object", "error")
        .text("message", &format!("1 validation error:\n  {error}"))
        .text("type", "Bad Request")
        .value("param", Value::Null)
        .value("code", status.as_u16())
        .end();
    ErrorReply::json(status, body)
}

impl Format for SglangFormat {
    fn style(&mut self, style: Style) {
        self.style = style;
    }

    fn refuse(&self, status: StatusCode, message: &str) -> ErrorReply {
        refuse(status, message)
    }

    fn piece(&mut self, piece: &Piece<'_>, events: &mut Vec<Event>) {
        let index = piece.choice as usize;
        if self.so_far.len() <= index {
            self.so_far.resize_with(index + 1, SoFar::default);
        }
        let mut so_far = std::mem::take(&mut self.so_far[index]);
        let reasoning = if piece.reasoning {
            piece.tokens.len()
        } else {
            0
        };
        self.push(&mut so_far, piece.tokens, reasoning);
        let state = State {
            index,
            usage: piece.choice_usage,
            stamps: piece.stamps,
            finish: piece.finish,
            streamed: true,
            first: !std::mem::replace(&mut so_far.started, true),
        };
        events.push(self.output(&so_far, &state).into());
        self.so_far[index] = so_far;
    }

    fn error(&mut self, message: &str, events: &mut Vec<Event>) {
        let status = StatusCode::INTERNAL_SERVER_ERROR;
        events.push(error_event("internal_server_error", status, message).into());
    }

    fn done(&self) -> Option<Event> {
        openai::done()
    }

    fn body(&self, choices: &[Whole<'_>], _: Usage, _: Option<ServerTimes>) -> String {
        let output = |(index, whole): (usize, &Whole<'_>)| {
            let mut so_far = SoFar::default();
            self.push(&mut so_far, &whole.tokens, whole.reasoning);
            let state = State {
                index,
                usage: whole.usage,
                stamps: whole.stamps,
                finish: whole.finish,
                streamed: false,
                first: true,
            };
            self.output(&so_far, &state)
        };
        let outputs: Vec<_> = choices.iter().enumerate().map(output).collect();
        if self.batch {
            list(&outputs)
        } else {
            outputs.concat()
        }
    }
}
