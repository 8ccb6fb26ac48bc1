//! Conversations of several turns: what each turn costs, and what a session as a whole.

use std::collections::BTreeMap;

use bench_types::{Nanos, RequestKind, RequestRecord, RunFacts};
use serde::{Deserialize, Serialize};

use crate::distribution::ByMetric;
use crate::slo::ratio;
use crate::summary::is_zero;
use crate::window::Window;
use crate::{Distribution, Metric, PART_METRICS, Summary, SummaryOptions};

/// The numbers of the requests that were the same turn of their conversations.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TurnSummary {
    /// Which turn, counted from 1.
    pub turn: u32,
    /// Requests that left the client, or tried to.
    pub sent: u64,
    /// Answered whole.
    pub completed: u64,
    /// Not answered whole, through no choice of the workload. Requests that a stopped run never
    /// sent are among them.
    pub failed: u64,
    /// That the client hung up on, as a user would.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub cancelled: u64,
    /// Cut off when the time of the run was over.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub censored: u64,
    /// Never sent, since an earlier turn was cancelled or censored.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub unsent: u64,
    /// Mean length of the prompts of completed requests, in tokens.
    pub mean_prompt_tokens: f64,
    /// The share of those tokens that repeats what was said before, where it is known: what an
    /// unlimited prefix cache would have.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub repeated_share: Option<f64>,
    /// The share of those tokens that the server took from its prefix cache, if it says so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cached_share: Option<f64>,
    /// TTFT, TPOT, ITL and E2EL, read strictly, as far as the run has them.
    pub metrics: ByMetric,
}

/// Sessions: conversations from their first request to their last answer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SessionSummary {
    /// Begun, that is with at least one request.
    pub started: u64,
    /// With every turn answered whole.
    pub completed: u64,
    /// With a turn that failed. The others were given up by the client.
    pub failed: u64,
    /// Completed sessions per second: of a run that was limited in time those whose last turn
    /// ended within it.
    pub per_s: f64,
    /// Milliseconds from the time the first request was meant to leave to the last end, think
    /// time included; of completed sessions.
    pub latency_ms: Distribution,
    /// The same without the times at which no request was due or under way.
    pub latency_without_thinking_ms: Distribution,
}

impl TurnSummary {
    /// One entry for each turn, in order; none if no conversation has several.
    pub fn of(
        records: &[RequestRecord],
        facts: &RunFacts,
        options: &SummaryOptions,
    ) -> Vec<TurnSummary> {
        if load(records).all(|record| record.turn == 0) {
            return Vec::new();
        }
        let mut turns: BTreeMap<u32, Vec<&RequestRecord>> = BTreeMap::new();
        for record in load(records) {
            turns.entry(record.turn).or_default().push(record);
        }
        let read = |(turn, records): (u32, Vec<&RequestRecord>)| {
            let mut summary = Summary::of(records.iter().copied(), facts, options);
            let metrics = &mut summary.strict.metrics;
            metrics.retain(|name, _| PART_METRICS.contains(&name.as_str()));
            let completed = summary.requests.completed;
            TurnSummary {
                turn: turn + 1,
                sent: summary.requests.sent,
                completed,
                failed: summary.requests.failed,
                cancelled: summary.requests.cancelled,
                censored: summary.requests.censored,
                unsent: summary.requests.unsent,
                mean_prompt_tokens: ratio(summary.tokens.input as f64, completed as f64),
                repeated_share: share(&records, |record| record.expected_cached_tokens),
                cached_share: share(&records, |record| record.cached_tokens),
                metrics: summary.strict.metrics,
            }
        };
        turns.into_iter().map(read).collect()
    }

    /// The distribution of a metric, if the run has it.
    pub fn metric(&self, metric: &Metric) -> Option<&Distribution> {
        self.metrics.get(metric.name)
    }
}

