//! The routes beside generation: what the server says of itself, and what it is told to do.

use bytes::Bytes;
use http::header::{HeaderMap, HeaderValue};
use http::{Method, StatusCode};
use serde::Deserialize;
use serde_json::{Value, json};

use super::core::Core;
use crate::engine::BLOCK_TOKENS;
use crate::flavour::Flavour;
use crate::protocol::{ErrorReply, openai};
use crate::stats::SimStats;

const JSON: HeaderValue = HeaderValue::from_static("application/json");
const PROMETHEUS: HeaderValue =
    HeaderValue::from_static("text/plain; version=1.0.0; charset=utf-8");

const VERSION: &str = env!("CARGO_PKG_VERSION");

/// What SGLang says whether it flushed its cache or not.
const FLUSHED: &str = "Cache flushed.\nPlease check backend logs for more details. (When there are \
     running or waiting requests, the operation will not be performed.)\n";

/// An answer that is there at once.
#[derive(Debug)]
pub(super) struct Reply {
    pub(super) status: StatusCode,
    pub(super) kind: Option<HeaderValue>,
    pub(super) body: Bytes,
}

impl Reply {
    fn text(status: StatusCode, body: &'static str) -> Reply {
        Reply {
            status,
            kind: None,
            body: Bytes::from_static(body.as_bytes()),
        }
    }

    fn ok() -> Reply {
        Reply::text(StatusCode::OK, "")
    }

    fn json(status: StatusCode, body: impl Into<Bytes>) -> Reply {
        Reply {
            status,
            kind: Some(JSON),
            body: body.into(),
        }
    }

    fn value(value: &Value) -> Reply {
        Reply::json(StatusCode::OK, value.to_string())
    }
}

impl From<Result<Value, ErrorReply>> for Reply {
    fn from(result: Result<Value, ErrorReply>) -> Reply {
        match result {
            Ok(value) => Reply::value(&value),
            Err(error) => Reply::json(error.status, error.body),
        }
    }
}

