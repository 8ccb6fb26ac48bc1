//! A run as a result file tells it, whoever wrote the file.

mod convert;
mod lengths;
mod samples;

use std::fmt;
use std::path::PathBuf;

use serde_json::Value;

use crate::{Bench, MetricStats, Statistic};

/// A run as a result file tells it. What the file does not say is `None` or empty, never made
/// up.
#[derive(Clone, Debug, Default)]
pub struct RunResult {
    /// Where it was read.
    pub origin: Origin,
    /// When the run began, `YYYYmmdd-HHMMSS`.
    pub date: Option<String>,
    /// Name of the backend.
    pub backend: Option<String>,
    /// The user's name for the run.
    pub label: Option<String>,
    /// The model.
    pub model_id: Option<String>,
    /// The tokenizer.
    pub tokenizer_id: Option<String>,
    /// Number of requests asked for.
    pub num_prompts: Option<u64>,
    /// Requests per second; infinite without a rate.
    pub request_rate: Option<f64>,
    /// Shape of the gaps between requests; 1 is Poisson.
    pub burstiness: Option<f64>,
    /// Most requests under way at once.
    pub max_concurrency: Option<u64>,
    /// Prompt tokens asked for.
    pub input_len: Option<u64>,
    /// Output tokens asked for.
    pub output_len: Option<u64>,
    /// Seconds from the start of the run to the end of the last request.
    pub duration: Option<f64>,
    /// Requests answered whole.
    pub completed: Option<u64>,
    /// Requests not answered whole.
    pub failed: Option<u64>,
    /// Prompt tokens of completed requests.
    pub total_input_tokens: Option<u64>,
    /// Output tokens of completed requests.
    pub total_output_tokens: Option<u64>,
    /// Completed requests per second.
    pub request_throughput: Option<f64>,
    /// Good requests per second.
    pub request_goodput: Option<f64>,
    /// Output tokens per second.
    pub output_throughput: Option<f64>,
    /// Prompt and output tokens per second.
    pub total_token_throughput: Option<f64>,
    /// Statistics of the metrics, in milliseconds.
    pub statistics: Vec<MetricStats>,
    /// What can be said for and against the numbers.
    pub condition: Condition,
    /// Further scalar keys of the file, in its order.
    pub more: Vec<(String, Value)>,
    /// What this toolkit adds to a result.
    pub bench: Option<Box<Bench>>,
    /// Every request, in the order of the dataset; empty if the file has no details.
    pub requests: Vec<RequestSample>,
}

/// Where a run was read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Origin {
    /// The file; empty for a run that has just ended.
    pub path: PathBuf,
    /// Which run of the file, if it holds several: a line, a benchmark. Counted from 1.
    pub entry: Option<usize>,
    /// Who wrote it.
    pub tool: Tool,
}

/// Programs whose results can be read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Tool {
    /// `bench-serve` of this toolkit.
    #[default]
    BenchServe,
    /// `vllm bench serve`.
    VllmBenchServe,
    /// The Rust client vllm-bench.
    VllmBench,
    /// `bench_serving` of SGLang.
    SglangBench,
    /// aiperf.
    Aiperf,
    /// guidellm.
    Guidellm,
    /// inference-benchmarker of Hugging Face.
    InferenceBenchmarker,
    /// Per-request metrics, as `--save-requests` writes them.
    RequestMetrics,
    /// A row of an aggregate CSV.
    AggregateCsv,
}

/// What can be said for and against the numbers of a run; `None` where the file does not say.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Condition {
    /// The server was a simulator.
    pub simulated: Option<bool>,
    /// The run was stopped before its end.
    pub partial: Option<bool>,
    /// The client was the limit, not the server.
    pub client_limited: Option<bool>,
    /// What the user should know.
    pub warnings: Vec<String>,
}

