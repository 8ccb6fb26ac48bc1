use bench_types::{Prompt, Task};
use bytes::Bytes;

use crate::openai_body::Body;
use crate::pool_wire::PoolDecoder;
use crate::{Backend, BackendError, Decoder, Request};

/// Servers that turn inputs into vectors: routes in the shape of OpenAI's `/v1/embeddings`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Embeddings {
    name: &'static str,
    aliases: &'static [&'static str],
    path: &'static str,
    /// Ask for inputs above the model's length to be cut, as `vllm bench serve` does: an
    /// extension of vLLM, which also takes token ids and chat messages.
    vllm: bool,
}

impl Embeddings {
    /// vLLM's `/v1/embeddings`, which cuts inputs that are too long.
    pub const OPENAI: Embeddings = Embeddings {
        name: "openai-embeddings",
        aliases: &["vllm-embeddings", "vllm-embedding"],
        path: "/v1/embeddings",
        vllm: true,
    };

    /// `/v1/embeddings` of SGLang, of OpenAI and of any server that does not know vLLM's fields.
    pub const SGLANG: Embeddings = Embeddings {
        name: "sglang-embedding",
        aliases: &["sglang-embeddings"],
        path: "/v1/embeddings",
        vllm: false,
    };

    /// vLLM's `/pooling`.
    pub const VLLM_POOLING: Embeddings = Embeddings {
        name: "vllm-pooling",
        aliases: &[],
        path: "/pooling",
        vllm: true,
    };

    /// Infinity's `/embeddings`.
    pub const INFINITY: Embeddings = Embeddings {
        name: "infinity-embeddings",
        aliases: &[],
        path: "/embeddings",
        vllm: false,
    };
}

impl Embeddings {
    /// Refuses the formats of vLLM that are not JSON.
    fn check_encoding(&self, request: &Request<'_>) -> Result<(), BackendError> {
        let extra = request.extra_body;
        match extra.and_then(|extra| extra.get("encoding_format")) {
            None => Ok(()),
            Some(format) if format == "float" || format == "base64" => Ok(()),
            Some(other) => Err(BackendError::Field {
                backend: self.name,
                field: "encoding_format",
                value: other.to_string(),
                cure: "ask for \"float\" or \"base64\"",
            }),
        }
    }
}

impl Backend for Embeddings {
    fn name(&self) -> &'static str {
        self.name
    }

    fn aliases(&self) -> &'static [&'static str] {
        self.aliases
    }

    fn task(&self) -> Task {
        Task::Pool
    }

    fn can_stream(&self) -> bool {
        false
    }

    fn default_path(&self, _: bool) -> &'static str {
        self.path
    }

    fn encode(&self, request: &Request<'_>) -> Result<http::Request<Bytes>, BackendError> {
        // Nothing is generated, so there is nothing to say of it.
        request.refuse_unless(self.name, &["continuous-usage"])?;
        self.check_encoding(request)?;
        let mut body = Body::of(request);
        body.field("model", request.model)?;
        match request.prompt {
            Prompt::Text(text) => body.field("input", &**text)?,
            Prompt::Batch(texts) => body.texts("input", texts)?,
            Prompt::TokenIds(ids) if self.path != Embeddings::INFINITY.path => {
                body.field("input", &**ids)?;
            }
            Prompt::Chat(messages) if self.vllm => {
                body.messages(self.name, "messages", messages)?;
            }
            other => return Err(BackendError::prompt(self.name, other)),
        }
        body.raw("encoding_format", r#""float""#);
        if self.vllm {
            body.raw("truncate_prompt_tokens", "-1");
        }
        let whole = Request {
            stream: false,
            ..*request
        };
        whole.post(self.path, body.finish()?)
    }

    fn decoder(&self) -> Box<dyn Decoder> {
        Box::new(PoolDecoder::vectors())
    }
}
