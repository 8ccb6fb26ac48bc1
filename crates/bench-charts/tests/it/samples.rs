//! A figure for each kind of marks, with data from formulas.

use bench_charts::{
    Axis, Bar, Datum, ErrorBar, Figure, Heat, Ink, Layer, Marks, Panel, Point, Scale, Span,
};
use bench_report::{RequestSample, RunResult};

/// A figure of one panel.
pub(crate) fn figure(id: &str, x: Axis, y: Axis, layers: Vec<Layer>) -> Figure {
    Figure {
        id: id.to_owned(),
        title: format!("Sample of {id}"),
        subtitle: "Qwen/Qwen2.5-7B-Instruct · 32 at once · 2026-01-05 12:00:00".to_owned(),
        footer: vec![
            "bench-serve 0.1.0".to_owned(),
            "simulated server".to_owned(),
        ],
        panels: vec![Panel {
            title: None,
            x,
            y,
            layers,
        }],
        columns: 1,
    }
}

pub(crate) fn layer(name: &str, ink: Ink, marks: Marks) -> Layer {
    Layer::new(name.to_owned(), ink, marks)
}

pub(crate) fn log(name: &str, unit: &str) -> Axis {
    Axis {
        scale: Scale::Log,
        ..Axis::linear(name, Some(unit))
    }
}

fn curve(count: usize, f: impl Fn(f64) -> f64) -> Vec<Point> {
    (0..count)
        .map(|i| i as f64 / (count - 1) as f64)
        .map(|x| Point::at(x * 60.0, f(x)))
        .collect()
}

/// Numbers that look random and never change.
fn scatter(count: usize) -> impl Iterator<Item = (f64, f64)> {
    let golden = 0.618_033_988_749_895;
    (0..count).map(move |i| {
        let x = (i as f64 + 0.5) / count as f64;
        let y = (i as f64 * golden).fract();
        (x, y)
    })
}

pub(crate) fn lines() -> Figure {
    let series = (0..8).map(|n| {
        let points = curve(200, |x| {
            100.0 + 40.0 * (x * 9.0 + n as f64).sin() + 30.0 * n as f64
        });
        layer(&format!("model {n}"), Ink::Series(n), Marks::Line(points))
    });
    figure(
        "lines",
        Axis::linear("Time", Some("s")),
        Axis::linear("Output tokens", Some("tok/s")),
        series.collect(),
    )
}

pub(crate) fn steps() -> Figure {
    let points = curve(30, |x| (x * 12.0).floor());
    figure(
        "steps",
        Axis::linear("Time", Some("s")),
        Axis::linear("Requests under way", None),
        vec![layer("in flight", Ink::Series(0), Marks::Steps(points))],
    )
}

pub(crate) fn points() -> Figure {
    let cloud = |n: usize| -> Vec<Point> {
        scatter(300)
            .map(|(x, y)| Point::at(x * 60.0, 20.0 * (y * (n + 1) as f64 * 2.0).exp()))
            .collect()
    };
    let few = [(8.0, 30.0), (25.0, 200.0), (50.0, 2000.0)];
    let few = few.iter().map(|(x, y)| Point {
        x: *x,
        y: *y,
        label: Some(format!("{x} at once")),
    });
    figure(
        "points",
        Axis::linear("Time", Some("s")),
        log("TTFT", "ms"),
        vec![
            layer("A", Ink::Series(0), Marks::Points(cloud(0))),
            layer("B", Ink::Series(1), Marks::Points(cloud(1))),
            layer("knee", Ink::Bad, Marks::Points(few.clone().collect())),
            Layer::new(None, Ink::Bad, Marks::Words(few.collect())),
        ],
    )
}

pub(crate) fn bars() -> Figure {
    let bars = |shift: f64| {
        (0..40)
            .map(|i| Bar {
                left: f64::from(i),
                right: f64::from(i + 1),
                height: 900.0 * (-((f64::from(i) - shift) / 6.0).powi(2)).exp(),
            })
            .collect()
    };
    let line = |at: f64, label: &str| {
        Layer::new(
            None,
            Ink::Muted,
            Marks::Vertical(Datum {
                at,
                label: label.to_owned(),
            }),
        )
    };
    figure(
        "bars",
        Axis::linear("TTFT", Some("ms")),
        Axis::linear("Requests", None),
        vec![
            layer("before", Ink::Series(0), Marks::Bars(bars(12.0))),
            layer("after", Ink::Series(1), Marks::Bars(bars(20.0))),
            line(15.2, "median 15.2 ms"),
            line(16.0, "p90 16.0 ms"),
            line(38.9, "p99 38.9 ms"),
        ],
    )
}

pub(crate) fn error_bars() -> Figure {
    let names = ["meta-llama/Llama-3.1-8B-Instruct", "Qwen2.5-7B", "Mistral"];
    let values = [310.0, 280.0, 355.0];
    let points = values.iter().enumerate();
    let points = points.map(|(i, v)| Point::at(i as f64, *v)).collect();
    let bars = values.iter().enumerate().map(|(i, v)| ErrorBar {
        x: i as f64,
        low: v - 12.0,
        high: v + 20.0,
    });
    figure(
        "error-bars",
        Axis {
            scale: Scale::Category(names.map(str::to_owned).to_vec()),
            ..Axis::linear("Model", None)
        },
        Axis::linear("Output throughput", Some("tok/s")),
        vec![
            layer("mean", Ink::Series(0), Marks::Points(points)),
            layer(
                "95 % interval",
                Ink::Series(0),
                Marks::ErrorBars(bars.collect()),
            ),
            Layer::new(
                None,
                Ink::Bad,
                Marks::Horizontal(Datum {
                    at: 300.0,
                    label: "SLO 300 tok/s".to_owned(),
                }),
            ),
        ],
    )
}

