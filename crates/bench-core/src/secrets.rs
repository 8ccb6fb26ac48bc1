//! What must not show up in any output: API keys and the values of headers.

use std::sync::Arc;

use bench_http::Target;
use bench_types::Failure;
use serde_json::Value;

use crate::RequestOptions;

/// Stands in for a secret.
const REDACTED: &str = "[redacted]";

/// Shorter values are no secrets, and would be found in the middle of words.
const SHORTEST: usize = 4;

/// Names of fields whose values a server should not have told.
const TELLING: &[&str] = &["api_key", "apikey", "secret", "password", "authorization"];

/// The secrets of a run, to be taken out of what servers say: some quote the key they refuse.
#[derive(Clone, Default)]
pub(crate) struct Secrets(Arc<[String]>);

impl Secrets {
    /// The values of all headers that are marked sensitive, those for proxies included.
    pub(crate) fn of<'a>(
        options: &'a RequestOptions,
        targets: impl IntoIterator<Item = &'a Target>,
    ) -> Secrets {
        let headers = options.headers.iter().map(|(_, value)| value);
        let proxies = targets.into_iter().filter_map(Target::proxy_authorization);
        let values = headers
            .chain(&options.authorization)
            .chain(proxies)
            .filter(|value| value.is_sensitive())
            .filter_map(|value| value.to_str().ok());
        let mut secrets: Vec<String> = values
            .flat_map(|value| {
                // A scheme such as `Bearer` is none; what follows it is.
                let credentials = value.split_once(' ').map(|(_, rest)| rest.trim());
                [Some(value), credentials]
            })
            .flatten()
            .filter(|value| value.len() >= SHORTEST)
            .map(str::to_owned)
            .collect();
        // What contains another one goes first.
        secrets.sort_by_key(|secret| std::cmp::Reverse(secret.len()));
        Secrets(secrets.into())
    }

    /// `text` without any secret.
    pub(crate) fn scrub(&self, text: String) -> String {
        self.0
            .iter()
            .fold(text, |text, secret| match text.contains(secret.as_str()) {
                true => text.replace(secret.as_str(), REDACTED),
                false => text,
            })
    }

    /// `failure` with nothing secret in its text.
    pub(crate) fn scrub_failure(&self, failure: Failure) -> Failure {
        match failure {
            Failure::Connect(text) => Failure::Connect(self.scrub(text)),
            Failure::Tls(text) => Failure::Tls(self.scrub(text)),
            Failure::Status { code, body } => Failure::Status {
                code,
                body: self.scrub(body),
            },
            Failure::Server(text) => Failure::Server(self.scrub(text)),
            Failure::Protocol(text) => Failure::Protocol(self.scrub(text)),
            Failure::Truncated(text) => Failure::Truncated(self.scrub(text)),
            Failure::Timeout(_) | Failure::NoTokens | Failure::Cancelled => failure,
        }
    }

    /// `value` without any secret, and without what its names say are secrets of the server.
    pub(crate) fn scrub_json(&self, value: Value) -> Value {
        match value {
            Value::String(text) => Value::String(self.scrub(text)),
            Value::Array(values) => {
                let scrubbed = values.into_iter().map(|value| self.scrub_json(value));
                Value::Array(scrubbed.collect())
            }
            Value::Object(fields) => {
                let scrubbed = fields.into_iter().map(|(name, value)| {
                    let lower = name.to_lowercase();
                    let telling = TELLING.iter().any(|part| lower.contains(part));
                    let value = match value {
                        Value::String(_) if telling => Value::String(REDACTED.to_owned()),
                        value => self.scrub_json(value),
                    };
                    (name, value)
                });
                Value::Object(scrubbed.collect())
            }
            other => other,
        }
    }
}

#[cfg(test)]
mod tests {
    use http::{HeaderName, HeaderValue};
    use serde_json::json;

    use super::*;

    fn secret(text: &'static str) -> HeaderValue {
        let mut value = HeaderValue::from_static(text);
        value.set_sensitive(true);
        value
    }

    fn secrets() -> Secrets {
        let options = RequestOptions {
            authorization: Some(secret("Bearer sk-12345")),
            headers: vec![
                (HeaderName::from_static("x-token"), secret("sk-12345-long")),
                (HeaderName::from_static("x-short"), secret("ab")),
                (
                    HeaderName::from_static("x-public"),
                    HeaderValue::from_static("team blue"),
                ),
            ],
            ..RequestOptions::default()
        };
        Secrets::of(&options, [])
    }

    #[test]
    fn a_quoted_key_is_taken_out() {
        let scrubbed = |text: &str| secrets().scrub(text.to_owned());
        assert_eq!(
            scrubbed("Incorrect API key provided: sk-12345."),
            "Incorrect API key provided: [redacted]."
        );
        assert_eq!(
            scrubbed("sk-12345-long, Bearer sk-12345"),
            "[redacted], [redacted]"
        );
        let harmless = "team blue is about to abort";
        assert_eq!(scrubbed(harmless), harmless);
    }

    #[test]
    fn what_servers_tell_of_themselves_is_cleaned() {
        let told = json!({
            "api_key": "other", "model": "m", "key_file": null,
            "args": [{"admin_api_key": "x", "note": "uses sk-12345"}, 7],
        });
        let expected = json!({
            "api_key": "[redacted]", "model": "m", "key_file": null,
            "args": [{"admin_api_key": "[redacted]", "note": "uses [redacted]"}, 7],
        });
        assert_eq!(secrets().scrub_json(told), expected);
    }
}
