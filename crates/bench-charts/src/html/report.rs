//! The report of a run, or of several.

use askama::Template;
use bench_report::{Account, RunResult};

use super::HtmlError;
use super::chart::{Chart, Charts};
use super::page::Frame;
use super::run_rows;
use super::run_tables::{
    audit, breakdown, conventions, failures, key_figures, percentiles, reproducibility,
};
use super::table::Table;
use crate::Caption;
use crate::figures::{Drawn, knees};

#[derive(Template)]
#[template(path = "report.html")]
struct ReportPage {
    frame: Frame,
    banners: Vec<Banner>,
    sections: Vec<PageSection>,
    charts: Vec<Chart>,
    missing: Vec<String>,
}

/// What must not be overlooked.
pub(super) struct Banner {
    pub(super) verdict: String,
    pub(super) text: String,
    pub(super) good: bool,
}

/// A heading with tables.
struct PageSection {
    id: String,
    title: String,
    notes: Vec<String>,
    tables: Vec<Table>,
    before_charts: bool,
    /// Whether the tables are shown on demand only.
    folded: bool,
}

impl PageSection {
    fn new(id: &str, title: &str, tables: impl IntoIterator<Item = Table>) -> PageSection {
        PageSection {
            id: id.to_owned(),
            title: title.to_owned(),
            notes: Vec::new(),
            tables: tables.into_iter().collect(),
            before_charts: true,
            folded: false,
        }
    }

    fn noted(mut self, notes: impl IntoIterator<Item = String>) -> PageSection {
        self.notes.extend(notes);
        self
    }

    fn after_charts(mut self) -> PageSection {
        self.before_charts = false;
        self
    }

    fn folded(mut self) -> PageSection {
        self.folded = true;
        self
    }

    fn is_empty(&self) -> bool {
        self.tables.is_empty() && self.notes.is_empty()
    }
}

/// The whole report as a page: of one run everything it tells, of several a table of all, and
/// what one of them tells on demand. The figures are those of
/// [`figures::all`](crate::figures::all), and any others.
///
/// # Errors
/// [`HtmlError`], if there is no run.
pub fn report(runs: &[RunResult], figures: Vec<Drawn>) -> Result<String, HtmlError> {
    let (title, sections) = match runs {
        [] => return Err(HtmlError::NoRuns),
        [run] => (title_of(run), of_one(run)),
        several => (
            format!("Report of {} runs", several.len()),
            of_several(several),
        ),
    };
    let refs: Vec<&RunResult> = runs.iter().collect();
    let Charts {
        charts,
        missing,
        plots,
    } = Charts::of(figures);
    let mut sections = sections;
    sections.retain(|section| !section.is_empty());
    let page = ReportPage {
        frame: Frame::new(title, Caption::of(&refs), plots)?,
        banners: banners(runs),
        sections,
        charts,
        missing,
    };
    Ok(page.render()?)
}

fn title_of(run: &RunResult) -> String {
    let model = run.model_id.as_deref().unwrap_or("a server");
    match run.label.as_deref().filter(|label| !label.is_empty()) {
        Some(label) => format!("Benchmark of {model}: {label}"),
        None => format!("Benchmark of {model}"),
    }
}

fn of_one(run: &RunResult) -> Vec<PageSection> {
    let account = Account::of(run);
    let account = account.as_ref();
    let convention = "vllm: as `vllm bench serve` computes it. strict: only content counts, and \
                      tokens are counted as tokens. intended: as strict, but from the time the \
                      request was meant to leave. failed=inf: failed requests count as infinite.";
    let mut sections = vec![
        PageSection::new("key-figures", "Key figures", key_figures(run)),
        PageSection::new("percentiles", "Percentiles", percentiles(run)),
        PageSection::new("failures", "Failures", failures(run)),
    ];
    if let Some(table) = account.and_then(conventions) {
        let section = PageSection::new("conventions", "Conventions", [table]);
        sections.push(section.noted([convention.to_owned()]));
    }
    let parts = account.map(breakdown).unwrap_or_default();
    let audits = account.map(audit).unwrap_or_default();
    sections.extend([
        PageSection::new("parts", "By server and model", parts),
        PageSection::new("self-audit", "Streams and self-audit", audits).after_charts(),
        PageSection::new("warnings", "Warnings", []).noted(run.condition.warnings.iter().cloned()),
        PageSection::new("reproducibility", "Reproducibility", reproducibility(run))
            .after_charts()
            .folded(),
    ]);
    sections
}

