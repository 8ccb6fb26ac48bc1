use std::collections::BTreeMap;
use std::fmt;

use serde::de::{Error as _, MapAccess, Visitor};
use serde::ser::SerializeMap;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::MetricsError;

/// One percentile of a distribution.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Percentile {
    /// Which one, 0 to 100.
    pub p: f64,
    /// Its value; infinite where failed requests reach so far down.
    pub value: f64,
}

/// Samples boiled down.
///
/// Without samples every number is 0, as `vllm bench serve` writes it; `count` tells.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Distribution {
    /// Number of samples.
    pub count: u64,
    /// Arithmetic mean.
    pub mean: f64,
    /// The 50th percentile.
    pub median: f64,
    /// Population standard deviation (divided by n, as numpy does by default).
    pub std: f64,
    /// Smallest sample.
    pub min: f64,
    /// Largest sample.
    pub max: f64,
    /// Percentiles by linear interpolation between the two nearest samples, numpy's default.
    #[serde(with = "as_map")]
    pub percentiles: Vec<Percentile>,
    /// Percentiles of the samples and one infinite sample for each failed request, only for
    /// metrics with at most one sample a request.
    ///
    /// Interpolation with an infinite neighbour would give infinity or NaN, so the sample
    /// nearest to rank `(n - 1) p / 100` is taken, the even one of two equally near
    /// (numpy's `method="nearest"`).
    #[serde(with = "as_map", default, skip_serializing_if = "Vec::is_empty")]
    pub percentiles_with_failures: Vec<Percentile>,
}

impl Distribution {
    /// The distribution of `samples`, which are reordered on the way.
    pub fn of(samples: &mut [f64], percentiles: &[f64]) -> Distribution {
        Distribution::build(samples, None, percentiles)
    }

    /// As [`Distribution::of`], with the percentiles that count `failures` as infinite.
    pub fn with_failures(samples: &mut [f64], failures: u64, percentiles: &[f64]) -> Distribution {
        Distribution::build(samples, Some(failures), percentiles)
    }

    /// The distribution of `count` samples that all have the same value.
    pub(crate) fn constant(value: f64, count: u64, percentiles: &[f64]) -> Distribution {
        let value = if count == 0 { 0.0 } else { value };
        Distribution {
            count,
            mean: value,
            median: value,
            std: 0.0,
            min: value,
            max: value,
            percentiles: percentiles
                .iter()
                .map(|&p| Percentile { p, value })
                .collect(),
            percentiles_with_failures: Vec::new(),
        }
    }

    /// A percentile, if it is among those computed and there are samples.
    pub fn percentile(&self, p: f64) -> Option<f64> {
        find(&self.percentiles, p).filter(|_| self.count > 0)
    }

    /// A percentile that counts failed requests as infinite, if it was computed.
    pub fn percentile_with_failures(&self, p: f64) -> Option<f64> {
        find(&self.percentiles_with_failures, p)
    }

    fn build(samples: &mut [f64], failures: Option<u64>, percentiles: &[f64]) -> Distribution {
        let nearest = |p: f64, failures: u64| {
            let n = samples.len() as u64 + failures;
            ((n.saturating_sub(1)) as f64 * (p / 100.0)).round_ties_even() as usize
        };
        let adjusted: Vec<(f64, usize)> = failures
            .filter(|&failures| failures > 0 || !samples.is_empty())
            .map(|failures| {
                percentiles
                    .iter()
                    .map(|&p| (p, nearest(p, failures)))
                    .collect()
            })
            .unwrap_or_default();
        if samples.is_empty() {
            let lost = adjusted.iter().map(|&(p, _)| Percentile {
                p,
                value: f64::INFINITY,
            });
            return Distribution {
                percentiles_with_failures: lost.collect(),
                ..Distribution::constant(0.0, 0, percentiles)
            };
        }

        let n = samples.len();
        let moments = Moments::of(samples);
        let places: Vec<Place> = percentiles
            .iter()
            .chain(&[50.0])
            .map(|&p| Place::of(p, n))
            .collect();
        let mut ranks: Vec<usize> = places
            .iter()
            .flat_map(|place| [place.low, place.high])
            .chain(
                adjusted
                    .iter()
                    .map(|&(_, rank)| rank)
                    .filter(|&rank| rank < n),
            )
            .collect();
        ranks.sort_unstable();
        ranks.dedup();
        put_in_place(samples, 0, &ranks);

        let value = |place: &Place| place.interpolate(samples[place.low], samples[place.high]);
        let percentiles = percentiles.iter().zip(&places);
        Distribution {
            count: n as u64,
            mean: moments.mean,
            median: places.last().map_or(0.0, value),
            std: moments.std,
            min: moments.min,
            max: moments.max,
            percentiles: percentiles
                .map(|(&p, place)| Percentile {
                    p,
                    value: value(place),
                })
                .collect(),
            percentiles_with_failures: adjusted
                .iter()
                .map(|&(p, rank)| Percentile {
                    p,
                    value: samples.get(rank).copied().unwrap_or(f64::INFINITY),
                })
                .collect(),
        }
    }
}

fn find(percentiles: &[Percentile], p: f64) -> Option<f64> {
    let found = percentiles.iter().find(|percentile| percentile.p == p);
    found.map(|percentile| percentile.value)
}

