use bench_types::{Prompt, Sampling};
use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE};
use http::{HeaderName, HeaderValue, Method, Uri};
use serde_json::{Map, Value};

use crate::BackendError;
use bytes::Bytes;

static SERVER_DEFAULTS: Sampling = Sampling {
    temperature: None,
    top_p: None,
    top_k: None,
    min_p: None,
    frequency_penalty: None,
    presence_penalty: None,
    repetition_penalty: None,
};

/// What is asked of a server, independent of its protocol.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Request<'a> {
    /// What to continue or answer.
    pub prompt: &'a Prompt,
    /// The model's name on the server.
    pub model: &'a str,
    /// The LoRA adapter to use, if any, for protocols that name it apart from the model. It is
    /// also the [`Request::model`], by which the others name it.
    pub lora: Option<&'a str>,
    /// The most tokens to generate.
    pub max_output_tokens: u32,
    /// Sampling parameters; all left to the server by default.
    pub sampling: &'a Sampling,
    /// Go on past the end-of-sequence token (an extension of vLLM and SGLang).
    pub ignore_eos: bool,
    /// Log probabilities of this many candidates per token.
    pub logprobs: Option<u32>,
    /// Search beams instead of sampling (an extension of vLLM).
    pub beam_search: bool,
    /// Ask for a stream; on by default. Otherwise the answer comes whole.
    pub stream: bool,
    /// Ask for the token counts at the end of the stream; on by default.
    pub include_usage: bool,
    /// Ask for token counts in every chunk (an extension of vLLM and SGLang).
    pub continuous_usage: bool,
    /// More fields of the JSON body or of the form; they replace fields of the same name.
    pub extra_body: Option<&'a Map<String, Value>>,
    /// The value of the `x-request-id` header.
    pub request_id: Option<&'a str>,
    /// More headers; they replace headers of the same name.
    pub headers: &'a [(HeaderName, HeaderValue)],
    /// The path instead of the backend's default.
    pub path: Option<&'a str>,
    /// The `Authorization` header. Mark it sensitive, so that no log shows it.
    pub authorization: Option<&'a HeaderValue>,
}

impl<'a> Request<'a> {
    /// A request with everything optional at its default.
    pub fn new(prompt: &'a Prompt, model: &'a str, max_output_tokens: u32) -> Request<'a> {
        Request {
            prompt,
            model,
            lora: None,
            max_output_tokens,
            sampling: &SERVER_DEFAULTS,
            ignore_eos: false,
            logprobs: None,
            beam_search: false,
            stream: true,
            include_usage: true,
            continuous_usage: false,
            extra_body: None,
            request_id: None,
            headers: &[],
            path: None,
            authorization: None,
        }
    }

    /// The HTTP request that posts the JSON `body`, with all headers, to [`Request::path`] or
    /// else to `default_path`.
    ///
    /// # Errors
    /// [`BackendError`] if the path or the request id cannot be sent.
    pub fn post(
        &self,
        default_path: &'static str,
        body: Vec<u8>,
    ) -> Result<http::Request<Bytes>, BackendError> {
        self.post_as("application/json", default_path, body)
    }

    /// The HTTP request that posts a `body` of that content type.
    pub(crate) fn post_as(
        &self,
        content_type: &str,
        default_path: &'static str,
        body: Vec<u8>,
    ) -> Result<http::Request<Bytes>, BackendError> {
        let mut http = http::Request::new(Bytes::from(body));
        *http.method_mut() = Method::POST;
        *http.uri_mut() = match self.path {
            None => Uri::from_static(default_path),
            Some(path) => Uri::try_from(path).map_err(|source| BackendError::Path {
                path: path.to_owned(),
                source,
            })?,
        };
        let headers = http.headers_mut();
        let value = HeaderValue::from_str(content_type);
        let value = value.map_err(|source| BackendError::ContentType {
            content_type: content_type.to_owned(),
            source,
        })?;
        headers.insert(CONTENT_TYPE, value);
        let accept = match self.stream {
            true => "text/event-stream",
            false => "application/json",
        };
        headers.insert(ACCEPT, HeaderValue::from_static(accept));
        if let Some(authorization) = self.authorization {
            headers.insert(AUTHORIZATION, authorization.clone());
        }
        if let Some(id) = self.request_id {
            let value = HeaderValue::from_str(id).map_err(|source| BackendError::RequestId {
                id: id.to_owned(),
                source,
            })?;
            headers.insert(HeaderName::from_static("x-request-id"), value);
        }
        for (name, value) in self.headers {
            headers.insert(name.clone(), value.clone());
        }
        Ok(http)
    }
}
