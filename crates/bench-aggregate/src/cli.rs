use clap::{Parser, Subcommand};

use crate::RebuildOptions;

/// Work with the results of benchmarks after the runs.
#[derive(Debug, Parser)]
#[command(name = "bench-aggregate", version, max_term_width = 100)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What can be done.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Make the result of a run from its record log
    ///
    /// Of a run that came to its end this is the result that bench-serve writes, byte for byte.
    /// Of a run that was killed it has every request that had ended, and is marked as partial.
    Rebuild(RebuildOptions),
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_sound() {
        Cli::command().debug_assert();
    }

    #[test]
    fn options_not_given_are_those_of_a_program() {
        let cli = Cli::parse_from(["bench-aggregate", "rebuild", "run.jsonl"]);
        let Command::Rebuild(options) = cli.command;
        assert_eq!(options, RebuildOptions::new("run.jsonl"));
    }
}
