//! The search for the greatest load.

use std::process::ExitCode;

use bench_core::cli::search::{Ended, Search, SearchOutcome, SearchPlan};
use bench_core::search::Answer;
use bench_serve::SearchLine;
use bench_sim::SimHandle;

use super::exit::{FAILED, MISSED, ProgramError};
use super::process::{print, surroundings};
use super::sweep::settings;

/// Carries out the search of a command line and prints what it found.
pub(crate) async fn search(line: &SearchLine) -> Result<ExitCode, ProgramError> {
    let run = &line.run.0.0;
    let plan = SearchPlan::new(run.options.clone(), line.search.clone())?;
    // One for all points: what one of them leaves in its caches is there for the next.
    let simulator = run.simulator()?;
    let settings = match &simulator {
        Some(_) => Some(settings(run.simulated.clone())?),
        None => None,
    };
    let around = surroundings(run, simulator.as_ref().map(SimHandle::url));
    let outcome = Search::new(plan)
        .simulator(settings)
        .execute(&around)
        .await?;
    print(&outcome.summary())?;
    verdict(&outcome)
}

fn verdict(outcome: &SearchOutcome) -> Result<ExitCode, ProgramError> {
    match outcome.ended() {
        Ended::Found(Answer::Between { .. } | Answer::AlwaysHolds { .. }) => Ok(ExitCode::SUCCESS),
        Ended::Found(Answer::NeverHolds { .. }) if !outcome.has_completed_any() => {
            let problem = "no request at any load was answered whole: the server does not serve \
                           what is asked, whatever the load; bench-serve without `search` tells \
                           how requests fail";
            Err(ProgramError::new(FAILED, problem))
        }
        Ended::Found(Answer::NeverHolds { .. }) => Ok(ExitCode::from(MISSED)),
        Ended::Stopped => Ok(ExitCode::from(FAILED)),
    }
}
