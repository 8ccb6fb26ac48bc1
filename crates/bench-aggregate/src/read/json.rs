//! JSON as benchmarks write it.

use std::fmt;

use serde::Deserialize;
use serde::de::value::{MapAccessDeserializer, MapDeserializer};
use serde::de::{DeserializeOwned, DeserializeSeed, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::Value;

/// An object with its keys in the order of the file.
pub(super) struct Document {
    text: String,
    /// Lists are left in the text, since those of a result have an entry for each request.
    entries: Vec<(String, Option<Value>)>,
}

impl Document {
    /// Reads an object, or tells what is wrong.
    pub(super) fn parse(bytes: Vec<u8>) -> Result<Document, String> {
        let text = String::from_utf8(bytes).map_err(|_| "is no text in UTF-8".to_owned())?;
        let plain = text.trim_start_matches('\u{feff}');
        match entries(plain) {
            Ok(entries) => Ok(Document {
                text: plain.to_owned(),
                entries,
            }),
            Err(error) => {
                let text = without_python_numbers(plain);
                match text.map(|text| (entries(&text), text)) {
                    Some((Ok(entries), text)) => Ok(Document { text, entries }),
                    _ => Err(format!("is no whole object in JSON: {error}")),
                }
            }
        }
    }

    pub(super) fn has(&self, key: &str) -> bool {
        self.entries.iter().any(|(known, _)| known == key)
    }

    /// The value of a key that is no list.
    pub(super) fn get(&self, key: &str) -> Option<&Value> {
        let found = self.entries.iter().find(|(known, _)| known == key)?;
        found.1.as_ref()
    }

    /// A value in an object in the document, by a JSON pointer.
    pub(super) fn at(&self, key: &str, pointer: &str) -> Option<&Value> {
        self.get(key)?.pointer(pointer)
    }

    pub(super) fn keys(&self) -> impl Iterator<Item = &str> {
        self.entries.iter().map(|(key, _)| key.as_str())
    }

    /// Keys whose value is a text, a number or a truth value.
    pub(super) fn scalars(&self) -> impl Iterator<Item = (&str, &Value)> {
        self.entries.iter().filter_map(|(key, value)| {
            let value = value.as_ref()?;
            let scalar = value.is_string() || value.is_number() || value.is_boolean();
            scalar.then_some((key.as_str(), value))
        })
    }

    /// The whole document as a type.
    pub(super) fn whole<'de, T: Deserialize<'de>>(&'de self) -> Result<T, String> {
        serde_json::from_str(&self.text).map_err(|error| not_as_expected(&error))
    }

    /// The document without its lists as a type.
    pub(super) fn without_lists<T: DeserializeOwned>(&self) -> Result<T, String> {
        let entries = self.entries.iter();
        let entries = entries.filter_map(|(key, value)| Some((key.as_str(), value.clone()?)));
        T::deserialize(MapDeserializer::new(entries)).map_err(|error| not_as_expected(&error))
    }
}

fn not_as_expected(error: &serde_json::Error) -> String {
    format!("is not as its tool writes it: {error}")
}

fn entries(text: &str) -> Result<Vec<(String, Option<Value>)>, serde_json::Error> {
    let mut deserializer = serde_json::Deserializer::from_str(text);
    let entries = serde::Deserializer::deserialize_map(&mut deserializer, Entries)?;
    deserializer.end()?;
    Ok(entries)
}

struct Entries;

impl<'de> Visitor<'de> for Entries {
    type Value = Vec<(String, Option<Value>)>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut entries = Vec::new();
        while let Some(key) = map.next_key()? {
            entries.push((key, map.next_value_seed(NoList)?));
        }
        Ok(entries)
    }
}

/// Any value but a list, which is passed over.
struct NoList;

impl<'de> DeserializeSeed<'de> for NoList {
    type Value = Option<Value>;

    fn deserialize<D: serde::Deserializer<'de>>(
        self,
        deserializer: D,
    ) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for NoList {
    type Value = Option<Value>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok(Some(Value::Null))
    }

    fn visit_bool<E>(self, value: bool) -> Result<Self::Value, E> {
        Ok(Some(value.into()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Self::Value, E> {
        Ok(Some(value.into()))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Self::Value, E> {
        Ok(Some(value.into()))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Self::Value, E> {
        Ok(Some(value.into()))
    }

    fn visit_str<E>(self, value: &str) -> Result<Self::Value, E> {
        Ok(Some(value.into()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Self::Value, A::Error> {
        while list.next_element::<IgnoredAny>()?.is_some() {}
        Ok(None)
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
        Value::deserialize(MapAccessDeserializer::new(map)).map(Some)
    }
}

/// Writes the numbers that Python has and JSON does not in a way that JSON has: infinities as
/// texts, NaN as null. `None` if there are none.
fn without_python_numbers(text: &str) -> Option<String> {
    const NUMBERS: [(&str, &str); 3] = [
        ("-Infinity", "\"-inf\""),
        ("Infinity", "\"inf\""),
        ("NaN", "null"),
    ];
    let mut written = String::with_capacity(text.len());
    let mut rest = text;
    let mut quoted = false;
    let mut changed = false;
    while let Some(at) = rest.find(['"', '\\', 'N', 'I', '-']) {
        let (before, from) = rest.split_at(at);
        written.push_str(before);
        let number = NUMBERS.iter().find(|(python, _)| from.starts_with(python));
        let step = match number {
            Some((python, json)) if !quoted => {
                written.push_str(json);
                changed = true;
                rest = &from[python.len()..];
                continue;
            }
            // Whatever is escaped does not end the text.
            _ if quoted && from.starts_with('\\') => {
                1 + from[1..].chars().next().map_or(0, char::len_utf8)
            }
            _ => 1,
        };
        quoted ^= from.starts_with('"');
        let (same, after) = from.split_at(step);
        written.push_str(same);
        rest = after;
    }
    written.push_str(rest);
    changed.then_some(written)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Document, String> {
        Document::parse(text.as_bytes().to_vec())
    }

    #[test]
    fn numbers_of_python_are_read() {
        let text = r#"{"a": Infinity, "b": NaN, "c": "NaN \" Infinity", "d": -Infinity, "e": -1}"#;
        let document = parse(text).unwrap();
        assert_eq!(document.get("a"), Some(&"inf".into()));
        assert_eq!(document.get("b"), Some(&Value::Null));
        assert_eq!(document.get("c"), Some(&"NaN \" Infinity".into()));
        assert_eq!(document.get("d"), Some(&"-inf".into()));
        assert_eq!(document.get("e"), Some(&(-1).into()));
    }

    #[test]
    fn keys_stay_in_order_and_lists_in_the_text() {
        let document =
            parse("\u{feff}{\"z\": 1, \"list\": [1, [2]], \"a\": {\"b\": [3]}}").unwrap();
        assert_eq!(document.keys().collect::<Vec<_>>(), ["z", "list", "a"]);
        assert!(document.has("list") && document.get("list").is_none());
        assert_eq!(document.at("a", "/b/0"), Some(&3.into()));
        assert_eq!(document.scalars().count(), 1);
        let whole: Value = document.whole().unwrap();
        assert_eq!(whole["list"][1][0], 2);
    }

    #[test]
    fn what_is_cut_off_or_goes_on_is_refused() {
        for text in ["{\"a\": [1, 2", "{} {}", "[1]", "{\"a\": nan}"] {
            assert!(parse(text).is_err(), "{text}");
        }
    }
}
