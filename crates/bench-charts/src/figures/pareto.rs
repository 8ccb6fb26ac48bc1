use std::collections::{BTreeMap, BTreeSet};

use bench_report::RunResult;

use super::dimension::tags;
use super::series::arrange;
use crate::{Axis, Caption, Datum, Figure, Ink, Layer, Marks, NoChart, Panel, Point};

const ID: &str = "pareto";

/// A run, or the mean of its repeats, between the speed of one user and the throughput of the
/// whole.
#[derive(Clone, Debug, PartialEq)]
pub struct Tradeoff {
    /// Which of the runs it stands for: several are repeats, which differ in nothing.
    pub runs: Vec<usize>,
    /// Which of the workloads they had; each has a frontier of its own.
    pub workload: usize,
    /// Output tokens per second that one user sees.
    pub user_speed: f64,
    /// Output tokens per second of the whole, or of each GPU.
    pub throughput: f64,
    /// Whether no other one of the workload is better in one without being worse in the other.
    pub frontier: bool,
    /// Whether it keeps the objectives, if there are any and it tells.
    pub meets_slo: Option<bool>,
}

/// What a chart of tradeoffs says besides the points.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct TradeoffNotes {
    /// Whether the throughput is that of one GPU.
    pub per_gpu: bool,
    /// Slowest speed of a user that keeps the objective for TPOT, in output tokens per second.
    pub slo_speed: Option<f64>,
    /// What tells the workloads apart, in their order; empty if there is only one.
    pub workloads: Vec<String>,
    /// What the objectives are, in words.
    pub slo: Option<String>,
    /// What else the reader must know: how the speed is computed, which runs are missing.
    pub footer: Vec<String>,
}

/// Throughput of the whole against what one user sees of it, with the frontier of each workload:
/// the runs that no other one beats in both.
pub fn pareto(
    runs: &[RunResult],
    tradeoffs: &[Tradeoff],
    notes: &TradeoffNotes,
) -> Result<Figure, NoChart> {
    if runs.is_empty() {
        return Err(NoChart::NoRuns { chart: ID });
    }
    if tradeoffs.is_empty() {
        return Err(NoChart::LackingInAll {
            chart: ID,
            runs: runs.len(),
            what: "an output throughput and a median TPOT or a concurrency".to_owned(),
            cure: "give results of streamed answers with TPOT among their metrics".to_owned(),
        });
    }
    let groups = groups(runs);
    let mut layers = frontiers(runs, &groups, tradeoffs, &notes.workloads);
    layers.extend(groups.iter().filter_map(|one| one.kept(runs, tradeoffs)));
    layers.extend(groups.iter().filter_map(|one| one.missed(runs, tradeoffs)));
    layers.extend(groups.iter().filter_map(|one| one.words(runs, tradeoffs)));
    layers.extend(notes.slo_speed.map(slo_line));
    let name = if notes.per_gpu {
        "Output throughput per GPU"
    } else {
        "Output throughput"
    };
    let panel = Panel {
        title: None,
        x: from_zero("Output speed of one user", tradeoffs, |one| one.user_speed),
        y: from_zero(name, tradeoffs, |one| one.throughput),
        layers,
    };
    let refs: Vec<&RunResult> = runs.iter().collect();
    let mut figure =
        Caption::of(&refs).figure(ID, "Throughput against speed of one user", vec![panel]);
    figure.footer.extend(notes.slo.clone());
    figure.footer.extend(notes.footer.iter().cloned());
    Ok(figure)
}

/// Runs of one colour.
struct Group {
    name: Option<String>,
    ink: Ink,
    /// Which runs, with their loads in words.
    members: BTreeMap<usize, String>,
}

