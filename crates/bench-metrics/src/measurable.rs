use bench_types::Task;

use crate::{METRICS, Metric, MetricsError};

/// Whether answers come whole, so that there is no first token and no gap to be timed.
pub fn comes_whole(task: Task, streamed: bool) -> bool {
    task == Task::Pool || !streamed
}

/// The metrics that a run has, in the order of [`METRICS`].
///
/// Answers that come whole, because nothing is generated or because they are not streamed,
/// have an end-to-end latency and a time in the client, and nothing about tokens.
pub fn measurable(task: Task, streamed: bool) -> Vec<&'static Metric> {
    let metrics = METRICS.iter().copied();
    metrics
        .filter(|metric| has(metric, task, streamed))
        .collect()
}

/// The metrics that a report has if the user does not choose, as in `vllm bench serve`.
pub fn default_metrics(task: Task, streamed: bool) -> Vec<&'static Metric> {
    let names: &[&str] = match comes_whole(task, streamed) {
        true => &["e2el"],
        false => &["ttft", "tpot", "itl"],
    };
    names.iter().filter_map(|name| Metric::find(name)).collect()
}

/// Refuses a metric that the run does not have.
///
/// ```
/// use bench_metrics::{check_measurable, parse_metrics};
/// use bench_types::Task;
///
/// let chosen = parse_metrics("ttft,e2el")?;
/// assert!(check_measurable(&chosen, Task::Generate, true).is_ok());
/// assert!(check_measurable(&chosen, Task::Generate, false).is_err());
/// # Ok::<(), bench_metrics::MetricsError>(())
/// ```
pub fn check_measurable(
    metrics: &[&'static Metric],
    task: Task,
    streamed: bool,
) -> Result<(), MetricsError> {
    match metrics.iter().find(|metric| !has(metric, task, streamed)) {
        None => Ok(()),
        Some(metric) => Err(refusal(metric, task, &measurable(task, streamed))),
    }
}

pub(crate) fn has(metric: &Metric, task: Task, streamed: bool) -> bool {
    metric.whole || !comes_whole(task, streamed)
}

/// The error for a metric that the run does not have, with what may be chosen instead.
pub(crate) fn refusal(metric: &Metric, task: Task, choices: &[&Metric]) -> MetricsError {
    let choices: Vec<&str> = choices.iter().map(|metric| metric.name).collect();
    MetricsError::NotMeasurable {
        name: metric.name,
        reason: match task {
            Task::Pool => "embeddings, scores and rankings come whole",
            Task::Generate | Task::Transcribe => "these answers are not streamed",
        },
        choices: choices.join(", "),
    }
}
