mod breakdown;
mod names;

use std::fmt::Write as _;

use bench_metrics::{Convention, Distribution, Goodput, Metric, comes_whole};
use bench_types::{LagSummary, ReceiveClock};

use crate::{Report, Statistic, VllmResult};

/// The report for a terminal.
///
/// First what must not be overlooked; then the block that users of `vllm bench serve` know,
/// with its labels and widths; then what that block does not tell.
pub fn console(report: &Report) -> String {
    let records = VllmResult::in_order(report);
    let mut page = Page(String::new());
    banners(&mut page, report);
    let block = serving_block(&VllmResult::of(report, &records, false));
    page.0.push_str(&block);
    views(&mut page, report);
    streams(&mut page, report);
    breakdown::servers(&mut page, &report.per_server, report.setup.task);
    breakdown::models(&mut page, &report.per_model, report.setup.task);
    failures(&mut page, report);
    self_audit(&mut page, report);
    for warning in &report.warnings {
        page.line(format_args!("Warning: {warning}"));
    }
    page.0
}

const WIDTH: usize = 50;

/// Text that grows by lines.
struct Page(String);

impl Page {
    fn line(&mut self, line: impl std::fmt::Display) {
        // Writing to a String cannot fail.
        let _ = writeln!(self.0, "{line}");
    }

    fn heading(&mut self, text: &str) {
        self.line(format_args!("{text:-^WIDTH$}"));
    }

    fn row(&mut self, label: &str, value: impl std::fmt::Display) {
        self.line(format_args!("{label:<40} {:<10}", value.to_string()));
    }

    fn number(&mut self, label: &str, value: f64) {
        self.row(label, format_args!("{value:.2}"));
    }
}

fn banners(page: &mut Page, report: &Report) {
    let requests = &report.summary.requests;
    if report.facts.simulated {
        page.line(
            "SIMULATED SERVER: these numbers describe the built-in simulator, \
             not a real server.",
        );
    }
    if report.is_partial() {
        page.line(format_args!(
            "PARTIAL: the run was stopped; {} of {} requests were sent.",
            requests.sent, requests.planned
        ));
    }
    for reason in &report.audit.reasons {
        page.line(format_args!("CLIENT LIMITED: {reason}."));
    }
    if requests.completed == 0 {
        page.line("NO DATA: no request was completed; every 0.00 below means: not measured.");
    }
}

/// The block of `vllm bench serve`, character by character, from a result of either tool.
pub fn serving_block(result: &VllmResult<'_>) -> String {
    let mut page = Page(String::new());
    page.line(format_args!("{:=^WIDTH$}", " Serving Benchmark Result "));
    page.row("Successful requests:", result.completed);
    page.row("Failed requests:", result.failed);
    if let Some(concurrency) = result.max_concurrency {
        page.row("Maximum request concurrency:", concurrency);
    }
    if result.request_rate.is_finite() {
        page.number("Request rate configured (RPS):", result.request_rate);
    }
    page.number("Benchmark duration (s):", result.duration);
    page.row("Total input tokens:", result.total_input_tokens);
    if let Some(inputs) = result.total_input_sequences {
        page.row("Total input sequences:", inputs);
    }
    if let Some(output) = result.total_output_tokens {
        page.row("Total generated tokens:", output);
    }
    page.number("Request throughput (req/s):", result.request_throughput);
    if let Some(goodput) = result.request_goodput.flatten() {
        page.number("Request goodput (req/s):", goodput);
    }
    let peak_concurrency = result.max_concurrent_requests.map(|peak| peak as f64);
    // It has no line where nothing was transcribed.
    let rtfx = result.rtfx.filter(|&rtfx| rtfx > 0.0);
    let numbers = [
        (
            "Input sequence throughput (seq/s):",
            result.input_sequence_throughput,
        ),
        ("Output token throughput (tok/s):", result.output_throughput),
        (
            "Peak output token throughput (tok/s):",
            result.max_output_tokens_per_s,
        ),
        ("Peak concurrent requests:", peak_concurrency),
        ("RTFx (Inverse Real-Time Factor):", rtfx),
        (
            "Total token throughput (tok/s):",
            Some(result.total_token_throughput),
        ),
    ];
    for (label, value) in numbers {
        if let Some(value) = value {
            page.number(label, value);
        }
    }
    for stats in &result.statistics {
        let metric = Metric::find(&stats.metric);
        let (title, label) = metric.map_or((&*stats.metric, &*stats.metric), |metric| {
            (metric.title, metric.label)
        });
        page.heading(title);
        for &(statistic, value) in &stats.values {
            let name = match statistic {
                Statistic::Mean => "Mean".to_owned(),
                Statistic::Median => "Median".to_owned(),
                Statistic::Std => continue,
                Statistic::Percentile(p) => format!("P{p}"),
            };
            page.number(&format!("{name} {label} (ms):"), value);
        }
    }
    page.line("=".repeat(WIDTH));
    page.0
}

/// One line of the table of views.
struct Row {
    label: String,
    values: Vec<Option<f64>>,
}

impl Row {
    fn cell(value: Option<f64>) -> String {
        value.map_or_else(|| "-".to_owned(), |value| format!("{value:.2}"))
    }

    /// Whether any two values look different.
    fn differs(&self) -> bool {
        let cells: Vec<String> = self.values.iter().map(|&value| Row::cell(value)).collect();
        cells.iter().any(|cell| *cell != cells[0])
    }
}

