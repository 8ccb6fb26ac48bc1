//! Questions to a server beside the load: what does it serve, what is it.

use std::time::Duration;

use bench_backends::Backend;
use bench_http::{Response, Target, fetch};
use bench_types::Prompt;
use bytes::Bytes;
use http::header::{ACCEPT, AUTHORIZATION, CONTENT_LENGTH, CONTENT_TYPE};
use http::{HeaderMap, HeaderValue, Method, Request, StatusCode, Uri};
use serde::Deserialize;
use serde_json::{Map, Value};

use crate::secrets::Secrets;
use crate::{RequestOptions, RunError};

/// How long the server may take to list its models.
const LIMIT: Duration = Duration::from_secs(10);

/// How long it may take to say what it is; servers that do not know the question answer at
/// once.
const INFO_LIMIT: Duration = Duration::from_secs(2);

/// Where servers say what they are, each with its older names. vLLM has the first, SGLang the
/// first three, TGI the last.
const INFO_ROUTES: [&[&str]; 4] = [
    &["/version"],
    &["/server_info", "/get_server_info"],
    &["/model_info", "/get_model_info"],
    &["/info"],
];

/// What to do about a server that wants somebody else.
pub(crate) const WRONG_KEY: &str =
    "it wants another key: give the one it was started with (--api-key)";

/// Asks with the headers of the run, and keeps its secrets.
#[derive(Clone)]
pub(crate) struct Asker {
    headers: HeaderMap,
    secrets: Secrets,
}

impl Asker {
    pub(crate) fn new(
        options: &RequestOptions,
        backend: &dyn Backend,
        targets: &[Target],
    ) -> Asker {
        Asker {
            headers: headers(options, backend),
            secrets: Secrets::of(options, targets),
        }
    }

    /// Asks for `path`; a POST sends an empty JSON object. Any status is an answer.
    ///
    /// # Errors
    /// [`RunError::Unreachable`] without a connection, [`RunError::Fetch`] without an answer.
    pub(crate) async fn ask(
        &self,
        target: &Target,
        method: Method,
        path: &str,
        limit: Duration,
    ) -> Result<Response, RunError> {
        let mut request = Request::new(Bytes::new());
        *request.headers_mut() = self.headers.clone();
        if method == Method::POST {
            *request.body_mut() = Bytes::from_static(b"{}");
            let json = HeaderValue::from_static("application/json");
            request.headers_mut().insert(CONTENT_TYPE, json);
        }
        *request.method_mut() = method;
        *request.uri_mut() = path.parse::<Uri>().unwrap_or_default();
        fetch(target, request, limit)
            .await
            .map_err(RunError::asking)
    }

    /// What an answer that is not a success says.
    pub(crate) fn explain(&self, response: &Response) -> String {
        let message = bench_backends::error_message(&response.body);
        let text = match message.as_str() {
            "" => response.status.to_string(),
            _ => format!("{}: {message}", response.status),
        };
        self.secrets.scrub(text)
    }

    /// The models a server lists, by OpenAI's route or the one of its engine.
    ///
    /// # Errors
    /// [`RunError::Unreachable`] without a connection, [`RunError::Fetch`] without an answer,
    /// [`RunError::Control`] if the server wants a key, [`RunError::NoModelList`] for any other
    /// answer that names no model.
    pub(crate) async fn list_models(&self, target: &Target) -> Result<Vec<String>, RunError> {
        let reason = match self.ask(target, Method::GET, "/v1/models", LIMIT).await {
            Ok(response) if response.status.is_success() => {
                match serde_json::from_slice::<ModelList>(&response.body) {
                    Ok(list) => return Ok(list.data.into_iter().map(|model| model.id).collect()),
                    Err(error) => {
                        let error = self.secrets.scrub(error.to_string());
                        format!("/v1/models does not answer with a list: {error}")
                    }
                }
            }
            Ok(response) if wants_key(response.status) => {
                return Err(RunError::Control {
                    url: format!("{}/v1/models", target.url()),
                    answer: self.explain(&response),
                    cure: WRONG_KEY,
                });
            }
            Ok(response) => format!("/v1/models answers {}", self.explain(&response)),
            Err(error) => return Err(error),
        };
        // TGI serves one model and says which.
        match self.json(target, "/info").await {
            Some(Value::Object(info)) => match info.get("model_id").and_then(Value::as_str) {
                Some(model) => Ok(vec![model.to_owned()]),
                None => Err(RunError::NoModelList { reason }),
            },
            _ => Err(RunError::NoModelList { reason }),
        }
    }

