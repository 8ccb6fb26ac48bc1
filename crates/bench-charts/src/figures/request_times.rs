//! When things happened to single requests, on the clock that all requests of a run share, in
//! seconds.

use bench_report::{RequestSample, RunResult};

use super::series::counted;

/// The default of `--stall-ms`, for results that do not say what counts as a stall.
const STALL_MS: f64 = 500.0;

/// What failures are called in a legend that stand where they were sent.
pub(crate) const END_UNKNOWN: &str = "failed, end not known";

/// How many requests a note names.
const NAMED: usize = 5;

/// A request with its place in the order of the dataset, from 0: what a user finds it by in the
/// arrays of the result.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Placed<'a> {
    pub(crate) number: usize,
    pub(crate) request: &'a RequestSample,
    /// When it was sent.
    pub(crate) start: f64,
}

impl<'a> Placed<'a> {
    /// When the first token came.
    pub(crate) fn first_token(&self) -> Option<f64> {
        self.request.ttft.map(|ttft| self.start + ttft)
    }

    /// When it began to wait in the client.
    pub(crate) fn due(&self) -> f64 {
        self.start - self.request.client_queue.unwrap_or_default()
    }

    /// When the last thing is known to have happened to it.
    pub(crate) fn end(&self) -> f64 {
        let latency = self.request.e2el.or(self.request.failed_after);
        let latency = latency.map(|latency| self.start + latency);
        let chunks = self.gaps().last().map(|(_, to)| to);
        let first = self.first_token();
        [latency, chunks, first]
            .into_iter()
            .flatten()
            .fold(self.start, f64::max)
    }

    /// Whether it is known of anything after the sending when it happened.
    pub(crate) fn has_end(&self) -> bool {
        let request = self.request;
        let known = [request.e2el, request.failed_after, request.ttft];
        known.iter().any(Option::is_some)
    }

    /// The gaps between its chunks, each from one chunk to the next.
    pub(crate) fn gaps(&self) -> impl Iterator<Item = (f64, f64)> + use<'a> {
        let gaps = self.request.gaps.iter();
        let gaps = gaps.take(self.first_token().map_or(0, |_| usize::MAX));
        gaps.scan(self.first_token().unwrap_or_default(), |at, gap| {
            let from = *at;
            *at += gap;
            Some((from, *at))
        })
    }
}

/// The requests of which it is known when they were sent, in that order.
pub(crate) fn by_start(run: &RunResult) -> Vec<Placed<'_>> {
    let requests = run.requests.iter().enumerate();
    let sent = requests.filter_map(|(number, request)| {
        let start = request.start.filter(|start| start.is_finite())?;
        Some(Placed {
            number,
            request,
            start,
        })
    });
    let mut sent: Vec<Placed<'_>> = sent.collect();
    sent.sort_by(|one, other| one.start.total_cmp(&other.start));
    sent
}

/// From how many seconds on a gap is a stall: as in the run, if the result says so.
pub(crate) fn stall_threshold(run: &RunResult) -> f64 {
    let told = run.bench.as_ref().and_then(|bench| bench.summary.stalls);
    told.map_or(STALL_MS, |stalls| stalls.threshold_ms) / 1e3
}

/// How many of all requests a chart has to do without, the first of them by number, and why.
pub(crate) fn left_out(numbers: &[usize], all: usize, why: &str) -> Option<String> {
    if numbers.is_empty() {
        return None;
    }
    let mut named: Vec<String> = numbers.iter().take(NAMED).map(usize::to_string).collect();
    if numbers.len() > NAMED {
        named.push(format!("{} more", numbers.len() - NAMED));
    }
    let of = counted(all, "request");
    let count = numbers.len();
    Some(format!(
        "Without {count} of {of}, {why}: {}",
        named.join(", ")
    ))
}

/// As [`left_out`] for the requests of which it is not known when they were sent.
pub(crate) fn never_placed(run: &RunResult) -> Option<String> {
    let requests = run.requests.iter().enumerate();
    let unknown = requests.filter(|(_, request)| request.start.is_none());
    let unknown: Vec<usize> = unknown.map(|(number, _)| number).collect();
    left_out(
        &unknown,
        run.requests.len(),
        "whose time of sending is not known",
    )
}

/// `3.21 s`, or `321 ms` below one second.
pub(crate) fn span_text(seconds: f64) -> String {
    if seconds < 1.0 {
        format!("{:.0} ms", seconds * 1e3)
    } else {
        format!("{seconds:.2} s")
    }
}
