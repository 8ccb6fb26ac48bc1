use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::{HeaderMap, Method};

/// What a simulated server has seen and done so far.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct SimStats {
    /// Requests for a generation, whatever became of them.
    pub requests: u64,
    /// Generations answered to their end.
    pub completed: u64,
    /// Generations given up because the client went away.
    pub aborted: u64,
    /// Requests answered with at least one fault.
    pub faulted: u64,
    /// Output tokens given out by the engine.
    pub tokens: u64,
    /// Sequences being generated.
    pub running: usize,
    /// Sequences waiting for a slot.
    pub waiting: usize,
    /// Preemptions.
    pub preemptions: u64,
    /// Connections accepted.
    pub connections: u64,
    /// Connections open now.
    pub open_connections: u64,
    /// Every request in order of arrival, if [`crate::SimConfig::record`] is set.
    pub recorded: Vec<RecordedRequest>,
}

/// A request as it arrived.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct RecordedRequest {
    /// When its headers had arrived, since the start of the server.
    pub arrived: Duration,
    /// The connection it came on, counted from 1.
    pub connection: u64,
    /// Its method.
    pub method: Method,
    /// Its path, without the query.
    pub path: String,
    /// Its headers.
    pub headers: HeaderMap,
    /// Its body.
    pub body: Bytes,
}

/// Statistics shared between the server's thread and its handle.
#[derive(Debug, Default)]
pub(crate) struct Shared {
    stats: Mutex<SimStats>,
    changed: Condvar,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, SimStats> {
        // Counters are whole after every statement, so a panic elsewhere spoils nothing.
        self.stats.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn snapshot(&self) -> SimStats {
        self.lock().clone()
    }

    pub(crate) fn update(&self, change: impl FnOnce(&mut SimStats)) {
        change(&mut self.lock());
        self.changed.notify_all();
    }

    /// Waits until `condition` holds; `false` if it did not within `timeout`.
    pub(crate) fn wait_until(
        &self,
        timeout: Duration,
        mut condition: impl FnMut(&SimStats) -> bool,
    ) -> bool {
        let end = Instant::now() + timeout;
        let mut stats = self.lock();
        while !condition(&stats) {
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return false;
            }
            let waited = self.changed.wait_timeout(stats, left);
            stats = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
        true
    }
}
