//! Command lines of other tools: every flag is here with the same meaning, or is refused with
//! what to use instead.

use std::collections::BTreeSet;

use bench_core::backends::backend;
use bench_serve::{Cli, NOT_HERE};
use clap::builder::Resettable;
use clap::error::ErrorKind;
use clap::{Arg, Command, CommandFactory};
use serde_json::Value;

use crate::support::{
    SMALL, assert_fails, bench_serve, quick, result, server, server_with, small, succeeded, text,
};

const VLLM: &str = include_str!("../../../../fixtures/flags/vllm-bench-serve-0.32.txt");
const SGLANG: &str = include_str!("../../../../fixtures/flags/sglang-bench-serving-0.5.23.txt");

/// Of `benchmark_serving.py`, from which `vllm bench serve` came, those that it has no more.
const CLASSIC: &str = "--best-of N\n--dataset PATH\n--endpoint-type TYPE";

/// Flags of `vllm bench serve` whose default differs on purpose, and how.
const OTHER_DEFAULTS: &[(&str, &str)] = &[
    ("--endpoint", "that of the backend"),
    ("--request-id-prefix", "UUIDs"),
    ("--asr-max-audio-len-sec", "no limit, which `inf` is there"),
    (
        "--num-prompts",
        "1000 too, unless stages or a trace say how many",
    ),
];

/// Values of flags that are not known here, and what is to be used instead.
const OTHER_VALUES: &[(&str, &[&str])] = &[(
    "--backend",
    &[
        "openai-embeddings-chat",
        "openai-embeddings-clip",
        "openai-embeddings-vlm2vec",
        "infinity-embeddings-clip",
        "gserver",
        "truss",
    ],
)];

/// A flag as a list has it.
#[derive(Debug)]
struct Flag {
    name: String,
    takes_value: bool,
    /// Whether it may stand without a value, as `[X ...]`.
    may_be_empty: bool,
    /// Whether it takes more than one value.
    takes_many: bool,
    choices: Vec<String>,
    default: Option<String>,
}

fn flags(list: &str) -> Vec<Flag> {
    let lines = list.lines().filter(|line| !line.starts_with('#'));
    lines.flat_map(of_line).collect()
}

/// `--a, --no-a` are two; `--a {x,y} = x` has choices and a default.
fn of_line(line: &str) -> Vec<Flag> {
    let (line, default) = match line.split_once(" = ") {
        Some((line, default)) => (line, Some(default.to_owned())),
        None => (line, None),
    };
    let names = line.split(", ").filter(|part| part.starts_with("--"));
    names
        .map(|part| {
            let (name, values) = part.split_once(' ').unwrap_or((part, ""));
            let choices = values
                .strip_prefix('{')
                .and_then(|rest| rest.split_once('}'));
            // In `{"key": "value"}` stands what it is like.
            let choices = choices
                .map(|(choices, _)| choices)
                .filter(|c| !c.contains('"'));
            Flag {
                name: name.to_owned(),
                takes_value: !values.is_empty(),
                may_be_empty: values.starts_with('['),
                takes_many: values.ends_with("...]"),
                choices: choices
                    .map(|choices| choices.split(',').map(str::to_owned).collect())
                    .unwrap_or_default(),
                default: default.clone(),
            }
        })
        .collect()
}

fn find<'c>(command: &'c Command, name: &str) -> Option<&'c Arg> {
    let name = name.trim_start_matches('-');
    command.get_arguments().find(|arg| {
        let aliases = arg.get_all_aliases().unwrap_or_default();
        arg.get_long() == Some(name) || aliases.contains(&name)
    })
}

fn instead(name: &str) -> Option<&'static str> {
    let name = name.trim_start_matches('-');
    let known = NOT_HERE.iter().find(|(flag, _)| *flag == name);
    known.map(|(_, instead)| *instead)
}

