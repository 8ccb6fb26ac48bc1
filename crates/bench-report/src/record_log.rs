//! The record log: every request of a run as a line of JSON, written when it ends.
//!
//! A run that is killed loses what had not ended and nothing else: [`RecordLog`] reads what a
//! [`RecordLogWriter`] wrote, drops a last line that was cut off, and makes the [`Report`] of it
//! that the run would have made.
//!
//! The first line is the [`Header`], then there is one line for each request in the order in
//! which they ended, and the last line is the [`End`].

mod line;
mod read;
mod write;

use bench_metrics::SummaryOptions;
use bench_metrics::tokens::{KeepText, needs_counting, settle_from_text};
use bench_types::{Nanos, RequestKind, RequestRecord, RunEnd, RunFacts, WarmUpFacts};
use serde::{Deserialize, Serialize};

use crate::{Report, Setup};
pub use write::RecordLogWriter;

/// Version of the format, the value of the first key of a log.
pub const FORMAT_VERSION: u32 = 1;

/// The ending of a log's name, in place of the result's `json`.
pub const EXTENSION: &str = "records.jsonl";

/// What is known of a run when it begins.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Header {
    /// How the run is set up.
    pub setup: Setup,
    /// What the summary is to contain.
    pub summary: SummaryOptions,
    /// Whether the result has an entry for each request.
    pub detailed: bool,
    /// Which records have their text.
    pub keep_text: KeepText,
    /// See [`RunFacts::planned`].
    pub planned: u64,
    /// See [`RunFacts::epoch_unix`].
    pub epoch_unix: f64,
    /// See [`RunFacts::start`].
    pub start: Nanos,
    /// See [`RunFacts::unpaced`].
    pub unpaced: bool,
    /// See [`RunFacts::simulated`].
    pub simulated: bool,
    /// What the user should know and is known by now, one sentence each. Of a run that came to
    /// its end, the warnings in [`End`] are all there are.
    #[serde(default)]
    pub warnings: Vec<String>,
}

/// What is known of a run when it is over.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct End {
    /// Facts about the run as a whole.
    pub facts: RunFacts,
    /// Every warning of the report.
    pub warnings: Vec<String>,
}

/// A last line that was cut off.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Torn {
    /// Which line, from 1.
    pub line: usize,
    /// How many bytes there are of it.
    pub bytes: usize,
}

/// A log that was read.
#[derive(Clone, Debug)]
pub struct RecordLog {
    /// What was known when the run began.
    pub header: Header,
    /// The requests that ended, in the order of the log. Counts that the stream left open are
    /// still open.
    pub records: Vec<RequestRecord>,
    /// What was known when the run was over; `None` if it was killed.
    pub end: Option<End>,
    /// The last line, if it was cut off.
    pub dropped: Option<Torn>,
}

impl RecordLog {
    /// Whether the text of any request will have to be counted.
    pub fn needs_counting(&self) -> bool {
        self.records.iter().any(needs_counting)
    }

    /// The facts of the run. Those of a run that was killed are put together from the header
    /// and the records.
    pub fn facts(&self) -> RunFacts {
        if let Some(end) = &self.end {
            return end.facts.clone();
        }
        let header = &self.header;
        let measured = || {
            self.records
                .iter()
                .filter(|record| record.kind == RequestKind::Load)
        };
        let start = self.start();
        let closed = measured().map(|record| record.timeline.closed);
        RunFacts {
            epoch_unix: header.epoch_unix,
            start,
            end: closed.max().unwrap_or(start),
            warm_up: (start > header.start).then_some(WarmUpFacts {
                start: header.start,
                end: start,
                ..WarmUpFacts::default()
            }),
            ended: RunEnd::Interrupted,
            planned: header.planned,
            unpaced: header.unpaced,
            simulated: header.simulated,
            ..RunFacts::default()
        }
    }

    /// When the measured load of a run that was killed began: with the first measured request,
    /// if the log begins with a warm-up that goes over into it.
    fn start(&self) -> Nanos {
        let header = self.header.start;
        let of = |kind| {
            self.records
                .iter()
                .filter(move |record| record.kind == kind)
        };
        let due = |record: &RequestRecord| record.timeline.scheduled;
        let leads_up = of(RequestKind::WarmUp).any(|record| due(record) >= header);
        let first = of(RequestKind::Load).map(due).min();
        first.filter(|_| leads_up).unwrap_or(header)
    }

    /// The warnings of the run, and what is missing from the log.
    pub fn warnings(&self) -> Vec<String> {
        let known = match &self.end {
            Some(end) => &end.warnings,
            None => &self.header.warnings,
        };
        let mut warnings = known.clone();
        if let Some(torn) = self.dropped {
            warnings.push(format!(
                "line {} of the record log was cut off after {} bytes and is dropped",
                torn.line, torn.bytes
            ));
        }
        if self.end.is_none() {
            warnings.push(format!(
                "the record log has no end, so the run was killed: {} of {} requests had ended, \
                 and what the client knew of itself (CPU time, read lag, connections) is lost",
                self.records.len(),
                self.header.planned
            ));
        }
        warnings
    }

    /// The report that the run made, or would have made.
    ///
    /// `count` is a tokenizer as [`settle_from_text`] wants it. It has to be the run's for the
    /// numbers to be the run's; it is not asked unless [`RecordLog::needs_counting`].
    pub fn report(self, count: &dyn Fn(&str) -> Option<Vec<u32>>) -> Report {
        let (facts, warnings) = (self.facts(), self.warnings());
        let Header {
            setup,
            summary,
            keep_text,
            ..
        } = self.header;
        let mut records = self.records;
        for record in &mut records {
            settle_from_text(record, count, keep_text);
        }
        let mut report = Report::new(setup, facts, records, &summary);
        report.warnings = warnings;
        report
    }
}
