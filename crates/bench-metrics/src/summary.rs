use std::collections::BTreeMap;

use bench_types::{FailureClass, Nanos, Outcome, RequestRecord, RunFacts, TokenSource};
use serde::{Deserialize, Serialize};

use crate::distribution::ByMetric;
use crate::metric::{chunk_tokens_known, content_gaps};
use crate::slo::ratio;
use crate::{Convention, Distribution, Goodput, METRICS, Metric, Peak, Slo};

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
}

impl Default for SummaryOptions {
    fn default() -> SummaryOptions {
        SummaryOptions {
            percentiles: vec![99.0],
            slo: None,
            stall_threshold: Nanos::from_millis(500),
        }
    }
}

/// All numbers of a run, under every convention. A pure function of its records.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Summary {
    /// From the start of the run to the end of its last request, in seconds.
    pub duration_s: f64,
    /// Numbers of requests.
    pub requests: Counts,
    /// Numbers of tokens.
    pub tokens: TokenTotals,
    /// Completed work per second of `duration_s`.
    pub throughput: Throughput,
    /// Read as `vllm bench serve` does.
    pub vllm: View,
    /// Read strictly, from `sent`.
    pub strict: View,
    /// Read strictly, from `scheduled`.
    pub intended: View,
    /// Long silences inside streams.
    pub stalls: Stalls,
    /// Failed requests by class, the commonest first.
    pub failures: Vec<FailureCount>,
}

/// Numbers of requests.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    /// In the plan, sent or not.
    pub planned: u64,
    /// That left the client, or tried to: all but those cancelled before.
    pub sent: u64,
    /// Answered whole.
    pub completed: u64,
    /// Not answered whole.
    pub failed: u64,
}

/// Token counts of completed requests, and where they come from.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TokenTotals {
    /// Prompt tokens.
    pub input: u64,
    /// Generated tokens.
    pub output: u64,
    /// Prompt tokens the server took from its cache, if it said so for any request.
    pub cached: Option<u64>,
    /// Sources of the prompt tokens.
    pub input_sources: Vec<SourceCount>,
    /// Sources of the generated tokens.
    pub output_sources: Vec<SourceCount>,
    /// Sources of the tokens of single chunks.
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
    /// Generated tokens per second.
    pub output_tokens_per_s: f64,
    /// Prompt and generated tokens per second.
    pub total_tokens_per_s: f64,
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
    pub fn of(records: &[RequestRecord], facts: &RunFacts, options: &SummaryOptions) -> Summary {
        let completed: Vec<&RequestRecord> = records
            .iter()
            .filter(|record| record.outcome.is_success())
            .collect();
        let requests = Counts {
            planned: facts.planned,
            sent: records.iter().filter(|record| left(record)).count() as u64,
            completed: completed.len() as u64,
            failed: (records.len() - completed.len()) as u64,
        };
        let duration_s = facts.end.since(facts.start).as_secs_f64();
        let tokens = TokenTotals::of(&completed);
        let mut reader = Reader {
            lost: requests.sent - requests.completed,
            completed: &completed,
            shape: Shape::of(&completed),
            percentiles: &options.percentiles,
            samples: Vec::new(),
        };
        let goodput = |convention| {
            let slo = options.slo.as_ref().filter(|slo| !slo.is_empty())?;
            Some(Goodput::of(
                &completed,
                requests.sent,
                duration_s,
                (slo, convention),
            ))
        };
        let vllm = View {
            convention: Convention::Vllm,
            metrics: reader.read(Convention::Vllm, &ByMetric::new()),
            peak: Some(Peak::in_buckets(&completed)),
            goodput: goodput(Convention::Vllm),
        };
        let strict = View {
            convention: Convention::Strict,
            metrics: reader.read(Convention::Strict, &vllm.metrics),
            peak: Some(Peak::exact(records, &completed)),
            goodput: goodput(Convention::Strict),
        };
        let intended = View {
            convention: Convention::Intended,
            metrics: reader.read(Convention::Intended, &strict.metrics),
            peak: None,
            goodput: goodput(Convention::Intended),
        };
        Summary {
            duration_s,
            requests,
            throughput: Throughput {
                requests_per_s: ratio(requests.completed as f64, duration_s),
                output_tokens_per_s: ratio(tokens.output as f64, duration_s),
                total_tokens_per_s: ratio((tokens.input + tokens.output) as f64, duration_s),
            },
            tokens,
            vllm,
            strict,
            intended,
            stalls: Stalls::of(&completed, options.stall_threshold),
            failures: FailureCount::of(records),
        }
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

/// Whether the request left the client, or failed in the attempt.
fn left(record: &RequestRecord) -> bool {
    let cancelled = record.outcome.failure().map(|failure| failure.class());
    record.timeline.sent.is_some() || cancelled != Some(FailureClass::Cancelled)
}

/// Turns completed requests into distributions, with one buffer for all samples.
struct Reader<'a> {
    completed: &'a [&'a RequestRecord],
    lost: u64,
    shape: Shape,
    percentiles: &'a [f64],
    samples: Vec<f64>,
}

