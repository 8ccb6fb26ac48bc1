//! Sweeps as a user meets them.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::Duration;

use bench_sim::{SimConfig, SimHandle};
use serde_json::Value;

use crate::support::{
    assert_fails, command, faulty, result, server, server_with, stderr, stdout, text,
};

/// A folder with a configuration in it, in which sweeps run.
struct Place {
    folder: tempfile::TempDir,
}

impl Place {
    fn new(config: &str) -> Place {
        let place = Place {
            folder: tempfile::tempdir().unwrap(),
        };
        place.configure(config);
        place
    }

    /// Small points against `server`, with `more` in the configuration.
    fn at(server: &SimHandle, more: &str) -> Place {
        Place::new(&small(server, more))
    }

    fn configure(&self, config: &str) {
        fs::write(self.folder.path().join("combos.yaml"), config).unwrap();
    }

    /// The binary at `sweep`, in the folder.
    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = command();
        command.current_dir(self.folder.path());
        command.arg("sweep").args(arguments);
        command
    }

    fn sweep(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().expect("the binary runs")
    }

    /// A sweep into the folder `r`.
    fn sweep_r(&self, arguments: &[&str]) -> Output {
        self.sweep(&[&["--result-dir", "r"], arguments].concat())
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The names of the files in `dir` with this ending, in order.
    fn names(&self, dir: &str, ending: &str) -> Vec<String> {
        let entries = fs::read_dir(self.path(dir)).unwrap();
        let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        let mut names: Vec<String> = names.filter(|name| name.ends_with(ending)).collect();
        names.sort();
        names
    }

    /// What the record of the sweep in `r` says of each run: its file, its state, the reason.
    fn states(&self) -> Vec<(String, String, String)> {
        let manifest = result(&self.path("r/sweep.json"));
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let points = manifest["points"].as_array().unwrap();
        let state = |point: &Value| {
            (
                text(&point["file"]),
                text(&point["state"]),
                text(&point["reason"]),
            )
        };
        points.iter().map(state).collect()
    }
}

/// A configuration of small points against `server`.
fn small(server: &SimHandle, more: &str) -> String {
    let url = server.url();
    format!("model: sim-model\nbase_url: {url}\ntokenizer: builtin\n{more}")
}

/// Two lengths under two loads.
const FOUR: &str = "\
input_output:
  - [16, 4]
  - [8, 2]
concurrency_prompts: [[1, 2], [2, 4]]
";

/// That a sweep ended with `code`.
#[track_caller]
fn ended(output: &Output, code: i32) {
    let told = format!("{}{}", stdout(output), stderr(output));
    assert_eq!(output.status.code(), Some(code), "{told}");
}

fn recorded_options(path: &Path) -> Value {
    result(path)["bench"]["options"].clone()
}

#[test]
fn every_combination_is_measured_and_named() {
    let server = server();
    let place = Place::at(&server, FOUR);
    // That there will be results goes without saying.
    let output = place.sweep(&["--save-detailed"]);
    ended(&output, 0);
    let folders = place.names("results", "");
    assert_eq!(folders.len(), 1);
    assert!(folders[0].starts_with("sim-model_2"), "{folders:?}");
    let folder = format!("results/{}", folders[0]);
    let names = place.names(&folder, ".json");
    let points = [
        "bench_io16x4_mc1_np2.json",
        "bench_io16x4_mc2_np4.json",
        "bench_io8x2_mc1_np2.json",
        "bench_io8x2_mc2_np4.json",
    ];
    assert_eq!(names[..4], points);
    assert_eq!(names[4..], ["sweep.json"]);
    let measured = result(&place.path(&folder).join(points[3]));
    assert_eq!(measured["total_input_tokens"], 4 * 8);
    assert_eq!(measured["total_output_tokens"], 4 * 2);
    assert_eq!(measured["max_concurrency"], 2);
    assert_eq!(measured["ttfts"].as_array().map(Vec::len), Some(4));
    assert_eq!(measured["sweep_point"], "bench_io8x2_mc2_np4");
    let summary = stdout(&output);
    for part in [
        "bench_io16x4_mc2_np4 ",
        "TTFT p99",
        "Knee of --random-input-len 8",
        "bench-plot --all results/sim-model_",
        &folder,
    ] {
        assert!(summary.contains(part), "{part:?} is missing in: {summary}");
    }
    let progress = stderr(&output);
    assert!(
        progress.contains("[1/4] bench_io16x4_mc1_np2: ") && progress.contains("ETA 0:00:"),
        "{progress}"
    );
    assert!(
        progress.contains("[4/4] bench_io8x2_mc2_np4: "),
        "{progress}"
    );
    assert_eq!(server.stats().requests, 12);
}

