//! One thread of the load engine: a runtime of its own, its connections, its requests.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::io;
use std::rc::Rc;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::atomic::{AtomicU64, AtomicUsize};
use std::sync::{Arc, mpsc};
use std::time::Duration;

use bench_http::{ConnectError, Connection, Pool, PoolOptions, WorkerClock};
use bench_stream::Clock;
use bench_types::{Nanos, RequestRecord, WorkerFacts};
use hdrhistogram::Histogram;
use nix::time::{ClockId, clock_gettime};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::task::JoinSet;

use crate::StopHandle;
use crate::conversation::converse;
use crate::exchange::Exchange;
use crate::lazy;
use crate::pacer::Pacer;
use crate::plan::Plan;
use crate::secrets::Secrets;

/// How often a worker compares clocks and chooses its nap.
const TICK: Duration = Duration::from_millis(100);

/// At the beginning of an unpaced run all slots are free at once. Each worker sends its share
/// one after the other with this gap: no server takes requests faster than that from one
/// client, and what waits in its accept queue would look like time to the first token.
const WAVE_GAP: Nanos = Nanos::from_micros(25);

/// Connections opened at the same time before a run.
const DIALERS: usize = 64;

/// What the worker tells while it runs. On a cache line of its own, so that workers do not
/// slow each other down.
#[derive(Debug, Default)]
#[repr(align(128))]
pub(crate) struct Counters {
    pub(crate) in_flight: AtomicU64,
    pub(crate) chunks: AtomicU64,
}

/// What all workers of a phase share.
pub(crate) struct Shared {
    pub(crate) plan: Arc<Plan>,
    pub(crate) clock: Clock,
    pub(crate) stop: StopHandle,
    /// The next conversation nobody has taken.
    pub(crate) next: AtomicUsize,
    /// The start of the schedule, once all workers are ready.
    pub(crate) start: watch::Receiver<Option<Nanos>>,
}

/// What one worker hands over at its end.
pub(crate) struct WorkerReport {
    pub(crate) facts: WorkerFacts,
    pub(crate) lag: Histogram<u32>,
    pub(crate) clock_steps: u32,
    pub(crate) answers: Answers,
}

/// What the answers said that is of interest to the run as a whole.
#[derive(Debug, Default)]
pub(crate) struct Answers {
    /// Model names the server answered with, and how often.
    pub(crate) models: BTreeMap<String, u64>,
    /// Requests whose prompt the server counts differently than the dataset.
    pub(crate) mismatches: Option<Mismatches>,
    /// Answers whose body did not end after all was said.
    pub(crate) unended: u64,
    /// Pooled connections the server had closed before they were used again.
    pub(crate) stale_connections: u64,
}

impl Answers {
    pub(crate) fn merge(&mut self, other: Answers) {
        for (model, count) in other.models {
            *self.models.entry(model).or_default() += count;
        }
        self.mismatches = match (self.mismatches, other.mismatches) {
            (Some(one), Some(other)) => Some(one.and(other)),
            (one, other) => one.or(other),
        };
        self.unended += other.unended;
        self.stale_connections += other.stale_connections;
    }
}

/// Requests whose prompt has another length by the server's count than by the dataset's.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Mismatches {
    pub(crate) requests: u64,
    /// One of them: by the dataset, by the server.
    pub(crate) example: (u32, u32),
    /// How many tokens more the server counts, if it is the same number for all.
    pub(crate) more: Option<i64>,
}

impl Mismatches {
    fn of(counted: u32, reported: u32) -> Mismatches {
        Mismatches {
            requests: 1,
            example: (counted, reported),
            more: Some(i64::from(reported) - i64::from(counted)),
        }
    }

    fn and(self, other: Mismatches) -> Mismatches {
        Mismatches {
            requests: self.requests + other.requests,
            example: self.example,
            more: self.more.filter(|more| other.more == Some(*more)),
        }
    }
}

/// What became of the preparations.
#[derive(Default)]
pub(crate) struct Ready {
    /// Connections that were to be opened ahead.
    pub(crate) wanted: usize,
    /// Those that were.
    pub(crate) opened: usize,
    /// Why not all.
    pub(crate) error: Option<ConnectError>,
}

/// The ways a worker reports to the run.
pub(crate) struct Reporting {
    pub(crate) ready: tokio::sync::mpsc::UnboundedSender<Ready>,
    pub(crate) records: mpsc::Sender<RequestRecord>,
    pub(crate) counters: Arc<Counters>,
}

/// What the requests of a worker have in common.
pub(crate) struct WorkerContext {
    pub(crate) plan: Arc<Plan>,
    pub(crate) clock: WorkerClock,
    /// One pool for each server.
    pools: Vec<ServerPool>,
    pub(crate) secrets: Secrets,
    pub(crate) stop: StopHandle,
    pub(crate) counters: Arc<Counters>,
    records: mpsc::Sender<RequestRecord>,
    pacer: Pacer,
    answers: RefCell<Answers>,
    /// Idle connections wanted to each server.
    reserve: usize,
    /// Reads that brought more than one content chunk.
    pub(crate) merged: Cell<u64>,
    ended: Cell<u64>,
    time_in_requests: Cell<u64>,
}

