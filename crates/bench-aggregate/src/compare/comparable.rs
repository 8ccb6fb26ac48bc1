//! What the setups of two sides have in common, and what not.

use std::collections::{BTreeMap, BTreeSet};

use bench_report::RunResult;
use serde_json::Value;

/// A fact of the setup that differs between the sides.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SetupDifference {
    /// Its name, such as `options.seed`.
    pub name: String,
    /// Its values on side A; empty if no run tells.
    pub a: Vec<String>,
    /// Its values on side B.
    pub b: Vec<String>,
    /// How much it matters.
    pub weight: Weight,
}

/// How much a difference of the setups matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Weight {
    /// It changes what was measured: the sides are not comparable.
    Serious,
    /// It may be what is being compared, or may explain a difference.
    Noted,
}

/// What no two runs have in common, and what says only where results went: the last part of a
/// name, or its beginning.
const EXPECTED: &[&str] = &[
    "epoch_unix",
    "append_result",
    "disable_tqdm",
    "label",
    "metadata",
    "no_record_log",
    "overwrite",
    "record_log",
    "report",
    "result_dir",
    "result_filename",
    "save_detailed",
    "save_requests",
    "save_result",
    "request_id_prefix",
    "uptime",
    "load_average",
];

/// What decides which work was done and how it was measured.
const SERIOUS: &[&str] = &[
    "burstiness",
    "client_limited",
    "dataset_hash",
    "gsp_range_ratio",
    "gsp_system_prompt_len",
    "ignore_eos",
    "input_len",
    "max_concurrency",
    "no_stream",
    "num_prompts",
    "output_len",
    "partial",
    "prefix_repetition_prefix_len",
    "random_prefix_len",
    "request_rate",
    "schedule_hash",
    "simulated",
    "sonnet_prefix_len",
    "streamed",
    "task",
    "token_hash",
    "tokenizer_hash",
    "tool",
    "workload_hash",
];

/// What says that two runs sent the same load apart from its words.
const WORKLOAD: &str = "reproducibility.workload_hash";

/// What says by which number the words were made others than those of any other run.
const NONCE: &str = "reproducibility.seeds.nonce";

/// What differs between two runs of the same load if the words do.
const WORDS: &[&str] = &[
    NONCE,
    "reproducibility.dataset_hash",
    "reproducibility.token_hash",
    "options.prompt_nonce",
];

/// What differs between the sides, the serious first. What is expected to differ between any two
/// runs is left out.
pub(super) fn differences(a: &[RunResult], b: &[RunResult]) -> Vec<SetupDifference> {
    differences_of(facts(a), facts(b))
}

fn differences_of(mut a: Facts, mut b: Facts) -> Vec<SetupDifference> {
    if same_but_for_words(&a, &b) {
        for side in [&mut a, &mut b] {
            side.retain(|name, _| !WORDS.contains(&name.as_str()));
        }
    }
    let names: BTreeSet<&String> = a.keys().chain(b.keys()).collect();
    let values =
        |side: &Facts, name: &String| side.get(name).into_iter().flatten().cloned().collect();
    let mut differences: Vec<SetupDifference> = names
        .into_iter()
        .filter(|name| a.get(*name) != b.get(*name))
        .map(|name| SetupDifference {
            name: name.clone(),
            a: values(&a, name),
            b: values(&b, name),
            weight: weight(name, a.contains_key(name) && b.contains_key(name)),
        })
        .collect();
    differences.sort_by(|x, y| x.weight.cmp(&y.weight).then(x.name.cmp(&y.name)));
    differences
}

/// Whether the sides sent the same load with words that were to differ from run to run.
fn same_but_for_words(a: &Facts, b: &Facts) -> bool {
    let same = a.get(WORKLOAD).is_some() && a.get(WORKLOAD) == b.get(WORKLOAD);
    same && [a, b].iter().all(|side| side.contains_key(NONCE))
}

