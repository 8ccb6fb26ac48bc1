//! inference-benchmarker of Hugging Face: several benchmarks in a file.

use bench_report::{MetricStats, Origin, RunResult, Statistic, Tool, date_stamp_of};
use serde::Deserialize;
use serde_json::Value;

use super::Taken;
use super::json::Document;
use super::value::{count, further, stats, text};

#[derive(Deserialize)]
struct File {
    results: Vec<Benchmark>,
}

#[derive(Deserialize)]
struct Benchmark {
    id: String,
    executor_type: Option<String>,
    #[serde(default)]
    config: Load,
    total_requests: Option<u64>,
    total_tokens: Option<u64>,
    token_throughput_secs: Option<f64>,
    duration_ms: Option<f64>,
    time_to_first_token_ms: Option<Spread>,
    inter_token_latency_ms: Option<Spread>,
    e2e_latency_ms: Option<Spread>,
    failed_requests: Option<u64>,
    successful_requests: Option<u64>,
    request_rate: Option<f64>,
    total_tokens_sent: Option<u64>,
}

#[derive(Default, Deserialize)]
struct Load {
    max_vus: Option<u64>,
    rate: Option<f64>,
}

#[derive(Deserialize)]
struct Spread {
    avg: Option<f64>,
    p50: Option<f64>,
    p60: Option<f64>,
    p70: Option<f64>,
    p80: Option<f64>,
    p90: Option<f64>,
    p95: Option<f64>,
    p99: Option<f64>,
}

impl Spread {
    fn percentiles(&self) -> [(f64, Option<f64>); 7] {
        [
            (50.0, self.p50),
            (60.0, self.p60),
            (70.0, self.p70),
            (80.0, self.p80),
            (90.0, self.p90),
            (95.0, self.p95),
            (99.0, self.p99),
        ]
    }

    fn stats(&self, metric: &str) -> Option<MetricStats> {
        let percentiles = self.percentiles();
        let percentiles = percentiles.map(|(p, value)| (Statistic::Percentile(p), value));
        let others = [(Statistic::Mean, self.avg), (Statistic::Median, self.p50)];
        stats(metric, others.into_iter().chain(percentiles))
    }
}

/// Its warm-ups are no measurements and are left out.
pub(super) fn read(document: &Document) -> Result<Taken, String> {
    let file: File = document.whole()?;
    let (warmups, benchmarks): (Vec<_>, Vec<_>) =
        file.results.into_iter().partition(|b| b.id == "warmup");
    if benchmarks.is_empty() {
        return Err("has no benchmark besides warm-ups".to_owned());
    }
    let left_out = match warmups.len() {
        0 => Vec::new(),
        count => vec![format!("{count} warm-up left out")],
    };
    Ok(Taken {
        runs: benchmarks.into_iter().map(|b| run(document, b)).collect(),
        left_out,
    })
}

fn run(document: &Document, benchmark: Benchmark) -> RunResult {
    let config = |pointer| document.at("config", pointer);
    let date = document.get("start_time").and_then(Value::as_str);
    let answered = benchmark.successful_requests != Some(0);
    let input = benchmark.total_tokens_sent;
    let output = benchmark.total_tokens;
    let total = input.zip(output).zip(benchmark.duration_ms);
    let metrics = [
        ("ttft", &benchmark.time_to_first_token_ms),
        ("e2el", &benchmark.e2e_latency_ms),
    ];
    let metrics = metrics.into_iter().filter(|_| answered);
    // Requests with a single token count as 0 in it, so that it is not the TPOT of others.
    let gap = benchmark.inter_token_latency_ms.as_ref();
    let gap = |of: fn(&Spread) -> Option<f64>| gap.and_then(of).filter(|_| answered);
    let more = [
        further("benchmark", Some(benchmark.id.clone())),
        further("executor_type", benchmark.executor_type),
        further("run_id", text(config("/run_id"))),
        further("total_requests", benchmark.total_requests),
        further("inter_token_latency_ms_avg", gap(|spread| spread.avg)),
        further("inter_token_latency_ms_p50", gap(|spread| spread.p50)),
        further("inter_token_latency_ms_p99", gap(|spread| spread.p99)),
    ];
    RunResult {
        origin: Origin {
            tool: Tool::InferenceBenchmarker,
            ..Origin::default()
        },
        date: date.and_then(date_stamp_of),
        model_id: text(config("/model_name")),
        tokenizer_id: text(config("/tokenizer")),
        request_rate: Some(benchmark.config.rate.unwrap_or(f64::INFINITY)),
        max_concurrency: benchmark.config.max_vus,
        input_len: count(config("/prompt_options/num_tokens")),
        output_len: count(config("/decode_options/num_tokens")),
        duration: benchmark.duration_ms.map(|ms| ms / 1e3),
        completed: benchmark.successful_requests,
        failed: benchmark.failed_requests,
        total_input_tokens: input,
        total_output_tokens: output,
        request_throughput: benchmark.request_rate,
        output_throughput: benchmark.token_throughput_secs,
        total_token_throughput: total
            .map(|((input, output), ms)| (input + output) as f64 / (ms / 1e3)),
        statistics: metrics
            .filter_map(|(metric, spread)| spread.as_ref()?.stats(metric))
            .collect(),
        more: more.into_iter().flatten().collect(),
        ..RunResult::default()
    }
}
