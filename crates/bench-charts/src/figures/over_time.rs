//! A run from its start to its end.

use bench_report::{RequestSample, RunResult};

use super::overlay::{Shown, shown};
use super::request_times::END_UNKNOWN;
use super::series::counted;
use super::thin::evenly;
use crate::bins::{Windows, density, thin};
use crate::{Axis, Caption, Figure, Ink, Layer, Marks, NoChart, Panel, Point};

const ID: &str = "over-time";

/// Requests are points up to this many; more are counted in cells.
const POINTS: usize = 2_000;

/// How many failures of a run are marked one by one; bars count all of them.
const FAILURES: usize = 200;

/// How many requests end on average in a window of their rates, at least: in shorter windows the
/// end of one request is a burst.
const ENDS: f64 = 5.0;

/// Requests under way, tokens and requests per second, and the TTFT of each request, from the
/// first request sent to the last one ended.
///
/// Several runs, of the same load if the comparison shall mean something, are laid over each
/// other, each from its own start.
///
/// # Errors
/// If no run tells when its requests were sent.
pub fn over_time(runs: &[&RunResult]) -> Result<Figure, NoChart> {
    let first = runs.first().ok_or(NoChart::NoRuns { chart: ID })?;
    if runs.iter().all(|run| run.requests.is_empty()) {
        return Err(NoChart::no_details(ID, first));
    }
    let mut notes = Vec::new();
    let shown = shown(runs, &mut notes);
    let courses: Vec<Course<'_, '_>> = shown
        .iter()
        .filter_map(|one| Course::of(one, &mut notes))
        .collect();
    let Some(end) = courses.iter().map(|course| course.end).reduce(f64::max) else {
        let cure = "the file must tell when each request was sent and how long it took";
        return Err(NoChart::lacking(ID, first, "times of requests", cure));
    };
    let windows = Windows::until(end);
    let wide = wide_windows(&courses, end);
    let rates = match wide == windows {
        true => format!("Rates in {}", windows.words()),
        false => format!(
            "Rates of tokens in {}, of requests in {}",
            windows.words(),
            wide.words()
        ),
    };
    let mut panels = vec![under_way(&courses, &mut notes)];
    panels.extend(tokens(&courses, &windows, &mut notes));
    panels.push(requests(&courses, &wide));
    panels.extend(first_tokens(&courses, &mut notes));
    for panel in &mut panels {
        panel.x.range = Some((0.0, end));
        // Amounts are read from 0.
        if let Some(highest) = highest(panel) {
            let top = if highest > 0.0 { highest * 1.05 } else { 1.0 };
            panel.y.range = Some((0.0, top));
        }
    }
    let mut figure = Caption::of(runs).figure(ID, "The run over time", panels);
    figure
        .footer
        .push(format!("{rates}, from the first request sent"));
    figure.footer.extend(notes);
    Ok(figure)
}

/// Windows for the rates of requests, of which there are fewer than of tokens.
fn wide_windows(courses: &[Course<'_, '_>], end: f64) -> Windows {
    let ended = |course: &Course<'_, '_>| {
        let completed = course.placed.iter().filter(|one| one.request.success);
        completed.count()
    };
    let fewest = courses.iter().map(ended).filter(|count| *count > 0).min();
    let least = fewest.map_or(0.0, |count| ENDS * end / count as f64);
    Windows::of_at_least(least.min(end), end)
}

/// A request with its place on the clock, in seconds since the first one was sent.
struct Placed<'a> {
    request: &'a RequestSample,
    start: f64,
    /// When the answer ended, if that is known.
    end: Option<f64>,
}

impl Placed<'_> {
    /// Where it is marked if it failed: at its end if that is known, or else when it was sent.
    fn last(&self) -> f64 {
        self.end.unwrap_or(self.start)
    }
}

/// The requests of a run on the clock.
struct Course<'s, 'a> {
    of: &'s Shown<'a>,
    placed: Vec<Placed<'a>>,
    /// When the last thing happened.
    end: f64,
}

