//! When requests leave: every load shape is a list of absolute send times.

mod error;
mod points;
mod ramp;
mod stages;
#[cfg(test)]
mod testing;

use std::sync::Arc;

use bench_report::{RateStep, Schedule, ScheduleKind};
use bench_types::Nanos;

pub use error::ArrivalsError;
pub use ramp::{Ramp, RampOver, RampStrategy};
pub use stages::Stage;

use points::Points;
use stages::Stages;

/// A load shape: how the send times of a run are made.
///
/// Times that are drawn are those of a process with gamma distributed gaps: their coefficient
/// of variation is `1/sqrt(burstiness)`. 1 is a Poisson process, less is burstier, infinity is a
/// constant gap. They are stretched so that the last request of a run, or of a stage, leaves
/// exactly when the rate says, as `vllm bench serve` does: the offered load is exact for every
/// seed.
#[derive(Clone, Debug, PartialEq)]
pub struct Arrivals {
    shape: Shape,
    burstiness: f64,
    seed: u64,
}

#[derive(Clone, Debug, PartialEq)]
enum Shape {
    Burst,
    Rate(f64),
    Ramp(Ramp),
    Stages(Stages),
    Recorded(Arc<[Nanos]>),
}

impl Arrivals {
    /// Everything at once.
    pub fn burst() -> Arrivals {
        Arrivals {
            shape: Shape::Burst,
            burstiness: 1.0,
            seed: 0,
        }
    }

    /// `rate` requests per second, infinity for all at once, with gamma distributed gaps.
    ///
    /// # Errors
    /// If `rate` or `burstiness` is not positive.
    pub fn gamma(rate: f64, burstiness: f64, seed: u64) -> Result<Arrivals, ArrivalsError> {
        if rate.is_nan() || rate <= 0.0 {
            return Err(ArrivalsError::Rate(rate));
        }
        let shape = match rate.is_finite() {
            true => Shape::Rate(rate),
            false => Shape::Burst,
        };
        Arrivals::drawn(shape, burstiness, seed)
    }

    /// A rate that changes from the first request to the last.
    ///
    /// # Errors
    /// If a rate of `ramp` cannot be, or if `burstiness` is not positive.
    pub fn ramp(ramp: Ramp, burstiness: f64, seed: u64) -> Result<Arrivals, ArrivalsError> {
        ramp.check()?;
        Arrivals::drawn(Shape::Ramp(ramp), burstiness, seed)
    }

    /// Rates that follow each other, each for a time. They say how many requests there are.
    ///
    /// # Errors
    /// If nothing is sent, if the last stage is a pause, or if `burstiness` is not positive.
    pub fn stages(
        stages: Vec<Stage>,
        burstiness: f64,
        seed: u64,
    ) -> Result<Arrivals, ArrivalsError> {
        Arrivals::drawn(Shape::Stages(Stages::new(stages)?), burstiness, seed)
    }

    /// The times of a trace, from the start of the run.
    ///
    /// # Errors
    /// If a time is before the one that precedes it.
    pub fn recorded(times: impl Into<Arc<[Nanos]>>) -> Result<Arrivals, ArrivalsError> {
        let times = times.into();
        if let Some(index) = times.windows(2).position(|pair| pair[1] < pair[0]) {
            return Err(ArrivalsError::Order { index: index + 1 });
        }
        Ok(Arrivals {
            shape: Shape::Recorded(times),
            burstiness: 1.0,
            seed: 0,
        })
    }

    fn drawn(shape: Shape, burstiness: f64, seed: u64) -> Result<Arrivals, ArrivalsError> {
        if burstiness.is_nan() || burstiness <= 0.0 {
            return Err(ArrivalsError::Burstiness(burstiness));
        }
        Ok(Arrivals {
            shape,
            burstiness,
            seed,
        })
    }

    /// Shape of the gaps; 1 is Poisson.
    pub fn burstiness(&self) -> f64 {
        self.burstiness
    }

    /// The seed, if anything is drawn with it.
    pub fn seed(&self) -> Option<u64> {
        let drawn = match self.shape {
            Shape::Burst | Shape::Recorded(_) => false,
            Shape::Rate(_) | Shape::Ramp(_) | Shape::Stages(_) => self.burstiness.is_finite(),
        };
        drawn.then_some(self.seed)
    }

    /// Whether requests have times of their own, rather than leaving as early as slots allow.
    pub fn is_paced(&self) -> bool {
        self.shape != Shape::Burst
    }

