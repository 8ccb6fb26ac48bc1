//! How sure the numbers of a single run are, from its requests.

use bench_metrics::stats::{
    Estimate, GroupedQuantile, Resampling, batch_means, batch_ratio, grouped_quantiles, min_samples,
};
use bench_report::{RequestSample, RunResult, Statistic};

use super::contrast::Sided;
use super::{Measure, Rate};

/// Level at which the interval of a percentile has to exist for it to be judged.
const CONFIDENCE: f64 = 0.95;

/// What the requests of a run say about a measure, or why they say nothing.
pub(super) type Found = Result<Sided, String>;

/// The numbers of one run with their errors, for measures in the order given.
pub(super) fn estimates(run: &RunResult, measures: &[Measure], how: &Resampling) -> Vec<Found> {
    let completed = in_order(run.requests.iter().filter(|request| request.success));
    let mut found: Vec<Found> = measures
        .iter()
        .map(|measure| match measure {
            Measure::Rate(rate) => throughput(run, &completed, *rate),
            Measure::Failed => failed(&run.requests, run.requests.len() as f64),
            Measure::ErrorRate => failed(&run.requests, 1.0),
            Measure::Latency { metric, statistic } => match statistic {
                Statistic::Mean => mean(&completed, metric),
                _ => Err(String::new()),
            },
        })
        .collect();
    let mut metrics: Vec<&str> = measures.iter().filter_map(quantile_of).collect();
    metrics.sort_unstable();
    metrics.dedup();
    for metric in metrics {
        let wanted = (0..measures.len()).filter(|&i| quantile_of(&measures[i]) == Some(metric));
        let wanted: Vec<usize> = wanted.collect();
        let percentiles: Vec<f64> = wanted.iter().map(|&i| percentile(&measures[i])).collect();
        let quantiles = quantiles(&completed, metric, &percentiles, how);
        for (index, quantile) in wanted.into_iter().zip(quantiles) {
            found[index] = quantile;
        }
    }
    found
}

/// Requests in the order in which they were sent, if that is known.
fn in_order<'a>(requests: impl Iterator<Item = &'a RequestSample>) -> Vec<&'a RequestSample> {
    let mut ordered: Vec<_> = requests.collect();
    if ordered.iter().all(|request| request.start.is_some()) {
        ordered.sort_by(|a, b| a.start.unwrap_or(0.0).total_cmp(&b.start.unwrap_or(0.0)));
    }
    ordered
}

/// The share of requests that failed, times a number.
fn failed(requests: &[RequestSample], times: f64) -> Found {
    let ordered = in_order(requests.iter());
    let failed: Vec<f64> = ordered
        .iter()
        .map(|request| f64::from(u8::from(!request.success)))
        .collect();
    let share = batch_means(&failed).ok_or_else(|| too_few(failed.len()))?;
    Ok(Sided::of(Estimate {
        value: share.estimate.value * times,
        std_error: share.estimate.std_error * times,
        ..share.estimate
    }))
}

fn quantile_of(measure: &Measure) -> Option<&str> {
    match measure {
        Measure::Latency {
            statistic: Statistic::Median | Statistic::Percentile(_),
            metric,
        } => Some(metric),
        _ => None,
    }
}

fn percentile(measure: &Measure) -> f64 {
    match measure {
        Measure::Latency {
            statistic: Statistic::Percentile(p),
            ..
        } => *p,
        _ => 50.0,
    }
}

/// The samples of a metric in milliseconds, those of each request together.
fn samples(completed: &[&RequestSample], metric: &str) -> Result<Vec<Vec<f64>>, String> {
    if !["ttft", "tpot", "itl", "e2el"].contains(&metric) {
        return Err(format!("requests do not tell their {metric}"));
    }
    let of_request = |request: &&RequestSample| {
        let mut group = Vec::new();
        request.each_sample(metric, &mut |sample| group.push(sample));
        group
    };
    let groups = completed.iter().map(of_request);
    let groups: Vec<Vec<f64>> = groups.filter(|group| !group.is_empty()).collect();
    match groups.is_empty() {
        true => Err(format!("no request has a {metric}")),
        false => Ok(groups),
    }
}

fn mean(completed: &[&RequestSample], metric: &str) -> Found {
    let groups = samples(completed, metric)?;
    let sums: Vec<f64> = groups.iter().map(|group| group.iter().sum()).collect();
    let sizes: Vec<f64> = groups.iter().map(|group| group.len() as f64).collect();
    let batches = batch_ratio(&sums, &sizes).ok_or_else(|| too_few(groups.len()))?;
    Ok(Sided::of(batches.estimate))
}

fn quantiles(
    completed: &[&RequestSample],
    metric: &str,
    percentiles: &[f64],
    how: &Resampling,
) -> Vec<Found> {
    let found = samples(completed, metric).and_then(|groups| {
        let slices = groups.iter().map(Vec::as_slice);
        grouped_quantiles(slices, percentiles, how).ok_or_else(|| too_few(groups.len()))
    });
    match found {
        Ok(quantiles) => quantiles.iter().map(judged).collect(),
        Err(reason) => vec![Err(reason); percentiles.len()],
    }
}

fn judged(quantile: &GroupedQuantile) -> Found {
    let needed = min_samples(quantile.p, CONFIDENCE).unwrap_or(u64::MAX) as f64;
    if quantile.effective_size < needed {
        return Err(format!(
            "its samples are worth {:.0} independent ones, and {needed} are needed",
            quantile.effective_size
        ));
    }
    let linear = quantile.estimate();
    let linear = linear.ok_or("requests depend on one another over the whole run")?;
    Ok(Sided {
        linear,
        log: quantile.ln_estimate(),
    })
}

/// Work over the times between the ends of requests, which add up to the duration.
fn throughput(run: &RunResult, completed: &[&RequestSample], rate: Rate) -> Found {
    let work = |request: &RequestSample| -> Option<f64> {
        let tokens = match rate {
            Rate::Requests => return Some(1.0),
            Rate::Goodput => return None,
            Rate::OutputTokens => request.output_tokens?,
            Rate::TotalTokens => request.output_tokens? + request.input_tokens?,
        };
        Some(tokens as f64)
    };
    let ended = completed.iter().map(|request| {
        let start = request.start?;
        Some((start, start + request.e2el?, work(request)?))
    });
    let ended: Option<Vec<(f64, f64, f64)>> = ended.collect();
    let mut ended = ended.ok_or("requests do not tell their part in it")?;
    ended.sort_by(|a, b| a.1.total_cmp(&b.1));
    let begin = ended
        .iter()
        .map(|request| request.0)
        .fold(f64::INFINITY, f64::min);
    let mut last = begin;
    let mut gaps: Vec<f64> = Vec::with_capacity(ended.len());
    for (_, end, _) in &ended {
        gaps.push(end - last);
        last = *end;
    }
    // Failed requests may have lasted longer than the others; that time counts, too.
    if let (Some(duration), Some(gap)) = (run.duration, gaps.last_mut()) {
        *gap += (duration - (last - begin)).max(0.0);
    }
    let work: Vec<f64> = ended.iter().map(|request| request.2).collect();
    let batches = batch_ratio(&work, &gaps).ok_or_else(|| too_few(work.len()))?;
    Ok(Sided::of(batches.estimate))
}

fn too_few(requests: usize) -> String {
    format!("{requests} requests are too few to judge how they depend on one another")
}

impl Sided {
    fn of(linear: Estimate) -> Sided {
        Sided {
            linear,
            log: linear.ln(),
        }
    }
}
