use std::fmt;

use bench_types::Sampling;
use clap::Args;
use serde::{Deserialize, Serialize};

use crate::cli::serial::header_names;

/// How requests are made.
#[derive(Args, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "kebab-case")]
#[command(next_help_heading = "Request")]
pub struct SendOptions {
    /// Ask the server to go on past the end-of-sequence token, to the full output length
    #[arg(long)]
    pub ignore_eos: bool,

    /// Do not ask for that, where it is the default (--compat sglang)
    #[arg(long, conflicts_with = "ignore_eos")]
    pub disable_ignore_eos: bool,

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
    #[arg(long, visible_alias = "top-logprobs-num", value_name = "N")]
    pub logprobs: Option<u32>,

    /// Ask for the log probabilities of the tokens, as --logprobs 0 does
    #[arg(long)]
    pub return_logprob: bool,

    /// Ask for beam search, where the protocol has it: completions and chat of vLLM
    #[arg(long)]
    pub use_beam_search: bool,

    /// Ask for whole answers instead of streams: only E2EL can be measured then
    #[arg(long, visible_alias = "disable-stream")]
    pub no_stream: bool,

    /// Ask for token counts in every chunk, for exact ITL where chunks hold several tokens
    #[arg(long)]
    pub continuous_usage: bool,

    /// More fields of the request body, as a JSON object
    #[arg(long, visible_alias = "extra-request-body", value_name = "JSON")]
    pub extra_body: Option<String>,

    /// More headers, as KEY=VALUE; values are not stored in results
    #[arg(long, value_name = "KEY=VALUE", num_args = 0..)]
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
