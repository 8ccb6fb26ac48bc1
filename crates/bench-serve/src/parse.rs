//! Arguments as other tools take them.

use std::ffi::OsString;

use clap::ArgMatches;
use clap::error::{ContextKind, ContextValue, ErrorKind};

use crate::command;

/// What `arguments`, of which the first is the name of the program, ask for.
///
/// # Errors
/// What is wrong with them, or the help that they ask for.
pub fn matches(arguments: impl IntoIterator<Item = OsString>) -> Result<ArgMatches, clap::Error> {
    let arguments = with_dashes(arguments);
    let command = command(arguments.iter().cloned());
    command.try_get_matches_from(arguments).map_err(with_hint)
}

/// The arguments with dashes in the names of flags: `vllm bench serve` takes `--num_prompts` as well.
fn with_dashes(arguments: impl IntoIterator<Item = OsString>) -> Vec<OsString> {
    let mut flags_end = false;
    let arguments = arguments.into_iter().map(|argument| {
        flags_end |= argument == "--";
        match argument.to_str().filter(|_| !flags_end) {
            Some(text) if text.starts_with("--") => {
                let (name, value) = text.split_at(text.find('=').unwrap_or(text.len()));
                (name.replace('_', "-") + value).into()
            }
            _ => argument,
        }
    });
    arguments.collect()
}

/// Words of the commands of other tools that stand before the flags there.
const WORDS_OF_OTHERS: &[&str] = &["bench", "serve"];

/// The error with a tip for who comes from `vllm bench serve`.
fn with_hint(mut error: clap::Error) -> clap::Error {
    let word = match error.get(ContextKind::InvalidSubcommand) {
        Some(ContextValue::String(word)) if error.kind() == ErrorKind::InvalidSubcommand => word,
        _ => return error,
    };
    if WORDS_OF_OTHERS.contains(&word.as_str()) {
        let tip = format!("leave out '{word}': the flags of a run follow bench-serve itself");
        error.remove(ContextKind::SuggestedSubcommand);
        error.insert(
            ContextKind::Suggested,
            ContextValue::StyledStrs(vec![tip.into()]),
        );
    }
    error
}

#[cfg(test)]
mod tests {
    use bench_core::cli::RunOptions;
    use clap::FromArgMatches;

    use super::*;
    use crate::Cli;

    fn parsed(arguments: &[&str]) -> Result<ArgMatches, clap::Error> {
        let line = ["bench-serve"].iter().chain(arguments);
        matches(line.map(OsString::from))
    }

    fn options(arguments: &[&str]) -> RunOptions {
        let cli = Cli::from_arg_matches(&parsed(arguments).unwrap());
        cli.unwrap().run.options
    }

    #[test]
    fn underscores_in_names_are_dashes() {
        let told = options(&[
            "--num_prompts",
            "3",
            "--served_model_name=a_b",
            "--ignore_eos",
        ]);
        assert_eq!(told.load.num_prompts, Some(3));
        assert_eq!(told.server.served_model_name.as_deref(), Some("a_b"));
        assert!(told.send.ignore_eos);
        let kept = with_dashes(["a_b", "--", "--a_b"].map(OsString::from));
        assert_eq!(kept, ["a_b", "--", "--a_b"]);
    }

    #[test]
    fn the_last_of_a_flag_given_twice_counts() {
        let line = [
            "--num-prompts=3",
            "--ignore-eos",
            "--num-prompts=4",
            "--ignore-eos",
        ];
        let told = options(&line);
        assert_eq!(
            (told.load.num_prompts, told.send.ignore_eos),
            (Some(4), true)
        );
        let shape = options(&["--self-timed", "--no-self-timed"]).shape;
        assert_eq!((shape.self_timed, shape.no_self_timed), (false, true));
        let shape = options(&["--no-self-timed", "--self-timed"]).shape;
        assert_eq!((shape.self_timed, shape.no_self_timed), (true, false));
        let searched = [
            "search",
            "--max-rate",
            "--slo=ttft:p99<=1s",
            "--seed=1",
            "--seed=2",
        ];
        assert!(parsed(&searched).is_ok());
    }

    #[test]
    fn lists_may_be_empty() {
        let told = options(&["--header", "--metadata", "--lora-name", "--seed", "5"]);
        assert_eq!(told.load.seed, 5);
        assert!(told.send.header.is_empty() && told.result.metadata.is_empty());
        assert!(told.server.lora_modules.is_empty());
    }

    #[test]
    fn the_words_of_another_tool_are_to_be_left_out() {
        for word in ["serve", "bench"] {
            let told = parsed(&[word, "--seed", "5"]).unwrap_err().to_string();
            assert!(told.contains(&format!("leave out '{word}'")), "{told}");
            assert!(!told.contains("similar"), "{told}");
        }
        let told = parsed(&["serach"]).unwrap_err().to_string();
        assert!(told.contains("'search'"), "{told}");
    }
}
