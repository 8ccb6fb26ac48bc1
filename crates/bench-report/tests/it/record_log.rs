use std::fs;
use std::path::{Path, PathBuf};

use bench_metrics::tokens::{KeepText, settle_from_text};
use bench_report::record_log::{Header, RecordLog, RecordLogWriter, Torn};
use bench_report::{Destination, Report, ReportError, console};
use bench_types::{
    Failure, Finish, Mark, MarkKind, Nanos, Outcome, ReceiveCounts, RequestKind, RequestRecord,
    RunEnd, ServerTimings, Timeline, TimeoutPhase, TokenSource, Transcript,
};
use proptest::prelude::*;
use proptest::sample::select;
use tempfile::TempDir;

use crate::make;

fn header() -> Header {
    let facts = make::facts();
    Header {
        setup: make::setup(),
        summary: make::options(),
        detailed: true,
        keep_text: KeepText::Always,
        planned: facts.planned,
        epoch_unix: facts.epoch_unix,
        start: facts.start,
        unpaced: facts.unpaced,
        simulated: facts.simulated,
        warnings: Vec::new(),
    }
}

fn temp() -> TempDir {
    tempfile::tempdir().expect("a folder")
}

/// A log of these requests; its end is written only if `ended`.
fn log(dir: &Path, header: &Header, records: &[RequestRecord], ended: bool) -> PathBuf {
    let path = dir.join("run.jsonl");
    let mut log = RecordLogWriter::create(&path, true, header).expect("it begins");
    for record in records {
        log.append(record).expect("written");
    }
    if ended {
        let warnings = ["the server was slow".to_owned()];
        log.finish(&make::facts(), &warnings).expect("it ends");
    }
    path
}

fn read(path: &Path) -> RecordLog {
    RecordLog::read(path).expect("a log")
}

fn read_text(text: &str) -> Result<RecordLog, ReportError> {
    RecordLog::read_from(text.as_bytes(), Path::new("run.jsonl"))
}

/// Four requests in the order in which they ended: one failed, one whose tokens nobody counted.
fn mixed() -> Vec<RequestRecord> {
    let mut open = make::answered(3);
    open.output_tokens = 0;
    open.output_tokens_source = TokenSource::Unknown;
    open.chunk_tokens = TokenSource::Unknown;
    open.transcript = Some(Transcript {
        text: "one two three".to_owned(),
        ends: vec![4, 6, 8, 13],
    });
    for mark in &mut open.timeline.marks {
        mark.tokens = 0;
    }
    let mut failed = make::failed(0, Failure::Server("out of memory: \u{1f4a5}\n".to_owned()));
    failed.server = Some(ServerTimings {
        queue: Some(0.1 + 0.2),
        ..ServerTimings::default()
    });
    vec![make::answered(2), failed, open, make::answered(1)]
}

/// A token ends behind every space and at the end of the text.
fn words(text: &str) -> Option<Vec<u32>> {
    let spaces = text.match_indices(' ').map(|(at, _)| at as u32 + 1);
    Some(spaces.chain([text.len() as u32]).collect())
}

/// What a run does with its records when it is over.
fn report_of_the_run(header: &Header, mut records: Vec<RequestRecord>) -> Report {
    for record in &mut records {
        settle_from_text(record, &words, header.keep_text);
    }
    let setup = header.setup.clone();
    let mut report = Report::new(setup, make::facts(), records, &header.summary);
    report.warnings = vec!["the server was slow".to_owned()];
    report
}

fn written(report: &Report, detailed: bool) -> String {
    let dir = temp();
    let destination = Destination {
        dir: dir.path().to_owned(),
        file_name: "result.json".to_owned(),
        append: false,
        overwrite: false,
    };
    let path = destination.write(report, detailed).expect("written");
    fs::read_to_string(path).expect("readable")
}

