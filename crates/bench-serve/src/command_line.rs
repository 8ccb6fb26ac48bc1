use std::path::PathBuf;

use bench_core::cli::RunOptions;
use bench_core::cli::search::SearchOptions;
use bench_core::cli::sweep::SweepOptions;
use bench_core::datasets::TraceFormat;
use bench_sim::SimConfig;
use clap::builder::Resettable;
use clap::{ArgMatches, Args, Command, FromArgMatches, Parser, Subcommand};

use crate::{Compat, NotHere};

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
    args_conflicts_with_subcommands = true,
    args_override_self = true,
)]
pub struct Cli {
    /// What to run, if nothing else is to be done.
    #[command(flatten)]
    pub run: RunLine,

    /// What else is to be done.
    #[command(subcommand)]
    pub command: Option<Task>,
}

/// What can be done with several runs.
#[derive(Debug, Subcommand)]
pub enum Task {
    /// Measure all combinations of lengths, loads and whatever else differs
    ///
    /// CONFIG is a YAML file. Its keys are flags of `bench-serve`, for all points; what the
    /// points differ in are the pairs of `input_output` and of `concurrency_prompts`, and the
    /// lists under `sweep`. A flag on the command line takes the place of one in the file. Each
    /// point has a result in the folder of the sweep, and a point that fails does not end it.
    ///
    /// All flags of a run can be given too: see `bench-serve --help`.
    #[command(after_help = SWEEP_EXAMPLES)]
    Sweep(Box<SweepLine>),

    /// Find the greatest request rate or concurrency at which latency objectives hold
    ///
    /// The load is doubled until the objectives are missed, then the interval is halved. Each
    /// point ends as soon as it is certain whether the objectives hold, failed requests counting
    /// against all of them; --num-prompts is the most requests of a point, more where the load
    /// needs them. Every point has prompts of its own and a result in the folder of the search.
    ///
    /// All flags of a run can be given too: see `bench-serve --help`. The exit code is 3 if the
    /// objectives are missed even at the smallest load.
    #[command(after_help = SEARCH_EXAMPLES)]
    Search(Box<SearchLine>),

    /// Make a trace of the project's own format, for --dataset-name replay
    ///
    /// Reads line by line, so the file may be of any size. Requests that cannot be sent are left
    /// out and counted, as is what has no place in a trace.
    #[command(after_help = IMPORT_EXAMPLES)]
    ImportTrace(ImportLine),
}

/// The flags of an import.
#[derive(Args, Clone, Debug)]
pub struct ImportLine {
    /// The trace to read
    #[arg(value_name = "IN")]
    pub input: PathBuf,

    /// The file to write
    #[arg(value_name = "OUT")]
    pub output: PathBuf,

    /// The format of IN
    #[arg(long, value_enum, value_name = "FORMAT")]
    pub from: TraceFormat,

    /// The most tokens of an answer where a logged request does not say
    #[arg(long, value_name = "TOKENS")]
    pub output_tokens: Option<u32>,

    /// Replace OUT if it exists
    #[arg(long)]
    pub overwrite: bool,
}

/// The flags of a sweep.
#[derive(Args, Clone, Debug)]
pub struct SweepLine {
    /// What is swept.
    #[command(flatten)]
    pub sweep: SweepOptions,

    /// What all points share.
    #[command(flatten)]
    pub run: SharedRunLine,
}

/// The flags of a search.
#[derive(Args, Clone, Debug)]
pub struct SearchLine {
    /// What is searched.
    #[command(flatten)]
    pub search: SearchOptions,

    /// What all points share.
    #[command(flatten)]
    pub run: SearchRunLine,
}

/// The flags of a run in a search, where --max-concurrency without a value is what is searched.
#[derive(Clone, Debug)]
pub struct SearchRunLine(pub SharedRunLine);

impl Args for SearchRunLine {
    fn augment_args(command: Command) -> Command {
        SharedRunLine::augment_args(command).mut_arg("max_concurrency", |arg| {
            arg.num_args(0..=1)
                .default_missing_value("0")
                .help("Find the greatest number of requests at once at which the objectives hold")
                .long_help(
                    "Find the greatest number of requests at once at which the objectives hold\n\n\
                     With a number, and --max-rate, it is a cap as in other runs.",
                )
                .help_heading("Search")
                .hide_short_help(false)
                .hide_long_help(false)
        })
    }

    fn augment_args_for_update(command: Command) -> Command {
        SearchRunLine::augment_args(command)
    }
}

impl FromArgMatches for SearchRunLine {
    fn from_arg_matches(matches: &ArgMatches) -> Result<SearchRunLine, clap::Error> {
        SharedRunLine::from_arg_matches(matches).map(SearchRunLine)
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        self.0.update_from_arg_matches(matches)
    }
}

/// The flags of a run, for a command with several of them. Its help does not repeat them.
#[derive(Clone, Debug)]
pub struct SharedRunLine(pub RunLine);

impl Args for SharedRunLine {
    fn augment_args(command: Command) -> Command {
        let is_shown: Vec<_> = command
            .get_arguments()
            .map(|arg| arg.get_id().clone())
            .collect();
        let command = RunLine::augment_args(command).mut_args(|arg| {
            let hidden = !is_shown.contains(arg.get_id());
            arg.hide_short_help(hidden).hide_long_help(hidden)
        });
        // A result of each run is written without being asked for.
        command.mut_arg("save_detailed", |arg| arg.requires(Resettable::Reset))
    }

