//! How the keys of a result are written and read that are no plain fields.

/// A flattened map, entry by entry in the order of the file.
mod entries {
    use std::fmt;

    use serde::Deserializer;
    use serde::de::{MapAccess, Visitor};
    use serde_json::Value;

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Vec<(String, Value)>, D::Error> {
        struct Entries;
        impl<'de> Visitor<'de> for Entries {
            type Value = Vec<(String, Value)>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("the remaining keys of a result")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut entries = Vec::new();
                while let Some(entry) = map.next_entry()? {
                    entries.push(entry);
                }
                Ok(entries)
            }
        }
        deserializer.deserialize_map(Entries)
    }
}

/// Remaining keys whose value is a text.
pub(crate) mod metadata {
    use serde::{Deserializer, Serializer};
    use serde_json::Value;

    use super::entries;

    pub(crate) fn serialize<S: Serializer>(
        pairs: &[(String, String)],
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        serializer.collect_map(pairs.iter().map(|(key, value)| (key, value)))
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Vec<(String, String)>, D::Error> {
        let texts = |(key, value)| match value {
            Value::String(text) => Some((key, text)),
            _ => None,
        };
        let entries = entries::deserialize(deserializer)?;
        Ok(entries.into_iter().filter_map(texts).collect())
    }
}

/// Remaining keys that name a statistic and whose value is a number.
pub(crate) mod statistics {
    use serde::{Deserializer, Serializer};

    use super::entries;
    use crate::{MetricStats, Statistic};

    pub(crate) fn serialize<S: Serializer>(
        stats: &[MetricStats],
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        let keys = |stats: &MetricStats| {
            let values = stats.values.iter();
            let keys = values.map(|(statistic, value)| (statistic.key(&stats.metric), *value));
            keys.collect::<Vec<_>>()
        };
        serializer.collect_map(stats.iter().flat_map(keys))
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Vec<MetricStats>, D::Error> {
        let mut all: Vec<MetricStats> = Vec::new();
        for (key, value) in entries::deserialize(deserializer)? {
            let (Some((statistic, metric)), Some(value)) =
                (Statistic::parse_key(&key), value.as_f64())
            else {
                continue;
            };
            match all.iter_mut().find(|stats| stats.metric == metric) {
                Some(stats) => stats.values.push((statistic, value)),
                None => all.push(MetricStats {
                    metric: metric.to_owned(),
                    values: vec![(statistic, value)],
                }),
            }
        }
        Ok(all)
    }
}

/// Remaining keys that are neither.
pub(crate) mod extra {
    use serde::{Deserializer, Serializer};
    use serde_json::Value;

    use super::entries;
    use crate::Statistic;

    pub(crate) fn serialize<S: Serializer>(
        pairs: &[(String, Value)],
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        serializer.collect_map(pairs.iter().map(|(key, value)| (key, value)))
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Vec<(String, Value)>, D::Error> {
        let other = |(key, value): &(String, Value)| {
            let statistic = value.is_number() && Statistic::parse_key(key).is_some();
            !value.is_string() && !statistic
        };
        let entries = entries::deserialize(deserializer)?;
        Ok(entries.into_iter().filter(other).collect())
    }
}

/// A key that may be absent, and if it is there may be null.
pub(crate) mod nullable {
    use serde::{Deserialize, Deserializer};

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Option<Option<f64>>, D::Error> {
        Option::deserialize(deserializer).map(Some)
    }
}
