use bench_types::Prompt;
use bytes::Bytes;
use serde::Serialize;

use crate::openai_body::Body;
use crate::openai_wire::OpenAiDecoder;
use crate::{Backend, BackendError, Decoder, Request};

/// Servers with OpenAI's `/v1/chat/completions`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct OpenAiChat;

#[derive(Serialize)]
struct Message<'a> {
    role: &'static str,
    content: &'a str,
}

impl Backend for OpenAiChat {
    fn name(&self) -> &'static str {
        "openai-chat"
    }

    fn aliases(&self) -> &'static [&'static str] {
        &["vllm-chat"]
    }

    fn default_path(&self, _: bool) -> &'static str {
        "/v1/chat/completions"
    }

    fn encode(&self, request: &Request<'_>) -> Result<http::Request<Bytes>, BackendError> {
        let size = match request.prompt {
            Prompt::Text(text) | Prompt::Chat(text) => text.len() + text.len() / 8,
            _ => 0,
        };
        let mut body = Body::new(request.extra_body, size + 512);
        body.field("model", request.model)?;
        match request.prompt {
            Prompt::Text(content) => {
                let role = "user";
                body.field("messages", &[Message { role, content }])?;
            }
            Prompt::Chat(messages) => {
                let messages = messages.trim_ascii();
                if !(messages.starts_with('[') && messages.ends_with(']')) {
                    return Err(BackendError::Prompt {
                        backend: "openai-chat",
                        prompt: "chat messages that are no array",
                        cure: "give a JSON array of messages",
                    });
                }
                body.raw("messages", messages);
            }
            other => return Err(BackendError::prompt("openai-chat", other)),
        }
        body.field("max_completion_tokens", &request.max_output_tokens)?;
        if let Some(candidates) = request.logprobs {
            body.raw("logprobs", "true");
            body.field("top_logprobs", &candidates)?;
        }
        body.common(request)?;
        request.post(self.default_path(request.stream), body.finish()?)
    }

    fn decoder(&self) -> Box<dyn Decoder> {
        Box::new(OpenAiDecoder::default())
    }
}