#[test]
fn any_flag_can_be_a_dimension() {
    let server = server();
    let more = "
num_prompts: 2
random_input_len: 8
random-output-len: 2
ignore_eos: false
header: [X-A=1, X-B=2]
sweep:
  request_rate: [1000, inf]
  backend: [vllm, openai-chat]
  ignore-eos: [true, false]
";
    let place = Place::at(&server, more);
    ended(&place.sweep_r(&[]), 0);
    let names = place.names("r", ".json");
    assert_eq!(names.len(), 9);
    let name = "bench_request-rateinf_backendopenai-chat_ignore-eostrue.json";
    assert!(names.contains(&name.to_owned()), "{names:?}");
    let options = recorded_options(&place.path("r").join(name));
    assert_eq!(options["request-rate"], "inf");
    assert_eq!(options["backend"], "openai-chat");
    assert_eq!(options["ignore-eos"], true);
    assert_eq!(options["header"], serde_json::json!(["X-A", "X-B"]));
    let other = "bench_request-rate1000_backendvllm_ignore-eosfalse.json";
    let options = recorded_options(&place.path("r").join(other));
    assert_eq!(
        (&options["request-rate"], &options["ignore-eos"]),
        (&1000.0.into(), &false.into())
    );
}

#[test]
fn the_command_line_wins_over_the_file_and_a_point_over_both() {
    let server = server();
    let more = "temperature: 0.5\nseed: 1\ngoodput: [\"ttft:1\", \"tpot:1\"]\nconcurrency_prompts: [[1, 2]]\ninput_output: [[8, 2]]\n";
    // Nobody is at the address of the file; --sim stands in its place.
    let place = Place::new(&format!("base_url: http://127.0.0.1:1\n{more}"));
    let line = [
        "--sim",
        "--temperature",
        "0.7",
        "--goodput",
        "e2el:9000",
        "--num-prompts",
        "50",
    ];
    let output = place.sweep_r(&line);
    ended(&output, 0);
    assert!(stdout(&output).starts_with("SIMULATED SERVER: "));
    let options = recorded_options(&place.path("r/bench_io8x2_mc1_np2.json"));
    assert_eq!(options["temperature"], 0.7);
    assert_eq!(options["seed"], 1);
    assert_eq!(options["goodput"], serde_json::json!(["e2el:9000"]));
    assert_eq!(options["num-prompts"], 2);
    assert!(
        stderr(&output).contains("--num-prompts of the command line has no effect"),
        "{}",
        stderr(&output)
    );
    drop(server);
}

