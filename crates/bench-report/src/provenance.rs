use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// What a run was made with and of: whoever wants to repeat it, or to know whether two results
/// may be compared, looks here first. What is not known is absent.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Provenance {
    /// Name and version of the tool.
    pub tool: String,
    /// The git commit the tool was built from, with `-dirty` if its sources had been changed
    /// since.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub commit: Option<String>,
    /// What was drawn, by which seed.
    pub seeds: Seeds,
    /// Fingerprint of what was sent: prompts, output lengths and pauses.
    pub dataset_hash: Option<String>,
    /// Fingerprint of the load without its words: kinds, lengths, pauses, arrivals. Runs that
    /// differ only in the nonce of their prompts have it in common.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub workload_hash: Option<String>,
    /// Fingerprint of when it was to be sent: XXH3-128 of the send times in nanoseconds from
    /// the start of the run, each 64 bits wide and little-endian. Absent without a rate, since
    /// requests then leave when others end.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub schedule_hash: Option<String>,
    /// Fingerprint of the tokenizer: XXH3-128 of its `tokenizer.json`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tokenizer_hash: Option<String>,
    /// Fingerprint of the prompts as tokens: XXH3-128 of the two hashes, the dataset's first, as
    /// texts. Runs that have it in common sent the same tokens.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub token_hash: Option<String>,
    /// The versions that the servers gave, by target.
    #[serde(skip_serializing_if = "Map::is_empty")]
    pub server_versions: Map<String, Value>,
    /// The machine of the client.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub host: Option<Host>,
}

/// The seeds of a run; absent for what was not drawn.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Seeds {
    /// Of prompts and lengths.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dataset: Option<u64>,
    /// What tells synthetic prompts from those of another run by the same seed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub nonce: Option<u64>,
    /// Of the prompts of the warm-up.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub warm_up: Option<u64>,
    /// Of the send times.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub arrivals: Option<u64>,
    /// Of the choice of the requests that the client hangs up on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cancellations: Option<u64>,
    /// Of the choice among LoRA adapters.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lora: Option<u64>,
}

/// The machine that a client ran on, without its name.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Host {
    /// Operating system and machine, such as `Linux x86_64`.
    pub system: String,
    /// Release of the kernel.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kernel: Option<String>,
    /// Name of the processor.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cpu: Option<String>,
    /// Processors that the client may use: what affinity and quotas leave of them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub usable_cpus: Option<u64>,
    /// How the clock of the processors is governed, such as `performance`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cpu_governor: Option<String>,
    /// Main memory in bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub memory_bytes: Option<u64>,
    /// Files, and so connections, that the client may have open at once.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub open_files: Option<u64>,
    /// What the kernel's clock counts, such as `tsc`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub clock_source: Option<String>,
}
