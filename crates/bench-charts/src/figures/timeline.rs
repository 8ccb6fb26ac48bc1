//! A row for each request: where its time went.

#[cfg(test)]
mod tests;

use bench_report::RunResult;

use super::request_times::{
    END_UNKNOWN, Placed, by_start, never_placed, span_text, stall_threshold,
};
use super::series::counted;
use super::thin::evenly;
use crate::{Axis, Caption, Figure, Ink, Layer, Marks, NoChart, Panel, Point, Span};

const ID: &str = "timeline";

/// How many rows are drawn. A picture has about as many lines of pixels.
const ROWS: usize = 1000;

/// Up to this many rows there is a space between them.
const APART: usize = 100;

/// How many failures are drawn, whether their row is or not.
const FAILURES: usize = 2000;

/// Up to this many failures are points.
const POINTS: usize = 100;

/// Length of the mark of a failure, as a share of the run.
const STROKE: f64 = 0.004;

/// How many stalls are drawn.
const STALLS: usize = 5000;

/// What a request is doing, in the order of drawing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    ClientQueue,
    ServerQueue,
    Prefill,
    Decode,
    Whole,
    Stall,
    Failed,
}

const PHASES: [Phase; 7] = [
    Phase::ClientQueue,
    Phase::ServerQueue,
    Phase::Prefill,
    Phase::Decode,
    Phase::Whole,
    Phase::Stall,
    Phase::Failed,
];

impl Phase {
    fn name(self, threshold_s: f64) -> String {
        match self {
            Phase::ClientQueue => "waits in the client".to_owned(),
            Phase::ServerQueue => "waits in the server".to_owned(),
            Phase::Prefill => "prefill: to the first token".to_owned(),
            Phase::Decode => "decode: to the last token".to_owned(),
            Phase::Whole => "to the whole answer".to_owned(),
            Phase::Stall => format!("stall: no token for over {}", span_text(threshold_s)),
            Phase::Failed => "failed".to_owned(),
        }
    }

    fn ink(self) -> Ink {
        match self {
            Phase::ClientQueue => Ink::Muted,
            Phase::ServerQueue => Ink::Series(1),
            Phase::Prefill | Phase::Whole => Ink::Series(4),
            Phase::Decode => Ink::Series(0),
            Phase::Stall => Ink::Series(3),
            Phase::Failed => Ink::Bad,
        }
    }
}

/// Something a request did, from when to when.
type Stretch = (Phase, f64, f64);

/// A row for each request, in the order of sending: how long it waited in the client and in the
/// server, read its prompt, wrote its answer, and stalled.
///
/// Of more than a thousand requests, as many are chosen evenly. Failures are marked in any case.
///
/// # Errors
/// If it is not known of any request when it was sent.
pub fn timeline(run: &RunResult) -> Result<Figure, NoChart> {
    if run.requests.is_empty() {
        return Err(NoChart::no_details(ID, run));
    }
    let sent = by_start(run);
    let zero = sent.iter().map(Placed::due).min_by(f64::total_cmp);
    let Some(zero) = zero else {
        return Err(NoChart::lacking(
            ID,
            run,
            "request with the time at which it was sent",
            "run bench-serve with --save-detailed or --save-requests json",
        ));
    };
    let chart = Chart {
        threshold_s: stall_threshold(run),
        end: sent.iter().map(Placed::end).fold(zero, f64::max),
        zero,
        shown: evenly(sent.len(), ROWS),
        sent,
    };
    let mut figure = Caption::of(&[run]).figure(ID, "Timeline of requests", vec![chart.panel()]);
    figure.footer.extend(chart.words());
    figure.footer.extend(never_placed(run));
    Ok(figure)
}

struct Chart<'a> {
    /// All requests, by start.
    sent: Vec<Placed<'a>>,
    /// Which of them have a row.
    shown: Vec<usize>,
    /// When the first request was due.
    zero: f64,
    /// When the last one ended.
    end: f64,
    threshold_s: f64,
}

