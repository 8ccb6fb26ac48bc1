use std::fmt::Write as _;

use bench_metrics::{
    Convention, Metric, PrefixCache, Probes, SelfAudit, SessionSummary, SteadyLoad, SteadyState,
    Summary, SummaryOptions, TurnSummary, WarmUp,
};
use bench_types::{Nanos, RequestKind, RequestRecord, RunEnd, RunFacts, Task};
use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};

use crate::{Breakdown, Part, Provenance, Schedule, ScheduleKind, Statistic, setup_json};

/// Version of what stands under `bench` in a result.
pub const SCHEMA_VERSION: u32 = 1;

/// How a run was set up, as far as a report tells.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Setup {
    /// When the run began, `YYYYmmdd-HHMMSS`; see [`date_stamp`].
    pub date: String,
    /// Name of the backend, such as `vllm` or `openai-chat`.
    pub backend: String,
    /// What the servers were asked to do.
    pub task: Task,
    /// Whether answers were streamed; otherwise they came whole, and have no first token.
    pub streamed: bool,
    /// Where requests went, such as `http://127.0.0.1:8000/v1/completions`: one for each
    /// [`RequestRecord::server_index`].
    pub targets: Vec<String>,
    /// The names of the models that were asked for, one for each
    /// [`RequestRecord::model_index`]. More than one if LoRA adapters were used.
    pub models: Vec<String>,
    /// The classes of a mixed workload, one for each [`RequestRecord::class_index`]; empty if
    /// there are none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub classes: Vec<String>,
    /// What the servers say about themselves, by target: version, arguments. Empty if they
    /// were not asked.
    pub server_info: serde_json::Map<String, serde_json::Value>,
    /// The user's name for the run.
    pub label: Option<String>,
    /// The model as the server knows it.
    pub model_id: String,
    /// The tokenizer, if one was used.
    pub tokenizer_id: Option<String>,
    /// Number of requests asked for.
    pub num_prompts: u64,
    /// Pairs of `--metadata`, in the user's order.
    pub metadata: Vec<(String, String)>,
    /// Requests per second; infinite without a rate.
    #[serde(with = "setup_json::number")]
    pub request_rate: f64,
    /// Shape of the gaps between requests; 1 is Poisson.
    #[serde(with = "setup_json::number")]
    pub burstiness: f64,
    /// Most requests under way at once, if limited.
    pub max_concurrency: Option<u64>,
    /// How the rate rose during the run, if it did.
    pub ramp_up: Option<RampUp>,
    /// When requests were to leave; `None` if they leave as early as slots allow.
    #[serde(default)]
    pub schedule: Option<Schedule>,
    /// Metrics with a section in the report and statistics at the top level of a result.
    #[serde(with = "setup_json::metrics")]
    pub metrics: Vec<&'static Metric>,
    /// The resolved options of the run, whole.
    pub options: serde_json::Value,
    /// What the run is made with and of.
    pub provenance: Provenance,
}

/// A rate that rises (or falls) from the first request to the last.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RampUp {
    /// `linear` or `exponential`.
    pub strategy: String,
    /// Requests per second at the start.
    pub start_rps: f64,
    /// Requests per second at the end.
    pub end_rps: f64,
    /// When the whole-numbered rate changes.
    pub steps: Vec<RateStep>,
}

/// A change of the rate during a ramp.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RateStep {
    /// The new rate, rounded down.
    pub rps: u64,
    /// When, from the start of the run.
    pub after: Nanos,
}

/// A change of the rate during a ramp, as a result tells it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RateChange {
    /// The new rate, rounded down.
    pub rps: u64,
    /// Local time, such as `2026-11-21T21:23:40.732874`.
    pub timestamp: String,
}

