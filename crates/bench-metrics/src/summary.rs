use std::collections::BTreeMap;

use bench_types::{
    FailureClass, HangUp, Nanos, Outcome, RequestRecord, RunFacts, Task, TokenSource,
};
use serde::{Deserialize, Serialize};

use crate::distribution::ByMetric;
use crate::measurable::comes_whole;
use crate::metric::content_gaps;
use crate::reader::Reader;
use crate::slo::ratio;
use crate::window::Window;
use crate::{Convention, Distribution, Goodput, Metric, Peak, Slo, ttft};

/// What a [`Summary`] is to contain.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct SummaryOptions {
    /// The percentiles of every metric, 0 to 100.
    pub percentiles: Vec<f64>,
    /// Objectives for goodput, if any.
    pub slo: Option<Slo>,
    /// A gap between content chunks longer than this is a stall.
    pub stall_threshold: Nanos,
    /// What the servers were asked to do.
    pub task: Task,
    /// Whether answers were streamed. Without streams there is no first token to be timed.
    pub streamed: bool,
}

impl Default for SummaryOptions {
    fn default() -> SummaryOptions {
        SummaryOptions {
            percentiles: vec![99.0],
            slo: None,
            stall_threshold: Nanos::from_millis(500),
            task: Task::Generate,
            streamed: true,
        }
    }
}

/// All numbers of a run, under every convention. A pure function of its records.
///
/// What such a run does not have is absent and not 0: see [`crate::measurable`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Summary {
    /// From the start of the run to the end of its last request, in seconds; of a run that was
    /// limited in time, that time.
    pub duration_s: f64,
    /// Numbers of requests.
    pub requests: Counts,
    /// Numbers of tokens.
    pub tokens: TokenTotals,
    /// Completed work per second of `duration_s`.
    pub throughput: Throughput,
    /// What was embedded, scored or ranked; only for [`Task::Pool`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub inputs: Option<InputTotals>,
    /// What was transcribed; only for [`Task::Transcribe`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub audio: Option<AudioTotals>,
    /// Read as `vllm bench serve` does.
    pub vllm: View,
    /// Read strictly, from `sent`.
    pub strict: View,
    /// Read strictly, from `scheduled`.
    pub intended: View,
    /// Long silences inside streams; `None` if answers come whole.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stalls: Option<Stalls>,
    /// Failed requests by class, the commonest first.
    pub failures: Vec<FailureCount>,
    /// What the limit in time cut through; `None` in a run that ended with its last request.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub time_limit: Option<TimeLimit>,
    /// What is known of requests that the client hung up on as a user would; `None` if there
    /// are none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cancellations: Option<Cancellations>,
}

/// A run that was limited in time: its throughput counts what was done before the limit, and
/// its latencies are those of every request that was sent before.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct TimeLimit {
    /// The limit in seconds from the start.
    pub seconds: f64,
    /// Requests answered whole before it.
    pub completed_before: u64,
    /// Requests answered whole after it: their latencies count, and of their tokens those that
    /// came before it.
    pub completed_after: u64,
}

/// Requests that the client hung up on, as users do.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Cancellations {
    /// How many.
    pub requests: u64,
    /// Those of them that had no token yet.
    pub before_first_token: u64,
    /// The TTFT of the others in milliseconds, read strictly.
    pub ttft: Distribution,
}

/// Numbers of requests. All records, and all requests that a schedule has times for, are one of
/// completed, failed, cancelled, censored and unsent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    /// In the plan, sent or not.
    pub planned: u64,
    /// That left the client, or tried to: all but those cancelled before.
    pub sent: u64,
    /// Answered whole.
    pub completed: u64,
    /// Not answered whole, through no choice of the workload.
    pub failed: u64,
    /// That the client hung up on, as a user would.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub cancelled: u64,
    /// Cut off when the time of the run was over. They count as slower than any other in
    /// percentiles with failures.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub censored: u64,
    /// Never sent: the conversation they belong to was cancelled or censored, or they were
    /// planned for a time and the run ended before they left.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub unsent: u64,
}

pub(crate) fn is_zero(count: &u64) -> bool {
    *count == 0
}

/// Token counts of completed requests, and where they come from.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TokenTotals {
    /// Prompt tokens.
    pub input: u64,
    /// Generated tokens; `None` if the task generates none, or if nobody counted them for any
    /// completed request. Requests whose source is unknown add nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub output: Option<u64>,
    /// Prompt tokens the server took from its cache, if it said so for any request.
    pub cached: Option<u64>,
    /// Sources of the prompt tokens.
    pub input_sources: Vec<SourceCount>,
    /// Sources of the generated tokens, if the task generates any.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub output_sources: Vec<SourceCount>,
    /// Sources of the tokens of single chunks, if answers are streamed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub chunk_sources: Vec<SourceCount>,
}