/// The series of the runs. Runs that do not tell their load have a group of their own.
fn groups(runs: &[RunResult]) -> Vec<Group> {
    let mut groups = Vec::new();
    let mut grouped = vec![false; runs.len()];
    let arranged = arrange(ID, runs);
    for series in arranged.iter().flat_map(|arranged| &arranged.series) {
        let mut members = BTreeMap::new();
        for place in &series.places {
            for run in &place.runs {
                let index = runs.iter().position(|known| std::ptr::eq(known, *run));
                members.extend(index.map(|index| (index, place.words.clone())));
            }
        }
        members.keys().for_each(|index| grouped[*index] = true);
        groups.push(Group {
            name: series.name.clone(),
            ink: series.ink,
            members,
        });
    }
    let rest: BTreeMap<usize, String> = (0..runs.len())
        .filter(|index| !grouped[*index])
        .map(|index| (index, String::new()))
        .collect();
    if !rest.is_empty() {
        groups.push(Group {
            name: (!groups.is_empty()).then(|| "load not told".to_owned()),
            ink: Ink::Series(groups.len()),
            members: rest,
        });
    }
    groups
}

impl Group {
    /// Those of the group, with their loads in words. Repeats are of the same group.
    fn tradeoffs<'t>(
        &'t self,
        all: &'t [Tradeoff],
    ) -> impl Iterator<Item = (&'t Tradeoff, &'t str)> {
        all.iter().filter_map(|one| {
            let words = self.members.get(one.runs.first()?)?;
            Some((one, words.as_str()))
        })
    }

    /// The points that keep the objectives, or of which nobody asked.
    fn kept(&self, runs: &[RunResult], all: &[Tradeoff]) -> Option<Layer> {
        let kept = self
            .tradeoffs(all)
            .filter(|(one, _)| one.meets_slo != Some(false));
        let name = self.name.clone().unwrap_or_else(|| "runs".to_owned());
        points(name, self.ink, &kept.collect::<Vec<_>>(), runs)
    }

    /// The points that miss the objectives.
    fn missed(&self, runs: &[RunResult], all: &[Tradeoff]) -> Option<Layer> {
        let missed = self
            .tradeoffs(all)
            .filter(|(one, _)| one.meets_slo == Some(false));
        let name = match &self.name {
            Some(name) => format!("{name}: misses the objectives"),
            None => "misses the objectives".to_owned(),
        };
        points(name, Ink::Muted, &missed.collect::<Vec<_>>(), runs)
    }

    /// The loads beside the points of a frontier, with the number of repeats.
    fn words(&self, runs: &[RunResult], all: &[Tradeoff]) -> Option<Layer> {
        let on_frontier = self
            .tradeoffs(all)
            .filter(|(one, words)| one.frontier && !words.is_empty());
        let on_frontier: Vec<(&Tradeoff, &str)> = on_frontier.collect();
        let words = on_frontier.iter().map(|(one, words)| Point {
            x: one.user_speed,
            y: one.throughput,
            label: Some(match one.runs.len() {
                1 => (*words).to_owned(),
                repeats => format!("{words} ({repeats} runs)"),
            }),
        });
        (!on_frontier.is_empty()).then(|| Layer {
            name: None,
            ink: Ink::Muted,
            tags: tags_of(on_frontier.iter().map(|(one, _)| *one), runs),
            marks: Marks::Words(words.collect()),
        })
    }
}

fn points(
    name: String,
    ink: Ink,
    shown: &[(&Tradeoff, &str)],
    runs: &[RunResult],
) -> Option<Layer> {
    let points = shown.iter().map(|(one, words)| point(one, words, runs));
    (!shown.is_empty()).then(|| Layer {
        name: Some(name),
        ink,
        tags: tags_of(shown.iter().map(|(one, _)| *one), runs),
        marks: Marks::Points(points.collect()),
    })
}

fn point(one: &Tradeoff, words: &str, runs: &[RunResult]) -> Point {
    let source = match &one.runs[..] {
        [run] => runs.get(*run).map(|run| run.origin.to_string()),
        repeats => Some(format!("mean of {} runs", repeats.len())),
    };
    let label: Vec<String> = [Some(words.to_owned()), source]
        .into_iter()
        .flatten()
        .filter(|part| !part.is_empty())
        .collect();
    Point {
        x: one.user_speed,
        y: one.throughput,
        label: Some(label.join(", ")),
    }
}

