use std::fmt;
use std::path::PathBuf;

use bench_backends::{BACKENDS, Backend};
use bench_datasets::DatasetOptions;
use bench_report::{PageFile, RequestsFormat};
use bench_types::{Sampling, Task};
use clap::Args;
use serde::{Deserialize, Serialize};

use super::serial::{float, header_names};
use crate::{Balance, LoraAssignment};

/// Names the tokenizer that comes with the tool.
pub(super) const BUILTIN: &str = "builtin";

/// The options of a run, named as in `vllm bench serve` where both have the thing.
///
/// The same struct is the command line, the keys of a configuration file and the record of
/// the options in a result.
#[derive(Args, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "kebab-case")]
pub struct RunOptions {
    /// Where requests go.
    #[serde(flatten)]
    #[command(flatten)]
    pub server: ServerOptions,
    /// How many and when.
    #[serde(flatten)]
    #[command(flatten)]
    pub load: LoadOptions,
    /// What is sent.
    #[serde(flatten)]
    #[command(flatten)]
    pub dataset: DatasetOptions,
    /// How it is asked.
    #[serde(flatten)]
    #[command(flatten)]
    pub send: SendOptions,
    /// What is asked of the servers beside the load.
    #[serde(flatten)]
    #[command(flatten)]
    pub control: ControlOptions,
    /// How the client behaves.
    #[serde(flatten)]
    #[command(flatten)]
    pub client: ClientOptions,
    /// What is reported and where.
    #[serde(flatten)]
    #[command(flatten)]
    pub result: ResultOptions,
}

/// Where requests go and what they ask for.
#[derive(Args, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "kebab-case")]
#[command(next_help_heading = "Server")]
pub struct ServerOptions {
    /// Protocol of the server, such as vllm, openai-chat, sglang, tgi, trtllm or anthropic
    #[arg(long, value_name = "NAME", default_value_t = ServerOptions::default().backend,
        long_help = backend_help())]
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
    #[arg(long, value_name = "NAME", num_args = 1..)]
    pub lora_modules: Vec<String>,

    /// Which conversation gets which adapter; it keeps it
    #[arg(long, value_name = "HOW", default_value = "random")]
    pub lora_assignment: LoraAssignment,

    /// Tokenizer: a tokenizer.json, a directory with one, a name on the hub, or `builtin`
    ///
    /// The model's name if not given, the built-in one if given without a value. It makes
    /// synthetic prompts of exact lengths and counts the output of servers that do not.
    #[arg(long, value_name = "PATH|NAME", num_args = 0..=1, default_missing_value = BUILTIN)]
    pub tokenizer: Option<String>,

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
            tokenizer: None,
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

/// How many requests are sent, and when.
#[derive(Args, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "kebab-case")]
#[command(next_help_heading = "Load")]
pub struct LoadOptions {
    /// Number of requests
    #[arg(long, value_name = "N", default_value_t = LoadOptions::default().num_prompts)]
    pub num_prompts: usize,

    /// Requests per second; `inf` sends as fast as --max-concurrency lets
    #[arg(long, value_name = "RPS", default_value_t = LoadOptions::default().request_rate)]
    #[serde(with = "float")]
    pub request_rate: f64,

    /// Shape of the gaps between requests: 1 is a Poisson process, less is burstier, `inf` is
    /// a constant gap
    #[arg(long, value_name = "SHAPE", default_value_t = LoadOptions::default().burstiness)]
    #[serde(with = "float")]
    pub burstiness: f64,

    /// Most requests under way at once
    ///
    /// With a rate, a request that finds no free slot waits; its intended latency counts the
    /// wait.
    #[arg(long, value_name = "N")]
    pub max_concurrency: Option<usize>,

    /// Requests sent before the run that are not measured; prompts of the same dataset by
    /// another seed
    #[arg(long, value_name = "N", default_value_t = LoadOptions::default().num_warmups)]
    pub num_warmups: usize,

    /// Seed of everything drawn: prompts, lengths, arrival times
    #[arg(long, value_name = "SEED", default_value_t = LoadOptions::default().seed)]
    pub seed: u64,
}