/// What only one side tells is not known to differ, so it is never serious.
fn weight(name: &str, both_tell: bool) -> Weight {
    let leaf = name.rsplit('.').next().unwrap_or(name);
    match both_tell && SERIOUS.contains(&leaf) {
        true => Weight::Serious,
        false => Weight::Noted,
    }
}

fn is_expected(name: &str) -> bool {
    name.split('.').any(|part| EXPECTED.contains(&part))
}

/// Facts of the setup by name, with their values over the runs of a side.
type Facts = BTreeMap<String, BTreeSet<String>>;

/// Every fact of the setup of a side.
fn facts(runs: &[RunResult]) -> Facts {
    let mut facts = Facts::new();
    for run in runs {
        for (name, value) in facts_of(run) {
            if !is_expected(&name) {
                facts.entry(name).or_default().insert(value);
            }
        }
    }
    facts
}

fn facts_of(run: &RunResult) -> Vec<(String, String)> {
    let mut facts = stated(run);
    let stated: BTreeSet<String> = facts.iter().map(|(name, _)| name.clone()).collect();
    match &run.bench {
        Some(bench) => {
            let mut add = |name: &str, value: &Value| flatten(name, value, &mut facts);
            let block = serde_json::to_value(&bench.reproducibility).unwrap_or_default();
            add("reproducibility", &block);
            add("options", &bench.options);
            add("servers", &Value::Object(bench.servers.clone()));
            add(
                "task",
                &serde_json::to_value(bench.task).unwrap_or_default(),
            );
            add("streamed", &Value::Bool(bench.streamed));
        }
        // Numbers of other tools are results; words are settings and metadata.
        None => {
            for (key, value) in &run.more {
                if let Value::String(text) = value {
                    facts.push((key.clone(), text.clone()));
                }
            }
        }
    }
    // Once is enough for an option that every tool tells.
    facts.retain(|(name, _)| {
        name.strip_prefix("options.")
            .is_none_or(|n| !stated.contains(n))
    });
    facts
}

/// What every tool may tell.
fn stated(run: &RunResult) -> Vec<(String, String)> {
    let number = |value: Option<u64>| value.map(|value| value.to_string());
    let float = |value: Option<f64>| value.map(|value| value.to_string());
    let flag = |value: Option<bool>| value.map(|value| value.to_string());
    let stated = [
        ("tool", Some(run.origin.tool.to_string())),
        ("backend", run.backend.clone()),
        ("model_id", run.model_id.clone()),
        ("tokenizer_id", run.tokenizer_id.clone()),
        ("num_prompts", number(run.num_prompts)),
        ("request_rate", float(run.request_rate)),
        ("burstiness", float(run.burstiness)),
        ("max_concurrency", number(run.max_concurrency)),
        ("input_len", number(run.input_len)),
        ("output_len", number(run.output_len)),
        ("simulated", flag(run.condition.simulated)),
        ("partial", flag(run.condition.partial)),
        ("client_limited", flag(run.condition.client_limited)),
    ];
    let known = stated
        .into_iter()
        .filter_map(|(name, value)| Some((name.to_owned(), value?)));
    known.collect()
}