#[test]
fn a_result_made_of_the_log_is_the_result_of_the_run() {
    let dir = temp();
    let mut header = header();
    header.setup.request_rate = f64::INFINITY;
    header.setup.burstiness = f64::INFINITY;
    header.setup.options = serde_json::json!({"b": 0.1, "a": [1, "x", null]});
    for keep_text in [KeepText::Always, KeepText::UntilCounted] {
        header.keep_text = keep_text;
        let log = read(&log(dir.path(), &header, &mixed(), true));
        assert!(log.needs_counting());
        assert_eq!(log.dropped, None);
        let rebuilt = log.report(&words);
        assert_eq!(rebuilt.records[3].output_tokens, 3, "they were counted");
        let measured = report_of_the_run(&header, mixed());
        for detailed in [true, false] {
            assert_eq!(written(&rebuilt, detailed), written(&measured, detailed));
        }
    }
}

#[test]
fn every_request_is_in_the_file_as_soon_as_it_is_appended() {
    let dir = temp();
    let path = dir.path().join("a/b/run.jsonl");
    let mut writer = RecordLogWriter::create(&path, false, &header()).expect("it begins");
    assert_eq!(read(&path).records, []);
    for (i, record) in mixed().iter().enumerate() {
        writer.append(record).expect("written");
        let log = read(&path);
        assert_eq!(log.records, mixed()[..=i]);
        assert_eq!((log.dropped, log.end), (None, None));
    }
    assert_eq!(writer.path(), path);
}

#[test]
fn a_log_without_an_end_makes_a_partial_report_that_says_so() {
    let dir = temp();
    let mut header = header();
    header.warnings = vec!["the dataset was short".to_owned()];
    header.start = Nanos(7);
    header.unpaced = true;
    let log = read(&log(dir.path(), &header, &mixed()[..2], false));
    let facts = log.facts();
    assert_eq!(facts.ended, RunEnd::Interrupted);
    assert_eq!(facts.start, Nanos(7));
    assert_eq!(facts.end, make::answered(2).timeline.closed);
    assert_eq!(facts.epoch_unix, make::facts().epoch_unix);
    assert!(facts.unpaced && facts.workers.is_empty());
    let report = log.report(&|_| None);
    assert!(report.is_partial());
    assert_eq!(report.summary.requests.planned, 4);
    assert_eq!(report.warnings.len(), 2, "{:?}", report.warnings);
    assert_eq!(report.warnings[0], "the dataset was short");
    assert!(report.warnings[1].contains("2 of 4 requests had ended"));
    // What can be counted is there, and the file can be written.
    assert_eq!(report.summary.requests.completed, 1);
    assert!(written(&report, true).contains("\"partial\":true"));
    // What the client did is lost, so nothing is said of it.
    assert!(written(&report, true).contains("\"client_limited\":null"));
    let page = console(&report);
    let verdict = page
        .lines()
        .find(|line| line.starts_with("Client limited:"));
    let verdict = verdict.expect("its line");
    assert!(verdict.ends_with(" unknown, the run was killed"), "{page}");
    for lost in ["CPU of", "Peak open connections", "Read lag"] {
        assert!(!page.contains(lost), "{page}");
    }
}

#[test]
fn late_sends_of_a_run_that_was_killed_are_the_clients_fault_all_the_same() {
    let dir = temp();
    let mut late = make::answered(1);
    late.timeline.sent = Some(Nanos::from_millis(103));
    let report = read(&log(dir.path(), &header(), &[late], false)).report(&|_| None);
    assert_eq!(report.audit.client_limited, Some(true));
    assert!(console(&report).starts_with("PARTIAL: "));
    assert!(console(&report).contains("CLIENT LIMITED: 1 % of the requests left"));
}

#[test]
fn a_log_without_a_request_is_a_report_without_numbers() {
    let dir = temp();
    let log = read(&log(dir.path(), &header(), &[], false));
    let report = log.report(&|_| None);
    assert_eq!(report.summary.requests.sent, 0);
    assert_eq!(report.facts.end, report.facts.start);
}

