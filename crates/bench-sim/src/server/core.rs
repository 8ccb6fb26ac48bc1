//! The engine in real time: the state that all connections of a server share, and the
//! task that wakes each stream when its tokens are due. Everything lives on one thread.

use std::cell::{Cell, RefCell};
use std::collections::{HashMap, VecDeque};
use std::io;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant, SystemTime};

use bench_types::Nanos;
use tokio::sync::Notify;

use super::timer::Timer;
use crate::SimConfig;
use crate::engine::{Emission, Engine, Load, Sequence, SequenceId};
use crate::flavour::Flavour;
use crate::metrics::{Finished, Metrics};
use crate::stats::Shared;
use crate::tokenizer::SimTokenizer;
use crate::words::Words;

/// What all connections share.
pub(crate) struct Core {
    pub(crate) config: SimConfig,
    pub(crate) tokenizer: Arc<dyn SimTokenizer>,
    pub(crate) words: Words,
    pub(crate) shared: Arc<Shared>,
    epoch: Instant,
    /// The same moment as Unix time in seconds.
    unix_epoch: f64,
    engine: RefCell<Engine>,
    live: RefCell<HashMap<SequenceId, Live>>,
    metrics: RefCell<Metrics>,
    /// Tells the driver that there is something new to do.
    submitted: Notify,
    sequences: Cell<u64>,
    generations: Cell<u64>,
    /// Whether the server ends by resetting its connections.
    pub(crate) killed: Cell<bool>,
}

/// Time since 1970.
fn unix_time() -> Duration {
    SystemTime::UNIX_EPOCH.elapsed().unwrap_or_default()
}

/// A sequence that somebody waits for.
struct Live {
    inbox: Rc<Inbox>,
    so_far: Finished,
}

/// Where the tokens of one request arrive.
#[derive(Default)]
struct Inbox {
    queue: RefCell<VecDeque<Emission>>,
    waker: Cell<Option<Waker>>,
}

/// A sequence to generate, and how it will end.
pub(crate) struct Submission {
    /// The prompt and, after it, the output.
    pub(crate) tokens: Arc<[u32]>,
    pub(crate) prompt_tokens: u32,
    pub(crate) finish: &'static str,
}

impl Core {
    pub(crate) fn new(
        config: SimConfig,
        tokenizer: Arc<dyn SimTokenizer>,
        words: Words,
        shared: Arc<Shared>,
    ) -> Core {
        Core {
            engine: RefCell::new(Engine::new(&config)),
            config,
            tokenizer,
            words,
            shared,
            epoch: Instant::now(),
            unix_epoch: unix_time().as_secs_f64(),
            live: RefCell::default(),
            metrics: RefCell::new(Metrics::new()),
            submitted: Notify::new(),
            sequences: Cell::new(0),
            generations: Cell::new(0),
            killed: Cell::new(false),
        }
    }

    /// Time since the start of the server.
    pub(crate) fn now(&self) -> Nanos {
        self.epoch.elapsed().into()
    }

    /// Seconds since 1970.
    pub(crate) fn unix_time(&self) -> u64 {
        unix_time().as_secs()
    }

    /// Unix time, in seconds, of what [`Core::now`] counts from.
    pub(crate) fn unix_epoch(&self) -> f64 {
        self.unix_epoch
    }

    /// Numbers the requests for a generation from 1.
    pub(crate) fn next_generation(&self) -> u64 {
        self.generations.set(self.generations.get() + 1);
        self.generations.get()
    }

    /// Prometheus text.
    pub(crate) fn metrics(&self) -> String {
        let (metrics, model) = (self.metrics.borrow(), &self.config.model);
        match self.config.engine {
            Flavour::Sglang => metrics.render_sglang(model, &self.load()),
            _ => metrics.render(model, &self.load()),
        }
    }

    /// Empties the prefix cache; `false`, and nothing done, while there are requests.
    pub(crate) fn reset_prefix_cache(&self) -> bool {
        let reset = self.engine.borrow_mut().reset_prefix_cache();
        if reset {
            self.shared.update(|stats| stats.cache_resets += 1);
        }
        reset
    }

    fn load(&self) -> Load {
        self.engine.borrow().load()
    }

    /// Queues the sequences of one request that arrived at `arrived`.
    pub(crate) fn submit(self: &Rc<Core>, arrived: Nanos, all: Vec<Submission>) -> Ticket {
        let inbox = Rc::<Inbox>::default();
        let ids = all
            .into_iter()
            .map(|s| self.submit_one(arrived, s, &inbox))
            .collect();
        self.submitted.notify_one();
        Ticket {
            core: Rc::clone(self),
            inbox,
            ids,
            open: true,
        }
    }

