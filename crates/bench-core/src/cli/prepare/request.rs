//! How requests are made.

use http::{HeaderName, HeaderValue};
use serde_json::{Map, Value};

use super::{Surroundings, pairs, seconds};
use crate::cli::{OptionsError, RunOptions};
use crate::{RequestIds, RequestOptions, Timeouts};

impl RunOptions {
    pub(super) fn request(&self, around: &Surroundings) -> Result<RequestOptions, OptionsError> {
        let send = &self.send;
        let extra_body = self.extra_body()?;
        let headers = headers(&send.header)?;
        let authorization = match &around.api_key {
            None => None,
            Some(key) => {
                let mut value =
                    HeaderValue::try_from(format!("Bearer {}", key.trim())).map_err(|_| {
                        OptionsError::flag("--api-key", "it cannot be part of a header")
                    })?;
                value.set_sensitive(true);
                Some(value)
            }
        };
        if self
            .server
            .endpoint
            .as_ref()
            .is_some_and(|path| !path.starts_with('/'))
        {
            let problem = "a path begins with a slash, like /v1/completions";
            return Err(OptionsError::flag("--endpoint", problem));
        }
        let named = self.server.served_model_name.as_ref();
        let model = named.or(self.server.model.as_ref());
        Ok(RequestOptions {
            model: model.cloned().unwrap_or_default(),
            path: self.server.endpoint.clone(),
            sampling: send.sampling(),
            ignore_eos: send.ignore_eos && !send.disable_ignore_eos,
            logprobs: send.logprobs.or(send.return_logprob.then_some(0)),
            beam_search: send.use_beam_search,
            stream: !send.no_stream,
            include_usage: true,
            continuous_usage: send.continuous_usage,
            extra_body,
            headers,
            authorization,
            request_ids: match &send.request_id_prefix {
                Some(prefix) => RequestIds::Prefix(prefix.clone()),
                None => RequestIds::random(),
            },
        })
    }

    /// The fields of the body that the user names.
    fn extra_body(&self) -> Result<Option<Map<String, Value>>, OptionsError> {
        let send = &self.send;
        let fields: Map<String, Value> = match &send.extra_body {
            None => Map::new(),
            Some(text) => serde_json::from_str(text).map_err(|error| {
                OptionsError::flag("--extra-body", format!("not a JSON object: {error}"))
            })?,
        };
        Ok((!fields.is_empty()).then_some(fields))
    }

    pub(super) fn timeouts(&self, streamed: bool) -> Result<Timeouts, OptionsError> {
        let client = &self.client;
        let limit = |flag, value| {
            let limit = seconds(flag, value)?;
            Ok::<_, OptionsError>((!limit.is_zero()).then_some(limit))
        };
        let connect = limit("--connect-timeout", client.connect_timeout)?;
        let first_token = limit("--first-token-timeout", client.first_token_timeout)?;
        if first_token.is_some() && !streamed {
            let problem = "answers that come whole have no first token; use --total-timeout";
            return Err(OptionsError::flag("--first-token-timeout", problem));
        }
        Ok(Timeouts {
            connect: connect.ok_or_else(|| {
                OptionsError::flag("--connect-timeout", "connecting takes more than no time")
            })?,
            first_token,
            idle: limit("--idle-timeout", client.idle_timeout)?,
            total: limit("--total-timeout", client.total_timeout)?,
        })
    }
}

/// The headers that the user wants sent. What is not the name of a header may be its value, so
/// it is not repeated.
fn headers(texts: &[String]) -> Result<Vec<(HeaderName, HeaderValue)>, OptionsError> {
    const FLAG: &str = "--header";
    for text in texts {
        if text.split('=').next().is_some_and(|key| key.contains(':')) {
            let problem = "write KEY=VALUE, not KEY: VALUE";
            return Err(OptionsError::flag(FLAG, problem));
        }
    }
    let pairs = pairs(FLAG, texts)?;
    pairs
        .iter()
        .map(|(key, value)| header(key, value))
        .collect()
}

fn header(name: &str, value: &str) -> Result<(HeaderName, HeaderValue), OptionsError> {
    let key = HeaderName::try_from(name).map_err(|_| {
        let problem = "what stands before the `=` is not a header name; write KEY=VALUE";
        OptionsError::flag("--header", problem)
    })?;
    let mut value = HeaderValue::try_from(value).map_err(|_| {
        OptionsError::flag("--header", format!("the value of `{key}` cannot be sent"))
    })?;
    value.set_sensitive(true);
    Ok((key, value))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_header_written_as_in_curl_is_not_repeated() {
        let told = |text: &str| headers(&[text.to_owned()]).unwrap_err().to_string();
        for text in [
            "Authorization: Basic bWU6cGFzcw==",
            "Authorization: Bearer bWU6cGFzcw",
        ] {
            let told = told(text);
            assert!(told.contains("not KEY: VALUE"), "{told}");
            assert!(!told.contains("bWU6"), "{told}");
        }
        let told = told("Basic bWU6cGFzcw==");
        assert!(told.contains("KEY=VALUE"), "{told}");
        assert!(!told.contains("bWU6"), "{told}");
        let (name, value) = headers(&["X-Url=http://a:1".to_owned()]).unwrap().remove(0);
        assert_eq!(
            (name.as_str(), value.as_bytes()),
            ("x-url", &b"http://a:1"[..])
        );
        assert!(value.is_sensitive());
    }

    #[test]
    fn a_whole_answer_has_no_first_token_to_wait_for() {
        let mut options = RunOptions::default();
        options.client.first_token_timeout = 1.0;
        let told = options.timeouts(false).unwrap_err().to_string();
        assert!(told.contains("--first-token-timeout"), "{told}");
        assert!(told.contains("--total-timeout"), "{told}");
        assert_eq!(
            options.timeouts(true).unwrap().first_token,
            Some(Duration::from_secs(1))
        );
    }
}
