//! Figures as plotly draws them: traces and axes. Colours stand beside the traces, one for each
//! theme, and the page's script paints.

use plotly::common::{
    ColorBar, ColorScale, ColorScalePalette, Fill, HoverInfo, HoverOn, Line, LineShape, Marker,
    MarkerSymbol, Mode, Position, Side, TickMode, Title,
};
use plotly::layout::{Axis as PlotlyAxis, AxisType, HoverMode, Margin};
use plotly::traces::HeatMap;
use plotly::{Layout, Scatter, Trace};
use serde::Serialize;

use super::text::{escaped, hex};
use crate::{
    Axis, Bar, ErrorBar, Figure, Heat, Ink, Layer, Marks, Panel, Point, Scale, Span, Theme,
};

/// What the page's script needs to draw one panel.
#[derive(Serialize)]
pub(super) struct Plot {
    /// The element it is drawn in.
    pub(super) target: String,
    /// Name of the tag whose values are on the x axis, for filters.
    x_tag: Option<&'static str>,
    /// Names of the places of an x axis of names.
    x_names: Vec<String>,
    x_log: bool,
    y_log: bool,
    layers: Vec<Drawn>,
    layout: Layout,
}

/// A layer.
#[derive(Serialize)]
struct Drawn {
    color: Colors,
    tags: Vec<(String, String)>,
    traces: Vec<Box<dyn Trace>>,
    rules: Vec<Rule>,
}

/// A colour in each theme.
#[derive(Serialize)]
struct Colors {
    light: String,
    dark: String,
}

/// A line across the panel.
#[derive(Serialize)]
struct Rule {
    /// Which axis `at` is a value of.
    axis: &'static str,
    at: f64,
    label: String,
}

/// A panel as plotly draws it in the element `target`; `x_tag` is the name of the tag whose
/// values are on its x axis.
pub(super) fn plot(panel: &Panel, target: String, x_tag: Option<&'static str>) -> Plot {
    let x_names = match &panel.x.scale {
        Scale::Category(names) => names.clone(),
        Scale::Linear | Scale::Log => Vec::new(),
    };
    Plot {
        target,
        x_tag,
        x_names,
        x_log: panel.x.scale == Scale::Log,
        y_log: panel.y.scale == Scale::Log,
        layers: panel
            .layers
            .iter()
            .map(|layer| drawn(layer, panel))
            .collect(),
        layout: layout(panel),
    }
}

/// How many values of a figure have no place on their axes: those that are not finite, or not
/// above 0 on an axis of logarithms.
pub(super) fn hidden(figure: &Figure) -> usize {
    figure.panels.iter().map(hidden_in).sum()
}

fn hidden_in(panel: &Panel) -> usize {
    let x = |value: f64| has_place(value, &panel.x.scale);
    let y = |value: f64| has_place(value, &panel.y.scale);
    let lost = |layer: &Layer| match &layer.marks {
        Marks::Line(points)
        | Marks::Steps(points)
        | Marks::Points(points)
        | Marks::Words(points) => count(points, |point| x(point.x) && y(point.y)),
        Marks::Bars(bars) => count(bars, |bar| {
            x(bar.left) && x(bar.right) && bar.height.is_finite()
        }),
        Marks::ErrorBars(bars) => count(bars, |bar| {
            let low = y(bar.low) || bar.is_open(&panel.y.scale);
            x(bar.x) && low && y(bar.high)
        }),
        Marks::Spans(spans) => count(spans, |span| {
            x(span.left) && x(span.right) && y(span.bottom) && y(span.top)
        }),
        // An empty cell is not a lost one.
        Marks::Heat(_) => 0,
        Marks::Vertical(datum) => usize::from(!x(datum.at)),
        Marks::Horizontal(datum) => usize::from(!y(datum.at)),
    };
    panel.layers.iter().map(lost).sum()
}

fn count<T>(marks: &[T], shown: impl Fn(&T) -> bool) -> usize {
    marks.iter().filter(|mark| !shown(mark)).count()
}

fn has_place(value: f64, scale: &Scale) -> bool {
    value.is_finite() && (*scale != Scale::Log || value > 0.0)
}

