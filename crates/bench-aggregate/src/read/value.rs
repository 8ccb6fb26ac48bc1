//! Values of keys.

use bench_report::{MetricStats, Statistic};
use serde_json::Value;

pub(super) fn text(value: Option<&Value>) -> Option<String> {
    let text = value?.as_str()?;
    (!text.is_empty()).then(|| text.to_owned())
}

/// A number, or a text such as `inf`.
pub(super) fn number(value: Option<&Value>) -> Option<f64> {
    match value? {
        Value::String(text) => text.parse().ok(),
        value => value.as_f64(),
    }
}

/// A count, which some tools write with a decimal point.
pub(super) fn count(value: Option<&Value>) -> Option<u64> {
    let number = number(value)?;
    (number >= 0.0 && number.fract() == 0.0 && number < 1e15).then_some(number as u64)
}

/// A pair for the further keys of a run, if there is a value.
pub(super) fn further(
    key: impl Into<String>,
    value: Option<impl Into<Value>>,
) -> Option<(String, Value)> {
    Some((key.into(), value?.into()))
}

/// Statistics of a metric, those that are there; nothing if none is.
pub(super) fn stats(
    metric: &str,
    values: impl IntoIterator<Item = (Statistic, Option<f64>)>,
) -> Option<MetricStats> {
    let values = values.into_iter();
    let values = values.filter_map(|(statistic, value)| Some((statistic, value?)));
    let values: Vec<(Statistic, f64)> = values.collect();
    (!values.is_empty()).then(|| MetricStats {
        metric: metric.to_owned(),
        values,
    })
}
