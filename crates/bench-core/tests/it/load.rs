use bench_core::types::{MarkKind, Nanos, RequestRecord, RunEnd, TokenSource};
use bench_core::{
    Arrivals, Observer, Phase, Progress, Ramp, RampOver, RampStrategy, RequestIds, RequestOptions,
    Run, RunBuilder, backends::backend,
};

use super::{execute, prompts, quick, run, start, succeeded};

#[tokio::test]
async fn every_request_is_sent_once_and_recorded_whole() {
    let server = start(quick());
    let report = execute(run(&server, prompts(40, 8)).max_concurrency(7)).await;
    assert_eq!(report.records.len(), 40);
    assert_eq!(report.facts.ended, RunEnd::Complete);
    for (id, record) in (0..).zip(&report.records) {
        assert_eq!(record.id, id);
        assert!(succeeded(record), "{:?}", record.outcome);
        assert_eq!(record.output_tokens, 8);
        assert_eq!(record.output_tokens_source, TokenSource::Usage);
        assert_eq!(record.prompt_tokens, 3);
        let timeline = &record.timeline;
        let sent = timeline.sent.expect("sent");
        let headers = timeline.headers.expect("answered");
        assert!(timeline.scheduled <= sent && timeline.released <= sent);
        assert!(sent <= headers);
        assert!(timeline.marks.is_sorted_by_key(|mark| mark.at));
        assert_eq!(timeline.contents().count(), 8);
        assert_eq!(
            timeline.marks.last().map(|mark| mark.kind),
            Some(MarkKind::Done)
        );
        let last = timeline.marks.last().expect("marks").at;
        assert!(headers <= timeline.marks[0].at && last <= timeline.closed);
    }
    assert_eq!(server.stats().completed, 40);
    assert_eq!(report.audit.user_reads, 0, "loopback TCP has kernel stamps");
}

#[tokio::test]
async fn concurrency_is_a_limit_and_connections_are_opened_ahead_and_kept() {
    let server = start(quick());
    let report = execute(run(&server, prompts(60, 4)).max_concurrency(5).threads(2)).await;
    let mut ends: Vec<(Nanos, i32)> = Vec::new();
    for record in &report.records {
        let timeline = &record.timeline;
        assert_eq!(
            timeline.connected, None,
            "all connections were opened ahead"
        );
        ends.push((timeline.sent.expect("sent"), 1));
        ends.push((timeline.closed, -1));
    }
    // At the same moment an end comes before a beginning.
    ends.sort();
    let mut under_way = 0;
    for (_, change) in ends {
        under_way += change;
        assert!(under_way <= 5);
    }
    // Without a rate a request is due when a slot is free for it.
    let start = report.facts.start;
    let due = report
        .records
        .iter()
        .map(|record| record.timeline.scheduled);
    assert!(due.clone().all(|due| due >= start));
    assert!((1..=5).contains(&due.filter(|due| *due == start).count()));
    // One more connection for the list of models.
    let recorded = server.stats().recorded;
    let generations = recorded
        .iter()
        .filter(|request| request.path == "/v1/completions");
    let mut connections: Vec<_> = generations.map(|request| request.connection).collect();
    connections.sort_unstable();
    connections.dedup();
    assert_eq!(connections.len(), 5);
    assert_eq!(report.audit.peak_connections, Some(5));
}

/// The run with ids that begin with a word.
fn named(builder: RunBuilder) -> RunBuilder {
    builder.request(RequestOptions {
        model: "sim-model".to_owned(),
        request_ids: RequestIds::Prefix("bench-".to_owned()),
        ..RequestOptions::default()
    })
}

#[tokio::test]
async fn requests_leave_in_the_order_of_the_dataset() {
    let server = start(quick());
    let named = named(run(&server, prompts(50, 2)));
    execute(named.max_concurrency(1)).await;
    let recorded = server.stats().recorded;
    let ids: Vec<_> = recorded
        .iter()
        .filter_map(|request| request.headers.get("x-request-id"))
        .map(|id| id.to_str().expect("text").to_owned())
        .collect();
    let expected: Vec<_> = (0..50).map(|id| format!("bench-{id}")).collect();
    assert_eq!(ids, expected);
}

