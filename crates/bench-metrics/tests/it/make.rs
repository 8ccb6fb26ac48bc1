//! Records made by hand; all times in milliseconds.

use bench_types::{
    Failure, Finish, Mark, MarkKind, Nanos, Outcome, ReceiveCounts, RequestKind, RequestRecord,
    RunFacts, Timeline, TokenSource,
};

/// Scheduled at 0, released at 1, sent at 2, closed with the last mark.
pub(crate) fn record(id: u64, marks: &[(u64, MarkKind, u16)]) -> RequestRecord {
    let marks: Vec<Mark> = marks
        .iter()
        .map(|&(ms, kind, tokens)| Mark {
            at: Nanos::from_millis(ms),
            kind,
            tokens,
        })
        .collect();
    RequestRecord {
        id,
        conversation: id,
        turn: 0,
        server_index: 0,
        model_index: 0,
        inputs: 1,
        audio: None,
        prompt_tokens: 10,
        prompt_tokens_source: TokenSource::Usage,
        class_index: 0,
        kind: RequestKind::Load,
        cached_tokens: None,
        expected_cached_tokens: None,
        max_output_tokens: 100,
        output_tokens: marks.iter().map(|mark| u32::from(mark.tokens)).sum(),
        output_tokens_source: TokenSource::Usage,
        chunk_tokens: TokenSource::Usage,
        timeline: Timeline {
            scheduled: Nanos::ZERO,
            released: Nanos::from_millis(1),
            connected: None,
            sent: Some(Nanos::from_millis(2)),
            headers: None,
            closed: marks.last().map_or(Nanos::from_millis(2), |mark| mark.at),
            marks,
        },
        outcome: Outcome::Completed(Finish::Length),
        server: None,
        receive: ReceiveCounts::default(),
        transcript: None,
    }
}

pub(crate) fn failed(id: u64, failure: Failure) -> RequestRecord {
    RequestRecord {
        outcome: Outcome::Failed(failure),
        ..record(id, &[])
    }
}

/// A complete run from 0 to the end of its last request.
pub(crate) fn facts(records: &[RequestRecord]) -> RunFacts {
    let closed = records.iter().map(|record| record.timeline.closed);
    RunFacts {
        end: closed.max().unwrap_or_default(),
        planned: records.len() as u64,
        ..RunFacts::default()
    }
}
