//! The table of turns, and what is said of whole conversations.

use bench_metrics::{Distribution, Metric, SessionSummary, TurnSummary};

use super::parts::{cell, compact};
use super::{PartTable, Section};
use crate::Statistic;

/// A row for each turn; `None` if there is none.
pub(super) fn table(turns: &[TurnSummary]) -> Option<PartTable> {
    let latencies = latencies(turns.first()?);
    let counts = ["sent", "done", "failed", "prompt", "repeat", "cached"].map(str::to_owned);
    let headings = latencies.iter().map(|(heading, ..)| heading.clone());
    let row = |turn: &TurnSummary| {
        let percent = |share: Option<f64>| {
            share.map_or_else(|| "-".to_owned(), |s| format!("{:.0}%", s * 100.0))
        };
        let counts = [
            turn.sent.to_string(),
            turn.completed.to_string(),
            turn.failed.to_string(),
            format!("{:.0}", turn.mean_prompt_tokens),
            percent(turn.repeated_share),
            percent(turn.cached_share),
        ];
        let times = latencies.iter().map(|(_, metric, statistic)| {
            cell(
                turn.metric(metric)
                    .and_then(|distribution| statistic.of(distribution)),
            )
        });
        (
            turn.turn.to_string(),
            counts.into_iter().chain(times).collect(),
        )
    };
    Some(PartTable {
        title: "By Turn (times in ms, prompts in tokens)",
        columns: counts.into_iter().chain(headings).collect(),
        rows: turns.iter().map(row).collect(),
    })
}

/// The columns with times: the median of each metric, and the highest of the chosen percentiles
/// of the first.
fn latencies(turn: &TurnSummary) -> Vec<(String, &'static Metric, Statistic)> {
    let metrics = ["ttft", "tpot", "e2el"]
        .into_iter()
        .filter_map(Metric::find);
    let metrics = metrics.filter(|metric| turn.metric(metric).is_some());
    let mut columns: Vec<_> = metrics
        .map(|metric| (format!("{} p50", metric.label), metric, Statistic::Median))
        .collect();
    if let Some((_, main, _)) = columns.first()
        && let Some(p) = highest_percentile(turn.metric(main))
    {
        columns.insert(1, (format!("p{p}"), main, Statistic::Percentile(p)));
    }
    columns
}

fn highest_percentile(distribution: Option<&Distribution>) -> Option<f64> {
    let percentiles = distribution?.percentiles.iter();
    percentiles
        .map(|percentile| percentile.p)
        .max_by(f64::total_cmp)
}

/// How many there were and how long they took.
pub(super) fn sessions(summary: &SessionSummary) -> Section {
    let mut section = Section::new("Sessions");
    section.row("Completed sessions", summary.completed);
    if summary.failed > 0 {
        section.row("Sessions with a failed turn", summary.failed);
    }
    section.number("Session throughput (sessions/s)", summary.per_s);
    if summary.completed > 0 {
        latency(&mut section, "Session", &summary.latency_ms);
        let without = &summary.latency_without_thinking_ms;
        latency(&mut section, "Without thinking", without);
    }
    section
}

fn latency(section: &mut Section, name: &str, latency: &Distribution) {
    let percentiles = || latency.percentiles.iter();
    let labels: String = percentiles().map(|one| format!("/p{}", one.p)).collect();
    let values = [latency.mean, latency.median].into_iter();
    let values = values
        .chain(percentiles().map(|one| one.value))
        .map(compact);
    let values: Vec<String> = values.collect();
    section.row(format!("{name} mean/p50{labels} (ms)"), values.join(" / "));
}
