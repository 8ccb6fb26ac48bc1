//! How the fields of a [`crate::Setup`] and of a result are written that JSON has no form for.

/// Metrics by their names.
pub(crate) mod metrics {
    use bench_metrics::Metric;
    use serde::de::Error;
    use serde::{Deserialize, Deserializer, Serializer};

    pub(crate) fn serialize<S: Serializer>(
        metrics: &[&'static Metric],
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(metrics.iter().map(|metric| metric.name))
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Vec<&'static Metric>, D::Error> {
        let names = Vec::<String>::deserialize(deserializer)?;
        let known = |name: String| {
            let unknown = || D::Error::custom(format_args!("no metric is called `{name}`"));
            Metric::find(&name).ok_or_else(unknown)
        };
        names.into_iter().map(known).collect()
    }
}

/// A number that may be infinite, which is then a text such as `"inf"`.
pub(crate) mod number {
    use serde::de::Error;
    use serde::{Deserialize, Deserializer, Serializer};

    pub(crate) fn serialize<S: Serializer>(value: &f64, serializer: S) -> Result<S::Ok, S::Error> {
        if value.is_finite() {
            serializer.serialize_f64(*value)
        } else {
            serializer.collect_str(value)
        }
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<f64, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Either {
            Number(f64),
            Text(String),
        }
        match Either::deserialize(deserializer)? {
            Either::Number(value) => Ok(value),
            Either::Text(text) => text
                .parse()
                .map_err(|_| D::Error::custom(format_args!("`{text}` is no number"))),
        }
    }
}
