//! Small runs whose charts show what charts are for: a pause of the server, failures, a knee.

use bench_charts::figures::{Difference, Tradeoff, Verdict};
use bench_report::{MetricStats, Origin, RequestSample, RunResult, ServerTimes, Statistic};

/// How many requests are under way at once.
const SLOTS: usize = 6;

/// Between these seconds no stream gets a token.
const PAUSE: (f64, f64) = (5.0, 6.5);

/// Every one of so many requests is refused; every one of so many others breaks off.
const REFUSED: usize = 9;
const BROKEN: usize = 13;

fn described(path: &str, requests: Vec<RequestSample>) -> RunResult {
    let completed = requests.iter().filter(|request| request.success).count();
    RunResult {
        origin: Origin {
            path: path.into(),
            ..Origin::default()
        },
        date: Some("20260105-120000".to_owned()),
        model_id: Some("Qwen/Qwen2.5-7B-Instruct".to_owned()),
        max_concurrency: Some(SLOTS as u64),
        completed: Some(completed as u64),
        failed: Some((requests.len() - completed) as u64),
        requests,
        ..RunResult::default()
    }
}

/// 24 streams, six at a time, with a pause of the server that all see, and a few failures.
pub(crate) fn streams() -> RunResult {
    let mut free = [0.0; SLOTS];
    let requests = (0..24).map(|number| {
        let slot = (0..SLOTS).min_by(|a, b| f64::total_cmp(&free[*a], &free[*b]));
        let slot = slot.unwrap();
        let start = free[slot] + 0.05;
        let request = match number {
            _ if number % REFUSED == REFUSED - 1 => refused(start),
            _ => stream(number, start),
        };
        free[slot] = start + request.e2el.unwrap();
        request
    });
    described("streams.json", requests.collect())
}

fn refused(start: f64) -> RequestSample {
    RequestSample {
        error: Some("HTTP status 503".to_owned()),
        start: Some(start),
        e2el: Some(0.375),
        ..RequestSample::default()
    }
}

fn stream(number: usize, start: f64) -> RequestSample {
    let ttft = 0.25 + 0.15 * (number % 4) as f64;
    let chunks = match number % BROKEN {
        12 => 8,
        _ => 16 + number % 5,
    };
    let mut at = start + ttft;
    let gaps = (1..chunks).map(|chunk| {
        let mut next = at + 0.06 + 0.02 * ((number * 7 + chunk) % 4) as f64;
        if next > PAUSE.0 && at < PAUSE.1 {
            next = PAUSE.1 + 0.01 * (number % 6) as f64;
        }
        let gap = next - at;
        at = next;
        gap
    });
    let gaps: Vec<f64> = gaps.collect();
    let success = number % BROKEN != 12;
    RequestSample {
        success,
        error: (!success).then(|| "connection closed".to_owned()),
        start: Some(start),
        client_queue: Some(0.05),
        ttft: Some(ttft),
        e2el: Some(at - start),
        chunk_tokens: vec![1; gaps.len() + 1],
        output_tokens: Some(gaps.len() as u64 + 1),
        input_tokens: Some(if number.is_multiple_of(3) { 900 } else { 100 }),
        server: ServerTimes {
            queue: Some(0.1),
            ..ServerTimes::default()
        },
        gaps,
        ..RequestSample::default()
    }
}

/// The same answers, each in one piece.
pub(crate) fn whole_answers() -> RunResult {
    let pieces = streams().requests.into_iter().map(|request| RequestSample {
        ttft: None,
        gaps: Vec::new(),
        chunk_tokens: Vec::new(),
        server: ServerTimes::default(),
        ..request
    });
    described("whole.json", pieces.collect())
}

/// Requests that were all refused.
pub(crate) fn all_failed() -> RunResult {
    let requests = (0..24).map(|number| refused(0.25 * f64::from(number)));
    described("failed.json", requests.collect())
}

/// A model under some load; the server saturates at about 16 requests at once.
fn loaded(model: &str, speed: f64, concurrency: u64) -> RunResult {
    let load = concurrency as f64;
    let throughput = speed * load / (load + 16.0) / (1.0 + (load / 200.0).powi(2));
    let tpot = 1e3 * load / throughput;
    let ttft = (32.0 + 0.08 * load * load) * 1e3 / speed;
    let stats = |metric: &str, median: f64| MetricStats {
        metric: metric.to_owned(),
        values: vec![
            (Statistic::Mean, 1.1 * median),
            (Statistic::Median, median),
            (Statistic::Std, 0.3 * median),
            (Statistic::Percentile(90.0), 1.5 * median),
            (Statistic::Percentile(99.0), 2.4 * median),
        ],
    };
    RunResult {
        max_concurrency: Some(concurrency),
        completed: Some(24),
        model_id: Some(model.to_owned()),
        backend: Some("vllm".to_owned()),
        request_rate: Some(f64::INFINITY),
        input_len: Some(1024),
        output_len: Some(128),
        request_throughput: Some(throughput / 128.0),
        request_goodput: Some(throughput / 128.0 * (1.0 - load / 300.0)),
        output_throughput: Some(throughput),
        total_token_throughput: Some(throughput * 9.0),
        statistics: vec![
            stats("ttft", ttft),
            stats("tpot", tpot),
            stats("itl", 0.9 * tpot),
            stats("e2el", ttft + 127.0 * tpot),
        ],
        ..described(&format!("{model}-mc{concurrency}.json"), Vec::new())
    }
}

