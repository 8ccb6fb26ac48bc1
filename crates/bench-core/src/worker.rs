//! One thread of the load engine: a runtime of its own, its connections, its requests.

use std::cell::{Cell, RefCell};
use std::io;
use std::rc::Rc;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, mpsc};
use std::time::Duration;

use bench_http::{ConnectError, Connection, Pool, PoolOptions, WorkerClock};
use bench_stream::Clock;
use bench_types::{
    Conversation, Failure, HangUp, Nanos, Outcome, RequestKind, RequestRecord, WorkerFacts,
};
use hdrhistogram::Histogram;
use nix::time::{ClockId, clock_gettime};
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;

use crate::StopHandle;
use crate::alarm::Alarm;
use crate::answers::Answers;
use crate::lazy;
use crate::pacer::Pacer;
use crate::plan::Plan;
use crate::secrets::Secrets;
use crate::sender::send_all;
use crate::tickets::{Ticket, Tickets};
use crate::unfinished::Unfinished;

/// How often a worker compares clocks and chooses its nap.
const TICK: Duration = Duration::from_millis(100);

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
    /// Raised when the requests under way are to be cut off, for whatever reason.
    pub(crate) cut: StopHandle,
    /// What is to be sent.
    pub(crate) tickets: Arc<Tickets>,
    /// The start of the load, once all workers are ready.
    pub(crate) start: watch::Receiver<Option<Nanos>>,
}

/// What one worker hands over at its end.
pub(crate) struct WorkerReport {
    pub(crate) facts: WorkerFacts,
    pub(crate) lag: Histogram<u32>,
    pub(crate) clock_steps: u32,
    pub(crate) answers: Answers,
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
    pub(crate) cut: StopHandle,
    pub(crate) tickets: Arc<Tickets>,
    pub(crate) counters: Arc<Counters>,
    /// Requests that may wait for their first token at once, if they are limited.
    pub(crate) prefills: Option<Arc<Semaphore>>,
    records: mpsc::Sender<RequestRecord>,
    pub(crate) pacer: Pacer,
    alarm: Rc<Alarm>,
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

    /// Takes note of an answer of the measured load.
    pub(crate) fn note_answer(
        &self,
        record: &RequestRecord,
        reported: Option<u32>,
        model: Option<String>,
    ) {
        if record.kind == RequestKind::Load {
            self.answers.borrow_mut().note(record, reported, model);
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

    /// Waits until `at`; false if the run was stopped, or its time was over, before.
    pub(crate) async fn pause_until(&self, at: Nanos) -> bool {
        if at <= self.clock.now() {
            return !self.is_ending();
        }
        tokio::select! {
            () = self.alarm.until(at) => true,
            () = self.stop.stopped() => false,
            () = self.cut.cancelled() => false,
        }
    }

    /// The plan that a ticket is of.
    pub(crate) fn plan_of(&self, ticket: Ticket) -> &Plan {
        self.tickets.plan(ticket.kind)
    }

    /// The conversation that a ticket is for.
    pub(crate) fn conversation(&self, ticket: Ticket) -> &Conversation {
        &self.plan_of(ticket).conversations[ticket.conversation]
    }

    /// Whether nothing more is to be sent, not even in conversations under way.
    pub(crate) fn is_ending(&self) -> bool {
        self.stop.is_stopped() || self.cut.is_cancelled()
    }

    /// Whether the time in which requests of this kind are released is over.
    pub(crate) fn is_late(&self, kind: RequestKind) -> bool {
        let end = self.tickets.end().filter(|_| kind == self.plan.kind);
        end.is_some_and(|end| self.clock.now() > end)
    }

    /// The outcome of a request that is cut off.
    pub(crate) fn cut_off(&self) -> Unfinished {
        match self.stop.is_cancelled() {
            true => Failure::Cancelled.into(),
            false => HangUp::Censored.into(),
        }
    }

    /// The outcome of a turn that is not sent because the run ends.
    pub(crate) fn never_sent(&self) -> Outcome {
        match self.stop.is_stopped() {
            true => Outcome::Failed(Failure::Cancelled),
            false => Outcome::HungUp(HangUp::Censored),
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
        alarm: Alarm::start(clock.clone())?,
        clock,
        secrets: Secrets::of(&plan.request, plan.servers.targets()),
        stop: shared.stop.clone(),
        cut: shared.cut.clone(),
        tickets: Arc::clone(&shared.tickets),
        prefills: plan
            .prefills
            .map(|most| Arc::new(Semaphore::new(plan.share(most, index)))),
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
    if start.wait_for(Option::is_some).await.is_err() {
        return Err(io::Error::other("the run was given up before it began"));
    }

    lazy::enable();
    let (cpu_before, woken) = (thread_cpu(), cx.clock.now());
    let ticker = tokio::task::spawn_local(tick(Rc::clone(&cx)));
    let requests = send_all(&cx, index).await?;
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
