//! What servers are asked to do around the measured load.

use std::time::Duration;

use bench_core::types::{Conversation, Prompt};
use bench_core::{
    Control, Observer, Profile, Progress, RunBuilder, RunError, StopHandle, backends::backend,
};
use bench_sim::{Flavour, SimConfig, SimHandle};

use super::{execute, faulty, prompts, quick, refusal, run, start, succeeded, watch};

fn resetting() -> Control {
    Control {
        reset_cache: true,
        ..Control::default()
    }
}

/// Conversations whose prompt fills several blocks of the cache, all with the same one.
fn long(count: u64) -> Vec<Conversation> {
    let prompt = Prompt::Text("one two three four five six seven eight ".repeat(25).into());
    (0..count)
        .map(|id| Conversation::single(id, prompt.clone(), None, 2))
        .collect()
}

fn caching(engine: Flavour) -> SimConfig {
    SimConfig {
        engine,
        prompt_tokens_details: true,
        ..quick()
    }
}

/// The paths of all requests to a server that are `wanted`, in order of arrival.
fn paths(server: &SimHandle, wanted: &[&str]) -> Vec<String> {
    let recorded = server.stats().recorded;
    let paths = recorded.into_iter().map(|request| request.path);
    paths
        .filter(|path| wanted.contains(&path.as_str()))
        .collect()
}

/// Tokens of the first measured prompt that came from the cache, after a warm-up with the same
/// prompts.
async fn cached_first(servers: &[SimHandle], control: Control) -> u32 {
    let others = servers[1..].iter().map(SimHandle::url);
    let builder = run(&servers[0], long(6))
        .also_at(others)
        .warm_up_with(long(4))
        .control(control)
        .max_concurrency(1);
    let report = execute(builder).await;
    assert!(report.records.iter().all(succeeded));
    let cached: Vec<_> = report
        .records
        .iter()
        .map(|r| r.cached_tokens.unwrap_or(0))
        .collect();
    assert!(cached.last().is_some_and(|last| *last > 0), "{cached:?}");
    cached[0]
}

#[tokio::test]
async fn the_cache_is_empty_when_the_measured_load_begins() {
    let kept = [start(caching(Flavour::Vllm))];
    assert!(cached_first(&kept, Control::default()).await > 0);
    assert_eq!(kept[0].stats().cache_resets, 0);
    let emptied = [start(caching(Flavour::Vllm)), start(caching(Flavour::Vllm))];
    assert_eq!(cached_first(&emptied, resetting()).await, 0);
    for server in &emptied {
        assert_eq!(server.stats().cache_resets, 1);
        let wanted = ["/v1/completions", "/reset_prefix_cache"];
        let order = paths(server, &wanted);
        // Two of the warm-up, three measured.
        let expected = [0, 0, 1, 0, 0, 0].map(|path| wanted[path]);
        assert_eq!(order, expected);
    }
}

#[tokio::test]
async fn sglang_has_a_route_of_its_own_for_it() {
    let server = [start(caching(Flavour::Sglang))];
    assert_eq!(cached_first(&server, resetting()).await, 0);
    assert_eq!(server[0].stats().cache_resets, 1);
    assert_eq!(paths(&server[0], &["/flush_cache"]).len(), 1);
}

#[tokio::test]
async fn a_server_that_cannot_empty_its_cache() {
    let server = start(caching(Flavour::Tgi));
    let error = refusal(run(&server, prompts(3, 2)).control(resetting())).await;
    assert!(matches!(error, RunError::Control { .. }), "{error}");
    let text = error.to_string();
    let told = [
        server.url().as_str(),
        "/reset_prefix_cache",
        "/flush_cache",
        "VLLM_SERVER_DEV_MODE",
    ]
    .map(|part| text.contains(part));
    assert_eq!(told, [true; 4], "{text}");
    assert_eq!(server.stats().requests, 0);
}

fn profiling(profile: Profile) -> Control {
    Control {
        profile: Some(profile),
        ..Control::default()
    }
}

const PROFILED: [&str; 3] = ["/v1/completions", "/start_profile", "/stop_profile"];

#[tokio::test]
async fn profilers_run_during_the_measured_load() {
    let config = SimConfig {
        profiler: true,
        ..quick()
    };
    let servers = [start(config.clone()), start(config)];
    let builder = run(&servers[0], prompts(6, 3))
        .also_at([servers[1].url()])
        .warm_up_with(prompts(2, 2))
        .control(profiling(Profile::default()));
    let report = execute(builder).await;
    assert_eq!(report.summary.requests.completed, 6);
    for server in &servers {
        let order = paths(server, &PROFILED);
        // One request to warm up, three measured.
        let expected = [0, 1, 0, 0, 0, 2].map(|path| PROFILED[path]);
        assert_eq!(order, expected);
    }
}

#[tokio::test]
async fn a_server_without_a_profiler() {
    let server = start(quick());
    let error = refusal(run(&server, prompts(3, 2)).control(profiling(Profile::default()))).await;
    assert!(matches!(error, RunError::Control { .. }), "{error}");
    let text = error.to_string();
    assert!(
        text.contains("/start_profile") && text.contains("--profiler-config"),
        "{text}"
    );
    assert!(
        text.contains(&server.url()) && text.contains("404"),
        "{text}"
    );
    assert_eq!(server.stats().requests, 0, "nothing was measured");
}

