//! What is asked of the servers around the measured load: empty your cache, start and stop
//! your profiler.

use std::time::Duration;

use bench_http::Target;
use http::{Method, StatusCode};
use tokio::sync::{oneshot, watch};
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::{Instant, sleep, timeout};

use crate::RunError;
use crate::observer::{Observer, Phase, Progress};
use crate::probe::{Asker, WRONG_KEY, wants_key};

/// How the servers are prepared for the measured load, and watched during it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Control {
    /// Empty the prefix cache of every server right before the measured load.
    pub reset_cache: bool,
    /// How long a server may take until it has nothing to do and empties its cache: it refuses
    /// to while requests are under way, and the last one may take a while to be gone.
    pub cache_timeout: Duration,
    /// Run the profiler of every server during it.
    pub profile: Option<Profile>,
}

/// Nothing is asked; a cache would have 10 s.
impl Default for Control {
    fn default() -> Self {
        Control {
            reset_cache: false,
            cache_timeout: Duration::from_secs(10),
            profile: None,
        }
    }
}

/// When the servers' profilers run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Profile {
    /// Start once this many requests are under way, rather than before the first.
    pub batch_threshold: Option<u64>,
    /// Stop after this long, rather than after the last request.
    pub duration: Option<Duration>,
}

/// A profiler may write gigabytes before it answers.
const PROFILER_LIMIT: Duration = Duration::from_secs(600);

const CACHE_LIMIT: Duration = Duration::from_secs(10);
const CACHE_PAUSE: Duration = Duration::from_millis(200);

/// The routes by which servers empty their prefix caches: vLLM's and SGLang's.
const CACHE_ROUTES: &[&str] = &["/reset_prefix_cache", "/flush_cache"];

/// Empties the prefix cache of every server, each of which may take `patience` to be idle.
///
/// # Errors
/// If one of them cannot or will not.
pub(crate) async fn reset_caches<'t>(
    targets: impl Iterator<Item = &'t Target>,
    asker: &Asker,
    patience: Duration,
) -> Result<(), RunError> {
    for target in targets {
        reset_cache(target, asker, patience).await?;
    }
    Ok(())
}

async fn reset_cache(target: &Target, asker: &Asker, patience: Duration) -> Result<(), RunError> {
    let deadline = Instant::now() + patience;
    for path in CACHE_ROUTES {
        loop {
            let response = asker.ask(target, Method::POST, path, CACHE_LIMIT).await?;
            if response.status.is_success() {
                return Ok(());
            }
            if is_missing(response.status) {
                break;
            }
            let refused = wants_key(response.status);
            if refused || Instant::now() >= deadline {
                return Err(RunError::Control {
                    url: format!("{}{path}", target.url()),
                    answer: asker.explain(&response),
                    cure: match refused {
                        true => WRONG_KEY,
                        false => "its cache can be emptied only while it has nothing to do",
                    },
                });
            }
            sleep(CACHE_PAUSE).await;
        }
    }
    Err(RunError::Control {
        url: target.url().to_owned(),
        answer: format!("it has none of {}", CACHE_ROUTES.join(", ")),
        cure: "vLLM has the route if VLLM_SERVER_DEV_MODE=1 is set where it runs",
    })
}

fn is_missing(status: StatusCode) -> bool {
    matches!(
        status,
        StatusCode::NOT_FOUND | StatusCode::METHOD_NOT_ALLOWED | StatusCode::NOT_IMPLEMENTED
    )
}

/// The profilers of all servers, from their start to their stop.
pub(crate) struct Profiling {
    /// Gone when the measured load is over.
    running: oneshot::Sender<()>,
    task: JoinHandle<Vec<String>>,
}

impl Profiling {
    /// Starts the profilers, or waits for the time to start them. `in_flight` follows the
    /// number of requests under way.
    ///
    /// # Errors
    /// If they are to be started now and one of them cannot be.
    pub(crate) async fn begin(
        profile: Profile,
        targets: Vec<Target>,
        asker: Asker,
        in_flight: watch::Receiver<u64>,
    ) -> Result<Profiling, RunError> {
        let (running, over) = oneshot::channel();
        let profilers = Profilers { targets, asker };
        if profile.batch_threshold.is_none() {
            profilers.start().await.map_err(RunError::of_several)?;
        }
        let task = tokio::spawn(profilers.follow(profile, in_flight, over));
        Ok(Profiling { running, task })
    }