/// Numbers on which the conventions do not agree.
fn views(page: &mut Page, report: &Report) {
    let summary = &report.summary;
    let lost = summary.requests.failed > 0;
    let mut rows = Vec::new();
    for metric in &report.setup.metrics {
        let vllm = summary.vllm.metric(metric);
        let strict = summary.strict.metric(metric);
        let intended = summary.intended.metric(metric).or(strict);
        let Some(any) = vllm.or(strict).filter(|any| any.count > 0) else {
            continue;
        };
        let percentiles = any.percentiles.iter();
        let percentiles = percentiles.map(|percentile| Statistic::Percentile(percentile.p));
        for statistic in [Statistic::Mean, Statistic::Median]
            .into_iter()
            .chain(percentiles)
        {
            let value = |distribution: Option<&Distribution>| statistic.of(distribution?);
            let mut values = vec![value(vllm.or(strict)), value(strict), value(intended)];
            if let (true, Statistic::Percentile(p)) = (lost && metric.per_request, statistic) {
                values.push(strict.and_then(|strict| strict.percentile_with_failures(p)));
            }
            rows.push(Row {
                label: format!("{} {statistic} (ms)", metric.label),
                values,
            });
        }
    }
    let goodput = |label: &str, number: fn(&Goodput) -> Option<f64>| Row {
        label: label.to_owned(),
        values: [Convention::Vllm, Convention::Strict, Convention::Intended]
            .into_iter()
            .map(|convention| number(summary.view(convention).goodput.as_ref()?))
            .collect(),
    };
    rows.push(goodput("Goodput (req/s)", |goodput| {
        Some(goodput.requests_per_s)
    }));
    rows.push(goodput("Good (% of sent)", |goodput| {
        Some(goodput.attainment * 100.0)
    }));
    rows.push(goodput("Goodput (tok/s)", |goodput| goodput.tokens_per_s));

    rows.retain(Row::differs);
    if rows.is_empty() {
        return;
    }
    page.heading("Where Conventions Differ");
    let failed = if lost { "  failed=inf" } else { "" };
    page.line(format_args!(
        "{:<20}{:>10}{:>10}{:>10}{failed}",
        "", "vllm", "strict", "intended"
    ));
    for row in rows {
        let mut line = format!("{:<20}", row.label);
        for (column, &value) in row.values.iter().enumerate() {
            let width = if column < 3 { 10 } else { 12 };
            let _ = write!(line, "{:>width$}", Row::cell(value));
        }
        page.line(line);
    }
}

/// Exact peaks and stalls.
fn streams(page: &mut Page, report: &Report) {
    let summary = &report.summary;
    if summary.requests.completed == 0 {
        return;
    }
    page.heading(
        match comes_whole(report.setup.task, report.setup.streamed) {
            true => "Whole Answers",
            false => "Streams",
        },
    );
    if let Some(peak) = summary.strict.peak {
        if let Some(tokens) = peak.output_tokens_per_s {
            page.number("Peak tokens in any second:", tokens);
        }
        page.row("Peak requests at once:", peak.concurrent_requests);
    }
    if let Some(stalls) = &summary.stalls {
        page.number("Longest gap (ms):", stalls.longest_ms);
        let label = format!("Gaps over {} ms:", stalls.threshold_ms);
        page.row(
            &label,
            format_args!("{} in {} requests", stalls.gaps, stalls.requests),
        );
    }
    if let Some(audio) = summary.audio {
        page.number("Audio transcribed (s):", audio.seconds);
    }
    if let Some(cached) = summary.tokens.cached {
        page.row("Input tokens from the server's cache:", cached);
    }
}

fn failures(page: &mut Page, report: &Report) {
    if report.summary.failures.is_empty() {
        return;
    }
    page.heading("Failures");
    for failure in &report.summary.failures {
        page.row(&format!("{}:", failure.class), failure.count);
        for line in failure.example.lines() {
            page.line(format_args!("  {line}"));
        }
    }
}

fn self_audit(page: &mut Page, report: &Report) {
    let audit = &report.audit;
    page.heading("Self-audit of the Client");
    page.row(
        "Client limited:",
        match audit.client_limited {
            Some(true) => "yes",
            Some(false) => "no",
            None => "unknown, the run was killed",
        },
    );
    let clock = match audit.receive_clock {
        ReceiveClock::Kernel => "kernel".to_owned(),
        ReceiveClock::User => "user space".to_owned(),
        ReceiveClock::Mixed => {
            format!(
                "mixed ({} of {} kernel)",
                audit.kernel_reads,
                audit.kernel_reads + audit.user_reads
            )
        }
    };
    page.row("Receive clock:", clock);
    let mut lag = |label: &str, lag: &LagSummary| {
        if lag.count > 0 {
            let [p50, p99, max] = [lag.p50, lag.p99, lag.max].map(|lag| lag.as_millis_f64());
            page.row(label, format_args!("{p50:.3} / {p99:.3} / {max:.3}"));
        }
    };
    lag("Late to schedule p50/p99/max (ms):", &audit.lateness);
    lag("Late by the client p50/p99/max (ms):", &audit.own_lateness);
    lag("Read lag p50/p99/max (ms):", &audit.read_lag);
    let share = |share: f64| format!("{:.1} %", share * 100.0);
    if !comes_whole(report.setup.task, report.setup.streamed) {
        page.row("Reads with several chunks:", share(audit.merged_share));
    }
    let workers = match audit.workers.len() {
        1 => "CPU of the worker:".to_owned(),
        workers => format!("CPU of the busiest of {workers} workers:"),
    };
    if !audit.workers.is_empty() {
        page.row(&workers, share(audit.busiest_worker()));
    }
    if let Some(connections) = audit.peak_connections {
        page.row("Peak open connections:", connections);
    }
    if let Some(steps) = audit.clock_steps.filter(|&steps| steps > 0) {
        page.row("Steps of the wall clock:", steps);
    }
    page.line("=".repeat(WIDTH));
}