fn drawn(layer: &Layer, panel: &Panel) -> Drawn {
    let mut rules = Vec::new();
    let traces = match &layer.marks {
        Marks::Line(points) => vec![line(layer, points, panel)],
        Marks::Steps(points) => vec![steps(layer, points, panel)],
        Marks::Points(points) => vec![dots(layer, points, panel)],
        Marks::Words(points) => vec![words(layer, points)],
        Marks::Bars(bars) => bar_traces(layer, bars, panel),
        Marks::ErrorBars(bars) => vec![error_bars(layer, bars, panel)],
        Marks::Spans(spans) => vec![boxes(layer, spans.iter().copied(), 1.0)],
        Marks::Heat(heat) => vec![heat_map(heat, panel)],
        Marks::Vertical(datum) => {
            rules.push(Rule::new("x", datum.at, &datum.label));
            Vec::new()
        }
        Marks::Horizontal(datum) => {
            rules.push(Rule::new("y", datum.at, &datum.label));
            Vec::new()
        }
    };
    Drawn {
        color: Colors::of(layer.ink),
        tags: layer.tags.clone(),
        traces,
        rules,
    }
}

impl Colors {
    fn of(ink: Ink) -> Colors {
        Colors {
            light: hex(Theme::Light.color(ink)),
            dark: hex(Theme::Dark.color(ink)),
        }
    }
}

impl Rule {
    fn new(axis: &'static str, at: f64, label: &str) -> Rule {
        Rule {
            axis,
            at,
            label: escaped(label),
        }
    }
}

fn line(layer: &Layer, points: &[Point], panel: &Panel) -> Box<dyn Trace> {
    // Few points are meant one by one, many are a curve.
    const FEW: usize = 60;
    let mode = match points.len() {
        0..=FEW => Mode::LinesMarkers,
        _ => Mode::Lines,
    };
    let trace = named(scatter(points), layer).mode(mode);
    with_hover(trace.line(Line::new().width(2.0)), points, panel)
}

fn steps(layer: &Layer, points: &[Point], panel: &Panel) -> Box<dyn Trace> {
    let trace = named(scatter(points), layer).mode(Mode::Lines);
    let line = Line::new().width(2.0).shape(LineShape::Hv);
    with_hover(trace.line(line), points, panel)
}

fn dots(layer: &Layer, points: &[Point], panel: &Panel) -> Box<dyn Trace> {
    let size = if points.len() > 500 { 4 } else { 8 };
    let marker = Marker::new().size(size).opacity(0.8);
    let trace = named(scatter(points), layer)
        .mode(Mode::Markers)
        .marker(marker);
    with_hover(trace, points, panel)
}

fn words(layer: &Layer, points: &[Point]) -> Box<dyn Trace> {
    let words = points.iter().map(label_of).collect::<Vec<_>>();
    named(scatter(points), layer)
        .mode(Mode::Text)
        .text_array(words)
        .text_position(Position::TopCenter)
        .hover_info(HoverInfo::Skip)
}

fn label_of(point: &Point) -> String {
    escaped(point.label.as_deref().unwrap_or_default())
}

type Trail = Scatter<Option<f64>, Option<f64>>;

fn scatter(points: &[Point]) -> Box<Trail> {
    let place = |point: &Point| (finite(point.x), finite(point.y));
    let (x, y) = points.iter().map(place).unzip();
    Scatter::new(x, y)
}

fn finite(value: f64) -> Option<f64> {
    value.is_finite().then_some(value)
}

/// With the layer's entry in the legend, if it has one.
fn named(trace: Box<Trail>, layer: &Layer) -> Box<Trail> {
    match &layer.name {
        Some(name) => trace.name(escaped(name)),
        None => trace.name("").show_legend(false),
    }
}

/// Says of a point what it is, and its values with their units.
fn with_hover(trace: Box<Trail>, points: &[Point], panel: &Panel) -> Box<dyn Trace> {
    let values = format!(
        "{}<br>{}",
        hover_line(&panel.x, "x"),
        hover_line(&panel.y, "y")
    );
    if points.iter().all(|point| point.label.is_none()) {
        return trace.hover_template(values);
    }
    trace
        .text_array(points.iter().map(label_of).collect::<Vec<_>>())
        .hover_template(format!("%{{text}}<br>{values}"))
}