impl Default for LoadOptions {
    fn default() -> Self {
        LoadOptions {
            num_prompts: 1000,
            request_rate: f64::INFINITY,
            burstiness: 1.0,
            max_concurrency: None,
            num_warmups: 0,
            seed: 0,
        }
    }
}

/// How requests are made.
#[derive(Args, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "kebab-case")]
#[command(next_help_heading = "Request")]
pub struct SendOptions {
    /// Ask the server to go on past the end-of-sequence token, to the full output length
    #[arg(long)]
    pub ignore_eos: bool,

    /// Sampling temperature; 0 is greedy
    #[arg(long, value_name = "T")]
    pub temperature: Option<f64>,

    /// Nucleus sampling mass
    #[arg(long, value_name = "P")]
    pub top_p: Option<f64>,

    /// Number of sampling candidates
    #[arg(long, value_name = "K", allow_negative_numbers = true)]
    pub top_k: Option<i64>,

    /// Least probability of a candidate, relative to the best
    #[arg(long, value_name = "P")]
    pub min_p: Option<f64>,

    /// Frequency penalty
    #[arg(long, value_name = "X", allow_negative_numbers = true)]
    pub frequency_penalty: Option<f64>,

    /// Presence penalty
    #[arg(long, value_name = "X", allow_negative_numbers = true)]
    pub presence_penalty: Option<f64>,

    /// Repetition penalty
    #[arg(long, value_name = "X")]
    pub repetition_penalty: Option<f64>,

    /// Ask for the log probabilities of this many candidates per token
    #[arg(long, value_name = "N")]
    pub logprobs: Option<u32>,

    /// Ask for whole answers instead of streams: only E2EL can be measured then
    #[arg(long)]
    pub no_stream: bool,

    /// Ask for token counts in every chunk, for exact ITL where chunks hold several tokens
    #[arg(long)]
    pub continuous_usage: bool,

    /// More fields of the request body, as a JSON object
    #[arg(long, value_name = "JSON")]
    pub extra_body: Option<String>,

    /// More headers, as KEY=VALUE; values are not stored in results
    #[arg(long, value_name = "KEY=VALUE", num_args = 1..)]
    #[serde(with = "header_names")]
    pub header: Vec<String>,

    /// Each request's x-request-id is this followed by its number
    ///
    /// If not given, they are UUIDs that end in the number: some servers take nothing else.
    #[arg(long, value_name = "TEXT")]
    pub request_id_prefix: Option<String>,
}

/// As JSON, like in a result, and of the headers only the names.
impl fmt::Debug for SendOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = self.clone();
        for header in &mut shown.header {
            // Without a name before them, all of it may be the value.
            let end = header.find(['=', ':']).unwrap_or(0);
            header.truncate(end);
        }
        let json = serde_json::to_string(&shown).map_err(|_| fmt::Error)?;
        f.debug_tuple("SendOptions")
            .field(&format_args!("{json}"))
            .finish()
    }
}

impl SendOptions {
    /// The sampling parameters.
    pub fn sampling(&self) -> Sampling {
        Sampling {
            temperature: self.temperature,
            top_p: self.top_p,
            top_k: self.top_k,
            min_p: self.min_p,
            frequency_penalty: self.frequency_penalty,
            presence_penalty: self.presence_penalty,
            repetition_penalty: self.repetition_penalty,
        }
    }
}

/// What is asked of the servers beside the load.
#[derive(Args, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "kebab-case")]
#[command(next_help_heading = "Server control")]
pub struct ControlOptions {
    /// Empty the servers' prefix caches right before the measured load
    ///
    /// By /reset_prefix_cache (vLLM) or /flush_cache (SGLang).
    #[arg(long, visible_alias = "flush-cache")]
    pub reset_prefix_cache: bool,

    /// Run the servers' profilers during the measured load
    ///
    /// By /start_profile and /stop_profile; the servers must have been started with a profiler.
    #[arg(long)]
    pub profile: bool,

    /// Start profiling once this many requests are under way, rather than before the first
    #[arg(long, value_name = "N", requires = "profile")]
    pub profile_batch_threshold: Option<u64>,

    /// Stop profiling after this long, rather than after the last request
    #[arg(long, value_name = "SECONDS", requires = "profile")]
    pub profile_duration: Option<f64>,
}