/// What is wrong, if a flag is neither known, with all its values, nor refused with what to use
/// instead.
fn problems(command: &Command, flag: &Flag) -> Vec<String> {
    let name = &flag.name;
    match (instead(name), find(command, name)) {
        (Some(instead), _) => {
            let mut line = vec!["--sim", name.as_str()];
            line.extend(flag.takes_value.then_some("1"));
            assert_fails(&bench_serve(&line), 2, &[name, instead]);
            Vec::new()
        }
        (None, None) => vec![format!("{name} is neither known nor refused")],
        (None, Some(arg)) if arg.get_action().takes_values() != flag.takes_value => {
            vec![format!(
                "{name} takes a value there or here, but not in both"
            )]
        }
        (None, Some(arg)) if !has_room(arg, flag) => {
            vec![format!(
                "{name} takes fewer values, or more, here than there"
            )]
        }
        (None, Some(arg)) => {
            let wrong = flag.choices.iter();
            let wrong = wrong.filter(|choice| !is_told(command, flag, arg, choice));
            wrong.map(|choice| format!("{name} {choice}")).collect()
        }
    }
}

/// Whether it takes as many values as there.
fn has_room(arg: &Arg, flag: &Flag) -> bool {
    let range = arg.get_num_args().unwrap_or_default();
    (range.min_values() == 0 || !flag.may_be_empty) && (range.max_values() > 1 || !flag.takes_many)
}

/// Whether the value is known, or is one of those that are refused on purpose.
fn is_told(command: &Command, flag: &Flag, arg: &Arg, choice: &str) -> bool {
    let known = match flag.name.as_str() {
        "--backend" => backend(choice).is_ok(),
        _ => {
            let id = arg.get_id().as_str();
            let line = ["bench-serve".to_owned(), format!("{}={choice}", flag.name)];
            // What else it needs is another matter.
            let command = command
                .clone()
                .mut_arg(id, |arg| arg.requires(Resettable::Reset));
            let error = command.try_get_matches_from(line).err();
            error.is_none_or(|error| error.kind() == ErrorKind::MissingRequiredArgument)
        }
    };
    let others = OTHER_VALUES.iter().find(|(name, _)| *name == flag.name);
    let other = others.is_some_and(|(_, values)| values.contains(&choice));
    if other {
        assert_fails(
            &bench_serve(&["--sim", &flag.name, choice]),
            2,
            &[&flag.name, choice],
        );
    }
    known != other
}

#[track_caller]
fn check(list: &str, at_least: usize) {
    let command = Cli::command();
    let flags = flags(list);
    assert!(flags.len() >= at_least, "{}", flags.len());
    let problems = flags.iter().flat_map(|flag| problems(&command, flag));
    let problems: Vec<String> = problems.collect();
    assert!(problems.is_empty(), "{}", problems.join("\n"));
}

#[test]
fn every_flag_of_vllm_bench_serve_is_known_or_refused() {
    check(VLLM, 100);
}

#[test]
fn every_flag_of_sglang_is_known_or_refused() {
    check(SGLANG, 80);
}

#[test]
fn every_flag_of_the_classic_is_known_or_refused() {
    check(CLASSIC, 3);
}

#[test]
fn the_defaults_of_vllm_bench_serve_hold() {
    let command = Cli::command();
    let mut problems = Vec::new();
    for flag in flags(VLLM) {
        let stated = flag
            .default
            .as_deref()
            .filter(|default| !default.is_empty());
        let (Some(stated), Some(arg)) = (stated, find(&command, &flag.name)) else {
            continue;
        };
        if instead(&flag.name).is_some() {
            continue;
        }
        let ours = arg.get_default_values();
        let ours: Vec<String> = ours
            .iter()
            .map(|value| value.to_string_lossy().into_owned())
            .collect();
        let same = match (ours.as_slice(), stated) {
            ([], "False") => true,
            ([ours], stated) => same(ours, stated),
            _ => false,
        };
        let other = OTHER_DEFAULTS.iter().any(|(name, _)| *name == flag.name);
        if same == other {
            problems.push(format!("{}: {stated} there, {ours:?} here", flag.name));
        }
    }
    assert!(problems.is_empty(), "{}", problems.join("\n"));
}

/// Whether two texts are the same number, or the same text however it is quoted.
fn same(ours: &str, theirs: &str) -> bool {
    let plain = |text: &str| -> String {
        let quotes = ['\'', '"', ' '];
        text.to_lowercase()
            .chars()
            .filter(|c| !quotes.contains(c))
            .collect()
    };
    match (ours.parse::<f64>(), theirs.parse::<f64>()) {
        (Ok(ours), Ok(theirs)) => ours == theirs,
        _ => plain(ours) == plain(theirs),
    }
}