/// `TTFT: 12.3 ms`, for plotly to fill in.
fn hover_line(axis: &Axis, name: &str) -> String {
    let unit = axis.unit.as_deref().unwrap_or_default();
    let text = match &axis.scale {
        Scale::Category(_) => format!("{}: %{{{name}}}", escaped(&axis.name)),
        Scale::Linear | Scale::Log => {
            format!(
                "{}: %{{{name}:.6~g}} {}",
                escaped(&axis.name),
                escaped(unit)
            )
        }
    };
    text.trim_end().to_owned()
}

/// Bars, and in the middle of their tops invisible points that say how high they are.
fn bar_traces(layer: &Layer, bars: &[Bar], panel: &Panel) -> Vec<Box<dyn Trace>> {
    let heights = bars.iter().map(|bar| bar.height);
    // There is no 0 on an axis of logarithms; the bars begin below the lowest of them.
    let floor = match panel.y.scale {
        Scale::Log => below_all(heights.filter(|height| *height > 0.0)),
        Scale::Linear | Scale::Category(_) => 0.0,
    };
    let span = |bar: &Bar| Span {
        left: bar.left,
        right: bar.right,
        bottom: floor,
        top: bar.height,
    };
    let tops: Vec<Point> = bars.iter().map(|bar| top(bar, panel)).collect();
    let marker = Marker::new().size(10).opacity(0.0);
    let hover = scatter(&tops).name("").show_legend(false);
    let hover = hover.mode(Mode::Markers).marker(marker);
    vec![
        boxes(layer, bars.iter().map(span), 0.8),
        with_hover(hover, &tops, panel),
    ]
}

/// Where what grows from 0 begins on an axis of logarithms.
fn below_all(values: impl Iterator<Item = f64>) -> f64 {
    values.fold(f64::INFINITY, f64::min) / 2.0
}

fn top(bar: &Bar, panel: &Panel) -> Point {
    let middle = match panel.x.scale {
        Scale::Log if bar.left > 0.0 => (bar.left * bar.right).sqrt(),
        _ => (bar.left + bar.right) / 2.0,
    };
    let label = match panel.x.scale {
        Scale::Category(_) => None,
        Scale::Linear | Scale::Log => Some(format!("{} to {}", short(bar.left), short(bar.right))),
    };
    Point {
        x: middle,
        y: bar.height,
        label,
    }
}

