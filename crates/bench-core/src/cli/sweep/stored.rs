//! What the result file of a point says.

use std::fs::File;
use std::io::BufReader;
use std::path::Path;

use serde::Deserialize;
use serde_json::Value;

use super::super::RunOptions;

/// The part of a result that a sweep needs. The rest of the file is passed over.
#[derive(Clone, Debug, Default, Deserialize)]
pub(super) struct Stored {
    #[serde(default)]
    pub(super) completed: u64,
    #[serde(default)]
    pub(super) failed: u64,
    pub(super) request_throughput: Option<f64>,
    pub(super) output_throughput: Option<f64>,
    pub(super) median_ttft_ms: Option<f64>,
    pub(super) p99_ttft_ms: Option<f64>,
    pub(super) median_tpot_ms: Option<f64>,
    pub(super) p99_tpot_ms: Option<f64>,
    pub(super) median_e2el_ms: Option<f64>,
    pub(super) p99_e2el_ms: Option<f64>,
    pub(super) bench: Option<StoredBench>,
}

/// Of what this toolkit adds to a result.
#[derive(Clone, Debug, Default, Deserialize)]
pub(super) struct StoredBench {
    pub(super) partial: bool,
    #[serde(default)]
    pub(super) simulated: bool,
    #[serde(default)]
    pub(super) self_audit: StoredAudit,
    pub(super) options: Value,
}

/// Of what the client says about itself.
#[derive(Clone, Debug, Default, Deserialize)]
pub(super) struct StoredAudit {
    #[serde(default)]
    pub(super) client_limited: Option<bool>,
}

impl Stored {
    /// Reads the result at `path`.
    ///
    /// # Errors
    /// Why it is none, as a part of a sentence.
    pub(super) fn read(path: &Path) -> Result<Stored, String> {
        let file = File::open(path).map_err(|error| error.to_string())?;
        serde_json::from_reader(BufReader::with_capacity(1 << 16, file))
            .map_err(|error| format!("it is no result: {error}"))
    }

    /// Whether the run was stopped before its end.
    pub(super) fn is_partial(&self) -> bool {
        self.bench.as_ref().is_some_and(|bench| bench.partial)
    }

    /// Whether the server was the built-in simulator.
    pub(super) fn is_simulated(&self) -> bool {
        self.bench.as_ref().is_some_and(|bench| bench.simulated)
    }

    /// Whether the client was the limit, not the server.
    pub(super) fn is_client_limited(&self) -> bool {
        let audit = self.bench.as_ref().map(|bench| &bench.self_audit);
        audit.is_some_and(|audit| audit.client_limited == Some(true))
    }

    /// Failed requests as a share of all; 0 if there were none.
    pub(super) fn failure_rate(&self) -> f64 {
        match self.completed + self.failed {
            0 => 0.0,
            all => self.failed as f64 / all as f64,
        }
    }

    /// Why a run with `options` would not give this result, if it would not.
    pub(super) fn differs(&self, options: &RunOptions) -> Option<String> {
        let Some(bench) = &self.bench else {
            return Some("it does not say with which options it was measured".to_owned());
        };
        if self.is_partial() {
            return Some("it is partial".to_owned());
        }
        if self.completed == 0 {
            return Some("all its requests failed".to_owned());
        }
        // An older result lacks newer options, which had their defaults then.
        let before: RunOptions = match serde_json::from_value(bench.options.clone()) {
            Ok(options) => options,
            Err(error) => return Some(format!("its options cannot be read: {error}")),
        };
        let changes = changes(&before, options);
        (!changes.is_empty()).then(|| format!("changed: {}", changes.join(", ")))
    }
}

/// Options that say nothing about what is measured.
const ELSEWHERE: [&str; 5] = [
    "result-dir",
    "overwrite",
    "disable-tqdm",
    "no-record-log",
    "grace-period",
];

/// What is not the same in both, as `--flag old -> new`.
fn changes(before: &RunOptions, now: &RunOptions) -> Vec<String> {
    let value = |options| serde_json::to_value(options).unwrap_or_default();
    let (before, now) = (value(before), value(now));
    let Some(keys) = now.as_object() else {
        return Vec::new();
    };
    let changed = keys
        .iter()
        .filter(|(key, now)| !ELSEWHERE.contains(&key.as_str()) && before.get(key) != Some(now));
    let told = |(key, now): (&String, &Value)| {
        let before = before.get(key).map_or_else(String::new, Value::to_string);
        format!("--{key} {before} -> {now}")
    };
    changed.map(told).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stored(options: &Value) -> Stored {
        let result = serde_json::json!({
            "completed": 3, "failed": 1, "tool": "any", "input_lens": [1, 2],
            "bench": { "partial": false, "options": options, "streamed": true },
        });
        serde_json::from_value(result).unwrap()
    }

    #[test]
    fn changed_options_are_named() {
        let mut options = RunOptions::default();
        options.load.num_prompts = Some(7);
        let written = serde_json::to_value(&options).unwrap();
        let stored = stored(&written);
        assert_eq!(stored.failure_rate(), 0.25);
        assert_eq!(stored.differs(&options), None);
        options.result.result_dir = "elsewhere".into();
        assert_eq!(stored.differs(&options), None);
        options.load.num_prompts = Some(8);
        options.load.request_rate = 4.0;
        let told = stored.differs(&options).unwrap();
        assert_eq!(
            told,
            "changed: --num-prompts 7 -> 8, --request-rate \"inf\" -> 4.0"
        );
    }

    #[test]
    fn options_that_came_later_had_their_defaults() {
        assert_eq!(
            stored(&serde_json::json!({})).differs(&RunOptions::default()),
            None
        );
    }

    #[test]
    fn what_is_not_whole_is_measured_again() {
        let options = RunOptions::default();
        let mut cut = stored(&serde_json::json!({}));
        cut.bench.as_mut().unwrap().partial = true;
        assert!(cut.differs(&options).unwrap().contains("partial"));
        let mut failed = stored(&serde_json::json!({}));
        failed.completed = 0;
        assert!(failed.differs(&options).unwrap().contains("failed"));
        assert!(
            Stored::default()
                .differs(&options)
                .unwrap()
                .contains("options")
        );
    }
}