impl Reader<'_> {
    fn read(&mut self, convention: Convention, vllm: &ByMetric) -> ByMetric {
        let mut read = ByMetric::new();
        for metric in METRICS {
            if metric.conventions.contains(&convention) {
                let known = self.known(metric, convention, vllm, &read);
                let distribution = known.unwrap_or_else(|| self.measure(metric, convention));
                read.insert(metric.name.to_owned(), distribution);
            }
        }
        read
    }

    /// A metric with a sample for every token that has the very samples of another one, as
    /// the shape of the streams shows.
    fn known(
        &self,
        metric: &Metric,
        convention: Convention,
        vllm: &ByMetric,
        read: &ByMetric,
    ) -> Option<Distribution> {
        let Shape {
            bare,
            single,
            counted,
        } = self.shape;
        match (metric.name, convention) {
            ("itl", Convention::Strict) if bare && single => vllm.get("itl").cloned(),
            ("chunk_gap", Convention::Strict) if single => read.get("itl").cloned(),
            ("chunk_gap", Convention::Strict) if bare => vllm.get("itl").cloned(),
            ("burst_size", Convention::Strict) if single => {
                Some(Distribution::constant(1.0, counted, self.percentiles))
            }
            _ => None,
        }
    }

    fn measure(&mut self, metric: &Metric, convention: Convention) -> Distribution {
        self.samples.clear();
        for record in self.completed {
            (metric.observe)(record, convention, &mut self.samples);
        }
        if metric.per_request {
            Distribution::with_failures(&mut self.samples, self.lost, self.percentiles)
        } else {
            Distribution::of(&mut self.samples, self.percentiles)
        }
    }
}

/// What the streams of a run have in common.
#[derive(Clone, Copy)]
struct Shape {
    /// Every chunk with a choice carries content.
    bare: bool,
    /// Every content chunk stands for one token, and no other chunk brings any.
    single: bool,
    /// Content chunks whose tokens were counted; only if `single`.
    counted: u64,
}

impl Shape {
    fn of(completed: &[&RequestRecord]) -> Shape {
        let mut shape = Shape {
            bare: true,
            single: true,
            counted: 0,
        };
        for record in completed {
            let known = chunk_tokens_known(record);
            for mark in record.timeline.choices() {
                let content = mark.kind.is_content();
                let tokens = if known {
                    mark.tokens
                } else {
                    u16::from(content)
                };
                shape.bare &= content;
                shape.single &= tokens == u16::from(content);
                shape.counted += u64::from(known && content);
            }
            if !shape.bare && !shape.single {
                break;
            }
        }
        shape
    }
}

impl TokenTotals {
    fn of(completed: &[&RequestRecord]) -> TokenTotals {
        let total = |count: fn(&RequestRecord) -> u32| {
            completed
                .iter()
                .map(|record| u64::from(count(record)))
                .sum()
        };
        let cached = completed.iter().filter_map(|record| record.cached_tokens);
        TokenTotals {
            input: total(|record| record.prompt_tokens),
            output: total(|record| record.output_tokens),
            cached: cached.map(u64::from).reduce(|a, b| a + b),
            input_sources: sources(completed, |record| record.prompt_tokens_source),
            output_sources: sources(completed, |record| record.output_tokens_source),
            chunk_sources: sources(completed, |record| record.chunk_tokens),
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
    fn of(records: &[RequestRecord]) -> Vec<FailureCount> {
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
