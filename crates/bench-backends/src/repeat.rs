use std::borrow::Cow;
use std::ops::Range;

use bench_types::MarkKind;
use memchr::memchr;

/// How many events are remembered: one for each of a few choices that alternate.
const REMEMBERED: usize = 4;

/// Recognizes events that differ from an earlier one in their text and token counts only.
///
/// Servers repeat everything else in every chunk: id, creation time, model, a dozen keys
/// with null. Once such an event has been parsed and the places of its text and its counts
/// are known, another event with the same bytes around one JSON string and around whole
/// numbers in those places parses to the same thing with that string and those numbers.
/// Comparing bytes takes a fraction of the time of parsing them; events that do not compare
/// are parsed.
#[derive(Debug, Default)]
pub(crate) struct Repeats {
    learnt: Vec<Template>,
    /// Which one goes for the next to be learnt.
    oldest: usize,
}

/// A chunk with text, and nothing else that counts but usage.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct TextChunk<'a> {
    pub(crate) choice: u32,
    pub(crate) kind: MarkKind,
    pub(crate) text: Cow<'a, str>,
    pub(crate) usage: Option<Counts>,
}

/// Token counts, as far as they are given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Counts {
    pub(crate) prompt: Option<u32>,
    pub(crate) completion: Option<u32>,
    pub(crate) cached: Option<u32>,
}

#[derive(Debug)]
struct Template {
    bytes: Vec<u8>,
    /// Place of the text, without the quotes.
    text: Range<usize>,
    /// Places of `completion_tokens` and `total_tokens`, behind the text, in order.
    numbers: Vec<Number>,
    choice: u32,
    kind: MarkKind,
    usage: Option<Counts>,
}

#[derive(Debug)]
struct Number {
    place: Range<usize>,
    is_completion: bool,
}

impl Repeats {
    /// Learns the event `data`, which was parsed to `chunk`; `completion` and `total` are
    /// the numbers of its usage.
    ///
    /// The strings must be parts of `data`: where they lie is what is learnt. Nothing is if
    /// they lie elsewhere, as a text does that had to be unescaped.
    pub(crate) fn learn(
        &mut self,
        data: &[u8],
        chunk: &TextChunk<'_>,
        completion: Option<&str>,
        total: Option<&str>,
    ) {
        let Some(template) = Template::new(data, chunk, completion, total) else {
            return;
        };
        if self.learnt.len() < REMEMBERED {
            self.learnt.push(template);
        } else {
            self.learnt[self.oldest] = template;
            self.oldest = (self.oldest + 1) % REMEMBERED;
        }
    }

    /// What `data` is, if it is a learnt event around another text that is not empty.
    #[inline]
    pub(crate) fn recognize<'a>(&self, data: &'a [u8]) -> Option<TextChunk<'a>> {
        self.learnt.iter().find_map(|known| known.recognize(data))
    }
}

impl Template {
    fn new(
        data: &[u8],
        chunk: &TextChunk<'_>,
        completion: Option<&str>,
        total: Option<&str>,
    ) -> Option<Template> {
        let text = place_in(data, &chunk.text)?;
        let quoted = text.start > 0 && data[text.start - 1] == b'"' && data[text.end] == b'"';
        if !quoted {
            return None;
        }
        let mut numbers = Vec::with_capacity(2);
        for (number, is_completion) in [(completion, true), (total, false)] {
            if let Some(number) = number {
                let place = place_in(data, number)?;
                numbers.push(Number {
                    place,
                    is_completion,
                });
            }
        }
        numbers.sort_by_key(|number| number.place.start);
        let in_front = numbers.first().is_some_and(|n| n.place.start < text.end);
        let template = Template {
            bytes: data.to_vec(),
            text,
            numbers,
            choice: chunk.choice,
            kind: chunk.kind,
            usage: chunk.usage,
        };
        (!in_front).then_some(template)
    }

    #[inline]
    fn recognize<'a>(&self, data: &'a [u8]) -> Option<TextChunk<'a>> {
        let rest = data.strip_prefix(&self.bytes[..self.text.start])?;
        let length = string_length(rest)?;
        let mut usage = self.usage;
        let (string, mut rest) = rest.split_at(length);
        let mut literal = self.text.end;
        for number in &self.numbers {
            rest = rest.strip_prefix(&self.bytes[literal..number.place.start])?;
            let value;
            (value, rest) = whole_number(rest)?;
            if let (true, Some(usage)) = (number.is_completion, &mut usage) {
                usage.completion = Some(value);
            }
            literal = number.place.end;
        }
        if rest != &self.bytes[literal..] || string.is_empty() {
            return None;
        }
        let text = if memchr(b'\\', string).is_none() && string.iter().all(|byte| *byte >= b' ') {
            Cow::Borrowed(std::str::from_utf8(string).ok()?)
        } else {
            let quoted = &data[self.text.start - 1..=self.text.start + length];
            Cow::Owned(serde_json::from_slice(quoted).ok()?)
        };
        Some(TextChunk {
            choice: self.choice,
            kind: self.kind,
            text,
            usage,
        })
    }
}

/// Where `part` lies in `whole`, if it does, with at least one byte after it.
fn place_in(whole: &[u8], part: &str) -> Option<Range<usize>> {
    let start = (part.as_ptr() as usize).checked_sub(whole.as_ptr() as usize)?;
    let end = start.checked_add(part.len())?;
    (end < whole.len()).then_some(start..end)
}