/// A finished run: how it was set up, what was recorded, and what that means.
#[derive(Clone, Debug)]
pub struct Report {
    /// How the run was set up.
    pub setup: Setup,
    /// Facts about the run as a whole.
    pub facts: RunFacts,
    /// Every measured request, in the order of sending.
    pub records: Vec<RequestRecord>,
    /// Every other request: those of the warm-up and the probes. They are in no number but
    /// `warm_up` and `probes`.
    pub beside: Vec<RequestRecord>,
    /// All numbers.
    pub summary: Summary,
    /// The numbers of each server, if there were several.
    pub per_server: Vec<Breakdown>,
    /// The numbers of each model, if there were several.
    pub per_model: Vec<Breakdown>,
    /// What was sent before anything was measured, if anything was.
    pub warm_up: Option<WarmUp>,
    /// What was sent to feel how long a small request takes, if anything was.
    pub probes: Option<Probes>,
    /// The numbers of each turn, if conversations had several.
    pub turns: Vec<TurnSummary>,
    /// The numbers of whole conversations, if they had several turns.
    pub sessions: Option<SessionSummary>,
    /// The numbers of each class of a mixed workload, if there were several.
    pub per_class: Vec<Breakdown>,
    /// What came from the servers' prefix caches, as far as anything is known of them.
    pub cache: Option<PrefixCache>,
    /// The steady state of the run, or why it has none; `None` if no request was completed.
    pub steady_state: Option<SteadyState>,
    /// What the client says about itself.
    pub audit: SelfAudit,
    /// What the user should know, one sentence each.
    pub warnings: Vec<String>,
}

impl Report {
    /// Sorts the records and computes every number. What the run can have, by its task and by
    /// whether it was streamed, is taken from `setup`.
    pub fn new(
        mut setup: Setup,
        facts: RunFacts,
        mut records: Vec<RequestRecord>,
        options: &SummaryOptions,
    ) -> Report {
        records.sort_by_key(|record| record.id);
        if facts.window.is_some() {
            // Before, only the number of prompts was known.
            setup.num_prompts = facts.planned;
        }
        let warm_up = WarmUp::of(&records, &facts);
        let probes = Probes::of(&records, &facts);
        let measured = |record: &RequestRecord| record.kind == RequestKind::Load;
        let (records, beside): (Vec<_>, Vec<_>) = records.into_iter().partition(measured);
        let options = SummaryOptions {
            task: setup.task,
            streamed: setup.streamed,
            ..options.clone()
        };
        let servers = setup.targets.iter().cloned().map(Part::Target).collect();
        let models = setup.models.iter().cloned().map(Part::Model).collect();
        let classes = setup.classes.iter().cloned().map(Part::Class).collect();
        let run = (&facts, &options);
        Report {
            summary: Summary::of(&records, &facts, &options),
            per_server: Breakdown::of(servers, |record| record.server_index, &records, run),
            per_model: Breakdown::of(models, |record| record.model_index, &records, run),
            turns: TurnSummary::of(&records, &facts, &options),
            sessions: SessionSummary::of(&records, &facts, &options),
            per_class: Breakdown::of(classes, |record| record.class_index, &records, run),
            cache: PrefixCache::of(&records, &facts),
            steady_state: SteadyState::of(&records, &facts, setup.steady_load(), &options),
            audit: SelfAudit::of(&records, &facts),
            warm_up,
            probes,
            beside,
            warnings: Vec::new(),
            setup,
            facts,
            records,
        }
    }

    /// Requests that were sent and failed, as a share of all that were sent; 0 if none was.
    pub fn failure_rate(&self) -> f64 {
        self.summary.failure_rate()
    }

    /// Whether the run was stopped before its end.
    pub fn is_partial(&self) -> bool {
        self.facts.ended == RunEnd::Interrupted
    }

    /// A percentile of a metric in its unit, by the rules of `vllm bench serve` where it
    /// knows the metric and strictly otherwise. `None` if it was not computed or if there
    /// are no samples.
    pub fn percentile(&self, metric: &Metric, p: f64) -> Option<f64> {
        self.statistic(metric, Statistic::Percentile(p))
    }

    /// As [`Report::percentile`], for any statistic.
    pub fn statistic(&self, metric: &Metric, statistic: Statistic) -> Option<f64> {
        let summary = &self.summary;
        let vllm = summary.vllm.metric(metric);
        statistic.of(vllm.or_else(|| summary.strict.metric(metric))?)
    }

    /// As [`Report::statistic`] under a convention of choice.
    pub fn statistic_under(
        &self,
        convention: Convention,
        metric: &Metric,
        statistic: Statistic,
    ) -> Option<f64> {
        statistic.of(self.summary.view(convention).metric(metric)?)
    }