#[test]
fn repeats_are_interleaved_and_can_have_seeds_of_their_own() {
    let server = server();
    let place = Place::at(
        &server,
        "num_runs: 2\ninput_output: [[8, 2], [4, 2]]\nconcurrency_prompts: [[1, 2]]\n",
    );
    ended(&place.sweep_r(&[]), 0);
    let order: Vec<String> = place.states().into_iter().map(|(file, ..)| file).collect();
    let expected = [
        "bench_io8x2_mc1_np2_run1.json",
        "bench_io4x2_mc1_np2_run1.json",
        "bench_io8x2_mc1_np2_run2.json",
        "bench_io4x2_mc1_np2_run2.json",
    ];
    assert_eq!(order, expected);
    // What the server saw: prompts of 8, 4, 8 and 4 tokens.
    let epochs = expected.map(|name| {
        result(&place.path("r").join(name))["bench"]["reproducibility"]["epoch_unix"]
            .as_f64()
            .unwrap()
    });
    assert!(epochs.is_sorted(), "{epochs:?}");
    let hash = |dir: &str, name: &str| {
        let stored = result(&place.path(dir).join(name));
        stored["bench"]["reproducibility"]["dataset_hash"]
            .as_str()
            .unwrap()
            .to_owned()
    };
    // The same load, of other prompts.
    assert_ne!(hash("r", expected[0]), hash("r", expected[2]));
    ended(&place.sweep(&["--result-dir", "f", "--fixed-prompts"]), 0);
    assert_eq!(hash("f", expected[0]), hash("f", expected[2]));
    let flags = ["--result-dir", "v", "--fixed-prompts", "--vary-seed"];
    ended(&place.sweep(&flags), 0);
    assert_ne!(hash("v", expected[0]), hash("v", expected[2]));
}

#[test]
fn a_shuffled_order_is_drawn_by_the_seed() {
    let server = server();
    let more = "input_output: [[1, 2], [2, 2], [3, 2], [4, 2], [5, 2], [6, 2]]\nconcurrency_prompts: [[1, 1]]\n";
    let order = |seed: &str| {
        let place = Place::at(&server, more);
        ended(&place.sweep_r(&["--shuffle-order", "--seed", seed]), 0);
        let order: Vec<String> = place.states().into_iter().map(|(file, ..)| file).collect();
        order
    };
    let (first, again) = (order("1"), order("1"));
    assert_eq!(first, again);
    assert!(!first.is_sorted());
    let mut sorted = first.clone();
    sorted.sort();
    sorted.dedup();
    assert_eq!(sorted.len(), 6);
}

#[test]
fn a_complete_sweep_is_kept_and_changes_are_measured_again() {
    let server = server();
    let place = Place::at(&server, FOUR);
    ended(&place.sweep_r(&[]), 0);
    assert_eq!(server.stats().requests, 12);
    // Without --resume nothing is touched.
    assert_fails(
        &place.sweep_r(&[]),
        2,
        &["r/sweep.json", "--resume r", "--overwrite"],
    );
    let output = place.sweep_r(&["--resume"]);
    ended(&output, 0);
    assert_eq!(server.stats().requests, 12);
    assert!(
        stderr(&output).contains("[4/4] bench_io8x2_mc2_np4: kept"),
        "{}",
        stderr(&output)
    );
    assert!(
        stdout(&output).contains("bench_io8x2_mc2_np4 "),
        "{}",
        stdout(&output)
    );
    // One point is no longer what it was, and one is new.
    let before = fs::read(place.path("r/bench_io8x2_mc2_np4.json")).unwrap();
    let more = FOUR.replace("[2, 4]]", "[2, 4], [3, 3]]");
    place.configure(&small(&server, &more));
    fs::write(
        place.path("r/bench_io16x4_mc1_np2.json"),
        "{\"completed\": 2",
    )
    .unwrap();
    let output = place.sweep(&["--resume", "r"]);
    ended(&output, 0);
    assert_eq!(server.stats().requests, 12 + 2 + 3 + 3);
    assert!(
        stderr(&output).contains("bench_io16x4_mc1_np2: measured again, it is no result"),
        "{}",
        stderr(&output)
    );
    let output = place.sweep(&["--resume", "r", "--temperature", "0.5"]);
    ended(&output, 0);
    assert_eq!(server.stats().requests, 20 + 18);
    let told = "bench_io8x2_mc2_np4: measured again, changed: --temperature null -> 0.5";
    assert!(stderr(&output).contains(told), "{}", stderr(&output));
    let old = fs::read(place.path("r/bench_io8x2_mc2_np4.json.old")).unwrap();
    assert_eq!(old, before);
    assert!(
        place
            .path("r/bench_io8x2_mc2_np4.records.jsonl.old")
            .exists()
    );
    assert!(place.path("r/bench_io16x4_mc1_np2.json.old-2").exists());
    let now = recorded_options(&place.path("r/bench_io8x2_mc2_np4.json"));
    assert_eq!(now["temperature"], 0.5);
}