    fn augment_args_for_update(command: Command) -> Command {
        SharedRunLine::augment_args(command)
    }
}

impl FromArgMatches for SharedRunLine {
    fn from_arg_matches(matches: &ArgMatches) -> Result<SharedRunLine, clap::Error> {
        RunLine::from_arg_matches(matches).map(SharedRunLine)
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        self.0.update_from_arg_matches(matches)
    }
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

    /// Whose defaults hold, where two tools mean different things by one flag
    ///
    /// With `sglang`, those of its `bench_serving`: the backend `sglang` at port 30000, the
    /// dataset `sharegpt`, past the end of sequence (see --disable-ignore-eos), greedy, random
    /// lengths from --random-range-ratio times the length to the length, and a line in its
    /// format for each run. `bench-serve --compat sglang --help` shows them all.
    #[arg(long, value_name = "TOOL", value_enum, default_value_t = Compat::Vllm)]
    pub compat: Compat,

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

    /// What other tools have.
    #[command(flatten)]
    pub not_here: NotHere,
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

const SWEEP_EXAMPLES: &str = "\
Example, a file combos.yaml:
  model: Qwen/Qwen2.5-7B-Instruct
  base_url: http://localhost:8000
  ignore_eos: true
  input_output:
    - [1024, 128]
    - [128, 1024]
  concurrency_prompts:
    - [1, 20]
    - [16, 160]
    - [64, 640]

  bench-serve sweep combos.yaml --num-runs 3
      Six points, each three times, into results/Qwen2.5-7B-Instruct_DATE/
  bench-serve sweep combos.yaml --resume
      What is missing of it";

const SEARCH_EXAMPLES: &str = "\
Examples:
  bench-serve search --max-rate --slo 'ttft:p99<=500ms,tpot:p95<=50ms' \\
      --model Qwen/Qwen2.5-7B-Instruct --ignore-eos
      The greatest rate at which 99 % get their first token within 500 ms and 95 % have at most
      50 ms per token
  bench-serve search --max-concurrency --slo 'e2el<=10s' --slo-attainment 0.95 --start 32
      How many users at once are answered within 10 s, 95 % of their requests
  bench-serve search --max-rate --slo 'ttft:p90<=200ms' --sim --sim-max-num-seqs 16
      Try it on the built-in simulated server";

const IMPORT_EXAMPLES: &str = "\
Examples:
  bench-serve import-trace --from mooncake conversation_trace.jsonl trace.jsonl
  bench-serve import-trace --from openai --output-tokens 256 gateway.jsonl trace.jsonl
  bench-serve --dataset-name replay --dataset-path trace.jsonl --trace-duration 600 \\
      --model Qwen/Qwen2.5-7B-Instruct --ignore-eos";

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

    #[test]
    fn the_command_line_is_sound() {
        <Cli as clap::CommandFactory>::command().debug_assert();
    }

    #[test]
    fn concurrency_is_searched_if_it_has_no_value() {
        let slots = |arguments: &[&str]| {
            let line = ["bench-serve", "search", "--slo", "ttft:p99<=1s"];
            let cli = Cli::parse_from(line.iter().chain(arguments));
            let Some(Task::Search(search)) = cli.command else {
                panic!("it is a search");
            };
            let load = &search.run.0.0.options.load;
            (search.search.max_rate, load.max_concurrency)
        };
        assert_eq!(slots(&["--max-concurrency"]), (false, Some(0)));
        assert_eq!(slots(&["--max-concurrency", "--sim"]), (false, Some(0)));
        assert_eq!(slots(&["--max-rate"]), (true, None));
        assert_eq!(
            slots(&["--max-rate", "--max-concurrency", "8"]),
            (true, Some(8))
        );
        let help = Cli::try_parse_from(["bench-serve", "search", "--help"]).unwrap_err();
        let help = help.to_string();
        for part in ["--slo", "--max-rate", "--max-concurrency [<N>]", "--resume"] {
            assert!(help.contains(part), "{part}: {help}");
        }
        assert!(!help.contains("--random-input-len"), "{help}");
    }

    #[test]
    fn a_sweep_takes_the_flags_of_a_run_and_does_not_repeat_their_help() {
        let line = [
            "bench-serve",
            "sweep",
            "c.yaml",
            "--num-runs",
            "2",
            "--sim",
            "--seed=7",
        ];
        let cli = Cli::parse_from(line);
        let Some(Task::Sweep(sweep)) = cli.command else {
            panic!("it is a sweep");
        };
        assert_eq!(sweep.sweep.num_runs, 2);
        assert!(sweep.run.0.sim);
        assert_eq!(sweep.run.0.options.load.seed, 7);
        let help = Cli::try_parse_from(["bench-serve", "sweep", "--help"]).unwrap_err();
        let help = help.to_string();
        assert!(
            help.contains("--num-runs") && help.contains("input_output"),
            "{help}"
        );
        assert!(
            !help.contains("--random-input-len") && !help.contains("--sim-seed"),
            "{help}"
        );
        let before = Cli::try_parse_from(["bench-serve", "--sim", "sweep"]).unwrap_err();
        assert!(before.to_string().contains("sweep"), "{before}");
    }
}
