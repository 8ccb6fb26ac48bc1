use std::collections::VecDeque;

use bench_types::Nanos;

use super::kv::{Blocks, KvCache};
use super::speed::Speed;
use super::{Admission, Emission, Load, Sequence, SequenceId};
use crate::SimConfig;

/// Continuous batching: every step decodes one token (or a few, with drafts) of each
/// running sequence and prefills as much of the others as its token budget allows.
///
/// Sequences wait in the order of their arrival and are admitted as long as there is a
/// slot, budget and room in the KV cache. If a running one needs a block and there is
/// none, the one admitted last gives up its own, goes back to the head of the queue and
/// is computed again, output so far included.
#[derive(Debug)]
pub struct Scheduler {
    max_num_seqs: usize,
    max_num_batched_tokens: u32,
    waiting: VecDeque<Task>,
    /// In the order of admission.
    running: Vec<Task>,
    kv: KvCache,
    speed: Speed,
    preemptions: u64,
    prefix_queries: u64,
    prefix_hits: u64,
}

/// A sequence and how far it is.
#[derive(Debug)]
struct Task {
    sequence: Sequence,
    blocks: Blocks,
    /// Tokens whose KV entries are there.
    computed: u32,
    generated: u32,
    admission: Option<Admission>,
    /// What the step being planned computes of it.
    planned: Planned,
}

#[derive(Clone, Copy, Debug, Default)]
struct Planned {
    /// Tokens computed, accepted drafts included.
    tokens: u32,
    /// Of which accepted drafts.
    accepted: u32,
}

impl Task {
    /// Tokens known but not yet computed: one when decoding.
    fn pending(&self) -> u32 {
        self.sequence.prompt_tokens + self.generated - self.computed
    }

    fn decoding(&self) -> bool {
        self.generated > 0 && self.pending() == 1
    }
}

/// What one step computes.
#[derive(Clone, Debug)]
pub struct StepResult {
    /// How long it takes.
    pub duration: Nanos,
    /// Prompt (or recomputed) tokens in it.
    pub prefill_tokens: u32,
    /// Sequences that decode in it.
    pub decoding: u32,
    /// The tokens that are known at its end.
    pub emissions: Vec<Emission>,
}

impl Scheduler {
    /// An idle scheduler.
    pub fn new(config: &SimConfig) -> Scheduler {
        Scheduler {
            max_num_seqs: config.max_num_seqs,
            max_num_batched_tokens: config.max_num_batched_tokens,
            waiting: VecDeque::new(),
            running: Vec::new(),
            kv: KvCache::new(config.kv_blocks, config.prefix_cache),
            speed: Speed::new(config),
            preemptions: 0,
            prefix_queries: 0,
            prefix_hits: 0,
        }
    }

    /// Puts a sequence at the end of the queue. It must fit into the KV cache.
    pub fn submit(&mut self, sequence: Sequence) {
        self.waiting.push_back(Task {
            blocks: self.kv.blocks(&sequence.tokens),
            sequence,
            computed: 0,
            generated: 0,
            admission: None,
            planned: Planned::default(),
        });
    }

    /// Forgets a sequence and frees its slot and blocks. Unknown ones are ignored.
    pub fn cancel(&mut self, id: SequenceId) {
        if let Some(i) = self.running.iter().position(|task| task.sequence.id == id) {
            let mut task = self.running.remove(i);
            self.kv.release(&mut task.blocks);
        } else {
            self.waiting.retain(|task| task.sequence.id != id);
        }
    }

    /// Empties the prefix cache; `false`, and nothing done, while it has sequences.
    pub fn reset_prefix_cache(&mut self) -> bool {
        self.running.is_empty() && self.waiting.is_empty() && self.kv.clear()
    }

    /// How busy it is.
    pub fn load(&self) -> Load {
        Load {
            running: self.running.len(),
            waiting: self.waiting.len(),
            kv_usage: self.kv.usage(),
            preemptions: self.preemptions,
            prefix_queries: self.prefix_queries,
            prefix_hits: self.prefix_hits,
        }
    }