#[test]
fn without_a_folder_the_last_sweep_is_resumed() {
    let server = server();
    let place = Place::at(&server, FOUR);
    assert_fails(
        &place.sweep(&["--resume"]),
        2,
        &["--resume", "results/sim-model_*"],
    );
    ended(&place.sweep(&[]), 0);
    ended(&place.sweep(&["--resume"]), 0);
    assert_eq!(server.stats().requests, 12);
    assert_eq!(place.names("results", "").len(), 1);
    let swallowed = place.sweep(&["--resume", "combos.yaml"]);
    assert_fails(
        &swallowed,
        2,
        &["--resume: combos.yaml", "name the configuration before"],
    );
}

#[test]
fn a_failing_point_does_not_end_the_sweep() {
    let (server, ill) = (server(), faulty(&["status:500@first:2"]));
    let more = format!(
        "input_output: [[8, 2]]\nconcurrency_prompts: [[1, 2], [2, 4]]\n\
         sweep:\n  base_url: [\"{}\", \"{}\"]\n",
        server.url(),
        ill.url()
    );
    let place = Place::at(&server, &more);
    let output = place.sweep_r(&[]);
    ended(&output, 1);
    let states = place.states();
    let told: Vec<&str> = states.iter().map(|(_, state, _)| state.as_str()).collect();
    assert_eq!(told, ["done", "done", "failed", "done"]);
    let (file, _, reason) = &states[2];
    assert!(
        reason.contains("all 2 requests failed, the first of them: HTTP status 500"),
        "{reason}"
    );
    let stem = file.strip_suffix(".json").unwrap();
    let line = format!("{stem} failed: all 2 requests");
    assert!(stdout(&output).contains(&line), "{}", stdout(&output));
    // Now it is well again.
    ended(&place.sweep_r(&["--resume"]), 0);
    assert_eq!((server.stats().requests, ill.stats().requests), (6, 6 + 2));
    assert!(place.path("r").join(format!("{file}.old")).exists());
}

#[test]
fn a_point_that_cannot_run_is_recorded() {
    let server = server();
    let more = format!(
        "sweep:\n  base_url: [\"http://127.0.0.1:1\", \"{}\"]\ninput_output: [[8, 2]]\nconcurrency_prompts: [[1, 1]]\n",
        server.url()
    );
    let place = Place::at(&server, &more);
    ended(&place.sweep_r(&[]), 1);
    let states = place.states();
    assert_eq!(
        (states[0].1.as_str(), states[1].1.as_str()),
        ("failed", "done")
    );
    assert!(states[0].2.contains("http://127.0.0.1:1"), "{states:?}");
}

#[test]
fn a_missed_gate_is_an_exit_code_of_its_own() {
    let server = faulty(&["status:500@every:4"]);
    let place = Place::at(&server, FOUR);
    let output = place.sweep_r(&["--max-failure-rate", "0.1"]);
    ended(&output, 3);
    let states = place.states();
    assert_eq!(
        (states[0].1.as_str(), states[1].1.as_str()),
        ("done", "missed")
    );
    assert!(
        stdout(&output).contains("0.2500 of the requests failed"),
        "{}",
        stdout(&output)
    );
    // It was measured; asked again, the answer is the same.
    ended(
        &place.sweep_r(&["--max-failure-rate", "0.1", "--resume"]),
        3,
    );
    assert_eq!(server.stats().requests, 12);
}