#[test]
fn cut_anywhere_a_log_loses_its_last_line_at_most_and_says_so() {
    let dir = temp();
    let path = log(dir.path(), &header(), &mixed(), true);
    let whole = fs::read(&path).expect("readable");
    let ends: Vec<usize> = whole
        .iter()
        .enumerate()
        .filter(|(_, byte)| **byte == b'\n')
        .map(|(at, _)| at)
        .collect();
    for cut in 0..=whole.len() {
        let read = RecordLog::read_from(&whole[..cut], &path);
        // A line is whole without its line feed too.
        let lines = ends.iter().filter(|end| **end <= cut).count();
        if lines == 0 {
            let error = read.expect_err("no header").to_string();
            let expected = if cut == 0 { "is empty" } else { "is cut off" };
            assert!(error.contains(expected), "{cut}: {error}");
            continue;
        }
        let log = read.unwrap_or_else(|error| panic!("{cut}: {error}"));
        assert_eq!(log.records, mixed()[..(lines - 1).min(4)], "{cut}");
        assert_eq!(log.end.is_some(), lines == 6, "{cut}");
        let begun = cut.saturating_sub(ends[lines - 1] + 1);
        let torn = Torn {
            line: lines + 1,
            bytes: begun,
        };
        assert_eq!(log.dropped, (begun > 0).then_some(torn), "{cut}");
        let told = log.warnings();
        let told = told.iter().filter(|warning| warning.contains("cut off"));
        assert_eq!(told.count(), usize::from(begun > 0), "{cut}");
    }
}

#[test]
fn a_damaged_line_is_named_with_the_cure() {
    let dir = temp();
    let path = log(dir.path(), &header(), &mixed(), true);
    let text = fs::read_to_string(&path).expect("readable");
    let lines: Vec<&str> = text.lines().collect();
    let broken = |at: usize, with: &str| {
        let mut lines = lines.clone();
        lines[at] = with;
        let error = read_text(&(lines.join("\n") + "\n")).expect_err("damaged");
        let error = error.to_string();
        let place = format!("run.jsonl:{}: ", at + 1);
        assert!(error.starts_with(&place), "{error}");
        assert!(error.contains("delete this line"), "{error}");
        error
    };
    let half = &lines[2][..100];
    let fewer = lines[1].replace("\"steps\":[", "\"steps\":[1,");
    let huge = lines[1].replace("[\"text\",4]", "[\"text\",18446744073709551615]");
    assert_ne!(huge, lines[1]);
    let music = lines[1].replace("[\"text\",4]", "[\"music\",4]");
    let tpoint = lines[0].replace("\"tpot\"", "\"tpoint\"");
    for (at, with, problem) in [
        (2, half, "column 100: EOF"),
        (2, "", "column 0: EOF"),
        (5, half, "column 100: EOF"),
        (2, "{\"other\":1}", "unknown variant `other`"),
        (2, lines[1], "request 2 is on line 2 already"),
        (1, &fewer, "there are 8 steps but not as many kinds"),
        (1, &huge, "there are 7 steps but not as many kinds"),
        (1, &music, "expected a known value, or [value, count]"),
        (0, &tpoint, "no metric is called `tpoint`"),
    ] {
        let error = broken(at, with);
        assert!(error.contains(problem), "{error}");
    }
    let error = read_text(&format!("{text}{}\n", lines[1])).expect_err("two ends");
    assert!(error.to_string().contains("run.jsonl:7: the log had ended"));
}

#[test]
fn what_is_no_log_is_told_from_what_is_damaged() {
    let refused = |text: &str| read_text(text).expect_err("refused");
    assert!(matches!(refused(""), ReportError::NoLog { .. }));
    for other in ["{\"date\":\"20261121-212154\"}\n", "hello", "\n", "\u{0}"] {
        assert!(
            matches!(refused(other), ReportError::NoLog { .. }),
            "{other}"
        );
    }
    let newer = refused("{\"bench_record_log\":2,\"anything\":null}\n");
    assert!(matches!(newer, ReportError::LogVersion { version: 2, .. }));
    let error = newer.to_string();
    assert!(error.contains("this program reads format 1"), "{error}");
    let missing = RecordLog::read(Path::new("/nowhere/run.jsonl")).expect_err("refused");
    assert!(missing.to_string().contains("/nowhere/run.jsonl"));
}

