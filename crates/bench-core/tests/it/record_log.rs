//! The record log of a run makes the same result again, or as much of it as there was.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use bench_core::datasets::Tokenizer;
use bench_core::report::record_log::RecordLog;
use bench_core::report::{Report, VllmResult, console};
use bench_core::types::{RunEnd, TokenSource};
use bench_core::{
    CancelAfter, Cancellation, Control, LogPlace, Observer, Progress, RecordLogOptions,
    RequestOptions, RunBuilder, RunError, StopHandle,
};
use bench_sim::SimConfig;

use super::{PATIENCE, execute, faulty, prompts, quick, refusal, run, start, succeeded, watch};

struct Folder(tempfile::TempDir);

impl Folder {
    fn new() -> Folder {
        Folder(tempfile::tempdir().expect("a folder"))
    }

    fn log(&self) -> PathBuf {
        self.0.path().join("run.records.jsonl")
    }
}

/// The run with a record log at `path`.
fn logged(builder: RunBuilder, path: &Path) -> RunBuilder {
    builder.record_log(RecordLogOptions {
        place: LogPlace::File(path.to_owned()),
        overwrite: false,
        detailed: true,
    })
}

fn json(report: &Report) -> String {
    let records = VllmResult::in_order(report);
    let result = VllmResult::of(report, &records, true);
    serde_json::to_string_pretty(&result).expect("JSON")
}

fn read(path: &Path) -> RecordLog {
    RecordLog::read(path).expect("readable")
}

/// For the logs of runs without a tokenizer.
fn uncounted(_: &str) -> Option<Vec<u32>> {
    None
}

#[tokio::test]
async fn a_log_makes_the_same_result_again() {
    let folder = Folder::new();
    let servers = [
        start(faulty("cut:2@every:3")),
        start(faulty("status:503@every:4")),
    ];
    let builder = run(&servers[0], prompts(40, 5))
        .also_at([servers[1].url()])
        .max_concurrency(3)
        .keep_text(true);
    let report = execute(logged(builder, &folder.log())).await;
    assert!(report.summary.requests.completed > 0 && report.summary.requests.failed > 0);
    let log = read(&folder.log());
    assert!(log.header.detailed && log.end.is_some());
    assert_eq!((log.records.len(), log.dropped), (40, None));
    let again = log.report(&uncounted);
    assert_eq!(again.records, report.records);
    assert_eq!(json(&again), json(&report));
    assert_eq!(console(&again), console(&report));
}

#[tokio::test]
async fn a_log_has_the_warm_up_and_the_probes() {
    let server = start(SimConfig {
        ttft_ms: Some(5.0),
        itl_ms: Some(2.0),
        ..quick()
    });
    for reset_cache in [false, true] {
        let folder = Folder::new();
        let builder = run(&server, prompts(4, 10))
            .warm_up_with(prompts(5, 10))
            .max_concurrency(2)
            .duration(Duration::from_millis(200))
            .probe_rate(50.0)
            .cancellation(Cancellation::new(0.3, CancelAfter::Tokens(2), 1).expect("a share"))
            .control(Control {
                reset_cache,
                ..Control::default()
            });
        let report = execute(logged(builder, &folder.log())).await;
        let warm_up = report.warm_up.expect("told");
        assert_eq!((warm_up.requests, warm_up.apart), (5, reset_cache));
        let log = read(&folder.log());
        let all = report.records.len() + report.beside.len();
        assert_eq!((log.records.len(), log.dropped), (all, None));
        assert_eq!(json(&log.clone().report(&uncounted)), json(&report));

        // As if it had been killed.
        let killed = RecordLog { end: None, ..log };
        let facts = killed.facts();
        let first = report
            .records
            .iter()
            .map(|record| record.timeline.scheduled);
        let start = if reset_cache {
            Some(report.facts.start)
        } else {
            first.min()
        };
        assert_eq!(Some(facts.start), start);
        assert_eq!(facts.warm_up.is_some(), !reset_cache);
    }
}

#[tokio::test]
async fn whole_answers_and_multiple_turns_come_back_too() {
    let folder = Folder::new();
    let server = start(quick());
    let mut talks = prompts(6, 4);
    for talk in &mut talks {
        let turn = talk.turns[0].clone();
        talk.turns.push(turn);
    }
    let builder = run(&server, talks).request(RequestOptions {
        model: "sim-model".to_owned(),
        stream: false,
        ..RequestOptions::default()
    });
    let report = execute(logged(builder, &folder.log())).await;
    assert_eq!(report.summary.requests.completed, 12);
    let again = read(&folder.log()).report(&uncounted);
    assert_eq!(json(&again), json(&report));
}

