//! The inference engine: what is computed when. It does no I/O and reads no clock; time
//! is whatever the caller says it is, so that hours of serving are tested in milliseconds.
//!
//! [`Engine`] is a queue of sequences which, asked at a point in time, tells the tokens
//! that have become due and when to ask again. Two ways of pacing stand behind it:
//! continuous batching (a [`Scheduler`]) and a fixed schedule per request.

mod kv;
mod paced;
mod scheduler;
mod speed;

use std::sync::Arc;

use bench_types::Nanos;

pub use kv::BLOCK_TOKENS;
use paced::Paced;
pub use scheduler::{Scheduler, StepResult};

use crate::SimConfig;

/// Names one sequence for as long as the engine lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SequenceId(pub u64);

/// A sequence to generate. What will be generated is fixed beforehand; the engine only
/// decides when.
#[derive(Clone, Debug)]
pub struct Sequence {
    /// Its name.
    pub id: SequenceId,
    /// The prompt and, after it, the output.
    pub tokens: Arc<[u32]>,
    /// How many of `tokens` are the prompt.
    pub prompt_tokens: u32,
}

impl Sequence {
    /// Number of tokens to generate.
    pub fn output_tokens(&self) -> u32 {
        self.tokens.len() as u32 - self.prompt_tokens
    }
}

/// When a sequence was first admitted, and what the prefix cache saved it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Admission {
    /// Start of the first step that worked on the sequence.
    pub at: Nanos,
    /// Prompt tokens found in the prefix cache.
    pub cached_tokens: u32,
}

/// Output tokens of one sequence that become known at the same time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Emission {
    /// The sequence.
    pub id: SequenceId,
    /// When they become known.
    pub at: Nanos,
    /// How many they are, at least one.
    pub tokens: u32,
    /// With the first token of the sequence: how it was admitted.
    pub admission: Option<Admission>,
    /// Whether these are the last ones.
    pub finished: bool,
}

/// How busy an engine is, and what has happened in it so far.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Load {
    /// Admitted sequences.
    pub running: usize,
    /// Sequences not yet admitted.
    pub waiting: usize,
    /// Share of the KV cache in use.
    pub kv_usage: f64,
    /// Preemptions so far.
    pub preemptions: u64,
    /// Tokens looked up in the prefix cache so far.
    pub prefix_queries: u64,
    /// Tokens found in the prefix cache so far.
    pub prefix_hits: u64,
}

/// A queue of sequences that are generated in virtual time.
#[derive(Debug)]
pub struct Engine(Pacing);

#[derive(Debug)]
enum Pacing {
    Batching(Box<Batching>),
    Fixed(Box<Paced>),
}

impl Engine {
    /// An idle engine: fixed pacing if `config` sets TTFT or ITL, batching if not.
    pub fn new(config: &SimConfig) -> Engine {
        Engine(match Paced::new(config) {
            Some(paced) => Pacing::Fixed(Box::new(paced)),
            None => Pacing::Batching(Box::new(Batching::new(config))),
        })
    }

    /// Queues a sequence that arrived at `now`.
    pub fn submit(&mut self, now: Nanos, sequence: Sequence) {
        match &mut self.0 {
            Pacing::Batching(batching) => batching.scheduler.submit(sequence),
            Pacing::Fixed(paced) => paced.submit(now, sequence),
        }
    }

    /// Forgets a sequence and frees what it holds. Unknown ones are ignored.
    pub fn cancel(&mut self, id: SequenceId) {
        match &mut self.0 {
            Pacing::Batching(batching) => batching.scheduler.cancel(id),
            Pacing::Fixed(paced) => paced.cancel(id),
        }
    }

    /// Appends the tokens due by `now` to `due`, in order of time, and says when to ask
    /// again; `None` if not before the next [`submit`](Engine::submit).
    ///
    /// A sequence cancelled during a step may still appear.
    pub fn poll(&mut self, now: Nanos, due: &mut Vec<Emission>) -> Option<Nanos> {
        match &mut self.0 {
            Pacing::Batching(batching) => batching.poll(now, due),
            Pacing::Fixed(paced) => paced.poll(now, due),
        }
    }

    /// Empties the prefix cache; `false`, and nothing done, while it has sequences.
    pub fn reset_prefix_cache(&mut self) -> bool {
        match &mut self.0 {
            Pacing::Batching(batching) => batching.reset_prefix_cache(),
            // It has no cache to empty.
            Pacing::Fixed(paced) => paced.load().running == 0,
        }
    }

    /// How busy it is.
    pub fn load(&self) -> Load {
        match &self.0 {
            Pacing::Batching(batching) => batching.scheduler.load(),
            Pacing::Fixed(paced) => paced.load(),
        }
    }
}

/// A [`Scheduler`] whose steps follow each other without a gap.
#[derive(Debug)]
struct Batching {
    scheduler: Scheduler,
    /// The step being computed and its end.
    current: Option<(Nanos, StepResult)>,
}

/// A step whose end was noticed later than this starts the next one late as well;
/// otherwise the next one starts on time, so that small delays do not add up.
const FORGIVEN_LATENESS: Nanos = Nanos::from_millis(1);

impl Batching {
    fn new(config: &SimConfig) -> Batching {
        Batching {
            scheduler: Scheduler::new(config),
            current: None,
        }
    }

    /// A sequence is there until the step that ends it has ended.
    fn reset_prefix_cache(&mut self) -> bool {
        self.current.is_none() && self.scheduler.reset_prefix_cache()
    }

