use bench_types::{Prompt, Task};
use bytes::Bytes;

use crate::openai_body::Body;
use crate::pool_wire::PoolDecoder;
use crate::{Backend, BackendError, Decoder, Request};

const NAME: &str = "vllm-rerank";

/// Servers that rank documents: vLLM's `/v1/rerank`, in the shape of Jina's and Cohere's.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct VllmRerank;

impl Backend for VllmRerank {
    fn name(&self) -> &'static str {
        NAME
    }

    fn aliases(&self) -> &'static [&'static str] {
        &["rerank"]
    }

    fn task(&self) -> Task {
        Task::Pool
    }

    fn can_stream(&self) -> bool {
        false
    }

    fn default_path(&self, _: bool) -> &'static str {
        "/v1/rerank"
    }

    fn encode(&self, request: &Request<'_>) -> Result<http::Request<Bytes>, BackendError> {
        // Nothing is generated, so there is nothing to say of it.
        request.refuse_unless(NAME, &["continuous-usage"])?;
        let Prompt::Rerank { query, documents } = request.prompt else {
            return Err(BackendError::prompt(NAME, request.prompt));
        };
        let mut body = Body::of(request);
        body.field("model", request.model)?;
        body.field("query", &**query)?;
        body.texts("documents", documents)?;
        // Rerankers have short contexts. `vllm bench serve` asks for the same.
        body.raw("truncate_prompt_tokens", "-1");
        let whole = Request {
            stream: false,
            ..*request
        };
        whole.post(self.default_path(false), body.finish()?)
    }

    fn decoder(&self) -> Box<dyn Decoder> {
        Box::new(PoolDecoder::ranking())
    }
}