#[tokio::test]
async fn a_rate_sets_the_times_and_a_full_house_keeps_them() {
    let server = start(quick());
    let arrivals = Arrivals::gamma(400.0, 1.0, 3).expect("a shape");
    let open = execute(run(&server, prompts(40, 2)).arrivals(arrivals.clone())).await;
    let capped = execute(
        run(&server, prompts(40, 2))
            .arrivals(arrivals.clone())
            .max_concurrency(1),
    )
    .await;
    let offsets = arrivals.offsets(40);
    for report in [&open, &capped] {
        for (record, offset) in report.records.iter().zip(&offsets) {
            let timeline = &record.timeline;
            assert_eq!(timeline.scheduled, report.facts.start + *offset);
            assert!(timeline.sent.expect("sent") >= timeline.scheduled);
        }
    }
    let one_by_one = capped.records.windows(2).all(|pair| {
        pair[1].timeline.sent.expect("sent") >= pair[0].timeline.marks.last().expect("end").at
    });
    assert!(one_by_one);
    let slot_wait = |record: &RequestRecord| {
        let timeline = &record.timeline;
        timeline.released.since(timeline.scheduled)
    };
    // A request that needs no slot is late by the client alone, however late its turn comes.
    assert!(
        open.records
            .iter()
            .all(|record| slot_wait(record) == Nanos::ZERO)
    );
    assert_eq!(open.audit.own_lateness, open.audit.lateness);
    let pairs = capped.records.windows(2);
    let waited = pairs.filter(|pair| slot_wait(&pair[1]) > Nanos::ZERO);
    let waits: Vec<bool> = waited
        .map(|pair| pair[1].timeline.released >= pair[0].timeline.closed)
        .collect();
    assert!(!waits.is_empty(), "some come closer than an answer takes");
    assert!(waits.iter().all(|&to_the_end| to_the_end));
}

#[tokio::test]
async fn warm_up_requests_are_sent_and_not_measured() {
    let server = start(quick());
    let warm = prompts(4, 3);
    let report = execute(
        named(run(&server, prompts(6, 3)))
            .warm_up_with(warm)
            .max_concurrency(2),
    )
    .await;
    assert_eq!(report.records.len(), 6);
    assert_eq!(server.stats().requests, 10);
    let recorded = server.stats().recorded;
    let warm_ids = recorded.iter().filter(|request| {
        let id = request.headers.get("x-request-id");
        id.is_some_and(|id| id.as_bytes().starts_with(b"bench-warmup-"))
    });
    assert_eq!(warm_ids.count(), 4);
}

#[derive(Default)]
struct Diary {
    phases: Vec<Phase>,
    records: u64,
    last: Progress,
}

impl Observer for Diary {
    fn phase(&mut self, phase: Phase) {
        self.phases.push(phase);
    }
    fn record(&mut self, _: &RequestRecord) {
        self.records += 1;
    }
    fn progress(&mut self, progress: &Progress) {
        self.last = *progress;
    }
}

#[tokio::test]
async fn an_observer_sees_every_record_and_the_end() {
    let server = start(quick());
    let mut diary = Diary::default();
    let run = run(&server, prompts(9, 5)).build();
    run.execute(&mut diary).await.expect("it runs");
    let measuring = Phase::Measuring { requests: Some(9) };
    assert_eq!(diary.phases, [Phase::Connecting, measuring, Phase::Done]);
    assert_eq!(diary.records, 9);
    let Progress {
        done,
        failed,
        in_flight,
        chunks,
        ..
    } = diary.last;
    assert_eq!((done, failed, in_flight, chunks), (9, 0, 0, 45));
}

#[tokio::test]
async fn without_keepalive_every_request_has_its_own_connection() {
    let server = start(quick());
    let report = execute(
        run(&server, prompts(6, 2))
            .max_concurrency(2)
            .keepalive(false),
    )
    .await;
    let opened = report
        .records
        .iter()
        .filter(|record| record.timeline.connected.is_some());
    // The two opened ahead serve one request each.
    assert_eq!(opened.count(), 4);
}

