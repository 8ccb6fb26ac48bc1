//! What a free slot takes next.
//!
//! Conversations are numbered tickets, taken in order by whoever has a slot. Those of a warm-up
//! come first; the first slot that finds none left opens the measured load, at that moment or at
//! the time the schedule says, so that no slot runs dry between the two.

use std::sync::atomic::Ordering::{Acquire, Relaxed, Release};
use std::sync::atomic::{AtomicBool, AtomicU64};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bench_types::{Nanos, RequestKind, WarmUpEnd, WarmUpFacts};

use crate::hands::Hands;
use crate::plan::Plan;

/// Leave to send a conversation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Ticket {
    /// What it is sent for.
    pub(crate) kind: RequestKind,
    /// Its place among the conversations of that kind.
    pub(crate) conversation: usize,
    /// How often all of them were sent before.
    pub(crate) round: u64,
    /// When the load it belongs to began.
    pub(crate) begun: Nanos,
    /// When it is due, if there is a schedule.
    pub(crate) due: Option<Nanos>,
}

/// What is sent before the measured load, with slots, workers and connections that are the same.
pub(crate) struct WarmUp {
    pub(crate) plan: Arc<Plan>,
    /// Where there is a schedule: the span until the measured one begins.
    pub(crate) span: Nanos,
    /// What ends the schedule.
    pub(crate) schedule_ends_by: WarmUpEnd,
}

/// All tickets of a phase.
pub(crate) struct Tickets {
    plan: Arc<Plan>,
    /// Whether the measured load has begun.
    measuring: AtomicBool,
    /// When it began, once it has.
    start: AtomicU64,
    /// The next ticket nobody has taken.
    next: AtomicU64,
    /// Whether there are no more.
    closed: AtomicBool,
    warm_up: Option<WarmUp>,
    /// Taken only before the measured load begins.
    warming: Mutex<Warming>,
    /// Whether the server has become steady.
    stable: AtomicBool,
    hands: Hands,
}

#[derive(Default)]
struct Warming {
    begun: Nanos,
    taken: u64,
    ended_by: Option<WarmUpEnd>,
}

impl Tickets {
    pub(crate) fn new(plan: Arc<Plan>, warm_up: Option<WarmUp>) -> Tickets {
        Tickets {
            hands: Hands::of(plan.threads),
            plan,
            measuring: AtomicBool::new(false),
            start: AtomicU64::new(0),
            next: AtomicU64::new(0),
            closed: AtomicBool::new(false),
            warm_up,
            warming: Mutex::default(),
            stable: AtomicBool::new(false),
        }
    }

    /// The load begins at `start`, with the warm-up if there is one. To be called before the
    /// first ticket is taken.
    pub(crate) fn begin(&self, start: Nanos) {
        self.warming().begun = start;
        if self.warm_up.is_none() {
            self.open(start);
        }
    }

    /// When the measured load began, once it has.
    pub(crate) fn start(&self) -> Option<Nanos> {
        let measuring = self.measuring.load(Acquire);
        measuring.then(|| Nanos(self.start.load(Relaxed)))
    }

    /// When no more measured requests are released, if that is known by now.
    pub(crate) fn end(&self) -> Option<Nanos> {
        Some(self.start()?.saturating_add(self.plan.limit?))
    }

    /// Of which conversations a ticket is.
    pub(crate) fn plan(&self, kind: RequestKind) -> &Arc<Plan> {
        match &self.warm_up {
            Some(warm_up) if kind == warm_up.plan.kind => &warm_up.plan,
            _ => &self.plan,
        }
    }

    /// Whether somebody has to watch for the server to become steady.
    pub(crate) fn awaits_stability(&self) -> bool {
        let warming = self.warm_up.as_ref().filter(|_| self.start().is_none());
        let plan = warming.map_or(&self.plan, |warm_up| &warm_up.plan);
        plan.until_stable && !self.is_stable()
    }

    /// The server is steady: the load that waited for it is over.
    pub(crate) fn set_stable(&self) {
        self.stable.store(true, Relaxed);
        if self.warm_up.is_none() {
            self.close();
        }
    }

    /// Whether the server became steady while somebody watched for it.
    pub(crate) fn is_stable(&self) -> bool {
        self.stable.load(Relaxed)
    }

