//! One run.

use std::path::PathBuf;
use std::process::ExitCode;

use bench_charts::{figures, html};
use bench_core::cli::ProgressBar;
use bench_core::report::{PageFile, Report, RunResult, console};
use bench_serve::RunLine;
use bench_sim::SimHandle;

use super::exit::{FAILED, MISSED, ProgramError};
use super::process::{print, surroundings};

/// Carries out the run of a command line and prints its report.
pub(crate) async fn once(line: &RunLine) -> Result<ExitCode, ProgramError> {
    let simulator = line.simulator()?;
    let around = surroundings(line, simulator.as_ref().map(SimHandle::url));
    let options = &line.options;
    let mut progress = ProgressBar::new(options.client.disable_tqdm);
    let carried = options.carry_out(around, &mut progress).await?;
    // A reader that goes away must not cost the result, nor a full disk the report.
    let printed = print(&console(&carried.report));
    let page = options.result.page_file();
    let page = page.map(|file| write_page(&file, &carried.report));
    if let Some(path) = carried.saved? {
        eprintln!("Result written to {}", path.display());
    }
    if let Some(path) = page.transpose()? {
        eprintln!("Report written to {}", path.display());
    }
    printed?;
    Ok(verdict(&carried.report, options.result.max_failure_rate))
}

/// Writes the report for a browser, and returns the path it has.
fn write_page(file: &PageFile, report: &Report) -> Result<PathBuf, ProgramError> {
    let run = [RunResult::of(report)];
    let page = html::report(&run, figures::all(&run)).map_err(ProgramError::bug)?;
    Ok(file.write(&page)?)
}

fn verdict(report: &Report, max_failure_rate: Option<f64>) -> ExitCode {
    let rate = report.failure_rate();
    if let Some(limit) = max_failure_rate.filter(|limit| rate > *limit) {
        eprintln!("error: {rate:.4} of the requests failed, more than --max-failure-rate {limit}");
        return ExitCode::from(MISSED);
    }
    if report.summary.requests.completed == 0 {
        return ExitCode::from(FAILED);
    }
    ExitCode::SUCCESS
}
