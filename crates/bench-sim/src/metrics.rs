//! What `GET /metrics` tells, under the names that vLLM uses or under those of SGLang.

use std::fmt::Write as _;

use bench_types::Nanos;

use crate::engine::Load;

const TTFT: &[f64] = &[
    0.001, 0.005, 0.01, 0.02, 0.04, 0.06, 0.08, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0,
    20.0, 40.0, 80.0, 160.0, 640.0, 2560.0,
];
const PER_TOKEN: &[f64] = &[
    0.01, 0.025, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0, 20.0,
    40.0, 80.0,
];
const WHOLE: &[f64] = &[
    0.3, 0.5, 0.8, 1.0, 1.5, 2.0, 2.5, 5.0, 10.0, 15.0, 20.0, 30.0, 40.0, 50.0, 60.0, 120.0, 240.0,
    480.0, 960.0, 1920.0, 7680.0,
];
const TOKENS: &[f64] = &[
    1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0, 200.0, 500.0, 1000.0, 2000.0, 5000.0, 10_000.0,
    20_000.0,
];

/// Finish reasons in the order in which they are listed.
const REASONS: [&str; 3] = ["stop", "length", "abort"];

#[derive(Debug)]
struct Histogram {
    name: &'static str,
    help: &'static str,
    bounds: &'static [f64],
    /// Per bucket, the one beyond the last bound included.
    counts: Vec<u64>,
    sum: f64,
}

impl Histogram {
    fn new(name: &'static str, help: &'static str, bounds: &'static [f64]) -> Histogram {
        Histogram {
            name,
            help,
            bounds,
            counts: vec![0; bounds.len() + 1],
            sum: 0.0,
        }
    }

    fn observe(&mut self, value: f64) {
        self.counts[self.bounds.partition_point(|bound| *bound < value)] += 1;
        self.sum += value;
    }

    fn render(&self, labels: &str, out: &mut String) {
        let Histogram {
            name,
            help,
            bounds,
            counts,
            sum,
        } = self;
        // Writing to a string cannot fail.
        let _ = writeln!(out, "# HELP {name} {help}\n# TYPE {name} histogram");
        let mut total = 0;
        for (count, bound) in counts.iter().zip(bounds.iter().map(Some).chain([None])) {
            total += count;
            let le = bound.map_or("+Inf".to_owned(), |bound| format!("{bound:?}"));
            let _ = writeln!(out, "{name}_bucket{{{labels},le=\"{le}\"}} {total}.0");
        }
        let _ = writeln!(out, "{name}_count{{{labels}}} {total}.0");
        let _ = writeln!(out, "{name}_sum{{{labels}}} {sum:?}");
    }
}

/// What is known of a sequence when it ends.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Finished {
    pub(crate) reason: &'static str,
    pub(crate) arrived: Nanos,
    pub(crate) admitted: Nanos,
    pub(crate) first: Nanos,
    pub(crate) last: Nanos,
    pub(crate) prompt_tokens: u32,
    pub(crate) output_tokens: u32,
}

/// Counters and histograms of a server.
#[derive(Debug)]
pub(crate) struct Metrics {
    prompt_tokens: u64,
    generation_tokens: u64,
    finished: [u64; REASONS.len()],
    ttft: Histogram,
    itl: Histogram,
    tpot: Histogram,
    e2e: Histogram,
    queue: Histogram,
    prefill: Histogram,
    decode: Histogram,
    request_prompt: Histogram,
    request_generation: Histogram,
}

