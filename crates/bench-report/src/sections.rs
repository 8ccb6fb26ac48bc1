//! A report as headings, labels and values, for whatever shows it: a terminal, a page.

mod beside;
mod parts;
mod serving;
mod steady;
mod turns;

use bench_metrics::{
    Convention, Distribution, Goodput, Metric, PrefixCache, Probes, SelfAudit, SessionSummary,
    SteadyState, Summary, TurnSummary, WarmUp, comes_whole,
};
use bench_types::{LagSummary, ReceiveClock, Task};

pub use parts::PartTable;
pub(crate) use serving::Serving;
pub use serving::serving_sections;

use crate::{Bench, Breakdown, Report, RunResult, Schedule, ScheduleKind, Statistic};

/// A heading, and values with their labels.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Section {
    /// The heading.
    pub title: String,
    /// Labels, with units, and values.
    pub rows: Vec<(String, String)>,
}

impl Section {
    fn new(title: impl Into<String>) -> Section {
        Section {
            title: title.into(),
            rows: Vec::new(),
        }
    }

    fn row(&mut self, label: impl Into<String>, value: impl ToString) {
        self.rows.push((label.into(), value.to_string()));
    }

    fn number(&mut self, label: impl Into<String>, value: f64) {
        self.row(label, format_args!("{value:.2}"));
    }
}

/// What must not be overlooked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Banner {
    /// In capital letters.
    pub verdict: &'static str,
    /// What it means for the numbers.
    pub text: String,
}

impl Banner {
    fn new(verdict: &'static str, text: impl Into<String>) -> Banner {
        let text = text.into();
        Banner { verdict, text }
    }

    /// Of numbers that are not those of a real server.
    pub fn simulated() -> Banner {
        let text = "these numbers describe the built-in simulator, not a real server.";
        Banner::new("SIMULATED SERVER", text)
    }
}

/// `VERDICT: text`.
impl std::fmt::Display for Banner {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}", self.verdict, self.text)
    }
}

/// One statistic under every convention.
#[derive(Clone, Debug, PartialEq)]
pub struct ConventionRow {
    /// Which statistic, with its unit.
    pub label: String,
    /// By [`ConventionRow::COLUMNS`]; `None` where it is not known.
    pub values: [Option<f64>; 3],
    /// With every failed or censored request as an infinite sample, if there are any.
    pub with_failures: Option<f64>,
    lost: bool,
}

impl ConventionRow {
    /// The conventions.
    pub const COLUMNS: [&'static str; 3] = ["vllm", "strict", "intended"];
    /// The column of [`ConventionRow::with_failures`].
    pub const WITH_FAILURES: &'static str = "failed=inf";

    /// The values as they are shown. The last one, of the failures, is only there in rows of
    /// metrics that failures can count for.
    pub fn cells(&self) -> Vec<String> {
        let cell = |value: Option<f64>| value.map_or_else(|| "-".to_owned(), |v| format!("{v:.2}"));
        let failures = self.lost.then_some(self.with_failures);
        self.values.into_iter().chain(failures).map(cell).collect()
    }

    /// Whether any two values look different.
    pub fn differs(&self) -> bool {
        let cells = self.cells();
        cells.iter().any(|cell| *cell != cells[0])
    }
}

/// A run of this toolkit, from which its sections are told.
#[derive(Clone, Debug)]
pub struct Account<'a> {
    /// All numbers.
    pub summary: &'a Summary,
    /// What the client says about itself.
    pub audit: &'a SelfAudit,
    /// The metrics that the user chose.
    pub metrics: Vec<&'static Metric>,
    /// The numbers of each server, if there were several.
    pub per_server: &'a [Breakdown],
    /// The numbers of each model, if there were several.
    pub per_model: &'a [Breakdown],
    /// What was sent before anything was measured, if anything was.
    pub warm_up: Option<WarmUp>,
    /// The small requests that were sent beside the load, if any were.
    pub probes: Option<&'a Probes>,
    schedule: Option<&'a Schedule>,
    /// The numbers of each turn, if conversations had several.
    pub per_turn: &'a [TurnSummary],
    /// The numbers of whole conversations, if they had several turns.
    pub session_summary: Option<&'a SessionSummary>,
    /// The numbers of each class of a mixed workload, if there were several.
    pub per_class: &'a [Breakdown],
    /// What came from the servers' prefix caches.
    pub cache: Option<&'a PrefixCache>,
    /// The steady state, or why there is none.
    pub steady_state: Option<&'a SteadyState>,
    simulated: bool,
    partial: bool,
    task: Task,
    whole: bool,
}

