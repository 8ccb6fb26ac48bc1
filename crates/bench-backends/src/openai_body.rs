//! The JSON body of the OpenAI-like routes.

use std::sync::Arc;

use bench_types::Prompt;
use serde::Serialize;
use serde_json::{Map, Value};

use crate::{BackendError, Request};

/// Writes a JSON object field by field, straight into the bytes to be sent.
///
/// The user's own fields win over those of the same name, so every key occurs once.
pub(crate) struct Body<'a> {
    bytes: Vec<u8>,
    extra: Option<&'a Map<String, Value>>,
    /// The field that holds the user's fields of the same object already.
    merged: Option<&'static str>,
}

impl<'a> Body<'a> {
    /// The body of a request, with room for its prompt and the user's fields to come.
    pub(crate) fn of(request: &Request<'a>) -> Body<'a> {
        // What has to be escaped takes more room than it is long.
        let escaped = |text: &str| text.len() + text.len() / 8;
        let prompt = match request.prompt {
            Prompt::Text(text) | Prompt::Chat(text) => escaped(text),
            Prompt::TokenIds(ids) => ids.len() * 6,
            Prompt::Batch(texts) => texts.iter().map(|text| escaped(text)).sum(),
            Prompt::Rerank { query, documents } => {
                let documents = documents.iter().map(|text| escaped(text));
                escaped(query) + documents.sum::<usize>()
            }
            Prompt::Audio(_) => 0,
        };
        Body::new(request.extra_body, prompt + 512)
    }

    /// An object with the user's fields to come; `size` is a guess of its length in bytes.
    fn new(extra: Option<&'a Map<String, Value>>, size: usize) -> Body<'a> {
        let mut bytes = Vec::with_capacity(size);
        bytes.push(b'{');
        Body {
            bytes,
            extra,
            merged: None,
        }
    }

    /// Writes a field.
    pub(crate) fn field(
        &mut self,
        name: &'static str,
        value: &(impl Serialize + ?Sized),
    ) -> Result<(), BackendError> {
        if self.key(name) {
            serde_json::to_writer(&mut self.bytes, value).map_err(BackendError::Body)?;
        }
        Ok(())
    }

    /// Writes a field if there is a value.
    pub(crate) fn optional(
        &mut self,
        name: &'static str,
        value: Option<impl Serialize>,
    ) -> Result<(), BackendError> {
        match value {
            Some(value) => self.field(name, &value),
            None => Ok(()),
        }
    }

    /// Writes a field that is an array of texts.
    pub(crate) fn texts(
        &mut self,
        name: &'static str,
        texts: &[Arc<str>],
    ) -> Result<(), BackendError> {
        let texts: Vec<&str> = texts.iter().map(|text| &**text).collect();
        self.field(name, &texts)
    }

    /// Writes a field whose value is JSON already.
    pub(crate) fn raw(&mut self, name: &'static str, json: &str) {
        if self.key(name) {
            self.bytes.extend_from_slice(json.as_bytes());
        }
    }

    /// Writes a field that is an array of chat messages, JSON already.
    ///
    /// # Errors
    /// [`BackendError::Prompt`] if it is no array.
    pub(crate) fn messages(
        &mut self,
        backend: &'static str,
        name: &'static str,
        messages: &str,
    ) -> Result<(), BackendError> {
        let messages = messages.trim_ascii();
        if !(messages.starts_with('[') && messages.ends_with(']')) {
            return Err(BackendError::Prompt {
                backend,
                prompt: "chat messages that are no array",
                cure: "give a JSON array of messages",
            });
        }
        self.raw(name, messages);
        Ok(())
    }

    /// Writes a field that is an object with the fields that `fill` writes. The user's
    /// object of that name does not replace it: its fields do, one by one.
    pub(crate) fn object(
        &mut self,
        name: &'static str,
        fill: impl FnOnce(&mut Body<'_>) -> Result<(), BackendError>,
    ) -> Result<(), BackendError> {
        let extra = match self.extra.and_then(|extra| extra.get(name)) {
            None => None,
            Some(Value::Object(fields)) => Some(fields),
            // Sent as it is, for the server to judge.
            Some(_) => return Ok(()),
        };
        let mut inner = Body::new(extra, 256);
        fill(&mut inner)?;
        self.begin(name);
        self.bytes.extend(inner.finish()?);
        self.merged = Some(name);
        Ok(())
    }

    /// The fields that the OpenAI-like routes have in common.
    pub(crate) fn common(&mut self, request: &Request<'_>) -> Result<(), BackendError> {
        self.sampling(request)?;
        self.optional("use_beam_search", request.beam_search.then_some(true))?;
        if !request.stream {
            return Ok(());
        }
        self.raw("stream", "true");
        match (request.include_usage, request.continuous_usage) {
            (false, false) => {}
            (true, false) => self.raw("stream_options", r#"{"include_usage":true}"#),
            // Servers report continuous usage only if usage is asked for at all.
            (_, true) => self.raw(
                "stream_options",
                r#"{"include_usage":true,"continuous_usage_stats":true}"#,
            ),
        }
        Ok(())
    }

    /// The sampling parameters and `ignore_eos`, by the names that vLLM and SGLang share.
    pub(crate) fn sampling(&mut self, request: &Request<'_>) -> Result<(), BackendError> {
        let sampling = request.sampling;
        self.optional("temperature", sampling.temperature)?;
        self.optional("top_p", sampling.top_p)?;
        self.optional("top_k", sampling.top_k)?;
        self.optional("min_p", sampling.min_p)?;
        self.optional("frequency_penalty", sampling.frequency_penalty)?;
        self.optional("presence_penalty", sampling.presence_penalty)?;
        self.optional("repetition_penalty", sampling.repetition_penalty)?;
        self.optional("ignore_eos", request.ignore_eos.then_some(true))
    }

    /// The finished object.
    pub(crate) fn finish(mut self) -> Result<Vec<u8>, BackendError> {
        for (name, value) in self.extra.into_iter().flatten() {
            if self.merged == Some(name.as_str()) {
                continue;
            }
            self.separate();
            serde_json::to_writer(&mut self.bytes, name).map_err(BackendError::Body)?;
            self.bytes.push(b':');
            serde_json::to_writer(&mut self.bytes, value).map_err(BackendError::Body)?;
        }
        self.bytes.push(b'}');
        Ok(self.bytes)
    }

    /// Begins a field unless the user gives it.
    fn key(&mut self, name: &'static str) -> bool {
        if self.extra.is_some_and(|extra| extra.contains_key(name)) {
            return false;
        }
        self.begin(name);
        true
    }

    fn begin(&mut self, name: &'static str) {
        self.separate();
        self.bytes.push(b'"');
        self.bytes.extend_from_slice(name.as_bytes());
        self.bytes.extend_from_slice(b"\":");
    }

    fn separate(&mut self) {
        if self.bytes.len() > 1 {
            self.bytes.push(b',');
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_users_fields_replace_and_no_key_occurs_twice() {
        let extra: Value = serde_json::json!({"b": null, "z\"": [1]});
        let mut body = Body::new(extra.as_object(), 0);
        body.field("a", "x").expect("written");
        body.field("b", &1).expect("written");
        body.optional("c", None::<u32>).expect("written");
        body.raw("d", "{}");
        let text = String::from_utf8(body.finish().expect("written")).expect("UTF-8");
        assert_eq!(text, r#"{"a":"x","d":{},"b":null,"z\"":[1]}"#);
    }

    #[test]
    fn the_users_object_is_merged_and_replaced_only_if_it_is_none() {
        let written = |extra: Value| {
            let mut body = Body::new(extra.as_object(), 0);
            let fill = |inner: &mut Body<'_>| {
                inner.field("a", &1)?;
                inner.field("b", &2)
            };
            body.object("o", fill).expect("written");
            String::from_utf8(body.finish().expect("written")).expect("UTF-8")
        };
        let cases = [
            (serde_json::json!({}), r#"{"o":{"a":1,"b":2}}"#),
            (
                serde_json::json!({"o": {"b": 3, "c": 4}, "p": 5}),
                r#"{"o":{"a":1,"b":3,"c":4},"p":5}"#,
            ),
            (serde_json::json!({"o": null}), r#"{"o":null}"#),
        ];
        for (extra, expected) in cases {
            assert_eq!(written(extra), expected);
        }
    }

    #[test]
    fn an_object_may_be_empty() {
        let empty = Body::new(None, 0).finish().expect("written");
        assert_eq!(empty, b"{}");
    }
}
