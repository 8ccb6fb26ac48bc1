use bench_aggregate::{Found, ParetoRules};
use bench_charts::{Figure, NoChart, figures, html};
use bench_report::RunResult;

use crate::command::pareto_figure;
use crate::sheet::Sheet;
use crate::{PlotError, PlotOptions, Plotted, input};

/// Draws the charts of some results.
///
/// A chart that the results do not allow is no error but among what is
/// [missing](Plotted::missing).
///
/// # Errors
/// If there is no result, or a file cannot be written.
pub fn plot(options: &PlotOptions) -> Result<Plotted, PlotError> {
    let Found { runs, skipped } = read(options)?;
    let all = options.wants_all();
    let several = runs.len() > 1;
    let mut sheet = Sheet::new(&options.output);
    if all {
        sheet.add_all(figures_of(&runs))?;
    } else {
        if options.throughput {
            sheet.add(figures::throughput(&runs))?;
        }
        if options.latency {
            sheet.add(figures::latency(&runs))?;
        }
    }
    if options.interactive || all && several {
        let mut figures = figures::of_runs(&runs);
        figures.push(pareto_figure(&runs, &ParetoRules::default()));
        sheet.add_page("dashboard.html", html::dashboard(&runs, figures)?);
    }
    if options.report || all {
        sheet.add_page("report.html", html::report(&runs, figures_of(&runs))?);
    }
    sheet.finish(skipped, !all)
}

/// Every chart that fits these runs: those of a run if it is one, else those over the load.
fn figures_of(runs: &[RunResult]) -> Vec<Result<Figure, NoChart>> {
    let mut figures = figures::all(runs);
    if runs.len() > 1 {
        figures.push(pareto_figure(runs, &ParetoRules::default()));
    }
    figures
}

/// The runs of the paths, then those of the CSV.
fn read(options: &PlotOptions) -> Result<Found, PlotError> {
    // Throughput alone does not look at single requests.
    let details = options.wants_all() || options.latency || options.report || options.interactive;
    let mut found = Found::default();
    if !options.paths.is_empty() {
        found = input::read(&options.paths, details)?;
    }
    if let Some(path) = &options.csv {
        let rows = input::read_csv(path)?;
        found.runs.extend(rows.runs);
        found.skipped.extend(rows.skipped);
    }
    Ok(found)
}