/// For how many requests a token count comes from one source.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SourceCount {
    /// The source.
    pub source: TokenSource,
    /// Number of completed requests.
    pub requests: u64,
}

/// Completed work per second.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Throughput {
    /// Completed requests per second.
    pub requests_per_s: f64,
    /// Generated tokens per second; `None` as [`TokenTotals::output`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub output_tokens_per_s: Option<f64>,
    /// Prompt and generated tokens per second, as far as they were counted.
    pub total_tokens_per_s: f64,
}

/// The inputs of completed requests: the texts of a batch, the documents to be ranked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct InputTotals {
    /// How many.
    pub total: u64,
    /// How many per second of the run.
    pub per_s: f64,
}

/// The recordings of completed requests.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct AudioTotals {
    /// How long they play, in seconds.
    pub seconds: f64,
    /// Seconds of audio per second of the run: the inverse real-time factor.
    pub rtfx: f64,
}

/// The numbers that depend on the convention.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct View {
    /// Whose rules were applied.
    pub convention: Convention,
    /// Distributions by metric name; only metrics that are defined under this convention and
    /// differ from the view before.
    pub metrics: ByMetric,
    /// The busiest moments; `None` for the intended view, which has no stamps of its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub peak: Option<Peak>,
    /// Goodput, if objectives were set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub goodput: Option<Goodput>,
}

/// Silences between content chunks longer than a threshold.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Stalls {
    /// The threshold in milliseconds.
    pub threshold_ms: f64,
    /// Gaps above it.
    pub gaps: u64,
    /// Completed requests with such a gap.
    pub requests: u64,
    /// The longest gap of all in milliseconds, above the threshold or not.
    pub longest_ms: f64,
    /// The request with that gap.
    pub longest_request: Option<u64>,
}

/// The failed requests of one class.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FailureCount {
    /// The class, such as `status_503` or `timeout_idle`.
    pub class: String,
    /// How many.
    pub count: u64,
    /// What the first of them said.
    pub example: String,
}

impl Summary {
    /// Reads records under every convention. Their order does not matter.
    pub fn of<'a>(
        records: impl IntoIterator<Item = &'a RequestRecord>,
        facts: &RunFacts,
        options: &SummaryOptions,
    ) -> Summary {
        let records: Vec<&RequestRecord> = records.into_iter().collect();
        Summary::read(&records, facts, options)
    }

    fn read(records: &[&RequestRecord], facts: &RunFacts, options: &SummaryOptions) -> Summary {
        let completed = records.iter().copied();
        let completed: Vec<_> = completed.filter(|r| r.outcome.is_success()).collect();
        let requests = Counts::of(records, facts);
        let tokens = TokenTotals::of(&completed, options);
        let run = Run {
            records,
            completed: &completed,
            requests,
            tokens: &tokens,
            window: Window::of(facts),
            options,
        };
        let mut reader = Reader::new(&completed, requests.lost(), options);
        let vllm = reader.read(Convention::Vllm, &ByMetric::new());
        let strict = reader.read(Convention::Strict, &vllm);
        let intended = reader.read(Convention::Intended, &strict);
        Summary {
            duration_s: run.window.seconds,
            requests,
            throughput: run.throughput(),
            inputs: run.inputs(),
            audio: run.audio(),
            tokens: tokens.clone(),
            vllm: run.view(Convention::Vllm, vllm),
            strict: run.view(Convention::Strict, strict),
            intended: run.view(Convention::Intended, intended),
            stalls: (!comes_whole(options.task, options.streamed))
                .then(|| Stalls::of(&completed, options.stall_threshold)),
            failures: FailureCount::of(records),
            time_limit: run.time_limit(),
            cancellations: Cancellations::of(records, &options.percentiles),
        }
    }

    /// Requests that were sent and failed, as a share of all that were sent; 0 if none was.
    pub fn failure_rate(&self) -> f64 {
        let Counts { sent, censored, .. } = self.requests;
        let failed = self.requests.lost() - censored;
        ratio(failed as f64, sent as f64)
    }

    /// The view of a convention.
    pub fn view(&self, convention: Convention) -> &View {
        match convention {
            Convention::Vllm => &self.vllm,
            Convention::Strict => &self.strict,
            Convention::Intended => &self.intended,
        }
    }
}

impl View {
    /// The distribution of a metric, if this view has it.
    pub fn metric(&self, metric: &Metric) -> Option<&Distribution> {
        self.metrics.get(metric.name)
    }
}