/// How the client behaves.
#[derive(Args, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "kebab-case")]
#[command(next_help_heading = "Client")]
pub struct ClientOptions {
    /// Threads that send and receive; one per core if not given
    #[arg(long, value_name = "N")]
    pub client_threads: Option<usize>,

    /// Open a new connection for every request
    #[arg(long)]
    pub no_keepalive: bool,

    /// Limit for opening a connection
    #[arg(long, value_name = "SECONDS", default_value_t = ClientOptions::default().connect_timeout)]
    pub connect_timeout: f64,

    /// Limit from sending a request to its first content; 0 is none
    #[arg(long, value_name = "SECONDS", default_value_t = ClientOptions::default().first_token_timeout)]
    pub first_token_timeout: f64,

    /// Limit for silence inside a response; 0 is none
    #[arg(long, value_name = "SECONDS", default_value_t = ClientOptions::default().idle_timeout)]
    pub idle_timeout: f64,

    /// Limit for a whole request; 0 is none
    #[arg(long, value_name = "SECONDS", default_value_t = ClientOptions::default().total_timeout)]
    pub total_timeout: f64,

    /// How long requests under way may go on after the first Ctrl-C
    #[arg(long, value_name = "SECONDS", default_value_t = ClientOptions::default().grace_period)]
    pub grace_period: f64,

    /// Show no progress
    #[arg(long)]
    pub disable_tqdm: bool,
}

impl Default for ClientOptions {
    fn default() -> Self {
        ClientOptions {
            client_threads: None,
            no_keepalive: false,
            connect_timeout: 30.0,
            first_token_timeout: 0.0,
            idle_timeout: 0.0,
            total_timeout: 6.0 * 60.0 * 60.0,
            grace_period: 30.0,
            disable_tqdm: false,
        }
    }
}

/// What is reported, and where it is written.
#[derive(Args, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "kebab-case")]
#[command(next_help_heading = "Result")]
#[command(group(clap::ArgGroup::new("saved").multiple(true)))]
pub struct ResultOptions {
    /// Metrics to report, of ttft, tpot, itl, e2el and others
    ///
    /// `ttft,tpot,itl` if not given, `e2el` where answers are not streamed.
    #[arg(long, value_name = "LIST")]
    pub percentile_metrics: Option<String>,

    /// Percentiles to report, such as 50,90,99.9
    #[arg(long, value_name = "LIST", default_value_t = ResultOptions::default().metric_percentiles)]
    pub metric_percentiles: String,

    /// Objectives a good request meets, in milliseconds: ttft:200 tpot:50 e2el:5000
    #[arg(long, value_name = "METRIC:MS", num_args = 1..)]
    pub goodput: Vec<String>,

    /// A gap in a stream longer than this counts as a stall
    #[arg(long, value_name = "MS", default_value_t = ResultOptions::default().stall_ms)]
    pub stall_ms: f64,

    /// Exit with code 3 if a larger share of the requests failed, 0 to 1
    #[arg(long, value_name = "SHARE")]
    pub max_failure_rate: Option<f64>,

    /// Write the result as JSON, in the format of `vllm bench serve`
    #[arg(long, group = "saved")]
    pub save_result: bool,

    /// Write every request's lengths, times, text and error too
    #[arg(long, requires = "saved")]
    pub save_detailed: bool,

    /// Write a file of per-request metrics, with the answers: a record or a row each
    ///
    /// In the folder of the result, under its name with the ending `.requests.json` or
    /// `.requests.csv`; with or without --save-result.
    #[arg(long, value_name = "json|csv")]
    pub save_requests: Option<RequestsFormat>,

    /// Write the result as a line added to a file that may exist
    #[arg(long, group = "saved")]
    pub append_result: bool,

    /// Replace a result, or a report, that exists
    #[arg(long, conflicts_with = "append_result")]
    pub overwrite: bool,

    /// Folder for the result; made if missing
    #[arg(long, value_name = "DIR", default_value = ".")]
    pub result_dir: PathBuf,

    /// Name of the result file
    ///
    /// `{label or backend}-{rate}qps[-concurrency{N}]-{model}-{date}.json` if not given.
    #[arg(long, value_name = "NAME")]
    pub result_filename: Option<String>,