#[cfg(unix)]
#[test]
fn a_sweep_that_was_killed_goes_on() {
    let server = server();
    let place = Place::at(&server, FOUR);
    // The hook of the third point kills the sweep, as a power cut would.
    let kill = "test \"$BENCH_POINT\" != bench_io8x2_mc1_np2 || kill -9 $PPID";
    let output = place.sweep_r(&["--before-point", kill]);
    assert_eq!(output.status.code(), None, "{}", stderr(&output));
    let states = place.states();
    let told: Vec<&str> = states.iter().map(|(_, state, _)| state.as_str()).collect();
    assert_eq!(told, ["done", "done", "pending", "pending"]);
    let output = place.sweep_r(&["--resume"]);
    ended(&output, 0);
    assert_eq!(server.stats().requests, 12);
    let states = place.states();
    assert!(
        states.iter().all(|(_, state, _)| state == "done"),
        "{states:?}"
    );
}

#[cfg(unix)]
#[test]
fn ctrl_c_ends_the_point_under_way_and_the_sweep() {
    let server = server();
    // The hook of the second point sends the signal: no time needs to be guessed.
    let place = Place::at(&server, FOUR);
    let interrupt = "test \"$BENCH_POINT\" != bench_io16x4_mc2_np4 || kill -INT $PPID";
    let output = place.sweep_r(&["--after-point", interrupt]);
    ended(&output, 1);
    let states = place.states();
    let told: Vec<&str> = states.iter().map(|(_, state, _)| state.as_str()).collect();
    assert_eq!((&told[..2], told[3]), (&["done", "done"][..], "pending"));
    // The signal may be handled only when the third point is under way.
    assert!(["pending", "partial"].contains(&told[2]), "{told:?}");
    assert!(
        stdout(&output).contains("2 of 4 runs have no result; the same command with --resume r"),
        "{}",
        stdout(&output)
    );
}

#[cfg(unix)]
#[test]
fn ctrl_c_in_a_point_saves_what_was_measured() {
    let server = server_with(SimConfig {
        ttft_ms: Some(20.0),
        ..SimConfig::default()
    });
    let more = "input_output: [[8, 2]]\nconcurrency_prompts: [[1, 5000], [2, 5000]]\n";
    let place = Place::at(&server, more);
    let mut command = place.command(&["--result-dir", "r"]);
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let child = command.spawn().expect("the binary runs");
    assert!(server.wait_until(Duration::from_secs(60), |stats| stats.completed >= 3));
    let pid = child.id().to_string();
    let sent = Command::new("kill").args(["-INT", &pid]).status().unwrap();
    assert!(sent.success());
    let output = child.wait_with_output().unwrap();
    ended(&output, 1);
    let states = place.states();
    let told: Vec<&str> = states.iter().map(|(_, state, _)| state.as_str()).collect();
    assert_eq!(told, ["partial", "pending"]);
    let partial = result(&place.path("r/bench_io8x2_mc1_np5000.json"));
    assert_eq!(partial["bench"]["partial"], true);
    assert!(partial["completed"].as_u64().unwrap() >= 2);
    assert!(
        stdout(&output).contains("--resume r measures them"),
        "{}",
        stdout(&output)
    );
}

