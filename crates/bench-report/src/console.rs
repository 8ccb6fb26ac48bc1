mod breakdown;
mod names;

use std::fmt::Write as _;

use crate::sections::Serving;
use crate::{Account, ConventionRow, Report, Section, VllmResult};

/// The report for a terminal.
///
/// First what must not be overlooked; then the block that users of `vllm bench serve` know,
/// with its labels and widths; then what that block does not tell.
pub fn console(report: &Report) -> String {
    let records = VllmResult::in_order(report);
    let account = Account::from(report);
    let mut page = Page(String::new());
    for banner in account.banners() {
        page.line(banner);
    }
    let block = serving_block(&VllmResult::of(report, &records, false));
    page.0.push_str(&block);
    if let Some(load) = account.load() {
        page.section(&load);
    }
    conventions(&mut page, &account);
    if let Some(streams) = account.streams() {
        page.section(&streams);
    }
    if let Some(steady) = account.steady() {
        page.section(&steady);
    }
    for section in account.beside() {
        page.section(&section);
    }
    for table in account.parts() {
        breakdown::table(&mut page, &table);
    }
    if let Some(sessions) = account.sessions() {
        page.section(&sessions);
    }
    if let Some(turns) = account.turns() {
        breakdown::turns(&mut page, &turns);
    }
    failures(&mut page, report);
    page.section(&account.self_audit());
    page.line("=".repeat(WIDTH));
    for warning in &report.warnings {
        page.line(format_args!("Warning: {warning}"));
    }
    page.0
}

const WIDTH: usize = 50;

/// Text that grows by lines.
struct Page(String);

impl Page {
    fn line(&mut self, line: impl std::fmt::Display) {
        // Writing to a String cannot fail.
        let _ = writeln!(self.0, "{line}");
    }

    fn heading(&mut self, text: &str) {
        self.line(format_args!("{text:-^WIDTH$}"));
    }

    fn section(&mut self, section: &Section) {
        self.heading(&section.title);
        self.rows(section);
    }

    fn rows(&mut self, section: &Section) {
        for (label, value) in &section.rows {
            self.row(label, value);
        }
    }

    fn row(&mut self, label: &str, value: impl std::fmt::Display) {
        let (label, value) = (format!("{label}:"), value.to_string());
        self.line(format_args!("{label:<40} {value:<10}"));
    }
}

/// The block of `vllm bench serve`, character by character, from a result of either tool.
pub fn serving_block(result: &VllmResult<'_>) -> String {
    let mut page = Page(String::new());
    for (place, section) in Serving::from(result).sections().iter().enumerate() {
        match place {
            0 => {
                page.line(format_args!("{:=^WIDTH$}", format!(" {} ", section.title)));
                page.rows(section);
            }
            _ => page.section(section),
        }
    }
    page.line("=".repeat(WIDTH));
    page.0
}

/// Numbers on which the conventions do not agree.
fn conventions(page: &mut Page, account: &Account<'_>) {
    let mut rows = account.conventions();
    rows.retain(ConventionRow::differs);
    if rows.is_empty() {
        return;
    }
    page.heading("Where Conventions Differ");
    let [vllm, strict, intended] = ConventionRow::COLUMNS;
    let mut head = format!("{:<20}{vllm:>10}{strict:>10}{intended:>10}", "");
    if account.has_losses() {
        // Writing to a String cannot fail.
        let _ = write!(head, "{:>12}", ConventionRow::WITH_FAILURES);
    }
    page.line(head);
    for row in rows {
        let mut line = format!("{:<20}", row.label);
        for (column, cell) in row.cells().iter().enumerate() {
            let width = if column < 3 { 10 } else { 12 };
            let _ = write!(line, "{cell:>width$}");
        }
        page.line(line);
    }
}

fn failures(page: &mut Page, report: &Report) {
    if report.summary.failures.is_empty() {
        return;
    }
    page.heading("Failures");
    for failure in &report.summary.failures {
        page.row(&failure.class, failure.count);
        for line in failure.example.lines() {
            page.line(format_args!("  {line}"));
        }
    }
}
