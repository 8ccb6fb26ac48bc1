//! JSON objects whose keys come in the order in which the real servers write them.

use std::fmt::Write as _;

use serde_json::Value;

use super::openai;

/// A JSON object being written.
#[derive(Debug)]
pub(super) struct Object(String);

impl Object {
    pub(super) fn new() -> Object {
        Object(String::from("{"))
    }

    /// A field whose value is JSON already.
    pub(super) fn raw(mut self, key: &str, json: &str) -> Object {
        self.key(key);
        self.0.push_str(json);
        self
    }

    /// A text.
    pub(super) fn text(mut self, key: &str, text: &str) -> Object {
        self.key(key);
        openai::json_string(&mut self.0, text);
        self
    }

    /// A list of token ids.
    pub(super) fn ids(mut self, key: &str, ids: &[u32]) -> Object {
        self.key(key);
        openai::json_ids(&mut self.0, Some(ids.iter().copied()));
        self
    }

    /// A number, a truth value, `null` or anything small.
    pub(super) fn value(mut self, key: &str, value: impl Into<Value>) -> Object {
        self.key(key);
        // Writing to a string cannot fail.
        let _ = write!(self.0, "{}", value.into());
        self
    }

    /// A field that may be missing.
    pub(super) fn optional(self, key: &str, value: Option<impl Into<Value>>) -> Object {
        match value {
            Some(value) => self.value(key, value),
            None => self,
        }
    }

    /// Fields that belong together and are there or not.
    pub(super) fn when(self, there: bool, fields: impl FnOnce(Object) -> Object) -> Object {
        if there { fields(self) } else { self }
    }

    /// The whole object.
    pub(super) fn end(mut self) -> String {
        self.0.push('}');
        self.0
    }

    fn key(&mut self, key: &str) {
        if self.0.len() > 1 {
            self.0.push(',');
        }
        openai::json_string(&mut self.0, key);
        self.0.push(':');
    }
}

/// A JSON list of what is JSON already.
pub(super) fn list(items: &[String]) -> String {
    format!("[{}]", items.join(","))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_keep_their_order() {
        let inner = Object::new().end();
        let json = Object::new()
            .text("z", "a\"b\n\u{e9}")
            .ids("ids", &[2, 1])
            .value("none", Value::Null)
            .optional("left_out", None::<u32>)
            .when(false, |out| out.value("no", true))
            .when(true, |out| out.value("yes", 1.0))
            .raw("a", &list(&[inner.clone(), inner]))
            .end();
        assert_eq!(
            json,
            "{\"z\":\"a\\\"b\\n\u{e9}\",\"ids\":[2,1],\"none\":null,\"yes\":1.0,\"a\":[{},{}]}"
        );
        assert!(serde_json::from_str::<Value>(&json).is_ok());
    }
}