/// One request. Times are in seconds.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RequestSample {
    /// Its name, if the file gives one.
    pub id: Option<String>,
    /// Whether it was answered whole.
    pub success: bool,
    /// What went wrong, if anything did.
    pub error: Option<String>,
    /// When it was sent, on a clock that all requests of the file share.
    pub start: Option<f64>,
    /// How long it waited in the client before.
    pub client_queue: Option<f64>,
    /// Time to first token.
    pub ttft: Option<f64>,
    /// End-to-end latency.
    pub e2el: Option<f64>,
    /// From its start to its end, of a request that failed.
    pub failed_after: Option<f64>,
    /// Gaps between its chunks after the first.
    pub gaps: Vec<f64>,
    /// Tokens of each chunk, the first one included; empty if that is not known.
    pub chunk_tokens: Vec<u32>,
    /// Prompt tokens.
    pub input_tokens: Option<u64>,
    /// Output tokens.
    pub output_tokens: Option<u64>,
    /// What the server says about it.
    pub server: ServerTimes,
}

/// What a server says about one request, in seconds.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct ServerTimes {
    /// Waiting for its turn.
    pub queue: Option<f64>,
    /// Reading the prompt.
    pub prefill: Option<f64>,
    /// Writing the answer.
    pub decode: Option<f64>,
}

impl RunResult {
    /// A statistic in milliseconds, if the result has it.
    pub fn statistic(&self, metric: &str, statistic: Statistic) -> Option<f64> {
        let stats = self.statistics.iter().find(|s| s.metric == metric)?;
        let found = stats.values.iter().find(|(known, _)| *known == statistic)?;
        Some(found.1)
    }

    /// A number by its key in a result, such as `duration`, `p99_ttft_ms` or any further key.
    pub fn number(&self, key: &str) -> Option<f64> {
        let count = |count: Option<u64>| count.map(|count| count as f64);
        match key {
            "num_prompts" => count(self.num_prompts),
            "request_rate" => self.request_rate,
            "burstiness" => self.burstiness,
            "max_concurrency" => count(self.max_concurrency),
            "input_len" => count(self.input_len),
            "output_len" => count(self.output_len),
            "duration" => self.duration,
            "completed" => count(self.completed),
            "failed" => count(self.failed),
            "total_input_tokens" => count(self.total_input_tokens),
            "total_output_tokens" => count(self.total_output_tokens),
            "request_throughput" => self.request_throughput,
            "request_goodput" => self.request_goodput,
            "output_throughput" => self.output_throughput,
            "total_token_throughput" => self.total_token_throughput,
            _ => {
                let known = Statistic::parse_key(key);
                let known = known.and_then(|(statistic, metric)| self.statistic(metric, statistic));
                known.or_else(|| self.further(key)?.as_f64())
            }
        }
    }

    /// The value of a further key of the file.
    pub fn further(&self, key: &str) -> Option<&Value> {
        let found = self.more.iter().find(|(known, _)| known == key)?;
        Some(&found.1)
    }
}

/// What a message calls the run: its file, and which run of it.
impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.path.as_os_str().is_empty() {
            f.write_str("this run")?;
        } else {
            write!(f, "{}", self.path.display())?;
        }
        match self.entry {
            Some(entry) => write!(f, " (run {entry})"),
            None => Ok(()),
        }
    }
}

/// The name its users know it by.
impl fmt::Display for Tool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Tool::BenchServe => "bench-serve",
            Tool::VllmBenchServe => "vllm bench serve",
            Tool::VllmBench => "vllm-bench",
            Tool::SglangBench => "SGLang bench_serving",
            Tool::Aiperf => "aiperf",
            Tool::Guidellm => "guidellm",
            Tool::InferenceBenchmarker => "inference-benchmarker",
            Tool::RequestMetrics => "per-request metrics",
            Tool::AggregateCsv => "aggregate CSV",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_is_named_by_its_place() {
        let mut origin = Origin::default();
        assert_eq!(origin.to_string(), "this run");
        origin.path = PathBuf::from("results/a.jsonl");
        assert_eq!(origin.to_string(), "results/a.jsonl");
        origin.entry = Some(3);
        assert_eq!(origin.to_string(), "results/a.jsonl (run 3)");
    }
}