    /// Whether a server is llama.cpp's, by the owner it gives its models: the Python bindings'
    /// or its own.
    pub(crate) async fn is_llama_cpp(&self, target: &Target) -> bool {
        let Some(list) = self.json(target, "/v1/models").await else {
            return false;
        };
        let owner = list["data"][0]["owned_by"].as_str();
        owner.is_some_and(|owner| matches!(owner, "me" | "llamacpp"))
    }

    /// What a server says about itself: its answers by the name of their route. Empty for a
    /// server that says nothing.
    pub(crate) async fn server_info(&self, target: &Target) -> Map<String, Value> {
        let [version, server, model, info] = INFO_ROUTES;
        let answers = tokio::join!(
            self.first(target, version),
            self.first(target, server),
            self.first(target, model),
            self.first(target, info),
        );
        let answers: [Option<Value>; 4] = answers.into();
        let named = INFO_ROUTES
            .iter()
            .zip(answers)
            .filter_map(|(names, answer)| {
                let name = names[0].trim_start_matches('/');
                Some((name.to_owned(), self.secrets.scrub_json(answer?)))
            });
        named.collect()
    }

    /// The answer to a question by the first of its names that the server knows.
    async fn first(&self, target: &Target, names: &[&str]) -> Option<Value> {
        for path in names {
            if let Some(answer) = self.json(target, path).await {
                return Some(answer);
            }
        }
        None
    }

    /// What a server shows as text at `path`; `None` if it shows nothing there.
    pub(crate) async fn text(&self, target: &Target, path: &str) -> Option<String> {
        let response = self.ask(target, Method::GET, path, INFO_LIMIT).await.ok()?;
        let shown = response.status.is_success();
        shown.then(|| String::from_utf8_lossy(&response.body).into_owned())
    }

    /// The answer to a question that not every server knows.
    async fn json(&self, target: &Target, path: &str) -> Option<Value> {
        let response = self.ask(target, Method::GET, path, INFO_LIMIT).await.ok()?;
        let known = response.status.is_success();
        known.then(|| serde_json::from_slice(&response.body).ok())?
    }
}

/// The headers that the requests of the run have, those of the backend's own included: some
/// servers take a key only as their protocol has it.
fn headers(options: &RequestOptions, backend: &dyn Backend) -> HeaderMap {
    let prompt = Prompt::Text("".into());
    // A backend that has no such prompt is one without headers of its own.
    let encoded = backend.encode(&backend_request(&prompt, options));
    let mut headers = encoded.map_or_else(|_| HeaderMap::new(), |http| http.into_parts().0.headers);
    // They tell about the body, and there is another one.
    for name in [ACCEPT, CONTENT_TYPE, CONTENT_LENGTH] {
        headers.remove(name);
    }
    let authorization = options.authorization.iter();
    let authorization = authorization.map(|value| (&AUTHORIZATION, value));
    let given = options.headers.iter().map(|(name, value)| (name, value));
    for (name, value) in authorization.chain(given) {
        headers.insert(name.clone(), value.clone());
    }
    headers
}

fn backend_request<'a>(
    prompt: &'a Prompt,
    options: &'a RequestOptions,
) -> bench_backends::Request<'a> {
    let mut request = bench_backends::Request::new(prompt, "", 1);
    request.headers = &options.headers;
    request.authorization = options.authorization.as_ref();
    request
}

/// Whether the server wants a key, or another one.
pub(crate) fn wants_key(status: StatusCode) -> bool {
    matches!(status, StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN)
}

#[derive(Deserialize)]
struct ModelList {
    data: Vec<Model>,
}

#[derive(Deserialize)]
struct Model {
    id: String,
}