#[tokio::test]
async fn a_connection_the_server_closed_while_idle_is_no_failure() {
    let config = bench_sim::SimConfig {
        faults: vec!["idle-close:1@always".parse().expect("a fault")],
        ..quick()
    };
    let server = start(config);
    // Slow enough for the server to close in between.
    let arrivals = Arrivals::gamma(20.0, f64::INFINITY, 0).expect("a shape");
    let builder = run(&server, prompts(8, 2))
        .arrivals(arrivals)
        .max_concurrency(1);
    let report = execute(builder).await;
    assert!(
        report.records.iter().all(succeeded),
        "{:?}",
        report.summary.failures
    );
    assert_eq!(server.stats().requests, 8, "nothing is sent twice");
}

#[tokio::test]
async fn unix_sockets_carry_whole_runs() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("sim.sock");
    let config = bench_sim::SimConfig {
        unix: Some(path.clone()),
        ..quick()
    };
    let server = start(config);
    let url = format!("unix://{}", path.display());
    let report = Run::builder(url, backend("openai-chat").expect("there is one"))
        .conversations(prompts(5, 4))
        .build()
        .execute(&mut ())
        .await
        .expect("it runs");
    assert!(report.records.iter().all(succeeded));
    assert_eq!(report.audit.kernel_reads, 0);
    assert_eq!(
        report.setup.model_id, "sim-model",
        "found out from the server"
    );
    drop(server);
}

#[tokio::test]
async fn every_open_loop_sends_at_its_times_and_says_what_it_was() {
    let ramp = |over| Ramp {
        strategy: RampStrategy::Linear,
        start_rps: 50.0,
        end_rps: 200.0,
        over,
    };
    let stages = ["100rps:150ms", "0rps:50ms", "200rps:50ms"];
    let stages = stages.map(|stage| stage.parse().expect("a stage"));
    let trace = [0, 40, 40, 90].map(Nanos::from_millis);
    let shapes = [
        (Arrivals::ramp(ramp(RampOver::Time), 1.0, 3), "ramp", 25),
        (Arrivals::ramp(ramp(RampOver::Index), 1.0, 3), "ramp", 25),
        (Arrivals::stages(stages.into(), 1.0, 3), "stages", 25),
        (Arrivals::recorded(trace), "trace", 4),
    ];
    for (arrivals, kind, count) in shapes {
        let arrivals = arrivals.expect("a shape");
        let server = start(quick());
        let builder = run(&server, prompts(count, 2)).arrivals(arrivals.clone());
        let report = execute(builder).await;
        let offsets = arrivals.offsets(count as usize);
        assert_eq!(offsets.len() as u64, count);
        for (record, offset) in report.records.iter().zip(&offsets) {
            assert_eq!(record.timeline.scheduled, report.facts.start + *offset);
        }
        let schedule = report.setup.schedule.as_ref().expect("times");
        assert_eq!(schedule.kind.to_string(), kind);
        let last = offsets.last().expect("one").as_secs_f64();
        assert_eq!(schedule.last_s, last);
        let load = match kind {
            "ramp" => "ramp-up-linear-50qps-200qps",
            kind => kind,
        };
        let in_name = format!("vllm-{load}-");
        assert!(
            report.file_name().starts_with(&in_name),
            "{}",
            report.file_name()
        );
        assert_eq!(report.setup.ramp_up.is_some(), kind == "ramp");
        let page = bench_core::report::console(&report);
        assert!(page.contains("Last arrival due (s):"), "{page}");
    }
}

#[tokio::test]
async fn a_shape_with_too_few_times_is_found_out_before_the_load() {
    let server = start(quick());
    let trace = Arrivals::recorded([Nanos::ZERO]).expect("a shape");
    let run = run(&server, prompts(2, 2)).arrivals(trace).build();
    let told = run.execute(&mut ()).await.expect_err("one is missing");
    assert!(
        told.to_string().contains("for 1 requests, not for 2"),
        "{told}"
    );
    assert_eq!(server.stats().requests, 0);
}