/// What readers filter these points by.
fn tags_of<'t>(
    points: impl Iterator<Item = &'t Tradeoff>,
    runs: &[RunResult],
) -> Vec<(String, String)> {
    let of = points.flat_map(|one| &one.runs);
    let of: Vec<&RunResult> = of.filter_map(|&run| runs.get(run)).collect();
    tags(of.iter().copied())
}

/// The frontier of each workload in which it leads from one point to others.
fn frontiers(
    runs: &[RunResult],
    groups: &[Group],
    all: &[Tradeoff],
    names: &[String],
) -> Vec<Layer> {
    let workloads: BTreeSet<usize> = all.iter().map(|one| one.workload).collect();
    let of_workload = |workload: usize| {
        let on_frontier = all
            .iter()
            .filter(move |one| one.frontier && one.workload == workload);
        let mut best: Vec<&Tradeoff> = on_frontier.collect();
        best.sort_by(|one, two| two.user_speed.total_cmp(&one.user_speed));
        let name = match names.get(workload).filter(|name| !name.is_empty()) {
            Some(name) => format!("frontier: {name}"),
            None => "frontier".to_owned(),
        };
        (best.len() > 1).then(|| Layer {
            name: Some(name),
            ink: ink_of(&best, groups),
            tags: tags_of(best.iter().copied(), runs),
            marks: Marks::Steps(best.iter().map(|one| point(one, "", runs)).collect()),
        })
    };
    workloads.into_iter().filter_map(of_workload).collect()
}

/// The colour of the series that all of them are of, where there are several series.
fn ink_of(best: &[&Tradeoff], groups: &[Group]) -> Ink {
    let has_all = |group: &&Group| {
        let mut runs = best.iter().filter_map(|one| one.runs.first());
        runs.all(|run| group.members.contains_key(run))
    };
    let several = groups.len() > 1;
    let alone = groups.iter().find(has_all).filter(|_| several);
    alone.map_or(Ink::Muted, |group| group.ink)
}

fn slo_line(speed: f64) -> Layer {
    let marks = Marks::Vertical(Datum {
        at: speed,
        label: format!("TPOT {} ms", 1000.0 / speed),
    });
    Layer::new(None, Ink::Bad, marks)
}

fn from_zero(name: &str, tradeoffs: &[Tradeoff], value: fn(&Tradeoff) -> f64) -> Axis {
    let mut axis = Axis::linear(name, Some("tok/s"));
    let greatest = tradeoffs.iter().map(value).fold(0.0, f64::max);
    axis.range = (greatest > 0.0).then_some((0.0, greatest * 1.08));
    axis
}

#[cfg(test)]
mod tests {
    use super::super::make::run;
    use super::*;

    fn tradeoff(run: usize, user_speed: f64, throughput: f64) -> Tradeoff {
        Tradeoff {
            runs: vec![run],
            workload: 0,
            user_speed,
            throughput,
            frontier: true,
            meets_slo: None,
        }
    }

    #[test]
    fn the_frontier_goes_in_steps_from_fast_to_slow_users() {
        let runs = [run(1), run(16), run(4)];
        let beaten = Tradeoff {
            frontier: false,
            meets_slo: Some(false),
            ..tradeoff(2, 40.0, 100.0)
        };
        let tradeoffs = [tradeoff(0, 90.0, 90.0), tradeoff(1, 50.0, 800.0), beaten];
        let notes = TradeoffNotes {
            slo_speed: Some(20.0),
            ..TradeoffNotes::default()
        };
        let layers = &pareto(&runs, &tradeoffs, &notes).unwrap().panels[0].layers;
        let [frontier, kept, missed, words, slo] = &layers[..] else {
            panic!("{layers:?}");
        };
        let places = |layer: &Layer| match &layer.marks {
            Marks::Steps(points) | Marks::Points(points) | Marks::Words(points) => {
                points.iter().map(|one| (one.x, one.y)).collect()
            }
            _ => Vec::new(),
        };
        // A step holds until the next point: at 60 there is the throughput of the one at 90, not
        // what lies between the two.
        assert_eq!(places(frontier), [(90.0, 90.0), (50.0, 800.0)]);
        assert_eq!(places(kept), [(90.0, 90.0), (50.0, 800.0)]);
        assert_eq!(places(missed), [(40.0, 100.0)]);
        assert_eq!(places(words).len(), 2);
        let expected = Marks::Vertical(Datum {
            at: 20.0,
            label: "TPOT 50 ms".to_owned(),
        });
        assert_eq!(slo.marks, expected);
    }

