//! Every token of a run as it came.

mod events;
mod plateaus;
#[cfg(test)]
mod tests;

use bench_report::RunResult;

use self::events::{Event, Events};
use self::plateaus::{Plateaus, plateaus};
use super::request_times::{left_out, span_text};
use super::thin::rising;
use crate::bins::Windows;
use crate::{Axis, Caption, Figure, Ink, Layer, Marks, NoChart, Panel, Point, Span};

const ID: &str = "cumulative";

/// How many columns a curve is thinned to: more than a picture has pixels to tell apart.
const COLUMNS: usize = 2000;

/// Height of the strip that shows plateaus, as a share of the height of the curve.
const STRIP: f64 = 0.06;

/// How many plateaus have their length beside them.
const NAMED: usize = 5;

/// What the tokens of a run amount to.
///
/// The first chunk of a request comes at `start + ttft` and each further one a gap after the one
/// before. A chunk is a token unless the result tells how many tokens each chunk brought.
#[derive(Clone, Debug, PartialEq)]
pub struct TokenTotals {
    /// All tokens.
    pub tokens: u64,
    /// Seconds from the first token to the last.
    pub duration_s: f64,
    /// Tokens divided by duration; `None` if all came at once.
    pub tokens_per_s: Option<f64>,
    /// How the tokens were counted.
    pub counting: Counting,
    /// Requests whose token times are known.
    pub requests: usize,
    /// The other requests, by their place in the result, from 0.
    pub lacking: Vec<usize>,
}

/// What a chunk counts as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Counting {
    /// The tokens that it brought.
    Tokens,
    /// One token, for want of a count.
    Chunks,
    /// The tokens that it brought where the result has them, else one.
    Mixed,
}

/// Total tokens, duration and average rate of a run, as [`cumulative`] shows them.
///
/// # Errors
/// If no request has the times of its tokens.
pub fn token_totals(run: &RunResult) -> Result<TokenTotals, NoChart> {
    Events::of(run).map(|events| events.totals())
}

/// How many tokens had come at each moment, and how many came per second in windows of time.
///
/// Spans without a token are marked. If prompts differ in length, the shorter and the longer
/// ones are shown apart too.
///
/// # Errors
/// If no request has the times of its tokens.
pub fn cumulative(run: &RunResult) -> Result<Figure, NoChart> {
    let events = Events::of(run)?;
    let totals = events.totals();
    let times: Vec<f64> = events.all.iter().map(|event| event.at).collect();
    let plateaus = plateaus(run, &times, events.first());
    let split = Split::of(run, &totals.lacking);
    let curves = Curves {
        events: &events,
        split: split.as_ref(),
        duration: totals.duration_s,
    };

    let mut panels = vec![curves.counts(&plateaus, totals.tokens)];
    if totals.tokens_per_s.is_some() {
        panels.push(curves.rates());
    }
    let mut figure = Caption::of(&[run]).figure(ID, "Cumulative tokens", panels);
    figure.footer.push(totals.words());
    figure.footer.push(plateaus.words());
    let why = "for want of their token times";
    let missing = left_out(&totals.lacking, run.requests.len(), why);
    figure.footer.extend(missing);
    Ok(figure)
}

impl TokenTotals {
    /// A line for the footer.
    fn words(&self) -> String {
        let rate = match self.tokens_per_s {
            Some(rate) => format!("{rate:.2} tok/s"),
            None => "all at once".to_owned(),
        };
        let counting = match self.counting {
            Counting::Tokens => "tokens of each chunk as counted",
            Counting::Chunks => "each chunk taken for a token",
            Counting::Mixed => "chunks without a count taken for a token",
        };
        format!(
            "Total tokens: {} · Duration: {} · Average rate: {rate} ({counting})",
            self.tokens,
            span_text(self.duration_s)
        )
    }
}

/// The requests with shorter prompts and those with longer ones.
struct Split {
    /// The most tokens of a prompt among the shorter ones.
    longest_short: u64,
    /// By the number of the request: whether its prompt is among the longer ones.
    is_long: Vec<bool>,
}

impl Split {
    /// At the median length. `None` if prompts have one length, or if not all lengths are known.
    fn of(run: &RunResult, lacking: &[usize]) -> Option<Split> {
        let requests = run.requests.iter().enumerate();
        let shown = requests.filter(|(number, _)| lacking.binary_search(number).is_err());
        let lengths: Option<Vec<u64>> = shown.map(|(_, request)| request.input_tokens).collect();
        let mut lengths = lengths?;
        lengths.sort_unstable();
        let longest = *lengths.last()?;
        let median = lengths[(lengths.len() - 1) / 2];
        let below = lengths.iter().rev().find(|length| **length < longest);
        let longest_short = median.min(*below?);
        let is_long = |tokens: Option<u64>| tokens.is_some_and(|tokens| tokens > longest_short);
        let requests = run.requests.iter();
        Some(Split {
            longest_short,
            is_long: requests.map(|one| is_long(one.input_tokens)).collect(),
        })
    }

