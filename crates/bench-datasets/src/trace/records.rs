//! Record logs of our own runs, as traces of what was asked.
//!
//! Each request becomes a line with the length of its prompt, as the record has it, and of its
//! answer (of a request that failed, the most tokens it might have had). Requests of one conversation
//! are a session: the first is sent when it was sent, a later one as long after the end of the one
//! before it as it was. Requests that were not load (a warm-up, probes) are left out.
//!
//! Classes are carried over, and where a run asked for several models, each as the adapter: that is
//! the name that replaces the model in a request.

use std::collections::HashMap;
use std::io::BufRead;
use std::path::Path;

use serde::Deserialize;

use super::import::Imported;
use super::line::TraceLine;
use super::lines::Lines;
use super::play::unusable;
use crate::DatasetError;
use bench_types::{Nanos, Outcome, RequestKind};

const CURE: &str = "a record log is what `bench-serve` writes as NAME.records.jsonl; a last line \
                    that was cut off has to be removed";

const NO_LOAD: &str = "warm-ups and probes";

/// A line of a record log, as far as it is looked at.
#[derive(Deserialize)]
struct LogLine {
    record: Option<LoggedRecord>,
    bench_record_log: Option<u32>,
    setup: Option<LoggedSetup>,
}

/// What the requests of a log refer to.
#[derive(Default, Deserialize)]
struct LoggedSetup {
    #[serde(default)]
    models: Vec<String>,
    #[serde(default)]
    classes: Vec<String>,
}

#[derive(Deserialize)]
struct LoggedRecord {
    request: Logged,
}

#[derive(Deserialize)]
struct Logged {
    conversation: u64,
    #[serde(default)]
    kind: RequestKind,
    #[serde(default)]
    model_index: u16,
    #[serde(default)]
    class_index: u16,
    prompt_tokens: u32,
    max_output_tokens: u32,
    output_tokens: u32,
    timeline: Stamps,
    outcome: Outcome,
}

#[derive(Deserialize)]
struct Stamps {
    sent: Nanos,
    closed: Nanos,
}

/// The requests of a record log.
pub(super) struct RecordRows<R> {
    lines: Lines<R>,
    setup: LoggedSetup,
    /// When the last request of each conversation ended.
    ended: HashMap<u64, Nanos>,
}

impl<R: BufRead> RecordRows<R> {
    pub(super) fn new(reader: R, path: &Path) -> RecordRows<R> {
        RecordRows {
            lines: Lines::new(reader, path, CURE),
            setup: LoggedSetup::default(),
            ended: HashMap::new(),
        }
    }

    pub(super) fn next(&mut self) -> Result<Option<Imported>, DatasetError> {
        loop {
            let Some((place, line)) = self.lines.value::<LogLine>()? else {
                return Ok(None);
            };
            if place.entry == 1 && line.bench_record_log.is_none() {
                let problem = "it is not the first line of a record log";
                return Err(place.error(problem, CURE));
            }
            if let Some(setup) = line.setup {
                self.setup = setup;
            }
            if let Some(record) = line.record {
                return Ok(Some(self.import(record.request)));
            }
        }
    }

    fn import(&mut self, logged: Logged) -> Imported {
        if logged.kind != RequestKind::Load {
            return Imported::LeftOut(NO_LOAD);
        }
        let output = match logged.outcome {
            Outcome::Completed(_) => logged.output_tokens,
            _ => logged.max_output_tokens,
        };
        if let Some(reason) = unusable(logged.prompt_tokens, output) {
            return Imported::LeftOut(reason);
        }
        let Stamps { sent, closed } = logged.timeline;
        let before = self.ended.insert(logged.conversation, closed);
        let seconds = |nanos: u64| nanos as f64 / 1e9;
        let LoggedSetup { models, classes } = &self.setup;
        let adapter = models.get(usize::from(logged.model_index));
        Imported::Line(Box::new(TraceLine {
            session: Some(logged.conversation.to_string()),
            at: before.is_none().then(|| seconds(sent.0)),
            delay: before.map(|before| seconds(sent.0.saturating_sub(before.0))),
            input_tokens: Some(logged.prompt_tokens),
            output_tokens: output,
            adapter: adapter.filter(|_| models.len() > 1).cloned(),
            class: classes.get(usize::from(logged.class_index)).cloned(),
            ..TraceLine::default()
        }))
    }
}
