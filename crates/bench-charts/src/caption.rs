//! The words around a chart that say of what it is, and how far it can be trusted.

use std::collections::BTreeSet;

use bench_report::RunResult;

use crate::{Figure, Panel};

/// Of what a chart is, and what the reader must know to trust it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Caption {
    /// Model, load, date: what all runs share, and how far they differ.
    pub subtitle: String,
    /// Tool, simulated or real, partial or complete, client-limited or not; how many requests
    /// there are.
    pub footer: Vec<String>,
}

impl Caption {
    /// What is to be said of these runs together.
    pub fn of(runs: &[&RunResult]) -> Caption {
        let subtitle = [
            named(runs, "models", |run| run.model_id.as_deref()),
            concurrency(runs),
            rate(runs),
            length(runs, " tokens in", |run| run.input_len),
            length(runs, " tokens out", |run| run.output_len),
            (runs.len() > 1).then(|| format!("{} runs", runs.len())),
            dates(runs),
        ];
        let trust = [tools(runs), server(runs), completeness(runs), client(runs)];
        let subtitle: Vec<String> = subtitle.into_iter().flatten().collect();
        let trust: Vec<String> = trust.into_iter().flatten().collect();
        let mut footer = Vec::new();
        if !trust.is_empty() {
            footer.push(trust.join(" · "));
        }
        footer.extend(requests(runs));
        Caption {
            subtitle: subtitle.join(" · "),
            footer,
        }
    }

    /// A figure under this caption.
    pub fn figure(self, id: &str, title: &str, panels: Vec<Panel>) -> Figure {
        Figure {
            id: id.to_owned(),
            title: title.to_owned(),
            subtitle: self.subtitle,
            footer: self.footer,
            panels,
            columns: 1,
        }
    }
}

