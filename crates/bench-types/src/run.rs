use serde::{Deserialize, Serialize};

use crate::Nanos;

/// Which clock stamped what was received.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ReceiveClock {
    /// Every stamp is the kernel's receive time.
    Kernel,
    /// Some are the kernel's, some were taken in user space.
    Mixed,
    /// Every stamp was taken in user space, at the read.
    #[default]
    User,
}

/// How a run came to its end.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RunEnd {
    /// Every request of the plan was sent and ended.
    #[default]
    Complete,
    /// The user stopped it: the results are partial.
    Interrupted,
}

/// What ended a warm-up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WarmUpEnd {
    /// As many conversations were sent as were asked for.
    Count,
    /// It had lasted as long as it was to last.
    Time,
    /// The server had become steady.
    Stable,
    /// The run was stopped before anything was measured.
    Stopped,
    /// Not known: the run was killed.
    #[default]
    Unknown,
}

/// Facts about the warm-up of a run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct WarmUpFacts {
    /// When its load began.
    pub start: Nanos,
    /// When the measured load took over; of a warm-up that stood apart, when its last request
    /// ended.
    pub end: Nanos,
    /// What ended it.
    pub ended_by: WarmUpEnd,
    /// Whether it was to go on until the server was steady, and whether that came about.
    #[serde(default)]
    pub became_stable: Option<bool>,
    /// Whether all of its requests had ended before the measured load began, because something
    /// was asked of the servers between them.
    #[serde(default)]
    pub apart: bool,
}

/// A distribution of delays boiled down.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LagSummary {
    /// Number of samples.
    pub count: u64,
    /// Median.
    pub p50: Nanos,
    /// 99th percentile.
    pub p99: Nanos,
    /// Largest.
    pub max: Nanos,
}

/// What one worker thread of the client did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct WorkerFacts {
    /// Requests it sent.
    pub requests: u64,
    /// CPU time its thread used during the run.
    pub cpu: Nanos,
    /// The wall time in which it used it: from just before the run's start to the worker's end.
    pub wall: Nanos,
    /// The most connections it had open at once.
    pub peak_connections: u32,
}

impl WorkerFacts {
    /// Share of one core that the worker used, 0 to 1.
    pub fn cpu_share(&self) -> f64 {
        if self.wall == Nanos::ZERO {
            return 0.0;
        }
        self.cpu.as_secs_f64() / self.wall.as_secs_f64()
    }
}

/// What a server counted of its prefix cache while the load was measured.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PrefixCacheCounts {
    /// Which of the run's servers it is, from 0.
    pub server_index: u16,
    /// Prompt tokens that were looked up.
    pub queried_tokens: u64,
    /// Those of them that were found.
    pub hit_tokens: u64,
}

/// Facts about a run that no single request knows.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct RunFacts {
    /// Wall-clock time of the run's epoch, in seconds since 1970.
    pub epoch_unix: f64,
    /// The run's start on its own clock: schedule offset zero.
    pub start: Nanos,
    /// When the last request ended.
    pub end: Nanos,
    /// How long requests were released, from `start`, in a run that was limited in time: what
    /// was done in this window makes the throughput. `None` in a run that ended with its last
    /// request.
    #[serde(default)]
    pub window: Option<Nanos>,
    /// The warm-up before `start`, if there was one.
    #[serde(default)]
    pub warm_up: Option<WarmUpFacts>,
    /// How it ended.
    pub ended: RunEnd,
    /// Requests in the plan, sent or not.
    pub planned: u64,
    /// One entry per worker thread.
    pub workers: Vec<WorkerFacts>,
    /// Delay from the kernel's receive stamp to the read in user space.
    pub read_lag: LagSummary,
    /// Times the wall clock stepped by more than a millisecond during the run; reads near a
    /// step are stamped in user space.
    pub clock_steps: u32,
    /// Share of the time of all CPUs, 0 to 1, that the host took from this virtual machine
    /// during the run (the steal time of Linux); `None` if the system does not tell.
    #[serde(default)]
    pub stolen_cpu: Option<f64>,
    /// Whether requests went out as early as slots allowed (no rate), so that lateness
    /// against the schedule says nothing about the client.
    pub unpaced: bool,
    /// The target is the built-in simulated server.
    pub simulated: bool,
    /// The prefix caches of the servers that tell of theirs.
    #[serde(default)]
    pub prefix_caches: Vec<PrefixCacheCounts>,
}
