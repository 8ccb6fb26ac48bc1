use serde_json::Value;

/// Most bytes of an error message that are kept.
const LIMIT: usize = 2_000;

/// The error message in the body of a response, whatever its shape: `{"error":{"message"}}`,
/// `{"error":"text"}`, `{"object":"error","message"}`, `{"detail"}`, plain text, or nothing.
///
/// At most 2,000 bytes of it; what does not fit is replaced by `...`.
pub fn error_message(body: &[u8]) -> String {
    let text = match serde_json::from_slice::<Value>(body) {
        Ok(json) => message(&json).unwrap_or_else(|| json.to_string()),
        Err(_) => String::from_utf8_lossy(body).trim().to_owned(),
    };
    bounded(text)
}

/// Cuts `text` to the limit.
fn bounded(mut text: String) -> String {
    if text.len() > LIMIT {
        text.truncate(text.floor_char_boundary(LIMIT));
        text.push_str("...");
    }
    text
}

/// The message that an error in JSON holds, if it is in one of the known places.
fn message(error: &Value) -> Option<String> {
    match error {
        Value::String(text) => Some(text.clone()),
        Value::Object(fields) => ["error", "message", "detail", "msg"]
            .iter()
            .filter_map(|key| fields.get(*key))
            .find_map(message),
        // FastAPI lists one problem per field.
        Value::Array(problems) => {
            let texts: Vec<String> = problems.iter().filter_map(message).collect();
            (!texts.is_empty()).then(|| texts.join("; "))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_shape_gives_its_message() {
        let cases: &[(&str, &str)] = &[
            (r#"{"error":{"message":"too long","code":400}}"#, "too long"),
            (r#"{"error":"unknown field"}"#, "unknown field"),
            (r#"{"object":"error","message":"bad","code":400}"#, "bad"),
            (r#"{"detail":"Not Found"}"#, "Not Found"),
            (
                r#"{"detail":[{"loc":["a"],"msg":"x"},{"msg":"y"}]}"#,
                "x; y",
            ),
            (r#"{"error":null,"message":"m"}"#, "m"),
            (r#"{"code":7}"#, r#"{"code":7}"#),
            (r#""text""#, "text"),
            ("  Bad Gateway\n", "Bad Gateway"),
            ("", ""),
        ];
        for (body, expected) in cases {
            assert_eq!(error_message(body.as_bytes()), *expected, "{body}");
        }
        assert_eq!(error_message(b"\xFF!"), "\u{FFFD}!");
    }

    #[test]
    fn long_messages_are_cut_at_a_character() {
        let text = error_message("\u{e9}".repeat(5_000).as_bytes());
        assert_eq!(text, format!("{}...", "\u{e9}".repeat(1_000)));
        let text = error_message(format!("x{}", "\u{e9}".repeat(5_000)).as_bytes());
        assert_eq!(text.len(), 1_999 + 3);
    }
}
