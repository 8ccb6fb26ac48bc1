use bench_types::Prompt;
use bytes::Bytes;
use serde::Serialize;

use crate::openai_body::Body;
use crate::openai_wire::OpenAiDecoder;
use crate::{Backend, BackendError, Decoder, Request};

/// Servers with OpenAI's `/v1/chat/completions`.
///
/// Each has a name of its own so that results tell which one was measured, and they differ in
/// the field that limits the answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OpenAiChat {
    name: &'static str,
    aliases: &'static [&'static str],
    limit: &'static str,
}

/// The field that limits the answer, reasoning included.
const LIMIT: &str = "max_completion_tokens";
/// Its older name.
const OLD_LIMIT: &str = "max_tokens";

impl OpenAiChat {
    /// Any server that knows `max_completion_tokens`, vLLM among them.
    pub const OPENAI: OpenAiChat = OpenAiChat {
        name: "openai-chat",
        aliases: &["vllm-chat", "lmdeploy-chat"],
        limit: LIMIT,
    };

    /// SGLang.
    pub const SGLANG: OpenAiChat = OpenAiChat::new("sglang-oai-chat", LIMIT);

    /// TensorRT-LLM's own server, `trtllm-serve`.
    pub const TRTLLM: OpenAiChat = OpenAiChat::new("trtllm-serve-chat", LIMIT);

    /// Text Generation Inference, which knows the older `max_tokens` only.
    pub const TGI: OpenAiChat = OpenAiChat::new("tgi-chat", OLD_LIMIT);

    /// llama.cpp, asked with `max_tokens`, which all its versions know.
    pub const LLAMA_CPP: OpenAiChat = OpenAiChat::new("llama.cpp-chat", OLD_LIMIT);

    const fn new(name: &'static str, limit: &'static str) -> OpenAiChat {
        OpenAiChat {
            name,
            aliases: &[],
            limit,
        }
    }
}

#[derive(Serialize)]
struct Message<'a> {
    role: &'static str,
    content: &'a str,
}

impl Backend for OpenAiChat {
    fn name(&self) -> &'static str {
        self.name
    }

    fn aliases(&self) -> &'static [&'static str] {
        self.aliases
    }

    fn default_path(&self, _: bool) -> &'static str {
        "/v1/chat/completions"
    }

    fn encode(&self, request: &Request<'_>) -> Result<http::Request<Bytes>, BackendError> {
        let mut body = Body::of(request);
        body.field("model", request.model)?;
        match request.prompt {
            Prompt::Text(content) => {
                let role = "user";
                body.field("messages", &[Message { role, content }])?;
            }
            Prompt::Chat(messages) => body.messages(self.name, "messages", messages)?,
            other => return Err(BackendError::prompt(self.name, other)),
        }
        body.field(self.limit, &request.max_output_tokens)?;
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
