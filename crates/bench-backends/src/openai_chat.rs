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

impl OpenAiChat {
    fn refuse(prompt: &'static str, cure: &'static str) -> BackendError {
        BackendError::Prompt {
            backend: "openai-chat",
            prompt,
            cure,
        }
    }
}

impl Backend for OpenAiChat {
    fn name(&self) -> &'static str {
        "openai-chat"
    }

    fn aliases(&self) -> &'static [&'static str] {
        &["vllm-chat"]
    }

    fn default_path(&self) -> &'static str {
        "/v1/chat/completions"
    }

    fn encode(&self, request: &Request<'_>) -> Result<http::Request<Bytes>, BackendError> {
        let size = match request.prompt {
            Prompt::Text(text) | Prompt::Chat(text) => text.len() + text.len() / 8,
            Prompt::TokenIds(_) => 0,
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
                    let cure = "give a JSON array of messages";
                    return Err(Self::refuse("chat messages that are no array", cure));
                }
                body.raw("messages", messages);
            }
            Prompt::TokenIds(_) => {
                let cure = "use the backend `vllm` or `openai`, or a dataset of text";
                return Err(Self::refuse("token ids", cure));
            }
        }
        body.field("max_completion_tokens", &request.max_output_tokens)?;
        if let Some(candidates) = request.logprobs {
            body.raw("logprobs", "true");
            body.field("top_logprobs", &candidates)?;
        }
        body.common(request)?;
        request.post(self.default_path(), body.finish()?)
    }

    fn decoder(&self) -> Box<dyn Decoder> {
        Box::new(OpenAiDecoder::default())
    }
}