/// The leaves of a JSON value, named by the way to them, with underscores for dashes.
fn flatten(name: &str, value: &Value, facts: &mut Vec<(String, String)>) {
    match value {
        Value::Null => {}
        Value::Object(map) => {
            for (key, value) in map {
                // The URL of a server says where it was, not what.
                match key.contains("://") {
                    true => flatten(name, value, facts),
                    false => flatten(&format!("{name}.{}", key.replace('-', "_")), value, facts),
                }
            }
        }
        Value::String(text) => facts.push((name.to_owned(), text.clone())),
        other => facts.push((name.to_owned(), other.to_string())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bench_report::Condition;
    use serde_json::json;

    fn names(differences: &[SetupDifference]) -> Vec<(&str, Weight)> {
        differences
            .iter()
            .map(|d| (d.name.as_str(), d.weight))
            .collect()
    }

    #[test]
    fn any_leaf_of_a_block_is_compared_without_being_known() {
        let mut facts = Vec::new();
        let block = json!({"seeds": {"dataset": 1}, "host": {"cpu": "x"}, "none": null,
            "targets": ["u"], "result-dir": "d", "server_versions": {"http://h.x:1": "0.9"}});
        flatten("reproducibility", &block, &mut facts);
        let expected = [
            ("reproducibility.seeds.dataset", "1"),
            ("reproducibility.host.cpu", "x"),
            ("reproducibility.targets", "[\"u\"]"),
            ("reproducibility.result_dir", "d"),
            ("reproducibility.server_versions", "0.9"),
        ];
        let mut sorted: Vec<_> = facts
            .iter()
            .map(|(n, v)| (n.as_str(), v.as_str()))
            .collect();
        sorted.sort_unstable();
        let mut expected = expected.to_vec();
        expected.sort_unstable();
        assert_eq!(sorted, expected);
        assert!(is_expected("reproducibility.result_dir"));
        assert!(!is_expected("reproducibility.host.cpu"));
    }

    fn side(facts: &[(&str, &str)]) -> Facts {
        let fact = |(name, value): &(&str, &str)| {
            let name = format!("reproducibility.{name}");
            (name, BTreeSet::from([(*value).to_owned()]))
        };
        facts.iter().map(fact).collect()
    }

    #[test]
    fn other_words_by_another_nonce_are_the_same_workload() {
        let run = |workload, dataset, nonce| {
            let facts = [
                ("workload_hash", workload),
                ("dataset_hash", dataset),
                ("token_hash", dataset),
                ("seeds.nonce", nonce),
            ];
            side(&facts)
        };
        assert_eq!(differences_of(run("w", "d1", "1"), run("w", "d2", "2")), []);
        let other = differences_of(run("w", "d1", "1"), run("x", "d2", "2"));
        let serious = other.iter().filter(|d| d.weight == Weight::Serious);
        let serious: Vec<&str> = serious.map(|d| d.name.as_str()).collect();
        let hashes = ["dataset_hash", "token_hash", "workload_hash"];
        assert_eq!(
            serious,
            hashes.map(|hash| format!("reproducibility.{hash}"))
        );
        // Without a nonce on both sides other words are another dataset of the same lengths.
        let file = |dataset| side(&[("workload_hash", "w"), ("dataset_hash", dataset)]);
        let other = differences_of(file("d1"), file("d2"));
        assert_eq!(
            names(&other),
            [("reproducibility.dataset_hash", Weight::Serious)]
        );
        let mixed = differences_of(run("w", "d1", "1"), file("d2"));
        assert_eq!(mixed[0].name, "reproducibility.dataset_hash");
    }

    #[test]
    fn prefixes_of_another_length_are_another_workload() {
        let side = |tokens: &str| {
            let name = "options.prefix_repetition_prefix_len".to_owned();
            Facts::from([(name, BTreeSet::from([tokens.to_owned()]))])
        };
        let found = differences_of(side("128"), side("256"));
        let name = "options.prefix_repetition_prefix_len";
        assert_eq!(names(&found), [(name, Weight::Serious)]);
    }

    #[test]
    fn what_only_one_side_tells_is_noted_and_what_changes_the_work_is_serious() {
        let a = RunResult {
            num_prompts: Some(100),
            max_concurrency: Some(8),
            model_id: Some("m".to_owned()),
            ..RunResult::default()
        };
        let mut b = RunResult {
            num_prompts: Some(200),
            model_id: Some("n".to_owned()),
            more: vec![("dataset".to_owned(), json!("sharegpt"))],
            ..RunResult::default()
        };
        b.condition = Condition {
            partial: Some(true),
            ..Condition::default()
        };
        let found = differences(std::slice::from_ref(&a), &[b]);
        let expected = [
            ("num_prompts", Weight::Serious),
            ("dataset", Weight::Noted),
            ("max_concurrency", Weight::Noted),
            ("model_id", Weight::Noted),
            ("partial", Weight::Noted),
        ];
        assert_eq!(names(&found), expected);
        assert!(differences(std::slice::from_ref(&a), std::slice::from_ref(&a)).is_empty());
    }
}
