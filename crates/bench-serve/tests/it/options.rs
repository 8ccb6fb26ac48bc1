//! Options that change what is asked of servers, and those that cannot be met.

use std::process::Output;

use bench_core::backends::BACKENDS;
use bench_sim::{Flavour, SimConfig};
use serde_json::Value;

use crate::support::{
    assert_fails, bench_serve, quick, server, server_with, small, stderr, succeeded,
};

#[test]
fn an_unknown_backend_is_answered_with_all_there_are() {
    let output = bench_serve(&["--sim", "--backend", "vlm"]);
    assert_fails(&output, 2, &["--backend", "did you mean `vllm`?"]);
    for backend in BACKENDS {
        assert_fails(&output, 2, &[backend.name()]);
    }
    let help = String::from_utf8(bench_serve(&["--help"]).stdout).unwrap();
    let (_, list) = help.split_once("--backend").unwrap();
    let (list, _) = list.split_once("--base-url").unwrap();
    for backend in BACKENDS {
        let mut words = list.split([' ', ',', '\n']);
        assert!(words.any(|word| word == backend.name()), "{list}");
    }
}

#[test]
fn whole_answers_are_asked_for_and_measured_as_such() {
    let server = server();
    let page = succeeded(&small(&server, &["--no-stream"]));
    assert!(
        page.contains("Mean E2EL (ms):") && !page.contains("TTFT"),
        "{page}"
    );
    let recorded = server.stats().recorded;
    let asked = recorded.iter().filter(|r| r.path == "/v1/completions");
    let bodies: Vec<Value> = asked
        .map(|request| serde_json::from_slice(&request.body).unwrap())
        .collect();
    assert_eq!(bodies.len(), 8);
    assert!(
        bodies.iter().all(|body| body["stream"] != true),
        "{bodies:?}"
    );
}

/// That a metric is refused before anything is sent, with those that there are.
fn not_measured(arguments: &[&str], parts: &[&str]) {
    let server = server();
    assert_fails(&small(&server, arguments), 2, parts);
    assert_eq!(server.stats().requests, 0);
}

#[test]
fn metrics_that_cannot_be_had_are_refused() {
    not_measured(
        &["--no-stream", "--percentile-metrics", "ttft"],
        &["--percentile-metrics", "'ttft'", "not streamed", "e2el"],
    );
    not_measured(
        &["--backend", "openai-embeddings", "--goodput", "ttft:200"],
        &["--goodput", "'ttft'", "embeddings", "choose from e2el"],
    );
    not_measured(
        &["--backend", "vllm-pooling", "--percentile-metrics", "itl"],
        &["--percentile-metrics", "'itl'", "e2el"],
    );
}

#[test]
fn a_dataset_of_the_wrong_kind_is_answered_with_the_right_one() {
    let fails = |backend, parts: &[&str]| {
        let output = bench_serve(&["--sim", "--backend", backend, "--num-prompts", "2"]);
        assert_fails(&output, 2, parts);
    };
    fails(
        "openai-audio",
        &["`openai-audio`", "--dataset-name custom_audio"],
    );
    fails(
        "vllm-rerank",
        &["`vllm-rerank`", "--dataset-name random-rerank"],
    );
    let rerank = ["--sim", "--dataset-name", "random-rerank"];
    let output = bench_serve(&[&rerank[..], &["--num-prompts", "2"]].concat());
    assert_fails(&output, 2, &["--dataset-name", "`vllm-rerank`"]);
}

#[test]
fn a_parameter_that_the_protocol_lacks_is_a_mistake_of_the_command_line() {
    let server = server();
    let output = small(&server, &["--backend", "tgi", "--min-p", "0.1"]);
    assert_fails(&output, 2, &["`tgi`", "--min-p", "--extra-body"]);
    assert_eq!(server.stats().requests, 0);
}

#[test]
fn adapters_are_asked_for_in_place_of_the_model() {
    let server = server_with(SimConfig {
        lora: vec!["blue".to_owned(), "green".to_owned()],
        ..quick()
    });
    let adapters = ["--lora-modules", "blue", "green"];
    let turns = ["--lora-assignment", "round-robin"];
    let page = succeeded(&small(&server, &[&adapters[..], &turns].concat()));
    assert!(page.contains("By Model"), "{page}");
    let row = |name| page.lines().find(|line| line.starts_with(name)).unwrap();
    for name in ["blue", "green"] {
        assert_eq!(row(name).split_whitespace().nth(1), Some("4"), "{page}");
    }
    let models = server.stats().models;
    assert_eq!((models["blue"], models["green"]), (4, 4));
    assert_eq!(models.get("sim-model"), None);
    let output = small(&server, &["--lora-modules", "red"]);
    assert_fails(&output, 1, &["`red`", "blue, green"]);
}

#[test]
fn a_profiler_that_is_not_there_is_found_out_before_the_load() {
    let server = server();
    let output = small(&server, &["--profile"]);
    assert_fails(&output, 1, &["/start_profile", "404", "--profiler-config"]);
    assert_eq!(server.stats().requests, 0);
    let server = server_with(SimConfig {
        profiler: true,
        ..quick()
    });
    succeeded(&small(&server, &["--profile"]));
    let stats = server.stats();
    assert_eq!((stats.profiles_started, stats.profiles_stopped), (1, 1));
    assert_fails(
        &small(&server, &["--profile-duration", "1"]),
        2,
        &["--profile"],
    );
}

fn with_flavour(engine: Flavour) -> bench_sim::SimHandle {
    server_with(SimConfig { engine, ..quick() })
}

#[test]
fn caches_are_emptied_by_the_route_of_the_server() {
    for (engine, flag) in [
        (Flavour::Vllm, "--reset-prefix-cache"),
        (Flavour::Sglang, "--flush-cache"),
    ] {
        let server = with_flavour(engine);
        let output: Output = small(&server, &[flag, "--num-warmups", "2"]);
        assert!(output.status.success(), "{}", stderr(&output));
        assert_eq!(server.stats().cache_resets, 1, "{engine:?}");
    }
    let server = with_flavour(Flavour::Tgi);
    let output = small(&server, &["--backend", "tgi", "--flush-cache"]);
    let parts = [
        "/reset_prefix_cache",
        "/flush_cache",
        "VLLM_SERVER_DEV_MODE",
    ];
    assert_fails(&output, 1, &parts);
    assert_eq!(server.stats().requests, 0);
}