#[test]
fn nothing_is_refused_that_is_known_or_that_nobody_has() {
    let all: BTreeSet<String> = [VLLM, SGLANG, CLASSIC]
        .iter()
        .flat_map(|list| flags(list))
        .map(|flag| flag.name)
        .collect();
    let command = Cli::command();
    for (flag, _) in NOT_HERE {
        assert!(all.contains(&format!("--{flag}")), "nobody has --{flag}");
        let arg = find(&command, flag).map(|arg| arg.get_id().as_str());
        let refused = arg.is_some_and(|id| id.starts_with("not_here_"));
        assert!(refused, "--{flag} is both refused and known");
    }
}

#[test]
fn tokenizers_of_another_kind_are_refused_with_what_to_use() {
    for mode in ["auto", "hf", "slow"] {
        succeeded(&small(
            &server(),
            &["--tokenizer-mode", mode, "--trust-remote-code"],
        ));
    }
    let output = small(&server(), &["--tokenizer-mode", "mistral"]);
    assert_fails(
        &output,
        2,
        &["--tokenizer-mode", "mistral", "tokenizer.json"],
    );
}

/// The bodies of the measured requests.
fn bodies(server: &bench_sim::SimHandle, path: &str) -> Vec<Value> {
    let recorded = server.stats().recorded;
    let asked = recorded.iter().filter(|request| request.path == path);
    asked
        .map(|request| serde_json::from_slice(&request.body).unwrap())
        .collect()
}

#[test]
fn names_of_sglang_send_what_they_send_there() {
    let server = server();
    let flags = [
        "--extra-request-body",
        r#"{"seed": 7}"#,
        "--use-beam-search",
        "--return-logprob",
        "--tokenize-prompt",
        "--warmup-requests",
        "1",
        "--disable-stream",
    ];
    succeeded(&small(&server, &flags));
    let bodies = bodies(&server, "/v1/completions");
    assert_eq!(bodies.len(), 9, "one is a warm-up");
    for body in bodies {
        assert_eq!(body["seed"], 7);
        assert_eq!(body["use_beam_search"], true);
        assert_eq!(body["logprobs"], 0);
        assert!(
            body["prompt"].is_array() && body["stream"] != true,
            "{body}"
        );
    }
}

