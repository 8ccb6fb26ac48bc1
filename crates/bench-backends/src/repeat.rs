use std::borrow::Cow;

use bench_types::MarkKind;

/// Recognizes an event that differs from an earlier one in its text only.
///
/// Servers repeat everything but the text in every chunk: id, creation time, model, a dozen
/// keys with null. Once such an event has been parsed and the place of its text is known,
/// another event with the same bytes before the text and the same bytes after it parses to
/// the same thing around another string, provided that what lies between is one JSON
/// string. Comparing bytes takes a fraction of the time of parsing them; events that do
/// not compare are parsed.
#[derive(Clone, Debug, Default)]
pub(crate) struct Repeat {
    /// The event that was learnt.
    bytes: Vec<u8>,
    /// Where its text begins, after the quote.
    start: usize,
    /// Where its text ends, before the quote.
    end: usize,
    /// What its chunk was.
    chunk: Option<(u32, MarkKind)>,
}

impl Repeat {
    /// Learns the event `data`, which holds a chunk of this choice and kind with `text`, a
    /// part of `data`, and nothing else that counts.
    pub(crate) fn learn(&mut self, data: &[u8], choice: u32, kind: MarkKind, text: &str) {
        let start = (text.as_ptr() as usize).wrapping_sub(data.as_ptr() as usize);
        let end = start.saturating_add(text.len());
        let quoted =
            start > 0 && data.get(start - 1) == Some(&b'"') && data.get(end) == Some(&b'"');
        // Not so if the text had to be unescaped and lies elsewhere.
        if !quoted {
            return;
        }
        self.bytes.clear();
        self.bytes.extend_from_slice(data);
        self.start = start;
        self.end = end;
        self.chunk = Some((choice, kind));
    }

    /// The choice, kind and text of `data`, if it is the learnt event around another text
    /// that is not empty.
    #[inline]
    pub(crate) fn chunk<'a>(&self, data: &'a [u8]) -> Option<(u32, MarkKind, Cow<'a, str>)> {
        let (choice, kind) = self.chunk?;
        let (head, tail) = (&self.bytes[..self.start], &self.bytes[self.end..]);
        let end = data.len().checked_sub(tail.len())?;
        if end <= self.start || data[end..] != *tail || data[..self.start] != *head {
            return None;
        }
        let between = &data[self.start..end];
        let plain = |byte: &u8| *byte >= b' ' && *byte != b'"' && *byte != b'\\';
        let text = if between.iter().all(plain) {
            Cow::Borrowed(std::str::from_utf8(between).ok()?)
        } else {
            // With its quotes it is one string, or there is more than a string in it.
            Cow::Owned(serde_json::from_slice(&data[self.start - 1..=end]).ok()?)
        };
        Some((choice, kind, text))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn learnt(data: &str, text: &str) -> Repeat {
        let mut repeat = Repeat::default();
        let start = data.find(text).expect("part of the event");
        let part = &data[start..start + text.len()];
        repeat.learn(data.as_bytes(), 3, MarkKind::Text, part);
        repeat
    }

    #[test]
    fn another_text_is_recognized() {
        let repeat = learnt(r#"{"text":"abc","n":null}"#, "abc");
        let text = |data: &str| {
            let (choice, kind, text) = repeat.chunk(data.as_bytes())?;
            assert_eq!((choice, kind), (3, MarkKind::Text));
            Some(text.into_owned())
        };
        assert_eq!(text(r#"{"text":"x","n":null}"#).as_deref(), Some("x"));
        assert_eq!(text(r#"{"text":"héé","n":null}"#).as_deref(), Some("héé"));
        let escaped = r#"{"text":"a\n\"\u00e9","n":null}"#;
        assert_eq!(text(escaped).as_deref(), Some("a\n\"é"));
    }

    #[test]
    fn everything_else_is_not() {
        let repeat = learnt(r#"{"text":"abc","n":null}"#, "abc");
        for data in [
            "",
            r#"{"text":"","n":null}"#,
            r#"{"text":"x","n":1}"#,
            r#"{"texT":"x","n":null}"#,
            r#"{"text":"x","text":"y","n":null}"#,
            r#"{"text":"x\","n":null}"#,
            r#"{"text":"\q","n":null}"#,
            "{\"text\":\"a\nb\",\"n\":null}",
            r#""text":"abc","n":null}"#,
            r#"{"text":"","n":null}"#,
        ] {
            assert_eq!(repeat.chunk(data.as_bytes()), None, "{data}");
        }
        assert_eq!(repeat.chunk(b"{\"text\":\"\xFF\",\"n\":null}"), None);
        assert_eq!(Repeat::default().chunk(b"{}"), None);
    }

    #[test]
    fn a_text_from_elsewhere_is_not_learnt() {
        let mut repeat = Repeat::default();
        let data = String::from(r#"{"text":"abc"}"#);
        let other = String::from("abc");
        repeat.learn(data.as_bytes(), 0, MarkKind::Text, &other);
        assert_eq!(repeat.chunk(data.as_bytes()), None);
    }
}