impl<'s, 'a> Course<'s, 'a> {
    /// `None` if it is not known when any request was sent.
    fn of(of: &'s Shown<'a>, notes: &mut Vec<String>) -> Option<Course<'s, 'a>> {
        let start = |request: &RequestSample| request.start.filter(|start| start.is_finite());
        let requests = &of.run.requests;
        let zero = requests.iter().filter_map(start).reduce(f64::min);
        let placed: Vec<Placed<'_>> = requests
            .iter()
            .filter_map(|request| {
                let start = start(request)? - zero?;
                let latency = request.e2el.or(request.failed_after);
                let latency = latency.filter(|latency| latency.is_finite());
                Some(Placed {
                    request,
                    start,
                    end: latency.map(|latency| start + latency.max(0.0)),
                })
            })
            .collect();
        let lost = requests.len() - placed.len();
        if lost > 0 {
            let lost = counted(lost, "request");
            notes.push(of.says(&format!("{lost} without a time of sending")));
        }
        let end = placed.iter().map(Placed::last).reduce(f64::max)?;
        Some(Course { of, placed, end })
    }

    /// How many requests are under way after each moment at which that changes.
    fn under_way(&self) -> Vec<Point> {
        let ended = self.placed.iter().filter_map(|one| Some((one, one.end?)));
        let mut changes: Vec<(f64, f64)> = ended
            .flat_map(|(one, end)| [(one.start, 1.0), (end, -1.0)])
            .collect();
        changes.sort_unstable_by(|a, b| a.0.total_cmp(&b.0));
        let mut level = 0.0;
        let mut points = Vec::new();
        for moment in changes.chunk_by(|a, b| a.0 == b.0) {
            level += moment.iter().map(|change| change.1).sum::<f64>();
            points.push(Point::at(moment[0].0, level));
        }
        points
    }

    /// When each token of the completed requests came, and for how many that is a guess.
    fn tokens(&self) -> (Vec<(f64, f64)>, Guesses) {
        let mut guesses = Guesses::default();
        let mut events = Vec::new();
        for one in self.placed.iter().filter(|one| one.request.success) {
            let request = one.request;
            let chunks = 1 + request.gaps.len();
            let Some(ttft) = request.ttft else {
                if request.output_tokens == Some(0) {
                    continue;
                }
                let tokens = request.output_tokens.zip(one.end);
                events.extend(tokens.map(|(tokens, end)| (end, tokens as f64)));
                guesses.at_end += usize::from(tokens.is_some());
                guesses.lost += usize::from(tokens.is_none());
                continue;
            };
            let known = request.chunk_tokens.len() == chunks;
            let even = request.output_tokens.unwrap_or(chunks as u64) as f64 / chunks as f64;
            guesses.even += usize::from(!known);
            let mut at = one.start + ttft;
            for chunk in 0..chunks {
                if chunk > 0 {
                    at += request.gaps[chunk - 1];
                }
                let tokens = match request.chunk_tokens.get(chunk) {
                    Some(tokens) if known => f64::from(*tokens),
                    _ => even,
                };
                events.push((at, tokens));
            }
        }
        (events, guesses)
    }

    /// The requests that failed.
    fn failures(&self) -> Vec<&Placed<'a>> {
        let failed = self.placed.iter().filter(|one| !one.request.success);
        failed.collect()
    }
}

/// Requests whose tokens have no times of their own.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Guesses {
    /// Their tokens are spread evenly over their chunks.
    even: usize,
    /// Their tokens are counted at their end.
    at_end: usize,
    /// Their tokens are not counted.
    lost: usize,
}

impl Shown<'_> {
    /// A note about this run.
    fn says(&self, note: &str) -> String {
        match &self.name {
            Some(name) => format!("{name}: {note}"),
            None => note.to_owned(),
        }
    }
}

/// The height of the highest step or bar of a panel, if it has steps.
fn highest(panel: &Panel) -> Option<f64> {
    let steps = panel.layers.iter().filter_map(|layer| match &layer.marks {
        Marks::Steps(points) => Some(points.iter().map(|point| point.y)),
        _ => None,
    });
    let bars = panel.layers.iter().filter_map(|layer| match &layer.marks {
        Marks::Bars(bars) => Some(bars.iter().map(|bar| bar.height)),
        _ => None,
    });
    let mut steps = steps.peekable();
    steps.peek()?;
    let highest = steps.flatten().fold(0.0, f64::max);
    Some(bars.flatten().fold(highest, f64::max))
}

fn time() -> Axis {
    Axis::linear("Time since the first request", Some("s"))
}

fn panel(title: &str, y: Axis, layers: Vec<Layer>) -> Panel {
    Panel {
        title: Some(title.to_owned()),
        x: time(),
        y,
        layers,
    }
}

