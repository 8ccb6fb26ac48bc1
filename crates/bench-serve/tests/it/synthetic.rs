//! Datasets whose prompts are made, from the command line to the server and back.

use bench_sim::{SimConfig, SimHandle};
use serde_json::Value;

use crate::support::{bench_serve, quick, server, server_with, small, stderr, succeeded};

/// The bodies of the generations that a server was asked for.
fn bodies(server: &SimHandle) -> Vec<Value> {
    let recorded = server.stats().recorded;
    let generations = recorded.iter().filter(|r| r.path.contains("completions"));
    generations
        .map(|r| serde_json::from_slice(&r.body).unwrap())
        .collect()
}

/// A number of the report.
fn row(report: &str, name: &str) -> u64 {
    let line = report.lines().find(|line| line.starts_with(name));
    let line = line.unwrap_or_else(|| panic!("no row `{name}` in {report}"));
    line[name.len()..].trim().parse().unwrap()
}

#[test]
fn each_is_sent_whole() {
    for (more, tokens) in [
        (&["random-ids"][..], 8 * 16),
        (&["prefix_repetition"], 8 * 512),
        (&["random-rerank", "--backend", "vllm-rerank"], 8 * 16),
        (&["random-mm", "--backend", "openai-chat"], 8 * 16),
        (&["image", "--backend", "openai-chat"], 8 * 16),
    ] {
        let sizes = [
            "--random-mm-bucket-config",
            "{(8, 8, 1): 1}",
            "--image-resolution",
            "8x8",
        ];
        let arguments = [&["--dataset-name"], more, &sizes].concat();
        let report = succeeded(&small(&server(), &arguments));
        assert_eq!(row(&report, "Successful requests:"), 8, "{more:?}");
        assert_eq!(row(&report, "Total input tokens:"), tokens, "{more:?}");
    }
}

#[test]
fn all_prompts_of_all_groups_are_sent_with_their_keys() {
    let server = server();
    let url = server.url();
    let flags = "--dataset-name generated-shared-prefix --gsp-num-groups 3 \
                 --gsp-prompts-per-group 4 --gsp-system-prompt-len 20 --gsp-question-len 5 \
                 --gsp-output-len 2 --gsp-send-routing-key --tokenizer builtin";
    let flags: Vec<&str> = flags.split_whitespace().collect();
    let output = bench_serve(&[&["--base-url", &url], &flags[..]].concat());
    let report = succeeded(&output);
    assert_eq!(row(&report, "Successful requests:"), 12);
    let bodies = bodies(&server);
    let system = |body: &Value| {
        let prompt = body["prompt"].as_str().unwrap();
        prompt.split_once("\n\n").unwrap().0.to_owned()
    };
    let mut systems: Vec<String> = bodies.iter().map(system).collect();
    systems.sort_unstable();
    systems.dedup();
    assert_eq!((bodies.len(), systems.len()), (12, 3));
    let recorded = server.stats().recorded;
    let keys = recorded
        .iter()
        .filter_map(|r| r.headers.get("x-smg-routing-key"));
    let mut keys: Vec<&str> = keys.map(|key| key.to_str().unwrap()).collect();
    assert_eq!(keys.len(), 12);
    keys.sort_unstable();
    keys.dedup();
    assert_eq!(keys.len(), 3);
}

#[test]
fn images_arrive_as_parts_of_a_message() {
    let server = server();
    let flags = "--dataset-name image --backend openai-chat --image-count 2 --image-format png \
                 --image-resolution 8x8";
    let flags: Vec<&str> = flags.split_whitespace().collect();
    succeeded(&small(&server, &flags));
    for body in bodies(&server) {
        let parts = body["messages"][0]["content"].as_array().unwrap();
        let kinds: Vec<&str> = parts.iter().map(|p| p["type"].as_str().unwrap()).collect();
        assert_eq!(kinds, ["text", "image_url", "image_url"]);
        let url = parts[1]["image_url"]["url"].as_str().unwrap();
        assert!(url.starts_with("data:image/png;base64,"), "{url}");
    }
}

#[test]
fn a_server_has_only_fixed_prompts_in_its_cache() {
    let server = server_with(SimConfig {
        prompt_tokens_details: true,
        ..quick()
    });
    let cached = |more: &[&str]| {
        let flags = [&["--random-input-len", "64", "--output-len", "2"], more].concat();
        let url = server.url();
        let begin = [
            "--base-url",
            &url,
            "--tokenizer",
            "builtin",
            "--num-prompts",
            "8",
        ];
        let report = succeeded(&bench_serve(&[&begin[..], &flags].concat()));
        row(&report, "Input tokens from the server's cache:")
    };
    assert_eq!(cached(&[]), 0);
    assert_eq!(cached(&[]), 0);
    assert_eq!(cached(&["--prompt-nonce", "1"]), 0);
    assert_eq!(cached(&["--prompt-nonce", "2"]), 0);
    assert!(cached(&["--prompt-nonce", "1"]) >= 8 * 32);
    assert_eq!(cached(&["--fixed-prompts"]), 0);
    assert!(cached(&["--fixed-prompts"]) >= 8 * 32);
}

#[test]
fn what_has_no_effect_is_refused() {
    let server = server();
    for (flags, parts) in [
        (
            &["--prompt-nonce", "1", "--fixed-prompts"][..],
            &["--prompt-nonce", "--fixed-prompts"][..],
        ),
        (
            &["--prompt-nonce", "1", "--dataset-name", "custom"],
            &["--prompt-nonce", "`custom` sends its prompts as they are"],
        ),
        (
            &["--input-len", "9", "--dataset-name", "prefix_repetition"],
            &["--input-len", "`prefix_repetition`"],
        ),
        (
            &["--dataset-name", "image"],
            &["chat messages", "openai-chat"],
        ),
    ] {
        let output = small(&server, flags);
        assert_eq!(output.status.code(), Some(2), "{flags:?}");
        let said = stderr(&output);
        assert!(parts.iter().all(|part| said.contains(part)), "{said}");
    }
}
