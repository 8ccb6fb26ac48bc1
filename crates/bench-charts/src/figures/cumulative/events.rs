//! Every token of a run as an event.

use bench_report::{RequestSample, RunResult};

use super::{Counting, TokenTotals};
use crate::NoChart;

/// The tokens that came at one moment.
#[derive(Clone, Copy, Debug)]
pub(super) struct Event {
    /// When, on the clock of the run.
    pub(super) at: f64,
    /// How many.
    pub(super) tokens: u32,
    /// Of which request.
    pub(super) request: u32,
}

/// All tokens of a run in the order in which they came, of which there is at least one.
pub(super) struct Events {
    pub(super) all: Vec<Event>,
    counting: Counting,
    requests: usize,
    lacking: Vec<usize>,
}

impl Events {
    pub(super) fn of(run: &RunResult) -> Result<Events, NoChart> {
        if run.requests.is_empty() {
            return Err(NoChart::no_details(super::ID, run));
        }
        let mut events = Vec::new();
        let mut lacking = Vec::new();
        let mut counted = 0;
        for (number, request) in run.requests.iter().enumerate() {
            let Some(start) = start(request) else {
                lacking.push(number);
                continue;
            };
            let weights = weights(request);
            counted += usize::from(weights.is_some());
            add(start, request, weights, number as u32, &mut events);
        }
        let requests = run.requests.len() - lacking.len();
        if events.is_empty() {
            return Err(NoChart::lacking(
                super::ID,
                run,
                format!(
                    "times of tokens: {requests} of {} requests have their start, their TTFT and \
                     the gaps of their stream",
                    run.requests.len()
                ),
                "stream the answers and run bench-serve with --save-detailed or \
                 --save-requests json",
            ));
        }
        events.sort_unstable_by(|one, other| one.at.total_cmp(&other.at));
        Ok(Events {
            all: events,
            counting: match counted {
                0 => Counting::Chunks,
                all if all == requests => Counting::Tokens,
                _ => Counting::Mixed,
            },
            requests,
            lacking,
        })
    }

    pub(super) fn totals(&self) -> TokenTotals {
        let tokens = self.all.iter().map(|event| u64::from(event.tokens)).sum();
        let ends = self.all.first().zip(self.all.last());
        let duration_s = ends.map_or(0.0, |(first, last)| last.at - first.at);
        TokenTotals {
            tokens,
            duration_s,
            tokens_per_s: (duration_s > 0.0).then(|| tokens as f64 / duration_s),
            counting: self.counting,
            requests: self.requests,
            lacking: self.lacking.clone(),
        }
    }

    /// When the first token came.
    pub(super) fn first(&self) -> f64 {
        self.all.first().map_or(0.0, |event| event.at)
    }
}

/// When a request was sent, if the times of its tokens are known too.
fn start(request: &RequestSample) -> Option<f64> {
    let (start, ttft) = (request.start?, request.ttft?);
    let later = request.e2el.is_some_and(|e2el| e2el > ttft) && request.gaps.is_empty();
    // Of an answer that came in one piece, the end is the first token.
    (start.is_finite() && ttft.is_finite() && !later).then_some(start)
}

/// The tokens of each chunk, if they are known.
fn weights(request: &RequestSample) -> Option<&[u32]> {
    let fits = request.chunk_tokens.len() == request.gaps.len() + 1;
    fits.then_some(&request.chunk_tokens)
}

fn add(
    start: f64,
    request: &RequestSample,
    weights: Option<&[u32]>,
    number: u32,
    events: &mut Vec<Event>,
) {
    let mut at = start + request.ttft.unwrap_or_default();
    for chunk in 0..=request.gaps.len() {
        if chunk > 0 {
            at += request.gaps[chunk - 1];
        }
        let tokens = weights.map_or(1, |weights| weights[chunk]);
        // A chunk without a token, such as one that only names the role, is no event.
        if tokens > 0 {
            events.push(Event {
                at,
                tokens,
                request: number,
            });
        }
    }
}