fn under_way(courses: &[Course<'_, '_>], notes: &mut Vec<String>) -> Panel {
    let mut layers = Vec::new();
    let (mut ended, mut lost) = (Vec::new(), Vec::new());
    for course in courses {
        let levels = course.under_way();
        // The first of several.
        let highest = levels.iter().rev().max_by(|a, b| a.y.total_cmp(&b.y));
        if let Some(peak) = highest {
            let peak = format!("peak {} under way at {:.2} s", peak.y, peak.x);
            notes.push(course.of.says(&peak));
        }
        let open = course.placed.iter().filter(|one| one.end.is_none()).count();
        if open > 0 {
            let open = counted(open, "request");
            notes.push(
                course
                    .of
                    .says(&format!("{open} of unknown end not among those under way")),
            );
        }
        let failures = course.failures();
        if failures.len() > FAILURES {
            let all = counted(failures.len(), "failure");
            notes.push(course.of.says(&format!(
                "{FAILURES} of {all} marked among those under way, chosen evenly"
            )));
        }
        for index in evenly(failures.len(), FAILURES) {
            let failure = failures[index];
            let at = failure.last();
            let before = levels.partition_point(|point| point.x < at);
            let level = before.checked_sub(1).map_or(0.0, |i| levels[i].y);
            let of_kind = match failure.end {
                Some(_) => &mut ended,
                None => &mut lost,
            };
            of_kind.push(Point::at(at, level));
        }
        layers.push(course.of.layer(Marks::Steps(thin(levels))));
    }
    // A colour that no run has.
    let unknown = Ink::Series(courses.len().max(5));
    for (name, ink, failed) in [("failed", Ink::Bad, ended), (END_UNKNOWN, unknown, lost)] {
        if !failed.is_empty() {
            layers.push(Layer::new(name.to_owned(), ink, Marks::Points(failed)));
        }
    }
    panel("Requests under way", Axis::linear("Requests", None), layers)
}

/// Nothing, and a note, if no token is known of any run.
fn tokens(courses: &[Course<'_, '_>], windows: &Windows, notes: &mut Vec<String>) -> Option<Panel> {
    let came: Vec<_> = courses.iter().map(Course::tokens).collect();
    if came.iter().all(|(events, _)| events.is_empty()) {
        notes.push(
            "Output tokens per second not shown: no completed request has known output tokens"
                .to_owned(),
        );
        return None;
    }
    let mut layers = Vec::new();
    for (course, (events, guesses)) in courses.iter().zip(came) {
        for (count, what) in [
            (guesses.even, "tokens spread evenly over chunks"),
            (guesses.at_end, "tokens counted at the end"),
            (guesses.lost, "tokens unknown"),
        ] {
            if count > 0 {
                let requests = counted(count, "request");
                notes.push(course.of.says(&format!("{what} for {requests}")));
            }
        }
        let rates = windows.rates(events.into_iter());
        layers.push(course.of.layer(Marks::Steps(rates)));
    }
    let y = Axis::linear("Output tokens of completed requests", Some("tok/s"));
    Some(panel("Output tokens per second", y, layers))
}

fn requests(courses: &[Course<'_, '_>], windows: &Windows) -> Panel {
    let mut layers = Vec::new();
    let mut failed = Vec::new();
    for course in courses {
        failed.extend(course.failures());
        let completed = course.placed.iter().filter(|one| one.request.success);
        let ends = completed.filter_map(|one| Some((one.end?, 1.0)));
        let rates = Marks::Steps(windows.rates(ends));
        let name = course.of.name.clone();
        let name = name.unwrap_or_else(|| "completed".to_owned());
        layers.push(course.of.named_layer(Some(name), rates));
    }
    if !failed.is_empty() {
        let known = failed.iter().filter(|one| one.end.is_some()).count();
        let name = match known {
            0 => END_UNKNOWN,
            some if some < failed.len() => "failed, some of unknown end",
            _ => "failed",
        };
        let failed = failed.into_iter().map(|one| (one.last(), 1.0));
        let bars = Marks::Bars(windows.rate_bars(failed));
        layers.insert(0, Layer::new(name.to_owned(), Ink::Bad, bars));
    }
    let y = Axis::linear("Requests ended", Some("req/s"));
    panel("Requests per second", y, layers)
}

