//! Whole runs against the simulated server, over real sockets.
#![allow(clippy::unwrap_used)]

mod control;
mod conversations;
mod duration;
mod faults;
mod load;
mod prefix_cache;
mod preparation;
mod record_log;
mod reliability;
mod search;
mod secrets;
mod servers;
mod standing_in;
mod stopping;
mod tokens;
mod users;
mod warm_up;
mod whole;

use std::sync::Arc;
use std::time::Duration;

use bench_core::report::Report;
use bench_core::types::{Audio, Conversation, FailureClass, Prompt, RequestRecord};
use bench_core::{Observer, Run, RunBuilder, RunError, backends::backend};
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

/// `count` recordings, each as long as the simulated server takes to say `tokens` tokens.
fn recordings(count: u64, tokens: u32) -> Vec<Conversation> {
    const RATE: u32 = 8_000;
    let samples = RATE * tokens / 3;
    let mut bytes = Vec::new();
    for part in [
        b"RIFF".as_slice(),
        &(36 + samples).to_le_bytes(),
        b"WAVEfmt ",
        &16_u32.to_le_bytes(),
        // PCM, one channel.
        &[1, 0, 1, 0],
        &RATE.to_le_bytes(),
        &RATE.to_le_bytes(),
        // One byte a sample.
        &[1, 0, 8, 0],
        b"data",
        &samples.to_le_bytes(),
    ] {
        bytes.extend_from_slice(part);
    }
    bytes.resize(bytes.len() + samples as usize, 128);
    let recording = Arc::new(Audio {
        file_name: "silence.wav".to_owned(),
        bytes,
        duration: Duration::from_secs_f64(f64::from(samples) / f64::from(RATE)),
    });
    let prompt = || Prompt::Audio(Arc::clone(&recording));
    (0..count)
        .map(|id| Conversation::single(id, prompt(), None, tokens))
        .collect()
}

fn run(server: &SimHandle, conversations: Vec<Conversation>) -> RunBuilder {
    Run::builder(server.url(), backend("vllm").expect("there is one"))
        .model("sim-model")
        .conversations(conversations)
}

async fn execute(builder: RunBuilder) -> Report {
    watch(builder, &mut ()).await
}

/// Carries a run out that an observer takes part in.
async fn watch(builder: RunBuilder, observer: &mut dyn Observer) -> Report {
    let run = builder.build();
    let report = tokio::time::timeout(PATIENCE, run.execute(observer));
    report.await.expect("it ends").expect("it runs")
}

/// Why a run cannot be carried out.
async fn refusal(builder: RunBuilder) -> RunError {
    let run = builder.build();
    let result = tokio::time::timeout(PATIENCE, async move { run.execute(&mut ()).await });
    let result = result.await.expect("it ends");
    result.map(|_| ()).expect_err("it cannot run")
}

fn succeeded(record: &RequestRecord) -> bool {
    record.outcome.is_success()
}

/// The class of a request's failure; `None` if it succeeded.
fn class(record: &RequestRecord) -> Option<FailureClass> {
    record.outcome.failure().map(|failure| failure.class())
}

/// The number of requests whose failure is of a class.
fn failed_as(records: &[RequestRecord], wanted: FailureClass) -> usize {
    let failed = records.iter().filter_map(class);
    failed.filter(|class| *class == wanted).count()
}

/// A plain server with faults.
fn faulty(faults: &str) -> SimConfig {
    SimConfig {
        faults: vec![faults.parse().expect("a fault")],
        ..quick()
    }
}