#[test]
fn a_log_that_exists_is_not_replaced_unasked() {
    let dir = temp();
    let path = dir.path().join("new/run.jsonl");
    RecordLogWriter::check(&path, false).expect("welcome");
    assert!(!path.exists(), "a check leaves nothing behind");
    fs::write(&path, "mine").expect("written");
    for refused in [
        RecordLogWriter::check(&path, false).err(),
        RecordLogWriter::create(&path, false, &header()).err(),
    ] {
        let error = refused.expect("refused").to_string();
        assert!(error.contains("--overwrite to replace it"), "{error}");
    }
    RecordLogWriter::check(&path, true).expect("welcome");
    assert_eq!(fs::read_to_string(&path).expect("readable"), "mine");
    RecordLogWriter::create(&path, true, &header()).expect("it begins");
    assert_eq!(read(&path).records, []);
}

#[test]
fn a_log_that_cannot_be_written_names_its_file() {
    let dir = temp();
    let in_a_file = dir.path().join("file/run.jsonl");
    fs::write(dir.path().join("file"), "").expect("written");
    let error = RecordLogWriter::check(&in_a_file, false).expect_err("refused");
    assert!(error.to_string().contains("file/run.jsonl"), "{error}");
    if cfg!(target_os = "linux") {
        let full = RecordLogWriter::create(Path::new("/dev/full"), true, &header());
        let error = full.expect_err("there is no room").to_string();
        assert!(
            error.contains("cannot write the record log /dev/full"),
            "{error}"
        );
        assert!(error.contains("the free space"), "{error}");
    }
}

#[test]
fn marks_are_columns() {
    let mut record = make::answered(0);
    record.timeline.marks[2].at = Nanos(29_930_000);
    let dir = temp();
    let path = log(dir.path(), &header(), &[record], false);
    let text = fs::read_to_string(path).expect("readable");
    let mut lines = text.lines();
    let header = lines.next().expect("a header");
    assert!(header.starts_with("{\"bench_record_log\":1,\"setup\":{\"date\":\"20261121-212154\","));
    let line: serde_json::Value = lines
        .next()
        .and_then(|line| serde_json::from_str(line).ok())
        .expect("JSON");
    let record = &line["record"];
    assert_eq!(record["request"]["id"], 0);
    assert_eq!(
        record["marks"],
        serde_json::json!({
            "steps": [15_030_000, 5_000_000, 9_900_000, 10_100_000, 10_000_000, 1_000_000, 0],
            "kinds": ["role", ["text", 4], "empty", "done"],
            "tokens": [0, [1, 4], [0, 2]],
        })
    );
}

#[test]
fn a_long_stream_makes_a_short_line() {
    let mut record = make::answered(0);
    let mark = |i: u64| Mark {
        at: Nanos(12_345_678_901 + i * 20_000_000 + i * i % 7_919 * 31),
        kind: MarkKind::Text,
        tokens: 1,
    };
    record.timeline.marks = (0..256).map(mark).collect();
    let dir = temp();
    let path = log(dir.path(), &header(), &[record], false);
    let text = fs::read_to_string(path).expect("readable");
    let line = text.lines().nth(1).expect("a line").len();
    assert!(line < 3_200, "{line} bytes");
}

fn nanos() -> impl Strategy<Value = Nanos> {
    prop_oneof![any::<u64>(), 0..1_000_000_000_000u64].prop_map(Nanos)
}

fn source() -> impl Strategy<Value = TokenSource> {
    select(vec![
        TokenSource::Usage,
        TokenSource::TokenIds,
        TokenSource::OnePerChunk,
        TokenSource::Tokenizer,
        TokenSource::Dataset,
        TokenSource::Chunks,
        TokenSource::Unknown,
    ])
}

