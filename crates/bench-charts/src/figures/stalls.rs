//! Where streams fell silent, and whether many did at once.

mod pauses;
mod slots;
#[cfg(test)]
mod tests;

use bench_report::RunResult;

use self::pauses::{Pauses, SilentStreams};
use self::slots::slots;
use super::request_times::{Placed, by_start, never_placed, span_text, stall_threshold};
use super::series::counted;
use crate::{Axis, Caption, Figure, Heat, Ink, Layer, Marks, NoChart, Panel, Point, Scale, Span};

const ID: &str = "stalls";

/// Up to this many stalls are drawn one by one; more of them become a field of cells.
const MARKS: usize = 2000;

/// The cells of such a field, and the points of the curve below.
const COLUMNS: usize = 200;
const ROWS: usize = 64;

/// Stalls are shaded by how many times as long as the threshold they are.
const CLASSES: [f64; 3] = [1.0, 2.0, 5.0];

/// How many pauses of the server have their name in the picture and in the footer.
const NAMED: usize = 5;

/// Up to this many slots there is a space between them.
const APART: usize = 100;

/// Height of the strip that shows pauses, as a share of the height of all slots.
const STRIP: f64 = 0.06;

/// A silence inside a stream.
#[derive(Clone, Copy, Debug)]
struct Gap {
    from: f64,
    to: f64,
    /// Place of the request in the order of sending.
    row: usize,
}

impl Gap {
    fn length(&self) -> f64 {
        self.to - self.from
    }
}

/// Every gap of a stream that is longer than the threshold of the run, at the time it happened
/// and in the slot of its request; below them, how many streams were silent at once.
///
/// A slot is a place among the requests that are under way. Where half of the streams and at
/// least three are silent at the same time, the server paused; a strip above the slots says
/// when. If there is no stall at all, or
/// more than can be told apart, the longest gap of each moment and slot is shown as a field.
///
/// # Errors
/// If no request has the times of its tokens.
pub fn stalls(run: &RunResult) -> Result<Figure, NoChart> {
    if run.requests.is_empty() {
        return Err(NoChart::no_details(ID, run));
    }
    let sent = by_start(run);
    let chart = Chart::of(run, sent).ok_or_else(|| {
        NoChart::lacking(
            ID,
            run,
            "stream with the times of its tokens",
            "stream the answers and run bench-serve with --save-detailed or --save-requests json",
        )
    })?;
    let panels = vec![chart.map(), chart.silent()];
    let mut figure = Caption::of(&[run]).figure(ID, "Stalls", panels);
    figure.footer.extend(chart.words());
    figure.footer.extend(never_placed(run));
    Ok(figure)
}

struct Chart<'a> {
    sent: Vec<Placed<'a>>,
    /// The slot of each request.
    slots: Vec<usize>,
    /// When the first request was sent.
    zero: f64,
    /// When the last one ended.
    end: f64,
    threshold_s: f64,
    /// The gaps above the threshold, the longest first.
    stalls: Vec<Gap>,
    /// The longest gap, above the threshold or not.
    longest: Gap,
    silent: SilentStreams,
    pauses: Pauses,
}

