use clap::{Parser, Subcommand};

use crate::compare::CompareOptions;
use crate::{AggregateOptions, ParetoOptions, RebuildOptions};

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

    /// Say whether the runs of B differ from those of A by more than chance
    ///
    /// Several runs on a side are compared by their spread; a single run by its requests, which
    /// --save-detailed saves. Of a sweep every load is compared with the same load of the other
    /// side. Each number is better, worse, the same within a margin, or inconclusive.
    /// Exit code 3: a gate (--fail-if) was missed.
    Compare(CompareOptions),

    /// Put runs between the speed that one user sees and the throughput of the whole
    ///
    /// The speed of a user is 1000 / median TPOT in ms; without a TPOT it is output throughput /
    /// concurrency. Repeats, as --group finds them, are one point: their mean. Points on
    /// the frontier are marked: no other of the same workload beats them in one without losing in
    /// the other. A workload is a model, a tool, a dataset and lengths; backends, servers and
    /// labels compete.
    Pareto(ParetoOptions),
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
        let Command::Compare(options) = parse(&["bench-aggregate", "compare", "a", "b"]) else {
            panic!("another command");
        };
        assert_eq!(options, CompareOptions::new("a", "b"));
    }
}
