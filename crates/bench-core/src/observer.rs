use bench_types::{Nanos, RequestRecord};

/// What a run is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// Asking the server whether it is there, until it answers.
    ReadyCheck,
    /// Opening connections.
    Connecting,
    /// Sending requests that are not measured.
    WarmUp {
        /// How many; `None` if time or the server will tell.
        requests: Option<u64>,
    },
    /// Measuring.
    Measuring {
        /// Requests in the plan; `None` if time will tell.
        requests: Option<u64>,
    },
    /// Stopped by the user; waiting for the requests under way.
    Draining,
    /// The time of the run is over; waiting for the requests under way.
    TimeOver,
    /// Over; working out the numbers.
    Done,
}

/// Where a run stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// Requests of the phase that ended, well or not.
    pub done: u64,
    /// Those of them that failed.
    pub failed: u64,
    /// Requests under way.
    pub in_flight: u64,
    /// Content chunks received, which is about the number of tokens.
    pub chunks: u64,
    /// Time since the measured phase began; zero before.
    pub elapsed: Nanos,
}

/// Watches a run. Every method has an empty default; all are called on the task that executes
/// the run, never on a worker, a few times a second.
pub trait Observer: Send {
    /// A phase begins.
    fn phase(&mut self, _: Phase) {}
    /// A request ended. Called once for each measured request.
    fn record(&mut self, _: &RequestRecord) {}
    /// Called some ten times a second while requests are under way.
    fn progress(&mut self, _: &Progress) {}
}

/// Watches nothing.
impl Observer for () {}