impl<'a> From<&'a Report> for Account<'a> {
    fn from(report: &'a Report) -> Self {
        let setup = &report.setup;
        Account {
            summary: &report.summary,
            audit: &report.audit,
            metrics: setup.metrics.clone(),
            per_server: &report.per_server,
            per_model: &report.per_model,
            warm_up: report.warm_up,
            probes: report.probes.as_ref(),
            schedule: setup.schedule.as_ref(),
            per_turn: &report.turns,
            session_summary: report.sessions.as_ref(),
            per_class: &report.per_class,
            cache: report.cache.as_ref(),
            steady_state: report.steady_state.as_ref(),
            simulated: report.facts.simulated,
            partial: report.is_partial(),
            task: setup.task,
            whole: comes_whole(setup.task, setup.streamed),
        }
    }
}

impl<'a> Account<'a> {
    /// The account of a run, if this toolkit measured it.
    pub fn of(run: &'a RunResult) -> Option<Account<'a>> {
        let bench: &Bench = run.bench.as_deref()?;
        let metrics = run.statistics.iter();
        Some(Account {
            summary: &bench.summary,
            audit: &bench.self_audit,
            metrics: metrics
                .filter_map(|stats| Metric::find(&stats.metric))
                .collect(),
            per_server: &bench.per_server,
            per_model: &bench.per_model,
            warm_up: bench.warm_up,
            probes: bench.probes.as_ref(),
            schedule: bench.schedule.as_ref(),
            per_turn: &bench.turns,
            session_summary: bench.sessions.as_ref(),
            per_class: &bench.per_class,
            cache: bench.cache.as_ref(),
            steady_state: bench.steady_state.as_ref(),
            simulated: bench.simulated,
            partial: bench.partial,
            task: bench.task,
            whole: comes_whole(bench.task, bench.streamed),
        })
    }

    /// What must not be overlooked.
    pub fn banners(&self) -> Vec<Banner> {
        let requests = &self.summary.requests;
        let mut banners = Vec::new();
        if self.simulated {
            banners.push(Banner::simulated());
        }
        if self.partial {
            let (sent, planned) = (requests.sent, requests.planned);
            let text = format!("the run was stopped; {sent} of {planned} requests were sent.");
            banners.push(Banner::new("PARTIAL", text));
        }
        let limits = self.audit.reasons.iter();
        banners.extend(limits.map(|reason| Banner::new("CLIENT LIMITED", format!("{reason}."))));
        if requests.completed == 0 {
            let text = "no request was completed; every 0.00 below means: not measured.";
            banners.push(Banner::new("NO DATA", text));
        }
        banners
    }

    /// Whether any request counts as infinitely slow in percentiles with failures.
    pub fn has_losses(&self) -> bool {
        self.summary.requests.failed + self.summary.requests.censored > 0
    }

    /// Every statistic of the chosen metrics, and goodput, under every convention.
    pub fn conventions(&self) -> Vec<ConventionRow> {
        let latencies = self
            .metrics
            .iter()
            .flat_map(|metric| self.latency_rows(metric));
        let goodput = |label: &str, number: fn(&Goodput) -> Option<f64>| ConventionRow {
            label: label.to_owned(),
            values: [Convention::Vllm, Convention::Strict, Convention::Intended]
                .map(|convention| number(self.summary.view(convention).goodput.as_ref()?)),
            with_failures: None,
            lost: false,
        };
        let goodput = [
            goodput("Goodput (req/s)", |goodput| Some(goodput.requests_per_s)),
            goodput("Good (% of sent)", |goodput| {
                Some(goodput.attainment * 100.0)
            }),
            goodput("Goodput (tok/s)", |goodput| goodput.tokens_per_s),
        ];
        let known = |row: &ConventionRow| row.values.iter().any(Option::is_some);
        latencies.chain(goodput.into_iter().filter(known)).collect()
    }

    fn latency_rows(&self, metric: &Metric) -> Vec<ConventionRow> {
        let summary = self.summary;
        let vllm = summary.vllm.metric(metric);
        let strict = summary.strict.metric(metric);
        let intended = summary.intended.metric(metric).or(strict);
        let Some(any) = vllm.or(strict).filter(|any| any.count > 0) else {
            return Vec::new();
        };
        let lost = self.has_losses() && metric.per_request;
        let row = |statistic: Statistic| {
            let value = |distribution: Option<&Distribution>| statistic.of(distribution?);
            let (lost, with_failures) = match statistic {
                Statistic::Percentile(p) if lost => (
                    true,
                    strict.and_then(|strict| strict.percentile_with_failures(p)),
                ),
                _ => (false, None),
            };
            ConventionRow {
                label: format!("{} {statistic} (ms)", metric.label),
                values: [value(vllm.or(strict)), value(strict), value(intended)],
                with_failures,
                lost,
            }
        };
        let percentiles = any.percentiles.iter();
        let percentiles = percentiles.map(|percentile| Statistic::Percentile(percentile.p));
        let means = [Statistic::Mean, Statistic::Median].into_iter();
        means.chain(percentiles).map(row).collect()
    }

    /// When requests were to leave, where a rate does not say it all.
    pub fn load(&self) -> Option<Section> {
        let more = |schedule: &&Schedule| schedule.kind != ScheduleKind::Rate;
        let schedule = self.schedule.filter(more)?;
        let mut section = Section::new("Load");
        section.row("Load shape", schedule.kind);
        section.row("Arrivals", &schedule.text);
        section.number("Last arrival due (s)", schedule.last_s);
        if let Some(rate) = schedule.mean_rps {
            section.number("Mean rate offered (req/s)", rate);
        }
        Some(section)
    }

    /// Exact peaks and stalls; `None` if no request was completed.
    pub fn streams(&self) -> Option<Section> {
        let summary = self.summary;
        if summary.requests.completed == 0 {
            return None;
        }
        let mut section = Section::new(if self.whole {
            "Whole Answers"
        } else {
            "Streams"
        });
        if let Some(peak) = summary.strict.peak {
            if let Some(tokens) = peak.output_tokens_per_s {
                section.number("Peak tokens in any second", tokens);
            }
            section.row("Peak requests at once", peak.concurrent_requests);
        }
        if let Some(stalls) = &summary.stalls {
            section.number("Longest gap (ms)", stalls.longest_ms);
            let label = format!("Gaps over {} ms", stalls.threshold_ms);
            section.row(
                label,
                format_args!("{} in {} requests", stalls.gaps, stalls.requests),
            );
        }
        if let Some(audio) = summary.audio {
            section.number("Audio transcribed (s)", audio.seconds);
        }
        if let Some(cached) = summary.tokens.cached {
            section.row("Input tokens from the server's cache", cached);
        }
        if let Some(cache) = self.cache {
            let rate = |rate: Option<f64>| match rate {
                Some(rate) => format!("{:.1}", rate * 100.0),
                None => "-".to_owned(),
            };
            let rates = [
                cache.expected_hit_rate,
                cache.usage_hit_rate,
                cache.metrics_hit_rate,
            ];
            // Where nothing came from a cache and nothing should have, there is nothing to tell.
            if rates.iter().flatten().any(|rate| *rate > 0.0) {
                section.row(
                    "Prefix cache expected/usage/metrics (%)",
                    rates.map(rate).join(" / "),
                );
            }
        }
        Some(section)
    }

    /// The numbers of the steady state, or that there is none; `None` if no request was
    /// completed.
    pub fn steady(&self) -> Option<Section> {
        self.steady_state.map(steady::section)
    }

    /// The numbers of each server, if there were several.
    pub fn servers(&self) -> Option<PartTable> {
        PartTable::of("By Server (times in ms)", self.per_server, self.task)
    }

    /// The numbers of each model, if there were several.
    pub fn models(&self) -> Option<PartTable> {
        PartTable::of("By Model (times in ms)", self.per_model, self.task)
    }

    /// The numbers of each turn, if conversations had several.
    pub fn turns(&self) -> Option<PartTable> {
        turns::table(self.per_turn)
    }

    /// The numbers of whole conversations, if they had several turns.
    pub fn sessions(&self) -> Option<Section> {
        self.session_summary.map(turns::sessions)
    }

    /// The numbers of each class of a mixed workload, if there were several.
    pub fn classes(&self) -> Option<PartTable> {
        PartTable::of("By Class (times in ms)", self.per_class, self.task)
    }

    /// The tables of the parts of the run: servers, models, classes.
    pub fn parts(&self) -> impl Iterator<Item = PartTable> {
        [self.servers(), self.models(), self.classes()]
            .into_iter()
            .flatten()
    }

    /// How well the client itself did.
    pub fn self_audit(&self) -> Section {
        let audit = self.audit;
        let mut section = Section::new("Self-audit of the Client");
        section.row(
            "Client limited",
            match audit.client_limited {
                Some(true) => "yes",
                Some(false) => "no",
                None => "unknown, the run was killed",
            },
        );
        section.row("Receive clock", receive_clock(audit));
        let mut lag = |label: &str, lag: &LagSummary| {
            if lag.count > 0 {
                let [p50, p99, max] = [lag.p50, lag.p99, lag.max].map(|lag| lag.as_millis_f64());
                section.row(label, format_args!("{p50:.3} / {p99:.3} / {max:.3}"));
            }
        };
        lag("Late to schedule p50/p99/max (ms)", &audit.lateness);
        lag("Late by the client p50/p99/max (ms)", &audit.own_lateness);
        lag("Read lag p50/p99/max (ms)", &audit.read_lag);
        let share = |share: f64| format!("{:.1} %", share * 100.0);
        if !self.whole {
            section.row("Reads with several chunks", share(audit.merged_share));
        }
        let workers = match audit.workers.len() {
            1 => "CPU of the worker".to_owned(),
            workers => format!("CPU of the busiest of {workers} workers"),
        };
        if !audit.workers.is_empty() {
            section.row(workers, share(audit.busiest_worker()));
        }
        if let Some(stolen) = audit.stolen_cpu.filter(|&stolen| stolen >= 0.001) {
            section.row("CPU the host took away", share(stolen));
        }
        if let Some(connections) = audit.peak_connections {
            section.row("Peak open connections", connections);
        }
        if let Some(steps) = audit.clock_steps.filter(|&steps| steps > 0) {
            section.row("Steps of the wall clock", steps);
        }
        section
    }
}

fn receive_clock(audit: &SelfAudit) -> String {
    match audit.receive_clock {
        ReceiveClock::Kernel => "kernel".to_owned(),
        ReceiveClock::User => "user space".to_owned(),
        ReceiveClock::Mixed => {
            let reads = audit.kernel_reads + audit.user_reads;
            format!("mixed ({} of {reads} kernel)", audit.kernel_reads)
        }
    }
}
