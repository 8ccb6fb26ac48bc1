use super::text::{self, HEADS};
use super::{Comparison, Point, Weight};

/// The comparison for a terminal.
pub(super) fn render(comparison: &Comparison) -> String {
    let mut page = String::new();
    for point in &comparison.points {
        add_point(&mut page, point);
    }
    for (side, loads) in [("A", &comparison.only_a), ("B", &comparison.only_b)] {
        for (load, runs) in loads {
            line(&mut page, &text::unmatched(side, load, *runs));
        }
    }
    line(&mut page, text::LEGEND);
    for gated in &comparison.gates {
        line(&mut page, &text::gate(gated, comparison));
    }
    page
}

fn add_point(page: &mut String, point: &Point) {
    line(page, &format!("=== {} ===", point.load));
    line(page, &text::method(point));
    if let Some(failures) = text::failures(point) {
        line(page, &failures);
    }
    line(page, &text::comparable(point));
    for difference in &point.setup {
        let [a, b] = text::sides(difference);
        let mark = match difference.weight {
            Weight::Serious => '!',
            Weight::Noted => ' ',
        };
        line(page, &format!("{mark} {}: {a} -> {b}", difference.name));
    }
    let mut rows = vec![HEADS.map(str::to_owned)];
    rows.extend(point.rows.iter().map(text::cells));
    table(page, &rows);
    if point.has_one_sided() {
        line(page, &text::one_sided(point));
    }
    page.push('\n');
}

/// Names to the left, numbers to the right, and the last column as long as it is.
fn table(page: &mut String, rows: &[[String; 8]]) {
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max();
    let widths: Vec<usize> = (0..8).map(|column| width(column).unwrap_or(0)).collect();
    for row in rows {
        let cells = row.iter().zip(&widths).enumerate();
        let cells = cells.map(|(column, (cell, &width))| match column {
            0 => format!("{cell:<width$}"),
            7 => cell.clone(),
            _ => format!("{cell:>width$}"),
        });
        line(page, cells.collect::<Vec<_>>().join("  ").trim_end());
    }
}

fn line(page: &mut String, text: &str) {
    page.push_str(&text::clean(text));
    page.push('\n');
}
