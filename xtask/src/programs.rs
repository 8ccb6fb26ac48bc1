//! The programs of the workspace, each named like its package.

use clap::{Command, CommandFactory};

/// A program that people run.
pub(crate) struct Program {
    /// Its name, which is that of its package.
    pub(crate) name: &'static str,
    /// The page of its reference in `docs/src/`.
    pub(crate) page: &'static str,
    /// Its command line.
    pub(crate) command: fn() -> Command,
}

/// All of them.
pub(crate) const PROGRAMS: &[Program] = &[
    Program {
        name: "bench-serve",
        page: "cli.md",
        command: bench_serve::Cli::command,
    },
    Program {
        name: "bench-aggregate",
        page: "cli-aggregate.md",
        command: bench_aggregate::Cli::command,
    },
    Program {
        name: "bench-plot",
        page: "cli-plot.md",
        command: bench_plot::Cli::command,
    },
    Program {
        name: "bench-sim",
        page: "cli-sim.md",
        command: bench_sim::Cli::command,
    },
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn programs_are_called_what_the_table_says() {
        for program in PROGRAMS {
            assert_eq!((program.command)().get_name(), program.name);
        }
    }
}