fn mark() -> impl Strategy<Value = Mark> {
    let kind = select(vec![
        MarkKind::Role,
        MarkKind::Text,
        MarkKind::Reasoning,
        MarkKind::ToolCall,
        MarkKind::Empty,
        MarkKind::Usage,
        MarkKind::Done,
        MarkKind::Whole,
    ]);
    let tokens = prop_oneof![0..3u16, any::<u16>()];
    (nanos(), kind, tokens).prop_map(|(at, kind, tokens)| Mark { at, kind, tokens })
}

prop_compose! {
    fn timeline()(
        stamps in [nanos(), nanos(), nanos()],
        maybe in prop::array::uniform3(prop::option::of(nanos())),
        marks in prop::collection::vec(mark(), 0..40),
    ) -> Timeline {
        let [scheduled, released, closed] = stamps;
        let [connected, sent, headers] = maybe;
        Timeline { scheduled, released, connected, sent, headers, marks, closed }
    }
}

fn outcome() -> impl Strategy<Value = Outcome> {
    let failure = prop_oneof![
        any::<String>().prop_map(Failure::Connect),
        any::<String>().prop_map(Failure::Truncated),
        (any::<u16>(), any::<String>()).prop_map(|(code, body)| Failure::Status { code, body }),
        Just(Failure::Timeout(TimeoutPhase::Idle)),
        Just(Failure::NoTokens),
        Just(Failure::Cancelled),
    ];
    prop_oneof![
        select(vec![Finish::Stop, Finish::ToolCalls, Finish::Unstated])
            .prop_map(Outcome::Completed),
        failure.prop_map(Outcome::Failed),
    ]
}

fn timings() -> impl Strategy<Value = ServerTimings> {
    let seconds = prop::option::of(-1e300..1e300f64);
    [
        seconds.clone(),
        seconds.clone(),
        seconds.clone(),
        seconds.clone(),
        seconds,
    ]
    .prop_map(|[queue, prefill, decode, ttft, e2e]| ServerTimings {
        queue,
        prefill,
        decode,
        ttft,
        e2e,
    })
}

fn transcript() -> impl Strategy<Value = Transcript> {
    let ends = prop::collection::vec(any::<u32>(), 0..10);
    (any::<String>(), ends).prop_map(|(text, ends)| Transcript { text, ends })
}

prop_compose! {
    fn record()(
        numbers in any::<[u32; 6]>(),
        wide in any::<[u64; 2]>(),
        indices in any::<[u16; 3]>(),
        sources in [source(), source(), source()],
        cached_tokens in any::<[Option<u32>; 2]>(),
        kind in select(vec![RequestKind::Load, RequestKind::WarmUp, RequestKind::Probe]),
        audio in prop::option::of(nanos()),
        timeline in timeline(),
        outcome in outcome(),
        server in prop::option::of(timings()),
        receive in any::<[u32; 3]>(),
        transcript in prop::option::of(transcript()),
    ) -> RequestRecord {
        RequestRecord {
            id: wide[0],
            conversation: wide[1],
            turn: numbers[0],
            server_index: indices[0],
            model_index: indices[1],
            class_index: indices[2],
            kind,
            inputs: numbers[1],
            audio,
            prompt_tokens: numbers[2],
            prompt_tokens_source: sources[0],
            cached_tokens: cached_tokens[0],
            expected_cached_tokens: cached_tokens[1],
            max_output_tokens: numbers[3],
            output_tokens: numbers[4],
            output_tokens_source: sources[1],
            chunk_tokens: sources[2],
            timeline,
            outcome,
            server,
            receive: ReceiveCounts { kernel: receive[0], user: receive[1], merged: receive[2] },
            transcript,
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn a_record_is_read_as_it_was_written(records in prop::collection::vec(record(), 0..4)) {
        let mut records = records;
        for (id, record) in records.iter_mut().enumerate() {
            // No two alike, and some beyond what a float can hold.
            record.id = (record.id & !3) | id as u64;
        }
        let dir = temp();
        let log = read(&log(dir.path(), &header(), &records, true));
        prop_assert_eq!(log.records, records);
        prop_assert_eq!(log.end.expect("it has an end").facts, make::facts());
    }
}
