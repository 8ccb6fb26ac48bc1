use bench_types::{MarkKind, Nanos, RequestRecord, RunFacts};

use crate::metric::output_tokens_at;

/// The stretch of a run whose work makes its throughput.
///
/// A run that ends with its last request is all one window. Of a run that was limited in time
/// the window is that time: what is left of its requests afterwards is done by a server that
/// gets no new ones, and would be told apart from a slow server by nobody if it counted.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Window {
    /// Where it was cut off, if it was.
    pub(crate) end: Option<Nanos>,
    pub(crate) seconds: f64,
}

impl Window {
    pub(crate) fn of(facts: &RunFacts) -> Window {
        let span = facts.window.unwrap_or(facts.end.since(facts.start));
        Window {
            end: facts.window.map(|span| facts.start.saturating_add(span)),
            seconds: span.as_secs_f64(),
        }
    }

    /// Whether its end cut something off, rather than coming with the last request.
    pub(crate) fn is_limited(&self) -> bool {
        self.end.is_some()
    }

    /// Whether a request ended in it.
    pub(crate) fn has_end_of(&self, record: &RequestRecord) -> bool {
        self.has(record.timeline.closed)
    }

    /// The prompt tokens of a request, if the server had read them by the end of the window:
    /// it had once its first token came.
    pub(crate) fn input_tokens(&self, record: &RequestRecord) -> f64 {
        let told = |kind: MarkKind| kind.is_choice() || kind == MarkKind::Whole;
        let first = record.timeline.marks.iter().find(|mark| told(mark.kind));
        match first.map_or(record.timeline.closed, |mark| mark.at) {
            read if self.has(read) => f64::from(record.prompt_tokens),
            _ => 0.0,
        }
    }

    /// The output tokens of a request that came in it.
    pub(crate) fn output_tokens(&self, record: &RequestRecord) -> f64 {
        output_tokens_at(record, |at| self.has(at))
    }

    fn has(&self, at: Nanos) -> bool {
        self.end.is_none_or(|end| at <= end)
    }
}
