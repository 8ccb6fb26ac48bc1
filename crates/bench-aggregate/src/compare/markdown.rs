use super::text::{self, HEADS};
use super::{Comparison, Passage, Point, Weight};

/// The comparison as Markdown.
pub(super) fn render(comparison: &Comparison) -> String {
    let mut page = String::from("# Comparison of B with A\n\n");
    if !comparison.gates.is_empty() {
        add_gates(&mut page, comparison);
    }
    for point in &comparison.points {
        add_point(&mut page, point);
    }
    for (side, loads) in [("A", &comparison.only_a), ("B", &comparison.only_b)] {
        for (load, runs) in loads {
            page += &format!("{}\n\n", escape(&text::unmatched(side, load, *runs)));
        }
    }
    page += text::LEGEND;
    page.push('\n');
    page
}

fn add_gates(page: &mut String, comparison: &Comparison) {
    for gated in &comparison.gates {
        let mark = match gated.passage {
            Passage::Passed => "✅",
            Passage::Missed => "❌",
            Passage::Undecided | Passage::Untold => "❔",
        };
        *page += &format!("- {mark} {}\n", escape(&text::gate(gated, comparison)));
    }
    page.push('\n');
}

fn add_point(page: &mut String, point: &Point) {
    *page += &format!("## {}\n\n", escape(&point.load.to_string()));
    let failures = text::failures(point);
    for said in [
        Some(text::method(point)),
        failures,
        Some(text::comparable(point)),
    ] {
        *page += &said.map_or_else(String::new, |said| format!("{said}\n\n"));
    }
    if !point.setup.is_empty() {
        let head = ["differs", "A", "B"].map(str::to_owned);
        row(page, &head);
        *page += "|---|---|---|\n";
        for difference in &point.setup {
            let [a, b] = text::sides(difference);
            let name = match difference.weight {
                Weight::Serious => format!("**{}**", escape(&difference.name)),
                Weight::Noted => escape(&difference.name),
            };
            *page += &format!("| {name} | {} | {} |\n", escape(&a), escape(&b));
        }
        page.push('\n');
    }
    row(page, &HEADS.map(str::to_owned));
    *page += "|---|--:|--:|--:|--:|--:|--:|---|\n";
    for measured in &point.rows {
        row(page, &text::cells(measured));
    }
    page.push('\n');
    if point.has_one_sided() {
        *page += &format!("{}\n\n", escape(&text::one_sided(point)));
    }
}

fn row(page: &mut String, cells: &[String]) {
    let cells: Vec<String> = cells.iter().map(|cell| escape(cell)).collect();
    *page += &format!("| {} |\n", cells.join(" | "));
}

/// Names come from files, and must not become markup.
fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\n' | '\r' => escaped.push(' '),
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '\\' | '|' | '*' | '`' | '[' | ']' | '#' => {
                escaped.push('\\');
                escaped.push(c);
            }
            _ => escaped.push(c),
        }
    }
    text::clean(&escaped)
}
