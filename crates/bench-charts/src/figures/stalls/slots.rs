//! Places for requests, as few as there are requests at once.

use std::cmp::Reverse;
use std::collections::{BTreeSet, BinaryHeap};

use super::super::request_times::Placed;

/// The slot of each request, from 0: the lowest that is free when it is sent. `sent` is in the
/// order of sending.
pub(super) fn slots(sent: &[Placed<'_>]) -> Vec<usize> {
    let mut free = BTreeSet::new();
    let mut taken: BinaryHeap<Reverse<(Moment, usize)>> = BinaryHeap::new();
    let mut slots = Vec::with_capacity(sent.len());
    for placed in sent {
        while let Some(Reverse((end, slot))) = taken.peek().copied() {
            if end.0 > placed.start {
                break;
            }
            taken.pop();
            free.insert(slot);
        }
        let slot = free.pop_first().unwrap_or(taken.len());
        taken.push(Reverse((Moment(placed.end()), slot)));
        slots.push(slot);
    }
    slots
}

/// A time that can be compared.
#[derive(Clone, Copy, Debug)]
struct Moment(f64);

impl Ord for Moment {
    fn cmp(&self, other: &Moment) -> std::cmp::Ordering {
        self.0.total_cmp(&other.0)
    }
}

impl PartialOrd for Moment {
    fn partial_cmp(&self, other: &Moment) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Moment {
    fn eq(&self, other: &Moment) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Moment {}

#[cfg(test)]
mod tests {
    use bench_report::RequestSample;

    use super::*;

    #[test]
    fn a_slot_is_used_again() {
        let request = |e2el: f64| RequestSample {
            success: true,
            e2el: Some(e2el),
            ..RequestSample::default()
        };
        let lasting = [4.0, 1.0, 1.0, 5.0, 1.0].map(request);
        let starts = [0.0, 0.5, 2.0, 3.0, 3.5];
        let sent: Vec<Placed<'_>> = lasting
            .iter()
            .zip(starts)
            .enumerate()
            .map(|(number, (request, start))| Placed {
                number,
                request,
                start,
            })
            .collect();
        assert_eq!(slots(&sent), [0, 1, 1, 1, 2]);
    }
}
