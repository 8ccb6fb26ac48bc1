//! Reading late on purpose.
//!
//! Where the kernel stamps what is received, a worker may let bytes wait in their sockets:
//! the stamps stay exact, and one wake-up then serves many streams, which is most of what a
//! token costs a client. So before a worker's thread goes to sleep it may first nap for a
//! moment without listening at all. It naps only while
//!
//! - every read so far was stamped by the kernel,
//! - enough reads come in for several to be collected in one nap,
//! - tokens of one stream do not pile up in one read, which would blur their stamps,
//! - requests last so long that starting the next one a nap later changes nothing: a nap is
//!   at most [`SHARE`] of a request's duration.
//!
//! The state belongs to the thread because tokio's hooks know no other.

use std::cell::Cell;
use std::time::{Duration, Instant};

use bench_types::Nanos;

/// The longest nap.
const LONGEST: Duration = Duration::from_micros(250);

/// A nap lasts at most this share of a typical request: 1/400.
const SHARE: u32 = 400;

/// Reads that one nap must be expected to collect, to be worth its own system call.
const WORTHWHILE: f64 = 2.0;

/// Reads with several chunks, of all reads, from which naps could be what merged them.
const MERGED_LIMIT: f64 = 0.02;

#[derive(Clone, Copy)]
struct State {
    enabled: bool,
    /// How long a nap is at present; zero for none.
    nap: Duration,
    /// When the thread was last woken.
    woken: Option<Instant>,
    /// When it must be awake again.
    wanted: Option<Instant>,
}

thread_local! {
    static STATE: Cell<State> = const {
        Cell::new(State { enabled: false, nap: Duration::ZERO, woken: None, wanted: None })
    };
}

fn update(change: impl FnOnce(&mut State)) {
    let mut state = STATE.get();
    change(&mut state);
    STATE.set(state);
}

/// What a worker saw since it last called [`adapt`].
pub(crate) struct Observed {
    /// Wall time since then.
    pub(crate) span: Nanos,
    /// Socket reads.
    pub(crate) reads: u64,
    /// Those that brought more than one content chunk.
    pub(crate) merged: u64,
    /// Whether the kernel stamped all of them.
    pub(crate) kernel: bool,
    /// Mean duration of the requests so far, of the running ones if none has ended.
    pub(crate) request: Nanos,
}

/// Allows this thread to nap.
pub(crate) fn enable() {
    update(|state| state.enabled = true);
}

/// Chooses the nap from what was seen.
pub(crate) fn adapt(seen: &Observed) {
    let nap = nap_for(seen);
    update(|state| state.nap = nap);
}

fn nap_for(seen: &Observed) -> Duration {
    let nap = LONGEST.min(Duration::from(seen.request) / SHARE);
    let expected = seen.reads as f64 * nap.as_secs_f64() / seen.span.as_secs_f64().max(1e-9);
    let merged = seen.merged as f64 / (seen.reads as f64).max(1.0);
    if seen.kernel && expected >= WORTHWHILE && merged <= MERGED_LIMIT {
        nap
    } else {
        Duration::ZERO
    }
}

/// Tells that the thread must be awake again after `span`.
pub(crate) fn expect(span: Nanos) {
    update(|state| state.wanted = Some(Instant::now() + Duration::from(span)));
}

/// Takes [`expect`] back.
pub(crate) fn expect_nothing() {
    update(|state| state.wanted = None);
}

/// To be called when the thread has nothing to do: naps, if it may.
pub(crate) fn on_park() {
    let state = STATE.get();
    let (true, Some(woken)) = (state.enabled && !state.nap.is_zero(), state.woken) else {
        return;
    };
    let mut until = woken + state.nap;
    if let Some(wanted) = state.wanted {
        until = until.min(wanted);
    }
    let nap = until.saturating_duration_since(Instant::now());
    if !nap.is_zero() {
        std::thread::sleep(nap);
    }
}

/// To be called when the thread has been woken.
pub(crate) fn on_unpark() {
    if STATE.get().enabled {
        update(|state| state.woken = Some(Instant::now()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BUSY: Observed = Observed {
        span: Nanos::from_millis(100),
        reads: 2_500,
        merged: 0,
        kernel: true,
        request: Nanos::from_millis(2_000),
    };

    #[test]
    fn many_streams_are_read_together() {
        assert_eq!(nap_for(&BUSY), LONGEST);
    }

    #[test]
    fn no_nap_without_kernel_stamps_or_with_few_reads_or_merged_ones() {
        let none = Duration::ZERO;
        assert_eq!(
            nap_for(&Observed {
                kernel: false,
                ..BUSY
            }),
            none
        );
        assert_eq!(nap_for(&Observed { reads: 5, ..BUSY }), none);
        assert_eq!(
            nap_for(&Observed {
                merged: 100,
                ..BUSY
            }),
            none
        );
        assert_eq!(nap_for(&Observed { reads: 0, ..BUSY }), none);
    }

    #[test]
    fn short_requests_are_not_held_up() {
        let short = Observed {
            request: Nanos::from_millis(4),
            ..BUSY
        };
        assert_eq!(nap_for(&short), Duration::ZERO);
        let busier = Observed {
            reads: 100_000,
            ..short
        };
        assert_eq!(nap_for(&busier), Duration::from_micros(10));
    }
}
