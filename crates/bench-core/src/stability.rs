//! Whether a server that is being warmed up has become steady.

use std::collections::VecDeque;

use bench_metrics::{Convention, e2el, ttft};
use bench_types::{Nanos, RequestRecord};

/// Windows that are compared: the earlier half with the later one.
const WINDOWS: usize = 4;

/// How far the two halves may be apart, as a share of the larger.
const TOLERANCE: f64 = 0.1;

/// A window has at least this many requests, and as many as there are slots.
const FEWEST: usize = 16;

/// A window lasts at least this long.
const SHORTEST: Nanos = Nanos::from_millis(250);

/// Compares windows of a warm-up.
///
/// A window ends when at least 16 requests, and one for each slot, have ended in it, and 250 ms
/// at the earliest. The server is steady when of the last four windows the mean of the earlier
/// two is within 10 % of that of the later two, both in content chunks per second (requests per
/// second, where answers come whole) and in the median TTFT (E2EL, where answers come whole).
pub(crate) struct Stability {
    least: usize,
    windows: VecDeque<Window>,
    open: Open,
}

#[derive(Clone, Copy)]
struct Window {
    per_second: f64,
    latency: f64,
}

/// The requests without which nobody can tell whether a server with so many slots is steady.
#[cfg(feature = "cli")]
pub(crate) fn least_requests(slots: Option<usize>) -> usize {
    slots.unwrap_or(0).max(FEWEST).saturating_mul(WINDOWS)
}

/// The window that is still going on.
#[derive(Default)]
struct Open {
    since: Nanos,
    chunks: u64,
    ended: usize,
    latencies: Vec<Nanos>,
}

impl Stability {
    /// From `start` on, of a load with this many slots, if they are limited.
    pub(crate) fn new(start: Nanos, slots: Option<usize>) -> Stability {
        Stability {
            least: slots.unwrap_or(0).max(FEWEST),
            windows: VecDeque::with_capacity(WINDOWS + 1),
            open: Open {
                since: start,
                ..Open::default()
            },
        }
    }

    /// A request of the warm-up ended.
    pub(crate) fn ended(&mut self, record: &RequestRecord) {
        self.open.ended += 1;
        let first = ttft(record, Convention::Strict);
        let latency = first.or_else(|| e2el(record, Convention::Strict));
        let latency = latency.filter(|_| record.outcome.is_success());
        self.open.latencies.extend(latency);
    }

    /// Whether the server is steady `now`, when it has sent `chunks` in all.
    pub(crate) fn look(&mut self, now: Nanos, chunks: u64) -> bool {
        let span = now.since(self.open.since);
        if self.open.ended < self.least || span < SHORTEST {
            return false;
        }
        let next = Open {
            since: now,
            chunks,
            ..Open::default()
        };
        let mut over = std::mem::replace(&mut self.open, next);
        let done = match chunks - over.chunks {
            0 => over.ended as u64,
            chunks => chunks,
        };
        over.latencies.sort_unstable();
        let median = over.latencies.get(over.latencies.len() / 2);
        self.windows.push_back(Window {
            per_second: done as f64 / span.as_secs_f64(),
            // Without a single answer there is nothing steady.
            latency: median.map_or(f64::NAN, |median| median.as_secs_f64()),
        });
        if self.windows.len() > WINDOWS {
            self.windows.pop_front();
        }
        self.is_steady()
    }

    fn is_steady(&self) -> bool {
        let half = |skip: usize, of: fn(&Window) -> f64| -> f64 {
            self.windows
                .iter()
                .skip(skip)
                .take(WINDOWS / 2)
                .map(of)
                .sum()
        };
        let close = |of: fn(&Window) -> f64| {
            let (earlier, later) = (half(0, of), half(WINDOWS / 2, of));
            // Never true of NaN.
            (earlier - later).abs() <= TOLERANCE * earlier.max(later)
        };
        self.windows.len() == WINDOWS
            && close(|window| window.per_second)
            && close(|window| window.latency)
    }
}