    fn poll(&mut self, now: Nanos, due: &mut Vec<Emission>) -> Option<Nanos> {
        loop {
            let start = match self.current.take() {
                Some((end, step)) if end > now => {
                    self.current = Some((end, step));
                    return Some(end);
                }
                Some((end, step)) => {
                    due.extend(step.emissions);
                    if now.since(end) > FORGIVEN_LATENESS {
                        now
                    } else {
                        end
                    }
                }
                None => now,
            };
            let step = self.scheduler.step(start)?;
            self.current = Some((start + step.duration, step));
        }
    }
}

#[cfg(test)]
pub(crate) mod testing {
    //! Drives engines through virtual time.

    use super::*;

    /// A sequence of `prompt` tokens that starts a prefix of its own, and `output` tokens.
    pub(crate) fn sequence(id: u64, prompt: u32, output: u32) -> Sequence {
        let tokens = (0..prompt + output)
            .map(|i| id as u32 * 1_000_000 + i)
            .collect();
        Sequence {
            id: SequenceId(id),
            tokens,
            prompt_tokens: prompt,
        }
    }

    /// Polls until nothing is left to do.
    pub(crate) fn run(engine: &mut Engine, mut now: Nanos) -> Vec<Emission> {
        let mut all = Vec::new();
        while let Some(next) = engine.poll(now, &mut all) {
            now = next;
        }
        all
    }
}

#[cfg(test)]
mod tests {
    use super::testing::{run, sequence};
    use super::*;

    fn exact() -> SimConfig {
        SimConfig {
            noise: 0.0,
            ..SimConfig::default()
        }
    }

    #[test]
    fn steps_follow_each_other_without_a_gap() {
        let mut engine = Engine::new(&exact());
        engine.submit(Nanos::ZERO, sequence(1, 100, 3));
        let all = run(&mut engine, Nanos::ZERO);
        let at: Vec<u64> = all.iter().map(|e| e.at.0 / 1_000).collect();
        // 4 ms a step; 100 tokens of prefill at 1.5 us, then one decode at 6 us.
        assert_eq!(at, [4_150, 8_156, 12_162]);
        assert!(all[2].finished && !all[1].finished);
        assert_eq!(engine.load().running, 0);
    }

    #[test]
    fn a_small_delay_does_not_add_up_and_a_large_one_is_not_caught_up() {
        let mut engine = Engine::new(&exact());
        let mut due = Vec::new();
        engine.submit(Nanos::ZERO, sequence(1, 100, 9));
        let end = engine.poll(Nanos::ZERO, &mut due).unwrap();
        let next = engine
            .poll(end + Nanos::from_micros(300), &mut due)
            .unwrap();
        assert_eq!(next.since(end).0, 4_006_000);
        let late = next + Nanos::from_millis(50);
        let after = engine.poll(late, &mut due).unwrap();
        assert_eq!(after.since(late).0, 4_006_000);
    }

    #[test]
    fn a_request_that_arrives_during_a_step_waits_for_its_end() {
        let mut engine = Engine::new(&exact());
        let mut due = Vec::new();
        engine.submit(Nanos::ZERO, sequence(1, 10, 4));
        let end = engine.poll(Nanos::ZERO, &mut due).unwrap();
        engine.submit(Nanos::from_millis(1), sequence(2, 10, 1));
        assert_eq!(engine.poll(Nanos::from_millis(1), &mut due), Some(end));
        let all = run(&mut engine, end);
        let second = all.iter().find(|e| e.id == SequenceId(2)).unwrap();
        assert_eq!(
            second.admission,
            Some(Admission {
                at: end,
                cached_tokens: 0
            })
        );
    }

    #[test]
    fn the_prefix_cache_is_emptied_when_nothing_is_going_on() {
        let mut engine = Engine::new(&exact());
        let mut cached = |reset: bool| {
            engine.submit(Nanos::ZERO, sequence(1, 40, 2));
            assert!(!engine.reset_prefix_cache());
            let mut all = Vec::new();
            let end = engine.poll(Nanos::ZERO, &mut all).unwrap();
            assert!(!engine.reset_prefix_cache());
            all.extend(run(&mut engine, end));
            assert!(!reset || engine.reset_prefix_cache());
            all[0].admission.unwrap().cached_tokens
        };
        assert_eq!([cached(false), cached(true), cached(false)], [0, 32, 0]);
    }

    #[test]
    fn the_defaults_are_as_fast_as_the_front_page_says() {
        let mut engine = Engine::new(&SimConfig::default());
        for id in 0..1_000 {
            engine.submit(Nanos::ZERO, sequence(id, 1_024, 128));
        }
        let all = run(&mut engine, Nanos::ZERO);
        assert_eq!(all.len(), 128_000);
        let end = all.last().unwrap().at.as_secs_f64();
        assert!((4.2..4.8).contains(&end), "{end} s");

        let mut last = std::collections::HashMap::new();
        let gap = |e: &Emission| Some(e.at.since(last.insert(e.id, e.at)?));
        let mut gaps: Vec<Nanos> = all.iter().filter_map(gap).collect();
        gaps.sort_unstable();
        let median = gaps[gaps.len() / 2].as_millis_f64();
        assert!((5.0..8.0).contains(&median), "{median} ms");
    }

    #[test]
    fn the_same_seed_gives_the_same_times() {
        let times = |seed| {
            let config = SimConfig {
                seed,
                ..SimConfig::default()
            };
            let mut engine = Engine::new(&config);
            engine.submit(Nanos::ZERO, sequence(1, 100, 20));
            run(&mut engine, Nanos::ZERO)
        };
        assert_eq!(times(1), times(1));
        assert_ne!(times(1), times(2));
    }
}
