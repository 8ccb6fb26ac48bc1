//! Runs are put together and matched by the load they were under.

use std::fmt;

use bench_report::RunResult;

/// The load of a run: what a sweep varies.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Load {
    /// Name of the model, if a side has several.
    pub model: Option<String>,
    /// Name of the backend, if a side has several.
    pub backend: Option<String>,
    /// Prompt tokens asked for.
    pub input_len: Option<u64>,
    /// Output tokens asked for.
    pub output_len: Option<u64>,
    /// Most requests under way at once.
    pub max_concurrency: Option<u64>,
    /// Requests per second; infinite without a rate.
    pub request_rate: Option<f64>,
}

/// The runs of one side under one load.
#[derive(Clone, Debug)]
pub(super) struct Group {
    pub(super) load: Load,
    pub(super) runs: Vec<RunResult>,
}

/// What was found on both sides, and what on one only.
pub(super) struct Matched {
    pub(super) pairs: Vec<(Group, Group)>,
    pub(super) only_a: Vec<Group>,
    pub(super) only_b: Vec<Group>,
}

/// Which names tell loads apart beside the numbers.
#[derive(Clone, Copy)]
struct Names {
    model: bool,
    backend: bool,
}

impl Load {
    /// The load of a run by its numbers alone.
    pub fn of_run(run: &RunResult) -> Load {
        let unnamed = Names {
            model: false,
            backend: false,
        };
        Load::of(run, unnamed)
    }

    fn of(run: &RunResult, names: Names) -> Load {
        Load {
            model: run.model_id.clone().filter(|_| names.model),
            backend: run.backend.clone().filter(|_| names.backend),
            input_len: run.input_len,
            output_len: run.output_len,
            max_concurrency: run.max_concurrency,
            request_rate: run.request_rate,
        }
    }
}

/// Puts runs of the same load together and matches the sides. If each side has a
/// single load, they are compared even if they differ: that was asked for.
pub(super) fn matched(a: Vec<RunResult>, b: Vec<RunResult>) -> Matched {
    let several = |name: fn(&RunResult) -> &Option<String>| {
        let differ = |side: &[RunResult]| side.iter().any(|run| name(run) != name(&side[0]));
        differ(&a) || differ(&b)
    };
    let names = Names {
        model: several(|run| &run.model_id),
        backend: several(|run| &run.backend),
    };
    let (mut a, mut b) = (groups(a, names), groups(b, names));
    if let ([_], [_]) = (&a[..], &b[..]) {
        return Matched {
            pairs: a.pop().zip(b.pop()).into_iter().collect(),
            only_a: Vec::new(),
            only_b: Vec::new(),
        };
    }
    let (mut pairs, mut only_a) = (Vec::new(), Vec::new());
    for group in a {
        match b.iter().position(|other| other.load == group.load) {
            Some(at) => pairs.push((group, b.remove(at))),
            None => only_a.push(group),
        }
    }
    Matched {
        pairs,
        only_a,
        only_b: b,
    }
}

fn groups(runs: Vec<RunResult>, names: Names) -> Vec<Group> {
    let mut groups: Vec<Group> = Vec::new();
    for run in runs {
        let load = Load::of(&run, names);
        match groups.iter_mut().find(|group| group.load == load) {
            Some(group) => group.runs.push(run),
            None => groups.push(Group {
                load,
                runs: vec![run],
            }),
        }
    }
    groups
}

/// As in `1024 in, 128 out, concurrency 16, 8 req/s`.
impl fmt::Display for Load {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let rate = self.request_rate.map(|rate| match rate.is_finite() {
            true => format!("{rate} req/s"),
            false => "no rate limit".to_owned(),
        });
        let parts = [
            self.model.clone(),
            self.backend.clone(),
            self.input_len.map(|tokens| format!("{tokens} in")),
            self.output_len.map(|tokens| format!("{tokens} out")),
            self.max_concurrency
                .map(|users| format!("concurrency {users}")),
            rate,
        ];
        let parts: Vec<String> = parts.into_iter().flatten().collect();
        match parts.is_empty() {
            true => f.write_str("load not told"),
            false => f.write_str(&parts.join(", ")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(model: &str, users: u64) -> RunResult {
        RunResult {
            model_id: Some(model.to_owned()),
            max_concurrency: Some(users),
            request_rate: Some(f64::INFINITY),
            ..RunResult::default()
        }
    }

    fn loads(groups: &[Group]) -> Vec<String> {
        groups.iter().map(|group| group.load.to_string()).collect()
    }

    #[test]
    fn points_are_matched_by_load_and_the_rest_is_listed() {
        let a = vec![run("m", 1), run("m", 8), run("m", 8), run("m", 64)];
        let matched = matched(a, vec![run("n", 8), run("n", 1), run("n", 32)]);
        let sizes = |(a, b): &(Group, Group)| (a.runs.len(), b.runs.len());
        let sizes: Vec<_> = matched.pairs.iter().map(sizes).collect();
        assert_eq!(sizes, [(1, 1), (2, 1)]);
        assert_eq!(loads(&matched.only_a), ["concurrency 64, no rate limit"]);
        assert_eq!(loads(&matched.only_b), ["concurrency 32, no rate limit"]);
    }

    #[test]
    fn several_models_on_a_side_are_told_apart() {
        let a = vec![run("m", 1), run("n", 1)];
        let matched = matched(a, vec![run("n", 1)]);
        assert_eq!(matched.pairs.len(), 1);
        assert_eq!(loads(&matched.only_a), ["m, concurrency 1, no rate limit"]);
    }

    #[test]
    fn a_single_load_is_compared_with_the_other_whatever_it_is() {
        let matched = matched(vec![run("m", 1), run("m", 1)], vec![run("m", 2)]);
        assert_eq!(matched.pairs.len(), 1);
    }
}
