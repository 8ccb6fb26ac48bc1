use bench_metrics::{
    PrefixCache, Probes, SelfAudit, SessionSummary, SteadyState, Summary, TurnSummary, WarmUp,
};
use bench_types::Task;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::{Breakdown, Provenance, Report, SCHEMA_VERSION, Schedule};

/// What this toolkit adds to a result, under the key `bench`.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Bench {
    /// Version of this part of the schema.
    pub schema_version: u32,
    /// The server was the built-in simulator.
    pub simulated: bool,
    /// The run was stopped before its end.
    pub partial: bool,
    /// What the servers were asked to do.
    #[serde(default)]
    pub task: Task,
    /// Whether answers were streamed; if not, nothing is known of their tokens in time.
    #[serde(default = "yes")]
    pub streamed: bool,
    /// When requests were to leave, if they had times.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub schedule: Option<Schedule>,
    /// What the user should know.
    pub warnings: Vec<String>,
    /// All numbers under all conventions.
    #[serde(flatten)]
    pub summary: Summary,
    /// The numbers of each server, if there were several.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub per_server: Vec<Breakdown>,
    /// The numbers of each model, if there were several.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub per_model: Vec<Breakdown>,
    /// What was sent before anything was measured, if anything was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub warm_up: Option<WarmUp>,
    /// The small requests that were sent beside the load, if any were.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub probes: Option<Probes>,
    /// The numbers of each turn, if conversations had several.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub turns: Vec<TurnSummary>,
    /// The numbers of whole conversations, if they had several turns.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sessions: Option<SessionSummary>,
    /// The numbers of each class of a mixed workload, if there were several.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub per_class: Vec<Breakdown>,
    /// What came from the servers' prefix caches, as far as anything is known of them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cache: Option<PrefixCache>,
    /// The steady state, or why there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub steady_state: Option<SteadyState>,
    /// What the servers said about themselves, by target.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub servers: Map<String, Value>,
    /// How well the client itself did.
    pub self_audit: SelfAudit,
    /// What it takes to run this again.
    pub reproducibility: Reproducibility,
    /// The resolved options, whole.
    pub options: Value,
}

/// What it takes to run a benchmark again.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Reproducibility {
    /// What the run was made with and of.
    #[serde(flatten)]
    pub provenance: Provenance,
    /// Where requests went.
    pub targets: Vec<String>,
    /// Wall-clock time at zero of the run's clock, in seconds since 1970.
    pub epoch_unix: f64,
}

impl Bench {
    pub(crate) fn of(report: &Report) -> Bench {
        Bench {
            schema_version: SCHEMA_VERSION,
            simulated: report.facts.simulated,
            partial: report.is_partial(),
            task: report.setup.task,
            streamed: report.setup.streamed,
            schedule: report.setup.schedule.clone(),
            warnings: report.warnings.clone(),
            summary: report.summary.clone(),
            per_server: report.per_server.clone(),
            per_model: report.per_model.clone(),
            warm_up: report.warm_up,
            probes: report.probes.clone(),
            turns: report.turns.clone(),
            sessions: report.sessions.clone(),
            per_class: report.per_class.clone(),
            cache: report.cache.clone(),
            steady_state: report.steady_state.clone(),
            servers: report.setup.server_info.clone(),
            self_audit: report.audit.clone(),
            reproducibility: Reproducibility {
                provenance: report.setup.provenance.clone(),
                targets: report.setup.targets.clone(),
                epoch_unix: report.facts.epoch_unix,
            },
            options: report.setup.options.clone(),
        }
    }
}

/// Results of before had no key for it, and only streams.
fn yes() -> bool {
    true
}
