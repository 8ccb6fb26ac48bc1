//! A page of charts of many runs, with filters.

use askama::Template;
use bench_report::RunResult;

use super::HtmlError;
use super::chart::{Chart, Charts};
use super::page::Frame;
use super::report::{Banner, banners};
use super::run_rows;
use super::table::Table;
use crate::Caption;
use crate::figures::{Dimension, Drawn};

#[derive(Template)]
#[template(path = "dashboard.html")]
struct DashboardPage {
    frame: Frame,
    banners: Vec<Banner>,
    filters: Vec<Filter>,
    runs: Table,
    charts: Vec<Chart>,
    missing: Vec<String>,
}

/// A group of check boxes.
struct Filter {
    key: &'static str,
    title: &'static str,
    values: Vec<String>,
}

/// Charts of many runs, with a filter for everything in which the runs differ. The figures
/// are those of [`figures::of_runs`](crate::figures::of_runs), and any others.
///
/// # Errors
/// [`HtmlError`], if there is no run.
pub fn dashboard(runs: &[RunResult], figures: Vec<Drawn>) -> Result<String, HtmlError> {
    if runs.is_empty() {
        return Err(HtmlError::NoRuns);
    }
    let refs: Vec<&RunResult> = runs.iter().collect();
    let Charts {
        charts,
        missing,
        plots,
    } = Charts::of(figures);
    let title = match runs.len() {
        1 => "Dashboard of 1 run".to_owned(),
        several => format!("Dashboard of {several} runs"),
    };
    let page = DashboardPage {
        frame: Frame::new(title, Caption::of(&refs), plots)?,
        banners: banners(runs),
        filters: run_rows::differing(runs)
            .into_iter()
            .map(Filter::of)
            .collect(),
        runs: run_rows::table(runs),
        charts,
        missing,
    };
    Ok(page.render()?)
}

impl Filter {
    fn of((dimension, values): (Dimension, Vec<String>)) -> Filter {
        Filter {
            key: dimension.key(),
            title: dimension.axis().0,
            values,
        }
    }
}