impl SessionSummary {
    /// `None` if no conversation has several turns.
    pub fn of(
        records: &[RequestRecord],
        facts: &RunFacts,
        options: &SummaryOptions,
    ) -> Option<SessionSummary> {
        load(records).find(|record| record.turn > 0)?;
        let mut sessions: BTreeMap<u64, Vec<&RequestRecord>> = BTreeMap::new();
        for record in load(records) {
            sessions
                .entry(record.conversation)
                .or_default()
                .push(record);
        }
        let whole = |turns: &&Vec<&RequestRecord>| turns.iter().all(|r| r.outcome.is_success());
        let completed: Vec<&Vec<&RequestRecord>> = sessions.values().filter(whole).collect();
        let distribution = |span: fn(&[&RequestRecord]) -> Nanos| {
            let spans = completed.iter().map(|turns| span(turns).as_millis_f64());
            let mut spans: Vec<f64> = spans.collect();
            Distribution::of(&mut spans, &options.percentiles)
        };
        let failed = |turns: &&Vec<&RequestRecord>| turns.iter().any(|r| r.outcome.is_failure());
        let failed = sessions.values().filter(failed).count() as u64;
        let completed_count = completed.len() as u64;
        let window = Window::of(facts);
        let inside = |turns: &&&Vec<&RequestRecord>| turns.iter().all(|r| window.has_end_of(r));
        let inside = completed.iter().filter(inside).count();
        Some(SessionSummary {
            started: sessions.len() as u64,
            completed: completed_count,
            failed,
            per_s: ratio(inside as f64, window.seconds),
            latency_ms: distribution(span),
            latency_without_thinking_ms: distribution(busy),
        })
    }
}

fn load(records: &[RequestRecord]) -> impl Iterator<Item = &RequestRecord> {
    let load = |record: &&RequestRecord| record.kind == RequestKind::Load;
    records.iter().filter(load)
}

/// `part` of the prompt tokens of the completed requests that know it.
fn share(records: &[&RequestRecord], part: fn(&RequestRecord) -> Option<u32>) -> Option<f64> {
    let completed = records.iter().filter(|record| record.outcome.is_success());
    let known = completed.filter_map(|record| Some((part(record)?, record.prompt_tokens)));
    let add = |(some, all): (u64, u64), (part, whole): (u32, u32)| {
        (some + u64::from(part), all + u64::from(whole))
    };
    let (some, all) = known.fold((0, 0), add);
    (all > 0).then(|| some as f64 / all as f64)
}

/// From the first scheduled to the last end.
fn span(turns: &[&RequestRecord]) -> Nanos {
    let first = turns.iter().map(|record| record.timeline.scheduled).min();
    let last = turns.iter().map(|record| record.timeline.closed).max();
    last.unwrap_or_default().since(first.unwrap_or_default())
}

/// How long at least one request was due or under way.
fn busy(turns: &[&RequestRecord]) -> Nanos {
    let times = |record: &&RequestRecord| (record.timeline.scheduled, record.timeline.closed);
    let mut times: Vec<(Nanos, Nanos)> = turns.iter().map(times).collect();
    times.sort_unstable();
    let (mut sum, mut until) = (Nanos::ZERO, Nanos::ZERO);
    for (from, to) in times {
        sum = sum.saturating_add(to.since(from.max(until)));
        until = until.max(to);
    }
    sum
}

#[cfg(test)]
mod tests {
    use bench_types::{
        Failure, Finish, HangUp, Mark, MarkKind, Outcome, ReceiveCounts, Timeline, TokenSource,
    };

    use super::*;

    /// A request due and sent at `from`, over at `to`, in milliseconds.
    fn turn(conversation: u64, turn: u32, from: u64, to: u64) -> RequestRecord {
        RequestRecord {
            id: conversation * 10 + u64::from(turn),
            conversation,
            turn,
            server_index: 0,
            model_index: 0,
            class_index: 0,
            kind: RequestKind::Load,
            inputs: 1,
            audio: None,
            prompt_tokens: 10 * (turn + 1),
            prompt_tokens_source: TokenSource::Usage,
            cached_tokens: Some(8 * turn),
            expected_cached_tokens: (turn > 0).then_some(10 * turn),
            max_output_tokens: 1,
            output_tokens: 1,
            output_tokens_source: TokenSource::Usage,
            chunk_tokens: TokenSource::OnePerChunk,
            timeline: Timeline {
                scheduled: Nanos::from_millis(from),
                released: Nanos::from_millis(from),
                sent: Some(Nanos::from_millis(from)),
                marks: vec![Mark {
                    at: Nanos::from_millis(to),
                    kind: MarkKind::Text,
                    tokens: 1,
                }],
                closed: Nanos::from_millis(to),
                ..Timeline::default()
            },
            outcome: Outcome::Completed(Finish::Stop),
            server: None,
            receive: ReceiveCounts::default(),
            transcript: None,
        }
    }