    /// The measured load is over: stops the profilers and says what went wrong with them.
    pub(crate) async fn end(self) -> Vec<String> {
        drop(self.running);
        self.task.await.unwrap_or_default()
    }
}

struct Profilers {
    targets: Vec<Target>,
    asker: Asker,
}

impl Profilers {
    async fn follow(
        self,
        profile: Profile,
        mut in_flight: watch::Receiver<u64>,
        mut over: oneshot::Receiver<()>,
    ) -> Vec<String> {
        if let Some(threshold) = profile.batch_threshold {
            tokio::select! {
                biased;
                reached = in_flight.wait_for(|count| *count >= threshold) => {
                    if reached.is_err() {
                        return vec![never_reached(threshold)];
                    }
                }
                _ = &mut over => return vec![never_reached(threshold)],
            }
            if let Err(errors) = self.start().await {
                return errors.iter().map(ToString::to_string).collect();
            }
        }
        match profile.duration {
            // It does not matter which of the two comes first.
            Some(limit) => drop(timeout(limit, over).await),
            None => drop(over.await),
        }
        let (_, errors) = ask_all(self.targets, &self.asker, "/stop_profile").await;
        errors.iter().map(ToString::to_string).collect()
    }

    /// Starts all profilers or, if one of them cannot be started, none.
    async fn start(&self) -> Result<(), Vec<RunError>> {
        let targets = self.targets.clone();
        let (started, mut errors) = ask_all(targets, &self.asker, "/start_profile").await;
        if errors.is_empty() {
            return Ok(());
        }
        let (_, left_on) = ask_all(started, &self.asker, "/stop_profile").await;
        errors.extend(left_on);
        Err(errors)
    }
}

/// Asks the profilers of all `targets` at once: those that did what was asked, and what is wrong
/// with the others.
async fn ask_all(
    targets: Vec<Target>,
    asker: &Asker,
    path: &'static str,
) -> (Vec<Target>, Vec<RunError>) {
    let mut asked = JoinSet::new();
    for target in targets {
        let asker = asker.clone();
        asked.spawn(async move { ask_profiler(&target, &asker, path).await.map(|()| target) });
    }
    let (mut done, mut errors) = (Vec::new(), Vec::new());
    for answer in asked.join_all().await {
        match answer {
            Ok(target) => done.push(target),
            Err(error) => errors.push(error),
        }
    }
    (done, errors)
}

async fn ask_profiler(target: &Target, asker: &Asker, path: &str) -> Result<(), RunError> {
    let response = asker
        .ask(target, Method::POST, path, PROFILER_LIMIT)
        .await?;
    if response.status.is_success() {
        return Ok(());
    }
    Err(RunError::Control {
        url: format!("{}{path}", target.url()),
        answer: asker.explain(&response),
        cure: match wants_key(response.status) {
            true => WRONG_KEY,
            false => {
                "the profiler has to be enabled where the server is started \
                 (vLLM: --profiler-config)"
            }
        },
    })
}

fn never_reached(threshold: u64) -> String {
    format!(
        "the profiler was not started: {threshold} requests were not seen to be under way at once"
    )
}

/// Tells another task how many requests are under way.
pub(crate) struct InFlight<'o> {
    pub(crate) observer: &'o mut dyn Observer,
    pub(crate) sender: watch::Sender<u64>,
}

impl Observer for InFlight<'_> {
    fn phase(&mut self, phase: Phase) {
        self.observer.phase(phase);
    }

    fn record(&mut self, record: &bench_types::RequestRecord) {
        self.observer.record(record);
    }

    fn progress(&mut self, progress: &Progress) {
        self.sender.send_replace(progress.in_flight);
        self.observer.progress(progress);
    }
}
