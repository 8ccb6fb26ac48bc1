//! A YAML file as a tree that knows its lines.

use std::fmt;
use std::path::Path;

use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_saphyr::Spanned;

use super::SweepError;

/// A value and where it stands.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Node {
    pub(super) line: u64,
    pub(super) value: Value,
}

/// What stands there.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Value {
    /// Nothing.
    Null,
    /// `true` or `false`, without quotes.
    Bool(bool),
    /// Anything else that is not made of parts, as it is written.
    Text(String),
    List(Vec<Node>),
    Map(Vec<(Key, Node)>),
}

/// The key of a pair in a map.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Key {
    pub(super) line: u64,
    pub(super) name: String,
}

impl Node {
    /// Reads `text`, which stands in the file at `path`.
    ///
    /// # Errors
    /// If it is no YAML.
    pub(super) fn parse(text: &str, path: &Path) -> Result<Node, SweepError> {
        let options = serde_saphyr::options! {
            strict_booleans: true,
            with_snippet: false,
            non_finite_float_policy: serde_saphyr::NonFiniteFloatPolicy::AsString,
        };
        let tree: Spanned<Raw> =
            serde_saphyr::from_str_with_options(text, options).map_err(|error| {
                let line = error.location().map_or(1, |location| location.line());
                let whole = error.to_string();
                let first = whole.lines().next().unwrap_or_default();
                SweepError::Config {
                    path: path.to_owned(),
                    line,
                    problem: format!("not YAML: {first}"),
                }
            })?;
        Ok(node(tree, text))
    }
}

/// As the parser tells it. Numbers are taken from the text once their place is known, so that
/// a version such as 1.10 stays what it is.
enum Raw {
    Null,
    Bool(bool),
    Number(String),
    Text(String),
    List(Vec<Spanned<Raw>>),
    Map(Vec<(Spanned<String>, Spanned<Raw>)>),
}

fn node(raw: Spanned<Raw>, text: &str) -> Node {
    let value = match raw.value {
        Raw::Null => Value::Null,
        Raw::Bool(value) => Value::Bool(value),
        Raw::Text(value) => Value::Text(value),
        Raw::Number(value) => {
            let span = raw.defined.span();
            let place = span.byte_offset().zip(span.byte_len());
            let written = place.and_then(|(start, len)| {
                let (start, len) = (usize::try_from(start).ok()?, usize::try_from(len).ok()?);
                text.get(start..start.checked_add(len)?)
            });
            let written = written.map(str::trim).filter(|written| !written.is_empty());
            Value::Text(written.map_or(value, str::to_owned))
        }
        Raw::List(list) => Value::List(list.into_iter().map(|item| node(item, text)).collect()),
        Raw::Map(pairs) => {
            let pair = |(key, value): (Spanned<String>, Spanned<Raw>)| {
                let line = key.referenced.line();
                let name = key.value;
                (Key { line, name }, node(value, text))
            };
            Value::Map(pairs.into_iter().map(pair).collect())
        }
    };
    let line = raw.referenced.line();
    Node { line, value }
}

impl<'de> Deserialize<'de> for Raw {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Raw, D::Error> {
        deserializer.deserialize_any(RawVisitor)
    }
}

struct RawVisitor;

impl<'de> Visitor<'de> for RawVisitor {
    type Value = Raw;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_unit<E>(self) -> Result<Raw, E> {
        Ok(Raw::Null)
    }

    fn visit_none<E>(self) -> Result<Raw, E> {
        Ok(Raw::Null)
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Raw, D::Error> {
        deserializer.deserialize_any(self)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Raw, E> {
        Ok(Raw::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Raw, E> {
        Ok(Raw::Number(value.to_string()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Raw, E> {
        Ok(Raw::Number(value.to_string()))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Raw, E> {
        Ok(Raw::Number(value.to_string()))
    }

    fn visit_str<E>(self, value: &str) -> Result<Raw, E> {
        // As YAML writes what the flags call `inf`.
        Ok(match value {
            ".inf" => Raw::Text("inf".to_owned()),
            value => Raw::Text(value.to_owned()),
        })
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Raw, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = list.next_element()? {
            items.push(item);
        }
        Ok(Raw::List(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Raw, A::Error> {
        let mut pairs = Vec::new();
        while let Some(pair) = map.next_entry()? {
            pairs.push(pair);
        }
        Ok(Raw::Map(pairs))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Node, SweepError> {
        Node::parse(text, Path::new("combos.yaml"))
    }

    #[test]
    fn values_are_as_written_and_know_their_lines() {
        let text = "a: 1.10\n\nb: [true, \"true\", 0x10, .inf, inf, -1]\nc:\nd_e: {x: yes}\n";
        let Value::Map(pairs) = parse(text).unwrap().value else {
            panic!("it is a map");
        };
        let lines: Vec<_> = pairs.iter().map(|(key, _)| key.line).collect();
        assert_eq!(lines, [1, 3, 4, 5]);
        assert_eq!(pairs[0].1.value, Value::Text("1.10".into()));
        let Value::List(list) = &pairs[1].1.value else {
            panic!("it is a list");
        };
        let text = |text: &str| Value::Text(text.into());
        let values: Vec<_> = list.iter().map(|node| node.value.clone()).collect();
        let expected = [
            Value::Bool(true),
            text("true"),
            text("0x10"),
            text("inf"),
            text("inf"),
            text("-1"),
        ];
        assert_eq!(values, expected);
        assert_eq!(pairs[2].1.value, Value::Null);
        let Value::Map(inner) = &pairs[3].1.value else {
            panic!("it is a map");
        };
        assert_eq!((inner[0].1.line, &inner[0].1.value), (5, &text("yes")));
    }

    #[test]
    fn what_is_no_yaml_is_told_with_its_line() {
        for text in ["a: 1\nb: [1\n", "a: 1\na: 2\n"] {
            let told = parse(text).unwrap_err().to_string();
            // A list without an end may also be found missing in the line after it.
            let mut places = [2, 3]
                .map(|line| format!("combos.yaml:{line}: not YAML: "))
                .into_iter();
            assert!(places.any(|place| told.starts_with(&place)), "{told}");
            assert_eq!(told.lines().count(), 1, "{told}");
        }
    }
}
