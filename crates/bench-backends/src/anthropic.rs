use bench_types::Prompt;
use bytes::Bytes;
use http::header::AUTHORIZATION;
use http::{HeaderMap, HeaderName, HeaderValue};
use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};

use crate::anthropic_wire::AnthropicDecoder;
use crate::openai_body::Body;
use crate::{Backend, BackendError, Decoder, Request};

const NAME: &str = "anthropic";

/// The version of the protocol, which every request must name.
const VERSION: &str = "2023-06-01";

/// Servers with Anthropic's `/v1/messages`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Anthropic;

impl Backend for Anthropic {
    fn name(&self) -> &'static str {
        NAME
    }

    fn aliases(&self) -> &'static [&'static str] {
        &["claude"]
    }

    fn default_path(&self, _: bool) -> &'static str {
        "/v1/messages"
    }

    fn encode(&self, request: &Request<'_>) -> Result<http::Request<Bytes>, BackendError> {
        request.refuse_unless(NAME, &["temperature", "top-p", "top-k"])?;
        let mut body = Body::of(request);
        body.field("model", request.model)?;
        body.field("max_tokens", &request.max_output_tokens)?;
        match request.prompt {
            Prompt::Text(text) => {
                body.field("messages", &[json!({"role": "user", "content": &**text})])?;
            }
            Prompt::Chat(messages) => chat(&mut body, messages)?,
            other => return Err(BackendError::prompt(NAME, other)),
        }
        body.optional("temperature", request.sampling.temperature)?;
        body.optional("top_p", request.sampling.top_p)?;
        body.optional("top_k", request.sampling.top_k)?;
        body.optional("stream", request.stream.then_some(true))?;
        let mut http = request.post(self.default_path(request.stream), body.finish()?)?;
        set_headers(http.headers_mut());
        Ok(http)
    }

    fn decoder(&self) -> Box<dyn Decoder> {
        Box::new(AnthropicDecoder::default())
    }
}

/// Adds the headers of the protocol, unless the user gave them. The key of a bearer token is
/// also sent the way Anthropic's own servers take it.
fn set_headers(headers: &mut HeaderMap) {
    let version = HeaderName::from_static("anthropic-version");
    headers
        .entry(version)
        .or_insert(HeaderValue::from_static(VERSION));
    let bearer = headers
        .get(AUTHORIZATION)
        .and_then(|value| value.as_bytes().strip_prefix(b"Bearer "));
    if let Some(Ok(mut key)) = bearer.map(HeaderValue::from_bytes) {
        key.set_sensitive(true);
        let name = HeaderName::from_static("x-api-key");
        headers.entry(name).or_insert(key);
    }
}

/// A message, as far as it matters where it goes.
#[derive(Deserialize)]
struct Message {
    role: String,
    #[serde(default)]
    content: Value,
}

/// Writes `messages` and, if some of them are the system's, `system`: the protocol has no
/// such role. Other messages are sent as they are.
fn chat(body: &mut Body<'_>, messages: &str) -> Result<(), BackendError> {
    let refused = |_| BackendError::Prompt {
        backend: NAME,
        prompt: "chat messages that are no array of messages with a role",
        cure: "give a JSON array of messages",
    };
    let all: Vec<&RawValue> = serde_json::from_str(messages).map_err(refused)?;
    let mut said = Vec::with_capacity(all.len());
    let mut system = Vec::new();
    for raw in all {
        let message: Message = serde_json::from_str(raw.get()).map_err(refused)?;
        match &*message.role {
            "system" | "developer" => system.push(message.content),
            _ => said.push(raw),
        }
    }
    match &system[..] {
        [] => {}
        [Value::String(only)] => body.field("system", only)?,
        several => body.field("system", &blocks(several))?,
    }
    body.field("messages", &said)
}

/// Several contents, each a text or a list of blocks, as one list of blocks.
fn blocks(contents: &[Value]) -> Vec<Value> {
    let mut blocks = Vec::new();
    for content in contents {
        match content {
            Value::Array(parts) => blocks.extend_from_slice(parts),
            text => blocks.push(json!({"type": "text", "text": text})),
        }
    }
    blocks
}