/// The loads of a sweep.
const LOADS: [u64; 7] = [1, 4, 8, 16, 32, 64, 128];

/// One model under seven loads, three times at 16; at the greatest load all requests failed.
pub(crate) fn one_model() -> Vec<RunResult> {
    let of = |concurrency| loaded("org/model", 1600.0, concurrency);
    let mut runs: Vec<RunResult> = LOADS.map(of).to_vec();
    for share in [0.94, 1.08] {
        let mut again = of(16);
        again.output_throughput = again.output_throughput.map(|rate| rate * share);
        for stats in &mut again.statistics {
            for (_, value) in &mut stats.values {
                *value /= share;
            }
        }
        runs.push(again);
    }
    runs.push(RunResult {
        request_throughput: Some(0.0),
        request_goodput: Some(0.0),
        output_throughput: Some(0.0),
        total_token_throughput: Some(0.0),
        statistics: Vec::new(),
        completed: Some(0),
        failed: Some(24),
        ..of(256)
    });
    runs
}

/// Two models under seven loads.
pub(crate) fn two_models() -> Vec<RunResult> {
    let models = [("org/model-7b", 1600.0), ("org/model-32b", 700.0)];
    let of = |(model, speed): (&'static str, f64)| LOADS.map(|load| loaded(model, speed, load));
    models.into_iter().flat_map(of).collect()
}

/// What the runs offer one user and all of them, if `asked` tokens per second are asked for: a
/// workload of each model.
pub(crate) fn tradeoffs(runs: &[RunResult], asked: f64) -> Vec<Tradeoff> {
    let speed = |run: &RunResult| 1e3 / run.statistic("tpot", Statistic::Median).unwrap();
    let points: Vec<(f64, f64)> = runs
        .iter()
        .map(|run| (speed(run), run.output_throughput.unwrap()))
        .collect();
    let workload = |run: usize| run / LOADS.len();
    let beaten = |run: usize, one: (f64, f64)| {
        let rivals = points.iter().enumerate();
        let mut rivals = rivals.filter(|(rival, _)| workload(*rival) == workload(run));
        rivals.any(|(_, two)| two.0 >= one.0 && two.1 >= one.1 && *two != one)
    };
    let tradeoff = |(run, point): (usize, &(f64, f64))| Tradeoff {
        runs: vec![run],
        workload: workload(run),
        user_speed: point.0,
        throughput: point.1,
        frontier: !beaten(run, *point),
        meets_slo: Some(point.0 >= asked),
    };
    points.iter().enumerate().map(tradeoff).collect()
}

/// What differs between two sides at one load: one of each verdict, and one without an interval.
pub(crate) fn differences() -> Vec<Difference> {
    let of = |key: &str, a: f64, b: f64, interval, verdict| Difference {
        key: key.to_owned(),
        load: None,
        a,
        b,
        interval,
        verdict,
    };
    vec![
        of(
            "output_throughput",
            2000.0,
            2150.0,
            Some((4.0, 11.0)),
            Verdict::Better,
        ),
        of(
            "request_throughput",
            15.6,
            15.5,
            Some((-1.6, 0.4)),
            Verdict::Same,
        ),
        of("request_goodput", 14.0, 13.1, None, Verdict::Inconclusive),
        of(
            "mean_ttft_ms",
            120.0,
            95.0,
            Some((-25.0, -16.0)),
            Verdict::Better,
        ),
        of(
            "p99_ttft_ms",
            310.0,
            400.0,
            Some((11.0, 48.0)),
            Verdict::Worse,
        ),
        of(
            "median_tpot_ms",
            21.0,
            21.1,
            Some((-0.9, 1.8)),
            Verdict::Same,
        ),
        of(
            "p99_tpot_ms",
            30.0,
            31.5,
            Some((-6.0, 17.0)),
            Verdict::Inconclusive,
        ),
        of(
            "p99_e2el_ms",
            4100.0,
            4300.0,
            Some((2.2, 7.6)),
            Verdict::Worse,
        ),
    ]
}

/// The same at four loads, at which A gains and then loses.
pub(crate) fn differences_over_loads() -> Vec<Difference> {
    let loads = [(1, 6.0), (8, 1.0), (32, -4.0), (128, -12.0)];
    let at = |(load, gain): (u32, f64)| {
        let measured = |key: &str, a: f64, change: f64| Difference {
            key: key.to_owned(),
            load: Some(format!("concurrency {load}")),
            a,
            b: a * (1.0 + change / 100.0),
            interval: Some((change - 2.5, change + 2.5)),
            verdict: match (gain, change) {
                (-2.5..2.5, _) => Verdict::Inconclusive,
                (0.0.., _) => Verdict::Better,
                _ => Verdict::Worse,
            },
        };
        let load = f64::from(load);
        [
            measured("output_throughput", 90.0 * load.sqrt(), gain),
            measured("p99_ttft_ms", 20.0 + 3.0 * load, -1.5 * gain),
            measured("p99_tpot_ms", 9.0 + 0.3 * load, -gain),
        ]
    };
    loads.into_iter().flat_map(at).collect()
}