/// The connections of a worker to one server.
struct ServerPool {
    pool: Pool,
    /// Connections being opened to refill the reserve.
    dialing: Cell<usize>,
}

impl WorkerContext {
    /// The connections to a server.
    pub(crate) fn pool(&self, server: usize) -> &Pool {
        &self.pools[server].pool
    }

    /// A connection from the pool of a server; the reserve is refilled behind it.
    pub(crate) fn take_connection(self: &Rc<Self>, server: usize) -> Option<Connection> {
        let ServerPool { pool, dialing } = &self.pools[server];
        let taken = pool.take();
        let wanted = self.reserve.saturating_sub(pool.idle());
        for _ in dialing.get()..wanted {
            dialing.set(dialing.get() + 1);
            let cx = Rc::clone(self);
            tokio::task::spawn_local(async move {
                let ServerPool { pool, dialing } = &cx.pools[server];
                // Should it fail, so will the request that needs it, and say so.
                if let Ok(connection) = pool.connect().await {
                    pool.add(connection);
                }
                dialing.set(dialing.get() - 1);
            });
        }
        taken
    }

    pub(crate) fn note_answer(
        &self,
        record: &RequestRecord,
        reported: Option<u32>,
        model: Option<String>,
    ) {
        let mut answers = self.answers.borrow_mut();
        if let Some(model) = model {
            match answers.models.get_mut(&model) {
                Some(count) => *count += 1,
                None => drop(answers.models.insert(model, 1)),
            }
        }
        if let Some(reported) = reported.filter(|reported| *reported != record.prompt_tokens) {
            let one = Mismatches::of(record.prompt_tokens, reported);
            let all = answers.mismatches.map_or(one, |all| all.and(one));
            answers.mismatches = Some(all);
        }
    }

    /// Counts an answer whose body did not end.
    pub(crate) fn note_unended(&self) {
        self.answers.borrow_mut().unended += 1;
    }

    pub(crate) fn deliver(&self, record: RequestRecord) {
        let timeline = &record.timeline;
        if let Some(sent) = timeline.sent {
            let spent = timeline.closed.since(sent);
            self.ended.set(self.ended.get() + 1);
            self.time_in_requests
                .set(self.time_in_requests.get() + spent.0);
        }
        // The run has stopped listening only if it was dropped, and then nobody misses it.
        let _ = self.records.send(record);
    }

    /// Waits until `at`; false if the run was stopped before.
    pub(crate) async fn pause_until(&self, at: Nanos) -> bool {
        let left = Duration::from(at.since(self.clock.now()));
        if left.is_zero() {
            return !self.stop.is_stopped();
        }
        tokio::select! {
            () = tokio::time::sleep(left) => true,
            () = self.stop.stopped() => false,
        }
    }
}

/// Runs worker `index` on the calling thread until no conversation is left.
pub(crate) fn run(shared: &Shared, index: usize, reporting: Reporting) -> io::Result<WorkerReport> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .on_thread_park(lazy::on_park)
        .on_thread_unpark(lazy::on_unpark)
        .build_local(Default::default())?;
    runtime.block_on(work(shared, index, reporting))
}

async fn work(shared: &Shared, index: usize, reporting: Reporting) -> io::Result<WorkerReport> {
    let plan = &shared.plan;
    let clock = WorkerClock::new(shared.clock);
    let options = PoolOptions {
        connect_timeout: plan.timeouts.connect,
        keepalive: plan.keepalive,
    };
    let pools = plan.servers.targets().map(|target| ServerPool {
        pool: Pool::new(Rc::new(target.clone()), clock.clone(), options),
        dialing: Cell::new(0),
    });
    let cx = Rc::new(WorkerContext {
        plan: Arc::clone(plan),
        pools: pools.collect(),
        pacer: Pacer::new(clock.clone())?,
        clock,
        secrets: Secrets::of(&plan.request, plan.servers.targets()),
        stop: shared.stop.clone(),
        counters: reporting.counters,
        records: reporting.records,
        answers: RefCell::default(),
        reserve: plan.share(plan.reserve, index).div_ceil(plan.servers.len()),
        merged: Cell::new(0),
        ended: Cell::new(0),
        time_in_requests: Cell::new(0),
    });
    let ready = open_ahead(&cx, plan.share(plan.warm_connections, index)).await;
    // The run waits until every worker has let go of its sender.
    let _ = reporting.ready.send(ready);
    drop(reporting.ready);
    let mut start = shared.start.clone();
    let Ok(start) = start.wait_for(Option::is_some).await.map(|start| *start) else {
        return Err(io::Error::other("the run was given up before it began"));
    };
    let start = start.unwrap_or_default();

    lazy::enable();
    let (cpu_before, woken) = (thread_cpu(), cx.clock.now());
    let ticker = tokio::task::spawn_local(tick(Rc::clone(&cx)));
    let requests = send_all(&cx, shared, index, start).await?;
    ticker.abort();
    let mut answers = cx.answers.take();
    answers.stale_connections = cx.pools.iter().map(|server| server.pool.stale()).sum();
    Ok(WorkerReport {
        facts: WorkerFacts {
            requests,
            cpu: thread_cpu().since(cpu_before),
            wall: cx.clock.now().since(woken),
            peak_connections: cx.pools.iter().map(|server| server.pool.peak_open()).sum(),
        },
        lag: cx.clock.stats().lag(),
        clock_steps: cx.clock.steps(),
        answers,
    })
}

