//! How options that JSON has no form for are stored.

/// A float that may be infinite: a number, or `"inf"`.
pub(super) mod float {
    use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Form {
        Number(f64),
        Text(String),
    }

    pub(in super::super) fn serialize<S: Serializer>(
        value: &f64,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        if value.is_finite() {
            value.serialize(serializer)
        } else {
            value.to_string().serialize(serializer)
        }
    }

    pub(in super::super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<f64, D::Error> {
        match Form::deserialize(deserializer)? {
            Form::Number(value) => Ok(value),
            Form::Text(text) => text.parse().map_err(de::Error::custom),
        }
    }
}

/// Headers as `KEY=VALUE`, stored without their values, which may be secrets.
pub(super) mod header_names {
    use serde::{Deserialize, Deserializer, Serializer};

    pub(in super::super) fn serialize<S: Serializer>(
        headers: &[String],
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        let name = |header: &String| header.split('=').next().unwrap_or_default().to_owned();
        serializer.collect_seq(headers.iter().map(name))
    }

    pub(in super::super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Vec<String>, D::Error> {
        Vec::deserialize(deserializer)
    }
}
