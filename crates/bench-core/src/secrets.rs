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

/// No other word has a value of this length in it by chance.
const LONG: usize = 16;

/// Parts of the names of fields whose values a server should not have told.
const TELLING: &[&str] = &[
    "api_key",
    "api-key",
    "apikey",
    "secret",
    "password",
    "passwd",
    "authorization",
    "credential",
    "private_key",
];

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
            .filter_map(|value| std::str::from_utf8(value.as_bytes()).ok());
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
                true => without(&text, secret),
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
                    let value = match value {
                        Value::String(_) if is_telling(&name) || is_token(&name) => redacted(),
                        Value::Array(_) | Value::Object(_) if is_telling(&name) => redacted(),
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

/// `text` without `secret`. In the middle of a word, a short one is part of that word:
/// the mode `test` is not in `latest`.
fn without(text: &str, secret: &str) -> String {
    let mut scrubbed = String::with_capacity(text.len());
    let mut kept = 0;
    for (start, _) in text.match_indices(secret) {
        let end = start + secret.len();
        if secret.len() < LONG && (is_inside(text, start) || is_inside(text, end)) {
            continue;
        }
        scrubbed.push_str(&text[kept..start]);
        scrubbed.push_str(REDACTED);
        kept = end;
    }
    scrubbed.push_str(&text[kept..]);
    scrubbed
}

/// Whether a word goes on across `place`.
fn is_inside(text: &str, place: usize) -> bool {
    let (before, after) = text.split_at(place);
    let ends = [before.chars().next_back(), after.chars().next()];
    ends.iter()
        .all(|end| end.is_some_and(char::is_alphanumeric))
}

fn redacted() -> Value {
    Value::String(REDACTED.to_owned())
}

fn is_telling(name: &str) -> bool {
    let lower = name.to_lowercase();
    TELLING.iter().any(|part| lower.contains(part))
}

/// Whether the last word of `name` is `token`, as in `hf_token` or `accessToken`. It is not in
/// `max_tokens` and `tokenizer`.
fn is_token(name: &str) -> bool {
    let lower = name.to_ascii_lowercase();
    let Some(rest) = lower.strip_suffix("token") else {
        return false;
    };
    let new_word = name[rest.len()..].starts_with('T');
    new_word || !rest.ends_with(char::is_alphanumeric)
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

    #[test]
    fn the_name_of_a_field_tells_its_value() {
        for name in [
            "api_key",
            "ssl_keyfile_passwd",
            "aws-credentials",
            "private_key",
            "hf_token",
            "HF-TOKEN",
            "accessToken",
            "token",
        ] {
            let scrubbed = secrets().scrub_json(json!({name: "x"}));
            assert_eq!(scrubbed, json!({name: "[redacted]"}));
        }
        for name in ["tokenizer", "max_tokens", "subtoken", "key", "passage"] {
            let harmless = json!({name: "x"});
            assert_eq!(secrets().scrub_json(harmless.clone()), harmless);
        }
        let told = json!({
            "api_key": ["sk-1"], "secrets": {"a": "b"}, "no_password": true, "api_key_count": 2,
            "private_key": null, "pad_token": [1, 2],
        });
        let expected = json!({
            "api_key": "[redacted]", "secrets": "[redacted]", "no_password": true,
            "api_key_count": 2, "private_key": null, "pad_token": [1, 2],
        });
        assert_eq!(secrets().scrub_json(told), expected);
    }

    fn of_header(value: &str) -> Secrets {
        let mut value = HeaderValue::try_from(value).unwrap();
        value.set_sensitive(true);
        let options = RequestOptions {
            headers: vec![(HeaderName::from_static("x-mode"), value)],
            ..RequestOptions::default()
        };
        Secrets::of(&options, [])
    }

    #[test]
    fn a_value_is_not_found_inside_of_words() {
        let scrubbed = |text: &str| of_header("test").scrub(text.to_owned());
        let harmless = "the latest tests, contest, testé";
        assert_eq!(scrubbed(harmless), harmless);
        assert_eq!(
            scrubbed("test=latest (test)"),
            "[redacted]=latest ([redacted])"
        );
        let padded = of_header("YWJj==").scrub("YWJj==and,YWJj==".to_owned());
        assert_eq!(padded, "[redacted]and,[redacted]");
        let long = of_header("0123456789abcdef").scrub(r"\n0123456789abcdef0".to_owned());
        assert_eq!(long, r"\n[redacted]0");
    }

    #[test]
    fn a_value_may_be_of_other_letters() {
        let scrubbed = of_header("schlüssel").scrub("not schlüssel".to_owned());
        assert_eq!(scrubbed, "not [redacted]");
    }
}
