//! The options of a run, a file for each group.

mod beside;
mod client;
mod control;
mod extent;
mod load;
mod multi_turn;
mod result;
mod send;
mod server;
mod shape;

use bench_datasets::DatasetOptions;
use clap::Args;
use serde::{Deserialize, Serialize};

pub use beside::BesideOptions;
pub use client::ClientOptions;
pub use control::ControlOptions;
pub use extent::ExtentOptions;
pub use load::LoadOptions;
pub(super) use multi_turn::NO_HEADER;
pub use multi_turn::{MultiTurnOptions, Replies, ThinkTime};
pub use result::ResultOptions;
pub use send::SendOptions;
pub(super) use server::BUILTIN;
pub use server::{ServerOptions, TokenizerMode};
pub use shape::ShapeOptions;

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
    /// When, where one rate does not say it.
    #[serde(flatten)]
    #[command(flatten)]
    pub shape: ShapeOptions,
    /// How long, where the number of requests does not say it.
    #[serde(flatten)]
    #[command(flatten)]
    pub extent: ExtentOptions,
    /// Limits and disturbances of the load.
    #[serde(flatten)]
    #[command(flatten)]
    pub beside: BesideOptions,
    /// What is sent.
    #[serde(flatten)]
    #[command(flatten)]
    pub dataset: DatasetOptions,
    /// How conversations are led.
    #[serde(flatten)]
    #[command(flatten)]
    pub multi_turn: MultiTurnOptions,
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
            "--cancel-rate=0.1",
            "--cancel-after=250ms",
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
        assert!(parse(&["--cancel-rate", "0.1"]).is_err());
        assert!(parse(&["--cancel-rate=0.1", "--cancel-after=10tokens"]).is_ok());
        assert!(parse(&["--multi-turn-turns", "3"]).is_err());
        assert!(parse(&["--think-time-distribution", "exponential"]).is_err());
    }

    #[test]
    fn a_history_is_live_unless_it_says_otherwise() {
        let history = |arguments: &[&str]| parse(arguments).unwrap().multi_turn.multi_turn;
        assert_eq!(history(&[]), None);
        assert_eq!(
            history(&["--multi-turn", "--turns", "3"]),
            Some(Replies::Live)
        );
        assert_eq!(
            history(&["--multi-turn", "recorded"]),
            Some(Replies::Recorded)
        );
    }
}