#[tokio::test]
async fn tokens_that_nobody_counted_are_counted_from_the_log() {
    let folder = Folder::new();
    // Neither totals nor one token a chunk.
    let server = start(SimConfig {
        stream_interval: 3,
        ..faulty("no-usage@always")
    });
    let tokenizer = || Tokenizer::load("builtin").expect("it is built in");
    let builder = run(&server, prompts(8, 7)).tokenizer(tokenizer());
    let report = execute(logged(builder, &folder.log())).await;
    for record in &report.records {
        assert!(succeeded(record));
        assert_eq!(record.output_tokens_source, TokenSource::Tokenizer);
        assert_eq!(record.transcript, None, "it has served its purpose");
    }
    let log = read(&folder.log());
    assert!(log.needs_counting(), "the text is kept for that");
    let counter = tokenizer();
    let again = log.report(&|text| counter.token_ends(text).ok());
    assert_eq!(json(&again), json(&report));
}

/// A server where every third request hangs: with two slots, both are taken for good once it
/// has answered four.
const HANGING: &str = "stall:1@every:3";
const ANSWERED: usize = 4;

/// Does something once all requests that can end have ended.
struct AtTheEnd<F: FnMut() + Send>(F);

impl<F: FnMut() + Send> Observer for AtTheEnd<F> {
    fn progress(&mut self, progress: &Progress) {
        if progress.done as usize == ANSWERED {
            (self.0)();
        }
    }
}

#[tokio::test]
async fn the_log_of_a_cancelled_run_is_whole() {
    let folder = Folder::new();
    let server = start(faulty(HANGING));
    let stop = StopHandle::new();
    let builder = run(&server, prompts(20, 4))
        .max_concurrency(2)
        .stop_handle(stop.clone());
    let mut observer = AtTheEnd(move || stop.cancel());
    let report = watch(logged(builder, &folder.log()), &mut observer).await;
    assert_eq!(report.facts.ended, RunEnd::Interrupted);
    assert_eq!(report.summary.requests.completed as usize, ANSWERED);
    let log = read(&folder.log());
    assert!(log.end.is_some());
    assert_eq!(json(&log.report(&uncounted)), json(&report));
}

#[tokio::test]
async fn the_log_of_a_run_that_is_dropped_has_what_had_ended() {
    let folder = Folder::new();
    let path = folder.log();
    let server = start(faulty(HANGING));
    let builder = run(&server, prompts(20, 4)).max_concurrency(2);
    let run = logged(builder, &path).build();
    let ended = Arc::new(tokio::sync::Notify::new());
    let mut observer = AtTheEnd({
        let ended = Arc::clone(&ended);
        move || ended.notify_one()
    });
    tokio::select! {
        _ = run.execute(&mut observer) => panic!("two requests hang"),
        () = ended.notified() => {}
    }
    // What was under way is cancelled, by threads that go on for a moment.
    assert!(server.wait_until(PATIENCE, |stats| stats.open_connections == 0));
    let log = read(&path);
    assert!(log.end.is_none() && log.records.len() >= ANSWERED);
    let completed = log.records.iter().filter(|record| succeeded(record));
    assert_eq!(completed.count(), ANSWERED);
    let report = log.report(&uncounted);
    assert_eq!(report.summary.requests.completed as usize, ANSWERED);
    assert_eq!(report.facts.ended, RunEnd::Interrupted);
    assert_eq!(report.facts.planned, 20);
    let warned = report
        .warnings
        .iter()
        .any(|text| text.contains("was killed"));
    assert!(warned, "{:?}", report.warnings);
}

#[tokio::test]
async fn a_log_is_not_written_over_another_one() {
    let folder = Folder::new();
    std::fs::write(folder.log(), "precious").expect("writable");
    let server = start(quick());
    let error = refusal(logged(run(&server, prompts(2, 2)), &folder.log())).await;
    assert!(matches!(error, RunError::Log(_)), "{error}");
    let text = error.to_string();
    assert!(text.contains("run.records.jsonl"), "{text}");
    let kept = std::fs::read_to_string(folder.log()).expect("there");
    assert_eq!(kept, "precious");
    assert_eq!(server.stats().requests, 0);
}

#[tokio::test]
async fn logs_in_a_folder_have_names_of_their_own() {
    let folder = Folder::new();
    let server = start(quick());
    for _ in 0..2 {
        let builder = run(&server, prompts(2, 2)).record_log(RecordLogOptions {
            place: LogPlace::Folder(folder.0.path().to_owned()),
            overwrite: false,
            detailed: false,
        });
        execute(builder).await;
    }
    let files = std::fs::read_dir(folder.0.path()).expect("a folder");
    let paths: Vec<_> = files.map(|file| file.expect("a file").path()).collect();
    assert_eq!(paths.len(), 2);
    for path in paths {
        assert_eq!(read(&path).records.len(), 2);
    }
}
