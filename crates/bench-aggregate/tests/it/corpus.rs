//! The result files of other tools, number by number.

use std::path::{Path, PathBuf};

use bench_aggregate::{Found, ReadOptions, read_all};
use bench_report::{RunResult, Tool};

pub(crate) fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../fixtures/results")
        .join(name)
}

fn read(name: &str, details: bool) -> Found {
    let options = ReadOptions {
        details,
        strict: false,
    };
    read_all(&[fixture(name)], &options).expect("readable")
}

fn only(found: Found) -> RunResult {
    assert_eq!(found.skipped, []);
    let [run] = <[RunResult; 1]>::try_from(found.runs).expect("one run");
    run
}

fn assert_numbers(run: &RunResult, numbers: &[(&str, f64)]) {
    for (key, expected) in numbers {
        let number = run.number(key);
        assert_eq!(number, Some(*expected), "{key}");
    }
}

/// For numbers that are computed and not copied.
fn assert_near(run: &RunResult, key: &str, expected: f64) {
    let number = run.number(key).unwrap_or(f64::NAN);
    let off = (number - expected).abs() / expected.abs().max(1e-300);
    assert!(off < 1e-6, "{key} is {number} and not {expected}");
}

fn texts(run: &RunResult) -> [Option<&str>; 5] {
    [
        run.date.as_deref(),
        run.backend.as_deref(),
        run.label.as_deref(),
        run.model_id.as_deref(),
        run.tokenizer_id.as_deref(),
    ]
}

#[test]
fn vllm_bench_serve() {
    let run = only(read("vllm-bench-serve-0.32-random.json", true));
    assert_eq!(run.origin.tool, Tool::VllmBenchServe);
    assert_eq!(
        run.origin.path,
        fixture("vllm-bench-serve-0.32-random.json")
    );
    assert_eq!(run.origin.entry, None);
    assert_eq!(
        texts(&run),
        [
            Some("20261121-212154"),
            Some("openai"),
            None,
            Some("tiny-llama-gpt2tok"),
            Some("PEERS/models/tiny-llama-gpt2tok"),
        ]
    );
    assert_numbers(
        &run,
        &[
            ("num_prompts", 20.0),
            ("request_rate", 10.0),
            ("burstiness", 1.0),
            ("duration", 2.2253539809998983),
            ("completed", 20.0),
            ("failed", 0.0),
            ("total_input_tokens", 1280.0),
            ("total_output_tokens", 320.0),
            ("request_throughput", 8.987334226716408),
            ("request_goodput", 7.639234092708946),
            ("output_throughput", 143.79734762746253),
            ("total_token_throughput", 718.9867381373126),
            ("mean_ttft_ms", 54.88410039997689),
            ("median_ttft_ms", 32.61376199998267),
            ("std_tpot_ms", 2.4652305780434682),
            ("p95_itl_ms", 17.472629900044012),
            ("p99_e2el_ms", 171.59369963002973),
            ("max_output_tokens_per_s", 176.0),
            ("max_concurrent_requests", 12.0),
            ("rtfx", 0.0),
        ],
    );
    assert_eq!(run.max_concurrency, None);
    // What the file says of its requests leads to what it says of the run.
    let mean = |samples: Vec<f64>| samples.iter().sum::<f64>() / samples.len() as f64;
    for metric in ["ttft", "tpot", "itl", "e2el"] {
        assert_near(
            &run,
            &format!("mean_{metric}_ms"),
            mean(run.samples(metric)),
        );
    }
    let without = only(read("vllm-bench-serve-0.32-random.json", false));
    assert!(without.requests.is_empty());
    assert_eq!(without.statistics, run.statistics);
    assert_eq!(without.more, run.more);
}

#[test]
fn vllm_bench_serve_with_a_ramp_and_with_failures() {
    let ramp = only(read("vllm-bench-serve-0.32-rampup.json", false));
    assert_eq!(ramp.further("ramp_up_strategy"), Some(&"linear".into()));
    let failing = only(read("vllm-bench-serve-0.32-failing.json", true));
    assert_numbers(
        &failing,
        &[
            ("completed", 0.0),
            ("failed", 4.0),
            ("output_throughput", 0.0),
        ],
    );
    assert_eq!(failing.number("mean_ttft_ms"), None);
    assert!(failing.requests.iter().all(|request| !request.success));
}

