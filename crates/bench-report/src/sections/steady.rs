//! The numbers of the steady state.

use bench_metrics::{Metric, PART_METRICS, SteadyNumbers, SteadyState, SteadyWindow};

use super::Section;

/// What is told of the steady state of a run, or that it has none.
pub(super) fn section(state: &SteadyState) -> Section {
    let mut section = Section::new("Steady State");
    if let Some(reason) = state.absent {
        section.row("None", reason);
    }
    if let Some(window) = &state.window {
        rows(&mut section, window);
    }
    section
}

fn rows(section: &mut Section, window: &SteadyWindow) {
    let share = window.run_share * 100.0;
    section.row(
        "From, to (s after the start)",
        format_args!(
            "{:.2}, {:.2} ({share:.0} % of the run)",
            window.start_s, window.end_s
        ),
    );
    match &window.numbers {
        Some(numbers) => of_numbers(section, numbers),
        None => section.row("Too short to rely on", "under 10 s or a tenth of the run"),
    }
}

fn of_numbers(section: &mut Section, window: &SteadyNumbers) {
    let (started, completed) = (window.requests_started, window.requests_completed);
    section.row(
        "Requests sent / completed in it",
        format_args!("{started} / {completed}"),
    );
    section.number("Average requests at once", window.average_concurrency);
    let throughput = &window.throughput;
    section.number("Request throughput (req/s)", throughput.requests_per_s);
    if let Some(tokens) = throughput.output_tokens_per_s {
        section.number("Output token throughput (tok/s)", tokens);
    }
    section.number(
        "Total token throughput (tok/s)",
        throughput.total_tokens_per_s,
    );
    for name in PART_METRICS {
        let (Some(metric), Some(all)) = (Metric::find(name), window.metrics.get(name)) else {
            continue;
        };
        if let Some(p99) = all.percentile(99.0) {
            section.row(
                format!("{} mean/p50/p99 (ms)", metric.label),
                format_args!("{:.2} / {:.2} / {p99:.2}", all.mean, all.median),
            );
        }
    }
}
