use std::io;

use quick_xml::Writer;
use quick_xml::events::{BytesText, Event};

use super::{Comparison, Gated, Passage, Point, Row, Verdict, Weight, text};
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
        let points = comparison.points.iter().enumerate();
        points
            .into_iter()
            .try_for_each(|(index, point)| suite(writer, comparison, index, point))
    })?;
    Ok(())
}

fn suite(writer: &mut Xml, comparison: &Comparison, index: usize, point: &Point) -> io::Result<()> {
    let gates: Vec<&Gated> = comparison
        .gates
        .iter()
        .filter(|g| g.point == index)
        .collect();
    let inconclusive = |row: &&Row| row.verdict == Verdict::Inconclusive;
    let undecided = |gated: &&&Gated| matches!(gated.passage, Passage::Undecided | Passage::Untold);
    let missed = |gated: &&&Gated| gated.passage == Passage::Missed;
    let skipped =
        point.rows.iter().filter(inconclusive).count() + gates.iter().filter(undecided).count();
    let tests = (point.rows.len() + gates.len()).to_string();
    let load = point.load.to_string();
    let element = writer
        .create_element("testsuite")
        .with_attribute(("name", load.as_str()))
        .with_attribute(("tests", tests.as_str()))
        .with_attribute((
            "failures",
            gates.iter().filter(missed).count().to_string().as_str(),
        ))
        .with_attribute(("errors", "0"))
        .with_attribute(("skipped", skipped.to_string().as_str()));
    element.write_inner_content(|writer| {
        for gated in gates {
            let name = format!("gate {}", gated.gate);
            let said = text::gate(gated, comparison);
            let child = match gated.passage {
                Passage::Passed => None,
                Passage::Missed => Some("failure"),
                Passage::Undecided | Passage::Untold => Some("skipped"),
            };
            case(writer, &load, &name, child, &said)?;
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
    if !point.one_sided.is_empty() {
        lines.push(text::one_sided(point));
    }
    lines.join("\n")
}
