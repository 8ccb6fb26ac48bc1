//! What a result says of how it came about.

use bench_datasets::fingerprint;
use bench_report::{Provenance, Seeds};
use bench_types::Nanos;
use serde_json::{Map, Value};

use crate::host::host;
use crate::plan::Plan;
use crate::{Description, RunBuilder};

impl RunBuilder {
    /// All that is known before the first request. `server_info` is what each server said.
    pub(crate) fn provenance(&self, plan: &Plan, server_info: &Map<String, Value>) -> Provenance {
        let Description {
            tool,
            commit,
            dataset_hash,
            workload_hash,
            dataset_seed,
            nonce,
            warm_up_seed,
            ..
        } = &self.describe;
        let tokenizer_hash = self.tokenizer.as_ref().map(|t| t.hash().to_owned());
        let token_hash = dataset_hash.as_ref().zip(tokenizer_hash.as_ref());
        Provenance {
            tool: tool.clone().unwrap_or_else(crate::tool),
            commit: commit.clone(),
            seeds: Seeds {
                dataset: *dataset_seed,
                nonce: *nonce,
                warm_up: *warm_up_seed,
                arrivals: self.arrivals.seed(),
                cancellations: self.cancellation.map(|some| some.seed()),
                lora: self.lora.seed_in_use(),
            },
            dataset_hash: dataset_hash.clone(),
            workload_hash: workload_hash.clone(),
            schedule_hash: plan.paced.then(|| schedule_hash(&plan.offsets)),
            token_hash: token_hash.map(|(dataset, tokenizer)| {
                fingerprint([dataset.as_bytes(), tokenizer.as_bytes()])
            }),
            tokenizer_hash,
            server_versions: versions(server_info),
            host: Some(host()),
        }
    }
}

fn schedule_hash(offsets: &[Nanos]) -> String {
    let times: Vec<[u8; 8]> = offsets.iter().map(|time| time.0.to_le_bytes()).collect();
    fingerprint(times.iter().map(<[u8; 8]>::as_slice))
}

/// Of the answers of each server the first that names a version.
fn versions(server_info: &Map<String, Value>) -> Map<String, Value> {
    let version = |info: &Value| {
        let mut answers = info.as_object()?.values();
        answers.find_map(|answer| answer.get("version").filter(|v| v.is_string()).cloned())
    };
    server_info
        .iter()
        .filter_map(|(target, info)| Some((target.clone(), version(info)?)))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn servers_that_name_a_version_are_listed() {
        let info = json!({
            "http://a": {"version": {"version": "0.32.0"}},
            "http://b": {"server_info": {"max_running_requests": 16, "version": "0.5.23"}},
            "http://c": {"info": {"sha": "c0ffee"}},
        });
        let versions = versions(info.as_object().unwrap());
        assert_eq!(
            Value::Object(versions),
            json!({"http://a": "0.32.0", "http://b": "0.5.23"})
        );
    }

    #[test]
    fn another_time_is_another_schedule() {
        let hash =
            |times: &[u64]| schedule_hash(&times.iter().copied().map(Nanos).collect::<Vec<_>>());
        assert_eq!(hash(&[1, 2]), hash(&[1, 2]));
        assert_ne!(hash(&[1, 2]), hash(&[1, 3]));
        assert_ne!(hash(&[1, 2]), hash(&[2, 1]));
    }
}
