//! Writes many results with details, to see how long it takes to put them into one table and how
//! much memory: `many_results DIR [FILES]`. Each file has some 200 kB; 10,000 have 2 GB.
#![allow(clippy::print_stdout)]

use std::error::Error;
use std::fs;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

/// Requests of a run.
const REQUESTS: u64 = 75;
/// Gaps between the chunks of a request.
const GAPS: u64 = 128;
/// Runs that repeat each other.
const REPEATS: u64 = 1000;

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let dir = PathBuf::from(arguments.next().ok_or("give a folder")?);
    let files = arguments.next().map_or(Ok(10_000), |files| files.parse())?;
    fs::create_dir_all(&dir)?;
    let mut bytes = 0;
    for run in 0..files {
        bytes += write(&dir, run)?;
    }
    println!("{files} files, {bytes} bytes in {}", dir.display());
    Ok(())
}

/// Writes a result in the schema of `vllm bench serve` and returns its size.
fn write(dir: &Path, run: u64) -> std::io::Result<u64> {
    let point = run / REPEATS;
    let concurrency = 1 << point.min(20);
    let mut random = Random(run + 1);
    let mut gap = move || random.next() * 0.02 + 0.005;
    let path = dir.join(format!(
        "bench_io256x{GAPS}_mc{concurrency}_np{REQUESTS}_run{run}.json"
    ));
    let mut out = BufWriter::new(fs::File::create(&path)?);
    let (input, output) = (REQUESTS * 256, REQUESTS * (GAPS + 1));
    write!(
        out,
        r#"{{"date":"20260101-000000","endpoint_type":"vllm","backend":"vllm","label":null,
        "model_id":"m","tokenizer_id":null,"num_prompts":{REQUESTS},"request_rate":"inf",
        "burstiness":1.0,"max_concurrency":{concurrency},"duration":10.0,"completed":{REQUESTS},
        "failed":0,"total_input_tokens":{input},"total_output_tokens":{output},
        "request_throughput":{},"request_goodput":null,"output_throughput":{},
        "total_token_throughput":{}"#,
        REQUESTS as f64 / 10.0,
        output as f64 / 10.0,
        (input + output) as f64 / 10.0
    )?;
    for metric in ["ttft", "tpot", "itl", "e2el"] {
        for statistic in ["mean", "median", "std", "p99"] {
            write!(out, r#","{statistic}_{metric}_ms":{:?}"#, gap() * 1e3)?;
        }
    }
    list(&mut out, "input_lens", |_| "256".to_owned())?;
    list(&mut out, "output_lens", |_| (GAPS + 1).to_string())?;
    list(&mut out, "start_times", |request| format!("{request}.5"))?;
    list(&mut out, "errors", |_| "\"\"".to_owned())?;
    list(&mut out, "ttfts", |_| format!("{:?}", gap()))?;
    list(&mut out, "latencies", |_| format!("{:?}", 2.0 + gap()))?;
    list(&mut out, "itls", |_| {
        let gaps: Vec<String> = (0..GAPS).map(|_| format!("{:?}", gap())).collect();
        format!("[{}]", gaps.join(","))
    })?;
    out.write_all(b"}\n")?;
    out.flush()?;
    Ok(fs::metadata(&path)?.len())
}

fn list(
    out: &mut impl Write,
    key: &str,
    mut entry: impl FnMut(u64) -> String,
) -> std::io::Result<()> {
    let entries: Vec<String> = (0..REQUESTS).map(&mut entry).collect();
    write!(out, r#","{key}":[{}]"#, entries.join(","))
}

/// Numbers that look random (Knuth's generator).
struct Random(u64);

impl Random {
    /// From 0 to 1.
    fn next(&mut self) -> f64 {
        let next = self.0.wrapping_mul(6_364_136_223_846_793_005);
        self.0 = next.wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 11) as f64 / (1_u64 << 53) as f64
    }
}
