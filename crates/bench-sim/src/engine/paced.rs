use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};

use bench_types::Nanos;

use super::speed::Speed;
use super::{Admission, Emission, Load, Sequence, SequenceId};
use crate::SimConfig;

/// Fixed pacing: every sequence has its first token a fixed time after its arrival and
/// the others at fixed intervals, whatever else goes on. The truth is then known to the
/// nanosecond, which is what a client's own timing is checked against.
#[derive(Debug)]
pub(super) struct Paced {
    ttft: Nanos,
    itl: Nanos,
    speed: Speed,
    sequences: HashMap<SequenceId, Progress>,
    /// When each sequence has its next token. May hold cancelled ones.
    due: BinaryHeap<Reverse<(Nanos, SequenceId)>>,
}

#[derive(Debug)]
struct Progress {
    arrived: Nanos,
    started: bool,
    left: u32,
}

impl Paced {
    /// `None` unless `config` fixes TTFT or ITL.
    pub(super) fn new(config: &SimConfig) -> Option<Paced> {
        let ms = |ms: f64| Nanos::from_secs_f64(ms / 1e3);
        Some(Paced {
            ttft: config.ttft_ms.or(config.itl_ms).map(ms)?,
            itl: config.itl_ms.or(config.ttft_ms).map(ms)?,
            speed: Speed::new(config),
            sequences: HashMap::new(),
            due: BinaryHeap::new(),
        })
    }

    pub(super) fn submit(&mut self, now: Nanos, sequence: Sequence) {
        let left = sequence.output_tokens();
        self.sequences.insert(
            sequence.id,
            Progress {
                arrived: now,
                started: false,
                left,
            },
        );
        self.due.push(Reverse((now + self.ttft, sequence.id)));
    }

    pub(super) fn cancel(&mut self, id: SequenceId) {
        self.sequences.remove(&id);
    }

    pub(super) fn poll(&mut self, now: Nanos, due: &mut Vec<Emission>) -> Option<Nanos> {
        while let Some(&Reverse((at, id))) = self.due.peek() {
            let Some(progress) = self.sequences.get_mut(&id) else {
                self.due.pop();
                continue;
            };
            if at > now {
                return Some(at);
            }
            self.due.pop();
            let accepted = match progress.started {
                true => self.speed.accepted(progress.left - 1),
                false => 0,
            };
            let admission = Admission {
                at: progress.arrived,
                cached_tokens: 0,
            };
            progress.left -= 1 + accepted;
            let finished = progress.left == 0;
            due.push(Emission {
                id,
                at,
                tokens: 1 + accepted,
                admission: (!progress.started).then_some(admission),
                finished,
            });
            progress.started = true;
            if finished {
                self.sequences.remove(&id);
            } else {
                self.due.push(Reverse((at + self.itl, id)));
            }
        }
        None
    }

    pub(super) fn load(&self) -> Load {
        Load {
            running: self.sequences.len(),
            ..Load::default()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::Engine;
    use super::super::testing::{run, sequence};
    use super::*;

    fn engine() -> Engine {
        let config = SimConfig {
            ttft_ms: Some(50.0),
            itl_ms: Some(20.0),
            ..SimConfig::default()
        };
        Engine::new(&config)
    }

    fn times(all: &[Emission], id: u64) -> Vec<f64> {
        let own = all.iter().filter(|e| e.id == SequenceId(id));
        own.map(|e| e.at.as_millis_f64()).collect()
    }

    #[test]
    fn each_request_keeps_its_own_schedule() {
        let mut engine = engine();
        engine.submit(Nanos::ZERO, sequence(1, 5, 3));
        engine.submit(Nanos::from_millis(7), sequence(2, 5_000, 2));
        let all = run(&mut engine, Nanos::from_millis(7));
        assert_eq!(times(&all, 1), [50.0, 70.0, 90.0]);
        assert_eq!(times(&all, 2), [57.0, 77.0]);
        assert!(all.is_sorted_by_key(|e| e.at));
    }

    #[test]
    fn a_late_poll_changes_nothing() {
        let mut engine = engine();
        engine.submit(Nanos::ZERO, sequence(1, 5, 4));
        let mut all = Vec::new();
        assert_eq!(
            engine.poll(Nanos::from_millis(95), &mut all),
            Some(Nanos::from_millis(110))
        );
        assert_eq!(times(&all, 1), [50.0, 70.0, 90.0]);
    }

    #[test]
    fn a_new_request_may_be_due_before_all_others() {
        let mut engine = engine();
        engine.submit(Nanos::ZERO, sequence(1, 5, 4));
        let mut all = Vec::new();
        assert_eq!(
            engine.poll(Nanos::ZERO, &mut all),
            Some(Nanos::from_millis(50))
        );
        engine.cancel(SequenceId(1));
        assert_eq!(engine.poll(Nanos::from_millis(51), &mut all), None);
        assert!(all.is_empty());
    }

    #[test]
    fn one_given_number_stands_for_both() {
        let config = SimConfig {
            itl_ms: Some(20.0),
            ..SimConfig::default()
        };
        let paced = Paced::new(&config).unwrap();
        assert_eq!(paced.ttft, paced.itl);
        assert!(Paced::new(&SimConfig::default()).is_none());
    }
}
