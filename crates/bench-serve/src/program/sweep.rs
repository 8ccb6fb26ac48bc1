//! Many runs of one configuration.

use std::process::ExitCode;

use bench_core::cli::sweep::{Sweep, SweepOutcome, SweepPlan};
use bench_serve::SweepLine;
use bench_sim::{SimConfig, SimHandle};
use clap::ArgMatches;
use serde_json::Value;

use super::exit::{FAILED, MISSED, ProgramError};
use super::process::{print, surroundings};

/// The name of the command.
const SWEEP: &str = "sweep";

/// Measures all points of the sweep that the command line asks for.
pub(crate) async fn sweep(matches: &ArgMatches) -> Result<ExitCode, ProgramError> {
    let program = bench_serve::command(std::env::args_os());
    let command = program.find_subcommand(SWEEP).cloned().unwrap_or_default();
    let given = matches.subcommand_matches(SWEEP).unwrap_or(matches);
    let plan = SweepPlan::read(command, given)?;
    let line: SweepLine = plan.shared()?;
    let line = line.run.0;
    // One for all points: what one of them leaves in its caches is there for the next.
    let simulator = line.simulator()?;
    let settings = match &simulator {
        Some(_) => Some(settings(line.simulated.clone())?),
        None => None,
    };
    let around = surroundings(&line, simulator.as_ref().map(SimHandle::url));
    let outcome = Sweep::new(plan)
        .simulator(settings)
        .execute(&around)
        .await?;
    print(&outcome.summary())?;
    Ok(verdict(&outcome))
}

/// The settings of the simulated server, without its key.
pub(super) fn settings(config: SimConfig) -> Result<Value, ProgramError> {
    let api_key = None;
    let config = SimConfig { api_key, ..config };
    serde_json::to_value(config).map_err(ProgramError::bug)
}

fn verdict(outcome: &SweepOutcome) -> ExitCode {
    if !outcome.is_complete() {
        return ExitCode::from(FAILED);
    }
    if outcome.missed() > 0 {
        return ExitCode::from(MISSED);
    }
    ExitCode::SUCCESS
}