    /// Computes the step that starts at `now`; `None` if there is nothing to do.
    pub fn step(&mut self, now: Nanos) -> Option<StepResult> {
        let mut budget = self.max_num_batched_tokens;
        let preempted = self.plan_running(&mut budget);
        if !preempted {
            self.admit(now, &mut budget);
        }
        self.complete(now)
    }

    /// Plans what the running sequences compute; `true` if one had to be preempted.
    fn plan_running(&mut self, budget: &mut u32) -> bool {
        let before = self.preemptions;
        let mut i = 0;
        while i < self.running.len() {
            let task = &mut self.running[i];
            task.planned = Planned::default();
            let (tokens, accepted, cost) = if task.decoding() {
                let left = task.sequence.output_tokens() - task.generated;
                let accepted = self.speed.accepted(left - 1);
                (1 + accepted, accepted, 1 + self.speed.spec_tokens())
            } else {
                let tokens = task.pending().min(*budget);
                (tokens, 0, tokens)
            };
            if cost <= *budget && tokens > 0 {
                if !self.make_room(i, tokens) {
                    break;
                }
                *budget -= cost;
                self.running[i].planned = Planned { tokens, accepted };
            }
            i += 1;
        }
        self.preemptions > before
    }

    /// Makes room for `tokens` more of the running sequence `i`, preempting those
    /// admitted after it; `false` if it had to go itself.
    fn make_room(&mut self, i: usize, tokens: u32) -> bool {
        loop {
            let task = &mut self.running[i];
            if self.kv.grow(&mut task.blocks, task.computed + tokens) {
                return true;
            }
            let Some(mut last) = self.running.pop() else {
                return false;
            };
            self.kv.release(&mut last.blocks);
            last.computed = 0;
            last.planned = Planned::default();
            self.waiting.push_front(last);
            self.preemptions += 1;
            if self.running.len() == i {
                return false;
            }
        }
    }

    /// Admits waiting sequences in their order while slots, budget and room last.
    fn admit(&mut self, now: Nanos, budget: &mut u32) {
        while self.running.len() < self.max_num_seqs && *budget > 0 {
            let Some(mut task) = self.waiting.pop_front() else {
                return;
            };
            let len = task.pending();
            let cached = self.kv.take_prefix(&mut task.blocks, len);
            let tokens = (len - cached).min(*budget);
            if !self.kv.grow(&mut task.blocks, cached + tokens) {
                self.kv.release(&mut task.blocks);
                self.waiting.push_front(task);
                return;
            }
            if task.admission.is_none() {
                task.admission = Some(Admission {
                    at: now,
                    cached_tokens: cached,
                });
                self.prefix_queries += u64::from(len);
                self.prefix_hits += u64::from(cached);
            }
            task.computed = cached;
            task.planned = Planned {
                tokens,
                accepted: 0,
            };
            *budget -= tokens;
            self.running.push(task);
        }
    }

    /// Carries the plan out.
    fn complete(&mut self, now: Nanos) -> Option<StepResult> {
        let (mut prefill_tokens, mut decoding) = (0, 0);
        for task in self.running.iter().filter(|task| task.planned.tokens > 0) {
            match task.decoding() {
                true => decoding += 1,
                false => prefill_tokens += task.planned.tokens,
            }
        }
        if prefill_tokens + decoding == 0 {
            return None;
        }
        let duration = self.speed.step(prefill_tokens, decoding);
        let mut emissions = Vec::new();
        for task in &mut self.running {
            let Planned { tokens, accepted } = task.planned;
            if tokens == 0 {
                continue;
            }
            let sampled = task.pending() == tokens - accepted;
            task.computed += tokens;
            self.kv.publish(&mut task.blocks, task.computed);
            if sampled {
                let first = task.generated == 0;
                task.generated += 1 + accepted;
                emissions.push(Emission {
                    id: task.sequence.id,
                    at: now + duration,
                    tokens: 1 + accepted,
                    admission: task.admission.filter(|_| first),
                    finished: task.generated == task.sequence.output_tokens(),
                });
            }
        }
        self.retire();
        Some(StepResult {
            duration,
            prefill_tokens,
            decoding,
            emissions,
        })
    }