    /// There are no more tickets.
    pub(crate) fn close(&self) {
        self.closed.store(true, Relaxed);
    }

    /// The next conversation; `None` if nothing is left to be sent. `now` is asked when it
    /// matters.
    pub(crate) fn take(&self, now: impl Fn() -> Nanos) -> Option<Ticket> {
        if self.closed.load(Relaxed) {
            return None;
        }
        if !self.measuring.load(Acquire)
            && let Some(ticket) = self.take_warm_up(&now)
        {
            return Some(ticket);
        }
        let start = self.start()?;
        let ticket = self.plan.ticket(self.next.fetch_add(1, Relaxed), start)?;
        let end = self.plan.limit.map(|limit| start.saturating_add(limit));
        // Where no slot has to be waited for, only the client can be late, which the audit tells.
        let waits = ticket.due.is_none() || self.plan.slots.is_some();
        let late = |end: Nanos| ticket.due.is_some_and(|due| due > end) || waits && now() > end;
        (!end.is_some_and(late)).then_some(ticket)
    }

    /// A worker shows the others a measured ticket that it waits with. False for one of the warm-up,
    /// which is its own.
    pub(crate) fn show(&self, worker: usize, ticket: Ticket) -> bool {
        let measured = ticket.kind == self.plan.kind;
        if measured {
            self.hands.show(worker, self.plan.place(ticket) as u64);
        }
        measured
    }

    /// What a worker waits with.
    pub(crate) fn shown(&self, worker: usize) -> Option<Ticket> {
        self.plan.ticket(self.hands.shown(worker)?, self.start()?)
    }

    /// Takes a ticket that a worker has shown; false if somebody else has it by now.
    pub(crate) fn claim(&self, worker: usize, ticket: Ticket) -> bool {
        self.hands.claim(worker, self.plan.place(ticket) as u64)
    }

    /// Of the warm-up; opens the measured load if it is over.
    fn take_warm_up(&self, now: &impl Fn() -> Nanos) -> Option<Ticket> {
        let warm_up = self.warm_up.as_ref()?;
        let mut warming = self.warming();
        if warming.ended_by.is_some() {
            return None;
        }
        let ended = if warm_up.plan.paced {
            self.schedule_over(warm_up, &warming)
        } else {
            self.slots_over(warm_up, &warming, now())
        };
        if let Some((ended_by, start)) = ended {
            warming.ended_by = Some(ended_by);
            self.open(start);
            return None;
        }
        let ticket = warm_up.plan.ticket(warming.taken, warming.begun);
        warming.taken += 1;
        ticket
    }

    /// Whether a warm-up with a schedule is over, and when the measured schedule begins: where
    /// its own ends, whatever the time is.
    fn schedule_over(&self, warm_up: &WarmUp, warming: &Warming) -> Option<(WarmUpEnd, Nanos)> {
        let plan = &warm_up.plan;
        if self.is_stable() {
            let last = warming.taken.checked_sub(1);
            let last = last.and_then(|last| plan.ticket(last, warming.begun)?.due);
            return Some((WarmUpEnd::Stable, last.unwrap_or(warming.begun)));
        }
        match plan.ticket(warming.taken, warming.begun) {
            Some(_) => None,
            None => {
                let start = warming.begun.saturating_add(warm_up.span);
                Some((warm_up.schedule_ends_by, start))
            }
        }
    }

    /// Whether a warm-up without a schedule is over, and the measured load begins with the slot
    /// that asks.
    fn slots_over(
        &self,
        warm_up: &WarmUp,
        warming: &Warming,
        now: Nanos,
    ) -> Option<(WarmUpEnd, Nanos)> {
        let plan = &warm_up.plan;
        let end = plan.limit.map(|limit| warming.begun.saturating_add(limit));
        let ended_by = if self.is_stable() {
            WarmUpEnd::Stable
        } else if plan.ticket(warming.taken, warming.begun).is_none() {
            WarmUpEnd::Count
        } else if end.is_some_and(|end| now >= end) {
            WarmUpEnd::Time
        } else {
            return None;
        };
        // The first wave may find it over before it has begun.
        Some((ended_by, now.max(warming.begun)))
    }

    fn open(&self, start: Nanos) {
        self.start.store(start.0, Relaxed);
        // Whoever sees it sees the start.
        self.measuring.store(true, Release);
    }

