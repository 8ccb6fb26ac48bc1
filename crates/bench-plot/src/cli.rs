use bench_charts::figures;
use clap::{Parser, Subcommand};

use crate::command::{FileOptions, ParetoOptions, SweepOptions};
use crate::compare::CompareOptions;
use crate::{PlotError, PlotOptions, Plotted, chart, plot};

/// Draw the results of LLM serving benchmarks
///
/// Reads result files of bench-serve and of the other tools that bench-aggregate reads, and
/// folders of them. Writes PNG and SVG charts and HTML pages that need no network.
///
/// Without a chart flag everything is drawn that the results allow, as with --all. The commands
/// below draw one kind of chart each.
#[derive(Debug, Parser)]
#[command(
    name = "bench-plot",
    version,
    max_term_width = 100,
    args_conflicts_with_subcommands = true,
    subcommand_negates_reqs = true
)]
pub struct Cli {
    /// One kind of chart.
    #[command(subcommand)]
    pub command: Option<Command>,
    /// Charts by flags.
    #[command(flatten)]
    pub options: PlotOptions,
}

/// Charts of one kind.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Tokens over the time of the run, with total, duration and average rate
    ///
    /// Prints Total Tokens, Duration and Average Rate. Stretches without a token are marked. Each
    /// run has a chart of its own. Needs single requests: a result of --save-detailed, or a file
    /// of --save-requests json.
    Cumulative(FileOptions),
    /// A row for each request: queue, prefill, decode, stalls
    ///
    /// Each run has a chart of its own. Needs single requests: a result of --save-detailed, or a
    /// file of --save-requests json.
    Timeline(FileOptions),
    /// How TTFT, ITL and E2EL are distributed
    ///
    /// Several runs are laid over each other. Needs single requests: a result of --save-detailed,
    /// or a file of --save-requests json.
    Distribution(FileOptions),
    /// Requests under way, tokens and requests per second over the time of the run
    ///
    /// Several runs are laid over each other. Needs single requests: a result of --save-detailed,
    /// or a file of --save-requests json.
    OverTime(FileOptions),
    /// When which requests waited long for their next token
    ///
    /// Each run has a chart of its own. Needs single requests: a result of --save-detailed, or a
    /// file of --save-requests json.
    Stalls(FileOptions),
    /// Throughput against latency, each load a point, with the knee
    ///
    /// The knee is where more load begins to bring little more throughput (Kneedle).
    Sweep(SweepOptions),
    /// Throughput of the whole against what one user sees of it, with the frontier
    ///
    /// Repeats are one point, their mean. Each workload (model, tool, dataset and lengths) has a
    /// frontier of its own. It goes in steps: between two points nothing was measured, and a user
    /// who needs more speed than the one has to take the throughput of the other.
    Pareto(ParetoOptions),
    /// One side against another: what changed, and how sure that is
    ///
    /// Intervals and verdicts are those of `bench-aggregate compare`. Sides with several loads are
    /// compared load by load.
    Compare(CompareOptions),
}

impl Cli {
    /// Draws what the command line asks for.
    ///
    /// # Errors
    /// If nothing can be read, or a file cannot be written.
    pub fn run(&self) -> Result<Plotted, PlotError> {
        match &self.command {
            None => plot(&self.options),
            Some(Command::Cumulative(options)) => options.draw_each(chart::CUMULATIVE),
            Some(Command::Timeline(options)) => options.draw_each(chart::TIMELINE),
            Some(Command::Distribution(options)) => options.draw_together(figures::distribution),
            Some(Command::OverTime(options)) => options.draw_together(figures::over_time),
            Some(Command::Stalls(options)) => options.draw_each(chart::STALLS),
            Some(Command::Sweep(options)) => options.draw(),
            Some(Command::Pareto(options)) => options.draw(),
            Some(Command::Compare(options)) => options.draw(),
        }
    }
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
        let cli = Cli::parse_from(["bench-plot", "results"]);
        assert_eq!(cli.options, PlotOptions::new(["results"]));
        assert!(cli.command.is_none());
    }

    #[test]
    fn results_are_needed_unless_there_is_a_command() {
        assert!(Cli::try_parse_from(["bench-plot", "--all"]).is_err());
        assert!(Cli::try_parse_from(["bench-plot", "--csv", "runs.csv"]).is_ok());
        let cli = Cli::parse_from(["bench-plot", "timeline", "run.json"]);
        assert!(matches!(cli.command, Some(Command::Timeline(_))));
        assert!(Cli::try_parse_from(["bench-plot", "timeline"]).is_err());
    }
}