    /// The rate in requests per second, if it is one and the same throughout.
    #[cfg(feature = "cli")]
    pub(crate) fn constant_rate(&self) -> Option<f64> {
        match self.shape {
            Shape::Rate(rate) => Some(rate),
            _ => None,
        }
    }

    /// How many requests the shape has times for; `None` for any number.
    pub fn count(&self) -> Option<usize> {
        match &self.shape {
            Shape::Burst | Shape::Rate(_) | Shape::Ramp(_) => None,
            Shape::Stages(stages) => Some(stages.count()),
            Shape::Recorded(times) => Some(times.len()),
        }
    }

    /// How many requests leave in `span`, if the load lasts as long; `None` if only their number
    /// says how long it is.
    pub(crate) fn count_in(&self, span: Nanos) -> Option<usize> {
        let seconds = span.as_secs_f64();
        match &self.shape {
            Shape::Burst => None,
            Shape::Rate(rate) => Some(whole(rate * seconds)),
            Shape::Ramp(ramp) => ramp.count_in(seconds),
            Shape::Stages(stages) => {
                let offsets = self.offsets(stages.count());
                Some(offsets.partition_point(|offset| *offset <= span))
            }
            Shape::Recorded(times) => Some(times.partition_point(|time| *time <= span)),
        }
    }

    /// The send times of the first `count` requests, as far as they are within `span`.
    pub(crate) fn offsets_in(&self, span: Nanos, count: usize) -> Vec<Nanos> {
        let mut offsets = self.offsets(count);
        match &self.shape {
            // They end with the span at the latest, but for rounding.
            Shape::Rate(_) | Shape::Ramp(_) if self.count_in(span) >= Some(count) => {
                offsets.iter_mut().for_each(|time| *time = span.min(*time));
            }
            _ => offsets.truncate(offsets.partition_point(|time| *time <= span)),
        }
        offsets
    }

    /// Whether the load goes on to the end of `span`, if it is not left off before.
    pub(crate) fn fills(&self, span: Nanos) -> bool {
        match &self.shape {
            Shape::Burst => false,
            Shape::Rate(_) => true,
            Shape::Ramp(ramp) => ramp.over == RampOver::Time,
            Shape::Stages(stages) => stages.length() >= span,
            Shape::Recorded(times) => times.last().is_some_and(|last| *last >= span),
        }
    }

    /// The load that comes before this one: the rate it begins with, of a trace the mean one,
    /// drawn by another seed.
    pub(crate) fn before(&self) -> Arrivals {
        let rate = match &self.shape {
            Shape::Burst => return Arrivals::burst(),
            Shape::Rate(rate) => *rate,
            Shape::Ramp(ramp) => ramp.first_rate(),
            Shape::Stages(stages) => stages.first_rate(),
            // A trace whose requests all leave at once is spread over a second.
            Shape::Recorded(times) => times.len() as f64 / last(times).max(1.0),
        };
        Arrivals {
            shape: Shape::Rate(rate),
            burstiness: self.burstiness,
            seed: !self.seed,
        }
    }

    /// Whether the shape has times for `requests`.
    ///
    /// # Errors
    /// If it has fewer.
    pub fn check_count(&self, requests: usize) -> Result<(), ArrivalsError> {
        match self.count() {
            Some(times) if times < requests => Err(ArrivalsError::Count { times, requests }),
            _ => Ok(()),
        }
    }

    /// The send times of `count` requests, ascending, from the start of the run; fewer if the
    /// shape has not as many.
    pub fn offsets(&self, count: usize) -> Vec<Nanos> {
        let mut points = Points::new(self.burstiness, self.seed);
        let seconds = match &self.shape {
            Shape::Burst => return vec![Nanos::ZERO; count],
            Shape::Recorded(times) => return times.iter().take(count).copied().collect(),
            Shape::Rate(rate) => points.stretched(count, count as f64 / rate),
            Shape::Ramp(ramp) => ramp.times(&mut points, count),
            Shape::Stages(stages) => stages.times(&mut points, count),
        };
        seconds.into_iter().map(Nanos::from_secs_f64).collect()
    }

    /// The configured rate in requests per second, for the result of a run with these offsets:
    /// the mean one of stages and traces, infinite where no rate holds throughout.
    pub(crate) fn rate(&self, offsets: &[Nanos]) -> f64 {
        match &self.shape {
            Shape::Burst | Shape::Ramp(_) => f64::INFINITY,
            Shape::Rate(rate) => *rate,
            Shape::Stages(_) | Shape::Recorded(_) => mean_rate(offsets),
        }
    }

