//! Questions to the server before the run.

use std::time::Duration;

use bench_http::{Target, fetch};
use bytes::Bytes;
use http::header::AUTHORIZATION;
use http::{Method, Request};
use serde::Deserialize;

use crate::{RequestOptions, RunError};

/// How long the server may take to list its models.
const LIMIT: Duration = Duration::from_secs(10);

#[derive(Deserialize)]
struct ModelList {
    data: Vec<Model>,
}

#[derive(Deserialize)]
struct Model {
    id: String,
}

/// The models listed at `/v1/models`.
///
/// # Errors
/// [`RunError::Unreachable`] without a connection, [`RunError::NoModelList`] for any answer
/// that is not a list of models.
pub(crate) async fn list_models(
    target: &Target,
    options: &RequestOptions,
) -> Result<Vec<String>, RunError> {
    let mut request = Request::new(Bytes::new());
    *request.method_mut() = Method::GET;
    *request.uri_mut() = http::Uri::from_static("/v1/models");
    for (name, value) in &options.headers {
        request.headers_mut().insert(name.clone(), value.clone());
    }
    if let Some(authorization) = &options.authorization {
        request
            .headers_mut()
            .insert(AUTHORIZATION, authorization.clone());
    }
    let response = match fetch(target, request, LIMIT)
        .await
        .map_err(RunError::asking)
    {
        Ok(response) => response,
        Err(error @ RunError::Unreachable(_)) => return Err(error),
        Err(error) => {
            let reason = error.to_string();
            return Err(RunError::NoModelList { reason });
        }
    };
    if !response.status.is_success() {
        let message = bench_backends::error_message(&response.body);
        let reason = format!("/v1/models answers {}: {message}", response.status);
        return Err(RunError::NoModelList { reason });
    }
    let list: ModelList = serde_json::from_slice(&response.body).map_err(|error| {
        let reason = format!("/v1/models does not answer with a list of models: {error}");
        RunError::NoModelList { reason }
    })?;
    Ok(list.data.into_iter().map(|model| model.id).collect())
}
