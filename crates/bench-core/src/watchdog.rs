//! The time limits of a request.

use std::pin::Pin;
use std::time::Duration;

use bench_types::{Failure, HangUp, Nanos, TimeoutPhase};
use tokio::time::Sleep;

use crate::Timeouts;
use crate::unfinished::Unfinished;

/// Wakes a request whose time is up. The timer is not touched for every read: when it rings,
/// it looks at the stamps and is set again if there is time left.
pub(crate) struct Watchdog {
    pub(crate) sleep: Pin<Box<Sleep>>,
    limits: Timeouts,
    /// When the client hangs up on a request that is not over, counted from `sent`.
    patience: Option<Duration>,
    sent: Nanos,
    /// The last read.
    pub(crate) last: Nanos,
}

/// A timer that is not to ring is set this far ahead.
const NEVER: Duration = Duration::from_secs(365 * 24 * 60 * 60);

impl Watchdog {
    pub(crate) fn new(limits: &Timeouts, patience: Option<Duration>, sent: Nanos) -> Watchdog {
        let soonest = [limits.first_token, limits.idle, limits.total, patience]
            .into_iter()
            .flatten()
            .min()
            .unwrap_or(NEVER);
        Watchdog {
            sleep: Box::pin(tokio::time::sleep(soonest)),
            limits: *limits,
            patience,
            sent,
            last: sent,
        }
    }

    /// Whether there is time left; sets the timer to when there is none.
    pub(crate) fn check(&mut self, now: Nanos, content_seen: bool) -> Result<(), Unfinished> {
        let first_token = self.limits.first_token.filter(|_| !content_seen);
        let due = [
            (TimeoutPhase::Total, self.sent, self.limits.total),
            (TimeoutPhase::FirstToken, self.sent, first_token),
            (TimeoutPhase::Idle, self.last, self.limits.idle),
        ];
        let mut next = NEVER;
        if let Some(patience) = self.patience {
            let left = self.sent.saturating_add(patience.into()).since(now);
            if left == Nanos::ZERO {
                return Err(HangUp::Cancelled.into());
            }
            next = left.into();
        }
        for (phase, from, limit) in due {
            let Some(limit) = limit else { continue };
            let left = from.saturating_add(limit.into()).since(now);
            if left == Nanos::ZERO {
                return Err(Failure::Timeout(phase).into());
            }
            next = next.min(left.into());
        }
        self.ring_after(next);
        Ok(())
    }

    /// Sets the timer anew.
    pub(crate) fn ring_after(&mut self, time: Duration) {
        let at = tokio::time::Instant::now() + time;
        self.sleep.as_mut().reset(at);
    }
}
