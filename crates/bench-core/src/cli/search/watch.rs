//! Follows a point of a search and stops it once it is decided.

use bench_metrics::Judge;
use bench_types::{Nanos, RequestRecord};

use super::super::ProgressBar;
use super::Ending;
use crate::{Observer, Phase, Progress, StopHandle};

/// Judges the requests of a point while they end.
pub(super) struct Watch {
    bar: ProgressBar,
    judge: Judge,
    stop: StopHandle,
    limit: Nanos,
    measuring: bool,
    stopped: Option<Ending>,
}

impl Watch {
    /// `stop` ends the point; after `limit` it is stopped undecided.
    pub(super) fn new(bar: ProgressBar, judge: Judge, stop: StopHandle, limit: Nanos) -> Watch {
        Watch {
            bar,
            judge,
            stop,
            limit,
            measuring: false,
            stopped: None,
        }
    }

    /// Why the point was stopped, if it was.
    pub(super) fn stopped(&self) -> Option<Ending> {
        self.stopped
    }
}

impl Observer for Watch {
    fn phase(&mut self, phase: Phase) {
        self.measuring |= matches!(phase, Phase::Measuring { .. });
        // That a point is stopped is news only if it was the user.
        if !(phase == Phase::Draining && self.stopped.is_some()) {
            self.bar.phase(phase);
        }
    }

    fn record(&mut self, record: &RequestRecord) {
        // Warm-ups end here, too.
        if self.measuring {
            self.judge.take(record);
        }
        self.bar.record(record);
    }

    fn progress(&mut self, progress: &Progress) {
        self.bar.progress(progress);
        if !self.measuring || self.stop.is_stopped() {
            return;
        }
        self.stopped = match self.judge.certain() {
            Some(_) => Some(Ending::Decided),
            None if progress.elapsed >= self.limit => Some(Ending::OutOfTime),
            None => None,
        };
        if self.stopped.is_some() {
            self.stop.stop();
        }
    }
}