    fn facts() -> RunFacts {
        RunFacts {
            end: Nanos::from_millis(2_000),
            ..RunFacts::default()
        }
    }

    #[test]
    fn think_time_is_in_one_latency_of_a_session_and_not_in_the_other() {
        let records = [
            turn(0, 0, 100, 200),
            turn(0, 1, 500, 700),
            // Side by side with the one before, and 50 ms longer.
            turn(0, 2, 600, 750),
            turn(1, 0, 0, 400),
        ];
        let sessions = SessionSummary::of(&records, &facts(), &SummaryOptions::default());
        let sessions = sessions.unwrap();
        assert_eq!(
            (sessions.started, sessions.completed, sessions.failed),
            (2, 2, 0)
        );
        assert_eq!(sessions.per_s, 1.0);
        assert_eq!(
            (sessions.latency_ms.min, sessions.latency_ms.max),
            (400.0, 650.0)
        );
        let busy = &sessions.latency_without_thinking_ms;
        assert_eq!((busy.min, busy.max), (350.0, 400.0));
        // Limited to half a second, after which the first one ended.
        let limited = RunFacts {
            window: Some(Nanos::from_millis(500)),
            ..facts()
        };
        let sessions = SessionSummary::of(&records, &limited, &SummaryOptions::default());
        assert_eq!(
            sessions.map(|all| (all.completed, all.per_s)),
            Some((2, 2.0))
        );
    }

    #[test]
    fn every_turn_has_its_numbers() {
        let mut records = vec![
            turn(0, 0, 0, 100),
            turn(0, 1, 200, 240),
            turn(1, 0, 0, 300),
            turn(1, 1, 400, 480),
        ];
        let mut probe = turn(2, 5, 0, 100);
        probe.kind = RequestKind::Probe;
        records.push(probe);
        let options = SummaryOptions::default();
        let turns = TurnSummary::of(&records, &facts(), &options);
        assert_eq!(
            turns.iter().map(|turn| turn.turn).collect::<Vec<_>>(),
            [1, 2]
        );
        let ttft = |turn: &TurnSummary| turn.metrics["ttft"].mean;
        assert_eq!(turns.iter().map(ttft).collect::<Vec<_>>(), [200.0, 60.0]);
        let prompts: Vec<f64> = turns.iter().map(|turn| turn.mean_prompt_tokens).collect();
        assert_eq!(prompts, [10.0, 20.0]);
        let shares: Vec<_> = turns
            .iter()
            .map(|t| (t.repeated_share, t.cached_share))
            .collect();
        assert_eq!(shares, [(None, Some(0.0)), (Some(0.5), Some(0.4))]);

        records[3].outcome = Outcome::Failed(Failure::Cancelled);
        records[3].timeline.sent = None;
        let turns = TurnSummary::of(&records, &facts(), &options);
        assert_eq!(
            (turns[1].sent, turns[1].completed, turns[1].failed),
            (1, 1, 1)
        );
        let sessions = SessionSummary::of(&records, &facts(), &options).unwrap();
        assert_eq!((sessions.completed, sessions.failed), (1, 1));

        records[2].outcome = Outcome::HungUp(HangUp::Cancelled);
        records[3].outcome = Outcome::HungUp(HangUp::Cancelled);
        let turns = TurnSummary::of(&records, &facts(), &options);
        let counts = turns
            .iter()
            .map(|t| (t.sent, t.failed, t.cancelled, t.unsent));
        assert_eq!(counts.collect::<Vec<_>>(), [(2, 0, 1, 0), (1, 0, 0, 1)]);
    }

    #[test]
    fn single_requests_are_no_sessions() {
        let records = [turn(0, 0, 0, 100), turn(1, 0, 0, 300)];
        let options = SummaryOptions::default();
        assert_eq!(TurnSummary::of(&records, &facts(), &options), []);
        assert_eq!(SessionSummary::of(&records, &facts(), &options), None);
    }
}