/// The TTFT of each request over the time at which it was sent; nothing without any.
fn first_tokens(courses: &[Course<'_, '_>], notes: &mut Vec<String>) -> Option<Panel> {
    let clouds: Vec<(&Course<'_, '_>, Vec<(f64, f64)>)> = courses
        .iter()
        .map(|course| {
            let answered = course.placed.iter().filter(|one| one.request.success);
            let points = answered.filter_map(|one| Some((one.start, one.request.ttft? * 1e3)));
            (course, points.filter(|point| point.1.is_finite()).collect())
        })
        .filter(|(_, points): &(_, Vec<_>)| !points.is_empty())
        .collect();
    let all: usize = clouds.iter().map(|(_, points)| points.len()).sum();
    let mut y = Axis::linear("TTFT", Some("ms"));
    let layers = match clouds.as_slice() {
        [] => return None,
        [(course, points)] if all > POINTS => {
            let (heat, scale) = density(points, "Requests in the cell");
            y.scale = scale;
            notes.push(format!("TTFT of {all} requests as counts in cells"));
            vec![course.of.layer(Marks::Heat(heat))]
        }
        _ if all > POINTS => {
            notes.push(format!(
                "TTFT over time not shown: {all} requests of several runs hide each other"
            ));
            return None;
        }
        _ => clouds
            .iter()
            .map(|(course, points)| {
                let points = points.iter().map(|(x, y)| Point::at(*x, *y));
                course.of.layer(Marks::Points(points.collect()))
            })
            .collect(),
    };
    Some(panel("TTFT by time of sending", y, layers))
}

#[cfg(test)]
mod tests {
    use super::super::make::run;
    use super::*;

    /// A request sent at `start` that gets 5 tokens in 3 chunks: after 0.5 s, 1 s and 2 s.
    fn request(start: f64) -> RequestSample {
        RequestSample {
            success: true,
            start: Some(1_000.0 + start),
            ttft: Some(0.5),
            e2el: Some(2.0),
            gaps: vec![0.5, 1.0],
            chunk_tokens: vec![1, 2, 2],
            output_tokens: Some(5),
            ..RequestSample::default()
        }
    }

    fn with(requests: Vec<RequestSample>) -> RunResult {
        RunResult { requests, ..run(8) }
    }

