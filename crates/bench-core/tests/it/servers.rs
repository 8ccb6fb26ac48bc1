//! Several servers, several models: who gets what, and whether the report knows.

use bench_core::report::{Breakdown, Report};
use bench_core::types::{Conversation, FailureClass, Prompt, RunEnd};
use bench_core::{
    Balance, Lora, LoraAssignment, Observer, Progress, RunBuilder, RunError, StopHandle,
};
use bench_sim::{SimConfig, SimHandle};

use super::preparation::unused_address;
use super::{class, execute, faulty, prompts, quick, refusal, run, start, succeeded, watch};

fn fleet(count: usize) -> Vec<SimHandle> {
    (0..count).map(|_| start(quick())).collect()
}

/// A run against all of `fleet`.
fn run_all(fleet: &[SimHandle], conversations: Vec<Conversation>) -> RunBuilder {
    let others = fleet[1..].iter().map(SimHandle::url);
    run(&fleet[0], conversations).also_at(others)
}

/// `count` conversations of `turns` turns each.
fn talks(count: u64, turns: usize) -> Vec<Conversation> {
    let mut talks = prompts(count, 3);
    for talk in &mut talks {
        let turn = talk.turns[0].clone();
        talk.turns.resize(turns, turn);
    }
    talks
}

/// The parts add up to the whole.
fn assert_adds_up(parts: &[Breakdown], report: &Report) {
    let (counts, tokens) = (&report.summary.requests, &report.summary.tokens);
    let sum = |of: fn(&Breakdown) -> u64| parts.iter().map(of).sum::<u64>();
    assert_eq!(sum(|part| part.requests.sent), counts.sent);
    assert_eq!(sum(|part| part.requests.completed), counts.completed);
    assert_eq!(sum(|part| part.requests.failed), counts.failed);
    assert_eq!(sum(|part| part.tokens.input), tokens.input);
    assert_eq!(
        sum(|part| part.tokens.output.unwrap_or(0)),
        tokens.output.unwrap_or(0)
    );
}

#[tokio::test]
async fn servers_take_turns() {
    for count in [2, 3] {
        let fleet = fleet(count);
        let report = execute(run_all(&fleet, prompts(30, 4)).max_concurrency(4)).await;
        for record in &report.records {
            assert!(succeeded(record), "{:?}", record.outcome);
            assert_eq!(usize::from(record.server_index), record.id as usize % count);
        }
        let share = 30 / count as u64;
        assert_eq!(report.per_server.len(), count);
        for (server, part) in fleet.iter().zip(&report.per_server) {
            assert_eq!(server.stats().requests, share);
            assert_eq!(part.requests.completed, share);
            assert!(part.part.name().starts_with(&server.url()));
        }
        assert_adds_up(&report.per_server, &report);
    }
}

#[tokio::test]
async fn a_conversation_stays_with_its_server() {
    for balance in [Balance::RoundRobin, Balance::LeastInFlight] {
        let fleet = fleet(2);
        let builder = run_all(&fleet, talks(10, 3)).balance(balance);
        let report = execute(builder.max_concurrency(4)).await;
        assert_eq!(report.records.len(), 30);
        for turns in report
            .records
            .chunk_by(|a, b| a.conversation == b.conversation)
        {
            assert_eq!(turns.len(), 3);
            assert!(turns.iter().all(succeeded));
            assert!(
                turns
                    .iter()
                    .all(|turn| turn.server_index == turns[0].server_index)
            );
        }
        for (server, part) in fleet.iter().zip(&report.per_server) {
            assert_eq!(server.stats().requests, part.requests.completed);
        }
        if balance == Balance::RoundRobin {
            assert!(fleet.iter().all(|server| server.stats().requests == 15));
        }
        assert_adds_up(&report.per_server, &report);
    }
}

/// Ends the run once all requests have either ended or reached the server that is stuck.
struct AllSent {
    stuck: SimHandle,
    requests: u64,
    stop: StopHandle,
}

impl Observer for AllSent {
    fn progress(&mut self, progress: &Progress) {
        if progress.done + self.stuck.stats().requests == self.requests {
            self.stop.cancel();
        }
    }
}

#[tokio::test]
async fn the_server_with_the_fewest_requests_under_way_is_preferred() {
    let (stuck, free) = (start(faulty("stall:1@always")), start(quick()));
    let stop = StopHandle::new();
    let builder = run(&stuck, prompts(40, 4))
        .also_at([free.url()])
        .balance(Balance::LeastInFlight)
        .max_concurrency(4)
        // Among several threads the numbers could change between reading and choosing.
        .threads(1)
        .stop_handle(stop.clone());
    let mut observer = AllSent {
        stuck,
        requests: 40,
        stop,
    };
    let report = watch(builder, &mut observer).await;
    let [slow, quick] = report.per_server.as_slice() else {
        panic!("two servers, {} parts", report.per_server.len());
    };
    // With two requests stuck it has never fewer under way than the other, which has two slots.
    assert!((1..=2).contains(&slow.requests.sent), "{:?}", slow.requests);
    assert_eq!(slow.requests.failed, slow.requests.sent);
    assert_eq!(quick.requests.completed, 40 - slow.requests.sent);
    assert_adds_up(&report.per_server, &report);
}

/// Kills a server that holds requests.
struct KillOne(Option<SimHandle>);

impl Observer for KillOne {
    fn progress(&mut self, _: &Progress) {
        let held = self.0.as_ref().map_or(0, |server| server.stats().requests);
        if held > 0
            && let Some(server) = self.0.take()
        {
            server.kill();
        }
    }
}

