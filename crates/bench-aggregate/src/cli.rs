use clap::{Parser, Subcommand};

use crate::{AggregateOptions, RebuildOptions};

/// Work with the results of benchmarks after the runs.
///
/// Without a command, `bench-aggregate PATH...` puts all runs into one table, as
/// `bench-aggregate aggregate PATH...` does.
#[derive(Debug, Parser)]
#[command(
    name = "bench-aggregate",
    version,
    max_term_width = 100,
    args_conflicts_with_subcommands = true,
    subcommand_negates_reqs = true
)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Option<Command>,

    /// What is put into a table if there is no command.
    #[command(flatten)]
    pub table: AggregateOptions,
}

impl Cli {
    /// What to do.
    pub fn chosen(self) -> Command {
        self.command.unwrap_or(Command::Aggregate(self.table))
    }
}

/// What can be done.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Put the runs of many result files into one table
    ///
    /// A row for each run, or with --group for runs that repeat each other. `aggregate` may be
    /// left out.
    Aggregate(AggregateOptions),

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
        let parse = |args: &[&str]| Cli::parse_from(args).chosen();
        let Command::Rebuild(options) = parse(&["bench-aggregate", "rebuild", "run.jsonl"]) else {
            panic!("another command");
        };
        assert_eq!(options, RebuildOptions::new("run.jsonl"));
        for args in [
            &["bench-aggregate", "a", "b"][..],
            &["bench-aggregate", "aggregate", "a", "b"],
        ] {
            let Command::Aggregate(options) = parse(args) else {
                panic!("another command");
            };
            assert_eq!(options, AggregateOptions::new(["a", "b"]));
        }
        assert!(Cli::try_parse_from(["bench-aggregate"]).is_err());
    }
}