    fn has(&self, group: Group, event: &Event) -> bool {
        let is_long = self.is_long[event.request as usize];
        match group {
            Group::All => true,
            Group::Short => !is_long,
            Group::Long => is_long,
        }
    }

    fn name(&self, group: Group) -> String {
        let limit = self.longest_short;
        match group {
            Group::All => "all".to_owned(),
            Group::Short => format!("prompts of up to {limit} tokens"),
            Group::Long => format!("prompts of more than {limit} tokens"),
        }
    }
}

/// Requests that have a curve of their own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Group {
    All,
    Short,
    Long,
}

/// What all curves are made of.
struct Curves<'a> {
    events: &'a Events,
    split: Option<&'a Split>,
    duration: f64,
}

impl Curves<'_> {
    fn counts(&self, plateaus: &Plateaus, tokens: u64) -> Panel {
        let top = tokens as f64;
        let mut layers = self.layers(|group| {
            let mut total = 0u64;
            let points = self.of(group).map(|(x, tokens)| {
                total += u64::from(tokens);
                (x, total as f64)
            });
            rising(points, self.duration, COLUMNS)
        });
        let mut y = Axis::linear("Output tokens", None);
        if !plateaus.longest.is_empty() {
            let ceiling = top * (1.0 + STRIP);
            layers.extend(strip(plateaus, top, ceiling));
            layers.push(lengths(plateaus, (top + ceiling) / 2.0));
            y.range = Some((0.0, ceiling));
        }
        Panel {
            title: Some("Tokens so far".to_owned()),
            x: self.time(),
            y,
            layers,
        }
    }

    fn rates(&self) -> Panel {
        let windows = Windows::until(self.duration);
        let layers = self.layers(|group| {
            windows.rates(self.of(group).map(|(x, tokens)| (x, f64::from(tokens))))
        });
        Panel {
            title: Some(format!("Tokens per second, in {}", windows.words())),
            x: self.time(),
            y: Axis::linear("Output rate", Some("tok/s")),
            layers,
        }
    }

    /// A layer for all, and for the shorter and the longer prompts if they are told apart.
    fn layers(&self, points: impl Fn(Group) -> Vec<Point>) -> Vec<Layer> {
        let layer = |name, ink, group| Layer::new(name, ink, Marks::Steps(points(group)));
        match self.split {
            None => vec![layer(None, Ink::Series(0), Group::All)],
            Some(split) => [Group::All, Group::Short, Group::Long]
                .into_iter()
                .enumerate()
                .map(|(index, group)| layer(Some(split.name(group)), Ink::Series(index), group))
                .collect(),
        }
    }

    /// When tokens of a group came, in seconds since the first token of all, and how many.
    fn of(&self, group: Group) -> impl Iterator<Item = (f64, u32)> {
        let zero = self.events.first();
        let events = self.events.all.iter();
        let events =
            events.filter(move |event| self.split.is_none_or(|split| split.has(group, event)));
        events.map(move |event| (event.at - zero, event.tokens))
    }

    fn time(&self) -> Axis {
        let mut axis = Axis::linear("Time since the first token", Some("s"));
        axis.range = (self.duration > 0.0).then_some((0.0, self.duration));
        axis
    }
}

/// Plateaus as boxes above the curve.
fn strip(plateaus: &Plateaus, bottom: f64, top: f64) -> Vec<Layer> {
    let kinds = [
        ("no token, requests under way", Ink::Bad, true),
        ("no token, nothing under way", Ink::Muted, false),
    ];
    let boxes = |(name, ink, busy): (&str, Ink, bool)| {
        let longest = plateaus.longest.iter();
        let spans = longest.filter(|plateau| (plateau.under_way > 0) == busy);
        let spans = spans.map(|plateau| Span {
            left: plateau.from,
            right: plateau.to,
            bottom,
            top,
        });
        let spans: Vec<Span> = spans.collect();
        let name = Some(name.to_owned());
        (!spans.is_empty()).then(|| Layer::new(name, ink, Marks::Spans(spans)))
    };
    kinds.into_iter().filter_map(boxes).collect()
}

/// How long the longest plateaus are, beside them.
fn lengths(plateaus: &Plateaus, y: f64) -> Layer {
    let longest = plateaus.longest.iter().take(NAMED);
    let words = longest.map(|plateau| Point {
        x: plateau.to,
        y,
        label: Some(span_text(plateau.length())),
    });
    Layer::new(None, Ink::Muted, Marks::Words(words.collect()))
}