#[tokio::test]
async fn one_server_of_two_dies() {
    let (dying, healthy) = (start(faulty("mute@always")), start(quick()));
    let builder = run(&healthy, prompts(40, 4))
        .also_at([dying.url()])
        .max_concurrency(4);
    let report = watch(builder, &mut KillOne(Some(dying))).await;
    assert_eq!(report.facts.ended, RunEnd::Complete);
    for record in &report.records {
        let expected = (record.server_index == 1).then_some(FailureClass::Connect);
        assert_eq!(class(record), expected, "{:?}", record.outcome);
    }
    let [alive, dead] = report.per_server.as_slice() else {
        panic!("two servers, {} parts", report.per_server.len());
    };
    assert_eq!((alive.requests.completed, alive.requests.failed), (20, 0));
    assert_eq!((dead.requests.completed, dead.requests.failed), (0, 20));
    assert_eq!(dead.failures.len(), 1);
    assert_eq!(
        (dead.failures[0].class.as_str(), dead.failures[0].count),
        ("connect", 20)
    );
    assert_eq!(dead.failure_rate, 1.0);
    assert_adds_up(&report.per_server, &report);
}

#[tokio::test]
async fn a_run_does_not_begin_with_a_server_missing() {
    let (server, missing) = (start(quick()), unused_address());
    let builder = run(&server, prompts(4, 2)).also_at([&missing]);
    let error = refusal(builder).await;
    assert!(matches!(error, RunError::Unreachable(_)), "{error}");
    assert!(error.to_string().contains(&missing), "{error}");
    assert_eq!(server.stats().requests, 0);
}

const ADAPTERS: [&str; 3] = ["sql", "poems", "maths"];

fn adapted() -> SimHandle {
    start(SimConfig {
        lora: ADAPTERS.map(str::to_owned).to_vec(),
        ..quick()
    })
}

fn lora(assignment: LoraAssignment) -> Lora {
    Lora {
        adapters: ADAPTERS.map(str::to_owned).to_vec(),
        assignment,
        seed: 11,
        ..Lora::default()
    }
}

/// What the server counted is what the report says.
fn assert_same_models(server: &SimHandle, report: &Report) {
    let seen = server.stats().models;
    let told = report.per_model.iter();
    let told = told.map(|part| (part.part.name().to_owned(), part.requests.completed));
    assert_eq!(seen, told.collect());
    assert_adds_up(&report.per_model, report);
}

#[tokio::test]
async fn adapters_take_turns_and_a_conversation_keeps_its_own() {
    let server = adapted();
    let builder = run(&server, talks(9, 2)).lora(lora(LoraAssignment::RoundRobin));
    let report = execute(builder.max_concurrency(2)).await;
    for record in &report.records {
        assert!(succeeded(record), "{:?}", record.outcome);
        assert_eq!(u64::from(record.model_index), record.conversation % 3);
    }
    assert!(
        report
            .per_model
            .iter()
            .all(|part| part.requests.completed == 6)
    );
    assert_eq!(report.setup.models, ADAPTERS);
    assert!(report.warnings.is_empty(), "{:?}", report.warnings);
    assert_same_models(&server, &report);
}

#[tokio::test]
async fn a_seed_draws_the_adapters() {
    let mut drawn = Vec::new();
    for _ in 0..2 {
        let server = adapted();
        let builder = run(&server, talks(30, 2)).lora(lora(LoraAssignment::Random));
        let report = execute(builder.max_concurrency(4)).await;
        assert_same_models(&server, &report);
        for turns in report
            .records
            .chunk_by(|a, b| a.conversation == b.conversation)
        {
            assert!(
                turns
                    .iter()
                    .all(|turn| turn.model_index == turns[0].model_index)
            );
        }
        assert!(
            report
                .per_model
                .iter()
                .all(|part| part.requests.completed > 0)
        );
        drawn.push(
            report
                .records
                .iter()
                .map(|r| r.model_index)
                .collect::<Vec<_>>(),
        );
    }
    assert_eq!(drawn[0], drawn[1]);
}

#[tokio::test]
async fn an_adapter_that_the_server_does_not_have() {
    let server = adapted();
    let mut lora = lora(LoraAssignment::RoundRobin);
    lora.adapters.push("cooking".to_owned());
    let error = refusal(run(&server, prompts(4, 2)).lora(lora)).await;
    let RunError::UnknownModel { model, served, .. } = &error else {
        panic!("{error}");
    };
    assert_eq!(model, "cooking");
    assert_eq!(served[1..], ADAPTERS);
    let text = error.to_string();
    assert!(text.contains("cooking") && text.contains("poems"), "{text}");
    // One request to find out.
    assert_eq!(server.stats().requests, 1);
}

#[tokio::test]
async fn an_adapter_answers_in_the_name_that_was_asked_for() {
    let server = adapted();
    let one = Lora {
        adapters: vec!["poems".to_owned()],
        ..Lora::default()
    };
    let conversation = Conversation::single(0, Prompt::Text("a rhyme".into()), None, 3);
    let report = execute(run(&server, vec![conversation]).lora(one)).await;
    assert_eq!(report.summary.requests.completed, 1);
    assert!(report.per_model.is_empty(), "one model needs no breakdown");
    assert_eq!(report.setup.models, ["poems"]);
    assert!(report.warnings.is_empty(), "{:?}", report.warnings);
    assert_eq!(server.stats().models["poems"], 1);
}
