use bench_core::cli::RunOptions;
use bench_sim::SimConfig;
use clap::{Args, Parser};

/// Benchmark an LLM server and report what its users would feel.
///
/// Sends requests to vLLM, SGLang, TGI, TensorRT-LLM or any OpenAI-compatible server at a
/// rate or a concurrency of choice, times every token with the kernel's receive stamps, and
/// reports TTFT, TPOT, ITL, throughput and goodput in the layout of `vllm bench serve`, with
/// an audit of the client itself. Flags are those of `vllm bench serve` wherever both have the thing.
#[derive(Debug, Parser)]
#[command(
    name = "bench-serve",
    version,
    max_term_width = 100,
    after_help = EXAMPLES,
)]
pub struct Cli {
    /// What to run, if nothing else is to be done.
    #[command(flatten)]
    pub run: RunLine,
}

/// The flags of a run: what is to be run, and what the program itself needs for it.
#[derive(Args, Clone)]
pub struct RunLine {
    /// Benchmark a simulated server, started in this process
    ///
    /// It speaks the protocol of every backend, serves the model of --model and counts tokens
    /// with the tokenizer of --tokenizer. The options that begin with --sim- set it up.
    #[arg(long, conflicts_with_all = ["base_url", "host", "port", "ca_cert", "insecure"])]
    pub sim: bool,

    /// API key, sent as a bearer token; never printed or stored
    #[arg(
        long,
        value_name = "KEY",
        env = "OPENAI_API_KEY",
        hide_env_values = true,
        help_heading = "Server"
    )]
    pub api_key: Option<String>,

    /// The run.
    #[command(flatten)]
    pub options: RunOptions,

    /// The simulated server of --sim.
    #[command(flatten)]
    pub simulated: SimConfig,
}

/// Without the API key.
impl std::fmt::Debug for RunLine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RunLine")
            .field("sim", &self.sim)
            .field("options", &self.options)
            .field("simulated", &self.simulated)
            .finish_non_exhaustive()
    }
}

const EXAMPLES: &str = "\
Examples:
  bench-serve --sim
      Try it on the built-in simulated server
  bench-serve --model Qwen/Qwen2.5-7B-Instruct --max-concurrency 32 --ignore-eos
      1000 prompts of 1024 random tokens, 128 tokens out, 32 at a time, to localhost:8000
  bench-serve --backend openai-chat --dataset-name sharegpt --dataset-path ShareGPT.json \\
      --request-rate 10 --goodput ttft:200 tpot:50 --save-result
      Recorded conversations, Poisson arrivals at 10/s, goodput, result as JSON";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_key_is_not_in_what_a_debugger_shows() {
        let cli = Cli::parse_from(["bench-serve", "--api-key", "s3cret", "--model", "m"]);
        assert_eq!(cli.run.api_key.as_deref(), Some("s3cret"));
        let shown = format!("{cli:?}");
        assert!(
            shown.contains("options") && !shown.contains("s3cret"),
            "{shown}"
        );
    }
}
