//! The part of a run in which the load was kept up: without its beginning, when the server
//! fills, and its end, when it empties.

mod concurrency;
mod find;
mod measure;
mod mser;
mod slots;

use std::collections::BTreeMap;
use std::fmt;

use bench_types::{RequestKind, RequestRecord, RunFacts};
use serde::{Deserialize, Serialize};

pub use concurrency::Concurrency;
pub use mser::mser5;

use crate::window::Window;
use crate::{Distribution, SummaryOptions, Throughput};
use slots::Slots;

/// What is to be known of the load, beyond the records.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SteadyLoad {
    /// The most requests that were to be under way at once, if limited.
    pub max_concurrency: Option<u64>,
    /// The load changes by plan: a ramp, stages.
    pub varies: bool,
}

/// The steady state of a run, or why it has none. A pure function of its records.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SteadyState {
    /// By what rule it was looked for.
    pub method: SteadyMethod,
    /// The most requests that were under way at once.
    pub peak_concurrency: u64,
    /// Why there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub absent: Option<NoSteadyState>,
    /// The stretch and its numbers, if there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub window: Option<SteadyWindow>,
}

/// How a steady state is looked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "name")]
pub enum SteadyMethod {
    /// Requests follow each other: the longest stretch with enough of them under way.
    /// Conversations of several turns are under way while they think, too.
    ClosedLoop {
        /// The limit of requests under way at once, or their peak if there was none; of
        /// conversations, if they have several turns.
        target: u64,
        /// 95 % of it, rounded up.
        threshold: u64,
    },
    /// Requests leave by a schedule: the stretch in which neither TTFT nor concurrency has a
    /// trend.
    OpenLoop,
}

/// The share of its target that a closed loop has to keep under way.
pub const STEADY_SHARE: f64 = 0.95;

/// Why a run has no steady state.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NoSteadyState {
    /// There are too few requests to tell.
    TooFew,
    /// The run holds hardly more than its beginning and its end.
    TooBrief,
    /// The requests that arrive are more than are answered, so that they pile up.
    Growing,
    /// TTFT or concurrency did not settle before the middle of the run.
    Unsettled,
    /// The load changes by plan.
    Varying,
    /// Too few requests were ever under way at once.
    NeverFull,
    /// Everything was sent at once: there was neither a rate nor a limit.
    Burst,
}

impl NoSteadyState {
    /// What the user should know, beyond that there is no steady state.
    pub fn warning(self) -> Option<String> {
        (self == NoSteadyState::Growing).then(|| {
            "there is no steady state: requests arrive faster than they are answered and pile up, \
             so that latencies depend on how long the run is; lower --request-rate"
                .to_owned()
        })
    }
}

/// A few words.
impl fmt::Display for NoSteadyState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            NoSteadyState::TooFew => "too few requests to tell",
            NoSteadyState::TooBrief => "the run is too short",
            NoSteadyState::Growing => "requests pile up",
            NoSteadyState::Unsettled => "it did not settle",
            NoSteadyState::Varying => "the load changes by plan",
            NoSteadyState::NeverFull => "too few requests at once",
            NoSteadyState::Burst => "a burst, without --max-concurrency",
        })
    }
}

/// A stretch of a run. Times are in seconds from the start of the run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SteadyWindow {
    /// Where it begins.
    pub start_s: f64,
    /// Where it ends.
    pub end_s: f64,
    /// How long it is.
    pub duration_s: f64,
    /// Its share of the duration of the run.
    pub run_share: f64,
    /// What was done in it; `None` if it is shorter than 10 s or than a tenth of the run: a
    /// moment rather than a state.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub numbers: Option<SteadyNumbers>,
}

/// The numbers of a stretch of a run.
///
/// Input tokens and latencies are those of the requests that were sent in it and completed at
/// any time, the rate of requests is that of the requests completed in it, and output tokens are
/// those that came in it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SteadyNumbers {
    /// Requests under way, averaged over time.
    pub average_concurrency: f64,
    /// Requests sent in it and completed at any time.
    pub requests_started: u64,
    /// Requests completed in it.
    pub requests_completed: u64,
    /// What was done in it, per second.
    pub throughput: Throughput,
    /// Prompt tokens per second.
    pub input_tokens_per_s: f64,
    /// TTFT, TPOT, ITL and E2EL, read strictly, as far as the run has them.
    pub metrics: BTreeMap<String, Distribution>,
    /// TTFT and TPOT as `vllm bench serve` reads them.
    pub vllm: BTreeMap<String, Distribution>,
}

impl SteadyState {
    /// Looks for the steady state of a run; `None` if no request was completed.
    ///
    /// Warm-up and probes count for nothing. The order of the records does not matter.
    pub fn of<'a>(
        records: impl IntoIterator<Item = &'a RequestRecord>,
        facts: &RunFacts,
        load: SteadyLoad,
        options: &SummaryOptions,
    ) -> Option<SteadyState> {
        let measured = records
            .into_iter()
            .filter(|record| record.kind == RequestKind::Load);
        let records: Vec<&RequestRecord> = measured.collect();
        if !records.iter().any(|record| record.outcome.is_success()) {
            return None;
        }
        let concurrency = Concurrency::of(records.iter().copied());
        let slots = facts.unpaced.then(|| Slots::of(&records));
        let peak_concurrency = concurrency.peak();
        let method = match &slots {
            Some(slots) => SteadyMethod::closed(load.max_concurrency, slots),
            None => SteadyMethod::OpenLoop,
        };
        let window = Window::of(facts);
        let found = match (&slots, method) {
            _ if load.varies => Err(NoSteadyState::Varying),
            (Some(_), _) if load.max_concurrency.is_none() => Err(NoSteadyState::Burst),
            (Some(slots), SteadyMethod::ClosedLoop { target, threshold }) => {
                find::full(&records, slots, (target, threshold), window)
            }
            _ => find::settled(&records, &concurrency, window),
        };
        let measure = |found| measure::measure(&records, &concurrency, found, facts, options);
        Some(SteadyState {
            method,
            peak_concurrency,
            absent: found.err(),
            window: found.ok().map(measure),
        })
    }
}

impl SteadyMethod {
    fn closed(max_concurrency: Option<u64>, slots: &Slots) -> SteadyMethod {
        let most = max_concurrency.unwrap_or_else(|| slots.taken.peak());
        let target = most.min(slots.turns as u64).max(1);
        SteadyMethod::ClosedLoop {
            target,
            threshold: (STEADY_SHARE * target as f64).ceil() as u64,
        }
    }
}