/// At most five digits after the point, without zeros at its end.
fn short(value: f64) -> String {
    let text = format!("{value:.5}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// All boxes as one trace: polygons with gaps between them.
fn boxes(layer: &Layer, spans: impl Iterator<Item = Span>, opacity: f64) -> Box<dyn Trace> {
    let (mut x, mut y) = (Vec::new(), Vec::new());
    let all_finite = |span: &Span| {
        [span.left, span.right, span.bottom, span.top]
            .iter()
            .all(|value| value.is_finite())
    };
    for span in spans.filter(all_finite) {
        x.extend([span.left, span.right, span.right, span.left, span.left].map(Some));
        y.extend([span.bottom, span.bottom, span.top, span.top, span.bottom].map(Some));
        x.push(None);
        y.push(None);
    }
    named(Scatter::new(x, y), layer)
        .mode(Mode::Lines)
        .line(Line::new().width(0.5))
        .fill(Fill::ToSelf)
        .opacity(opacity)
        .hover_on(HoverOn::Fills)
        .hover_info(HoverInfo::Name)
}

/// Upright lines with a dash at each end that the axis can show.
fn error_bars(layer: &Layer, bars: &[ErrorBar], panel: &Panel) -> Box<dyn Trace> {
    const DASH: usize = 8;
    let shown = edges(panel, Direction::Y);
    let foot = match panel.y.range {
        Some((low, _)) if low > 0.0 => low,
        _ => below_all(shown.into_iter()),
    };
    let is_open = |bar: &ErrorBar| bar.is_open(&panel.y.scale);
    let low = |bar: &ErrorBar| if is_open(bar) { foot } else { bar.low };
    let dash = |bar: &ErrorBar| if is_open(bar) { 0 } else { DASH };
    let x = bars
        .iter()
        .flat_map(|bar| [finite(bar.x), finite(bar.x), None]);
    let y = bars
        .iter()
        .flat_map(|bar| [finite(low(bar)), finite(bar.high), None]);
    let sizes = bars.iter().flat_map(|bar| [dash(bar), DASH, DASH]);
    let ends = Marker::new()
        .symbol(MarkerSymbol::LineEWOpen)
        .size_array(sizes.collect());
    named(Scatter::new(x.collect(), y.collect()), layer)
        .mode(Mode::LinesMarkers)
        .line(Line::new().width(1.2))
        .marker(ends)
        .hover_info(HoverInfo::Skip)
}

fn heat_map(heat: &Heat, panel: &Panel) -> Box<dyn Trace> {
    let columns = heat.x_edges.len().saturating_sub(1).max(1);
    let shade = |value: f64| match heat.scale {
        Scale::Log => finite(value.log10()),
        Scale::Linear | Scale::Category(_) => finite(value),
    };
    let rows = heat.values.chunks(columns);
    let texts: Vec<Vec<String>> = rows
        .clone()
        .map(|row| row.iter().copied().map(short).collect())
        .collect();
    let shades: Vec<Vec<Option<f64>>> = rows
        .map(|row| row.iter().copied().map(shade).collect())
        .collect();
    let values = format!(
        "{}<br>{}<br>{}: %{{text}}<extra></extra>",
        hover_line(&panel.x, "x"),
        hover_line(&panel.y, "y"),
        escaped(&heat.value_name)
    );
    HeatMap::new(heat.x_edges.clone(), heat.y_edges.clone(), shades)
        .color_scale(ColorScale::Palette(ColorScalePalette::Viridis))
        .color_bar(color_bar(heat))
        .text_matrix(texts)
        .hover_on_gaps(false)
        .hover_template(values)
}

fn color_bar(heat: &Heat) -> ColorBar {
    let title = Title::with_text(escaped(&heat.value_name)).side(Side::Right);
    let bar = ColorBar::new().title(title).thickness(14);
    if heat.scale != Scale::Log {
        return bar;
    }
    let shown = heat.values.iter().copied().filter(|value| *value > 0.0);
    let values = ticks(&shown.collect::<Vec<_>>());
    let values = values.unwrap_or_else(|| (-9..=9).map(|power| 10f64.powi(power)).collect());
    bar.tick_mode(TickMode::Array)
        .tick_vals(values.iter().map(|value| value.log10()).collect())
        .tick_text(values.into_iter().map(short).collect::<Vec<_>>())
}

fn layout(panel: &Panel) -> Layout {
    Layout::new()
        .auto_size(true)
        .x_axis(axis(&panel.x, &edges(panel, Direction::X)))
        .y_axis(axis(&panel.y, &edges(panel, Direction::Y)))
        .hover_mode(HoverMode::Closest)
        .margin(Margin::new().left(60).right(20).top(20).bottom(50))
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Direction {
    X,
    Y,
}

fn axis(axis: &Axis, shown: &[f64]) -> PlotlyAxis {
    /// Up to this many things each number is marked.
    const FEW: f64 = 8.0;
    let drawn = PlotlyAxis::new()
        .title(Title::with_text(escaped(&axis.label())))
        .auto_margin(true)
        .zero_line(false);
    let range = axis.range;
    match &axis.scale {
        Scale::Linear => {
            let highest = shown.iter().copied().fold(0.0, f64::max);
            let highest = range.map_or(highest, |(_, high)| high);
            // Left to itself plotly marks halves where few are counted.
            let drawn = match axis.counts() && highest <= FEW {
                true => drawn.dtick(1.0),
                false => drawn,
            };
            ranged(drawn, range)
        }
        Scale::Log => {
            let drawn = drawn.type_(AxisType::Log);
            let drawn = match ticks(shown) {
                Some(values) => labelled(drawn, values),
                None => drawn,
            };
            let above = range.filter(|(low, _)| *low > 0.0);
            ranged(drawn, above.map(|(low, high)| (low.log10(), high.log10())))
        }
        Scale::Category(names) => {
            let places = (0..names.len()).map(|place| place as f64);
            let drawn = drawn
                .tick_mode(TickMode::Array)
                .tick_values(places.collect())
                .tick_text(names.iter().map(|name| escaped(name)).collect());
            ranged(drawn, range.or(Some((-0.5, names.len() as f64 - 0.5))))
        }
    }
}

fn ranged(axis: PlotlyAxis, range: Option<(f64, f64)>) -> PlotlyAxis {
    match range {
        Some((low, high)) => axis.range(vec![low, high]),
        None => axis,
    }
}

fn labelled(axis: PlotlyAxis, values: Vec<f64>) -> PlotlyAxis {
    let names = values.iter().map(|value| short(*value)).collect();
    axis.tick_mode(TickMode::Array)
        .tick_values(values)
        .tick_text(names)
}

/// 1, 2 and 5 in every decade where there are few of them; plotly's own where there are many.
fn ticks(shown: &[f64]) -> Option<Vec<f64>> {
    const MOST_DECADES: i32 = 3;
    const LEAST: f64 = 1e-4;
    let low = shown.iter().copied().fold(f64::INFINITY, f64::min);
    let high = shown.iter().copied().fold(0.0, f64::max);
    if !(low.is_finite() && low >= LEAST && high >= low) {
        return None;
    }
    let (first, last) = (low.log10().floor() as i32, high.log10().ceil() as i32);
    if last - first > MOST_DECADES {
        return None;
    }
    let decade = |power: i32| [1.0, 2.0, 5.0].map(|digit| digit * 10f64.powi(power));
    Some((first - 1..=last).flat_map(decade).collect())
}

/// The values on one axis that can be shown on a logarithmic one.
fn edges(panel: &Panel, direction: Direction) -> Vec<f64> {
    let x = direction == Direction::X;
    let pick = |on_x: f64, on_y: f64| if x { on_x } else { on_y };
    let of = |layer: &Layer| -> Vec<f64> {
        match &layer.marks {
            Marks::Line(points)
            | Marks::Steps(points)
            | Marks::Points(points)
            | Marks::Words(points) => points.iter().map(|point| pick(point.x, point.y)).collect(),
            Marks::Bars(bars) if x => bars.iter().flat_map(|bar| [bar.left, bar.right]).collect(),
            Marks::Bars(bars) => bars.iter().map(|bar| bar.height).collect(),
            Marks::ErrorBars(bars) if x => bars.iter().map(|bar| bar.x).collect(),
            Marks::ErrorBars(bars) => bars.iter().flat_map(|bar| [bar.low, bar.high]).collect(),
            Marks::Spans(spans) => spans
                .iter()
                .flat_map(|span| [pick(span.left, span.bottom), pick(span.right, span.top)])
                .collect(),
            Marks::Heat(heat) if x => heat.x_edges.clone(),
            Marks::Heat(heat) => heat.y_edges.clone(),
            Marks::Vertical(datum) if x => vec![datum.at],
            Marks::Horizontal(datum) if !x => vec![datum.at],
            Marks::Vertical(_) | Marks::Horizontal(_) => Vec::new(),
        }
    };
    let values = panel.layers.iter().flat_map(of);
    values
        .filter(|value| value.is_finite() && *value > 0.0)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_things_are_counted_by_whole_numbers() {
        let tick = |unit, shown: &[f64]| {
            let drawn = axis(&Axis::linear("Requests", unit), shown);
            serde_json::to_value(drawn).unwrap()["dtick"].clone()
        };
        assert_eq!(tick(None, &[2.0]), 1.0);
        assert!(tick(None, &[200.0]).is_null());
        assert!(tick(Some("s"), &[2.0]).is_null());
    }

    #[test]
    fn an_error_bar_that_reaches_below_0_is_drawn_from_below_all_else() {
        let bar = |low, high| ErrorBar { x: 1.0, low, high };
        let bars = vec![bar(-5.0, 300.0), bar(40.0, 90.0)];
        let mut y = Axis::linear("TTFT", Some("ms"));
        y.scale = Scale::Log;
        let panel = Panel {
            title: None,
            x: Axis::linear("Load", None),
            y,
            layers: vec![Layer::new(None, Ink::Good, Marks::ErrorBars(bars))],
        };
        assert_eq!(hidden_in(&panel), 0);
        let drawn = serde_json::to_value(plot(&panel, "x".to_owned(), None)).unwrap();
        let trace = &drawn["layers"][0]["traces"][0];
        let expected = serde_json::json!([20.0, 300.0, null, 40.0, 90.0, null]);
        assert_eq!(trace["y"], expected);
        assert_eq!(
            trace["marker"]["size"],
            serde_json::json!([0, 8, 8, 8, 8, 8])
        );
    }
}