/// Three servers, of which only the second has no profiler.
fn partly_profiled() -> [SimHandle; 3] {
    [true, false, true].map(|profiler| {
        start(SimConfig {
            profiler,
            ..quick()
        })
    })
}

fn profiles(server: &SimHandle) -> (u64, u64) {
    let stats = server.stats();
    (stats.profiles_started, stats.profiles_stopped)
}

#[tokio::test]
async fn no_profiler_is_left_on_where_another_cannot_be_started() {
    let servers = partly_profiled();
    let builder = run(&servers[0], prompts(3, 2))
        .also_at(servers[1..].iter().map(SimHandle::url))
        .control(profiling(Profile::default()));
    let error = refusal(builder).await;
    assert!(matches!(error, RunError::Control { .. }), "{error}");
    assert!(error.to_string().contains(&servers[1].url()), "{error}");
    let all = servers.each_ref().map(profiles);
    assert_eq!(all, [(1, 1), (0, 0), (1, 1)]);
}

#[tokio::test]
async fn all_profilers_that_cannot_be_started_are_named() {
    let servers = [start(quick()), start(quick())];
    let builder = run(&servers[0], prompts(3, 2))
        .also_at([servers[1].url()])
        .control(profiling(Profile::default()));
    let text = refusal(builder).await.to_string();
    let named = servers
        .each_ref()
        .map(|server| text.contains(&server.url()));
    assert_eq!(named, [true; 2], "{text}");
}

/// Ends the run when `done` says so of the server.
struct Until<'a> {
    server: &'a SimHandle,
    done: fn(&bench_sim::SimStats) -> bool,
    stop: StopHandle,
}

impl Observer for Until<'_> {
    fn progress(&mut self, _: &Progress) {
        if (self.done)(&self.server.stats()) {
            self.stop.cancel();
        }
    }
}

/// A server whose first four requests stay under way, and a run against it.
fn stuck() -> (SimHandle, StopHandle, RunBuilder) {
    let server = start(SimConfig {
        profiler: true,
        ..faulty("stall:1@first:4")
    });
    let stop = StopHandle::new();
    let builder = run(&server, prompts(4, 3)).stop_handle(stop.clone());
    (server, stop, builder)
}

#[tokio::test]
async fn the_profiler_starts_with_the_load_it_waits_for() {
    let (server, stop, builder) = stuck();
    let profile = Profile {
        batch_threshold: Some(4),
        ..Profile::default()
    };
    let mut until = Until {
        server: &server,
        // The run goes on for as long as this is not so.
        done: |stats| stats.profiles_started == 1,
        stop,
    };
    let report = watch(builder.control(profiling(profile)), &mut until).await;
    assert!(report.warnings.is_empty(), "{:?}", report.warnings);
    let stats = server.stats();
    assert_eq!((stats.profiles_started, stats.profiles_stopped), (1, 1));
}

#[tokio::test]
async fn a_load_that_is_never_reached_is_reported() {
    let server = start(SimConfig {
        profiler: true,
        ..quick()
    });
    let profile = Profile {
        batch_threshold: Some(5),
        ..Profile::default()
    };
    let builder = run(&server, prompts(20, 3)).max_concurrency(2);
    let report = execute(builder.control(profiling(profile))).await;
    assert_eq!(report.summary.requests.completed, 20);
    let warnings = &report.warnings;
    assert!(
        warnings.len() == 1 && warnings[0].contains("5 requests were not seen"),
        "{warnings:?}"
    );
    assert!(bench_core::report::console(&report).contains("5 requests were not seen"));
    let stats = server.stats();
    assert_eq!((stats.profiles_started, stats.profiles_stopped), (0, 0));
}

#[tokio::test]
async fn a_profile_may_be_shorter_than_the_run() {
    let (server, stop, builder) = stuck();
    let profile = Profile {
        duration: Some(Duration::from_millis(20)),
        ..Profile::default()
    };
    let mut until = Until {
        server: &server,
        // The run goes on for as long as this is not so.
        done: |stats| stats.profiles_stopped == 1,
        stop,
    };
    watch(builder.control(profiling(profile)), &mut until).await;
    let stats = server.stats();
    assert_eq!((stats.profiles_started, stats.profiles_stopped), (1, 1));
}

#[tokio::test]
async fn sglang_profiles_too() {
    let server = start(SimConfig {
        engine: Flavour::Sglang,
        ..quick()
    });
    let sglang = backend("sglang").expect("there is one");
    let builder = bench_core::Run::builder(server.url(), sglang)
        .model("sim-model")
        .conversations(prompts(3, 2))
        .control(profiling(Profile::default()));
    let report = execute(builder).await;
    assert_eq!(report.summary.requests.completed, 3);
    let stats = server.stats();
    assert_eq!((stats.profiles_started, stats.profiles_stopped), (1, 1));
}