#[test]
fn vllm_bench_in_rust() {
    let run = only(read("vllm-bench-rust.json", true));
    assert_eq!(run.origin.tool, Tool::VllmBench);
    assert_eq!(
        texts(&run)[1..],
        [Some("vllm"), None, Some("rig"), Some("LOCAL")]
    );
    assert_eq!(run.date.as_deref().map(str::len), Some(15));
    assert!(run.request_rate.is_some_and(f64::is_infinite));
    assert_numbers(
        &run,
        &[
            ("max_concurrency", 16.0),
            ("completed", 64.0),
            ("output_throughput", 3047.78533787115),
            ("p99_itl_ms", 6.722361170000002),
            ("std_e2el_ms", 0.2746357107009228),
            ("input_throughput", 761.9463344677876),
            ("max_output_tokens_per_s", 3040.0),
        ],
    );
    assert!(run.requests.is_empty());
}

#[test]
fn sglang() {
    let run = only(read("sglang-bench-0.5.23-random.jsonl", true));
    assert_eq!(run.origin.tool, Tool::SglangBench);
    assert_eq!(run.origin.entry, None);
    assert_eq!(
        texts(&run),
        [
            None,
            Some("sglang"),
            None,
            Some("tiny-llama-gpt2tok"),
            Some("PEERS/models/tiny-llama-gpt2tok"),
        ]
    );
    assert_numbers(
        &run,
        &[
            ("num_prompts", 12.0),
            ("request_rate", 8.0),
            ("input_len", 64.0),
            ("output_len", 16.0),
            ("duration", 1.7391069699997388),
            ("completed", 12.0),
            ("failed", 0.0),
            ("total_input_tokens", 768.0),
            ("total_output_tokens", 192.0),
            ("request_throughput", 6.900093097782135),
            ("output_throughput", 110.40148956451416),
            ("total_token_throughput", 552.0074478225708),
            ("mean_ttft_ms", 37.50099725008719),
            ("p90_tpot_ms", 7.990955333331537),
            ("std_itl_ms", 3.4979158149629557),
            ("mean_e2el_ms", 130.80812108341888),
            ("p99_e2el_ms", 175.91248410003573),
            ("input_throughput", 441.60595825805666),
            ("concurrency", 0.9025882134215484),
            ("total_output_tokens_retokenized", 192.0),
            ("max_concurrent_requests", 6.0),
        ],
    );
    assert_eq!(run.further("dataset_name"), Some(&"random-ids".into()));
    assert_eq!(run.requests.len(), 12);
    let itls = run.samples("itl");
    assert_near(
        &run,
        "mean_itl_ms",
        itls.iter().sum::<f64>() / itls.len() as f64,
    );
    assert!(
        read("sglang-bench-0.5.23-random.jsonl", false).runs[0]
            .requests
            .is_empty()
    );
}

#[test]
fn aiperf_summary_with_the_requests_beside_it() {
    let run = only(read("aiperf-0.13-profile_export_aiperf.json", true));
    assert_eq!(run.origin.tool, Tool::Aiperf);
    assert_eq!(
        texts(&run),
        [
            Some("20261121-220220"),
            Some("completions"),
            None,
            Some("rig"),
            Some("rig/gpt2tok"),
        ]
    );
    assert!(run.request_rate.is_some_and(f64::is_infinite));
    assert_eq!(run.condition.partial, Some(false));
    assert_numbers(
        &run,
        &[
            ("num_prompts", 1.0),
            ("max_concurrency", 1.0),
            ("input_len", 16.0),
            ("output_len", 16.0),
            ("duration", 0.005423104000000001),
            ("completed", 1.0),
            ("failed", 0.0),
            ("total_input_tokens", 14.0),
            ("total_output_tokens", 16.0),
            ("request_throughput", 78.07392257596474),
            ("output_throughput", 1249.182761215436),
            ("total_token_throughput", 2342.2176772789426),
            ("mean_ttft_ms", 5.147892),
            ("p99_ttft_ms", 5.147892),
            // What it calls inter-token latency.
            ("mean_tpot_ms", 0.018342466666666668),
            // What it calls inter-chunk latency.
            ("p99_itl_ms", 0.2366178199999998),
            ("std_itl_ms", 0.06863122589498812),
            ("median_itl_ms", 0.0),
            ("mean_e2el_ms", 5.423029),
            ("effective_latency_avg", 6.699776),
            ("input_token_throughput", 1093.0349160635064),
        ],
    );
    let [request] = &run.requests[..] else {
        panic!("one request");
    };
    assert!(request.success);
    assert_eq!(
        request.id.as_deref(),
        Some("52f8bb90-0c1c-4f55-813e-1d86187bc11b")
    );
    assert_eq!(request.start, Some(0.0));
    assert_eq!(request.client_queue, Some(0.001276788));
    assert_near(&run, "mean_ttft_ms", run.samples("ttft")[0]);
    assert_eq!(request.gaps.len(), 15);
    assert_eq!(
        (request.input_tokens, request.output_tokens),
        (Some(14), Some(16))
    );
    assert_near(
        &run,
        "mean_tpot_ms",
        request.tpot().expect("several tokens") * 1e3,
    );
}