impl Chart<'_> {
    fn panel(&self) -> Panel {
        let mut stretches = Vec::new();
        for &row in &self.shown {
            let of_row = self.stretches(&self.sent[row]);
            stretches.extend(of_row.into_iter().map(|stretch| (row, stretch)));
        }
        let mut layers: Vec<Layer> = PHASES
            .into_iter()
            .filter_map(|phase| self.layer(phase, &stretches))
            .collect();
        layers.extend(self.failures());
        let mut y = Axis::linear("Request, in the order of sending", None);
        y.range = Some((0.0, self.sent.len() as f64));
        Panel {
            title: None,
            x: Axis::linear("Time since the first request was due", Some("s")),
            y,
            layers,
        }
    }

    /// What a request did, one after the other; stalls lie upon the decoding.
    fn stretches(&self, placed: &Placed<'_>) -> Vec<Stretch> {
        let request = placed.request;
        let mut stretches = vec![(Phase::ClientQueue, placed.due(), placed.start)];
        if !request.success {
            stretches.push((Phase::Failed, placed.start, placed.end()));
        } else if let Some(first) = placed.first_token() {
            let queue = request.server.queue.unwrap_or_default();
            let begun = (placed.start + queue).min(first);
            stretches.extend([
                (Phase::ServerQueue, placed.start, begun),
                (Phase::Prefill, begun, first),
                (Phase::Decode, first, placed.end()),
            ]);
        } else {
            stretches.push((Phase::Whole, placed.start, placed.end()));
        }
        let stalls = placed
            .gaps()
            .filter(|(from, to)| to - from > self.threshold_s);
        stretches.extend(stalls.map(|(from, to)| (Phase::Stall, from, to)));
        stretches.retain(|(_, from, to)| to > from);
        stretches
    }

    fn layer(&self, phase: Phase, stretches: &[(usize, Stretch)]) -> Option<Layer> {
        let of_phase = stretches.iter().filter(|(_, stretch)| stretch.0 == phase);
        let mut spans: Vec<Span> = of_phase
            .map(|(row, (_, from, to))| self.span(*row, *from, *to))
            .collect();
        if phase == Phase::Stall && spans.len() > STALLS {
            spans.sort_by(|one, other| length(other).total_cmp(&length(one)));
            spans.truncate(STALLS);
        }
        let name = phase.name(self.threshold_s);
        (!spans.is_empty()).then(|| Layer::new(name, phase.ink(), Marks::Spans(spans)))
    }

    fn span(&self, row: usize, from: f64, to: f64) -> Span {
        let height = self.sent.len() as f64 / self.shown.len() as f64;
        let space = match self.sent.len() <= APART {
            true => 0.1,
            false => 0.0,
        };
        // The rows that are shown share the room of all.
        let place = self.shown.partition_point(|shown| *shown < row) as f64;
        Span {
            left: from - self.zero,
            right: to - self.zero,
            bottom: (place + space) * height,
            top: (place + 1.0 - space) * height,
        }
    }

    /// Where requests failed, whether they have a row of their own or not: as points, or as
    /// strokes where points would cover all else.
    /// Those of unknown end stand where they were sent, under a name that says so.
    fn failures(&self) -> impl Iterator<Item = Layer> {
        let failed: Vec<usize> = self.failed().collect();
        let chosen = evenly(failed.len(), FAILURES).into_iter();
        let (ended, lost): (Vec<usize>, Vec<usize>) = chosen
            .map(|index| failed[index])
            .partition(|row| self.sent[*row].has_end());
        let points = failed.len() <= POINTS;
        let marks = |rows: Vec<usize>| match points {
            true => Marks::Points(rows.into_iter().map(|row| self.failure(row)).collect()),
            false => Marks::Spans(rows.into_iter().map(|row| self.stroke(row)).collect()),
        };
        let named = [
            ("end of a failed request", Ink::Bad, ended),
            (END_UNKNOWN, Ink::Series(5), lost),
        ];
        let layers = named
            .into_iter()
            .filter(|(_, _, rows)| !rows.is_empty())
            .map(|(name, ink, rows)| Layer::new(name.to_owned(), ink, marks(rows)));
        layers.collect::<Vec<Layer>>().into_iter()
    }

    fn failure(&self, row: usize) -> Point {
        let placed = &self.sent[row];
        let error = placed.request.error.as_deref().unwrap_or("failed");
        Point {
            x: placed.end() - self.zero,
            y: row as f64 + 0.5,
            label: Some(format!("request {}: {error}", placed.number)),
        }
    }

    fn stroke(&self, row: usize) -> Span {
        let at = self.sent[row].end() - self.zero;
        let height = self.sent.len() as f64 / self.shown.len() as f64;
        Span {
            left: at,
            right: at + STROKE * (self.end - self.zero),
            bottom: row as f64,
            top: (row as f64 + height).min(self.sent.len() as f64),
        }
    }

    /// The rows of failed requests.
    fn failed(&self) -> impl Iterator<Item = usize> {
        let rows = self.sent.iter().enumerate();
        rows.filter(|(_, placed)| !placed.request.success)
            .map(|(row, _)| row)
    }

    /// What the footer has to say of what is not drawn.
    fn words(&self) -> Vec<String> {
        let (shown, all) = (self.shown.len(), self.sent.len());
        let mut words = Vec::new();
        if shown < all {
            words.push(format!(
                "{shown} of {all} requests are shown, chosen evenly in the order of sending"
            ));
        }
        let failed = self.failed().count();
        if failed > FAILURES {
            words.push(format!(
                "{FAILURES} of {} are marked",
                counted(failed, "failure")
            ));
        }
        let rows = self.shown.iter().map(|row| &self.sent[*row]);
        let gaps = rows.flat_map(Placed::gaps);
        let stalls = gaps
            .filter(|(from, to)| to - from > self.threshold_s)
            .count();
        if stalls > STALLS {
            words.push(format!("The {STALLS} longest of {stalls} stalls are shown"));
        }
        words
    }
}

fn length(span: &Span) -> f64 {
    span.right - span.left
}