    fn warming(&self) -> MutexGuard<'_, Warming> {
        // Nothing is left half done in it.
        self.warming.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What became of the warm-up, once everything has ended at `end`.
    pub(crate) fn warm_up_facts(&self, end: Nanos) -> Option<WarmUpFacts> {
        let warm_up = self.warm_up.as_ref()?;
        let warming = self.warming();
        let ended_by = warming.ended_by.unwrap_or(WarmUpEnd::Stopped);
        Some(WarmUpFacts {
            start: warming.begun,
            end: self.start().unwrap_or(end),
            ended_by,
            became_stable: warm_up
                .plan
                .until_stable
                .then_some(ended_by == WarmUpEnd::Stable),
            apart: false,
        })
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::sync::atomic::AtomicU64;
    use std::time::Duration;

    use bench_backends::backend;
    use bench_types::{Conversation, Prompt};

    use super::*;
    use crate::builder::RunBuilder;

    fn builder() -> RunBuilder {
        let backend = backend("vllm").expect("there is one");
        RunBuilder::new("http://127.0.0.1:1".to_owned(), backend).max_concurrency(4)
    }

    fn conversations(count: u64) -> Vec<Conversation> {
        let one = |id| Conversation::single(id, Prompt::Text("Hello".into()), None, 1);
        (0..count).map(one).collect()
    }

    fn plan(builder: &RunBuilder, count: u64) -> Arc<Plan> {
        Arc::new(builder.plan(Vec::new(), conversations(count)))
    }

    fn warm_up(plan: &Arc<Plan>, change: impl FnOnce(&mut Plan), count: u64) -> WarmUp {
        let mut own = builder().plan(Vec::new(), conversations(count));
        own.kind = RequestKind::WarmUp;
        own.paced = plan.paced;
        change(&mut own);
        WarmUp {
            plan: Arc::new(own),
            span: Nanos::from_millis(50),
            schedule_ends_by: WarmUpEnd::Count,
        }
    }

    const START: Nanos = Nanos::from_millis(100);

    /// All tickets, when every one is taken a millisecond after the one before.
    fn all(tickets: &Tickets) -> Vec<Ticket> {
        tickets.begin(START);
        let clock = AtomicU64::new(0);
        let now = || START + Nanos::from_millis(clock.load(Relaxed));
        std::iter::from_fn(|| {
            clock.fetch_add(1, Relaxed);
            tickets.take(now)
        })
        .collect()
    }

    #[test]
    fn without_a_warm_up_the_load_begins_at_once() {
        let plan = plan(&builder(), 3);
        let tickets = Tickets::new(plan, None);
        assert_eq!(tickets.start(), None);
        let taken = all(&tickets);
        assert_eq!(taken.len(), 3);
        assert_eq!(tickets.start(), Some(START));
        assert!(taken.iter().all(|ticket| ticket.begun == START));
        assert!(tickets.take(|| START).is_none(), "and none again");
    }

    #[test]
    fn in_a_time_conversations_go_round_until_it_is_over() {
        let builder = builder().duration(Duration::from_millis(7));
        let tickets = Tickets::new(plan(&builder, 3), None);
        let taken = all(&tickets);
        let seen: Vec<_> = taken.iter().map(|t| (t.round, t.conversation)).collect();
        let expected = [(0, 0), (0, 1), (0, 2), (1, 0), (1, 1), (1, 2), (2, 0)];
        assert_eq!(seen, expected, "at 1 to 7 ms");
        let plan = tickets.plan(RequestKind::Load);
        let numbers: Vec<u64> = taken.iter().map(|t| plan.number(*t, 0)).collect();
        assert_eq!(numbers, [0, 1, 2, 3, 4, 5, 6]);
        assert_eq!(tickets.end(), Some(START + Nanos::from_millis(7)));
    }

    #[test]
    fn the_slot_that_finds_a_warm_up_over_opens_the_load() {
        let plan = plan(&builder(), 3);
        let tickets = Tickets::new(Arc::clone(&plan), Some(warm_up(&plan, |_| {}, 5)));
        let taken = all(&tickets);
        let kinds: Vec<_> = taken.iter().map(|ticket| ticket.kind).collect();
        assert_eq!(kinds[..5], [RequestKind::WarmUp; 5]);
        assert_eq!(kinds[5..], [RequestKind::Load; 3]);
        // The sixth is taken after 6 ms.
        assert_eq!(tickets.start(), Some(START + Nanos::from_millis(6)));
        let facts = tickets.warm_up_facts(Nanos::MAX).expect("there was one");
        assert_eq!((facts.ended_by, facts.start), (WarmUpEnd::Count, START));
        assert_eq!(Some(facts.end), tickets.start());
    }

    #[test]
    fn time_or_a_steady_server_end_a_warm_up() {
        let plan = plan(&builder(), 3);
        let endless = |own: &mut Plan| {
            own.most = u64::MAX;
            own.limit = Some(Nanos::from_millis(4));
            own.until_stable = true;
        };
        let timed = Tickets::new(Arc::clone(&plan), Some(warm_up(&plan, endless, 2)));
        assert_eq!(all(&timed).len(), 3 + 3, "at 1, 2 and 3 ms");
        let facts = timed.warm_up_facts(Nanos::MAX).expect("there was one");
        assert_eq!(facts.ended_by, WarmUpEnd::Time);
        assert_eq!(facts.became_stable, Some(false));

        let steady = Tickets::new(Arc::clone(&plan), Some(warm_up(&plan, endless, 2)));
        assert!(steady.awaits_stability());
        steady.set_stable();
        assert_eq!(all(&steady).len(), 3);
        let facts = steady.warm_up_facts(Nanos::MAX).expect("there was one");
        assert_eq!(facts.ended_by, WarmUpEnd::Stable);
        assert!(!steady.awaits_stability());
    }

    #[test]
    fn a_schedule_goes_on_where_that_of_the_warm_up_ends() {
        let times = [10, 20, 40].map(Nanos::from_millis);
        let arrivals = crate::Arrivals::recorded(times).expect("in order");
        let plan = plan(&builder().arrivals(arrivals), 3);
        let schedule = |own: &mut Plan| own.offsets = vec![Nanos::from_millis(30); 2];
        let tickets = Tickets::new(Arc::clone(&plan), Some(warm_up(&plan, schedule, 2)));
        let due: Vec<_> = all(&tickets).iter().filter_map(|t| t.due).collect();
        let expected = [30, 30, 60, 70, 90].map(|ms| START + Nanos::from_millis(ms));
        assert_eq!(due, expected, "50 ms of warm-up");
    }

    #[test]
    fn what_is_due_in_time_needs_no_slot_in_time() {
        let times = [1, 9, 10].map(Nanos::from_millis);
        let arrivals = crate::Arrivals::recorded(times).expect("in order");
        let builder = builder()
            .arrivals(arrivals)
            .duration(Duration::from_millis(10));
        let count = |builder: &RunBuilder| {
            let tickets = Tickets::new(plan(builder, 3), None);
            tickets.begin(START);
            let late = || START + Nanos::from_millis(11);
            std::iter::from_fn(|| tickets.take(late)).count()
        };
        assert_eq!(count(&builder), 0, "no slot was free before");
        assert_eq!(count(&builder.max_concurrency(None::<usize>)), 3);
    }

    #[test]
    fn every_ticket_is_taken_once_whoever_asks() {
        let plan = plan(&builder(), 1_000);
        let tickets = Tickets::new(Arc::clone(&plan), Some(warm_up(&plan, |_| {}, 500)));
        tickets.begin(START);
        let take = || -> Vec<Ticket> { std::iter::from_fn(|| tickets.take(|| START)).collect() };
        let taken: Vec<Ticket> = std::thread::scope(|scope| {
            let workers: Vec<_> = (0..8).map(|_| scope.spawn(take)).collect();
            let taken = workers.into_iter().map(|worker| worker.join().unwrap());
            taken.flatten().collect()
        });
        for (kind, count) in [(RequestKind::WarmUp, 500), (RequestKind::Load, 1_000)] {
            let of_kind = taken.iter().filter(|ticket| ticket.kind == kind);
            let places: Vec<usize> = of_kind.map(|ticket| ticket.conversation).collect();
            assert_eq!(places.len(), count);
            let different: BTreeSet<usize> = places.into_iter().collect();
            assert_eq!(different.len(), count);
        }
    }
}