#[cfg(test)]
mod tests {
    use bench_types::{
        Failure, Finish, Mark, MarkKind, Outcome, ReceiveCounts, RequestKind, Timeline, TokenSource,
    };

    use super::*;

    fn answered(ttft_ms: u64) -> RequestRecord {
        let mark = Mark {
            at: Nanos::from_millis(ttft_ms),
            kind: MarkKind::Text,
            tokens: 1,
        };
        RequestRecord {
            id: 0,
            conversation: 0,
            turn: 0,
            server_index: 0,
            model_index: 0,
            class_index: 0,
            kind: RequestKind::WarmUp,
            inputs: 1,
            audio: None,
            prompt_tokens: 1,
            prompt_tokens_source: TokenSource::Dataset,
            cached_tokens: None,
            expected_cached_tokens: None,
            max_output_tokens: 1,
            output_tokens: 1,
            output_tokens_source: TokenSource::Usage,
            chunk_tokens: TokenSource::Usage,
            timeline: Timeline {
                sent: Some(Nanos::ZERO),
                marks: vec![mark],
                ..Timeline::default()
            },
            outcome: Outcome::Completed(Finish::Length),
            server: None,
            receive: ReceiveCounts::default(),
            transcript: None,
        }
    }

    /// In which of these windows of a second, given by their chunks and their TTFT in
    /// milliseconds, the server is found steady.
    fn steady_after(windows: &[(u64, u64)]) -> Option<usize> {
        let mut stability = Stability::new(Nanos::ZERO, Some(20));
        let mut chunks = 0;
        (0..).zip(windows).find_map(|(number, &(more, ttft))| {
            for _ in 0..20 {
                stability.ended(&answered(ttft));
            }
            chunks += more;
            let now = Nanos::from_millis((number as u64 + 1) * 1000);
            stability.look(now, chunks).then_some(number)
        })
    }

    #[test]
    fn four_windows_alike_are_steady() {
        assert_eq!(steady_after(&[(1000, 50); 3]), None);
        assert_eq!(steady_after(&[(1000, 50); 4]), Some(3));
        // The first one is far off, and leaves the comparison after the fifth.
        let rising = [(200, 50), (1000, 50), (1000, 50), (1000, 50), (1000, 50)];
        assert_eq!(steady_after(&rising), Some(4));
    }

    #[test]
    fn both_throughput_and_latency_must_hold_still() {
        let slower: Vec<(u64, u64)> = (1..=12).map(|n| (1000, 50 * n)).collect();
        assert_eq!(steady_after(&slower[..6]), None, "a queue that grows");
        let faster: Vec<(u64, u64)> = (1..=6).map(|n| (300 * n, 50)).collect();
        assert_eq!(steady_after(&faster), None);
    }

    #[test]
    fn a_window_waits_for_its_requests_and_for_its_time() {
        let mut stability = Stability::new(Nanos::ZERO, None);
        for second in 1..100 {
            stability.ended(&answered(50));
            let now = Nanos::from_millis(second * 1000);
            let steady = stability.look(now, second * 100);
            // A window for every 16 seconds.
            assert_eq!(
                steady,
                second == 64 || second == 80 || second == 96,
                "{second}"
            );
        }
        let mut soon = Stability::new(Nanos::ZERO, None);
        for look in 0..100 {
            for _ in 0..16 {
                soon.ended(&answered(50));
            }
            assert!(!soon.look(Nanos::from_millis(look), look), "{look}");
        }
    }

    #[test]
    fn a_server_that_only_fails_is_not_steady() {
        let mut stability = Stability::new(Nanos::ZERO, None);
        let failed = RequestRecord {
            outcome: Outcome::Failed(Failure::NoTokens),
            ..answered(50)
        };
        for second in 1..20 {
            for _ in 0..16 {
                stability.ended(&failed);
            }
            assert!(!stability.look(Nanos::from_millis(second * 1000), 0));
        }
    }
}
