//! A figure in words: every text and every mark, so that a number that is off by a little, which
//! nobody sees in a picture, is seen here.

use std::fmt::Write as _;

use bench_charts::{Axis, Figure, Marks, Point, Scale};

/// A number to five digits.
fn number(value: f64) -> String {
    match format!("{value:.4e}").parse::<f64>() {
        Ok(rounded) => format!("{rounded}"),
        Err(e) => panic!("{value}: {e}"),
    }
}

fn numbers<const N: usize>(values: [f64; N]) -> String {
    format!("({})", values.map(number).join(", "))
}

fn axis(axis: &Axis) -> String {
    let scale = match &axis.scale {
        Scale::Linear => "linear".to_owned(),
        Scale::Log => "logarithmic".to_owned(),
        Scale::Category(names) => names.join(" | "),
    };
    let range = axis.range.map(|(low, high)| numbers([low, high]));
    let range = range.unwrap_or_else(|| "as needed".to_owned());
    format!("{}, {scale}, {range}", axis.label())
}

fn points(points: &[Point]) -> Vec<String> {
    let point = |point: &Point| {
        let label = point.label.as_ref().map(|label| format!(" {label:?}"));
        numbers([point.x, point.y]) + &label.unwrap_or_default()
    };
    points.iter().map(point).collect()
}

/// The kind of marks, and each of them.
fn marks(marks: &Marks) -> (&'static str, Vec<String>) {
    match marks {
        Marks::Line(all) => ("line", points(all)),
        Marks::Steps(all) => ("steps", points(all)),
        Marks::Points(all) => ("points", points(all)),
        Marks::Words(all) => ("words", points(all)),
        Marks::Bars(all) => {
            let bars = all.iter();
            let bars = bars.map(|bar| numbers([bar.left, bar.right, bar.height]));
            ("bars", bars.collect())
        }
        Marks::ErrorBars(all) => {
            let bars = all.iter();
            let bars = bars.map(|bar| numbers([bar.x, bar.low, bar.high]));
            ("error bars", bars.collect())
        }
        Marks::Spans(all) => {
            let spans = all.iter();
            let spans = spans.map(|span| numbers([span.left, span.right, span.bottom, span.top]));
            ("spans", spans.collect())
        }
        Marks::Heat(heat) => {
            let sides = format!("{} by {}", heat.x_edges.len() - 1, heat.y_edges.len() - 1);
            let known = heat.values.iter().filter(|value| value.is_finite());
            let known = known.map(|value| number(*value)).collect::<Vec<_>>();
            let cells = format!("{}: {}", heat.value_name, known.join(" "));
            ("cells", vec![sides, cells])
        }
        Marks::Vertical(datum) => ("vertical", vec![number(datum.at), datum.label.clone()]),
        Marks::Horizontal(datum) => ("horizontal", vec![number(datum.at), datum.label.clone()]),
    }
}

/// All that a figure says.
pub(crate) fn told(figure: &Figure) -> String {
    let mut out = format!("{}\n{}\n", figure.title, figure.subtitle);
    for panel in &figure.panels {
        let title = panel.title.as_deref().unwrap_or("(no title)");
        let (x, y) = (axis(&panel.x), axis(&panel.y));
        writeln!(out, "\n{title}\n  x: {x}\n  y: {y}").unwrap();
        for layer in &panel.layers {
            let (kind, marks) = marks(&layer.marks);
            let name = layer.name.as_deref().unwrap_or("(no name)");
            writeln!(out, "  {kind}: {name}, {:?}", layer.ink).unwrap();
            for line in marks.chunks(8) {
                writeln!(out, "    {}", line.join(" ")).unwrap();
            }
        }
    }
    out.push('\n');
    for line in &figure.footer {
        writeln!(out, "{line}").unwrap();
    }
    out
}
