//! Which tool wrote a file, by the keys that only this tool writes.

use super::json::Document;

/// The sorts of files that are known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// bench-serve, `vllm bench serve`, vllm-bench.
    Vllm,
    Sglang,
    AiperfSummary,
    /// A line of a file with a request on each.
    AiperfRequest,
    Guidellm,
    InferenceBenchmarker,
    RequestMetrics,
    RecordLog,
    /// What a sweep or a search keeps beside its results.
    Series,
}

/// What to do with a record log.
pub(super) const RECORD_LOG: &str =
    "is a record log; make its result with `bench-aggregate rebuild`";

/// What to do with the record of a sweep or of a search.
pub(super) const SERIES: &str =
    "is the record of a sweep or a search; name its folder to read the results";

pub(super) fn kind(document: &Document) -> Option<Kind> {
    let has = |keys: &[&str]| keys.iter().all(|key| document.has(key));
    let within = |key: &str, pointer: &str| document.at(key, pointer).is_some();
    if has(&["bench_record_log"]) {
        Some(Kind::RecordLog)
    } else if has(&["endpoint_type", "model_id", "request_throughput"]) {
        Some(Kind::Vllm)
    } else if has(&["backend", "mean_e2e_latency_ms", "request_throughput"]) {
        Some(Kind::Sglang)
    } else if has(&["input_config", "request_latency"]) || has(&["aiperf_version"]) {
        Some(Kind::AiperfSummary)
    } else if has(&["metrics"]) && within("metadata", "/request_start_ns") {
        Some(Kind::AiperfRequest)
    } else if has(&["benchmarks"]) && within("metadata", "/guidellm_version") {
        Some(Kind::Guidellm)
    } else if has(&["results"]) && within("config", "/benchmark_kind") {
        Some(Kind::InferenceBenchmarker)
    } else if has(&["requests"]) && within("metadata", "/total_requests") {
        Some(Kind::RequestMetrics)
    } else if has(&["schema_version", "tool", "points"]) {
        Some(Kind::Series)
    } else {
        None
    }
}

/// How many keys of a foreign file are shown.
const SHOWN: usize = 6;

/// Why a document is not taken.
pub(super) fn unknown(document: &Document) -> String {
    let mut keys: Vec<&str> = document.keys().take(SHOWN).collect();
    if document.keys().nth(SHOWN).is_some() {
        keys.push("...");
    }
    if keys.is_empty() {
        return "is an empty object".to_owned();
    }
    format!(
        "is no result of a tool that this program knows (its keys: {})",
        keys.join(", ")
    )
}
