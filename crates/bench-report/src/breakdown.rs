use std::collections::BTreeMap;

use bench_metrics::{
    AudioTotals, Distribution, FailureCount, InputTotals, Metric, PART_METRICS, Summary,
    SummaryOptions, Throughput, TokenTotals, was_sent,
};
use bench_types::{RequestRecord, RunFacts};
use serde::{Deserialize, Serialize};

/// The numbers of one server, of one model or of one class, where a run has several.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Breakdown {
    /// Whose numbers these are.
    #[serde(flatten)]
    pub part: Part,
    /// Numbers of requests.
    pub requests: PartCounts,
    /// Numbers of tokens.
    pub tokens: TokenTotals,
    /// Completed work per second of the whole run.
    pub throughput: Throughput,
    /// What was embedded, scored or ranked, for pooling.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub inputs: Option<InputTotals>,
    /// What was transcribed, for transcription.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub audio: Option<AudioTotals>,
    /// Requests that were sent and failed, as a share of all that were sent.
    pub failure_rate: f64,
    /// TTFT, TPOT, ITL and E2EL, read strictly, as far as the run has them.
    pub metrics: BTreeMap<String, Distribution>,
    /// Failed requests by class, the commonest first.
    pub failures: Vec<FailureCount>,
}

/// Part of a run. In a result it is the key `target`, `model` or `class`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Part {
    /// The requests to one server, by its URL.
    Target(String),
    /// The requests for one model, by its name.
    Model(String),
    /// The requests of one class of a mixed workload, by its name.
    Class(String),
}

impl Part {
    /// The URL or the name.
    pub fn name(&self) -> &str {
        match self {
            Part::Target(name) | Part::Model(name) | Part::Class(name) => name,
        }
    }
}

/// Numbers of requests of one part.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PartCounts {
    /// That left the client, or tried to.
    pub sent: u64,
    /// Answered whole.
    pub completed: u64,
    /// Not answered whole, through no choice of the workload.
    pub failed: u64,
    /// That the client hung up on, as a user would.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub cancelled: u64,
    /// Cut off when the time of the run was over.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub censored: u64,
}

fn is_zero(count: &u64) -> bool {
    *count == 0
}

impl Breakdown {
    /// One entry for each part, in their order; none if there is only one part. `index` tells
    /// which part a record belongs to. A request that was never sent belongs to none.
    pub(crate) fn of(
        parts: Vec<Part>,
        index: fn(&RequestRecord) -> u16,
        records: &[RequestRecord],
        (facts, options): (&RunFacts, &SummaryOptions),
    ) -> Vec<Breakdown> {
        if parts.len() < 2 {
            return Vec::new();
        }
        let parts = parts.into_iter().enumerate();
        let read = |(number, part)| {
            let records = records.iter().filter(|record| was_sent(record));
            let own = records.filter(|record| usize::from(index(record)) == number);
            Breakdown::from_summary(part, Summary::of(own, facts, options))
        };
        parts.map(read).collect()
    }

    fn from_summary(part: Part, mut summary: Summary) -> Breakdown {
        summary
            .strict
            .metrics
            .retain(|name, _| PART_METRICS.contains(&name.as_str()));
        Breakdown {
            part,
            failure_rate: summary.failure_rate(),
            requests: PartCounts {
                sent: summary.requests.sent,
                completed: summary.requests.completed,
                failed: summary.requests.failed,
                cancelled: summary.requests.cancelled,
                censored: summary.requests.censored,
            },
            tokens: summary.tokens,
            throughput: summary.throughput,
            inputs: summary.inputs,
            audio: summary.audio,
            metrics: summary.strict.metrics,
            failures: summary.failures,
        }
    }

    /// The distribution of a metric, if the run has it.
    pub fn metric(&self, metric: &Metric) -> Option<&Distribution> {
        self.metrics.get(metric.name)
    }
}
