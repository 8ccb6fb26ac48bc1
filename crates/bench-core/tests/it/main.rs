//! Whole runs against the simulated server, over real sockets.
#![allow(clippy::unwrap_used)]

mod faults;
mod load;
mod preparation;
mod stopping;
mod tokens;

use std::time::Duration;

use bench_core::report::Report;
use bench_core::types::{Conversation, Prompt, RequestRecord};
use bench_core::{Run, RunBuilder, backends::backend};
use bench_sim::{SimConfig, SimHandle, SimServer};

/// Long enough for anything that is going to happen.
const PATIENCE: Duration = Duration::from_secs(60);

/// A server without delays of its own.
fn quick() -> SimConfig {
    SimConfig {
        step_us: 50.0,
        prefill_token_us: 0.0,
        decode_seq_us: 0.0,
        noise: 0.0,
        record: true,
        ..SimConfig::default()
    }
}

fn start(config: SimConfig) -> SimHandle {
    SimServer::start(config).expect("the simulated server starts")
}

/// `count` different prompts with `tokens` tokens to be generated for each.
fn prompts(count: u64, tokens: u32) -> Vec<Conversation> {
    let prompt = |id| Prompt::Text(format!("prompt number {id}").into());
    (0..count)
        .map(|id| Conversation::single(id, prompt(id), Some(3), tokens))
        .collect()
}

fn run(server: &SimHandle, conversations: Vec<Conversation>) -> RunBuilder {
    Run::builder(server.url(), backend("vllm").expect("there is one"))
        .model("sim-model")
        .conversations(conversations)
}

async fn execute(builder: RunBuilder) -> Report {
    let done = builder.build();
    let report = tokio::time::timeout(PATIENCE, async move { done.execute(&mut ()).await });
    report.await.expect("it ends").expect("it runs")
}

fn succeeded(record: &RequestRecord) -> bool {
    record.outcome.is_success()
}