/// A name that all share, or how many there are: `3 models`.
fn named<'a>(
    runs: &[&'a RunResult],
    plural: &str,
    name: impl Fn(&'a RunResult) -> Option<&'a str>,
) -> Option<String> {
    let names: Vec<Option<&str>> = runs.iter().map(|run| name(run)).collect();
    let distinct: BTreeSet<&str> = names.iter().copied().flatten().collect();
    let known = names.iter().flatten().count();
    let text = match distinct.len() {
        0 => return None,
        1 => distinct.first()?.to_string(),
        several => format!("{several} {plural}"),
    };
    Some(text + &share(known, runs.len()))
}

fn concurrency(runs: &[&RunResult]) -> Option<String> {
    let values = values(runs, |run| run.max_concurrency.map(|limit| limit as f64));
    Some(format!("concurrency {}", range(&values, "", runs.len())?))
}

/// The rates, if requests were sent at any.
fn rate(runs: &[&RunResult]) -> Option<String> {
    let finite = values(runs, |run| run.request_rate.filter(|rate| rate.is_finite()));
    if let Some(range) = range(&finite, " req/s", runs.len()) {
        return Some(range);
    }
    let unlimited = |run: &&RunResult| run.request_rate == Some(f64::INFINITY);
    let free = |run: &&RunResult| unlimited(run) && run.max_concurrency.is_none();
    let all = !runs.is_empty() && runs.iter().all(free);
    all.then(|| "all requests at once".to_owned())
}

fn length(
    runs: &[&RunResult],
    unit: &str,
    length: impl Fn(&RunResult) -> Option<u64>,
) -> Option<String> {
    let lengths = values(runs, |run| length(run).map(|tokens| tokens as f64));
    range(&lengths, unit, runs.len())
}

fn values(runs: &[&RunResult], value: impl Fn(&RunResult) -> Option<f64>) -> Vec<f64> {
    runs.iter().filter_map(|run| value(run)).collect()
}

/// `16`, or `1 to 64`; and in how many of the runs, if not in all.
fn range(values: &[f64], unit: &str, runs: usize) -> Option<String> {
    let low = values.iter().copied().min_by(f64::total_cmp)?;
    let high = values.iter().copied().max_by(f64::total_cmp)?;
    let text = if low == high {
        format!("{low}{unit}")
    } else {
        format!("{low} to {high}{unit}")
    };
    Some(text + &share(values.len(), runs))
}

/// Nothing if it holds for all.
fn share(some: usize, all: usize) -> String {
    if some == all {
        String::new()
    } else {
        format!(" (in {some} of {all} runs)")
    }
}

/// The day and time of one run, the days of several.
fn dates(runs: &[&RunResult]) -> Option<String> {
    let dates: Vec<String> = runs
        .iter()
        .filter_map(|run| run.date.as_deref().map(readable_date))
        .collect();
    let (first, last) = (dates.iter().min()?, dates.iter().max()?);
    if first == last {
        return Some(first.clone());
    }
    let day = |date: &str| date.split_once(' ').map_or(date, |(day, _)| day).to_owned();
    let (first, last) = (day(first), day(last));
    if first == last {
        return Some(first);
    }
    Some(format!("{first} to {last}"))
}

/// `20261121-212313` as `2026-11-21 21:23`. Other forms stay as they are.
pub(crate) fn readable_date(date: &str) -> String {
    let digits = date.bytes().enumerate();
    let stamp = date.len() == 15
        && digits.into_iter().all(|(place, byte)| match place {
            8 => byte == b'-',
            _ => byte.is_ascii_digit(),
        });
    if !stamp {
        return date.to_owned();
    }
    let (year, month, day) = (&date[..4], &date[4..6], &date[6..8]);
    format!("{year}-{month}-{day} {}:{}", &date[9..11], &date[11..13])
}

/// With the version, where the file has it.
fn tools(runs: &[&RunResult]) -> Option<String> {
    let tool = |run: &&RunResult| match &run.bench {
        Some(bench) => bench.reproducibility.provenance.tool.clone(),
        None => run.origin.tool.to_string(),
    };
    let tools: BTreeSet<String> = runs.iter().map(tool).collect();
    let tools: Vec<String> = tools.into_iter().collect();
    (!tools.is_empty()).then(|| tools.join(", "))
}

fn server(runs: &[&RunResult]) -> Option<String> {
    verdict(
        runs,
        |run| run.condition.simulated,
        &Words {
            yes: "SIMULATED SERVER",
            no: "real server",
            unknown: "real or simulated server: not recorded",
        },
    )
}

fn completeness(runs: &[&RunResult]) -> Option<String> {
    verdict(
        runs,
        |run| run.condition.partial,
        &Words {
            yes: "PARTIAL: stopped before the end",
            no: "complete",
            unknown: "complete or partial: not recorded",
        },
    )
}

fn client(runs: &[&RunResult]) -> Option<String> {
    verdict(
        runs,
        |run| run.condition.client_limited,
        &Words {
            yes: "CLIENT LIMITED",
            no: "not limited by the client",
            unknown: "limited by the client or not: not recorded",
        },
    )
}

/// What a condition is called.
struct Words {
    yes: &'static str,
    no: &'static str,
    unknown: &'static str,
}

/// A condition of one run, or of how many of several; what counts against the numbers comes
/// first.
fn verdict(
    runs: &[&RunResult],
    condition: impl Fn(&RunResult) -> Option<bool>,
    words: &Words,
) -> Option<String> {
    let answers = [
        (Some(true), words.yes),
        (Some(false), words.no),
        (None, words.unknown),
    ];
    let count = |answer| runs.iter().filter(|run| condition(run) == answer).count();
    let told: Vec<String> = answers
        .into_iter()
        .filter(|(answer, _)| count(*answer) > 0)
        .map(|(answer, text)| format!("{text}{}", share(count(answer), runs.len())))
        .collect();
    (!told.is_empty()).then(|| told.join(", "))
}

/// How many requests the numbers come from, and how many are missing.
fn requests(runs: &[&RunResult]) -> Option<String> {
    let sum = |count: fn(&RunResult) -> Option<u64>| -> (u64, String) {
        let known: Vec<u64> = runs.iter().filter_map(|run| count(run)).collect();
        (known.iter().sum(), share(known.len(), runs.len()))
    };
    if runs.iter().all(|run| run.completed.is_none()) {
        return None;
    }
    let (completed, of) = sum(|run| run.completed);
    let mut text = format!("{completed} requests completed{of}");
    match sum(|run| run.failed) {
        (_, _) if runs.iter().all(|run| run.failed.is_none()) => {
            text += ", failures not recorded";
        }
        (failed, of) => text += &format!(", {failed} failed{of}"),
    }
    let (skipped, _) = sum(not_sent);
    if skipped > 0 {
        text += &format!(", {skipped} never sent");
    }
    Some(text)
}

/// Requests of the plan that did not leave the client.
fn not_sent(run: &RunResult) -> Option<u64> {
    let counts = &run.bench.as_ref()?.summary.requests;
    Some(counts.planned.saturating_sub(counts.sent))
}

#[cfg(test)]
mod tests {
    use super::*;
    use bench_report::{Condition, Origin, Tool};

    fn run(concurrency: Option<u64>) -> RunResult {
        RunResult {
            date: Some("20261121-212313".to_owned()),
            model_id: Some("Qwen2.5-7B".to_owned()),
            request_rate: Some(f64::INFINITY),
            max_concurrency: concurrency,
            input_len: Some(1024),
            output_len: Some(128),
            completed: Some(200),
            failed: Some(3),
            condition: Condition {
                simulated: Some(false),
                partial: Some(false),
                client_limited: Some(false),
                ..Condition::default()
            },
            ..RunResult::default()
        }
    }

    #[test]
    fn one_run_is_told_whole() {
        let caption = Caption::of(&[&run(Some(16))]);
        assert_eq!(
            caption.subtitle,
            "Qwen2.5-7B · concurrency 16 · 1024 tokens in · 128 tokens out · 2026-11-21 21:23"
        );
        assert_eq!(
            caption.footer,
            [
                "bench-serve · real server · complete · not limited by the client",
                "200 requests completed, 3 failed"
            ]
        );
    }

    #[test]
    fn what_speaks_against_the_numbers_is_said_loudly() {
        let mut bad = run(None);
        bad.condition = Condition {
            simulated: Some(true),
            partial: Some(true),
            client_limited: Some(true),
            ..Condition::default()
        };
        let caption = Caption::of(&[&bad]);
        assert!(caption.subtitle.contains("all requests at once"));
        for word in ["SIMULATED", "PARTIAL", "CLIENT LIMITED"] {
            assert!(caption.footer[0].contains(word), "{:?}", caption.footer);
        }
    }

    #[test]
    fn what_a_file_does_not_say_is_not_made_up() {
        let silent = RunResult {
            origin: Origin {
                tool: Tool::Aiperf,
                ..Origin::default()
            },
            ..RunResult::default()
        };
        let caption = Caption::of(&[&silent]);
        assert_eq!(caption.subtitle, "");
        assert_eq!(
            caption.footer,
            [
                "aiperf · real or simulated server: not recorded · complete or partial: not \
              recorded · limited by the client or not: not recorded"
            ]
        );
        assert_eq!(Caption::of(&[]), Caption::default());
    }

    #[test]
    fn several_runs_are_told_by_what_they_share() {
        let (mut small, mut large, open) = (run(Some(1)), run(Some(64)), run(None));
        small.condition.partial = Some(true);
        large.date = Some("20261122-010000".to_owned());
        let open = RunResult {
            model_id: Some("Llama-3.1-8B".to_owned()),
            request_rate: Some(2.5),
            failed: None,
            ..open
        };
        let caption = Caption::of(&[&small, &large, &open]);
        assert_eq!(
            caption.subtitle,
            "2 models · concurrency 1 to 64 (in 2 of 3 runs) · 2.5 req/s (in 1 of 3 runs) · \
             1024 tokens in · 128 tokens out · 3 runs · 2026-11-21 to 2026-11-22"
        );
        assert!(caption.footer[0].contains(
            "PARTIAL: stopped before the end (in 1 of 3 runs), complete (in 2 of 3 runs)"
        ));
        assert_eq!(
            caption.footer[1],
            "600 requests completed, 6 failed (in 2 of 3 runs)"
        );
    }

    #[test]
    fn a_date_of_another_form_stays() {
        assert_eq!(
            readable_date("2026-11-21T21:23:13Z"),
            "2026-11-21T21:23:13Z"
        );
        assert_eq!(readable_date("2026112121231é"), "2026112121231é");
    }
}
