use std::io;

use quick_xml::events::{BytesText, Event};
use quick_xml::{ElementWriter, Writer};

use super::{Comparison, Gated, Load, Passage, Place, Point, Row, Verdict, Weight, text};
use crate::AggregateError;

/// The comparison as JUnit XML. Only a missed gate is a failure, so that a CI system says what
/// the exit code says; what is inconclusive is skipped.
pub(super) fn render(comparison: &Comparison) -> Result<String, AggregateError> {
    let mut writer = Writer::new_with_indent(Vec::new(), b' ', 2);
    let written = writer
        .write_event(Event::Decl(quick_xml::events::BytesDecl::new(
            "1.0",
            Some("UTF-8"),
            None,
        )))
        .and_then(|()| suites(&mut writer, comparison));
    written.map_err(|source| AggregateError::Junit { source })?;
    let mut page = String::from_utf8_lossy(&writer.into_inner()).into_owned();
    page.push('\n');
    Ok(page)
}

type Xml = Writer<Vec<u8>>;

fn suites(writer: &mut Xml, comparison: &Comparison) -> io::Result<()> {
    let element = writer
        .create_element("testsuites")
        .with_attribute(("name", "compare"));
    element.write_inner_content(|writer| {
        for (index, point) in comparison.points.iter().enumerate() {
            suite(writer, comparison, index, point)?;
        }
        let only_a = comparison.only_a.iter().enumerate();
        for (index, (load, runs)) in only_a {
            let gates: Vec<&Gated> = gates_at(comparison, Place::OnlyA(index)).collect();
            lonely(writer, comparison, ("A", load, *runs), &gates)?;
        }
        for (load, runs) in &comparison.only_b {
            lonely(writer, comparison, ("B", load, *runs), &[])?;
        }
        Ok(())
    })?;
    Ok(())
}

fn gates_at(comparison: &Comparison, place: Place) -> impl Iterator<Item = &Gated> {
    comparison.gates.iter().filter(move |g| g.place == place)
}

/// A load that only one side has.
fn lonely(
    writer: &mut Xml,
    comparison: &Comparison,
    (side, load, runs): (&str, &Load, usize),
    gates: &[&Gated],
) -> io::Result<()> {
    let said = text::unmatched(side, load, runs);
    let load = text::clean(&load.to_string());
    let missed = gates.iter().filter(|g| g.passage == Passage::Missed);
    let missed = missed.count();
    let counts = [gates.len() + 1, missed, gates.len() + 1 - missed];
    let element = head(writer, &load, counts);
    element.write_inner_content(|writer| {
        gates
            .iter()
            .try_for_each(|gated| gate_case(writer, comparison, &load, gated))?;
        case(writer, &load, "load", Some("skipped"), &said)
    })?;
    Ok(())
}

/// A suite with its numbers of tests, failures and skipped tests.
fn head<'a>(writer: &'a mut Xml, load: &str, counts: [usize; 3]) -> ElementWriter<'a, Vec<u8>> {
    let [tests, failures, skipped] = counts.map(|count| count.to_string());
    writer
        .create_element("testsuite")
        .with_attribute(("name", load))
        .with_attribute(("tests", tests.as_str()))
        .with_attribute(("failures", failures.as_str()))
        .with_attribute(("errors", "0"))
        .with_attribute(("skipped", skipped.as_str()))
}

fn gate_case(
    writer: &mut Xml,
    comparison: &Comparison,
    load: &str,
    gated: &Gated,
) -> io::Result<()> {
    let name = format!("gate {}", gated.gate);
    let child = match gated.passage {
        Passage::Passed => None,
        Passage::Missed => Some("failure"),
        Passage::Undecided | Passage::Untold => Some("skipped"),
    };
    case(writer, load, &name, child, &text::gate(gated, comparison))
}

fn suite(writer: &mut Xml, comparison: &Comparison, index: usize, point: &Point) -> io::Result<()> {
    let gates: Vec<&Gated> = gates_at(comparison, Place::Point(index)).collect();
    let inconclusive = |row: &&Row| row.verdict == Verdict::Inconclusive;
    let undecided = |gated: &&&Gated| matches!(gated.passage, Passage::Undecided | Passage::Untold);
    let missed = |gated: &&&Gated| gated.passage == Passage::Missed;
    let skipped =
        point.rows.iter().filter(inconclusive).count() + gates.iter().filter(undecided).count();
    let tests = point.rows.len() + gates.len();
    let load = text::clean(&point.load.to_string());
    let failures = gates.iter().filter(missed).count();
    let element = head(writer, &load, [tests, failures, skipped]);
    element.write_inner_content(|writer| {
        for gated in gates {
            gate_case(writer, comparison, &load, gated)?;
        }
        for row in &point.rows {
            let child = (row.verdict == Verdict::Inconclusive).then_some("skipped");
            case(
                writer,
                &load,
                &row.measure.key(),
                child,
                &text::in_full(row),
            )?;
        }
        let about = about(point);
        writer
            .create_element("system-out")
            .write_text_content(BytesText::new(&about))?;
        Ok(())
    })?;
    Ok(())
}

/// A test case whose outcome is a child element, or which passed.
fn case(
    writer: &mut Xml,
    class: &str,
    name: &str,
    child: Option<&str>,
    said: &str,
) -> io::Result<()> {
    let said = &*text::clean(said);
    let element = writer
        .create_element("testcase")
        .with_attribute(("classname", class))
        .with_attribute(("name", name));
    element.write_inner_content(|writer| {
        match child {
            Some(child) => writer
                .create_element(child)
                .with_attribute(("message", said))
                .write_empty()?,
            None => writer
                .create_element("system-out")
                .write_text_content(BytesText::new(said))?,
        };
        Ok(())
    })?;
    Ok(())
}

fn about(point: &Point) -> String {
    let mut lines = vec![text::method(point)];
    lines.extend(text::failures(point));
    lines.push(text::comparable(point));
    for difference in &point.setup {
        let [a, b] = text::sides(difference);
        let mark = match difference.weight {
            Weight::Serious => "! ",
            Weight::Noted => "",
        };
        lines.push(format!("{mark}{}: {a} -> {b}", difference.name));
    }
    if point.has_one_sided() {
        lines.push(text::one_sided(point));
    }
    let lines: Vec<String> = lines.iter().map(|line| text::clean(line)).collect();
    lines.join("\n")
}