impl Metrics {
    pub(crate) fn new() -> Metrics {
        let new = Histogram::new;
        Metrics {
            prompt_tokens: 0,
            generation_tokens: 0,
            finished: [0; REASONS.len()],
            ttft: new(
                "vllm:time_to_first_token_seconds",
                "Histogram of time to first token in seconds.",
                TTFT,
            ),
            itl: new(
                "vllm:inter_token_latency_seconds",
                "Histogram of inter-token latency in seconds.",
                PER_TOKEN,
            ),
            tpot: new(
                "vllm:request_time_per_output_token_seconds",
                "Histogram of time_per_output_token_seconds per request.",
                PER_TOKEN,
            ),
            e2e: new(
                "vllm:e2e_request_latency_seconds",
                "Histogram of e2e request latency in seconds.",
                WHOLE,
            ),
            queue: new(
                "vllm:request_queue_time_seconds",
                "Histogram of time spent in WAITING phase for request.",
                WHOLE,
            ),
            prefill: new(
                "vllm:request_prefill_time_seconds",
                "Histogram of time spent in PREFILL phase for request.",
                WHOLE,
            ),
            decode: new(
                "vllm:request_decode_time_seconds",
                "Histogram of time spent in DECODE phase for request.",
                WHOLE,
            ),
            request_prompt: new(
                "vllm:request_prompt_tokens",
                "Number of prefill tokens processed.",
                TOKENS,
            ),
            request_generation: new(
                "vllm:request_generation_tokens",
                "Number of generation tokens processed.",
                TOKENS,
            ),
        }
    }

    /// The first tokens of a sequence.
    pub(crate) fn first(&mut self, ttft: Nanos, prompt_tokens: u32) {
        self.prompt_tokens += u64::from(prompt_tokens);
        self.ttft.observe(ttft.as_secs_f64());
    }

    /// Later tokens of a sequence, `gap` after the ones before.
    pub(crate) fn next(&mut self, gap: Nanos) {
        self.itl.observe(gap.as_secs_f64());
    }

    /// Any tokens.
    pub(crate) fn tokens(&mut self, tokens: u32) {
        self.generation_tokens += u64::from(tokens);
    }

    /// The end of a sequence.
    pub(crate) fn finish(&mut self, f: Finished) {
        if let Some(i) = REASONS.iter().position(|reason| *reason == f.reason) {
            self.finished[i] += 1;
        }
        if f.output_tokens == 0 {
            return;
        }
        self.e2e.observe(f.last.since(f.arrived).as_secs_f64());
        self.queue
            .observe(f.admitted.since(f.arrived).as_secs_f64());
        self.prefill
            .observe(f.first.since(f.admitted).as_secs_f64());
        let decode = f.last.since(f.first).as_secs_f64();
        self.decode.observe(decode);
        if f.output_tokens > 1 {
            self.tpot.observe(decode / f64::from(f.output_tokens - 1));
        }
        self.request_prompt.observe(f64::from(f.prompt_tokens));
        self.request_generation.observe(f64::from(f.output_tokens));
    }

    /// Prometheus text of SGLang: how busy it is, and what it counts of tokens.
    pub(crate) fn render_sglang(&self, model: &str, load: &Load) -> String {
        let labels = format!("engine_type=\"unified\",model_name={model:?}");
        let device = format!("cache_source=\"device\",{labels}");
        let rate = load.prefix_hits as f64 / load.prefix_queries.max(1) as f64;
        let metrics = [
            (
                "gauge",
                "num_running_reqs",
                "Running requests.",
                &labels,
                load.running as f64,
            ),
            (
                "gauge",
                "num_queue_reqs",
                "Waiting requests.",
                &labels,
                load.waiting as f64,
            ),
            (
                "gauge",
                "token_usage",
                "Share of the KV cache in use.",
                &labels,
                load.kv_usage,
            ),
            (
                "gauge",
                "cache_hit_rate",
                "Prefix cache hit rate.",
                &labels,
                rate,
            ),
            (
                "counter",
                "prompt_tokens_total",
                "Prompt tokens.",
                &labels,
                self.prompt_tokens as f64,
            ),
            (
                "counter",
                "generation_tokens_total",
                "Generated tokens.",
                &labels,
                self.generation_tokens as f64,
            ),
            (
                "counter",
                "cached_tokens_total",
                "Prompt tokens from the cache.",
                &device,
                load.prefix_hits as f64,
            ),
        ];
        let mut out = String::new();
        for (kind, name, help, labels, value) in metrics {
            // Writing to a string cannot fail.
            let _ = writeln!(
                out,
                "# HELP sglang:{name} {help}\n# TYPE sglang:{name} {kind}\nsglang:{name}{{{labels}}} {value:?}"
            );
        }
        out
    }

