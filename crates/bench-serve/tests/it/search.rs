//! Searches as a user meets them, against simulated servers that saturate.

use std::path::{Path, PathBuf};
use std::process::Output;

use bench_sim::{SimConfig, SimHandle};
use serde_json::Value;

use crate::support::{
    assert_fails, command, faulty, result, server_with, stderr, stdout, succeeded,
};

/// A server that needs 100 ms for a request of [`search`] and serves two at once: it cannot do
/// more than 20 requests per second.
fn slow() -> SimHandle {
    server_with(SimConfig {
        max_num_seqs: 2,
        step_us: 10_000.0,
        prefill_token_us: 0.0,
        decode_seq_us: 0.0,
        ..SimConfig::default()
    })
}

/// A folder in which searches run.
struct Place(tempfile::TempDir);

impl Place {
    fn new() -> Place {
        Place(tempfile::tempdir().unwrap())
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// Short points, into the folder `s` unless it is resumed.
    fn search(&self, url: &str, arguments: &[&str]) -> Output {
        let mut command = command();
        command.current_dir(self.0.path()).arg("search");
        command.args(["--base-url", url, "--tokenizer", "builtin"]);
        command.args(["--random-input-len", "16", "--random-output-len", "10"]);
        command.args(["--min-requests", "10", "--min-duration", "0.5"]);
        command.args(["--grace-period", "1"]);
        let defaults = [
            ("--max-duration", "4"),
            ("--num-prompts", "60"),
            ("--result-dir", "s"),
        ];
        for (flag, value) in defaults {
            let resumed = flag == "--result-dir" && arguments.contains(&"--resume");
            if !arguments.contains(&flag) && !resumed {
                command.args([flag, value]);
            }
        }
        command.args(arguments).output().expect("the binary runs")
    }

    fn file(&self) -> Value {
        result(&self.path("s/search.json"))
    }
}

fn points(file: &Value) -> &[Value] {
    file["points"].as_array().unwrap()
}

/// The load between which it is.
#[track_caller]
fn between(file: &Value) -> (f64, f64) {
    let between = &file["answer"]["between"];
    let load = |end: &str| between[end].as_f64().unwrap_or_else(|| panic!("{file}"));
    (load("holds"), load("misses"))
}

#[test]
fn the_greatest_rate_of_a_server_that_saturates_is_found() {
    let (server, place) = (slow(), Place::new());
    let slo = ["--slo", "ttft:p80<=500ms, e2el:p80<=30s"];
    let bounds = ["--start", "8", "--max", "500", "--tolerance", "0.5"];
    let output = place.search(
        &server.url(),
        &[&["--max-rate"], &slo[..], &bounds].concat(),
    );
    let text = succeeded(&output);
    let file = place.file();
    let (holds, misses) = between(&file);
    // Above 20/s the queue grows without end, and of 64/s most would wait for too long.
    assert!((0.1..64.0).contains(&holds) && misses <= 64.0, "{text}");
    assert!(holds < misses && misses <= 1.5 * holds + 1e-6, "{text}");
    for part in [
        "Greatest request rate within objectives",
        "The objectives hold up to",
        "95 % interval of the greatest load",
        "First to break: ttft:p80<=500ms",
        "from when they were meant to be sent",
    ] {
        assert!(text.contains(part), "{part:?} is missing in: {text}");
    }
    let told = stderr(&output);
    assert!(told.contains("[1] 8 req/s"), "{told}");
    let mut seeds = Vec::new();
    for point in points(&file) {
        let saved = result(&place.path("s").join(point["file"].as_str().unwrap()));
        assert_eq!(saved["request_rate"], point["load"]);
        assert_eq!(point["judgement"]["findings"].as_array().unwrap().len(), 2);
        seeds.push(point["seed"].as_u64().unwrap());
    }
    let before = seeds.len();
    seeds.sort_unstable();
    seeds.dedup();
    assert_eq!(seeds.len(), before, "no prompts twice");
    let low = file["interval"]["low"].as_f64();
    assert!(low.is_none_or(|low| low <= holds), "{file}");
}

#[test]
fn the_greatest_concurrency_of_a_server_that_saturates_is_found() {
    let (server, place) = (slow(), Place::new());
    let arguments = ["--max-concurrency", "--slo", "e2el:p80<=1s", "--start", "4"];
    let bounds = ["--max", "500", "--tolerance", "0.5"];
    let text = succeeded(&place.search(&server.url(), &[&arguments[..], &bounds].concat()));
    let file = place.file();
    let (holds, misses) = between(&file);
    // Of 40 at once, each waits for 19 pairs before it: two seconds.
    assert!(holds >= 1.0 && misses <= 64.0, "{text}");
    assert_eq!((holds.fract(), misses.fract()), (0.0, 0.0));
    assert!(text.contains("at once"), "{text}");
    assert_eq!(file["setting"]["view"], "strict");
    for point in points(&file) {
        let saved = result(&place.path("s").join(point["file"].as_str().unwrap()));
        assert_eq!(saved["max_concurrency"].as_f64(), point["load"].as_f64());
    }
}

#[test]
fn a_point_that_is_decided_is_stopped_early() {
    let (server, place) = (slow(), Place::new());
    let slo = ["--slo", "ttft:p50<=0.001ms", "--start", "10", "--min", "10"];
    let more = ["--num-prompts", "100000", "--max-duration", "600"];
    let output = place.search(&server.url(), &[&["--max-rate"], &slo[..], &more].concat());
    assert_eq!(output.status.code(), Some(3), "{}", stderr(&output));
    let text = stdout(&output);
    assert!(text.contains("missed even at 10 req/s"), "{text}");
    let file = place.file();
    let point = &points(&file)[0];
    assert_eq!(point["ending"], "decided");
    assert!(point["sent"].as_u64().unwrap() < 3000, "{point}");
    assert_eq!(point["planned"], 6000);
    assert_eq!(file["answer"]["never_holds"]["smallest"], 10.0);
}

#[test]
fn a_search_that_never_fails_says_so_and_goes_on_when_it_is_resumed() {
    let (server, place) = (slow(), Place::new());
    let slo = ["--max-rate", "--slo", "e2el:p80<=60s", "--start", "8"];
    let first = place.search(&server.url(), &[&slo[..], &["--max", "16"]].concat());
    let text = succeeded(&first);
    assert!(text.contains("hold even at 16 req/s"), "{text}");
    assert!(text.contains("more than measured"), "{text}");
    let before = place.file();
    assert_eq!(points(&before).len(), 2);

    let again = place.search(&server.url(), &[&slo[..], &["--max", "16"]].concat());
    assert_fails(&again, 2, &["search.json", "--resume"]);

    let resumed = ["--max", "32", "--resume", "s"];
    let more = place.search(&server.url(), &[&slo[..], &resumed].concat());
    let text = succeeded(&more);
    assert!(text.contains("hold even at 32 req/s"), "{text}");
    assert!(
        stderr(&more).contains("2 points known"),
        "{}",
        stderr(&more)
    );
    let file = place.file();
    assert_eq!(points(&file)[..2], points(&before)[..]);
    assert_eq!(points(&file).len(), 3);

    let changed = ["--seed", "5", "--resume", "s"];
    let other = place.search(&server.url(), &[&slo[..], &changed].concat());
    assert_fails(&other, 2, &["--seed 0 -> 5", "folder of its own"]);
    let slo = ["--max-rate", "--slo", "e2el:p90<=60s", "--resume", "s"];
    assert_fails(&place.search(&server.url(), &slo), 2, &["--slo"]);
    assert_eq!(place.file(), file, "nothing was lost");
}

#[test]
fn failed_requests_miss_every_objective() {
    let (server, place) = (faulty(&["status:500@every:2"]), Place::new());
    let slo = ["--slo", "e2el:p90<=60s", "--start", "20", "--min", "20"];
    let output = place.search(&server.url(), &[&["--max-rate"], &slo[..]].concat());
    assert_eq!(output.status.code(), Some(3), "{}", stderr(&output));
    // A server on which nothing works is another thing than one that is too slow.
    let (server, place) = (faulty(&["status:500@every:1"]), Place::new());
    let output = place.search(&server.url(), &[&["--max-rate"], &slo[..]].concat());
    assert_fails(&output, 1, &["no request at any load"]);
}

#[test]
fn mistakes_are_found_before_anything_is_sent() {
    let place = Place::new();
    let url = "http://127.0.0.1:9";
    let slo = ["--slo", "ttft:p99<=500ms"];
    let with = |more: &[&str]| place.search(url, &[&slo[..], more].concat());
    assert_fails(&with(&[]), 2, &["--max-rate", "--max-concurrency"]);
    assert_fails(&with(&["--max-concurrency", "8"]), 2, &["without a value"]);
    assert_fails(
        &with(&["--max-rate", "--request-rate", "4"]),
        2,
        &["--request-rate"],
    );
    assert_fails(
        &with(&["--max-rate", "--start", "0"]),
        2,
        &["no request rate"],
    );
    assert_fails(&with(&["--max-rate", "--resume", "s"]), 2, &["search.json"]);
    let wrong = ["--max-rate", "--slo", "tfft:p99<=1s"];
    assert_fails(&place.search(url, &wrong), 2, &["did you mean 'ttft'?"]);
    assert_fails(&place.search(url, &["--max-rate"]), 2, &["--slo"]);
    assert!(!Path::new(&place.path("s")).exists());
    // The server is not there, which is no usage error.
    assert_fails(&with(&["--max-rate"]), 1, &["127.0.0.1:9"]);
}
