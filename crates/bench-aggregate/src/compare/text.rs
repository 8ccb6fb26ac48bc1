//! Numbers and sentences that the console, Markdown and JUnit have in common.

use bench_metrics::stats::Interval;

use super::{
    Comparison, Failures, Gated, Limit, Load, Method, Passage, Place, Point, Row, SetupDifference,
    Verdict, Weight,
};

/// The heads of the table of a point.
pub(super) const HEADS: [&str; 8] = [
    "",
    "A",
    "B",
    "B - A",
    "change",
    "interval",
    "detectable",
    "verdict",
];

/// The cells of a row under [`HEADS`].
pub(super) fn cells(row: &Row) -> [String; 8] {
    let interval = match (&row.relative_interval, &row.absolute_interval) {
        (Some(relative), _) => span(relative, percent),
        (None, Some(absolute)) => span(absolute, number),
        (None, None) => "-".to_owned(),
    };
    [
        row.measure.key(),
        number(row.a),
        number(row.b),
        signed(row.b - row.a),
        row.relative.map_or_else(dash, percent),
        interval,
        row.detectable
            .map_or_else(dash, |share| format!("{:.1}%", share * 100.0)),
        verdict(row),
    ]
}

fn dash() -> String {
    "-".to_owned()
}

/// The difference in its unit with its interval, for where there is room.
pub(super) fn in_full(row: &Row) -> String {
    let mut text = format!("A {}, B {}", number(row.a), number(row.b));
    if let Some(relative) = row.relative {
        text += &format!(", change {}", percent(relative));
    }
    if let Some(interval) = &row.relative_interval {
        text += &format!(" {}", span(interval, percent));
    }
    if let Some(interval) = &row.absolute_interval {
        text += &format!(
            ", difference {} {}",
            signed(row.b - row.a),
            span(interval, number)
        );
    }
    if let Some(least) = row.detectable {
        text += &format!(", detectable {:.1}%", least * 100.0);
    }
    format!("{text}: {}", verdict(row))
}

fn verdict(row: &Row) -> String {
    let word = row.verdict.as_str();
    match (&row.reason, row.verdict) {
        (Some(reason), _) => format!("{word}: {reason}"),
        (None, Verdict::Same) => format!("{word} (±{})", plain_percent(row.margin)),
        (None, _) => word.to_owned(),
    }
}

/// What the columns mean, below the tables.
pub(super) const LEGEND: &str = "change: (B - A) / A. interval: of the change, so wide that all \
    intervals of a comparison hold at once 19 times in 20 (5 % shared by Bonferroni). detectable: the change that would be seen 4 times in 5.";

/// Where the errors come from, as a sentence.
pub(super) fn method(point: &Point) -> String {
    let [a, b] = point.files.each_ref().map(Vec::len);
    match point.method {
        Method::Runs => format!("{a} runs against {b}: errors from the spread of the runs."),
        Method::RunAgainstRuns => format!(
            "{a} against {b} runs: the single run is taken to spread as those of the other side."
        ),
        Method::Requests => "One run on each side: errors from the requests within, which cannot \
            show how runs differ from one another; repeat the runs to see that."
            .to_owned(),
        Method::None => "One run on each side, without samples of both: no verdict can be given, \
            for the reason beside each number. Runs that are repeated need no samples."
            .to_owned(),
    }
}

/// How many requests failed, if any did.
pub(super) fn failures(point: &Point) -> Option<String> {
    let side = |failures: Option<Failures>| match failures {
        Some(Failures { failed, requests }) => format!("{failed} of {requests}"),
        None => "not told".to_owned(),
    };
    let any = point.failures.iter().flatten().any(|side| side.failed > 0);
    let [a, b] = point.failures;
    any.then(|| {
        format!(
            "FAILED REQUESTS: A {}, B {}. Latencies are those of the others.",
            side(a),
            side(b)
        )
    })
}

/// How the setups of a point compare, as a sentence.
pub(super) fn comparable(point: &Point) -> String {
    let serious = point
        .setup
        .iter()
        .filter(|d| d.weight == Weight::Serious)
        .count();
    match (serious, point.setup.len()) {
        (0, 0) => "Comparable: nothing in the setups differs.".to_owned(),
        (0, n) => format!("Comparable: what differs in the setups ({n}) does not decide the work."),
        (n, _) => format!("NOT COMPARABLE: what decides the work differs ({n}, marked)."),
    }
}

