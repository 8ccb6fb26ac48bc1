//! Triton's generate extension, with the tensors of the TensorRT-LLM backend:
//! `POST /v2/models/{model}[/versions/{version}]/generate_stream` and `/generate`.
//!
//! The output never repeats the input. Events hold what is new, or all text so far if the
//! server is configured to accumulate. There is no `[DONE]`, no usage and no finish reason:
//! `no-done`, `usage-on-finish`, `no-usage` and `reasoning` change nothing, an abort is an
//! error event, and a stream that ends early but cleanly shows only in its number of tokens.

use http::StatusCode;
use serde::Deserialize;

use super::json::Object;
use super::openai;
use super::{Ask, Context, ErrorReply, Event, Format, Piece, Protocol, ServerTimes, Usage, Whole};

/// What TensorRT-LLM's own model repository calls the models that take text. They are
/// served beside the configured name.
const TEMPLATES: [&str; 2] = ["ensemble", "tensorrt_llm_bls"];

pub(super) struct Triton;

impl Protocol for Triton {
    fn serves(&self, path: &str) -> bool {
        Route::of(path).is_some()
    }

    fn parse(&self, body: &[u8], cx: &Context<'_>) -> Result<(Ask, Box<dyn Format>), ErrorReply> {
        let bad = |message: &str| refuse(StatusCode::BAD_REQUEST, message);
        let Some(route) = Route::of(cx.path) else {
            return Err(bad("the path names no model to generate with"));
        };
        let known = |name| openai::check_model(Some(name), cx.config).is_ok();
        if !TEMPLATES.contains(&route.model) && !known(route.model) {
            let message = format!("Request for unknown model: '{}' is not found", route.model);
            return Err(refuse(StatusCode::NOT_FOUND, &message));
        }
        let request: Request = serde_json::from_slice(body)
            .map_err(|e| bad(&format!("failed to parse the request JSON buffer: {e}")))?;
        if request.stream && !route.streamed {
            return Err(bad(
                "generate expects model to produce exactly 1 response, use generate stream for \
                 model that generates various number of responses",
            ));
        }
        let ask = ask(&request, &route, cx).map_err(|message| bad(&message))?;
        let format = TritonFormat {
            model: route.model.to_owned(),
            version: route.version.to_owned(),
            // Without `stream` the model answers once, whatever the path.
            bit_by_bit: request.stream,
            accumulate: cx.config.triton_accumulate,
            text: String::new(),
            tokens: 0,
        };
        Ok((ask, Box::new(format)))
    }
}

/// What a path stands for.
struct Route<'a> {
    model: &'a str,
    version: &'a str,
    streamed: bool,
}

impl Route<'_> {
    fn of(path: &str) -> Option<Route<'_>> {
        let parts: Vec<_> = path.strip_prefix("/v2/models/")?.split('/').collect();
        let (model, version, action) = match parts[..] {
            [model, action] => (model, "1", action),
            [model, "versions", version, action] => (model, version, action),
            _ => return None,
        };
        let streamed = action == "generate_stream";
        (streamed || action == "generate").then_some(Route {
            model,
            version,
            streamed,
        })
    }
}

/// What is read of a request; other fields are parameters or tensors, and ignored.
#[derive(Deserialize)]
struct Request {
    text_input: Option<String>,
    max_tokens: Option<u32>,
    /// Under its old and its new name.
    #[serde(alias = "min_tokens")]
    min_length: Option<u32>,
    #[serde(default)]
    stream: bool,
    sim_fault: Option<String>,
}

fn ask(request: &Request, route: &Route<'_>, cx: &Context<'_>) -> Result<Ask, String> {
    let missing = |name| {
        format!(
            "expected input '{name}' is missing for model '{}'",
            route.model
        )
    };
    let text = request.text_input.as_deref();
    let prompt = cx.tokenizer.encode(text.ok_or(missing("text_input"))?);
    let max_tokens = request.max_tokens.ok_or(missing("max_tokens"))?;
    if prompt.is_empty() || max_tokens == 0 {
        return Err("text_input must not be empty, and max_tokens at least 1".to_owned());
    }
    let (context, length) = (u64::from(cx.config.max_model_len), prompt.len() as u64);
    if length + u64::from(max_tokens) > context {
        return Err(format!(
            "prompt length ({length}) plus max_tokens ({max_tokens}) exceeds maximum sequence \
             length ({context})"
        ));
    }
    Ok(Ask {
        model: route.model.to_owned(),
        prompts: vec![prompt],
        n: 1,
        max_tokens,
        ignore_eos: request.min_length.is_some_and(|min| min >= max_tokens),
        stream: route.streamed,
        stream_interval: None,
        fault: request.sim_fault.clone(),
    })
}

struct TritonFormat {
    model: String,
    version: String,
    /// Whether there is more than one event.
    bit_by_bit: bool,
    /// Whether events repeat what was sent before.
    accumulate: bool,
    /// What the next event says.
    text: String,
    /// Tokens in it.
    tokens: usize,
}

impl TritonFormat {
    fn response(&self, text: &str, tokens: usize) -> String {
        Object::new()
            .value("context_logits", 0.0)
            .value("cum_log_probs", 0.0)
            .value("generation_logits", 0.0)
            .text("model_name", &self.model)
            .text("model_version", &self.version)
            .value("output_log_probs", vec![0.0; tokens])
            .value("sequence_end", false)
            .value("sequence_id", 0)
            .value("sequence_start", false)
            .text("text_output", text)
            .end()
    }
}

fn refuse(status: StatusCode, message: &str) -> ErrorReply {
    ErrorReply::json(status, Object::new().text("error", message).end())
}

impl Format for TritonFormat {
    fn refuse(&self, status: StatusCode, message: &str) -> ErrorReply {
        refuse(status, message)
    }

    fn piece(&mut self, piece: &Piece<'_>, events: &mut Vec<Event>) {
        if piece.finish == Some("abort") {
            return self.error("the request was cancelled", events);
        }
        if self.bit_by_bit && !self.accumulate {
            self.text.clear();
            self.tokens = 0;
        }
        self.text.push_str(&piece.text());
        self.tokens += piece.tokens.len();
        if self.bit_by_bit || piece.finish.is_some() {
            events.push(self.response(&self.text, self.tokens).into());
        }
    }

    fn body(&self, choices: &[Whole<'_>], _: Usage, _: Option<ServerTimes>) -> String {
        let response = |whole: &Whole<'_>| self.response(&whole.text(), whole.tokens.len());
        choices.iter().map(response).collect()
    }
}