fn of_several(runs: &[RunResult]) -> Vec<PageSection> {
    let named = |run: &RunResult| {
        let tables = key_figures(run).into_iter().map(|table| Table {
            caption: format!("{}: {}", run_rows::name(run), table.caption),
            ..table
        });
        tables.collect::<Vec<_>>()
    };
    let warnings = runs.iter().flat_map(|run| {
        let warnings = run.condition.warnings.iter();
        warnings.map(|warning| format!("{}: {warning}", run_rows::name(run)))
    });
    vec![
        PageSection::new("runs", "Runs", [run_rows::table(runs)]),
        PageSection::new("knee", "Saturation", []).noted(knees(runs)),
        PageSection::new("warnings", "Warnings", []).noted(warnings),
        PageSection::new(
            "key-figures",
            "Key figures of each run",
            runs.iter().flat_map(named),
        )
        .after_charts()
        .folded(),
    ]
}

/// What must not be overlooked. Of several runs it says of how many it holds.
pub(super) fn banners(runs: &[RunResult]) -> Vec<Banner> {
    let mut banners = match runs {
        [run] => match Account::of(run) {
            Some(account) => account.banners().into_iter().map(Banner::of).collect(),
            None => conditions(runs),
        },
        several => conditions(several),
    };
    banners.extend(failed(runs));
    banners
}

impl Banner {
    fn of(banner: bench_report::Banner) -> Banner {
        Banner {
            verdict: banner.verdict.to_owned(),
            text: banner.text,
            good: false,
        }
    }
}

fn conditions(runs: &[RunResult]) -> Vec<Banner> {
    type Fact = fn(&RunResult) -> Option<bool>;
    let facts: [(&str, &str, Fact); 3] = [
        (
            "SIMULATED SERVER",
            "measured on a simulator, not on a real server.",
            |run| run.condition.simulated,
        ),
        ("PARTIAL", "stopped before its end.", |run| {
            run.condition.partial
        }),
        (
            "CLIENT LIMITED",
            "the client, not the server, may have been the limit.",
            |run| run.condition.client_limited,
        ),
    ];
    let banner = |(verdict, text, holds): (&str, &str, Fact)| {
        let count = runs.iter().filter(|run| holds(run) == Some(true)).count();
        let of = match (count, runs.len()) {
            (0, _) => return None,
            (1, 1) => "this run: ".to_owned(),
            (count, all) => format!("{count} of {all} runs: "),
        };
        Some(Banner {
            verdict: verdict.to_owned(),
            text: of + text,
            good: false,
        })
    };
    facts.into_iter().filter_map(banner).collect()
}

/// How many requests failed.
fn failed(runs: &[RunResult]) -> Option<Banner> {
    let failed: Vec<u64> = runs.iter().filter_map(|run| run.failed).collect();
    let completed: u64 = runs.iter().filter_map(|run| run.completed).sum();
    if failed.is_empty() {
        return None;
    }
    let failed: u64 = failed.iter().sum();
    let all = failed + completed;
    Some(match failed {
        0 => Banner {
            verdict: "NO FAILURES".to_owned(),
            text: format!("all {all} requests were answered whole."),
            good: true,
        },
        _ => Banner {
            verdict: "FAILURES".to_owned(),
            text: format!("{failed} of {all} requests were not answered whole."),
            good: false,
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::figures::{self, make};

    #[test]
    fn a_run_is_told_under_the_names_of_the_console() {
        let mut run = make::run(16);
        run.completed = Some(41);
        run.failed = Some(3);
        let page = report(std::slice::from_ref(&run), Vec::new()).unwrap();
        for (label, value) in bench_report::serving_sections(&run)
            .into_iter()
            .flat_map(|section| section.rows)
        {
            let row = format!("<th scope=\"row\">{label}</th><td class=\"number\">{value}</td>");
            assert!(page.contains(&row), "{row}");
        }
        assert!(page.contains("3 of 44 requests were not answered whole"));
    }

    #[test]
    fn several_runs_are_told_with_the_loads_at_which_they_level_off() {
        let runs: Vec<RunResult> = [1, 4, 16, 64, 256].map(make::run).into();
        let page = report(&runs, figures::all(&runs)).unwrap();
        assert!(page.contains("Report of 5 runs"));
        assert!(page.contains(&knees(&runs)[0]));
        for run in &runs {
            assert!(page.contains(&format!(">{}<", run_rows::name(run))));
        }
    }

    #[test]
    fn what_speaks_against_the_numbers_comes_first() {
        let mut runs = vec![make::run(1), make::run(2)];
        runs[1].condition.simulated = Some(true);
        runs[1].condition.client_limited = Some(true);
        let told: Vec<String> = banners(&runs)
            .into_iter()
            .map(|one| one.verdict + &one.text)
            .collect();
        assert_eq!(told.len(), 2);
        assert!(told[0].starts_with("SIMULATED SERVER1 of 2 runs"));
        assert!(told[1].starts_with("CLIENT LIMITED1 of 2 runs"));
        assert!(matches!(report(&[], Vec::new()), Err(HtmlError::NoRuns)));
    }
}
