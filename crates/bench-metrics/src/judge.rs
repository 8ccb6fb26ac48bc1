//! Whether a load holds its objectives, as the requests come in.

use std::collections::BTreeMap;

use bench_types::{Nanos, RequestRecord};
use serde::{Deserialize, Serialize};

use crate::metric::e2el;
use crate::sequential::rises;
use crate::{Convention, Objective, Tally};

/// Whether an objective is held.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// It is.
    Holds,
    /// It is not.
    Misses,
}

/// By what rule a load is judged.
#[derive(Clone, Debug)]
pub struct JudgeOptions {
    /// What must hold.
    pub objectives: Vec<Objective>,
    /// By whose rules requests are timed.
    pub convention: Convention,
    /// The most probable that a load which does not hold the objectives is found to hold them,
    /// and that one which does is found not to.
    pub error: f64,
    /// Nothing is decided before that many requests have ended, unless there are no more.
    pub min_requests: u64,
    /// Nothing is decided before requests were sent over that long, unless there are no more.
    pub min_span: Nanos,
    /// Requests leave by a schedule and not when others end, so that they can pile up.
    pub paced: bool,
}

/// What was found about one objective.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Finding {
    /// The requests that kept it.
    #[serde(flatten)]
    pub tally: Tally,
    /// Whether it holds.
    pub verdict: Verdict,
    /// Whether that is certain but for the stated probability of error; if not, the share that
    /// was seen decides.
    pub certain: bool,
}

/// What was found about a load.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Judgement {
    /// Whether all objectives hold.
    pub verdict: Verdict,
    /// After how many requests, in the order of sending, that was certain but for the stated
    /// probability of error; `None` if it never was, and the shares that were seen decide.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub certain_after: Option<u64>,
    /// The requests took longer and longer: a longer run might not hold what this one does.
    pub rising: bool,
    /// One finding for each objective.
    pub findings: Vec<Finding>,
}

/// Judges the requests of a run while they end.
///
/// Requests are taken in the order in which they were to be sent, whatever the order in which
/// they end: at any time those that ended are rather the quick ones. That a load holds is
/// concluded from the requests before the first one under way; that it does not, from all up
/// to the last one that ended, with those under way taken to keep every objective. As the
/// test is valid for any number of requests, it is for these.
#[derive(Clone, Debug)]
pub struct Judge {
    options: JudgeOptions,
    /// The first request that has not ended.
    next: u64,
    /// Requests before that one.
    judged: u64,
    /// Requests that ended before others which were to be sent earlier.
    ahead: BTreeMap<u64, Ended>,
    objectives: Vec<Running>,
    /// What became certain first, and after how many requests.
    decision: Option<(Verdict, u64)>,
    /// End-to-end latencies in order, to see whether they rise.
    latencies: Vec<f64>,
    first_scheduled: Option<Nanos>,
    last_scheduled: Nanos,
    /// How many latencies there were when they were last found to rise.
    rising_at: Option<usize>,
}

/// What is to be known of a request that ended.
#[derive(Clone, Debug)]
struct Ended {
    scheduled: Nanos,
    latency: Option<f64>,
    kept: Vec<Option<f64>>,
}

/// The test of one objective.
#[derive(Clone, Copy, Debug, Default)]
struct Running {
    tally: Tally,
    /// What was certain of it when the decision fell.
    certain: Option<Verdict>,
    /// Of the requests that ended ahead, how many missed it.
    missed_ahead: f64,
}

impl Judge {
    /// A judge who has seen nothing.
    pub fn new(options: JudgeOptions) -> Judge {
        Judge {
            objectives: vec![Running::default(); options.objectives.len()],
            options,
            next: 0,
            judged: 0,
            ahead: BTreeMap::new(),
            decision: None,
            latencies: Vec::new(),
            first_scheduled: None,
            last_scheduled: Nanos::ZERO,
            rising_at: None,
        }
    }

    /// Judges a run that is over. The result depends on nothing but the records.
    pub fn judge(options: JudgeOptions, records: &[RequestRecord]) -> Judgement {
        let mut judge = Judge::new(options);
        let mut records: Vec<&RequestRecord> = records.iter().collect();
        records.sort_by_key(|record| record.id);
        for record in records {
            // A request that was never sent is nothing to wait for.
            judge.next = record.id;
            judge.take(record);
        }
        judge.finish()
    }

    /// Takes in a request that ended. It may be any, but each only once.
    pub fn take(&mut self, record: &RequestRecord) {
        let convention = self.options.convention;
        let kept = self.options.objectives.iter();
        let ended = Ended {
            scheduled: record.timeline.scheduled,
            latency: e2el(record, convention).map(Nanos::as_millis_f64),
            kept: kept.map(|o| o.kept(record, convention)).collect(),
        };
        for (running, kept) in self.objectives.iter_mut().zip(&ended.kept) {
            running.missed_ahead += 1.0 - kept.unwrap_or(1.0);
        }
        self.ahead.insert(record.id, ended);
        while let Some(ended) = self.ahead.remove(&self.next) {
            self.next += 1;
            self.judged += 1;
            self.count(ended);
        }
        self.look_ahead();
    }

    /// Whether the load holds, once that is certain.
    pub fn certain(&self) -> Option<Verdict> {
        self.decision.map(|(verdict, _)| verdict)
    }