    /// A statistic by its key in a result, such as `p99_ttft_ms` or `mean_itl_ms`.
    pub fn metric(&self, key: &str) -> Option<f64> {
        let (statistic, name) = Statistic::parse_key(key)?;
        self.statistic(Metric::find(name)?, statistic)
    }

    /// The default name of the result file:
    /// `{label or backend}-{rate}qps[-concurrency{N}]-{model}-{date}.json`.
    pub fn file_name(&self) -> String {
        self.setup.file_name()
    }
}

impl Setup {
    /// What there is to know of the load for its steady state.
    fn steady_load(&self) -> SteadyLoad {
        SteadyLoad {
            max_concurrency: self.max_concurrency,
            varies: self.schedule.as_ref().is_some_and(|schedule| {
                matches!(schedule.kind, ScheduleKind::Ramp | ScheduleKind::Stages)
            }),
        }
    }

    /// See [`Report::file_name`].
    pub fn file_name(&self) -> String {
        let label = self.label.as_deref().filter(|label| !label.is_empty());
        let mut name = format!("{}-{}", label.unwrap_or(&self.backend), self.rate_name());
        if let Some(concurrency) = self.max_concurrency {
            // Writing to a String cannot fail.
            let _ = write!(name, "-concurrency{concurrency}");
        }
        let model = self.model_id.trim_end_matches('/');
        let model = model.rsplit('/').next().unwrap_or(model);
        let _ = write!(name, "-{model}-{}.json", self.date);
        name
    }

    /// The load in the name of a file: as `vllm bench serve` has it, where it has such a load.
    fn rate_name(&self) -> String {
        let kind = self.schedule.as_ref().map(|schedule| schedule.kind);
        match (&self.ramp_up, kind) {
            (Some(ramp), _) => format!(
                "ramp-up-{}-{}qps-{}qps",
                ramp.strategy, ramp.start_rps, ramp.end_rps
            ),
            (None, Some(kind @ (ScheduleKind::Stages | ScheduleKind::Trace))) => {
                format!("{kind}-{:.2}qps", self.request_rate)
            }
            (None, _) => format!("{:?}qps", self.request_rate),
        }
    }
}

/// A point in time, in seconds since 1970, as `YYYYmmdd-HHMMSS` in the local time zone.
pub fn date_stamp(unix_seconds: f64) -> String {
    local_time(unix_seconds, "%Y%m%d-%H%M%S")
}

/// A point in time, in seconds since 1970, in the local time zone as `form` says.
pub(crate) fn local_time(unix_seconds: f64, form: &str) -> String {
    let time = Timestamp::from_microsecond((unix_seconds * 1e6) as i64).unwrap_or_default();
    let local = time.to_zoned(TimeZone::system());
    local.strftime(form).to_string()
}

/// A date as other tools write it, as `YYYYmmdd-HHMMSS`: a point in time in the local time
/// zone, a date without a zone as it is. `None` if it is no date.
pub fn date_stamp_of(text: &str) -> Option<String> {
    let form = "%Y%m%d-%H%M%S";
    if DateTime::strptime(form, text).is_ok() {
        return Some(text.to_owned());
    }
    if let Ok(time) = text.parse::<Timestamp>() {
        let local = time.to_zoned(TimeZone::system());
        return Some(local.strftime(form).to_string());
    }
    let time = text.parse::<DateTime>().ok()?;
    Some(time.strftime(form).to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_of_other_tools_get_the_same_form() {
        for (text, stamp) in [
            ("20261121-212313", Some("20261121-212313")),
            ("2026-11-21T22:02:20.449210", Some("20261121-220220")),
            ("yesterday", None),
        ] {
            assert_eq!(date_stamp_of(text).as_deref(), stamp, "{text}");
        }
        let zoned = date_stamp_of("2026-11-21T21:23:13.7Z");
        assert_eq!(zoned, Some(date_stamp(1_795_296_193.7)));
    }

    #[test]
    fn a_date_has_the_form_of_a_file_name() {
        let date = date_stamp(1_795_296_193.7);
        assert_eq!(date.len(), "20261121-212313".len());
        assert!(date.starts_with("202611"));
    }
}