/// Where a percentile lies between two ranks of samples in ascending order, counted from 0.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Place {
    /// The rank below.
    pub low: usize,
    /// The rank above; the same where the percentile is a sample.
    pub high: usize,
    fraction: f64,
}

impl Place {
    /// The place of the `p`-th percentile, 0 to 100, of `n` samples.
    pub fn of(p: f64, n: usize) -> Place {
        let rank = n.saturating_sub(1) as f64 * (p / 100.0);
        let low = rank.floor();
        Place {
            low: low as usize,
            high: rank.ceil() as usize,
            fraction: rank - low,
        }
    }

    /// The percentile between the samples at both ranks, by numpy's own formula, which keeps
    /// the result between both ends and monotonic.
    pub fn interpolate(&self, a: f64, b: f64) -> f64 {
        if self.fraction < 0.5 {
            a + (b - a) * self.fraction
        } else {
            b - (b - a) * (1.0 - self.fraction)
        }
    }
}

/// Puts the samples that belong at `ranks` (ascending, counted from `offset`) there.
///
/// Each selection splits the samples in two, so that the ranks on either side have less to
/// search: far cheaper than a full sort.
fn put_in_place(samples: &mut [f64], offset: usize, ranks: &[usize]) {
    let Some(&middle) = ranks.get(ranks.len() / 2) else {
        return;
    };
    let (below, _, above) = samples.select_nth_unstable_by(middle - offset, f64::total_cmp);
    put_in_place(below, offset, &ranks[..ranks.len() / 2]);
    put_in_place(above, middle + 1, &ranks[ranks.len() / 2 + 1..]);
}

struct Moments {
    mean: f64,
    std: f64,
    min: f64,
    max: f64,
}

/// Independent partial sums: quicker than one chain of additions, and more exact.
const LANES: usize = 8;

impl Moments {
    fn of(samples: &[f64]) -> Moments {
        let n = samples.len() as f64;
        let mean = sum(samples, |x| x) / n;
        let variance = sum(samples, |x| (x - mean) * (x - mean)) / n;
        let mut min = [f64::INFINITY; LANES];
        let mut max = [f64::NEG_INFINITY; LANES];
        for chunk in samples.chunks(LANES) {
            for (lane, &x) in chunk.iter().enumerate() {
                min[lane] = min[lane].min(x);
                max[lane] = max[lane].max(x);
            }
        }
        let min = min.into_iter().fold(f64::INFINITY, f64::min);
        let max = max.into_iter().fold(f64::NEG_INFINITY, f64::max);
        Moments {
            // Rounding must not push the mean of equal samples past them.
            mean: mean.clamp(min, max),
            std: variance.sqrt(),
            min,
            max,
        }
    }
}

fn sum(samples: &[f64], term: impl Fn(f64) -> f64) -> f64 {
    let (chunks, rest) = samples.as_chunks::<LANES>();
    let mut lanes = [0.0; LANES];
    for chunk in chunks {
        for (lane, &x) in lanes.iter_mut().zip(chunk) {
            *lane += term(x);
        }
    }
    lanes.iter().sum::<f64>() + rest.iter().map(|&x| term(x)).sum::<f64>()
}

/// Reads percentiles separated by commas, such as `50,90,99.9`; the order is kept and
/// repetitions are dropped.
pub fn parse_percentiles(list: &str) -> Result<Vec<f64>, MetricsError> {
    let mut percentiles = Vec::new();
    for text in list
        .split(',')
        .map(str::trim)
        .filter(|text| !text.is_empty())
    {
        let p = text
            .parse::<f64>()
            .ok()
            .filter(|p| (0.0..=100.0).contains(p));
        let p = p.ok_or_else(|| MetricsError::Percentile {
            text: text.to_owned(),
        })?;
        if !percentiles.contains(&p) {
            percentiles.push(p);
        }
    }
    Ok(percentiles)
}

/// Percentiles as a JSON object, `{"p50": 1.5, "p99.9": "inf"}`.
mod as_map {
    use super::*;

    pub(super) fn serialize<S: Serializer>(
        percentiles: &[Percentile],
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(percentiles.len()))?;
        for percentile in percentiles {
            map.serialize_key(&format_args!("p{}", percentile.p))?;
            if percentile.value.is_finite() {
                map.serialize_value(&percentile.value)?;
            } else {
                map.serialize_value("inf")?;
            }
        }
        map.end()
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Vec<Percentile>, D::Error> {
        struct Map;
        impl<'de> Visitor<'de> for Map {
            type Value = Vec<Percentile>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object of percentiles such as {\"p99\": 1.5}")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut percentiles = Vec::new();
                while let Some((key, value)) = map.next_entry::<String, Value>()? {
                    let p = key.strip_prefix('p').and_then(|p| p.parse().ok());
                    let p = p.ok_or_else(|| {
                        A::Error::custom(format_args!("'{key}' names no percentile"))
                    })?;
                    let value = match value {
                        Value::Number(value) => value,
                        Value::Infinite(Infinite::Inf) => f64::INFINITY,
                    };
                    percentiles.push(Percentile { p, value });
                }
                Ok(percentiles)
            }
        }
        deserializer.deserialize_map(Map)
    }

    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Value {
        Number(f64),
        Infinite(Infinite),
    }

    #[derive(Deserialize)]
    #[serde(rename_all = "lowercase")]
    enum Infinite {
        Inf,
    }
}

/// Distributions by the name of their metric.
pub(crate) type ByMetric = BTreeMap<String, Distribution>;
