use bench_types::Prompt;
use bytes::Bytes;

use crate::openai_body::Body;
use crate::openai_wire::OpenAiDecoder;
use crate::{Backend, BackendError, Decoder, Request};

/// Servers with OpenAI's `/v1/completions`.
///
/// They are all asked in the same way. Each has a name of its own so that results tell which
/// one was measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OpenAiCompletions {
    name: &'static str,
    aliases: &'static [&'static str],
}

impl OpenAiCompletions {
    /// vLLM.
    pub const VLLM: OpenAiCompletions = OpenAiCompletions::new("vllm");

    /// SGLang.
    pub const SGLANG: OpenAiCompletions = OpenAiCompletions::new("sglang-oai");

    /// TensorRT-LLM's own server, `trtllm-serve`.
    pub const TRTLLM: OpenAiCompletions = OpenAiCompletions::new("trtllm-serve");

    /// Text Generation Inference.
    pub const TGI: OpenAiCompletions = OpenAiCompletions::new("tgi-oai");

    /// Any other server.
    pub const OPENAI: OpenAiCompletions = OpenAiCompletions {
        name: "openai",
        aliases: &["openai-completions", "llama.cpp", "lmdeploy", "scalellm"],
    };

    const fn new(name: &'static str) -> OpenAiCompletions {
        OpenAiCompletions { name, aliases: &[] }
    }
}

impl Backend for OpenAiCompletions {
    fn name(&self) -> &'static str {
        self.name
    }

    fn aliases(&self) -> &'static [&'static str] {
        self.aliases
    }

    fn default_path(&self, _: bool) -> &'static str {
        "/v1/completions"
    }

    fn encode(&self, request: &Request<'_>) -> Result<http::Request<Bytes>, BackendError> {
        let mut body = Body::of(request);
        body.field("model", request.model)?;
        match request.prompt {
            Prompt::Text(text) => body.field("prompt", &**text)?,
            Prompt::TokenIds(ids) => body.field("prompt", &**ids)?,
            Prompt::Batch(texts) => body.texts("prompt", texts)?,
            other => return Err(BackendError::prompt(self.name, other)),
        }
        body.field("max_tokens", &request.max_output_tokens)?;
        body.optional("logprobs", request.logprobs)?;
        body.common(request)?;
        request.post(self.default_path(request.stream), body.finish()?)
    }

    fn decoder(&self) -> Box<dyn Decoder> {
        Box::new(OpenAiDecoder::default())
    }
}
