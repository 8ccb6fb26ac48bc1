use std::collections::BTreeMap;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Method};

/// What a simulated server has seen and done so far.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct SimStats {
    /// Requests for a generation, whatever became of them.
    pub requests: u64,
    /// Of which those that were understood, by the model they asked for.
    pub models: BTreeMap<String, u64>,
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
    /// Times the prefix cache was emptied on request.
    pub cache_resets: u64,
    /// Profiles started on request.
    pub profiles_started: u64,
    /// Profiles stopped on request.
    pub profiles_stopped: u64,
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
    inner: Mutex<Inner>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct Inner {
    stats: SimStats,
    /// Threads in [`Shared::wait_until`]. Waking costs a system call even if there is
    /// nobody to wake, which is too much for every step.
    waiting: usize,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Inner> {
        // Counters are whole after every statement, so a panic elsewhere spoils nothing.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn snapshot(&self) -> SimStats {
        self.lock().stats.clone()
    }

    pub(crate) fn update(&self, change: impl FnOnce(&mut SimStats)) {
        let mut inner = self.lock();
        change(&mut inner.stats);
        if inner.waiting > 0 {
            self.changed.notify_all();
        }
    }

    /// Waits until `condition` holds; `false` if it did not within `timeout`.
    pub(crate) fn wait_until(
        &self,
        timeout: Duration,
        mut condition: impl FnMut(&SimStats) -> bool,
    ) -> bool {
        let mut inner = self.lock();
        inner.waiting += 1;
        let still = |inner: &mut Inner| !condition(&inner.stats);
        let waited = self.changed.wait_timeout_while(inner, timeout, still);
        let (mut inner, result) = waited.unwrap_or_else(PoisonError::into_inner);
        inner.waiting -= 1;
        !result.timed_out()
    }
}
