//! Releases the conversations of a worker, each at its time.

use std::io;
use std::rc::Rc;
use std::sync::Arc;

use bench_types::Nanos;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinSet;

use crate::conversation::converse;
use crate::exchange::{Admission, Exchange};
use crate::tickets::Ticket;
use crate::worker::WorkerContext;

/// At the beginning of an unpaced run all slots are free at once. Each worker sends its share
/// one after the other with this gap: no server takes requests faster than that from one
/// client, and what waits in its accept queue would look like time to the first token.
const WAVE_GAP: Nanos = Nanos::from_micros(25);

/// How long after its time another worker sends what a worker has not sent: longer than a thread
/// that is let run needs to wake up.
const PATIENCE: Nanos = Nanos::from_micros(300);

/// Takes tickets and sends each at its time until there are none. Returns how many were sent.
pub(crate) async fn send_all(cx: &Rc<WorkerContext>, index: usize) -> io::Result<u64> {
    let mut sender = Sender::new(Rc::clone(cx), index);
    while let Some(permit) = sender.wait_for_slot().await {
        if sender.send_next(permit).await?.is_none() {
            break;
        }
        // Tasks that ended are let go of, and the others get their turn.
        while sender.requests.try_join_next().is_some() {}
        tokio::task::yield_now().await;
    }
    while sender.requests.join_next().await.is_some() {}
    Ok(sender.sent)
}

struct Sender {
    cx: Rc<WorkerContext>,
    index: usize,
    /// The worker this one stands in for.
    neighbour: Option<usize>,
    slots: Option<Arc<Semaphore>>,
    wave: Wave,
    /// When it last had to wait for a slot or a place: what was due before waited too, if only
    /// behind others. Whatever else is late is so by the client.
    held_until: Nanos,
    requests: JoinSet<()>,
    sent: u64,
}

/// Leave to have one more request under way; `None` where slots are not limited.
type Permit = Option<OwnedSemaphorePermit>;

impl Sender {
    fn new(cx: Rc<WorkerContext>, index: usize) -> Sender {
        let plan = &cx.plan;
        let slots = plan.slots.map(|slots| plan.share(slots, index));
        let alone = plan.threads == 1 || !plan.paced || cx.prefills.is_some();
        Sender {
            index,
            neighbour: (!alone).then_some((index + 1) % plan.threads),
            wave: Wave {
                left: slots.filter(|_| !plan.paced).unwrap_or(0),
                next: Nanos::ZERO,
            },
            slots: slots.map(|slots| Arc::new(Semaphore::new(slots))),
            held_until: Nanos::ZERO,
            requests: JoinSet::new(),
            sent: 0,
            cx,
        }
    }

    /// A slot that is free at this moment.
    fn free_slot(&self) -> Option<Permit> {
        match &self.slots {
            Some(slots) => Some(Some(Arc::clone(slots).try_acquire_owned().ok()?)),
            None => Some(None),
        }
    }

    /// A slot; `None` once the run is stopped.
    async fn wait_for_slot(&mut self) -> Option<Permit> {
        if self.cx.stop.is_stopped() {
            return None;
        }
        if let Some(permit) = self.free_slot() {
            return Some(permit);
        }
        let slots = Arc::clone(self.slots.as_ref()?);
        let permit = tokio::select! {
            biased;
            () = self.cx.stop.stopped() => return None,
            permit = slots.acquire_owned() => permit.ok()?,
        };
        self.held_until = self.cx.clock.now();
        Some(Some(permit))
    }

    /// Takes a ticket and sends it when it is due; `None` if nothing more is to be sent.
    async fn send_next(&mut self, permit: Permit) -> io::Result<Option<()>> {
        let cx = Rc::clone(&self.cx);
        let Some(ticket) = cx.tickets.take(|| cx.clock.now()) else {
            return Ok(None);
        };
        let now = cx.clock.now();
        // Without a schedule a request is due when there is a slot for it.
        let (scheduled, released) = match ticket.due {
            Some(due) => (due, due.max(self.held_until).min(now)),
            None if self.wave.left > 0 => (ticket.begun, now),
            None => (now, now),
        };
        let shown = scheduled > now && cx.tickets.show(self.index, ticket);
        let mut exchange = Box::new(Exchange::prepare(&cx, ticket, released));
        tokio::select! {
            biased;
            () = cx.stop.stopped() => return Ok(None),
            waited = self.wait_until(scheduled) => waited?,
        }
        if shown && !cx.tickets.claim(self.index, ticket) {
            // Another worker has sent it.
            return Ok(Some(()));
        }
        self.wave.keep_apart(&cx).await;
        match exchange.enter_prefill().await {
            Admission::AtOnce => {}
            Admission::Waited if !cx.is_late(ticket.kind) => self.held_until = cx.clock.now(),
            Admission::Waited | Admission::Refused => return Ok(None),
        }
        self.launch(exchange, scheduled, permit);
        Ok(Some(()))
    }

    fn launch(&mut self, mut exchange: Box<Exchange>, scheduled: Nanos, permit: Permit) {
        exchange.launch(scheduled);
        self.sent += 1;
        let cx = Rc::clone(&self.cx);
        self.requests.spawn_local(async move {
            converse(cx, exchange).await;
            drop(permit);
        });
    }

    /// Returns at `due`. Until then it sends what its neighbour has not sent in time.
    async fn wait_until(&mut self, due: Nanos) -> io::Result<()> {
        while let Some((neighbour, ticket, scheduled)) = self.overdue_before(due) {
            let overdue = scheduled.saturating_add(PATIENCE);
            self.cx.pacer.about(overdue).await?;
            let Some(permit) = self.free_slot() else {
                break;
            };
            if self.cx.tickets.claim(neighbour, ticket) {
                let exchange = Exchange::prepare(&self.cx, ticket, scheduled);
                self.launch(Box::new(exchange), scheduled, permit);
            }
        }
        self.cx.pacer.until(due).await
    }

    /// The neighbour, the ticket it holds and when that was to leave, if it is overdue before
    /// `due`.
    fn overdue_before(&self, due: Nanos) -> Option<(usize, Ticket, Nanos)> {
        let neighbour = self.neighbour?;
        let ticket = self.cx.tickets.shown(neighbour)?;
        let scheduled = ticket.due?;
        let overdue = scheduled.saturating_add(PATIENCE) < due;
        overdue.then_some((neighbour, ticket, scheduled))
    }
}

/// The requests that find all slots free.
struct Wave {
    left: usize,
    next: Nanos,
}

impl Wave {
    /// Others get their turn while the wave is spread.
    async fn keep_apart(&mut self, cx: &WorkerContext) {
        let Some(left) = self.left.checked_sub(1) else {
            return;
        };
        while cx.clock.now() < self.next {
            tokio::task::yield_now().await;
        }
        self.left = left;
        self.next = cx.clock.now() + WAVE_GAP;
    }
}
