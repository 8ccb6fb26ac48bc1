//! Rates by hand.

use bench_metrics::{CacheDifference, PrefixCache};
use bench_types::{Failure, MarkKind, PrefixCacheCounts, RequestKind, RequestRecord, RunFacts};

use crate::make::{failed, record};

fn request(id: u64, cached: Option<u32>, expected: Option<u32>) -> RequestRecord {
    RequestRecord {
        prompt_tokens: 1000,
        cached_tokens: cached,
        expected_cached_tokens: expected,
        ..record(id, &[(3, MarkKind::Text, 1)])
    }
}

fn counted(queried_tokens: u64, hit_tokens: u64) -> RunFacts {
    let counts = PrefixCacheCounts {
        server_index: 0,
        queried_tokens,
        hit_tokens,
    };
    RunFacts {
        prefix_caches: vec![counts],
        ..RunFacts::default()
    }
}

fn read(records: &[RequestRecord], facts: &RunFacts) -> PrefixCache {
    PrefixCache::of(records, facts).expect("something is known")
}

#[test]
fn rates_are_shares_of_the_prompt_tokens() {
    let records = [
        request(0, None, Some(0)),
        request(1, Some(480), Some(496)),
        request(2, Some(32), Some(0)),
        request(3, Some(512), Some(496)),
    ];
    let cache = read(&records, &counted(4100, 1025));
    assert_eq!(cache.expected_hit_rate, Some(0.248));
    assert_eq!(
        cache.usage_hit_rate,
        Some(0.256),
        "no number is a zero here"
    );
    assert_eq!(cache.metrics_hit_rate, Some(0.25));
    assert!((cache.tolerance.expect("known") - 0.082).abs() < 1e-12);
    assert_eq!(cache.differs, None);
    assert_eq!(cache.warning(), None);
}

#[test]
fn what_is_not_known_is_not_zero() {
    let unknown = [request(0, None, None)];
    assert_eq!(PrefixCache::of(&unknown, &RunFacts::default()), None);
    let expected = read(&[request(0, None, Some(0))], &RunFacts::default());
    assert_eq!(expected.compared_hit_rate, None);
    assert_eq!(
        (expected.expected_hit_rate, expected.differs),
        (Some(0.0), None)
    );
    let measured = read(&unknown, &counted(100, 50));
    assert_eq!(measured.metrics_hit_rate, Some(0.5));
    assert_eq!((measured.tolerance, measured.differs), (None, None));
    assert_eq!(
        read(&[request(0, None, Some(0))], &counted(0, 0)).metrics_hit_rate,
        None
    );
}

#[test]
fn a_cache_that_is_warmer_or_colder_is_told() {
    let warm = read(&[request(0, Some(960), Some(0))], &RunFacts::default());
    assert_eq!(warm.differs, Some(CacheDifference::Warmer));
    let told = warm.warning().expect("a warning");
    for part in ["96.0 %", "0.0 %", "--reset-prefix-cache", "--fixed-prompts"] {
        assert!(told.contains(part), "{told}");
    }
    let cold = read(&[request(0, None, Some(496))], &counted(1000, 0));
    assert_eq!(cold.differs, Some(CacheDifference::Colder));
    assert!(cold.warning().expect("a warning").contains("switched off"));
    // Within a twentieth and two blocks.
    let near = read(&[request(0, Some(80), Some(0))], &RunFacts::default());
    assert_eq!(near.differs, None);
}

#[test]
fn only_measured_requests_that_ended_well_count() {
    let warm_up = RequestRecord {
        kind: RequestKind::WarmUp,
        ..request(0, Some(960), Some(0))
    };
    let probe = RequestRecord {
        kind: RequestKind::Probe,
        ..warm_up.clone()
    };
    let lost = RequestRecord {
        cached_tokens: Some(960),
        expected_cached_tokens: Some(0),
        ..failed(1, Failure::NoTokens)
    };
    let records = [warm_up, probe, lost, request(2, Some(0), Some(0))];
    let cache = read(&records, &RunFacts::default());
    assert_eq!((cache.usage_hit_rate, cache.differs), (Some(0.0), None));
}

#[test]
fn what_cannot_be_compared_is_not() {
    // One of two prompts is a picture: nothing can be expected of it.
    let records = [request(0, Some(0), Some(0)), request(1, Some(960), None)];
    let cache = read(&records, &RunFacts::default());
    assert_eq!(cache.usage_hit_rate, Some(0.48));
    assert_eq!((cache.expected_hit_rate, cache.differs), (Some(0.0), None));
    assert_eq!(cache.compared_hit_rate, Some(0.0));
    // What is told is what was compared.
    let records = [request(0, Some(960), Some(0)), request(1, Some(0), None)];
    let told = read(&records, &RunFacts::default()).warning();
    let told = told.expect("a warning");
    assert!(told.starts_with("96.0 %"), "{told}");
    // The counters cannot tell the two apart.
    let records = [request(0, None, Some(0)), request(1, None, None)];
    assert_eq!(read(&records, &counted(2000, 960)).differs, None);
}
