//! How much of the prompts came from the servers' prefix caches, and how much should have.

use bench_types::{PrefixCacheCounts, RequestKind, RequestRecord, RunFacts};
use serde::{Deserialize, Serialize};

use crate::slo::ratio;

/// How much of the prompts came from the servers' prefix caches. Rates are shares of the prompt
/// tokens, 0 to 1; `None` where nobody tells.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct PrefixCache {
    /// What an unlimited cache that was empty before would have had, by the prompts alone: of
    /// completed requests whose prompts can be compared.
    pub expected_hit_rate: Option<f64>,
    /// What the servers said with their answers: of completed requests. Servers leave a zero
    /// out, so that none is told if no answer names a number.
    pub usage_hit_rate: Option<f64>,
    /// By the counters under the servers' `/metrics`: of all prompts between the readings.
    pub metrics_hit_rate: Option<f64>,
    /// The measured rate that is held against the expected one: that of the answers, else of the
    /// counters, of the requests that the expected one is of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub compared_hit_rate: Option<f64>,
    /// By how much, as a share of the prompt tokens, a measured rate may be off the expected
    /// one: a twentieth, and two blocks of 16 tokens for each request.
    pub tolerance: Option<f64>,
    /// How what was measured differs from what was expected by more than that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub differs: Option<CacheDifference>,
    /// The counters of each server that has any.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub servers: Vec<PrefixCacheCounts>,
}

/// How a measured hit rate differs from the expected one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CacheDifference {
    /// More came from the cache than the prompts of this run account for.
    Warmer,
    /// Less came from the cache than the prompts would have allowed.
    Colder,
}

/// The part of [`PrefixCache::tolerance`] that does not depend on the length of the prompts.
const SHARE: f64 = 0.05;
/// The part for each request: a block that is cut off and one that a chat template adds.
const TOKENS: f64 = 32.0;

/// Sums over completed requests.
#[derive(Clone, Copy, Debug, Default)]
struct Sums {
    requests: u64,
    prompt: u64,
    cached: u64,
    expected: u64,
}

impl Sums {
    fn of<'a>(records: impl Iterator<Item = &'a RequestRecord>) -> Sums {
        records.fold(Sums::default(), |sums, record| Sums {
            requests: sums.requests + 1,
            prompt: sums.prompt + u64::from(record.prompt_tokens),
            cached: sums.cached + u64::from(record.cached_tokens.unwrap_or(0)),
            expected: sums.expected + u64::from(record.expected_cached_tokens.unwrap_or(0)),
        })
    }

    fn share(&self, tokens: u64) -> f64 {
        ratio(tokens as f64, self.prompt as f64)
    }
}

impl PrefixCache {
    /// Reads the measured requests of a run; `None` if nothing is known of any cache.
    pub fn of<'a>(
        records: impl IntoIterator<Item = &'a RequestRecord>,
        facts: &RunFacts,
    ) -> Option<PrefixCache> {
        let completed = records
            .into_iter()
            .filter(|record| record.kind == RequestKind::Load && record.outcome.is_success());
        let completed: Vec<&RequestRecord> = completed.collect();
        let told = completed
            .iter()
            .any(|record| record.cached_tokens.is_some());
        let comparable = completed.iter().copied();
        let comparable =
            Sums::of(comparable.filter(|record| record.expected_cached_tokens.is_some()));
        let all = Sums::of(completed.iter().copied());

        let expected = (comparable.prompt > 0).then(|| comparable.share(comparable.expected));
        let metrics = by_metrics(&facts.prefix_caches);
        let usage = (told && all.prompt > 0).then(|| all.share(all.cached));
        expected.or(metrics).or(usage)?;
        let tolerance = SHARE
            + ratio(
                TOKENS * comparable.requests as f64,
                comparable.prompt as f64,
            );
        // The counters have a warm-up in them that goes over into the measured load.
        let alone = facts.warm_up.is_none_or(|warm_up| warm_up.apart);
        // Of the same requests as the expected rate.
        let measured = match usage {
            Some(_) => Some(comparable.share(comparable.cached)),
            None => metrics.filter(|_| alone && comparable.requests == all.requests),
        };
        let compared = measured.filter(|_| expected.is_some());
        let off = compared
            .zip(expected)
            .map(|(measured, expected)| measured - expected);
        Some(PrefixCache {
            expected_hit_rate: expected,
            usage_hit_rate: usage,
            metrics_hit_rate: metrics,
            compared_hit_rate: compared,
            tolerance: expected.map(|_| tolerance),
            differs: match off {
                Some(off) if off > tolerance => Some(CacheDifference::Warmer),
                Some(off) if off < -tolerance => Some(CacheDifference::Colder),
                _ => None,
            },
            servers: facts.prefix_caches.clone(),
        })
    }

    /// What the user should know if the cache did not do what the prompts let expect.
    pub fn warning(&self) -> Option<String> {
        let percent = |rate: f64| format!("{:.1} %", rate * 100.0);
        let measured = percent(self.compared_hit_rate?);
        let expected = percent(self.expected_hit_rate?);
        Some(match self.differs? {
            CacheDifference::Warmer => format!(
                "{measured} of the prompt tokens came from the prefix cache, and the prompts of \
                 this run account for {expected}: the cache was warm from an earlier run or from \
                 the warm-up, so that latencies are better than those of new prompts; empty it \
                 with --reset-prefix-cache, and send new prompts in each run (no --fixed-prompts)"
            ),
            CacheDifference::Colder => format!(
                "{measured} of the prompt tokens came from the prefix cache, and the prompts of \
                 this run would have allowed {expected}: the cache is switched off or too small, \
                 several caches share the load, or prompts with the same beginning were under \
                 way at the same time"
            ),
        })
    }
}

fn by_metrics(servers: &[PrefixCacheCounts]) -> Option<f64> {
    let queried: u64 = servers.iter().map(|server| server.queried_tokens).sum();
    let hits: u64 = servers.iter().map(|server| server.hit_tokens).sum();
    (queried > 0).then(|| ratio(hits as f64, queried as f64))
}