/// Answers to requests with a given method and path, and a body.
type Route = (Method, &'static str, fn(&Core, &[u8]) -> Reply);

const ROUTES: &[Route] = &[
    (Method::GET, "/health", |_, _| Reply::ok()),
    (Method::GET, "/health_generate", |_, _| Reply::ok()),
    (Method::GET, "/v2/health/live", |_, _| Reply::ok()),
    (Method::GET, "/v2/health/ready", |_, _| Reply::ok()),
    (Method::GET, "/metrics", metrics),
    (Method::GET, "/v1/models", |core, _| {
        Reply::value(&models(core))
    }),
    (Method::GET, "/version", |_, _| {
        Reply::value(&json!({ "version": VERSION }))
    }),
    (Method::GET, "/info", |core, _| Reply::value(&info(core))),
    (Method::GET, "/model_info", model_info),
    (Method::GET, "/get_model_info", model_info),
    (Method::GET, "/server_info", server_info),
    (Method::GET, "/get_server_info", server_info),
    (Method::POST, "/tokenize", |core, body| {
        tokenize(core, body).into()
    }),
    (Method::POST, "/detokenize", |core, body| {
        detokenize(core, body).into()
    }),
    (Method::POST, "/start_profile", |core, _| {
        profile(core, "Start profiling.\n", |stats| {
            stats.profiles_started += 1;
        })
    }),
    (Method::POST, "/stop_profile", |core, _| {
        let text = "Stop profiling. This will take some time.\n";
        profile(core, text, |stats| stats.profiles_stopped += 1)
    }),
    (Method::POST, "/reset_prefix_cache", |core, _| {
        // vLLM says nothing of whether it did.
        core.reset_prefix_cache();
        Reply::ok()
    }),
    (Method::GET, "/flush_cache", flush_cache),
    (Method::POST, "/flush_cache", flush_cache),
];

/// The answer, if there is such a route.
pub(super) fn answer(core: &Core, method: &Method, path: &str, body: &[u8]) -> Option<Reply> {
    let config = &core.config;
    let hidden = path.ends_with("_profile") && !config.profiler && config.engine != Flavour::Sglang;
    let routes = ROUTES.iter().filter(|route| route.1 == path && !hidden);
    let mut routes = routes.peekable();
    routes.peek()?;
    let route = routes.find(|route| route.0 == method);
    Some(route.map_or_else(|| not_allowed(core), |(_, _, answer)| answer(core, body)))
}

/// 401 for a request without the key that the server wants. It quotes what was sent, as
/// careless gateways do.
pub(super) fn unauthorized(core: &Core, path: &str, headers: &HeaderMap) -> Option<Reply> {
    let key = core.config.api_key.as_ref().filter(|_| path != "/health")?;
    let header = |name| headers.get(name).map(HeaderValue::as_bytes);
    // Anthropic's clients send theirs in a header of its own.
    if header("x-api-key") == Some(key.as_bytes()) {
        return None;
    }
    let sent = header("authorization").or(header("x-api-key"));
    let sent = sent.map(String::from_utf8_lossy);
    let message = match sent.as_deref() {
        Some(sent) if sent.strip_prefix("Bearer ") == Some(key) => return None,
        Some(sent) => {
            let sent = sent.strip_prefix("Bearer ").unwrap_or(sent);
            format!("Incorrect API key provided: {sent}.")
        }
        None => "No API key provided. Send it as \"Authorization: Bearer KEY\".".to_owned(),
    };
    let body = json!({"error": {
        "message": message, "type": "invalid_request_error", "param": null,
        "code": "invalid_api_key",
    }});
    Some(Reply::json(StatusCode::UNAUTHORIZED, body.to_string()))
}

/// There is no such route.
pub(super) fn not_found(core: &Core) -> Reply {
    refusal(core, StatusCode::NOT_FOUND, "{\"detail\":\"Not Found\"}")
}

/// There is such a route, but for another method.
pub(super) fn not_allowed(core: &Core) -> Reply {
    let body = "{\"detail\":\"Method Not Allowed\"}";
    refusal(core, StatusCode::METHOD_NOT_ALLOWED, body)
}

/// The Python servers explain themselves, TGI does not.
fn refusal(core: &Core, status: StatusCode, body: &'static str) -> Reply {
    match core.config.engine {
        Flavour::Tgi => Reply::text(status, ""),
        _ => Reply::json(status, body),
    }
}

fn metrics(core: &Core, _: &[u8]) -> Reply {
    Reply {
        status: StatusCode::OK,
        kind: Some(PROMETHEUS),
        body: core.metrics().into(),
    }
}

fn models(core: &Core) -> Value {
    let created = core.unix_time();
    let config = &core.config;
    let permission = json!({
        "id": "modelperm-bench-sim", "object": "model_permission", "created": created,
        "allow_create_engine": false, "allow_sampling": true, "allow_logprobs": true,
        "allow_search_indices": false, "allow_view": true, "allow_fine_tuning": false,
        "organization": "*", "group": null, "is_blocking": false,
    });
    let card = |name: &str, parent: Option<&str>| {
        json!({
            "id": name, "object": "model", "created": created, "owned_by": "bench-sim",
            "root": name, "parent": parent,
            "max_model_len": parent.is_none().then_some(config.max_model_len),
            "permission": [permission],
        })
    };
    let adapters = config.lora.iter();
    let adapters = adapters.map(|name| card(name, Some(&config.model)));
    let models: Vec<_> = std::iter::once(card(&config.model, None))
        .chain(adapters)
        .collect();
    json!({ "object": "list", "data": models })
}

/// What TGI says of itself.
fn info(core: &Core) -> Value {
    let config = &core.config;
    json!({
        "model_id": config.model, "model_sha": null, "model_pipeline_tag": "text-generation",
        "max_concurrent_requests": config.max_num_seqs, "max_best_of": 1, "max_stop_sequences": 4,
        "max_input_tokens": config.max_model_len - 1, "max_total_tokens": config.max_model_len,
        "validation_workers": 1, "max_client_batch_size": 4, "router": "bench-sim",
        "version": VERSION, "sha": null, "docker_label": null,
    })
}

/// What SGLang says of its model.
fn model_info(core: &Core, _: &[u8]) -> Reply {
    let model = &core.config.model;
    Reply::value(&json!({
        "model_path": model, "served_model_name": model, "tokenizer_path": model,
        "is_generation": true, "preferred_sampling_params": null, "weight_version": "default",
        "load_format": "dummy", "has_image_understanding": false,
        "has_audio_understanding": false, "model_type": "simulated",
        "architectures": ["SimulatedForCausalLM"],
    }))
}

/// What SGLang says of its arguments, secrets included.
fn server_info(core: &Core, _: &[u8]) -> Reply {
    let config = &core.config;
    let capacity = u64::from(config.kv_blocks) * u64::from(BLOCK_TOKENS);
    let arguments = json!({
        "model_path": config.model, "tokenizer_path": config.model, "load_format": "dummy",
        "served_model_name": config.model, "context_length": config.max_model_len,
        "max_running_requests": config.max_num_seqs, "max_total_tokens": capacity,
        "chunked_prefill_size": config.max_num_batched_tokens, "schedule_policy": "fcfs",
        "page_size": BLOCK_TOKENS, "disable_radix_cache": !config.prefix_cache,
        "tp_size": 1, "pp_size": 1, "dp_size": 1, "device": "simulated",
        "random_seed": config.seed, "stream_interval": config.stream_interval,
        "api_key": config.api_key, "admin_api_key": null, "enable_metrics": true,
    });
    let mut info = arguments.clone();
    info["internal_states"] = json!([arguments]);
    info["status"] = "ready".into();
    info["max_total_num_tokens"] = capacity.into();
    info["version"] = VERSION.into();
    Reply::value(&info)
}

#[derive(Deserialize)]
struct Tokenize {
    model: Option<String>,
    prompt: Option<String>,
    messages: Option<Vec<openai::Message>>,
}

fn tokenize(core: &Core, body: &[u8]) -> Result<Value, ErrorReply> {
    let request: Tokenize = openai::read(body)?;
    openai::check_model(request.model.as_deref(), &core.config)?;
    let tokens = match (request.prompt, request.messages) {
        (Some(prompt), _) => core.tokenizer.encode(&prompt),
        (None, Some(messages)) => openai::chat_prompt(&messages, &*core.tokenizer),
        (None, None) => {
            return Err(openai::bad_request(
                "prompt",
                "prompt or messages must be provided.",
            ));
        }
    };
    Ok(json!({
        "count": tokens.len(), "max_model_len": core.config.max_model_len, "tokens": tokens,
        "token_strs": null,
    }))
}

#[derive(Deserialize)]
struct Detokenize {
    model: Option<String>,
    tokens: Vec<u32>,
}

fn detokenize(core: &Core, body: &[u8]) -> Result<Value, ErrorReply> {
    let request: Detokenize = openai::read(body)?;
    openai::check_model(request.model.as_deref(), &core.config)?;
    let prompt = core.tokenizer.decode(&request.tokens);
    Ok(json!({ "prompt": prompt }))
}

/// Counts a profile; only SGLang says so.
fn profile(core: &Core, sglang: &'static str, count: fn(&mut SimStats)) -> Reply {
    core.shared.update(count);
    match core.config.engine {
        Flavour::Sglang => Reply::text(StatusCode::OK, sglang),
        _ => Reply::ok(),
    }
}

fn flush_cache(core: &Core, _: &[u8]) -> Reply {
    let status = match core.reset_prefix_cache() {
        true => StatusCode::OK,
        false => StatusCode::BAD_REQUEST,
    };
    Reply::text(status, FLUSHED)
}
