use bench_types::{Prompt, Sampling};
use bytes::Bytes;

use crate::openai_body::Body;
use crate::openai_wire::OpenAiDecoder;
use crate::{Backend, BackendError, Decoder, Request};

const NAME: &str = "deepspeed-mii";

/// The least temperature that the server takes; it refuses 0.
const COLDEST: f64 = 0.01;

/// DeepSpeed-MII with its OpenAI-like `/v1/completions`, which does not stream.
///
/// A temperature below 0.01 is sent as 0.01, the nearest to greedy that the server takes and
/// what other clients send for 0.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DeepSpeedMii;

impl Backend for DeepSpeedMii {
    fn name(&self) -> &'static str {
        NAME
    }

    fn can_stream(&self) -> bool {
        false
    }

    fn default_path(&self, _: bool) -> &'static str {
        "/v1/completions"
    }

    fn encode(&self, request: &Request<'_>) -> Result<http::Request<Bytes>, BackendError> {
        request.refuse_lora(NAME)?;
        let Prompt::Text(text) = request.prompt else {
            return Err(BackendError::prompt(NAME, request.prompt));
        };
        let sampling = Sampling {
            temperature: request.sampling.temperature.map(|t| t.max(COLDEST)),
            ..request.sampling.clone()
        };
        let mut request = *request;
        request.sampling = &sampling;
        request.stream = false;
        let mut body = Body::new(request.extra_body, text.len() + text.len() / 8 + 512);
        body.field("model", request.model)?;
        body.field("prompt", &**text)?;
        body.field("max_tokens", &request.max_output_tokens)?;
        body.optional("logprobs", request.logprobs)?;
        body.common(&request)?;
        request.post(self.default_path(false), body.finish()?)
    }

    fn decoder(&self) -> Box<dyn Decoder> {
        Box::new(OpenAiDecoder::default())
    }
}
