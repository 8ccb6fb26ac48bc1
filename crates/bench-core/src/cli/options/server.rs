use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use bench_backends::{BACKENDS, Backend};
use bench_types::Task;
use clap::Args;
use serde::{Deserialize, Serialize};

use crate::{Balance, LoraAssignment};

/// Names the tokenizer that comes with the tool.
pub(in crate::cli) const BUILTIN: &str = "builtin";

/// Where requests go and what they ask for.
#[derive(Args, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "kebab-case")]
#[command(next_help_heading = "Server")]
pub struct ServerOptions {
    /// Protocol of the server, such as vllm, openai-chat, sglang, tgi, trtllm or anthropic
    #[arg(long, alias = "endpoint-type", value_name = "NAME",
        default_value_t = ServerOptions::default().backend, long_help = backend_help())]
    pub backend: String,

    /// Where the server is: http://host:port, https://host/prefix or unix:///path/of.sock
    ///
    /// Takes the place of --host and --port. With several, the load is spread over them and
    /// the report tells of each.
    #[arg(long, value_name = "URL", num_args = 1.., conflicts_with_all = ["host", "port"])]
    pub base_url: Vec<String>,

    /// How conversations are spread over several servers
    #[arg(long, value_name = "HOW", default_value = "round-robin")]
    pub balance: Balance,

    /// Host of the server, over plain HTTP
    #[arg(long, value_name = "HOST", default_value_t = ServerOptions::default().host)]
    pub host: String,

    /// Port of the server
    #[arg(long, value_name = "PORT", default_value_t = ServerOptions::default().port)]
    pub port: u16,

    /// Path of the endpoint, such as /v1/completions; the backend's own if not given
    #[arg(long, value_name = "PATH")]
    pub endpoint: Option<String>,

    /// Model to ask for; the first one the server lists if not given
    #[arg(long, value_name = "NAME")]
    pub model: Option<String>,

    /// Name of the model on the server, if it is not the one of --model
    #[arg(long, value_name = "NAME")]
    pub served_model_name: Option<String>,

    /// LoRA adapters to ask for in place of the model, by their names on the server
    #[arg(long, visible_alias = "lora-name", value_name = "NAME", num_args = 0..)]
    pub lora_modules: Vec<String>,

    /// Which conversation gets which adapter; it keeps it
    #[arg(
        long,
        visible_alias = "lora-request-distribution",
        value_name = "HOW",
        default_value = "random"
    )]
    pub lora_assignment: LoraAssignment,

    /// With skewed adapters, how many times as many conversations an adapter gets as the next one
    #[arg(long, value_name = "FACTOR", default_value_t = ServerOptions::default().lora_zipf_alpha)]
    pub lora_zipf_alpha: f64,

    /// Tokenizer: a tokenizer.json, a directory with one, a name on the hub, or `builtin`
    ///
    /// The model's name if not given, the built-in one if given without a value. It makes
    /// synthetic prompts of exact lengths and counts the output of servers that do not.
    #[arg(long, value_name = "PATH|NAME", num_args = 0..=1, default_missing_value = BUILTIN)]
    pub tokenizer: Option<String>,

    /// How tokenizers are made elsewhere; here all of these read the same tokenizer.json
    #[arg(long, value_name = "MODE", default_value_t = TokenizerMode::default())]
    pub tokenizer_mode: TokenizerMode,

    /// Permission to run code that comes with a model: never needed, as none is run
    #[arg(long)]
    pub trust_remote_code: bool,

    /// Load no tokenizer: lengths are what the server reports
    #[arg(long, conflicts_with = "tokenizer")]
    pub skip_tokenizer_init: bool,

    /// Wait up to this long for the server to answer a first request; 0 does not ask
    #[arg(long, value_name = "SECONDS", default_value_t = ServerOptions::default().ready_check_timeout_sec)]
    pub ready_check_timeout_sec: f64,

    /// Accept any TLS certificate
    #[arg(long)]
    pub insecure: bool,

    /// PEM file with the certificates to trust instead of the system's
    #[arg(long, value_name = "FILE", conflicts_with = "insecure")]
    pub ca_cert: Option<PathBuf>,

    /// PEM file with the certificate to show to servers that ask for one, and its key
    #[arg(long, value_name = "FILE")]
    pub client_cert: Option<PathBuf>,

    /// PEM file with the key of --client-cert, if it is not in the same file
    #[arg(long, value_name = "FILE", requires = "client_cert")]
    pub client_key: Option<PathBuf>,

    /// Speak HTTP/2, one request at a time per connection
    ///
    /// As negotiated over https; from the first byte over http.
    #[arg(long)]
    pub http2: bool,
}

impl Default for ServerOptions {
    fn default() -> Self {
        ServerOptions {
            backend: "openai".into(),
            base_url: Vec::new(),
            balance: Balance::RoundRobin,
            host: "127.0.0.1".into(),
            port: 8000,
            endpoint: None,
            model: None,
            served_model_name: None,
            lora_modules: Vec::new(),
            lora_assignment: LoraAssignment::Random,
            lora_zipf_alpha: 1.5,
            tokenizer: None,
            tokenizer_mode: TokenizerMode::Auto,
            trust_remote_code: false,
            skip_tokenizer_init: false,
            ready_check_timeout_sec: 0.0,
            insecure: false,
            ca_cert: None,
            client_cert: None,
            client_key: None,
            http2: false,
        }
    }
}

/// Which of the tokenizers of a model is meant.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum TokenizerMode {
    /// The one there is.
    #[default]
    Auto,
    /// The one of the Hugging Face libraries.
    Hf,
    /// The one written in Python, which yields the same tokens.
    Slow,
}

/// As on the command line.
impl fmt::Display for TokenizerMode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            TokenizerMode::Auto => "auto",
            TokenizerMode::Hf => "hf",
            TokenizerMode::Slow => "slow",
        })
    }
}

impl FromStr for TokenizerMode {
    type Err = String;

    fn from_str(text: &str) -> Result<TokenizerMode, String> {
        match text {
            "auto" => Ok(TokenizerMode::Auto),
            "hf" => Ok(TokenizerMode::Hf),
            "slow" => Ok(TokenizerMode::Slow),
            _ => Err(
                "tokenizers of this kind are not read; use --tokenizer with the \
                      tokenizer.json of the model, or --skip-tokenizer-init"
                    .to_owned(),
            ),
        }
    }
}

/// What `--backend` takes, by what it does.
fn backend_help() -> String {
    let kinds = [
        ("Text, streamed", Task::Generate, true),
        ("Text, as a whole", Task::Generate, false),
        ("Embeddings, scores and rankings", Task::Pool, false),
        ("Transcripts", Task::Transcribe, true),
    ];
    let lines = kinds.map(|(kind, task, streamed)| {
        let is_of = |b: &&&dyn Backend| b.task() == task && b.can_stream() == streamed;
        let names = BACKENDS.iter().filter(is_of).map(|backend| backend.name());
        format!("- {kind}: {}", names.collect::<Vec<_>>().join(", "))
    });
    format!(
        "Protocol of the server\n\n{}\n\nAn unknown name is answered with this list and all \
         aliases.",
        lines.join("\n")
    )
}
