//! Runs and figures to be shown.

use bench_charts::figures::{Tradeoff, TradeoffNotes, pareto};
use bench_charts::{
    Axis, Bar, Datum, ErrorBar, Figure, Heat, Ink, Layer, Marks, Panel, Point, Scale, Span,
};
use bench_report::{MetricStats, Origin, RequestSample, RunResult, Statistic};

/// A name that would do much if it were read as HTML, as a script, as plotly's HTML or as a
/// template of plotly.
pub(crate) const HOSTILE: &str = "</script><script>alert(1)</script><img src=x onerror=alert(2)>\
    <b>%{x}</b> & $a^2$ <a href=\"javascript:alert(3)\">\"name'";

/// The concurrencies of [`sweep`].
pub(crate) const LOADS: [u64; 5] = [1, 4, 16, 64, 256];

/// A run with details; `seed` makes it differ from others.
pub(crate) fn run(concurrency: u64, seed: u64) -> RunResult {
    let load = concurrency as f64;
    let requests: Vec<RequestSample> = (0..60).map(|n| request(n, load, seed)).collect();
    let throughput = 4000.0 * load / (load + 20.0);
    let times = |metric: &str, mean: f64| MetricStats {
        metric: metric.to_owned(),
        values: vec![
            (Statistic::Mean, mean),
            (Statistic::Median, mean * 0.9),
            (Statistic::Percentile(99.0), mean * 3.0),
        ],
    };
    RunResult {
        origin: Origin {
            path: format!("results/run-{concurrency}-{seed}.json").into(),
            ..Origin::default()
        },
        date: Some("20261122-053000".to_owned()),
        backend: Some("vllm".to_owned()),
        model_id: Some("org/model-a".to_owned()),
        num_prompts: Some(60),
        request_rate: Some(f64::INFINITY),
        burstiness: Some(1.0),
        max_concurrency: Some(concurrency),
        input_len: Some(128),
        output_len: Some(16),
        duration: Some(12.0),
        completed: Some(58),
        failed: Some(2),
        total_input_tokens: Some(58 * 128),
        total_output_tokens: Some(58 * 16),
        request_throughput: Some(throughput / 16.0),
        output_throughput: Some(throughput),
        total_token_throughput: Some(throughput * 9.0),
        statistics: vec![
            times("ttft", 20.0 + load),
            times("tpot", 5.0 + load / 10.0),
            times("itl", 5.0 + load / 10.0),
            times("e2el", 100.0 + 3.0 * load),
        ],
        requests,
        ..RunResult::default()
    }
}

fn request(n: u64, load: f64, seed: u64) -> RequestSample {
    let spread = ((n * 7 + seed) % 13) as f64;
    let (ttft, gap) = (0.02 + load / 1e3 + spread / 1e3, 0.005 + spread / 1e4);
    let mut gaps = vec![gap; 15];
    if n % 20 == 3 {
        gaps[7] = 1.5;
    }
    let success = n % 30 != 11;
    RequestSample {
        id: Some(n.to_string()),
        success,
        error: (!success).then(|| "status 503: overloaded".to_owned()),
        start: Some(n as f64 * 0.15),
        client_queue: Some(0.001 * spread),
        ttft: success.then_some(ttft),
        e2el: success.then(|| ttft + gaps.iter().sum::<f64>()),
        gaps: if success { gaps } else { Vec::new() },
        input_tokens: Some(64 + n * 8 % 128),
        output_tokens: success.then_some(16),
        ..RequestSample::default()
    }
}

/// Two models over [`LOADS`].
pub(crate) fn sweep() -> Vec<RunResult> {
    let runs = LOADS.iter().flat_map(|&load| {
        let other = RunResult {
            model_id: Some("org/model-b".to_owned()),
            output_throughput: Some(load as f64 * 10.0),
            ..run(load, 2)
        };
        [run(load, 1), other]
    });
    runs.collect()
}

