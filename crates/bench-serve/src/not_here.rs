//! Flags of other tools that this one does not have, and what to use instead.

use std::ffi::OsStr;

use clap::builder::TypedValueParser;
use clap::error::ErrorKind;
use clap::{Arg, ArgAction, ArgMatches, Args, Command, Error, FromArgMatches};

/// Flags of `vllm bench serve`, of its ancestor `benchmark_serving.py` and of SGLang's
/// `bench_serving` that are refused, each with what to use instead.
pub const NOT_HERE: &[(&str, &str)] = &[
    // vllm bench serve
    (
        "plot-timeline",
        "--report FILE has the timeline, and `bench-plot timeline` draws it of a result",
    ),
    (
        "timeline-itl-thresholds",
        "the timeline marks gaps longer than --stall-ms",
    ),
    (
        "plot-dataset-stats",
        "with --save-detailed a result has the lengths of all prompts and answers, as input_lens and output_lens",
    ),
    (
        "enable-multimodal-chat",
        "pictures are sent as chat messages by the chat backends without a flag",
    ),
    (
        "bfcl-categories",
        "convert the categories to a JSONL file and give it with --dataset-name custom",
    ),
    // benchmark_serving.py
    (
        "best-of",
        "--extra-body '{\"best_of\": N}' sends it to servers that know it",
    ),
    (
        "dataset",
        "--dataset-path names the file and --dataset-name what is in it",
    ),
    // SGLang bench_serving
    (
        "cache-report",
        "the report counts the input tokens from the cache of every server that tells them (SGLang: --enable-cache-report)",
    ),
    (
        "fake-prefill",
        "--extra-body sends the fields that a decode server needs",
    ),
    (
        "logprob-start-len",
        "--extra-body '{\"logprob_start_len\": N}' sends it",
    ),
    (
        "pd-separated",
        "give the address of the router, or of all servers to --base-url; --profile asks each of them",
    ),
    (
        "plot-throughput",
        "--report FILE has the throughput over time, and `bench-plot over-time` draws it of a result",
    ),
    (
        "print-requests",
        "--record-log FILE has a line for each request, written when it ends",
    ),
    (
        "profile-activities",
        "--profile starts the profiler as the server was set up; for another set of activities POST /start_profile by hand",
    ),
    (
        "profile-by-stage",
        "--profile starts the profiler as the server was set up; POST /start_profile by hand for stages",
    ),
    (
        "profile-decode-url",
        "--profile asks every --base-url; POST /start_profile by hand to ask others",
    ),
    (
        "profile-num-steps",
        "--profile-duration SECONDS stops the profiler",
    ),
    (
        "profile-output-dir",
        "set SGLANG_TORCH_PROFILER_DIR where the server runs",
    ),
    (
        "profile-prefill-url",
        "--profile asks every --base-url; POST /start_profile by hand to ask others",
    ),
    (
        "profile-prefix",
        "set SGLANG_TORCH_PROFILER_DIR where the server runs",
    ),
    (
        "profile-stages",
        "--profile starts the profiler as the server was set up; POST /start_profile by hand for stages",
    ),
    (
        "profile-start-step",
        "--profile-batch-threshold N starts the profiler once N requests are under way",
    ),
    (
        "profile-steps",
        "--profile-duration SECONDS stops the profiler",
    ),
    (
        "return-routed-experts",
        "--extra-body '{\"return_routed_experts\": true}' sends it",
    ),
    (
        "rust-client",
        "there is no other client here than one in Rust",
    ),
    (
        "rust-worker-threads",
        "--client-threads N sets the number of threads",
    ),
    (
        "token-ids-logprob",
        "--extra-body '{\"token_ids_logprob\": [...]}' sends it",
    ),
];

/// Refuses the flags of [`NOT_HERE`].
#[derive(Clone, Copy, Debug, Default)]
pub struct NotHere;

impl Args for NotHere {
    fn augment_args(command: Command) -> Command {
        // What is known is not refused, whatever the table says.
        let known = |flag: &str| {
            let mut all = command.get_arguments();
            all.any(|arg| {
                let aliases = arg.get_all_aliases().unwrap_or_default();
                arg.get_long() == Some(flag) || aliases.contains(&flag)
            })
        };
        let refused = NOT_HERE.iter().filter(|(flag, _)| !known(flag));
        let flags: Vec<Arg> = refused
            .map(|(flag, instead)| {
                Arg::new(format!("not_here_{flag}"))
                    .long(*flag)
                    .hide(true)
                    .action(ArgAction::Append)
                    .num_args(0..)
                    .allow_hyphen_values(true)
                    // For a flag without a value there must be one to refuse.
                    .default_missing_value("")
                    .value_parser(Refusal { flag, instead })
            })
            .collect();
        command.args(flags)
    }

    fn augment_args_for_update(command: Command) -> Command {
        NotHere::augment_args(command)
    }
}

impl FromArgMatches for NotHere {
    fn from_arg_matches(_: &ArgMatches) -> Result<NotHere, Error> {
        Ok(NotHere)
    }

    fn update_from_arg_matches(&mut self, _: &ArgMatches) -> Result<(), Error> {
        Ok(())
    }
}

/// Takes no value.
#[derive(Clone, Copy, Debug)]
struct Refusal {
    flag: &'static str,
    instead: &'static str,
}

impl TypedValueParser for Refusal {
    type Value = String;

    fn parse_ref(&self, command: &Command, _: Option<&Arg>, _: &OsStr) -> Result<String, Error> {
        let Refusal { flag, instead } = self;
        let told = format!("--{flag} is not a flag of bench-serve: {instead}\n");
        Err(Error::raw(ErrorKind::ValueValidation, told).with_cmd(command))
    }
}