#[test]
fn aiperf_requests_alone() {
    let run = only(read("aiperf-0.13-profile_export.jsonl", true));
    assert_eq!(run.origin.tool, Tool::Aiperf);
    assert_numbers(
        &run,
        &[
            ("completed", 1.0),
            ("failed", 0.0),
            ("total_input_tokens", 14.0),
            ("total_output_tokens", 16.0),
        ],
    );
    for (key, expected) in [
        ("duration", 0.005423029),
        ("request_throughput", 1.0 / 0.005423029),
        ("mean_ttft_ms", 5.147892),
        ("mean_tpot_ms", 0.018342466666666668),
        ("p99_itl_ms", 0.2366178199999998),
        ("mean_e2el_ms", 5.423029),
    ] {
        assert_near(&run, key, expected);
    }
}

#[test]
fn aiperf_table() {
    let run = only(read("aiperf-0.13-profile_export_aiperf.csv", true));
    assert_eq!(run.origin.tool, Tool::Aiperf);
    assert_numbers(
        &run,
        &[
            ("completed", 1.0),
            ("failed", 0.0),
            ("duration", 0.01),
            ("total_output_tokens", 16.0),
            ("request_throughput", 78.07),
            ("output_throughput", 1249.18),
            ("mean_ttft_ms", 5.15),
            ("median_ttft_ms", 5.15),
            ("mean_tpot_ms", 0.02),
            ("p95_itl_ms", 0.08),
            ("p99_e2el_ms", 5.42),
        ],
    );
    assert!(run.condition.warnings[0].contains("rounds"));
}

#[test]
fn guidellm() {
    let run = only(read("guidellm-0.8.1.json", true));
    assert_eq!(run.origin.tool, Tool::Guidellm);
    assert_eq!(
        texts(&run)[1..],
        [Some("openai_http"), None, Some("rig"), Some("LOCAL")]
    );
    assert!(run.request_rate.is_some_and(f64::is_infinite));
    assert_numbers(
        &run,
        &[
            ("num_prompts", 1.0),
            ("max_concurrency", 1.0),
            ("input_len", 16.0),
            ("output_len", 16.0),
            ("duration", 0.005333900451660156),
            ("completed", 1.0),
            ("failed", 0.0),
            ("total_input_tokens", 14.0),
            ("total_output_tokens", 16.0),
            ("request_throughput", 187.480064366172),
            ("output_throughput", 2999.6810298587516),
            ("total_token_throughput", 5624.40193098516),
            // Under its own names, since others mean something else by them.
            ("time_per_output_token_ms_mean", 0.3078877925872803),
            ("inter_token_latency_ms_mean", 0.06035168965657552),
            ("request_latency_mean", 0.005333900451660156),
        ],
    );
    assert_near(&run, "mean_ttft_ms", 4.020929336547852);
    // First to last token, over the tokens after the first.
    assert_near(&run, "mean_tpot_ms", 0.06035168965657552);
    // The last token came 0.4 ms before its request ended.
    assert_near(&run, "mean_e2el_ms", 4.926204681396484);
    assert_eq!(run.number("mean_itl_ms"), None);
    assert!(run.condition.warnings[0].contains("generation delay"));
    assert_eq!(run.requests.len(), 1);
    assert_near(&run, "mean_ttft_ms", run.samples("ttft")[0]);
}

#[test]
fn inference_benchmarker() {
    let found = read("inference-benchmarker-1.1.0.json", true);
    assert_eq!(found.skipped[0].reason, "1 warm-up left out");
    let [run] = &found.runs[..] else {
        panic!("one run");
    };
    assert_eq!(run.origin.tool, Tool::InferenceBenchmarker);
    assert_eq!(texts(run)[1..], [None, None, Some("rig"), Some("rig")]);
    assert_numbers(
        run,
        &[
            ("max_concurrency", 1.0),
            ("input_len", 16.0),
            ("output_len", 16.0),
            ("duration", 0.998),
            ("completed", 3550.0),
            ("failed", 0.0),
            ("total_input_tokens", 56800.0),
            ("total_output_tokens", 56800.0),
            ("request_throughput", 3553.6996358651113),
            ("output_throughput", 56859.19417384178),
            ("mean_ttft_ms", 0.14),
            ("median_ttft_ms", 0.129),
            ("p99_ttft_ms", 0.261),
            ("p95_e2el_ms", 0.329),
            ("inter_token_latency_ms_avg", 0.006),
        ],
    );
    assert_eq!(run.number("mean_tpot_ms"), None);
    assert_eq!(run.number("mean_itl_ms"), None);
    assert_eq!(run.further("benchmark"), Some(&"throughput".into()));
}
