//! Conversations on the command line.

use bench_sim::SimHandle;
use serde_json::Value;

use crate::support::{assert_fails, bench_serve, result, server, small, succeeded, text};

/// The bodies of what was asked of the server, by the session they name.
fn sessions(server: &SimHandle) -> Vec<(String, Value)> {
    let recorded = server.stats().recorded;
    let asked = recorded.iter().filter_map(|request| {
        let session = request.headers.get("x-session-id")?.to_str().unwrap();
        let body = serde_json::from_slice(&request.body).unwrap();
        Some((session.to_owned(), body))
    });
    asked.collect()
}

#[test]
fn random_conversations_from_the_first_turn_to_the_result() {
    let server = server();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("result.json");
    let arguments = [
        "--backend",
        "openai-chat",
        "--multi-turn",
        "--turns",
        "3",
        "--random-prefix-len",
        "8",
        "--think-time",
        "0.01",
        "--max-concurrency",
        "2",
        "--save-result",
        "--result-filename",
        text(&path),
    ];
    let page = succeeded(&small(&server, &arguments));
    for part in [
        "Successful requests:                     24",
        "-Sessions-",
        "-By Turn ",
    ] {
        assert!(page.contains(part), "{part:?} is missing in: {page}");
    }
    let bench = &result(&path)["bench"];
    assert_eq!(bench["sessions"]["completed"], 8);
    let turns = bench["turns"].as_array().unwrap();
    assert_eq!(turns.len(), 3);
    for (turn, later) in turns.iter().zip(&turns[1..]) {
        let (before, after) = (&turn["mean_prompt_tokens"], &later["mean_prompt_tokens"]);
        assert!(after.as_f64() > before.as_f64(), "{before} {after}");
        assert!(later["repeated_share"].as_f64() > Some(0.4));
    }

    let asked = sessions(&server);
    assert_eq!(asked.len(), 24);
    let of_first: Vec<&Value> = asked
        .iter()
        .filter(|(session, _)| *session == asked[0].0)
        .map(|(_, body)| &body["messages"])
        .collect();
    let roles = |messages: &Value| -> Vec<String> {
        let messages = messages.as_array().unwrap().iter();
        messages
            .map(|one| one["role"].as_str().unwrap().to_owned())
            .collect()
    };
    assert_eq!(roles(of_first[0]), ["user"]);
    assert_eq!(roles(of_first[1]), ["user", "assistant", "user"]);
    assert_eq!(
        of_first[2].as_array().unwrap()[..3],
        of_first[1].as_array().unwrap()[..3]
    );
}

#[test]
fn recorded_answers_make_every_run_the_same() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("sharegpt.json");
    let message = |from: &str, text: &str| serde_json::json!({"from": from, "value": text});
    let conversations = serde_json::json!([{"conversations": [
        message("human", "how do you boil an egg"), message("gpt", "in water and with patience"),
        message("human", "how long"), message("gpt", "six minutes"),
        message("human", "thank you"), message("gpt", "you are welcome"),
    ]}]);
    std::fs::write(&file, conversations.to_string()).unwrap();
    let bodies = |replies: &str| {
        let server = server();
        let arguments = [
            "--backend",
            "openai-chat",
            "--dataset-name",
            "sharegpt",
            "--dataset-path",
            text(&file),
            "--num-prompts",
            "1",
            "--multi-turn",
            replies,
            "--max-turns",
            "2",
        ];
        let url = server.url();
        let common = ["--base-url", &url, "--tokenizer", "builtin"];
        succeeded(&bench_serve(&[&common[..], &arguments].concat()));
        sessions(&server)
            .into_iter()
            .map(|(_, body)| body)
            .collect::<Vec<_>>()
    };
    let recorded = bodies("recorded");
    assert_eq!(recorded.len(), 2);
    assert_eq!(
        recorded[1]["messages"][1]["content"],
        "in water and with patience"
    );
    assert_eq!(recorded[1]["messages"][2]["content"], "how long");
    let live = bodies("live");
    assert_ne!(
        live[1]["messages"][1]["content"],
        "in water and with patience"
    );
}

#[test]
fn think_times_are_drawn_by_the_seed() {
    let folder = tempfile::tempdir().unwrap();
    let hash = |name: &str, seed: &str, think: &[&str]| {
        let server = server();
        let path = folder.path().join(name);
        let common = [
            "--multi-turn",
            "--fixed-prompts",
            "--turns",
            "2",
            "--max-concurrency",
            "8",
            "--seed",
            seed,
        ];
        let saved = ["--save-result", "--result-filename", text(&path)];
        succeeded(&small(&server, &[&common[..], &saved, think].concat()));
        result(&path)["bench"]["reproducibility"]["dataset_hash"].clone()
    };
    let drawn = [
        "--think-time",
        "0.002",
        "--think-time-distribution",
        "exponential",
    ];
    let first = hash("a.json", "1", &drawn);
    assert_eq!(first, hash("b.json", "1", &drawn));
    assert_ne!(first, hash("c.json", "1", &drawn[..2]));
    assert_ne!(first, hash("d.json", "2", &drawn));
}

#[test]
fn the_session_header_may_be_left_out() {
    let server = server();
    succeeded(&small(
        &server,
        &["--multi-turn", "--session-header", "none"],
    ));
    assert_eq!(sessions(&server).len(), 0);
    assert_eq!(server.stats().requests, 8 * 4);
}

#[test]
fn what_makes_no_conversations_is_explained() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("prompts.jsonl");
    std::fs::write(&path, "{\"prompt\": \"first\"}\n").unwrap();
    let custom = [
        "--dataset-name",
        "custom",
        "--dataset-path",
        text(&path),
        "--no-oversample",
    ];
    let server = server();
    let turns = ["--multi-turn", "--multi-turn-turns", "3"];
    for (arguments, parts) in [
        (
            [&["--multi-turn"], &custom[..]].concat(),
            ["--multi-turn", "more than one turn"],
        ),
        (
            [&turns[..], &custom].concat(),
            ["--multi-turn-turns", "--max-turns"],
        ),
        (
            vec!["--multi-turn", "--prompt-token-ids"],
            ["--multi-turn", "--prompt-token-ids"],
        ),
        (
            vec!["--multi-turn", "--session-header", "a b"],
            ["--session-header", "none"],
        ),
        (
            vec!["--multi-turn", "--max-turns", "0"],
            ["--max-turns", "at least one"],
        ),
        (
            vec!["--multi-turn", "recorded"],
            ["no answer", "--multi-turn live"],
        ),
        (vec!["--think-time", "1"], ["--think-time", "--multi-turn"]),
        (
            vec!["--multi-turn", "--think-time=-1"],
            ["--think-time", "length of time"],
        ),
        (
            vec!["--multi-turn", "--backend", "openai-embeddings"],
            ["--multi-turn", "generates text"],
        ),
    ] {
        assert_fails(&small(&server, &arguments), 2, &parts);
    }
    assert_eq!(server.stats().requests, 0);
}
