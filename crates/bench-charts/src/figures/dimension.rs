//! By what runs differ: model, load, lengths.

use std::cmp::Ordering;

use bench_report::RunResult;

/// Something that tells runs apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Dimension {
    /// The model.
    Model,
    /// The program that measured.
    Tool,
    /// The backend.
    Backend,
    /// The user's name for the run.
    Label,
    /// Prompt tokens asked for.
    InputLength,
    /// Output tokens asked for.
    OutputLength,
    /// Most requests under way at once.
    Concurrency,
    /// Requests sent per second.
    Rate,
    /// Shape of the gaps between requests.
    Burstiness,
}

/// Where a run stands in a dimension.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Value {
    /// A name.
    Name(String),
    /// A number; infinite for a rate without a limit.
    Number(f64),
}

impl Dimension {
    /// Those a reader filters by, in the order of the filters.
    pub(crate) const FILTERS: [Dimension; 8] = [
        Dimension::Model,
        Dimension::Tool,
        Dimension::Backend,
        Dimension::Label,
        Dimension::InputLength,
        Dimension::OutputLength,
        Dimension::Concurrency,
        Dimension::Rate,
    ];

    /// All of them, in the order in which they name a series.
    pub(crate) const ALL: [Dimension; 9] = [
        Dimension::Model,
        Dimension::Tool,
        Dimension::Backend,
        Dimension::Label,
        Dimension::InputLength,
        Dimension::OutputLength,
        Dimension::Concurrency,
        Dimension::Rate,
        Dimension::Burstiness,
    ];

    /// Those that can be the x axis, the likeliest first.
    pub(crate) const LOADS: [Dimension; 4] = [
        Dimension::Concurrency,
        Dimension::Rate,
        Dimension::InputLength,
        Dimension::OutputLength,
    ];

    /// Where a run stands, if its file says so.
    pub(crate) fn of(self, run: &RunResult) -> Option<Value> {
        let name = |text: &Option<String>| text.clone().filter(|text| !text.is_empty());
        let count = |number: Option<u64>| number.map(|number| Value::Number(number as f64));
        let number = |number: Option<f64>| {
            let number = number.filter(|number| !number.is_nan());
            number.map(Value::Number)
        };
        match self {
            Dimension::Model => name(&run.model_id).map(Value::Name),
            Dimension::Tool => Some(Value::Name(run.origin.tool.to_string())),
            Dimension::Backend => name(&run.backend).map(Value::Name),
            Dimension::Label => name(&run.label).map(Value::Name),
            Dimension::InputLength => count(run.input_len),
            Dimension::OutputLength => count(run.output_len),
            Dimension::Concurrency => count(run.max_concurrency),
            Dimension::Rate => number(run.request_rate),
            Dimension::Burstiness => number(run.burstiness),
        }
    }

    /// Its name as a filter.
    pub(crate) fn key(self) -> &'static str {
        match self {
            Dimension::Model => "model",
            Dimension::Tool => "tool",
            Dimension::Backend => "backend",
            Dimension::Label => "label",
            Dimension::InputLength => "input length",
            Dimension::OutputLength => "output length",
            Dimension::Concurrency => "concurrency",
            Dimension::Rate => "request rate",
            Dimension::Burstiness => "burstiness",
        }
    }

    /// Its name and unit as an axis.
    pub(crate) fn axis(self) -> (&'static str, Option<&'static str>) {
        match self {
            Dimension::Model => ("Model", None),
            Dimension::Tool => ("Tool", None),
            Dimension::Backend => ("Backend", None),
            Dimension::Label => ("Label", None),
            Dimension::InputLength => ("Input length", Some("tokens")),
            Dimension::OutputLength => ("Output length", Some("tokens")),
            Dimension::Concurrency => ("Maximum concurrency", Some("requests")),
            Dimension::Rate => ("Request rate", Some("req/s")),
            Dimension::Burstiness => ("Burstiness", None),
        }
    }

    /// A place in it, in words that stand by themselves.
    pub(crate) fn words(self, value: &Value) -> String {
        match (self, value) {
            (Dimension::InputLength, value) => format!("{value} in"),
            (Dimension::OutputLength, value) => format!("{value} out"),
            (Dimension::Concurrency, value) => format!("concurrency {value}"),
            (Dimension::Rate, Value::Number(rate)) if rate.is_infinite() => {
                "no rate limit".to_owned()
            }
            (Dimension::Rate, value) => format!("{value} req/s"),
            (Dimension::Burstiness, value) => format!("burstiness {value}"),
            (Dimension::Model, Value::Name(name)) => {
                let name = name.trim_end_matches('/');
                name.rsplit('/').next().unwrap_or(name).to_owned()
            }
            (_, value) => value.to_string(),
        }
    }
}

impl Value {
    /// Numbers before names, each in their order.
    pub(crate) fn order(&self, other: &Value) -> Ordering {
        match (self, other) {
            (Value::Number(one), Value::Number(two)) => one.total_cmp(two),
            (Value::Name(one), Value::Name(two)) => one.cmp(two),
            (Value::Number(_), Value::Name(_)) => Ordering::Less,
            (Value::Name(_), Value::Number(_)) => Ordering::Greater,
        }
    }
}

/// As it stands on an axis.
impl std::fmt::Display for Value {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Value::Name(name) => f.write_str(name),
            Value::Number(number) if number.is_infinite() => f.write_str("no limit"),
            Value::Number(number) => write!(f, "{number}"),
        }
    }
}

/// The places that runs have in a dimension, rising, each once.
pub(crate) fn distinct<'a>(
    dimension: Dimension,
    runs: impl IntoIterator<Item = &'a RunResult>,
) -> Vec<Value> {
    let mut values: Vec<Value> = runs
        .into_iter()
        .filter_map(|run| dimension.of(run))
        .collect();
    values.sort_by(Value::order);
    values.dedup();
    values
}

/// What readers can filter by: every place that the runs have in every dimension.
pub(crate) fn tags<'a>(
    runs: impl IntoIterator<Item = &'a RunResult> + Clone,
) -> Vec<(String, String)> {
    let tag = |dimension: Dimension, value: Value| (dimension.key().to_owned(), value.to_string());
    Dimension::FILTERS
        .iter()
        .flat_map(|&dimension| {
            let values = distinct(dimension, runs.clone());
            values.into_iter().map(move |value| tag(dimension, value))
        })
        .collect()
}