/// Whether a request left the client, or failed in the attempt: all but those that were
/// cancelled before.
pub fn was_sent(record: &RequestRecord) -> bool {
    let tried = match &record.outcome {
        Outcome::Completed(_) => true,
        Outcome::Failed(failure) => failure.class() != FailureClass::Cancelled,
        Outcome::HungUp(_) => false,
    };
    tried || record.timeline.sent.is_some()
}

impl Counts {
    fn of(records: &[&RequestRecord], facts: &RunFacts) -> Counts {
        let left = facts.planned.saturating_sub(records.len() as u64);
        let mut counts = Counts {
            planned: facts.planned,
            // Without a schedule nothing was due.
            unsent: if facts.unpaced { 0 } else { left },
            ..Counts::default()
        };
        for record in records {
            let sent = was_sent(record);
            counts.sent += u64::from(sent);
            *match &record.outcome {
                Outcome::Completed(_) => &mut counts.completed,
                Outcome::Failed(_) => &mut counts.failed,
                Outcome::HungUp(_) if !sent => &mut counts.unsent,
                Outcome::HungUp(HangUp::Cancelled) => &mut counts.cancelled,
                Outcome::HungUp(HangUp::Censored) => &mut counts.censored,
            } += 1;
        }
        counts
    }

    /// Sent, to be answered, and not answered whole: failed or censored.
    pub fn lost(&self) -> u64 {
        self.awaited() - self.completed
    }

    /// Sent, and not to be cancelled.
    fn awaited(&self) -> u64 {
        self.sent - self.cancelled
    }
}

impl Cancellations {
    fn of(records: &[&RequestRecord], percentiles: &[f64]) -> Option<Cancellations> {
        let cancelled = |record: &&&RequestRecord| {
            record.outcome.hang_up() == Some(HangUp::Cancelled) && was_sent(record)
        };
        let all = records.iter().filter(cancelled);
        let requests = all.clone().count() as u64;
        let first = all.filter_map(|record| ttft(record, Convention::Strict));
        let mut samples: Vec<f64> = first.map(Nanos::as_millis_f64).collect();
        (requests > 0).then(|| Cancellations {
            requests,
            before_first_token: requests - samples.len() as u64,
            ttft: Distribution::of(&mut samples, percentiles),
        })
    }
}

/// What the parts of a summary are computed from.
struct Run<'a> {
    records: &'a [&'a RequestRecord],
    completed: &'a [&'a RequestRecord],
    requests: Counts,
    tokens: &'a TokenTotals,
    window: Window,
    options: &'a SummaryOptions,
}

impl Run<'_> {
    fn throughput(&self) -> Throughput {
        let window = self.window;
        let rate = |count: f64| ratio(count, window.seconds);
        let input: f64 = self.tokens_by(Window::input_tokens);
        let output = self
            .tokens
            .output
            .map(|_| self.tokens_by(Window::output_tokens));
        Throughput {
            requests_per_s: rate(self.in_window().count() as f64),
            output_tokens_per_s: output.map(rate),
            total_tokens_per_s: rate(input + output.unwrap_or(0.0)),
        }
    }

    fn tokens_by(&self, count: fn(&Window, &RequestRecord) -> f64) -> f64 {
        total(
            self.completed
                .iter()
                .map(|record| count(&self.window, record)),
        )
    }

    /// The completed requests that ended in the window.
    fn in_window(&self) -> impl Iterator<Item = &RequestRecord> {
        let completed = self.completed.iter().copied();
        completed.filter(|record| self.window.has_end_of(record))
    }

    fn time_limit(&self) -> Option<TimeLimit> {
        let completed_before = self.in_window().count() as u64;
        self.window.is_limited().then_some(TimeLimit {
            seconds: self.window.seconds,
            completed_before,
            completed_after: self.requests.completed - completed_before,
        })
    }

    fn inputs(&self) -> Option<InputTotals> {
        let total = self.completed.iter().map(|r| u64::from(r.inputs)).sum();
        let inside: u64 = self.in_window().map(|r| u64::from(r.inputs)).sum();
        (self.options.task == Task::Pool).then_some(InputTotals {
            total,
            per_s: ratio(inside as f64, self.window.seconds),
        })
    }

    fn audio(&self) -> Option<AudioTotals> {
        let length = |record: &RequestRecord| record.audio.unwrap_or_default().as_secs_f64();
        (self.options.task == Task::Transcribe).then_some(AudioTotals {
            seconds: total(self.completed.iter().map(|record| length(record))),
            rtfx: ratio(total(self.in_window().map(length)), self.window.seconds),
        })
    }

    fn view(&self, convention: Convention, metrics: ByMetric) -> View {
        let peak = match convention {
            Convention::Vllm => Some(Peak::in_buckets(self.completed)),
            Convention::Strict => Some(Peak::exact(self.records, self.completed)),
            Convention::Intended => None,
        };
        let whole = comes_whole(self.options.task, self.options.streamed);
        View {
            convention,
            metrics,
            peak: peak.map(|peak| if whole { peak.of_requests() } else { peak }),
            goodput: self.goodput(convention),
        }
    }

    fn goodput(&self, convention: Convention) -> Option<Goodput> {
        let slo = self.options.slo.as_ref().filter(|slo| !slo.is_empty())?;
        let asked = self.requests.awaited();
        let goodput = Goodput::of(self.completed, asked, self.window, (slo, convention));
        let tokens_per_s = goodput.tokens_per_s;
        Some(Goodput {
            tokens_per_s: tokens_per_s.filter(|_| self.tokens.output.is_some()),
            ..goodput
        })
    }
}