#[cfg(unix)]
#[test]
fn hooks_know_the_point_and_can_fail_it() {
    let server = server();
    let place = Place::at(&server, FOUR);
    let before = "echo $BENCH_POINT $BENCH_RUN $BENCH_INPUT_LEN $BENCH_OUTPUT_LEN $BENCH_MAX_CONCURRENCY $BENCH_NUM_PROMPTS >> ../seen";
    // It is started in the folder in which the sweep was.
    let before = before.replace("../", "");
    let after = "test -s $BENCH_RESULT && echo $BENCH_OUTCOME >> seen; test $BENCH_INPUT_LEN = 8 || { echo no such server >&2; exit 7; }";
    let output = place.sweep_r(&["--before-point", &before, "--after-point", after]);
    ended(&output, 1);
    let seen = fs::read_to_string(place.path("seen")).unwrap();
    let lines: Vec<&str> = seen.lines().collect();
    assert_eq!(lines.len(), 8, "{seen}");
    assert_eq!(lines[..2], ["bench_io16x4_mc1_np2 1 16 4 1 2", "done"]);
    assert_eq!(lines[6], "bench_io8x2_mc2_np4 1 8 2 2 4");
    let states = place.states();
    assert_eq!(
        (states[0].1.as_str(), states[3].1.as_str()),
        ("failed", "done")
    );
    for part in [
        "--after-point",
        "exit status: 7",
        "no such server",
        "r/bench_io16x4_mc1_np2.after-point.log",
    ] {
        assert!(
            states[0].2.contains(part),
            "{part:?} is missing in {states:?}"
        );
    }
    // A hook that fails before a point keeps it from being measured.
    let place = Place::at(&server, FOUR);
    let asked = server.stats().requests;
    ended(&place.sweep_r(&["--before-point", "exit 1"]), 1);
    assert_eq!(server.stats().requests, asked);
    assert!(
        place
            .states()
            .iter()
            .all(|(_, state, reason)| state == "failed" && reason.contains("--before-point"))
    );
}

#[cfg(unix)]
#[test]
fn a_hook_may_leave_a_server_running() {
    let server = server();
    let place = Place::at(
        &server,
        "input_output: [[8, 2]]\nconcurrency_prompts: [[1, 1]]\n",
    );
    // It lives for ever and holds on to what it writes to, as a server does.
    let output = place.sweep_r(&["--before-point", "tail -f /dev/null & echo $! > pid"]);
    ended(&output, 0);
    let pid = fs::read_to_string(place.path("pid")).unwrap();
    let killed = Command::new("kill").arg(pid.trim()).status().unwrap();
    assert!(killed.success());
}

#[test]
fn mistakes_are_told_with_their_line_and_cure() {
    let table: &[(&str, u32, &[&str])] = &[
        (
            "num_promts: 3",
            4,
            &["num_promts", "did you mean `num_prompts`"],
        ),
        ("max-concurency: 3", 4, &["did you mean `max-concurrency`"]),
        ("input_outputs: []", 4, &["did you mean `input_output`"]),
        ("num_prompts: many", 4, &["many", "--num-prompts"]),
        ("dataset_name: randm", 4, &["randm", "random"]),
        (
            "ignore_eos: yes",
            4,
            &["--ignore-eos is a switch", "true or false"],
        ),
        ("seed:", 4, &["--seed has no value"]),
        ("seed: [1, 2]", 4, &["one value", "`sweep:`"]),
        ("seed: 1\nseed: 2", 5, &["not YAML"]),
        (
            "num-prompts: 1\nnum_prompts: 2",
            5,
            &["stands in line 4 already"],
        ),
        ("help: true", 4, &["command line"]),
        (
            "input_output:\n  - [256]",
            5,
            &["[input length, output length]"],
        ),
        (
            "input_output:\n  - [256, 256]\n  - 256",
            6,
            &["[input length, output length]"],
        ),
        ("input_output:\n  - [0, 256]", 5, &["at least 1"]),
        (
            "concurrency_prompts:\n\n  - [1, -10]",
            6,
            &["at least 1", "[16, 160]"],
        ),
        ("concurrency_prompts:\n  - [1.5, 10]", 5, &["whole"]),
        (
            "concurrency_prompts:\n  - [1, 10]\n  - [1, 10]",
            6,
            &["stands twice", "--num-runs"],
        ),
        ("input_output: []", 4, &["`input_output` is empty"]),
        ("input_output: 256", 4, &["is a list"]),
        ("sweep: [1]", 4, &["map of flags to lists"]),
        ("sweep: {}", 4, &["empty"]),
        (
            "sweep:\n  request_rat: [1]",
            5,
            &["did you mean `request_rate`"],
        ),
        ("sweep:\n  request_rate: []", 5, &["empty"]),
        ("sweep:\n  request_rate: 1", 5, &["is a list"]),
        ("sweep:\n  request_rate:\n    - 1\n    - fast", 7, &["fast"]),
        ("sweep:\n  request_rate: [1, 1]", 5, &["stands twice"]),
        (
            "sweep:\n  sim-seed: [1, 2]",
            5,
            &["--sim-seed cannot be swept"],
        ),
        (
            "sweep:\n  header: [A=b]",
            5,
            &["--header cannot be swept", "secrets"],
        ),
        ("sweep:\n  result_dir: [a]", 5, &["cannot be swept"]),
        (
            "dataset_name: sharegpt\ninput_output: [[1, 2]]",
            5,
            &["sharegpt", "random"],
        ),
        (
            "output_len: 3\ninput_output: [[1, 2]]",
            5,
            &["--output-len would undo"],
        ),
        ("- 1", 4, &["not YAML"]),
        ("a: [1", 4, &["not YAML"]),
    ];
    for (text, line, parts) in table {
        let place = Place::new(&format!("model: m\nhost: 127.0.0.1\nport: 1\n{text}\n"));
        let output = place.sweep_r(&[]);
        let told = stderr(&output);
        assert_eq!(output.status.code(), Some(2), "{text}: {told}");
        let near = [*line, line + 1].map(|line| format!("combos.yaml:{line}: "));
        let exact = if parts == &["not YAML"] {
            &near[..]
        } else {
            &near[..1]
        };
        assert!(
            exact.iter().any(|place| told.contains(place.as_str())),
            "{text}: {told}"
        );
        for part in *parts {
            assert!(told.contains(part), "{text}: {part:?} is missing in {told}");
        }
        assert!(!place.path("r").exists(), "{text}");
    }
}

