use bench_report::RunResult;

use super::series::arrange;
use crate::{Axis, Caption, Datum, Figure, Ink, Layer, Marks, NoChart, Panel, Point};

const ID: &str = "pareto";

/// A run between the speed of one user and the throughput of the whole.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Tradeoff {
    /// Which of the runs it is.
    pub run: usize,
    /// Output tokens per second that one user sees.
    pub user_speed: f64,
    /// Output tokens per second of the whole, or of each GPU.
    pub throughput: f64,
    /// Whether no other run is better in one without being worse in the other.
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
    /// What the objectives are, in words.
    pub slo: Option<String>,
    /// What else the reader must know: how the speed is computed, which runs are missing.
    pub footer: Vec<String>,
}

/// Throughput of the whole against what one user sees of it, with the frontier: the runs that
/// no other one beats in both.
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
    let mut layers = vec![frontier(runs, tradeoffs)];
    for group in &groups {
        layers.extend(group.layers(runs, tradeoffs));
    }
    let missed = missed(runs, &groups, tradeoffs);
    layers.extend(missed);
    layers.push(words(&groups, tradeoffs));
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
    tags: Vec<(String, String)>,
    /// Which runs, with their loads in words.
    members: Vec<(usize, String)>,
}

/// The series of the runs. Runs that do not tell their load have a group of their own.
fn groups(runs: &[RunResult]) -> Vec<Group> {
    let mut groups = Vec::new();
    let mut grouped = vec![false; runs.len()];
    let arranged = arrange(ID, runs);
    for series in arranged.iter().flat_map(|arranged| &arranged.series) {
        let mut members = Vec::new();
        for place in &series.places {
            for run in &place.runs {
                let index = runs.iter().position(|known| std::ptr::eq(known, *run));
                members.extend(index.map(|index| (index, place.words.clone())));
            }
        }
        members.iter().for_each(|(index, _)| grouped[*index] = true);
        groups.push(Group {
            name: series.name.clone(),
            ink: series.ink,
            tags: series.tags.clone(),
            members,
        });
    }
    let rest: Vec<(usize, String)> = (0..runs.len())
        .filter(|index| !grouped[*index])
        .map(|index| (index, String::new()))
        .collect();
    if !rest.is_empty() {
        groups.push(Group {
            name: (!groups.is_empty()).then(|| "load not told".to_owned()),
            ink: Ink::Series(groups.len()),
            tags: super::dimension::tags(rest.iter().map(|(index, _)| &runs[*index])),
            members: rest,
        });
    }
    groups
}

impl Group {
    fn tradeoffs<'t>(
        &'t self,
        all: &'t [Tradeoff],
    ) -> impl Iterator<Item = (&'t Tradeoff, &'t str)> {
        self.members.iter().filter_map(|(index, words)| {
            let found = all.iter().find(|one| one.run == *index)?;
            Some((found, words.as_str()))
        })
    }

    /// The points that keep the objectives, or of which nobody asked.
    fn layers(&self, runs: &[RunResult], all: &[Tradeoff]) -> Option<Layer> {
        let kept = self
            .tradeoffs(all)
            .filter(|(one, _)| one.meets_slo != Some(false));
        let points: Vec<Point> = kept.map(|(one, words)| point(one, words, runs)).collect();
        (!points.is_empty()).then(|| Layer {
            name: self.name.clone().or_else(|| Some("runs".to_owned())),
            ink: self.ink,
            tags: self.tags.clone(),
            marks: Marks::Points(points),
        })
    }
}

fn point(one: &Tradeoff, words: &str, runs: &[RunResult]) -> Point {
    let origin = runs.get(one.run).map(|run| run.origin.to_string());
    let label = [Some(words.to_owned()), origin];
    let label: Vec<String> = label
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

/// The points that miss the objectives.
fn missed(runs: &[RunResult], groups: &[Group], all: &[Tradeoff]) -> Option<Layer> {
    let missed: Vec<Point> = groups
        .iter()
        .flat_map(|group| group.tradeoffs(all))
        .filter(|(one, _)| one.meets_slo == Some(false))
        .map(|(one, words)| point(one, words, runs))
        .collect();
    let name = "misses the objectives".to_owned();
    (!missed.is_empty()).then(|| Layer::new(name, Ink::Muted, Marks::Points(missed)))
}

/// From the slowest to the fastest user.
fn frontier(runs: &[RunResult], all: &[Tradeoff]) -> Layer {
    let best = all.iter().filter(|one| one.frontier);
    let mut points: Vec<Point> = best.map(|one| point(one, "", runs)).collect();
    points.sort_by(|one, two| one.x.total_cmp(&two.x));
    Layer::new("frontier".to_owned(), Ink::Muted, Marks::Line(points))
}

/// The loads beside the points of the frontier.
fn words(groups: &[Group], all: &[Tradeoff]) -> Layer {
    let on_frontier = groups
        .iter()
        .flat_map(|group| group.tradeoffs(all))
        .filter(|(one, words)| one.frontier && !words.is_empty());
    let words = on_frontier.map(|(one, words)| Point {
        x: one.user_speed,
        y: one.throughput,
        label: Some(words.to_owned()),
    });
    Layer::new(None, Ink::Muted, Marks::Words(words.collect()))
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
            run,
            user_speed,
            throughput,
            frontier: true,
            meets_slo: None,
        }
    }

    #[test]
    fn the_frontier_leads_from_slow_to_fast_users() {
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
            Marks::Line(points) | Marks::Points(points) | Marks::Words(points) => {
                points.iter().map(|one| (one.x, one.y)).collect()
            }
            _ => Vec::new(),
        };
        assert_eq!(places(frontier), [(50.0, 800.0), (90.0, 90.0)]);
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
            figure.panels[0].layers[1].marks,
            Marks::Points(vec![Point {
                x: 1.0,
                y: 2.0,
                label: Some("mc1.json".to_owned()),
            }])
        );
        assert!(pareto(&[run(1)], &[], &notes).is_err());
    }
}