    fn submit_one(&self, arrived: Nanos, new: Submission, inbox: &Rc<Inbox>) -> SequenceId {
        let id = SequenceId(self.sequences.get());
        self.sequences.set(id.0 + 1);
        let so_far = Finished {
            reason: new.finish,
            arrived,
            admitted: arrived,
            first: arrived,
            last: arrived,
            prompt_tokens: new.prompt_tokens,
            output_tokens: 0,
        };
        self.live.borrow_mut().insert(
            id,
            Live {
                inbox: Rc::clone(inbox),
                so_far,
            },
        );
        let sequence = Sequence {
            id,
            tokens: new.tokens,
            prompt_tokens: new.prompt_tokens,
        };
        self.engine.borrow_mut().submit(arrived, sequence);
        id
    }

    /// Forgets those of `ids` that have not finished.
    fn cancel(&self, ids: &[SequenceId]) {
        for id in ids {
            if let Some(live) = self.live.borrow_mut().remove(id) {
                self.engine.borrow_mut().cancel(*id);
                self.metrics.borrow_mut().finish(Finished {
                    reason: "abort",
                    ..live.so_far
                });
            }
        }
    }

    /// Gives tokens that are due to those who wait for them.
    fn deliver(&self, due: &mut Vec<Emission>) {
        let (mut live, mut metrics) = (self.live.borrow_mut(), self.metrics.borrow_mut());
        let mut tokens = 0;
        for emission in due.drain(..) {
            // A sequence may have been cancelled during the step.
            let Some(Live { inbox, so_far }) = live.get_mut(&emission.id) else {
                continue;
            };
            tokens += u64::from(emission.tokens);
            metrics.tokens(emission.tokens);
            match emission.admission {
                Some(admission) => {
                    so_far.admitted = admission.at;
                    so_far.first = emission.at;
                    metrics.first(emission.at.since(so_far.arrived), so_far.prompt_tokens);
                }
                None => metrics.next(emission.at.since(so_far.last)),
            }
            so_far.last = emission.at;
            so_far.output_tokens += emission.tokens;
            inbox.queue.borrow_mut().push_back(emission);
            if let Some(waker) = inbox.waker.take() {
                waker.wake();
            }
            if emission.finished {
                metrics.finish(*so_far);
                live.remove(&emission.id);
            }
        }
        self.publish_load(tokens);
    }

    fn publish_load(&self, tokens: u64) {
        let load = self.load();
        self.shared.update(|stats| {
            stats.tokens += tokens;
            stats.running = load.running;
            stats.waiting = load.waiting;
            stats.preemptions = load.preemptions;
        });
    }

    /// Runs the engine for as long as the server lives.
    pub(crate) async fn drive(&self) -> io::Result<()> {
        let timer = Timer::new()?;
        let mut due = Vec::new();
        loop {
            let next = self.engine.borrow_mut().poll(self.now(), &mut due);
            // Also without tokens: what was submitted may have been admitted.
            self.deliver(&mut due);
            match next {
                Some(at) => {
                    let at = self.epoch + Duration::from(at);
                    tokio::select! {
                        result = timer.until(at) => result?,
                        () = self.submitted.notified() => {}
                    }
                }
                None => self.submitted.notified().await,
            }
        }
    }
}

/// The sequences of one request. If it is dropped before [`Ticket::close`], the client
/// has gone away: the sequences are cancelled and the request is counted as aborted.
pub(crate) struct Ticket {
    core: Rc<Core>,
    inbox: Rc<Inbox>,
    ids: Vec<SequenceId>,
    open: bool,
}

impl Ticket {
    /// The next tokens of any of the sequences, and which one it is.
    pub(crate) fn poll(&self, cx: &mut Context<'_>) -> Poll<(usize, Emission)> {
        match self.inbox.queue.borrow_mut().pop_front() {
            Some(emission) => {
                // Ids of one request are consecutive.
                let first = self.ids.first().map_or(0, |id| id.0);
                Poll::Ready(((emission.id.0 - first) as usize, emission))
            }
            None => {
                self.inbox.waker.set(Some(cx.waker().clone()));
                Poll::Pending
            }
        }
    }

    /// The answer is over: `completed` if it is whole, otherwise what is left of the
    /// sequences is cancelled.
    pub(crate) fn close(&mut self, completed: bool) {
        if !std::mem::take(&mut self.open) {
            return;
        }
        self.core.cancel(&self.ids);
        self.core.publish_load(0);
        if completed {
            self.core.shared.update(|stats| stats.completed += 1);
        }
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        if self.open {
            self.close(false);
            self.core.shared.update(|stats| stats.aborted += 1);
        }
    }
}