    /// What a result says of the times, if there are any.
    pub(crate) fn schedule(&self, offsets: &[Nanos]) -> Option<Schedule> {
        let (kind, text) = match &self.shape {
            Shape::Burst => return None,
            Shape::Rate(rate) => (ScheduleKind::Rate, format!("{rate} req/s")),
            Shape::Ramp(ramp) => (ScheduleKind::Ramp, ramp.to_string()),
            Shape::Stages(stages) => (ScheduleKind::Stages, stages.to_string()),
            Shape::Recorded(_) => (ScheduleKind::Trace, "times of the dataset".to_owned()),
        };
        Some(Schedule {
            kind,
            text,
            last_s: last(offsets),
            mean_rps: Some(mean_rate(offsets)).filter(|rate| rate.is_finite()),
        })
    }

    /// The ramp as a result tells it, if it is one.
    pub(crate) fn ramp_up(&self, offsets: &[Nanos]) -> Option<bench_report::RampUp> {
        let Shape::Ramp(ramp) = &self.shape else {
            return None;
        };
        let steps = ramp.steps(offsets).into_iter();
        Some(bench_report::RampUp {
            strategy: ramp.strategy.to_string(),
            start_rps: ramp.start_rps,
            end_rps: ramp.end_rps,
            steps: steps.map(|(rps, after)| RateStep { rps, after }).collect(),
        })
    }
}

/// How many whole requests there are, where rounding may have made 3 a little less than 3.
fn whole(requests: f64) -> usize {
    (requests * (1.0 + 4.0 * f64::EPSILON)).floor() as usize
}

fn last(offsets: &[Nanos]) -> f64 {
    offsets.last().map_or(0.0, |last| last.as_secs_f64())
}

