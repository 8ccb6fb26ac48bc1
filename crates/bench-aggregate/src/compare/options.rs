use std::path::PathBuf;

use clap::{Args, ValueEnum};

use super::{FailOn, Gate, Margin, Measure};

/// Which sides are compared, by which limits, and where the answer goes.
#[derive(Clone, Debug, PartialEq, Args)]
pub struct CompareOptions {
    /// Side A, what is compared with: a result file, or a folder of them
    #[arg(value_name = "A")]
    pub a: PathBuf,

    /// Side B, what is judged: a result file, or a folder of them
    #[arg(value_name = "B")]
    pub b: PathBuf,

    /// Numbers to compare, by their keys in a result, such as p99_ttft_ms or output_throughput
    ///
    /// By default mean, median, p90 and p99 of TTFT, TPOT, ITL and E2EL, and the throughputs, as
    /// far as the results have them. All that is compared shares the 5 % of false alarms: fewer
    /// numbers are each decided by smaller differences.
    #[arg(long, value_name = "KEY,KEY...", value_delimiter = ',')]
    pub metrics: Vec<Measure>,

    /// How large a difference may be and still not matter, 2% if not given; p99_ttft_ms=5% is for
    /// one number
    ///
    /// A number is `same` if its whole interval lies within. Can be repeated; a number's own
    /// margin comes first.
    #[arg(long, value_name = "[KEY=]PERCENT", value_delimiter = ',')]
    pub margin: Vec<Margin>,

    /// What must not be: p99_ttft_ms>5% (a change), p99_ttft_ms>500 (side B itself)
    ///
    /// Also output_throughput<-3% and error_rate>0.01. Missed only if the whole interval lies
    /// beyond the limit, or if B lacks what it is about: the load, the number in any of its
    /// runs, or any answer; the exit code is then 3. `failed` and `error_rate` are counted, and
    /// so go by the numbers themselves. Holds at every load. Can be repeated.
    #[arg(long, value_name = "GATE")]
    pub fail_if: Vec<Gate>,

    /// What decides about --fail-if
    ///
    /// `point` looks at the numbers alone, and so misses gates by chance, but needs no samples.
    #[arg(long, value_name = "WHAT", default_value = "interval")]
    pub fail_on: FailOn,

    /// Form of the answer
    #[arg(long, value_name = "FORM", default_value = "console")]
    pub format: CompareFormat,

    /// Writes the answer to a file in place of standard output
    #[arg(long, value_name = "FILE")]
    pub output: Option<PathBuf>,

    /// Replace a file that exists
    #[arg(long, requires = "output")]
    pub overwrite: bool,

    /// Fail at the first file that is no result
    #[arg(long)]
    pub strict: bool,

    /// Resamples for the percentiles of a single run; more of them cost time
    #[arg(long, value_name = "N", default_value_t = 1000, value_parser = resamples)]
    pub resamples: usize,

    /// Seed of the resampling
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub seed: u64,
}

/// Form in which a comparison is told.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum CompareFormat {
    /// A table for the terminal
    #[default]
    Console,
    /// A table for pull requests and wikis
    Markdown,
    /// Test cases for CI systems: a gate that was missed is a failure
    Junit,
}

impl CompareOptions {
    /// Two sides, as if by `bench-aggregate compare A B`.
    pub fn new(a: impl Into<PathBuf>, b: impl Into<PathBuf>) -> CompareOptions {
        CompareOptions {
            a: a.into(),
            b: b.into(),
            metrics: Vec::new(),
            margin: Vec::new(),
            fail_if: Vec::new(),
            fail_on: FailOn::Interval,
            format: CompareFormat::Console,
            output: None,
            overwrite: false,
            strict: false,
            resamples: 1000,
            seed: 0,
        }
    }
}

fn resamples(text: &str) -> Result<usize, String> {
    let number = text.parse().ok();
    let number = number.filter(|n| (100..=100_000).contains(n));
    number.ok_or_else(|| "give a number from 100 to 100000".to_owned())
}