/// The sum, which of no numbers is 0 and not -0.
fn total(numbers: impl Iterator<Item = f64>) -> f64 {
    numbers.fold(0.0, |sum, number| sum + number)
}

impl TokenTotals {
    fn of(completed: &[&RequestRecord], options: &SummaryOptions) -> TokenTotals {
        let generated = options.task != Task::Pool;
        let chunks = !comes_whole(options.task, options.streamed);
        let total = |count: fn(&RequestRecord) -> u32| {
            completed
                .iter()
                .map(|record| u64::from(count(record)))
                .sum()
        };
        let cached = completed.iter().filter_map(|record| record.cached_tokens);
        let unknown = |record: &&RequestRecord| record.output_tokens_source == TokenSource::Unknown;
        let counted = completed.is_empty() || !completed.iter().all(unknown);
        TokenTotals {
            input: total(|record| record.prompt_tokens),
            output: (generated && counted).then(|| total(|record| record.output_tokens)),
            cached: cached.map(u64::from).reduce(|a, b| a + b),
            input_sources: sources(completed, |record| record.prompt_tokens_source),
            output_sources: match generated {
                true => sources(completed, |record| record.output_tokens_source),
                false => Vec::new(),
            },
            chunk_sources: match chunks {
                true => sources(completed, |record| record.chunk_tokens),
                false => Vec::new(),
            },
        }
    }
}

fn sources(
    completed: &[&RequestRecord],
    source: fn(&RequestRecord) -> TokenSource,
) -> Vec<SourceCount> {
    const ORDER: [TokenSource; 7] = [
        TokenSource::Usage,
        TokenSource::TokenIds,
        TokenSource::OnePerChunk,
        TokenSource::Tokenizer,
        TokenSource::Dataset,
        TokenSource::Chunks,
        TokenSource::Unknown,
    ];
    let count = |wanted| {
        let requests = completed.iter().filter(|record| source(record) == wanted);
        SourceCount {
            source: wanted,
            requests: requests.count() as u64,
        }
    };
    let counts = ORDER.into_iter().map(count);
    counts.filter(|count| count.requests > 0).collect()
}

impl Stalls {
    fn of(completed: &[&RequestRecord], threshold: Nanos) -> Stalls {
        let mut stalls = Stalls {
            threshold_ms: threshold.as_millis_f64(),
            ..Stalls::default()
        };
        let mut longest = Nanos::ZERO;
        for record in completed {
            let mut gaps = 0;
            for gap in content_gaps(record) {
                gaps += u64::from(gap > threshold);
                let earlier = stalls.longest_request.is_none_or(|id| record.id < id);
                if gap > longest || (gap == longest && earlier) {
                    longest = gap;
                    stalls.longest_request = Some(record.id);
                }
            }
            stalls.gaps += gaps;
            stalls.requests += u64::from(gaps > 0);
        }
        stalls.longest_ms = longest.as_millis_f64();
        stalls
    }
}

impl FailureCount {
    fn of(records: &[&RequestRecord]) -> Vec<FailureCount> {
        let mut classes: BTreeMap<FailureClass, (u64, &RequestRecord)> = BTreeMap::new();
        for record in records {
            if let Outcome::Failed(failure) = &record.outcome {
                let (count, first) = classes.entry(failure.class()).or_insert((0, record));
                *count += 1;
                if record.id < first.id {
                    *first = record;
                }
            }
        }
        let mut failures: Vec<FailureCount> = classes
            .into_iter()
            .map(|(class, (count, first))| FailureCount {
                class: class.to_string(),
                count,
                example: first
                    .outcome
                    .failure()
                    .map_or_else(String::new, ToString::to_string),
            })
            .collect();
        failures.sort_by_key(|failure| std::cmp::Reverse(failure.count));
        failures
    }
}