/// Requests per second from the start to the last request; infinite if all leave at once.
fn mean_rate(offsets: &[Nanos]) -> f64 {
    match last(offsets) {
        0.0 => f64::INFINITY,
        last => offsets.len() as f64 / last,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use testing::{exponential, ks};

    fn shape(rate: f64, burstiness: f64) -> Arrivals {
        Arrivals::gamma(rate, burstiness, 7).unwrap()
    }

    #[test]
    fn a_burst_is_all_at_once() {
        assert_eq!(Arrivals::burst().offsets(3), [Nanos::ZERO; 3]);
        assert!(!Arrivals::burst().is_paced());
        assert_eq!(shape(f64::INFINITY, 1.0).offsets(2), [Nanos::ZERO; 2]);
    }

    #[test]
    fn a_time_has_room_for_so_many() {
        let time = Nanos::from_millis(2_500);
        assert_eq!(shape(10.0, 1.0).count_in(time), Some(25));
        assert_eq!(Arrivals::burst().count_in(time), None);
        let ramp = |over| {
            let ramp = Ramp {
                strategy: RampStrategy::Linear,
                start_rps: 0.0,
                end_rps: 20.0,
                over,
            };
            Arrivals::ramp(ramp, 1.0, 7).unwrap()
        };
        let over_time = ramp(RampOver::Time);
        assert_eq!(over_time.count_in(time), Some(25));
        let last = over_time.offsets(25).pop().unwrap().as_secs_f64();
        assert!(
            (last - 2.5).abs() < 1e-6,
            "the ramp takes that long: {last}"
        );
        let times = [0, 1_000, 2_500, 2_501].map(Nanos::from_millis);
        let trace = Arrivals::recorded(times).unwrap();
        assert_eq!(trace.count_in(time), Some(3));
        let stages = vec!["0rps:1s".parse().unwrap(), "4rps:10s".parse().unwrap()];
        let stages = Arrivals::stages(stages, f64::INFINITY, 7).unwrap();
        assert_eq!(stages.count_in(time), Some(6));

        let rates = [&over_time, &trace, &stages].map(|shape| shape.before().rate(&[]));
        assert_eq!(rates, [10.0, 4.0 / 2.501, 4.0]);
        assert_ne!(
            shape(5.0, 1.0).before().offsets(3),
            shape(5.0, 1.0).offsets(3)
        );
    }

    #[test]
    fn all_requests_of_a_time_leave_within_it() {
        for (rate, ms, count) in [
            (2.5, 3_000, 7),
            (0.3, 2_000, 0),
            (0.3, 10_000, 3),
            (0.1, 30_000, 3),
        ] {
            let span = Nanos::from_millis(ms);
            for shape in [shape(rate, 1.0), shape(rate, f64::INFINITY)] {
                assert_eq!(shape.count_in(span), Some(count), "{rate} for {ms} ms");
                assert_eq!(shape.offsets_in(span, count).len(), count);
                let last = shape.offsets_in(span, count).pop().unwrap_or_default();
                assert!(last <= span, "{rate} for {ms} ms: {last:?}");
            }
            let over = RampOver::Time;
            let (strategy, start_rps, end_rps) = (RampStrategy::Linear, 0.0, 2.0 * rate);
            let ramp = Ramp {
                strategy,
                start_rps,
                end_rps,
                over,
            };
            let ramp = Arrivals::ramp(ramp, 1.0, 7).unwrap();
            assert_eq!(ramp.count_in(span), Some(count), "a ramp");
            assert!(
                ramp.offsets_in(span, count)
                    .iter()
                    .all(|time| *time <= span)
            );
        }
        let by_index = Ramp {
            strategy: RampStrategy::Linear,
            start_rps: 10.0,
            end_rps: 10.0,
            over: RampOver::Index,
        };
        let by_index = Arrivals::ramp(by_index, f64::INFINITY, 7).unwrap();
        let offsets = by_index.offsets_in(Nanos::from_millis(550), 100);
        assert_eq!(offsets.len(), 5, "what is due later is not sent");
    }

    #[test]
    fn a_load_fills_a_time_or_ends_before_it() {
        let span = Nanos::from_millis(2_000);
        assert!(shape(0.7, 1.0).fills(span));
        assert!(!Arrivals::burst().fills(span));
        let trace = |ms| Arrivals::recorded([Nanos::ZERO, Nanos::from_millis(ms)]).unwrap();
        assert!(trace(2_500).fills(span) && !trace(1_500).fills(span));
        let stages = |text: &str| Arrivals::stages(vec![text.parse().unwrap()], 1.0, 7).unwrap();
        assert!(stages("2rps:2s").fills(span) && !stages("2rps:1s").fills(span));
    }

    #[test]
    fn the_last_request_leaves_at_n_over_rate() {
        for burstiness in [0.25, 1.0, 4.0, f64::INFINITY] {
            let offsets = shape(50.0, burstiness).offsets(1000);
            let last = offsets.last().unwrap().as_secs_f64();
            assert!((last - 20.0).abs() < 1e-6, "{burstiness}: {last}");
            assert!(offsets.is_sorted());
            assert!(offsets[0] > Nanos::ZERO);
        }
    }

    #[test]
    fn infinite_burstiness_is_a_constant_gap() {
        let offsets = shape(4.0, f64::INFINITY).offsets(4);
        let expected = [250, 500, 750, 1000].map(Nanos::from_millis);
        assert_eq!(offsets, expected);
        assert_eq!(shape(4.0, f64::INFINITY).seed(), None);
    }

    #[test]
    fn poisson_gaps_are_exponential() {
        let offsets = shape(10.0, 1.0).offsets(10_000);
        let gaps = offsets.windows(2);
        let gaps = gaps.map(|pair| pair[1].since(pair[0]).as_secs_f64() * 10.0);
        ks(gaps.collect(), exponential);
    }

    #[test]
    fn the_same_seed_gives_the_same_times() {
        let first = Arrivals::gamma(5.0, 1.0, 1).unwrap().offsets(5);
        assert_eq!(first, Arrivals::gamma(5.0, 1.0, 1).unwrap().offsets(5));
        assert_ne!(first, Arrivals::gamma(5.0, 1.0, 2).unwrap().offsets(5));
    }

    #[test]
    fn a_trace_keeps_its_times() {
        let times = [0, 5, 5, 90].map(Nanos::from_millis);
        let trace = Arrivals::recorded(times).unwrap();
        assert_eq!(trace.offsets(3), times[..3]);
        assert_eq!((trace.count(), trace.seed()), (Some(4), None));
        assert_eq!(trace.rate(&times), 4.0 / 0.09);
        assert_eq!(
            trace.check_count(5).unwrap_err(),
            ArrivalsError::Count {
                times: 4,
                requests: 5
            }
        );
        let mixed = Arrivals::recorded([2, 3, 1].map(Nanos::from_millis));
        assert_eq!(mixed.unwrap_err(), ArrivalsError::Order { index: 2 });
    }

    #[test]
    fn impossible_shapes_are_refused() {
        assert!(Arrivals::gamma(0.0, 1.0, 0).is_err());
        assert!(Arrivals::gamma(f64::NAN, 1.0, 0).is_err());
        assert!(Arrivals::gamma(1.0, 0.0, 0).is_err());
    }
}