    /// Frees the slots and blocks of finished sequences.
    fn retire(&mut self) {
        let kv = &mut self.kv;
        self.running.retain_mut(|task| {
            let finished = task.generated == task.sequence.output_tokens();
            if finished {
                kv.release(&mut task.blocks);
            }
            !finished
        });
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::sequence;
    use super::*;

    fn config() -> SimConfig {
        SimConfig {
            noise: 0.0,
            prefix_cache: false,
            ..SimConfig::default()
        }
    }

    fn ids(step: &StepResult) -> Vec<u64> {
        step.emissions.iter().map(|e| e.id.0).collect()
    }

    /// Steps until idle; every emission with the number of its step.
    fn run(scheduler: &mut Scheduler) -> Vec<(usize, Emission)> {
        let mut all = Vec::new();
        let mut now = Nanos::ZERO;
        for i in 0.. {
            let Some(step) = scheduler.step(now) else {
                break;
            };
            now += step.duration;
            all.extend(step.emissions.into_iter().map(|e| (i, e)));
        }
        all
    }

    #[test]
    fn an_idle_scheduler_has_no_step() {
        assert!(Scheduler::new(&config()).step(Nanos::ZERO).is_none());
    }

    #[test]
    fn slots_are_given_in_order_of_arrival() {
        let mut scheduler = Scheduler::new(&SimConfig {
            max_num_seqs: 2,
            ..config()
        });
        for (id, output) in [(1, 2), (2, 1), (3, 1), (4, 1)] {
            scheduler.submit(sequence(id, 10, output));
        }
        assert_eq!(ids(&scheduler.step(Nanos::ZERO).unwrap()), [1, 2]);
        assert_eq!((scheduler.load().running, scheduler.load().waiting), (1, 2));
        assert_eq!(ids(&scheduler.step(Nanos::ZERO).unwrap()), [1, 3]);
        assert_eq!(ids(&scheduler.step(Nanos::ZERO).unwrap()), [4]);
        assert!(scheduler.step(Nanos::ZERO).is_none());
    }

    #[test]
    fn the_token_budget_chunks_long_prompts() {
        let options = SimConfig {
            max_num_batched_tokens: 100,
            ..config()
        };
        let mut scheduler = Scheduler::new(&options);
        scheduler.submit(sequence(1, 250, 3));
        scheduler.submit(sequence(2, 30, 1));
        let steps: Vec<_> = (0..4)
            .map(|_| scheduler.step(Nanos::ZERO).unwrap())
            .collect();
        let prefill: Vec<_> = steps.iter().map(|s| s.prefill_tokens).collect();
        assert_eq!(prefill, [100, 100, 80, 0]);
        assert!(ids(&steps[1]).is_empty());
        assert_eq!(ids(&steps[2]), [1, 2]);
        assert_eq!((steps[3].decoding, ids(&steps[3])), (1, vec![1]));
    }

    #[test]
    fn decoding_goes_before_prefill() {
        let options = SimConfig {
            max_num_batched_tokens: 10,
            ..config()
        };
        let mut scheduler = Scheduler::new(&options);
        scheduler.submit(sequence(1, 10, 5));
        scheduler.step(Nanos::ZERO).unwrap();
        scheduler.submit(sequence(2, 20, 1));
        let step = scheduler.step(Nanos::ZERO).unwrap();
        assert_eq!((step.decoding, step.prefill_tokens), (1, 9));
    }

    #[test]
    fn the_one_admitted_last_is_preempted_and_computed_again() {
        // Ten blocks: two prompts of four blocks each, and both outputs need three more.
        let options = SimConfig {
            kv_blocks: 10,
            max_model_len: 160,
            ..config()
        };
        let mut scheduler = Scheduler::new(&options);
        scheduler.submit(sequence(1, 64, 48));
        scheduler.submit(sequence(2, 64, 48));
        let all = run(&mut scheduler);
        assert!(scheduler.load().preemptions >= 1);
        for id in [1, 2] {
            let own: Vec<_> = all.iter().filter(|(_, e)| e.id.0 == id).collect();
            assert_eq!(own.iter().map(|(_, e)| e.tokens).sum::<u32>(), 48);
            assert_eq!(own.iter().filter(|(_, e)| e.admission.is_some()).count(), 1);
            assert_eq!(own.iter().filter(|(_, e)| e.finished).count(), 1);
        }
        let end = |id| {
            all.iter()
                .find(|(_, e)| e.id.0 == id && e.finished)
                .unwrap()
                .0
        };
        assert_eq!(end(1), 47, "the one admitted first is never held up");
        assert!(end(2) > 47);
        assert_eq!(scheduler.load().kv_usage, 0.0);
    }

    #[test]
    fn cancelling_frees_slot_and_blocks() {
        let mut scheduler = Scheduler::new(&SimConfig {
            max_num_seqs: 1,
            ..config()
        });
        for id in 1..=3 {
            scheduler.submit(sequence(id, 64, 10));
        }
        scheduler.step(Nanos::ZERO).unwrap();
        scheduler.cancel(SequenceId(1));
        scheduler.cancel(SequenceId(2));
        scheduler.cancel(SequenceId(99));
        assert_eq!(scheduler.load().kv_usage, 0.0);
        assert_eq!(ids(&scheduler.step(Nanos::ZERO).unwrap()), [3]);
    }

    #[test]
    fn a_repeated_prompt_is_prefilled_from_the_cache() {
        let mut scheduler = Scheduler::new(&SimConfig {
            prefix_cache: true,
            ..config()
        });
        let again = |id| Sequence {
            id: SequenceId(id),
            ..sequence(7, 100, 4)
        };
        scheduler.submit(again(1));
        assert_eq!(scheduler.step(Nanos::ZERO).unwrap().prefill_tokens, 100);
        scheduler.submit(again(2));
        let step = scheduler.step(Nanos::ZERO).unwrap();
        // Six full blocks are there, the rest of the prompt is computed.
        assert_eq!(step.prefill_tokens, 4);
        let second = step.emissions.iter().find(|e| e.id.0 == 2).unwrap();
        assert_eq!(second.admission.map(|a| a.cached_tokens), Some(96));
        assert_eq!(
            (
                scheduler.load().prefix_queries,
                scheduler.load().prefix_hits
            ),
            (200, 96)
        );
    }

    #[test]
    fn the_next_turn_finds_the_output_of_the_last_one() {
        let mut scheduler = Scheduler::new(&SimConfig {
            prefix_cache: true,
            ..config()
        });
        let whole: Vec<u32> = (0..200).collect();
        let turn = |id, prompt: u32, end: usize| Sequence {
            id: SequenceId(id),
            tokens: whole[..end].into(),
            prompt_tokens: prompt,
        };
        scheduler.submit(turn(1, 32, 80));
        run(&mut scheduler);
        scheduler.submit(turn(2, 112, 120));
        let all = run(&mut scheduler);
        // 79 tokens of the first turn were computed: four full blocks.
        assert_eq!(all[0].1.admission.map(|a| a.cached_tokens), Some(64));
    }

    #[test]
    fn drafts_give_several_tokens_a_step() {
        let always = SimConfig {
            spec_tokens: 3,
            spec_acceptance: 1.0,
            ..config()
        };
        let mut scheduler = Scheduler::new(&always);
        scheduler.submit(sequence(1, 10, 10));
        let tokens: Vec<_> = run(&mut scheduler).iter().map(|(_, e)| e.tokens).collect();
        assert_eq!(tokens, [1, 4, 4, 1]);

        let sometimes = SimConfig {
            spec_tokens: 3,
            spec_acceptance: 0.5,
            ..config()
        };
        let mut scheduler = Scheduler::new(&sometimes);
        scheduler.submit(sequence(1, 10, 1_000));
        let all = run(&mut scheduler);
        assert_eq!(all.iter().map(|(_, e)| e.tokens).sum::<u32>(), 1_000);
        // 1 + 0.5 + 0.25 + 0.125 tokens a step are expected.
        assert!((480..590).contains(&all.len()), "{} steps", all.len());
    }
}
