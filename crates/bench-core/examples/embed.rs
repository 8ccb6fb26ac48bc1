//! A benchmark inside a program of your own: run it, then ask the report.
//!
//! `cargo run --release -p bench-core --example embed`

#![allow(clippy::print_stdout)]

// ANCHOR: embed
use bench_core::types::{Conversation, Prompt};
use bench_core::{Run, backends::backend};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    // The server under test: here a simulated one in this process.
    let server = bench_sim::SimServer::start(bench_sim::SimConfig::default())?;
    let hello = |id| Conversation::single(id, Prompt::Text("Tell me a story.".into()), None, 64);

    let report = Run::builder(server.url(), backend("vllm")?)
        .conversations((0..100).map(hello).collect())
        .max_concurrency(10)
        .build()
        .execute(&mut ())
        .await?;

    let p99 = report.metric("p99_ttft_ms").ok_or("no request succeeded")?;
    println!("p99 TTFT: {p99:.2} ms");
    Ok(())
}
// ANCHOR_END: embed

#[test]
fn it_runs() {
    main().expect("the example runs");
}