/// The values of a fact on both sides.
pub(super) fn sides(difference: &SetupDifference) -> [String; 2] {
    let side = |values: &[String]| match values.is_empty() {
        true => "not told".to_owned(),
        false => shorten(&values.join(" | ")),
    };
    [side(&difference.a), side(&difference.b)]
}

fn shorten(text: &str) -> String {
    const MOST: usize = 60;
    match text.char_indices().nth(MOST) {
        Some((at, _)) => format!("{}…", &text[..at]),
        None => text.to_owned(),
    }
}

/// A load that only one side has.
pub(super) fn unmatched(side: &str, load: &Load, runs: usize) -> String {
    let runs = if runs == 1 {
        "1 run".to_owned()
    } else {
        format!("{runs} runs")
    };
    format!("Only {side} has {load} ({runs}): not compared.")
}

/// The numbers that only one side has.
pub(super) fn one_sided(point: &Point) -> String {
    let measures = point.one_sided.iter().flatten();
    let keys: Vec<String> = measures.map(|measure| measure.key()).collect();
    format!(
        "On one side only, and so not compared: {}.",
        keys.join(", ")
    )
}

/// How a gate came out, as a sentence.
pub(super) fn gate(gated: &Gated, comparison: &Comparison) -> String {
    let shown = |value: f64| match gated.gate.limit {
        Limit::Change(_) => percent(value),
        Limit::Value(_) => number(value),
    };
    let word = match gated.passage {
        Passage::Passed => "passed",
        Passage::Missed => "MISSED",
        Passage::Undecided => "undecided, for there is no interval to judge by",
        Passage::Untold => "not judged",
    };
    let interval = gated
        .interval
        .as_ref()
        .map(|interval| span(interval, shown));
    let interval = interval.map_or_else(String::new, |interval| format!(" {interval}"));
    let (load, several) = match gated.place {
        Place::Point(index) => (
            comparison.points.get(index).map(|point| &point.load),
            comparison.points.len() > 1,
        ),
        Place::OnlyA(index) => (comparison.only_a.get(index).map(|(load, _)| load), true),
    };
    let at = load.filter(|_| several);
    let at = at.map_or_else(String::new, |load| format!(" at {load}"));
    let value = gated.value.map(shown);
    let said = value.or_else(|| gated.reason.clone()).unwrap_or_default();
    clean(&format!(
        "gate {}: {word}{at}: {said}{interval}",
        gated.gate
    ))
}

/// Text of files must not steer a terminal or spoil XML: control characters, and what XML 1.0
/// does not allow, become U+FFFD.
pub(super) fn clean(text: &str) -> String {
    let bad = |c: char| c.is_control() || matches!(c, '\u{fffe}' | '\u{ffff}');
    text.replace(bad, "\u{fffd}")
}

pub(super) fn span(interval: &Interval, show: impl Fn(f64) -> String) -> String {
    format!("[{}, {}]", show(interval.low), show(interval.high))
}

pub(super) fn percent(share: f64) -> String {
    format!("{:+.1}%", share * 100.0)
}

fn plain_percent(share: f64) -> String {
    let percent = (share * 1e6).round() / 1e4;
    format!("{percent}%")
}

/// Two decimals, and more for numbers below 1.
pub(super) fn number(value: f64) -> String {
    let decimals = if value != 0.0 && value.abs() < 1.0 {
        4
    } else {
        2
    };
    format!("{value:.decimals$}")
}

fn signed(value: f64) -> String {
    match value > 0.0 {
        true => format!("+{}", number(value)),
        false => number(value),
    }
}

#[cfg(test)]
mod tests {
    use super::clean;

    #[test]
    fn what_steers_a_terminal_or_spoils_xml_is_replaced() {
        assert_eq!(
            clean("a\u{1b}[2J\n\0\u{9b}\u{7f}\u{ffff}é😀"),
            "a�[2J�����é😀"
        );
    }
}