#[test]
fn a_command_line_of_sglang_gives_the_load_and_the_file_of_sglang() {
    let server = server_with(bench_sim::SimConfig {
        engine: bench_sim::Flavour::Sglang,
        ..quick()
    });
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("out.jsonl");
    let line = |more: &[&str]| {
        let url = server.url();
        let first = [
            "--compat",
            "sglang",
            "--base-url",
            &url,
            "--dataset-name",
            "random",
        ];
        let last = [
            "--random-range-ratio",
            "0.5",
            "--output-file",
            text(&file),
            "--tag",
            "t",
        ];
        succeeded(&bench_serve(&[&first[..], &SMALL, &last, more].concat()));
    };
    line(&["--output-details"]);
    line(&["--request-rate", "400", "--disable-ignore-eos"]);
    let bodies = bodies(&server, "/generate");
    let parameters = |body: &Value| body["sampling_params"].clone();
    let asked: Vec<Value> = bodies.iter().map(parameters).collect();
    // Each run asks whether the server is ready, warms it up with one and measures eight.
    let lengths: Vec<u64> = asked
        .iter()
        .map(|p| p["max_new_tokens"].as_u64().unwrap())
        .collect();
    assert!(
        lengths.iter().all(|length| (1..=4).contains(length)),
        "{lengths:?}"
    );
    assert!(asked.iter().all(|p| p["temperature"] == 0.0), "{asked:?}");
    let ignoring = |range: &[Value]| range.iter().filter(|p| p["ignore_eos"] == true).count();
    assert_eq!(ignoring(&asked), 10, "of the first run: {asked:?}");

    let lines = std::fs::read_to_string(&file).unwrap();
    let lines: Vec<&str> = lines.lines().collect();
    assert_eq!(lines.len(), 2);
    assert!(
        lines[0].contains(r#""request_rate":Infinity"#),
        "{}",
        lines[0]
    );
    assert!(lines[1].contains(r#""request_rate":400.0"#), "{}", lines[1]);
    let second: Value = serde_json::from_str(lines[1]).unwrap();
    assert_eq!(second["tag"], "t");
    assert_eq!(second["dataset_name"], "random");
    assert_eq!(second["random_range_ratio"], 0.5);
    assert_eq!(second["completed"], 8);
    assert_eq!(second.get("input_lens"), None);
    let first: Value = serde_json::from_str(&lines[0].replace("Infinity", "null")).unwrap();
    assert_eq!(first["input_lens"].as_array().map(Vec::len), Some(8));
    assert_eq!(first["random_input_len"], 16);
}

#[test]
fn what_a_protocol_cannot_be_asked_is_refused() {
    let refused = |flags: &[&str], told: &str| {
        let line = [&["--sim", "--tokenizer"], flags].concat();
        assert_fails(&bench_serve(&line), 2, &[told]);
    };
    for backend in ["sglang", "tgi", "openai-responses"] {
        let flags = ["--backend", backend, "--use-beam-search"];
        refused(&flags, "leave out --use-beam-search");
    }
    let flags = ["--backend", "openai-embeddings", "--ignore-eos"];
    refused(&flags, "leave out --ignore-eos");
    let flags = ["--backend", "trtllm", "--logprobs", "2"];
    refused(&flags, "--logprobs 1");
}

#[test]
fn sglang_sends_conversations_of_any_length() {
    let server = server_with(bench_sim::SimConfig {
        engine: bench_sim::Flavour::Sglang,
        ..quick()
    });
    let folder = tempfile::tempdir().unwrap();
    let (file, out) = (
        folder.path().join("in.json"),
        folder.path().join("out.jsonl"),
    );
    let long = " the".repeat(3_000);
    let entry = |prompt: &str| {
        serde_json::json!({"conversations": [
            {"from": "human", "value": prompt}, {"from": "gpt", "value": "one two three"}
        ]})
    };
    // Two tokens are enough, one is not.
    let entries = serde_json::json!([entry(&long), entry(" the the"), entry(" the")]);
    std::fs::write(&file, entries.to_string()).unwrap();
    let url = server.url();
    let flags = [
        "--compat",
        "sglang",
        "--base-url",
        &url,
        "--tokenizer",
        "builtin",
    ];
    let files = ["--dataset-path", text(&file), "--output-file", text(&out)];
    let lengths = ["--warmup-requests", "0", "--output-details"];
    succeeded(&bench_serve(&[&flags[..], &files, &lengths].concat()));
    let line = std::fs::read_to_string(&out).unwrap();
    let line: Value = serde_json::from_str(&line.replace("Infinity", "null")).unwrap();
    let mut lengths: Vec<u64> = serde_json::from_value(line["input_lens"].clone()).unwrap();
    lengths.sort_unstable();
    assert_eq!(lengths, [2, 3_000]);
}

#[test]
fn without_a_file_the_line_goes_where_sglang_puts_it() {
    let server = server();
    let folder = tempfile::tempdir().unwrap();
    let url = server.url();
    let flags = [
        "--compat",
        "sglang",
        "--backend",
        "vllm",
        "--base-url",
        &url,
    ];
    let flags = [&flags[..], &SMALL, &["--dataset-name", "random"]].concat();
    let mut command = crate::support::command();
    let output = command
        .args(flags)
        .current_dir(folder.path())
        .output()
        .unwrap();
    succeeded(&output);
    let names = std::fs::read_dir(folder.path()).unwrap();
    let mut names: Vec<String> = names
        .map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned())
        .collect();
    let name = names.pop().unwrap();
    assert!(names.is_empty(), "{names:?}");
    assert!(
        name.starts_with("vllm_") && name.ends_with("_8_16_4.jsonl"),
        "{name}"
    );
}

#[test]
fn a_result_in_the_format_of_sglang_needs_nothing_else() {
    let server = server();
    let folder = tempfile::tempdir().unwrap();
    let flags = [
        "--save-result",
        "--result-format",
        "sglang",
        "--result-filename",
        "a.json",
    ];
    succeeded(&small(
        &server,
        &[
            &flags[..],
            &["--result-dir", text(folder.path()), "--request-rate", "500"],
        ]
        .concat(),
    ));
    let saved = result(&folder.path().join("a.json"));
    assert_eq!(saved["request_rate"], 500.0);
    assert!(saved["p95_e2e_latency_ms"].as_f64().unwrap() > 0.0);
    assert_eq!(saved.get("bench"), None);
}