    #[test]
    fn each_workload_has_a_frontier_and_every_layer_its_tags() {
        let other = |concurrency| RunResult {
            model_id: Some("org/other".to_owned()),
            ..run(concurrency)
        };
        let runs = [run(1), run(4), run(1), other(1), other(4)];
        let repeated = Tradeoff {
            runs: vec![0, 2],
            ..tradeoff(0, 90.0, 90.0)
        };
        let of_other = |run, user_speed, throughput, meets_slo| Tradeoff {
            workload: 1,
            meets_slo: Some(meets_slo),
            ..tradeoff(run, user_speed, throughput)
        };
        let tradeoffs = [
            repeated,
            tradeoff(1, 50.0, 300.0),
            of_other(3, 40.0, 40.0, true),
            of_other(4, 30.0, 60.0, false),
        ];
        let notes = TradeoffNotes {
            workloads: vec!["model".to_owned(), "other".to_owned()],
            ..TradeoffNotes::default()
        };
        let layers = &pareto(&runs, &tradeoffs, &notes).unwrap().panels[0].layers;
        let of = |layer: &Layer, key: &str| -> Vec<String> {
            let tags = layer.tags.iter().filter(|(known, _)| known == key);
            tags.map(|(_, value)| value.clone()).collect()
        };
        let told: Vec<(Option<&str>, Vec<String>)> = layers
            .iter()
            .map(|layer| (layer.name.as_deref(), of(layer, "model")))
            .collect();
        let tagged = |name, model: &str| (name, vec![model.to_owned()]);
        assert_eq!(
            told,
            [
                tagged(Some("frontier: model"), "org/model"),
                tagged(Some("frontier: other"), "org/other"),
                tagged(Some("model"), "org/model"),
                tagged(Some("other"), "org/other"),
                tagged(Some("other: misses the objectives"), "org/other"),
                tagged(None, "org/model"),
                tagged(None, "org/other"),
            ]
        );
        assert_eq!(layers[0].ink, layers[2].ink);
        assert_eq!(of(&layers[4], "concurrency"), ["4"]);
        let labels = |layer: &Layer| -> Vec<String> {
            match &layer.marks {
                Marks::Points(points) | Marks::Words(points) => {
                    points.iter().filter_map(|one| one.label.clone()).collect()
                }
                _ => Vec::new(),
            }
        };
        assert_eq!(
            labels(&layers[2]),
            ["concurrency 1, mean of 2 runs", "concurrency 4, mc4.json"]
        );
        assert_eq!(
            labels(&layers[5]),
            ["concurrency 1 (2 runs)", "concurrency 4"]
        );
    }

    #[test]
    fn runs_that_tell_no_load_are_shown_too() {
        let silent = RunResult {
            max_concurrency: None,
            request_rate: None,
            input_len: None,
            output_len: None,
            ..run(1)
        };
        let notes = TradeoffNotes::default();
        let figure = pareto(&[silent], &[tradeoff(0, 1.0, 2.0)], &notes).unwrap();
        assert_eq!(
            figure.panels[0].layers[0].marks,
            Marks::Points(vec![Point {
                x: 1.0,
                y: 2.0,
                label: Some("mc1.json".to_owned()),
            }])
        );
        assert!(pareto(&[run(1)], &[], &notes).is_err());
    }
}