    /// Write a report with charts to this file, as a page for a browser
    ///
    /// One HTML file with everything in it: it needs no network to be read.
    #[arg(long, value_name = "FILE")]
    pub report: Option<PathBuf>,

    /// Write every request to this file the moment it ends, as a line of JSON
    ///
    /// `bench-aggregate rebuild` makes the result of it should the run be killed. Beside the
    /// result, as NAME.records.jsonl, if a result is saved.
    #[arg(long, value_name = "FILE")]
    pub record_log: Option<PathBuf>,

    /// Write no record log
    #[arg(long, conflicts_with = "record_log")]
    pub no_record_log: bool,

    /// Name of the run, for the result and its file
    #[arg(long, value_name = "TEXT")]
    pub label: Option<String>,

    /// Pairs to store in the result
    #[arg(long, value_name = "KEY=VALUE", num_args = 1..)]
    pub metadata: Vec<String>,
}

impl Default for ResultOptions {
    fn default() -> Self {
        ResultOptions {
            percentile_metrics: None,
            metric_percentiles: "99".into(),
            goodput: Vec::new(),
            stall_ms: 500.0,
            max_failure_rate: None,
            save_result: false,
            save_detailed: false,
            save_requests: None,
            append_result: false,
            overwrite: false,
            result_dir: PathBuf::from("."),
            result_filename: None,
            report: None,
            record_log: None,
            no_record_log: false,
            label: None,
            metadata: Vec::new(),
        }
    }
}

impl ResultOptions {
    /// Where the report for a browser goes, if one is asked for.
    pub fn page_file(&self) -> Option<PageFile> {
        let path = self.report.as_deref()?;
        Some(PageFile::new(path, self.overwrite))
    }
}

#[cfg(test)]
mod tests {
    use clap::{CommandFactory, Parser};

    use super::*;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        options: RunOptions,
    }

    fn parse(arguments: &[&str]) -> Result<RunOptions, clap::Error> {
        let name = std::iter::once(&"bench-serve");
        Line::try_parse_from(name.chain(arguments)).map(|line| line.options)
    }

    #[test]
    fn every_default_is_written_once() {
        let from_clap = parse(&[]).unwrap();
        let from_serde: RunOptions = serde_json::from_str("{}").unwrap();
        assert_eq!(from_clap, RunOptions::default());
        assert_eq!(from_serde, RunOptions::default());
        Line::command().debug_assert();
    }

    #[test]
    fn options_survive_the_result_file() {
        let options = parse(&[
            "--request-rate=inf",
            "--burstiness=inf",
            "--goodput=ttft:200",
            "--top-k=-1",
            "--max-concurrency=8",
        ])
        .unwrap();
        let stored = serde_json::to_value(&options).unwrap();
        assert_eq!(stored["request-rate"], "inf");
        assert_eq!(
            serde_json::from_value::<RunOptions>(stored).unwrap(),
            options
        );
    }

    #[test]
    fn header_values_are_not_stored() {
        let options = parse(&["--header", "X-Token=s3cret", "X-Team=blue"]).unwrap();
        let stored = serde_json::to_string(&options).unwrap();
        assert!(stored.contains("X-Token") && !stored.contains("s3cret"));
        assert!(!stored.contains("blue"));
    }

    #[test]
    fn header_values_are_not_in_what_a_debugger_shows() {
        let options = parse(&["--header", "X-Token=s3cret", "X-Team: s3cret", "s3cret"]).unwrap();
        let shown = format!("{options:?}");
        assert!(
            shown.contains("X-Token") && shown.contains("X-Team"),
            "{shown}"
        );
        assert!(!shown.contains("s3cret"), "{shown}");
    }

    #[test]
    fn impossible_combinations_are_usage_errors() {
        assert!(parse(&["--base-url", "http://a", "--port", "1"]).is_err());
        assert!(parse(&["--append-result", "--overwrite"]).is_err());
        assert!(parse(&["--save-detailed"]).is_err());
        assert!(parse(&["--save-detailed", "--append-result"]).is_ok());
        assert!(parse(&["--skip-tokenizer-init", "--tokenizer", "x"]).is_err());
    }
}
