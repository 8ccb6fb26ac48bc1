//! One table of many runs.

mod group;
mod merge;
mod rows;

use std::fmt;
use std::path::PathBuf;

use bench_report::date_stamp;
use clap::{Args, ValueEnum};

use crate::output::Output;
use crate::table::Table;
use crate::{AggregateError, ReadOptions, Skipped, read_runs};
use group::Groups;
pub(crate) use group::repetition_key;

/// What is put into a table, and how.
#[derive(Clone, Debug, PartialEq, Eq, Args)]
pub struct AggregateOptions {
    /// Result files, and folders that are searched for them with all folders in them
    ///
    /// Read are the results of bench-serve, vllm bench serve, vllm-bench, SGLang bench_serving,
    /// aiperf, guidellm and inference-benchmarker, per-request metrics, and tables that this
    /// program wrote. What wrote a file is told by its contents. What is none of these is listed
    /// with the reason.
    #[arg(value_name = "PATH", required = true)]
    pub paths: Vec<PathBuf>,

    /// Folder for the table; made if missing
    #[arg(long, value_name = "DIR", default_value = ".")]
    pub output_dir: PathBuf,

    /// Name of the table in that folder, or a whole path; aggregate_results_YYYYMMDD by default
    #[arg(long, value_name = "FILE")]
    pub output: Option<PathBuf>,

    /// What the table is written as; by default what the name of --output ends in, else csv
    #[arg(long, value_enum, value_name = "FORMAT")]
    pub format: Option<Format>,

    /// Put a second header in Chinese below the first one (csv only)
    #[arg(long)]
    pub bilingual: bool,

    /// Make one row of runs that differ in nothing but their repetition
    ///
    /// It has their number, the mean of each metric over the runs, its standard deviation and its
    /// 95 % confidence interval (Student's t). Percentiles are those of all samples together, so
    /// they need results written with --save-detailed.
    #[arg(long)]
    pub group: bool,

    /// Fail at the first file that cannot be read or is no result, and write nothing
    #[arg(long)]
    pub strict: bool,

    /// Replace a table that exists
    #[arg(long)]
    pub overwrite: bool,
}

/// What a table is written as.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// Comma-separated values, numbers with every digit
    Csv,
    /// A list with an object for each row
    Json,
    /// The main columns, rounded, for people to read
    Markdown,
    /// Typed columns for databases and data frames
    Parquet,
}

impl Format {
    fn ending(self) -> &'static str {
        match self {
            Format::Csv => "csv",
            Format::Json => "json",
            Format::Markdown => "md",
            Format::Parquet => "parquet",
        }
    }

    fn by_ending(path: &std::path::Path) -> Option<Format> {
        let ending = path.extension()?;
        let all = Format::value_variants().iter().copied();
        let mut fitting = all.filter(|format| ending.eq_ignore_ascii_case(format.ending()));
        fitting.next()
    }
}

/// Its name on the command line.
impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Format::Markdown => "markdown",
            other => other.ending(),
        })
    }
}

impl AggregateOptions {
    /// The table of the runs at `paths` in the current folder, as if by `bench-aggregate PATH...`.
    pub fn new(paths: impl IntoIterator<Item = impl Into<PathBuf>>) -> AggregateOptions {
        AggregateOptions {
            paths: paths.into_iter().map(Into::into).collect(),
            output_dir: PathBuf::from("."),
            output: None,
            format: None,
            bilingual: false,
            group: false,
            strict: false,
            overwrite: false,
        }
    }

    fn format(&self) -> Format {
        let told = || self.output.as_deref().and_then(Format::by_ending);
        self.format.or_else(told).unwrap_or(Format::Csv)
    }

    fn output(&self, now_unix: f64) -> Output {
        let date = date_stamp(now_unix);
        let day = date.split('-').next().unwrap_or(&date);
        let name = || {
            PathBuf::from(format!(
                "aggregate_results_{day}.{}",
                self.format().ending()
            ))
        };
        Output {
            path: self
                .output_dir
                .join(self.output.clone().unwrap_or_else(name)),
            overwrite: self.overwrite,
        }
    }
}

/// A table that was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Aggregated {
    /// The file.
    pub path: PathBuf,
    /// Its rows.
    pub rows: usize,
    /// Runs that they stand for.
    pub runs: usize,
    /// Files that these were read from.
    pub files: usize,
    /// Files, and parts of files, that no run was read from.
    pub skipped: Vec<Skipped>,
}

/// Puts the runs of result files into one table. `now_unix` is the time in seconds since 1970,
/// for the name of the table.
///
/// Files are read one after the other, so that memory does not grow with their details.
///
/// # Errors
/// If there is no run at all, a path leads nowhere, something is skipped and the options are
/// strict, or the table cannot be written.
pub fn aggregate(options: &AggregateOptions, now_unix: f64) -> Result<Aggregated, AggregateError> {
    let format = options.format();
    if options.bilingual && format != Format::Csv {
        return Err(AggregateError::BilingualFormat { format });
    }
    let output = options.output(now_unix);
    output.check()?;
    let read = ReadOptions {
        details: false,
        strict: options.strict,
    };
    let mut table = Table::new();
    let mut groups = options.group.then(Groups::default);
    let mut runs = 0;
    let mut files = 0;
    let mut last = None;
    let mut skipped = read_runs(&options.paths, &read, &mut |run| {
        runs += 1;
        // The runs of one file come one after the other.
        if last.as_ref() != Some(&run.origin.path) {
            files += 1;
            last = Some(run.origin.path.clone());
        }
        match &mut groups {
            Some(groups) => groups.add(run),
            None => rows::add(&mut table, &run),
        }
        Ok(())
    })?;
    if runs == 0 {
        return Err(AggregateError::NothingFound { skipped });
    }
    if let Some(groups) = groups {
        let unread = groups.into_rows(&mut table, merge::LIMIT);
        if let Some(Skipped { path, reason }) = unread.first().filter(|_| options.strict) {
            return Err(AggregateError::NotAResult {
                path: path.clone(),
                reason: reason.clone(),
            });
        }
        skipped.extend(unread);
    }
    let rows = table.len();
    let path = output.write(|file| table.write(format, options.bilingual, file))?;
    Ok(Aggregated {
        path,
        rows,
        runs,
        files,
        skipped,
    })
}
