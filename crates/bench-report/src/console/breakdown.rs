//! The tables of servers and models, at most 80 characters wide.

use super::Page;
use super::names::shorten;
use crate::PartTable;

const NAME: usize = 21;
const WIDTHS: [usize; 7] = [8, 7, 8, 9, 9, 8, 9];

pub(super) fn table(page: &mut Page, table: &PartTable) {
    page.heading(table.title);
    line(page, "", &table.columns);
    let names: Vec<&str> = table.rows.iter().map(|(name, _)| name.as_str()).collect();
    for ((_, cells), name) in table.rows.iter().zip(shorten(&names, NAME)) {
        line(page, &name, cells);
    }
}

fn line(page: &mut Page, name: &str, cells: &[String]) {
    let cells = WIDTHS.iter().zip(cells);
    let cells: String = cells
        .map(|(width, cell)| format!("{cell:>width$}"))
        .collect();
    page.line(format_args!("{name:<NAME$}{cells}"));
}