/// [`sweep`] between the speed of one user and throughput; the highest load misses an objective.
pub(crate) fn frontiers(runs: &[RunResult]) -> Figure {
    let tradeoffs: Vec<Tradeoff> = runs
        .iter()
        .enumerate()
        .map(|(index, run)| Tradeoff {
            runs: vec![index],
            workload: index % 2,
            user_speed: 1000.0 / run.statistic("tpot", Statistic::Median).unwrap(),
            throughput: run.output_throughput.unwrap(),
            frontier: true,
            meets_slo: Some(run.max_concurrency != LOADS.last().copied()),
        })
        .collect();
    let notes = TradeoffNotes {
        workloads: vec!["org/model-a".to_owned(), "org/model-b".to_owned()],
        slo_speed: Some(50.0),
        ..TradeoffNotes::default()
    };
    pareto(runs, &tradeoffs, &notes).unwrap()
}

/// Every kind of mark, on every kind of scale.
pub(crate) fn gallery() -> Vec<Figure> {
    let scales = [
        ("linear", Scale::Linear),
        ("log", Scale::Log),
        ("wide-log", Scale::Log),
        (
            "names",
            Scale::Category(vec!["one".into(), HOSTILE.into(), "three".into()]),
        ),
    ];
    let figure = |(name, scale): (&str, Scale)| {
        let factor = if name == "wide-log" { 1e4 } else { 1.0 };
        Figure {
            id: name.to_owned(),
            title: format!("All marks: {name}"),
            subtitle: HOSTILE.to_owned(),
            footer: vec![HOSTILE.to_owned()],
            panels: all_marks(factor, &scale)
                .map(|marks| panel(marks, &scale))
                .to_vec(),
            columns: 3,
        }
    };
    scales.into_iter().map(figure).collect()
}

fn all_marks(factor: f64, scale: &Scale) -> [Marks; 10] {
    let place = |n: u32| Point {
        x: f64::from(n) * factor,
        y: f64::from(n * n) + 0.5,
        label: Some(format!("{HOSTILE} {n}")),
    };
    let points: Vec<Point> = (0..3).map(place).collect();
    let bar = |n: u32| Bar {
        left: f64::from(n) * factor + 0.5,
        right: f64::from(n + 1) * factor + 0.5,
        height: f64::from(n) + 1.0,
    };
    let span = |n: u32| Span {
        left: f64::from(n) + 0.1,
        right: (f64::from(n) + 1.0) * factor,
        bottom: f64::from(n) + 0.1,
        top: f64::from(n) + 0.9,
    };
    let error = |n: u32| ErrorBar {
        x: f64::from(n + 1) * factor,
        low: f64::from(n) + 1.0,
        high: f64::from(n) + 2.0,
    };
    let datum = || Datum {
        at: 1.5,
        label: HOSTILE.to_owned(),
    };
    [
        Marks::Line(points.clone()),
        Marks::Steps(points.clone()),
        Marks::Points(points.clone()),
        Marks::Words(points),
        Marks::Bars((0..3).map(bar).collect()),
        Marks::ErrorBars((0..3).map(error).collect()),
        Marks::Spans((0..3).map(span).collect()),
        Marks::Heat(Heat {
            x_edges: vec![0.5, factor, 2.0 * factor, 3.0 * factor],
            y_edges: vec![0.5, 1.0, 5.0],
            values: vec![1.0, 2.0, f64::NAN, 4.0, 5.0, 6.0],
            value_name: HOSTILE.to_owned(),
            scale: scale.clone(),
        }),
        Marks::Vertical(datum()),
        Marks::Horizontal(datum()),
    ]
}

fn panel(marks: Marks, scale: &Scale) -> Panel {
    let axis = |scale: &Scale| Axis {
        name: HOSTILE.to_owned(),
        unit: Some("ms".to_owned()),
        scale: scale.clone(),
        range: None,
    };
    let y = match scale {
        Scale::Category(_) => &Scale::Linear,
        other => other,
    };
    Panel {
        title: Some(HOSTILE.to_owned()),
        x: axis(scale),
        y: axis(y),
        layers: vec![Layer::new(Some(HOSTILE.to_owned()), Ink::Series(0), marks)],
    }
}
