//! A worker whose thread does not go on has its request sent by another.

use std::sync::{Condvar, Mutex};
use std::thread;

use bench_core::backends::{Backend, BackendError, Decoder, Request, backend};
use bench_core::types::{Nanos, Prompt};
use bench_core::{Arrivals, Run};
use bytes::Bytes;

use super::{PATIENCE, execute, prompts, quick, start, succeeded};

/// vLLM's protocol, but the worker that asks for the request of one prompt does not go on before
/// another has asked for the same.
struct Stuck {
    vllm: &'static dyn Backend,
    prompt: &'static str,
    asked: Mutex<u32>,
    again: Condvar,
}

impl Backend for Stuck {
    fn name(&self) -> &'static str {
        "stuck"
    }

    fn default_path(&self, stream: bool) -> &'static str {
        self.vllm.default_path(stream)
    }

    fn encode(&self, request: &Request<'_>) -> Result<http::Request<Bytes>, BackendError> {
        // Every request is tried out before the run.
        let worker = thread::current();
        let of_worker = worker
            .name()
            .is_some_and(|name| name.starts_with("bench-worker"));
        let is_it = matches!(request.prompt, Prompt::Text(text) if **text == *self.prompt);
        if of_worker && is_it {
            let mut asked = self.asked.lock().unwrap();
            *asked += 1;
            self.again.notify_all();
            let alone = |asked: &mut u32| *asked < 2;
            drop(self.again.wait_timeout_while(asked, PATIENCE, alone));
        }
        self.vllm.encode(request)
    }

    fn decoder(&self) -> Box<dyn Decoder> {
        self.vllm.decoder()
    }
}

#[tokio::test]
async fn another_worker_sends_what_one_that_is_stuck_holds() {
    let server = start(quick());
    let stuck: &Stuck = Box::leak(Box::new(Stuck {
        vllm: backend("vllm").unwrap(),
        prompt: "prompt number 4",
        asked: Mutex::default(),
        again: Condvar::new(),
    }));
    // One worker takes the fifth ahead of its time and the other the sixth.
    let times = [0, 0, 0, 0, 1_000, 2_000].map(Nanos::from_millis);
    let builder = Run::builder(server.url(), stuck)
        .model("sim-model")
        .conversations(prompts(6, 2))
        .arrivals(Arrivals::recorded(times).unwrap())
        .threads(2);
    let report = execute(builder).await;
    assert_eq!(*stuck.asked.lock().unwrap(), 2, "both had it in hand");
    let ids: Vec<u64> = report.records.iter().map(|record| record.id).collect();
    assert_eq!(ids, [0, 1, 2, 3, 4, 5]);
    assert!(report.records.iter().all(succeeded));
    let stood_in = &report.records[4].timeline;
    assert_eq!(stood_in.released, stood_in.scheduled);
    assert_eq!(server.stats().completed, 6);
    let workers = report.facts.workers.iter();
    assert_eq!(workers.map(|worker| worker.requests).sum::<u64>(), 6);
}
