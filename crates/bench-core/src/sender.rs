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
    while let Some(permit) = slot(slots.as_ref(), &cx.stop).await {
        let Some(ticket) = cx.tickets.take(|| cx.clock.now()) else {
            break;
        };
        // Without a schedule a request is due when there is a slot for it.
        let scheduled = match ticket.due {
            Some(due) => due,
            None if wave.left > 0 => ticket.begun,
            None => cx.clock.now(),
        };
        let mut exchange = Box::new(Exchange::prepare(cx, ticket));
        tokio::select! {
            biased;
            () = cx.stop.stopped() => break,
            waited = cx.pacer.until(scheduled) => waited?,
        }
        wave.keep_apart(cx).await;
        match exchange.enter_prefill().await {
            Admission::AtOnce => {}
            Admission::Waited if !cx.is_late(ticket.kind) => {}
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
