//! The tables of servers, models and turns, at most 80 characters wide.

use super::Page;
use super::names::shorten;
use crate::PartTable;

const NAME: usize = 17;
const WIDTHS: [usize; 8] = [7, 7, 7, 8, 8, 9, 8, 9];

const TURN: usize = 5;
const TURN_WIDTHS: [usize; 10] = [6, 6, 7, 7, 7, 7, 9, 8, 9, 9];

/// The most turns that are shown; the others are in the result.
const MOST_TURNS: usize = 20;

pub(super) fn table(page: &mut Page, table: &PartTable) {
    page.heading(table.title);
    line(page, ("", NAME), &table.columns, &WIDTHS);
    let names: Vec<&str> = table.rows.iter().map(|(name, _)| name.as_str()).collect();
    for ((_, cells), name) in table.rows.iter().zip(shorten(&names, NAME)) {
        line(page, (&name, NAME), cells, &WIDTHS);
    }
}

pub(super) fn turns(page: &mut Page, table: &PartTable) {
    page.heading(table.title);
    line(page, ("turn", TURN), &table.columns, &TURN_WIDTHS);
    for (turn, cells) in table.rows.iter().take(MOST_TURNS) {
        line(page, (turn, TURN), cells, &TURN_WIDTHS);
    }
    let more = table.rows.len().saturating_sub(MOST_TURNS);
    if more > 0 {
        page.line(format_args!(
            "{more} more are in the result, under bench.turns."
        ));
    }
}

/// A name and cells, each with its width.
fn line(page: &mut Page, (name, width): (&str, usize), cells: &[String], widths: &[usize]) {
    let cells = widths.iter().zip(cells);
    let cells: String = cells
        .map(|(width, cell)| format!("{cell:>width$}"))
        .collect();
    page.line(format_args!("{name:<width$}{cells}"));
}
