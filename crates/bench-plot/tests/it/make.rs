//! Results of small runs made by hand, in the schema of `vllm bench serve`.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

/// Real results, as other tools wrote them.
pub(crate) fn fixture(name: &str) -> PathBuf {
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/results");
    fixtures.join(name)
}

/// How many requests a run has.
const REQUESTS: u32 = 40;

/// A run with `concurrency` requests at once. The server saturates at about 8.
pub(crate) fn result(concurrency: u32) -> Value {
    let load = f64::from(concurrency);
    let speed = 800.0 * load / (load + 8.0);
    let tpot = load / speed;
    let ttft = 0.02 + 0.001 * load;
    let wave = |request: u32| 1.0 + f64::from(request % 7) / 10.0;
    let of_all = |value: &dyn Fn(u32) -> Value| (0..REQUESTS).map(value).collect::<Vec<Value>>();
    json!({
        "date": "20261122-050000",
        "backend": "vllm",
        "endpoint_type": "vllm",
        "label": null,
        "model_id": "org/model",
        "tokenizer_id": "org/model",
        "num_prompts": REQUESTS,
        "request_rate": "inf",
        "burstiness": 1.0,
        "max_concurrency": concurrency,
        "duration": 400.0 / speed,
        "completed": REQUESTS,
        "failed": 0,
        "total_input_tokens": 64 * REQUESTS,
        "total_output_tokens": 10 * REQUESTS,
        "request_throughput": speed / 10.0,
        "request_goodput": null,
        "output_throughput": speed,
        "total_token_throughput": speed * 7.4,
        "input_lens": of_all(&|_| json!(64)),
        "output_lens": of_all(&|_| json!(10)),
        "ttfts": of_all(&|request| json!(ttft * wave(request))),
        "itls": of_all(&|request| json!(vec![tpot * wave(request); 9])),
        "start_times": of_all(&|request| json!(1000.0 + f64::from(request) * 0.05)),
        "generated_texts": of_all(&|_| json!("text")),
        "errors": of_all(&|_| json!("")),
        "mean_ttft_ms": ttft * 1300.0,
        "median_ttft_ms": ttft * 1300.0,
        "std_ttft_ms": 1.0,
        "p99_ttft_ms": ttft * 1600.0,
        "mean_tpot_ms": tpot * 1300.0,
        "median_tpot_ms": tpot * 1300.0,
        "std_tpot_ms": 1.0,
        "p99_tpot_ms": tpot * 1600.0,
    })
}

/// Without what `--save-detailed` adds.
pub(crate) fn without_details(mut result: Value) -> Value {
    let details = [
        "input_lens",
        "output_lens",
        "ttfts",
        "itls",
        "start_times",
        "generated_texts",
        "errors",
    ];
    if let Value::Object(keys) = &mut result {
        keys.retain(|key, _| !details.contains(&key.as_str()));
    }
    result
}

/// Writes results to files below `results/`: a sweep of four loads.
pub(crate) fn sweep(dir: &Path) {
    fs::create_dir_all(dir.join("results")).unwrap();
    for concurrency in [1, 4, 16, 64] {
        let name = format!("bench_io64x10_mc{concurrency}_np40.json");
        let path = dir.join("results").join(name);
        fs::write(path, result(concurrency).to_string()).unwrap();
    }
}