impl<'a> Chart<'a> {
    /// `None` if there is no gap.
    fn of(run: &RunResult, sent: Vec<Placed<'a>>) -> Option<Chart<'a>> {
        let threshold_s = stall_threshold(run);
        let longest =
            all_gaps(&sent).max_by(|one, other| one.length().total_cmp(&other.length()))?;
        let long = all_gaps(&sent).filter(|gap| gap.length() > threshold_s);
        let mut stalls: Vec<Gap> = long.collect();
        let silent = SilentStreams::of(&sent, &stalls);
        stalls.sort_by(|one, other| other.length().total_cmp(&one.length()));
        let zero = sent.first()?.start;
        let ends = sent.iter().map(Placed::end);
        let end = ends.max_by(f64::total_cmp).filter(|end| *end > zero)?;
        Some(Chart {
            slots: slots(&sent),
            zero,
            end,
            threshold_s,
            longest,
            pauses: silent.pauses(),
            silent,
            stalls,
            sent,
        })
    }

    fn map(&self) -> Panel {
        let top = (self.slots.iter().max().copied().unwrap_or_default() + 1) as f64;
        let mut layers = if (1..=MARKS).contains(&self.stalls.len()) {
            self.classes(top)
        } else {
            let heat = Marks::Heat(self.heat(top));
            vec![Layer::new(None, Ink::Series(0), heat)]
        };
        let ceiling = match self.pauses.longest.is_empty() {
            true => top,
            false => top * (1.0 + STRIP),
        };
        layers.extend(self.strip(top, ceiling));
        layers.extend(self.words_inside(top, ceiling));
        let mut y = Axis::linear("Slot: place among the requests under way", None);
        y.range = Some((0.0, ceiling));
        Panel {
            title: Some("Silence inside streams".to_owned()),
            x: self.time(),
            y,
            layers,
        }
    }

    /// The stalls one by one, in a shade for each class of length.
    fn classes(&self, top: f64) -> Vec<Layer> {
        let class = |length: f64| {
            let longer = |times: &&f64| length > **times * self.threshold_s;
            CLASSES.iter().filter(longer).count()
        };
        let layer = |index: usize| {
            let from = CLASSES[index] * self.threshold_s;
            let of_class = self.stalls.iter();
            let of_class = of_class.filter(|gap| class(gap.length()) == index + 1);
            let spans: Vec<Span> = of_class.map(|gap| self.span(gap, top)).collect();
            let name = match CLASSES.get(index + 1) {
                Some(to) => {
                    let to = to * self.threshold_s;
                    format!("{} to {}", span_text(from), span_text(to))
                }
                None => format!("over {}", span_text(from)),
            };
            let ink = match index + 1 == CLASSES.len() {
                true => Ink::Bad,
                false => [Ink::Series(4), Ink::Series(1)][index],
            };
            (!spans.is_empty()).then(|| Layer::new(name, ink, Marks::Spans(spans)))
        };
        (0..CLASSES.len()).filter_map(layer).collect()
    }

    fn span(&self, gap: &Gap, top: f64) -> Span {
        let slot = self.slots[gap.row] as f64;
        let space = match top as usize <= APART {
            true => 0.1,
            false => 0.0,
        };
        Span {
            left: gap.from - self.zero,
            right: gap.to - self.zero,
            bottom: slot + space,
            top: slot + 1.0 - space,
        }
    }

    /// The longest gap that touches each cell of time and slots.
    fn heat(&self, top: f64) -> Heat {
        let rows = ROWS.min(top as usize);
        let duration = self.end - self.zero;
        let column = |at: f64| {
            let share = (at - self.zero) / duration;
            ((share * COLUMNS as f64) as usize).min(COLUMNS - 1)
        };
        let mut values = vec![f64::NAN; COLUMNS * rows];
        for gap in all_gaps(&self.sent) {
            let row = self.slots[gap.row] * rows / top as usize;
            for cell in column(gap.from)..=column(gap.to) {
                let value = &mut values[row * COLUMNS + cell];
                // The maximum of a number and NaN is the number.
                *value = value.max(gap.length() * 1e3);
            }
        }
        let edges = |count: usize, end: f64| {
            let edge = move |index: usize| index as f64 * end / count as f64;
            (0..=count).map(edge).collect::<Vec<f64>>()
        };
        // Cells of zero, of chunks that all came at once, have no logarithm.
        let scale = match values.contains(&0.0) {
            true => Scale::Linear,
            false => Scale::Log,
        };
        Heat {
            x_edges: edges(COLUMNS, duration),
            y_edges: edges(rows, top),
            values,
            value_name: "Longest gap (ms)".to_owned(),
            scale,
        }
    }

    /// The pauses of the server, above the slots.
    fn strip(&self, top: f64, ceiling: f64) -> Option<Layer> {
        let spans = self.pauses.longest.iter().map(|pause| Span {
            left: pause.from - self.zero,
            right: pause.to - self.zero,
            bottom: top,
            top: ceiling,
        });
        let spans: Vec<Span> = spans.collect();
        let name = "pause of the server".to_owned();
        (!spans.is_empty()).then(|| Layer::new(name, Ink::Muted, Marks::Spans(spans)))
    }

    /// The names of the pauses, and how long the longest stall was.
    fn words_inside(&self, top: f64, ceiling: f64) -> Option<Layer> {
        let longest = self.pauses.longest.iter().take(NAMED).enumerate();
        let words = longest.map(|(index, pause)| Point {
            x: pause.to - self.zero,
            y: (top + ceiling) / 2.0,
            label: Some(format!("pause {}", index + 1)),
        });
        let mut words: Vec<Point> = words.collect();
        if !self.stalls.is_empty() {
            words.push(Point {
                x: self.longest.to - self.zero,
                y: self.slots[self.longest.row] as f64 + 0.5,
                label: Some(span_text(self.longest.length())),
            });
        }
        (!words.is_empty()).then(|| Layer::new(None, Ink::Muted, Marks::Words(words)))
    }

    /// How many streams were under way, and how many of them silent.
    fn silent(&self) -> Panel {
        let curves = self.silent.curves(self.zero, self.end, COLUMNS);
        let layer =
            |name: &str, ink, points| Layer::new(name.to_owned(), ink, Marks::Steps(points));
        Panel {
            title: Some("Streams under way, and how many of them silent".to_owned()),
            x: self.time(),
            y: Axis::linear("Streams", None),
            layers: vec![
                layer("under way", Ink::Series(0), curves.open),
                layer(
                    "silent for longer than the threshold",
                    Ink::Bad,
                    curves.silent,
                ),
            ],
        }
    }

    fn time(&self) -> Axis {
        let mut axis = Axis::linear("Time since the first request was sent", Some("s"));
        axis.range = Some((0.0, self.end - self.zero));
        axis
    }

    fn words(&self) -> Vec<String> {
        let threshold = span_text(self.threshold_s);
        let longest = format!(
            "{} in request {} at {:.2} s",
            span_text(self.longest.length()),
            self.sent[self.longest.row].number,
            self.longest.from - self.zero
        );
        if self.stalls.is_empty() {
            return vec![format!(
                "No gap was longer than {threshold}; the longest was {longest}"
            )];
        }
        let mut rows: Vec<usize> = self.stalls.iter().map(|gap| gap.row).collect();
        rows.sort_unstable();
        rows.dedup();
        let mut words = vec![format!(
            "{} longer than {threshold} in {}; the longest was {longest}",
            counted(self.stalls.len(), "gap"),
            counted(rows.len(), "request")
        )];
        if self.stalls.len() > MARKS {
            words.push(
                "Too many to be drawn one by one: each cell shows its longest gap".to_owned(),
            );
        }
        words.extend(self.pauses.words(self.zero, NAMED));
        words
    }
}

fn all_gaps(sent: &[Placed<'_>]) -> impl Iterator<Item = Gap> {
    let rows = sent.iter().enumerate();
    rows.flat_map(|(row, placed)| {
        let gaps = placed.gaps();
        gaps.map(move |(from, to)| Gap { from, to, row })
    })
}