    /// Requests that are judged so far: those before the first one under way.
    pub fn judged(&self) -> u64 {
        self.judged
    }

    fn count(&mut self, ended: Ended) {
        let scheduled = ended.scheduled;
        self.first_scheduled.get_or_insert(scheduled);
        self.last_scheduled = self.last_scheduled.max(scheduled);
        self.latencies.extend(ended.latency);
        for (running, kept) in self.objectives.iter_mut().zip(ended.kept) {
            if let Some(kept) = kept {
                running.tally.add(kept);
            }
            running.missed_ahead -= 1.0 - kept.unwrap_or(1.0);
        }
        if self.decision.is_none() && self.is_long_enough(self.judged, self.last_scheduled) {
            let tallies: Vec<Tally> = self.objectives.iter().map(|r| r.tally).collect();
            self.decide(&tallies, self.judged);
        }
    }

    /// Misses among the requests that ended ahead may be enough.
    fn look_ahead(&mut self) {
        let Some((last, ended)) = self.ahead.last_key_value() else {
            return;
        };
        let ahead = last + 1 - self.next;
        let end = self.judged + ahead;
        let until = ended.scheduled.max(self.last_scheduled);
        if self.decision.is_none() && self.is_long_enough(end, until) {
            let with_ahead = |running: &Running| Tally {
                requests: running.tally.requests + ahead,
                kept: running.tally.kept + ahead as f64 - running.missed_ahead,
            };
            let tallies: Vec<Tally> = self.objectives.iter().map(with_ahead).collect();
            let verdicts = self.verdicts(&tallies);
            if verdicts.contains(&Some(Verdict::Misses)) {
                self.settle(Verdict::Misses, &verdicts, end);
            }
        }
    }

    fn is_long_enough(&self, requests: u64, until: Nanos) -> bool {
        let first = self.first_scheduled.unwrap_or(until);
        requests >= self.options.min_requests && until.since(first) >= self.options.min_span
    }

    fn verdicts(&self, tallies: &[Tally]) -> Vec<Option<Verdict>> {
        let objectives = &self.options.objectives;
        let (error, count) = (self.options.error, objectives.len());
        let pairs = tallies.iter().zip(objectives);
        pairs
            .map(|(tally, objective)| verdict(tally, objective.share(), error, count))
            .collect()
    }

    fn decide(&mut self, tallies: &[Tally], after: u64) {
        let verdicts = self.verdicts(tallies);
        if verdicts.contains(&Some(Verdict::Misses)) {
            self.settle(Verdict::Misses, &verdicts, after);
        } else if verdicts.iter().all(|v| *v == Some(Verdict::Holds)) && !self.is_rising() {
            self.settle(Verdict::Holds, &verdicts, after);
        }
    }

    fn settle(&mut self, verdict: Verdict, verdicts: &[Option<Verdict>], after: u64) {
        self.decision = Some((verdict, after));
        for (running, certain) in self.objectives.iter_mut().zip(verdicts) {
            running.certain = *certain;
        }
    }

    /// Asked after every request, looked up now and then.
    fn is_rising(&mut self) -> bool {
        const EVERY: usize = 32;
        if !self.options.paced {
            return false;
        }
        let now = self.latencies.len();
        if self.rising_at.is_none_or(|at| now >= at + EVERY) {
            self.rising_at = rises(&self.latencies).then_some(now);
        }
        self.rising_at.is_some()
    }

    fn finish(mut self) -> Judgement {
        // There will be no more: what is certain now is, however short the run was.
        let tallies: Vec<Tally> = self.objectives.iter().map(|r| r.tally).collect();
        if self.decision.is_none() && !tallies.is_empty() {
            self.decide(&tallies, self.judged);
        }
        if self.decision.is_none() {
            let verdicts = self.verdicts(&tallies);
            for (running, certain) in self.objectives.iter_mut().zip(verdicts) {
                running.certain = certain;
            }
        }
        let found = self.objectives.iter().zip(&self.options.objectives);
        let findings: Vec<Finding> = found
            .map(|(running, objective)| {
                let seen = match running.tally.share() {
                    Some(share) if share >= objective.share() => Verdict::Holds,
                    _ => Verdict::Misses,
                };
                Finding {
                    tally: running.tally,
                    verdict: running.certain.unwrap_or(seen),
                    certain: running.certain.is_some(),
                }
            })
            .collect();
        let misses = |finding: &Finding| finding.verdict == Verdict::Misses;
        let seen = match findings.iter().any(misses) {
            true => Verdict::Misses,
            false => Verdict::Holds,
        };
        Judgement {
            verdict: self.certain().unwrap_or(seen),
            certain_after: self.decision.map(|(_, after)| after),
            rising: self.options.paced && rises(&self.latencies),
            findings,
        }
    }
}

/// What the requests say for certain about one of `count` objectives.
///
/// A load is wrongly found to hold only if an objective that it misses is, but wrongly found
/// to miss if any is: so the error of the latter is divided among them.
fn verdict(tally: &Tally, share: f64, error: f64, count: usize) -> Option<Verdict> {
    let needed = -error.ln();
    if tally.evidence_below(share) >= needed + (count as f64).ln() {
        return Some(Verdict::Misses);
    }
    (tally.evidence_above(share) >= needed).then_some(Verdict::Holds)
}