pub(crate) fn spans() -> Figure {
    let spans = |from: f64, to: f64| -> Vec<Span> {
        (0..40)
            .map(|row| {
                let start = f64::from(row) * 0.7 + 3.0 * (f64::from(row) * 1.7).sin().abs();
                Span {
                    left: start + from,
                    right: start + to,
                    bottom: f64::from(row) + 0.1,
                    top: f64::from(row) + 0.9,
                }
            })
            .collect()
    };
    figure(
        "spans",
        Axis::linear("Time", Some("s")),
        Axis::linear("Request", None),
        vec![
            layer("queue", Ink::Muted, Marks::Spans(spans(0.0, 1.0))),
            layer("prefill", Ink::Series(1), Marks::Spans(spans(1.0, 2.5))),
            layer("decode", Ink::Series(0), Marks::Spans(spans(2.5, 9.0))),
        ],
    )
}

pub(crate) fn heat() -> Figure {
    let (columns, rows) = (48, 24);
    let cell = |column: usize, row: usize| {
        let x = column as f64 / columns as f64;
        let y = row as f64 / rows as f64;
        let value = 1_000.0 * (-((y - 0.4 - 0.3 * (x * 6.0).sin()) / 0.15).powi(2)).exp();
        if value < 1.0 { f64::NAN } else { value }
    };
    let values = (0..rows).flat_map(|row| (0..columns).map(move |column| cell(column, row)));
    figure(
        "heat",
        Axis::linear("Time", Some("s")),
        log("ITL", "ms"),
        vec![Layer::new(
            None,
            Ink::Series(0),
            Marks::Heat(Heat {
                x_edges: (0..=columns).map(|i| i as f64 * 2.0).collect(),
                y_edges: (0..=rows).map(|i| 10_f64.powf(i as f64 / 8.0)).collect(),
                values: values.collect(),
                value_name: "Tokens".to_owned(),
                scale: Scale::Log,
            }),
        )],
    )
}

/// Several panels with one legend, long names and a long footer.
pub(crate) fn panels() -> Figure {
    let names = [
        "deepseek-ai/DeepSeek-R1-Distill-Qwen-32B-Instruct-AWQ-INT4-with-a-long-name",
        "meta-llama/Llama-3.1-70B-Instruct",
    ];
    let panel = |title: &str, phase: f64| Panel {
        title: Some(title.to_owned()),
        x: Axis::linear("Concurrency", None),
        y: Axis::linear(title, Some("ms")),
        layers: names
            .iter()
            .enumerate()
            .map(|(n, name)| {
                let points = curve(8, |x| (x * 3.0 + phase).exp() * (n + 1) as f64);
                layer(name, Ink::Series(n), Marks::Line(points))
            })
            .collect(),
    };
    let base = lines();
    Figure {
        id: "panels".to_owned(),
        title: "Latency by concurrency".to_owned(),
        panels: vec![
            panel("TTFT", 0.0),
            panel("TPOT", 1.0),
            panel("ITL", 2.0),
            panel("E2EL", 4.0),
        ],
        columns: 2,
        footer: vec![
            "bench-serve 0.1.0".to_owned(),
            "SIMULATED server".to_owned(),
            "partial: stopped by the user after 61 s of 300 s".to_owned(),
            "client-limited: the client was the limit, not the server; use a machine with more cores"
                .to_owned(),
        ],
        ..base
    }
}

/// Every sample.
pub(crate) fn all() -> Vec<Figure> {
    vec![
        lines(),
        steps(),
        points(),
        bars(),
        error_bars(),
        spans(),
        heat(),
        panels(),
    ]
}

/// A run with requests of all kinds: 1 in 40 fails, 1 in 100 gaps is a stall.
pub(crate) fn run(count: u32) -> RunResult {
    let requests = (0..count).map(|number| {
        let at = f64::from(number);
        let luck = |factor: f64| (at * factor).sin().abs();
        let gap = |chunk: u32| {
            let place = f64::from(number * 31 + chunk);
            let stall = (number * 31 + chunk) % 100 == 99;
            0.012 + 0.01 * (place * 0.7).sin().abs() + if stall { 0.2 } else { 0.0 }
        };
        let gaps: Vec<f64> = (0..31).map(gap).collect();
        let ttft = 0.05 + 0.3 * luck(1.3).powi(4);
        RequestSample {
            success: number % 40 != 39,
            start: Some(at * 0.05),
            ttft: Some(ttft),
            e2el: Some(ttft + gaps.iter().sum::<f64>()),
            chunk_tokens: (0..32).map(|chunk| 1 + (number + chunk) % 3).collect(),
            gaps,
            ..RequestSample::default()
        }
    });
    RunResult {
        model_id: Some("Qwen/Qwen2.5-7B-Instruct".to_owned()),
        max_concurrency: Some(32),
        requests: requests.collect(),
        ..RunResult::default()
    }
}
