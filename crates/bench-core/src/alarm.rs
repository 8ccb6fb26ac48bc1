//! Wakes many waiters of one worker at absolute times, with less error than tokio's millisecond
//! ticks: think times end when they should, and not up to two milliseconds later.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::io;
use std::rc::Rc;

use bench_http::WorkerClock;
use bench_types::Nanos;
use tokio::sync::{Notify, oneshot};

use crate::pacer::{SPIN, Timer};

/// The alarm clock of one worker.
pub(crate) struct Alarm {
    clock: WorkerClock,
    timer: Timer,
    /// Who waits, by time and then by the order in which they came.
    waiting: RefCell<BTreeMap<(Nanos, u64), oneshot::Sender<()>>>,
    came: Cell<u64>,
    /// Someone waits for an earlier time than all others.
    sooner: Notify,
    /// The timer failed: whoever waits does so by tokio's.
    stopped: Cell<bool>,
}

impl Alarm {
    /// An alarm clock that goes, in a task of its own on this thread.
    pub(crate) fn start(clock: WorkerClock) -> io::Result<Rc<Alarm>> {
        let alarm = Rc::new(Alarm {
            clock,
            timer: Timer::new()?,
            waiting: RefCell::default(),
            came: Cell::new(0),
            sooner: Notify::new(),
            stopped: Cell::new(false),
        });
        let running = Rc::clone(&alarm);
        tokio::task::spawn_local(async move {
            if running.run().await.is_err() {
                running.stopped.set(true);
                // Lets go of whoever waits.
                running.waiting.borrow_mut().clear();
            }
        });
        Ok(alarm)
    }

    /// Returns at `at`, or at once if that has passed.
    pub(crate) async fn until(&self, at: Nanos) {
        if self.clock.now() < at && !self.stopped.get() {
            // An error means that the alarm clock has stopped just now.
            let _ = self.ring_at(at).await;
        }
        let left = at.since(self.clock.now());
        if left > Nanos::ZERO {
            tokio::time::sleep(left.into()).await;
        }
    }

    fn ring_at(&self, at: Nanos) -> oneshot::Receiver<()> {
        let (ring, rung) = oneshot::channel();
        let number = self.came.replace(self.came.get() + 1);
        if self.next().is_none_or(|next| at < next) {
            self.sooner.notify_one();
        }
        self.waiting.borrow_mut().insert((at, number), ring);
        rung
    }

    fn next(&self) -> Option<Nanos> {
        let waiting = self.waiting.borrow();
        waiting.first_key_value().map(|((at, _), _)| *at)
    }

    async fn run(&self) -> io::Result<()> {
        loop {
            let Some(at) = self.next() else {
                self.sooner.notified().await;
                continue;
            };
            let left = at.since(self.clock.now());
            if left > SPIN {
                tokio::select! {
                    biased;
                    () = self.sooner.notified() => {}
                    slept = self.timer.sleep(left.since(SPIN).into()) => slept?,
                }
                continue;
            }
            while self.clock.now() < at {
                std::hint::spin_loop();
            }
            if let Some((_, ring)) = self.waiting.borrow_mut().pop_first() {
                // Nobody listens if the run was stopped meanwhile.
                let _ = ring.send(());
            }
            tokio::task::yield_now().await;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use bench_stream::Clock;

    use super::*;

    #[test]
    fn everyone_is_woken_in_order_and_nobody_early() {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build_local(Default::default())
            .unwrap();
        runtime.block_on(async {
            let clock = WorkerClock::new(Clock::start());
            let alarm = Alarm::start(clock.clone()).unwrap();
            let begin = clock.now();
            let woken = Rc::new(RefCell::new(Vec::new()));
            // The later ones come first, and one is already past.
            let tasks: Vec<_> = [30, 10, 20, 10, 0]
                .into_iter()
                .map(|ms| {
                    let at = begin + Nanos::from_millis(ms);
                    let (alarm, clock, woken) = (alarm.clone(), clock.clone(), woken.clone());
                    tokio::task::spawn_local(async move {
                        alarm.until(at).await;
                        assert!(clock.now() >= at, "{ms}");
                        woken.borrow_mut().push(ms);
                    })
                })
                .collect();
            // One that gives up holds nobody up.
            let gave_up = Duration::from_millis(1);
            let far = begin + Nanos::from_millis(60_000);
            tokio::time::timeout(gave_up, alarm.until(far))
                .await
                .unwrap_err();
            for task in tasks {
                task.await.unwrap();
            }
            assert_eq!(*woken.borrow(), [0, 10, 10, 20, 30]);
        });
    }
}
