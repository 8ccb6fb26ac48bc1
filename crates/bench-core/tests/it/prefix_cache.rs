//! What came from the prefix caches of the servers, and what was to be expected.

use std::time::Duration;

use bench_core::Control;
use bench_core::metrics::{CacheDifference, PrefixCache};
use bench_core::report::Report;
use bench_core::types::{Conversation, History, Prompt, Turn};
use bench_sim::{Flavour, SimConfig};

use super::{PATIENCE, execute, quick, run, start, succeeded};

/// Prompts of token ids: 64 that all have in common, and 64 of their own from `from` on.
fn prompts(count: u32, from: u32) -> Vec<Conversation> {
    let prompt = |id: u32| {
        let own = from + id * 64;
        let ids: Vec<u32> = (0..64).chain(own..own + 64).collect();
        Conversation::single(u64::from(id), Prompt::TokenIds(ids.into()), Some(128), 2)
    };
    (0..count).map(prompt).collect()
}

fn telling(engine: Flavour) -> SimConfig {
    SimConfig {
        engine,
        prompt_tokens_details: true,
        ..quick()
    }
}

fn cache(report: &Report) -> &PrefixCache {
    assert!(report.records.iter().all(succeeded));
    report.cache.as_ref().expect("something is known")
}

#[tokio::test]
async fn what_is_expected_is_what_an_empty_cache_does() {
    for engine in [Flavour::Vllm, Flavour::Sglang] {
        let server = start(telling(engine));
        let report = execute(run(&server, prompts(8, 1000)).max_concurrency(1)).await;
        let expected: Vec<_> = report
            .records
            .iter()
            .map(|r| r.expected_cached_tokens)
            .collect();
        assert_eq!(expected[..2], [Some(0), Some(64)]);
        let cache = cache(&report);
        let share = 7.0 * 64.0 / (8.0 * 128.0);
        assert_eq!(cache.expected_hit_rate, Some(share), "{engine:?}");
        assert_eq!(cache.usage_hit_rate, Some(share), "{engine:?}");
        assert_eq!(cache.metrics_hit_rate, Some(share), "{engine:?}");
        assert_eq!(cache.servers[0].queried_tokens, 8 * 128);
        assert_eq!((cache.differs, &report.warnings), (None, &Vec::new()));
    }
}

#[tokio::test]
async fn prompts_that_go_round_are_known_whole() {
    let server = start(telling(Flavour::Vllm));
    let builder = run(&server, prompts(2, 1000)).max_concurrency(1);
    let report = execute(builder.duration(Duration::from_millis(500)).grace(PATIENCE)).await;
    assert!(report.records.len() > 4, "{}", report.records.len());
    for record in &report.records {
        let expected = match record.id {
            0 => 0,
            1 => 64,
            // But for the block with the last token.
            _ => 112,
        };
        assert_eq!(record.expected_cached_tokens, Some(expected));
    }
    let cache = cache(&report);
    assert_eq!(cache.usage_hit_rate, cache.expected_hit_rate);
    assert_eq!(cache.metrics_hit_rate, cache.expected_hit_rate);
    assert_eq!(cache.differs, None);
}

#[tokio::test]
async fn prompts_that_go_round_come_to_other_servers() {
    let fleet = [start(telling(Flavour::Vllm)), start(telling(Flavour::Vllm))];
    let builder = run(&fleet[0], prompts(3, 1000)).also_at([fleet[1].url()]);
    let builder = builder.max_concurrency(1).grace(PATIENCE);
    let report = execute(builder.duration(Duration::from_millis(500))).await;
    assert!(report.records.len() > 6, "{}", report.records.len());
    for record in &report.records {
        let expected = match record.id {
            0 | 1 => Some(0),
            2 => Some(64),
            // Each goes to the server that it did not go to before.
            3..6 => None,
            _ => Some(112),
        };
        assert_eq!(record.expected_cached_tokens, expected, "{}", record.id);
    }
}

#[tokio::test]
async fn what_is_answered_in_a_later_round_is_not_known() {
    let server = start(telling(Flavour::Vllm));
    let turn = |_| {
        Turn::new(
            Prompt::Text("one two three ".repeat(30).into()),
            Some(90),
            4,
        )
    };
    let conversation = Conversation {
        history: History::Live,
        ..Conversation::of_turns(0, (0..2).map(turn).collect())
    };
    let builder = run(&server, vec![conversation]).max_concurrency(1);
    let report = execute(builder.duration(Duration::from_millis(500)).grace(PATIENCE)).await;
    let expected = |id: usize| report.records[id].expected_cached_tokens;
    assert_eq!((expected(0), expected(2)), (Some(0), Some(80)));
    assert!(expected(1) > Some(0), "what was said in the first turn");
    assert_eq!(expected(3), None);
    assert_eq!(cache(&report).differs, None);
}

#[tokio::test]
async fn a_warm_cache_is_told_and_emptying_it_helps() {
    // It says nothing with its answers: only its counters tell.
    let server = start(SimConfig {
        prompt_tokens_details: false,
        ..telling(Flavour::Vllm)
    });
    let again = || run(&server, prompts(8, 1000)).max_concurrency(1);
    execute(again()).await;
    let warm = execute(again()).await;
    assert_eq!(cache(&warm).differs, Some(CacheDifference::Warmer));
    let told = warm.warnings.join("\n");
    assert!(told.contains("--reset-prefix-cache"), "{told}");
    let resetting = Control {
        reset_cache: true,
        ..Control::default()
    };
    let emptied = execute(again().control(resetting)).await;
    assert_eq!(
        (cache(&emptied).differs, &emptied.warnings),
        (None, &Vec::new())
    );
}

#[tokio::test]
async fn a_cache_that_is_switched_off_is_told() {
    let server = start(SimConfig {
        prefix_cache: false,
        ..telling(Flavour::Vllm)
    });
    let report = execute(run(&server, prompts(8, 1000)).max_concurrency(1)).await;
    assert_eq!(cache(&report).differs, Some(CacheDifference::Colder));
    assert!(
        report.warnings[0].contains("switched off"),
        "{:?}",
        report.warnings
    );
}

#[tokio::test]
async fn servers_have_caches_of_their_own() {
    let fleet = [start(telling(Flavour::Vllm)), start(telling(Flavour::Vllm))];
    let builder = run(&fleet[0], prompts(8, 1000)).also_at([fleet[1].url()]);
    let report = execute(builder.max_concurrency(1)).await;
    let cache = cache(&report);
    // The first prompt at each of the two finds nothing.
    assert_eq!(cache.expected_hit_rate, Some(6.0 * 64.0 / (8.0 * 128.0)));
    assert_eq!(cache.metrics_hit_rate, cache.expected_hit_rate);
    let hits: Vec<u64> = cache
        .servers
        .iter()
        .map(|server| server.hit_tokens)
        .collect();
    assert_eq!(hits, [3 * 64; 2]);
}

#[tokio::test]
async fn the_classes_of_a_mixed_workload_are_told_apart() {
    let server = start(quick());
    let mut mixed = prompts(6, 1000);
    for (conversation, class) in mixed
        .iter_mut()
        .zip(["chat", "code", "chat"].iter().cycle())
    {
        conversation.class = Some((*class).into());
    }
    let report = execute(run(&server, mixed)).await;
    assert_eq!(report.setup.classes, ["chat", "code"]);
    let sent: Vec<_> = report
        .per_class
        .iter()
        .map(|part| (part.part.name(), part.requests.completed))
        .collect();
    assert_eq!(sent, [("chat", 4), ("code", 2)]);
}
