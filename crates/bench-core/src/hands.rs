//! What the workers hold in their hands until it is due.
//!
//! A thread that the system keeps from its CPU sends late. So each worker shows which ticket it
//! waits with, and another one that is awake may take it over. Whoever claims a ticket sends it,
//! and only one can.

use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;

/// The hands of all workers of a load.
pub(crate) struct Hands(Box<[Hand]>);

/// One more than the serial number of the ticket in it; 0 for none. On a cache line of its own.
#[derive(Default)]
#[repr(align(128))]
struct Hand(AtomicU64);

impl Hands {
    pub(crate) fn of(workers: usize) -> Hands {
        Hands((0..workers).map(|_| Hand::default()).collect())
    }

    /// A worker shows what it holds.
    pub(crate) fn show(&self, worker: usize, serial: u64) {
        // Nothing but the number is handed over: the tickets themselves never change.
        self.0[worker].0.store(serial + 1, Relaxed);
    }

    /// What a worker holds.
    pub(crate) fn shown(&self, worker: usize) -> Option<u64> {
        self.0[worker].0.load(Relaxed).checked_sub(1)
    }

    /// Takes a ticket that a worker has shown; false if somebody else has it by now.
    pub(crate) fn claim(&self, worker: usize, serial: u64) -> bool {
        let hand = &self.0[worker].0;
        hand.compare_exchange(serial + 1, 0, Relaxed, Relaxed)
            .is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_shown_can_be_claimed_once() {
        let hands = Hands::of(2);
        assert_eq!(hands.shown(0), None);
        hands.show(0, 0);
        hands.show(1, 7);
        assert_eq!((hands.shown(0), hands.shown(1)), (Some(0), Some(7)));
        assert!(!hands.claim(0, 7), "that is another hand's");
        assert!(hands.claim(1, 7));
        assert_eq!((hands.shown(0), hands.shown(1)), (Some(0), None));
        assert!(!hands.claim(1, 7));
        hands.show(1, 8);
        assert!(!hands.claim(1, 7), "that was before");
    }

    #[test]
    fn of_all_who_try_one_has_it() {
        let hands = Hands::of(1);
        let rounds = 0..200;
        for serial in rounds {
            hands.show(0, serial);
            let claim = || usize::from(hands.claim(0, serial));
            let claimed: usize = std::thread::scope(|scope| {
                let others: Vec<_> = (0..3).map(|_| scope.spawn(claim)).collect();
                let others = others.into_iter().map(|other| other.join().unwrap());
                claim() + others.sum::<usize>()
            });
            assert_eq!(claimed, 1);
        }
    }
}
