//! What the servers count of their prefix caches, read right before and right after the
//! measured load.

use bench_http::Target;
use bench_types::PrefixCacheCounts;
use tokio::task::JoinSet;

use crate::probe::Asker;

/// Where servers show their counters: most at the first, TensorRT-LLM at the second.
pub(crate) const METRICS_ROUTES: &[&str] = &["/metrics", "/prometheus/metrics"];

/// Counters of one engine: tokens looked up in the prefix cache, and tokens found.
struct Names {
    queried: &'static str,
    hits: &'static str,
}

const ENGINES: &[Names] = &[
    // vLLM
    Names {
        queried: "vllm:prefix_cache_queries_total",
        hits: "vllm:prefix_cache_hits_total",
    },
    // Older versions of vLLM
    Names {
        queried: "vllm:gpu_prefix_cache_queries_total",
        hits: "vllm:gpu_prefix_cache_hits_total",
    },
    // SGLang, which counts what it found by where it was
    Names {
        queried: "sglang:prompt_tokens_total",
        hits: "sglang:cached_tokens_total",
    },
    // TensorRT-LLM
    Names {
        queried: "trtllm_prompt_tokens_total",
        hits: "trtllm_prompt_cached_tokens_total",
    },
];

/// The counters of all servers before the load; `None` for those that show none.
pub(crate) struct PrefixCaches(Vec<Option<Reading>>);

/// What the counters of a server stood at.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Reading {
    queried: f64,
    hits: f64,
}

impl PrefixCaches {
    /// Reads the counters before the load.
    pub(crate) async fn before(targets: &[Target], asker: &Asker) -> PrefixCaches {
        PrefixCaches(read_all(targets, asker).await)
    }

    /// Reads them again: what each server counted in between. A server that was restarted, so
    /// that its counters began anew, is left out.
    pub(crate) async fn after(self, targets: &[Target], asker: &Asker) -> Vec<PrefixCacheCounts> {
        // Those that had no counters before have none to subtract from.
        if self.0.iter().all(Option::is_none) {
            return Vec::new();
        }
        let after = read_all(targets, asker).await;
        let pairs = self.0.into_iter().zip(after).zip(0..);
        let counts = pairs.filter_map(|((before, after), server_index)| {
            let (before, after) = (before?, after?);
            let queried = after.queried - before.queried;
            let hits = after.hits - before.hits;
            (queried >= 0.0 && hits >= 0.0).then_some(PrefixCacheCounts {
                server_index,
                queried_tokens: queried as u64,
                hit_tokens: hits as u64,
            })
        });
        counts.collect()
    }
}

/// Reads the counters of all servers at once.
async fn read_all(targets: &[Target], asker: &Asker) -> Vec<Option<Reading>> {
    let mut asked = JoinSet::new();
    for (place, target) in targets.iter().cloned().enumerate() {
        let asker = asker.clone();
        asked.spawn(async move { (place, read(&target, &asker).await) });
    }
    let mut readings = vec![None; targets.len()];
    for (place, reading) in asked.join_all().await {
        readings[place] = reading;
    }
    readings
}

async fn read(target: &Target, asker: &Asker) -> Option<Reading> {
    for path in METRICS_ROUTES {
        if let Some(reading) = asker.text(target, path).await.as_deref().and_then(parse) {
            return Some(reading);
        }
    }
    None
}

/// The counters of the engine that has any, from a text in the format of Prometheus.
fn parse(text: &str) -> Option<Reading> {
    ENGINES.iter().find_map(|names| {
        let queried = sum(text, names.queried)?;
        // An engine that has found nothing yet may not show that counter.
        let hits = sum(text, names.hits).unwrap_or(0.0);
        Some(Reading { queried, hits })
    })
}

/// The sum of a counter over all its labels: those of several engines, models or places. `None`
/// if there is no such counter.
fn sum(text: &str, name: &str) -> Option<f64> {
    let values = text.lines().filter_map(|line| {
        let rest = line.trim_start().strip_prefix(name)?;
        let rest = match rest.strip_prefix('{') {
            // The value of a label may have a brace in it, a number has none.
            Some(labels) => &labels[labels.rfind('}')? + 1..],
            None if rest.starts_with([' ', '\t']) => rest,
            None => return None,
        };
        // A time may follow.
        rest.split_whitespace().next()?.parse::<f64>().ok()
    });
    values
        .filter(|value| value.is_finite())
        .reduce(|a, b| a + b)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counters_of_all_labels_are_added() {
        let text = "# HELP vllm:prefix_cache_queries_total Prefix cache queries.\n\
                    # TYPE vllm:prefix_cache_queries_total counter\n\
                    vllm:prefix_cache_queries_total{engine=\"0\",model_name=\"a}b 7\"} 1.5e+03\n\
                    vllm:prefix_cache_queries_total{engine=\"1\",model_name=\"a\"} 500.0 1795296193\n\
                    vllm:prefix_cache_queries_created{engine=\"0\"} 1.7e+09\n\
                    vllm:prefix_cache_hits_total{engine=\"0\",model_name=\"a\"} 256.0\n";
        let reading = Reading {
            queried: 2000.0,
            hits: 256.0,
        };
        assert_eq!(parse(text), Some(reading));
    }

    #[test]
    fn each_engine_is_known_by_its_names() {
        let sglang = "sglang:prompt_tokens_total{model_name=\"m\"} 100\n\
                      sglang:cached_tokens_total{model_name=\"m\",cache_source=\"device\"} 30\n\
                      sglang:cached_tokens_total{model_name=\"m\",cache_source=\"host\"} 12\n";
        let read = |text| parse(text).map(|reading| (reading.queried, reading.hits));
        assert_eq!(read(sglang), Some((100.0, 42.0)));
        assert_eq!(read("trtllm_prompt_tokens_total 64\n"), Some((64.0, 0.0)));
        for text in [
            "",
            "<html>",
            "{\"iteration\": 1}",
            "sglang:prompt_tokens_total_more 1\n",
            "sglang:prompt_tokens_total{broken 1\n",
            "sglang:prompt_tokens_total NaN\n",
        ] {
            assert_eq!(read(text), None, "{text}");
        }
    }
}
