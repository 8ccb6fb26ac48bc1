use serde::{Deserialize, Serialize};

/// Whose routes a server has. The others answer 404, as they would on the real one.
///
/// A route that the real server has but answers in a shape that is not simulated is
/// missing as well.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[cfg_attr(feature = "cli", derive(clap::ValueEnum))]
#[non_exhaustive]
pub enum Flavour {
    /// Every route that is simulated, of whichever server
    #[default]
    All,
    /// Those of vLLM
    Vllm,
    /// Those of SGLang
    Sglang,
    /// Those of text-generation-inference
    Tgi,
}

/// Routes of all three servers.
const COMMON: &[&str] = &[
    "/v1/completions",
    "/v1/chat/completions",
    "/v1/models",
    "/health",
    "/metrics",
];

const VLLM: &[&str] = &[
    "/v1/responses",
    "/v1/messages",
    "/v1/embeddings",
    "/pooling",
    "/rerank",
    "/v1/rerank",
    "/v2/rerank",
    "/v1/audio/transcriptions",
    "/tokenize",
    "/detokenize",
    "/version",
    "/start_profile",
    "/stop_profile",
    "/reset_prefix_cache",
];

const SGLANG: &[&str] = &[
    "/generate",
    "/v1/embeddings",
    "/tokenize",
    "/detokenize",
    "/health_generate",
    "/model_info",
    "/get_model_info",
    "/server_info",
    "/get_server_info",
    "/start_profile",
    "/stop_profile",
    "/flush_cache",
];

const TGI: &[&str] = &["/", "/generate", "/generate_stream", "/info"];

impl Flavour {
    /// Whether the server has anything at `path`.
    pub(crate) fn has(self, path: &str) -> bool {
        let own = match self {
            Flavour::All => return true,
            Flavour::Vllm => VLLM,
            Flavour::Sglang => SGLANG,
            Flavour::Tgi => TGI,
        };
        COMMON.contains(&path) || own.contains(&path)
    }
}