#[test]
fn flags_that_do_not_go_together_are_refused_before_anything_is_sent() {
    let server = server();
    let more = FOUR.to_owned() + "sweep: {profile: [true, false]}\nprofile_duration: 3\n";
    let place = Place::at(&server, &more);
    assert_fails(
        &place.sweep_r(&["--profile"]),
        2,
        &["combos.yaml: bench_", "--profile"],
    );
    let place = Place::at(&server, FOUR);
    for (flags, parts) in [
        (
            &["--result-filename", "x.json"][..],
            &["--result-filename", "leave this out"][..],
        ),
        (&["--append-result"], &["--append-result"]),
        (&["--num-runs", "0"], &["--num-runs"]),
        (
            &["--request-rate=-1"],
            &["bench_io16x4_mc1_np2", "request rate -1"],
        ),
        (&["--goodput", "tft:1"], &["--goodput", "ttft"]),
    ] {
        assert_fails(&place.sweep_r(flags), 2, parts);
    }
    assert_eq!(server.stats().requests, 0);
    let place = Place::at(&server, "sweep: {seed: [1, 2]}\n");
    assert_fails(&place.sweep_r(&["--vary-seed"]), 2, &["--vary-seed"]);
    let place = Place::at(&server, "seed: 1\n");
    assert_fails(
        &place.sweep_r(&[]),
        2,
        &["nothing to sweep", "input_output"],
    );
    fs::remove_file(place.path("combos.yaml")).unwrap();
    assert_fails(&place.sweep_r(&[]), 2, &["combos.yaml nor config.yaml"]);
    fs::write(place.path("config.yaml"), "a: 1\n").unwrap();
    assert_fails(&place.sweep_r(&[]), 2, &["config.yaml:1: "]);
    assert_fails(&place.sweep_r(&["other.yaml"]), 2, &["other.yaml: "]);
}

#[test]
fn the_example_of_the_book_is_a_sweep() {
    let server = server();
    let place = Place::new("");
    let example = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../../docs/examples/combos.yaml"
    );
    let url = server.url();
    let output = place.sweep(&[
        example,
        "--base-url",
        &url,
        "--tokenizer",
        "builtin",
        "--result-dir",
        "r",
    ]);
    ended(&output, 0);
    let names = place.names("r", ".json");
    assert_eq!(names.len(), 7, "{names:?}");
    assert!(text(&place.path("r")).ends_with('r'));
}
