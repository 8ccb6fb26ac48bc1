//! Releases the conversations of a worker, each at its time.

use std::io;
use std::rc::Rc;
use std::sync::Arc;

use bench_types::Nanos;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinSet;

use crate::StopHandle;
use crate::conversation::converse;
use crate::exchange::{Admission, Exchange};
use crate::worker::WorkerContext;

/// At the beginning of an unpaced run all slots are free at once. Each worker sends its share
/// one after the other with this gap: no server takes requests faster than that from one
/// client, and what waits in its accept queue would look like time to the first token.
const WAVE_GAP: Nanos = Nanos::from_micros(25);

/// Takes tickets and sends each at its time until there are none. Returns how many were sent.
pub(crate) async fn send_all(cx: &Rc<WorkerContext>, index: usize) -> io::Result<u64> {
    let slots = cx.plan.slots.map(|slots| cx.plan.share(slots, index));
    let mut wave = Wave {
        left: slots.filter(|_| !cx.plan.paced).unwrap_or(0),
        next: Nanos::ZERO,
    };
    let slots = slots.map(|slots| Arc::new(Semaphore::new(slots)));
    let mut requests = JoinSet::new();
    let mut sent = 0;
    // What is due before this had to wait, if only behind others, for a slot or a place. Whatever
    // else is late is so by the client.
    let mut held_until = Nanos::ZERO;
    while let Some(Slot { permit, waited }) = slot(slots.as_ref(), &cx.stop).await {
        if waited {
            held_until = cx.clock.now();
        }
        let Some(ticket) = cx.tickets.take(|| cx.clock.now()) else {
            break;
        };
        let now = cx.clock.now();
        // Without a schedule a request is due when there is a slot for it.
        let (scheduled, released) = match ticket.due {
            Some(due) => (due, due.max(held_until).min(now)),
            None if wave.left > 0 => (ticket.begun, now),
            None => (now, now),
        };
        let mut exchange = Box::new(Exchange::prepare(cx, ticket, released));
        tokio::select! {
            biased;
            () = cx.stop.stopped() => break,
            waited = cx.pacer.until(scheduled) => waited?,
        }
        wave.keep_apart(cx).await;
        match exchange.enter_prefill().await {
            Admission::AtOnce => {}
            Admission::Waited if !cx.is_late(ticket.kind) => held_until = cx.clock.now(),
            Admission::Waited | Admission::Refused => break,
        }
        exchange.launch(scheduled);
        sent += 1;
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
    Ok(sent)
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

/// Leave to have one more request under way.
struct Slot {
    /// `None` where slots are not limited.
    permit: Option<OwnedSemaphorePermit>,
    /// Whether none was free at once.
    waited: bool,
}

/// A free slot; `None` once the run is stopped.
async fn slot(slots: Option<&Arc<Semaphore>>, stop: &StopHandle) -> Option<Slot> {
    if stop.is_stopped() {
        return None;
    }
    let at_once = |permit| Slot {
        permit,
        waited: false,
    };
    let Some(slots) = slots else {
        return Some(at_once(None));
    };
    if let Ok(permit) = Arc::clone(slots).try_acquire_owned() {
        return Some(at_once(Some(permit)));
    }
    let permit = tokio::select! {
        biased;
        () = stop.stopped() => return None,
        permit = Arc::clone(slots).acquire_owned() => permit.ok(),
    };
    Some(Slot {
        permit: Some(permit?),
        waited: true,
    })
}