/// Length of the JSON string that `rest` begins with, after its opening quote.
#[inline]
fn string_length(rest: &[u8]) -> Option<usize> {
    let mut quote = memchr(b'"', rest)?;
    loop {
        let escapes = rest[..quote]
            .iter()
            .rev()
            .take_while(|b| **b == b'\\')
            .count();
        if escapes % 2 == 0 {
            return Some(quote);
        }
        quote += 1 + memchr(b'"', &rest[quote + 1..])?;
    }
}

/// The whole number that `rest` begins with, as JSON writes it, and what follows it.
#[inline]
fn whole_number(rest: &[u8]) -> Option<(u32, &[u8])> {
    let length = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let (digits, after) = rest.split_at(length);
    let canonical = matches!(digits, [b'0'] | [b'1'..=b'9', ..]) && length < 10;
    if !canonical {
        return None;
    }
    let add = |value, digit: &u8| value * 10 + u32::from(digit - b'0');
    Some((digits.iter().fold(0, add), after))
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLAIN: &str = r#"{"text":"abc","n":null}"#;
    const USAGE: &str = r#"{"text":"abc","usage":{"p":2,"total":5,"completion":3}}"#;

    fn part<'d>(data: &'d str, text: &str) -> &'d str {
        let start = data.find(text).expect("part of the event");
        &data[start..start + text.len()]
    }

    fn learnt() -> Repeats {
        let mut repeats = Repeats::default();
        let mut chunk = TextChunk {
            choice: 3,
            kind: MarkKind::Text,
            text: part(PLAIN, "abc").into(),
            usage: None,
        };
        repeats.learn(PLAIN.as_bytes(), &chunk, None, None);
        chunk.text = part(USAGE, "abc").into();
        chunk.usage = Some(Counts {
            prompt: Some(2),
            completion: Some(3),
            cached: Some(1),
        });
        let (completion, total) = (part(USAGE, "3"), part(USAGE, "5"));
        repeats.learn(USAGE.as_bytes(), &chunk, Some(completion), Some(total));
        repeats
    }

    #[test]
    fn another_text_is_recognized() {
        let repeats = learnt();
        for (json, expected) in [
            ("abc", "abc"),
            ("x", "x"),
            ("h\u{e9}\u{1F600}", "h\u{e9}\u{1F600}"),
            (r#"a\n\"\u00e9\\"#, "a\n\"\u{e9}\\"),
            (r#"\\\\\\"#, r"\\\"),
        ] {
            let data = PLAIN.replace("abc", json);
            let chunk = repeats.recognize(data.as_bytes()).expect(json);
            assert_eq!((chunk.choice, chunk.kind), (3, MarkKind::Text));
            assert_eq!((&*chunk.text, chunk.usage), (expected, None));
        }
    }

    #[test]
    fn other_numbers_are_recognized() {
        let data = USAGE
            .replace('5', "1042")
            .replace('3', "1040")
            .replace("abc", "é");
        let chunk = learnt().recognize(data.as_bytes()).expect("repeated");
        let expected = Counts {
            prompt: Some(2),
            completion: Some(1_040),
            cached: Some(1),
        };
        assert_eq!((&*chunk.text, chunk.usage), ("é", Some(expected)));
    }

    #[test]
    fn everything_else_is_not() {
        let repeats = learnt();
        for data in [
            "",
            r#"{"text":"","n":null}"#,
            r#"{"text":"x","n":1}"#,
            r#"{"texT":"x","n":null}"#,
            r#"{"text":"x","text":"y","n":null}"#,
            r#"{"text":"x\","n":null}"#,
            r#"{"text":"\q","n":null}"#,
            "{\"text\":\"a\nb\",\"n\":null}",
            r#"{"text":"x","n":null} "#,
            r#""text":"abc","n":null}"#,
            r#"{"text":"x"#,
            r#"{"text":"x","usage":{"p":3,"total":5,"completion":3}}"#,
            r#"{"text":"x","usage":{"p":2,"total":05,"completion":3}}"#,
            r#"{"text":"x","usage":{"p":2,"total":,"completion":3}}"#,
            r#"{"text":"x","usage":{"p":2,"total":5,"completion":3.5}}"#,
            r#"{"text":"x","usage":{"p":2,"total":5,"completion":-3}}"#,
            r#"{"text":"x","usage":{"p":2,"total":5,"completion":3e1}}"#,
            r#"{"text":"x","usage":{"p":2,"total":5,"completion":4294967296}}"#,
        ] {
            assert_eq!(repeats.recognize(data.as_bytes()), None, "{data}");
        }
        let bytes = b"{\"text\":\"\xFF\",\"n\":null}";
        assert_eq!(repeats.recognize(bytes), None);
    }

    #[test]
    fn a_text_from_elsewhere_is_not_learnt() {
        let mut repeats = Repeats::default();
        let chunk = TextChunk {
            choice: 0,
            kind: MarkKind::Text,
            text: String::from("abc").into(),
            usage: None,
        };
        repeats.learn(PLAIN.as_bytes(), &chunk, None, None);
        assert_eq!(repeats.recognize(PLAIN.as_bytes()), None);
    }

    #[test]
    fn the_oldest_is_forgotten() {
        let mut repeats = learnt();
        for digit in 0..REMEMBERED {
            let data = format!("{{\"text\":\"abc\",\"n\":{digit}}}");
            let chunk = TextChunk {
                choice: 0,
                kind: MarkKind::Text,
                text: part(&data, "abc").into(),
                usage: None,
            };
            repeats.learn(data.as_bytes(), &chunk, None, None);
            assert!(repeats.recognize(data.as_bytes()).is_some());
        }
        assert_eq!(repeats.learnt.len(), REMEMBERED);
        assert_eq!(repeats.recognize(PLAIN.as_bytes()), None);
    }
}