/// Takes conversations in the order of the dataset and sends each at its time. Returns how
/// many were taken.
async fn send_all(
    cx: &Rc<WorkerContext>,
    shared: &Shared,
    index: usize,
    start: Nanos,
) -> io::Result<u64> {
    let plan = &shared.plan;
    let slots = plan
        .slots
        .map(|slots| Arc::new(Semaphore::new(plan.share(slots, index))));
    let first_wave = match plan.slots {
        Some(slots) if !plan.paced => plan.share(slots, index) as u64,
        _ => 0,
    };
    let mut next_in_wave = Nanos::ZERO;
    let mut requests = JoinSet::new();
    let mut taken = 0;
    while let Some(permit) = slot(slots.as_ref(), &shared.stop).await {
        let conversation = shared.next.fetch_add(1, Relaxed);
        let Some(offset) = plan.offsets.get(conversation) else {
            break;
        };
        // Without a schedule a request is due when there is a slot for it.
        let scheduled = if plan.paced || taken < first_wave {
            start + *offset
        } else {
            cx.clock.now()
        };
        let mut exchange = Box::new(Exchange::prepare(cx, conversation));
        tokio::select! {
            biased;
            () = shared.stop.stopped() => break,
            waited = cx.pacer.until(scheduled) => waited?,
        }
        if taken < first_wave {
            // Others get their turn while the wave is spread.
            while cx.clock.now() < next_in_wave {
                tokio::task::yield_now().await;
            }
            next_in_wave = cx.clock.now() + WAVE_GAP;
        }
        exchange.launch(scheduled);
        taken += 1;
        let cx = Rc::clone(cx);
        requests.spawn_local(async move {
            converse(cx, exchange).await;
            drop(permit);
        });
        // Tasks that ended are let go of, and the others get their turn.
        while requests.try_join_next().is_some() {}
        tokio::task::yield_now().await;
    }
    while requests.join_next().await.is_some() {}
    Ok(taken)
}

/// A free slot: `None` once the run is stopped, `Some(None)` where slots are not limited.
async fn slot(
    slots: Option<&Arc<Semaphore>>,
    stop: &StopHandle,
) -> Option<Option<OwnedSemaphorePermit>> {
    if stop.is_stopped() {
        return None;
    }
    let Some(slots) = slots else {
        return Some(None);
    };
    tokio::select! {
        biased;
        () = stop.stopped() => None,
        permit = Arc::clone(slots).acquire_owned() => permit.ok().map(Some),
    }
}

/// Opens `count` connections before the run, the same number to each server.
async fn open_ahead(cx: &Rc<WorkerContext>, count: usize) -> Ready {
    let servers = cx.pools.len();
    let count = count.next_multiple_of(servers);
    let left = Rc::new(Cell::new(count));
    let mut dialers = JoinSet::new();
    for _ in 0..DIALERS.min(count) {
        let (cx, left) = (Rc::clone(cx), Rc::clone(&left));
        dialers.spawn_local(async move {
            while let Some(rest) = left.get().checked_sub(1) {
                left.set(rest);
                let pool = cx.pool(rest % servers);
                let connection = pool.connect().await?;
                pool.add(connection);
            }
            Ok(())
        });
    }
    let mut error = None;
    while let Some(dialed) = dialers.join_next().await {
        if let Ok(Err(failed)) = dialed {
            error = Some(failed);
        }
    }
    Ready {
        wanted: count,
        opened: cx.pools.iter().map(|server| server.pool.idle()).sum(),
        error,
    }
}

/// Keeps the clock and the nap in step with what happens.
async fn tick(cx: Rc<WorkerContext>) {
    let mut interval = tokio::time::interval(TICK);
    let mut before = (cx.clock.now(), 0, 0, 0);
    interval.tick().await;
    loop {
        interval.tick().await;
        cx.clock.check();
        let (kernel, user) = cx.clock.stats().reads();
        let now = (cx.clock.now(), kernel, user, cx.merged.get());
        let mean = match cx.ended.get() {
            0 => now.0.since(before.0).0,
            ended => cx.time_in_requests.get() / ended,
        };
        lazy::adapt(&lazy::Observed {
            span: now.0.since(before.0),
            reads: now.1 + now.2 - before.1 - before.2,
            merged: now.3 - before.3,
            kernel: now.2 == before.2,
            request: Nanos(mean),
        });
        before = now;
    }
}

/// CPU time of the calling thread.
fn thread_cpu() -> Nanos {
    clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID)
        .map(|time| Duration::from(time).into())
        .unwrap_or_default()
}