    /// Prometheus text.
    pub(crate) fn render(&self, model: &str, load: &Load) -> String {
        let labels = format!("engine=\"0\",model_name={model:?}");
        let mut out = String::with_capacity(16 << 10);
        let mut single = |kind: &str, name: &str, help: &str, value: f64| {
            let _ = writeln!(
                out,
                "# HELP vllm:{name} {help}\n# TYPE vllm:{name} {kind}\nvllm:{name}{{{labels}}} {value:?}"
            );
        };
        let running = "Number of requests in model execution batches.";
        single(
            "gauge",
            "num_requests_running",
            running,
            load.running as f64,
        );
        let waiting = "Number of requests waiting to be processed.";
        single(
            "gauge",
            "num_requests_waiting",
            waiting,
            load.waiting as f64,
        );
        let usage = "KV-cache usage. 1 means 100 percent usage.";
        single("gauge", "kv_cache_usage_perc", usage, load.kv_usage);
        let queries = "Prefix cache queries, in terms of number of queried tokens.";
        single(
            "counter",
            "prefix_cache_queries_total",
            queries,
            load.prefix_queries as f64,
        );
        let hits = "Prefix cache hits, in terms of number of cached tokens.";
        single(
            "counter",
            "prefix_cache_hits_total",
            hits,
            load.prefix_hits as f64,
        );
        let preemptions = "Cumulative number of preemption from the engine.";
        single(
            "counter",
            "num_preemptions_total",
            preemptions,
            load.preemptions as f64,
        );
        let prompt = "Number of prefill tokens processed.";
        single(
            "counter",
            "prompt_tokens_total",
            prompt,
            self.prompt_tokens as f64,
        );
        let generated = "Number of generation tokens processed.";
        single(
            "counter",
            "generation_tokens_total",
            generated,
            self.generation_tokens as f64,
        );
        let name = "vllm:request_success_total";
        let help = "Count of successfully processed requests.";
        let _ = writeln!(out, "# HELP {name} {help}\n# TYPE {name} counter");
        for (reason, count) in REASONS.iter().zip(self.finished) {
            let _ = writeln!(
                out,
                "{name}{{engine=\"0\",finished_reason=\"{reason}\",model_name={model:?}}} {count}.0"
            );
        }
        let histograms = [
            &self.request_prompt,
            &self.request_generation,
            &self.ttft,
            &self.itl,
            &self.tpot,
            &self.e2e,
            &self.queue,
            &self.prefill,
            &self.decode,
        ];
        for histogram in histograms {
            histogram.render(&labels, &mut out);
        }
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buckets_are_cumulative_and_bounds_inclusive() {
        let mut histogram = Histogram::new("h", "help", &[0.5, 1.0]);
        for value in [0.25, 0.5, 0.75, 4.0] {
            histogram.observe(value);
        }
        let mut out = String::new();
        histogram.render("a=\"b\"", &mut out);
        let expected = "# HELP h help\n# TYPE h histogram\n\
                        h_bucket{a=\"b\",le=\"0.5\"} 2.0\n\
                        h_bucket{a=\"b\",le=\"1.0\"} 3.0\n\
                        h_bucket{a=\"b\",le=\"+Inf\"} 4.0\n\
                        h_count{a=\"b\"} 4.0\n\
                        h_sum{a=\"b\"} 5.5\n";
        assert_eq!(out, expected);
    }
}