    fn steps<'f>(figure: &'f Figure, title: &str) -> Vec<&'f Point> {
        let panel = figure
            .panels
            .iter()
            .find(|panel| panel.title.as_deref() == Some(title))
            .unwrap();
        let steps = panel.layers.iter().filter_map(|layer| match &layer.marks {
            Marks::Steps(points) => Some(points),
            _ => None,
        });
        steps.flatten().collect()
    }

    fn area(steps: &[&Point]) -> f64 {
        let pairs = steps.windows(2);
        pairs.map(|pair| pair[0].y * (pair[1].x - pair[0].x)).sum()
    }

    #[test]
    fn requests_under_way_are_counted_exactly() {
        let run = with(vec![request(0.0), request(1.0), request(1.0), request(2.0)]);
        let figure = over_time(&[&run]).unwrap();
        let levels: Vec<(f64, f64)> = steps(&figure, "Requests under way")
            .iter()
            .map(|point| (point.x, point.y))
            .collect();
        // At 2 s one ends and one starts.
        assert_eq!(
            levels,
            [(0.0, 1.0), (1.0, 3.0), (2.0, 3.0), (3.0, 1.0), (4.0, 0.0)]
        );
        let peak = "peak 3 under way at 1.00 s";
        assert!(figure.footer.iter().any(|line| line == peak));
        assert_eq!(figure.panels[0].x.range, Some((0.0, 4.0)));
    }

    #[test]
    fn what_came_is_the_area_below_the_rates() {
        let run = with((0..200).map(|i| request(f64::from(i) * 0.37)).collect());
        let figure = over_time(&[&run]).unwrap();
        let tokens = area(&steps(&figure, "Output tokens per second"));
        assert!((tokens - 1000.0).abs() < 1e-6, "{tokens}");
        let requests = area(&steps(&figure, "Requests per second"));
        assert!((requests - 200.0).abs() < 1e-6, "{requests}");
    }

    #[test]
    fn tokens_without_times_are_guessed_and_told() {
        let mut even = request(0.0);
        even.chunk_tokens.clear();
        let mut whole = request(1.0);
        (whole.ttft, whole.gaps) = (None, Vec::new());
        let run = with(vec![even, whole]);
        let figure = over_time(&[&run]).unwrap();
        assert!((area(&steps(&figure, "Output tokens per second")) - 10.0).abs() < 1e-9);
        for note in [
            "tokens spread evenly over chunks for 1 request",
            "tokens counted at the end for 1 request",
        ] {
            assert!(figure.footer.iter().any(|line| line == note), "{note}");
        }
    }

    #[test]
    fn failures_are_marked_where_they_happened() {
        let mut failed = request(1.0);
        (failed.success, failed.e2el, failed.failed_after) = (false, None, Some(2.0));
        let mut lost = request(3.0);
        (lost.success, lost.e2el) = (false, None);
        let run = with(vec![request(0.0), failed, lost, request(2.5)]);
        let figure = over_time(&[&run]).unwrap();
        let [_, marked, unknown] = figure.panels[0].layers.as_slice() else {
            panic!("{:?}", figure.panels[0].layers)
        };
        assert_eq!(marked.ink, Ink::Bad);
        assert_eq!(marked.marks, Marks::Points(vec![Point::at(3.0, 2.0)]));
        assert_eq!(unknown.name.as_deref(), Some(END_UNKNOWN));
        assert_eq!(unknown.marks, Marks::Points(vec![Point::at(3.0, 2.0)]));
        let Marks::Bars(bars) = &figure.panels[2].layers[0].marks else {
            panic!("bars of failures")
        };
        let failures: f64 = bars.iter().map(|b| b.height * (b.right - b.left)).sum();
        assert!((failures - 2.0).abs() < 1e-9);
        let note = "1 request of unknown end not among those under way";
        assert!(figure.footer.iter().any(|line| line == note));
    }

    #[test]
    fn many_failures_are_thinned_and_told() {
        let failed = |i: u32| RequestSample {
            success: false,
            e2el: None,
            failed_after: Some(1.0),
            ..request(f64::from(i))
        };
        let figure = over_time(&[&with((0..900).map(failed).collect())]).unwrap();
        let Marks::Points(marked) = &figure.panels[0].layers[1].marks else {
            panic!("marks of failures")
        };
        assert_eq!(marked.len(), FAILURES);
        let note = "200 of 900 failures marked among those under way, chosen evenly";
        assert!(figure.footer.iter().any(|line| line == note));
        // Nothing completed: rates of 0, and no tokens at all.
        let requests = &figure.panels[1];
        assert_eq!(requests.title.as_deref(), Some("Requests per second"));
        assert!(figure.footer.iter().any(|line| line.contains("not shown")));
    }

    #[test]
    fn rates_of_nothing_are_on_an_axis_from_0() {
        let mut lost = request(0.0);
        (lost.success, lost.e2el) = (false, None);
        let figure = over_time(&[&with(vec![lost])]).unwrap();
        assert_eq!(figure.panels[0].y.range, Some((0.0, 1.0)));
    }

    #[test]
    fn one_short_request_is_one_request_in_its_time() {
        let mut short = request(0.0);
        (short.e2el, short.ttft, short.gaps) = (Some(0.015), Some(0.01), vec![0.002, 0.003]);
        let figure = over_time(&[&with(vec![short])]).unwrap();
        let rates = steps(&figure, "Requests per second");
        assert!((rates[0].y - 1.0 / 0.015).abs() < 1e-6, "{rates:?}");
        assert!((area(&rates) - 1.0).abs() < 1e-9);
        let note = "Rates in one window, the whole run, from the first request sent";
        assert!(figure.footer.iter().any(|line| line == note));
    }

    #[test]
    fn runs_start_together() {
        let one = with(vec![request(0.0), request(1.0)]);
        let two = with(vec![request(500.0), request(502.0)]);
        let figure = over_time(&[&one, &two]).unwrap();
        assert_eq!(figure.panels[0].layers.len(), 2);
        assert_eq!(figure.panels[0].x.range, Some((0.0, 4.0)));
    }

    #[test]
    fn a_hundred_thousand_requests_stay_readable() {
        let run = with(
            (0..100_000)
                .map(|i| request(f64::from(i) * 0.003))
                .collect(),
        );
        let figure = over_time(&[&run]).unwrap();
        for layer in figure.panels.iter().flat_map(|panel| &panel.layers) {
            let marks = match &layer.marks {
                Marks::Steps(points) => points.len(),
                Marks::Heat(heat) => heat.values.len(),
                other => panic!("{other:?}"),
            };
            assert!(marks <= 5_000, "{marks}");
        }
        let note = "TTFT of 100000 requests as counts in cells";
        assert!(figure.footer.iter().any(|line| line == note));
    }

    #[test]
    fn without_times_there_is_no_chart() {
        assert!(matches!(
            over_time(&[&run(8)]),
            Err(NoChart::NoDetails { .. })
        ));
        let mut timeless = request(0.0);
        timeless.start = None;
        let error = over_time(&[&with(vec![timeless])]).unwrap_err();
        assert!(error.to_string().contains("times of requests"), "{error}");
    }
}
