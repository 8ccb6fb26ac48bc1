//! What the schema of `vllm bench serve` has no place for in a single request.

use bench_metrics::chunk_tokens_known;
use bench_types::{Nanos, RequestRecord, TokenSource};
use serde::{Deserialize, Serialize};

use crate::{Bench, Column};

/// What stands under `bench` in a result: of the run, and of its requests if the result has
/// details.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct DetailedBench<'a> {
    /// Of the run.
    #[serde(flatten)]
    pub run: Bench,
    /// Of its requests.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub per_request: Option<PerRequest<'a>>,
}

/// What this toolkit adds to the arrays of a result, in their order.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct PerRequest<'a> {
    /// Seconds from the start of each request to its failure, or to the moment the client hung
    /// up; zero if it was answered whole.
    pub failed_after: Column<'a, f64>,
    /// Tokens of each chunk, the first one included; nothing where that is not known. Absent
    /// if it is known of no request, or if every chunk of the run had one token: see
    /// [`PerRequest::one_each`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub chunk_tokens: Option<Column<'a, Vec<u32>>>,
}

impl<'a> PerRequest<'a> {
    /// Of these records; `streams` unless answers come whole.
    pub(crate) fn of(records: &'a [&'a RequestRecord], streams: bool) -> PerRequest<'a> {
        let completed = || records.iter().filter(|record| record.outcome.is_success());
        let known = completed().any(|record| chunk_tokens_known(record));
        let telling = streams && known && !completed().all(|record| has_one_each(record));
        PerRequest {
            failed_after: Column::computed(records, |record| {
                failed_after(record).unwrap_or_default().as_secs_f64()
            }),
            chunk_tokens: telling.then(|| Column::computed(records, chunk_tokens)),
        }
    }

    /// Whether every chunk of the run that these requests are of brought one token, so that
    /// their tokens are absent though they are known.
    pub fn one_each(&self, run: &Bench) -> bool {
        let guessed = [TokenSource::Chunks, TokenSource::Unknown];
        let sources = &run.summary.tokens.chunk_sources;
        let counted = |source: &TokenSource| !guessed.contains(source);
        let all_counted = sources.iter().all(|count| counted(&count.source));
        self.chunk_tokens.is_none() && !sources.is_empty() && all_counted
    }
}

fn has_one_each(record: &RequestRecord) -> bool {
    let mut chunks = record.timeline.choices().peekable();
    chunk_tokens_known(record) && chunks.peek().is_some() && chunks.all(|mark| mark.tokens == 1)
}

/// When a request was sent, or would have been.
pub(crate) fn start(record: &RequestRecord) -> Nanos {
    let timeline = &record.timeline;
    timeline.sent.unwrap_or(timeline.released)
}

/// How long a request lasted that was not answered whole.
pub(crate) fn failed_after(record: &RequestRecord) -> Option<Nanos> {
    let failed = !record.outcome.is_success();
    failed.then(|| record.timeline.closed.since(start(record)))
}

/// Tokens of each chunk of an answer that is whole; empty if that is not known.
pub(crate) fn chunk_tokens(record: &RequestRecord) -> Vec<u32> {
    if record.outcome.is_success() && chunk_tokens_known(record) {
        let chunks = record.timeline.choices();
        chunks.map(|mark| u32::from(mark.tokens)).collect()
    } else {
        Vec::new()
    }
}
