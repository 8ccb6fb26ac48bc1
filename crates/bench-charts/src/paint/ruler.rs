//! An axis with its ends: which value has which place, and where it is marked.

use super::number::number;
use crate::bins::nice_step;
use crate::{Axis, Scale};

/// An axis with its ends.
#[derive(Clone, Debug)]
pub(super) struct Ruler {
    pub(super) scale: Scale,
    low: f64,
    high: f64,
    /// Whether it counts: there is nothing to mark between whole numbers.
    whole: bool,
}

/// A marked value.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Tick {
    /// Its share of the axis, 0 to 1.
    pub(super) share: f64,
    /// What stands beside it; empty for a line without a name.
    pub(super) label: String,
}

/// Least and greatest value that the things of a panel have on one axis.
#[derive(Clone, Copy, Debug)]
pub(super) struct Extent {
    low: f64,
    high: f64,
    /// Whether things grow from 0.
    from_zero: bool,
    /// Whether things at the ends need room around them.
    airy: bool,
}

impl Extent {
    /// Of nothing.
    pub(super) fn empty() -> Extent {
        Extent {
            low: f64::INFINITY,
            high: f64::NEG_INFINITY,
            from_zero: false,
            airy: false,
        }
    }

    /// Takes in a value, if it has a place on the scale.
    pub(super) fn add(&mut self, value: f64, scale: &Scale) {
        if has_place(value, scale) {
            self.low = self.low.min(value);
            self.high = self.high.max(value);
        }
    }

    /// Takes in things that grow from 0.
    pub(super) fn grow_from_zero(&mut self) {
        self.from_zero = true;
    }

    /// Leaves room around the ends.
    pub(super) fn leave_room(&mut self) {
        self.airy = true;
    }
}

/// Whether a value has a place on a scale.
pub(super) fn has_place(value: f64, scale: &Scale) -> bool {
    value.is_finite() && (!matches!(scale, Scale::Log) || value > 0.0)
}

impl Ruler {
    /// An axis long enough for what stands on it.
    pub(super) fn new(axis: &Axis, extent: Extent) -> Ruler {
        let asked = axis.range.filter(|(low, high)| {
            low < high && has_place(*low, &axis.scale) && has_place(*high, &axis.scale)
        });
        let (low, high) = match (&axis.scale, asked) {
            (_, Some(range)) => range,
            (Scale::Linear, None) => linear_ends(extent),
            (Scale::Log, None) => log_ends(extent),
            (Scale::Category(names), None) => (-0.5, names.len().max(1) as f64 - 0.5),
        };
        Ruler {
            scale: axis.scale.clone(),
            low,
            high,
            whole: axis.counts(),
        }
    }

    /// The same for values that may stand between whole numbers.
    pub(super) fn of_any(self) -> Ruler {
        Ruler {
            whole: false,
            ..self
        }
    }

    /// The share of the axis at which a value stands: 0 to 1 inside. `None` if it has no place.
    pub(super) fn share(&self, value: f64) -> Option<f64> {
        if !has_place(value, &self.scale) {
            return None;
        }
        Some(match self.scale {
            Scale::Log => (value / self.low).ln() / (self.high / self.low).ln(),
            _ => (value - self.low) / (self.high - self.low),
        })
    }

    /// Where things that grow from 0 begin.
    pub(super) fn foot(&self) -> f64 {
        match self.scale {
            Scale::Log => self.low,
            _ => 0.0_f64.clamp(self.low, self.high),
        }
    }

    /// The names of a category axis.
    pub(super) fn names(&self) -> Option<&[String]> {
        match &self.scale {
            Scale::Category(names) => Some(names),
            _ => None,
        }
    }

    /// About `wanted` marks, at values that are easy to read.
    pub(super) fn ticks(&self, wanted: usize) -> Vec<Tick> {
        let wanted = wanted.max(2);
        match &self.scale {
            Scale::Linear => self.linear_ticks(wanted),
            Scale::Log => self.log_ticks(wanted),
            Scale::Category(names) => {
                let every = names.len().div_ceil(wanted).max(1);
                (0..names.len())
                    .step_by(every)
                    .filter_map(|i| self.tick(i as f64, names[i].clone()))
                    .collect()
            }
        }
    }

    fn tick(&self, value: f64, label: String) -> Option<Tick> {
        let share = self.share(value)?;
        (-1e-9..=1.0 + 1e-9)
            .contains(&share)
            .then_some(Tick { share, label })
    }

    fn linear_ticks(&self, wanted: usize) -> Vec<Tick> {
        let step = (self.high - self.low) / wanted as f64;
        let step = match (self.whole, nice_step(step.max(1.0))) {
            (false, _) => nice_step(step),
            (true, whole) if whole.fract() == 0.0 => whole,
            (true, broken) => 2.0 * broken,
        };
        // Ends that rounding has moved off a step by a hair still belong to it.
        let first = (self.low / step - 1e-9).ceil();
        let last = (self.high / step + 1e-9).floor();
        let count = (last - first).clamp(0.0, 1_000.0) as usize;
        (0..=count)
            .filter_map(|i| {
                let value = (first + i as f64) * step;
                self.tick(value, number(value, step))
            })
            .collect()
    }

    fn log_ticks(&self, wanted: usize) -> Vec<Tick> {
        let (low, high) = (self.low.log10(), self.high.log10());
        let powers = low.floor() as i32..=high.ceil() as i32;
        let decades = (high - low).max(1e-9);
        let per_decade: &[f64] = match wanted as f64 / decades {
            many if many >= 3.0 => &[1.0, 2.0, 5.0],
            some if some >= 2.0 => &[1.0, 3.0],
            _ => &[1.0],
        };
        let every = (decades / wanted as f64).ceil().max(1.0) as usize;
        let mut ticks: Vec<Tick> = powers
            .clone()
            .step_by(every)
            .flat_map(|power| {
                per_decade
                    .iter()
                    .map(move |digit| digit * 10_f64.powi(power))
            })
            .filter_map(|value| self.tick(value, number(value, value)))
            .collect();
        if ticks.len() < 3 {
            // Less than a decade: even steps tell more.
            let even = self.linear_ticks(wanted);
            if even.len() > ticks.len() {
                return even;
            }
        }
        if every == 1 && decades <= 8.0 {
            ticks.extend(self.log_lines(powers, &ticks));
        }
        ticks
    }

    /// Lines without names at the digits of each decade.
    fn log_lines(&self, powers: std::ops::RangeInclusive<i32>, named: &[Tick]) -> Vec<Tick> {
        powers
            .flat_map(|power| (1..10).map(move |digit| f64::from(digit) * 10_f64.powi(power)))
            .filter_map(|value| self.tick(value, String::new()))
            .filter(|line| {
                !named
                    .iter()
                    .any(|tick| (tick.share - line.share).abs() < 1e-9)
            })
            .collect()
    }
}

fn linear_ends(extent: Extent) -> (f64, f64) {
    let (mut low, mut high) = (extent.low, extent.high);
    if low > high {
        return (0.0, 1.0);
    }
    // An axis from 0 tells proportions; one that starts elsewhere must gain much by it.
    if extent.from_zero || (low > 0.0 && low < 0.6 * high) {
        low = low.min(0.0);
        high = high.max(0.0);
    }
    if low == high && low == 0.0 {
        return (0.0, 1.0);
    }
    if low == high {
        let room = low.abs() * 0.1;
        return (low - room, high + room);
    }
    let room = (high - low) * if extent.airy { 0.05 } else { 0.0 };
    (
        if low == 0.0 { low } else { low - room },
        if high == 0.0 { high } else { high + room },
    )
}

fn log_ends(extent: Extent) -> (f64, f64) {
    let (low, high) = (extent.low, extent.high);
    if low > high {
        return (0.1, 10.0);
    }
    if low == high {
        return (low / 2.0, high * 2.0);
    }
    let room = (high / low).powf(if extent.airy { 0.04 } else { 0.0 });
    // Bars need a foot to stand on.
    let foot = if extent.from_zero { 2.0 } else { 1.0 };
    (low / room / foot, high * room)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ruler(scale: Scale, low: f64, high: f64) -> Ruler {
        Ruler {
            scale,
            low,
            high,
            whole: false,
        }
    }

    fn labels(ticks: &[Tick]) -> Vec<&str> {
        ticks
            .iter()
            .filter(|t| !t.label.is_empty())
            .map(|t| t.label.as_str())
            .collect()
    }

    fn extent(values: &[f64], scale: &Scale) -> Extent {
        let mut extent = Extent::empty();
        for value in values {
            extent.add(*value, scale);
        }
        extent
    }

    #[test]
    fn even_axes_are_marked_in_steps_of_one_two_or_five() {
        let axis = ruler(Scale::Linear, 0.0, 1234.0);
        assert_eq!(
            labels(&axis.ticks(6)),
            ["0", "250", "500", "750", "1,000"],
            "at most the wanted number"
        );
        let axis = ruler(Scale::Linear, -0.3, 0.31);
        assert_eq!(
            labels(&axis.ticks(7)),
            ["−0.3", "−0.2", "−0.1", "0", "0.1", "0.2", "0.3"]
        );
    }

    #[test]
    fn counts_are_marked_at_whole_numbers() {
        let axis = |high| Ruler {
            whole: true,
            ..ruler(Scale::Linear, 0.0, high)
        };
        assert_eq!(labels(&axis(2.1).ticks(8)), ["0", "1", "2"]);
        assert_eq!(labels(&axis(16.0).ticks(7)), ["0", "5", "10", "15"]);
        assert!(Axis::linear("Requests", None).counts());
        assert!(!Axis::linear("TTFT", Some("ms")).counts());
    }

    #[test]
    fn log_axes_are_marked_at_one_two_and_five_while_there_is_room() {
        let axis = ruler(Scale::Log, 0.9, 120.0);
        assert_eq!(
            labels(&axis.ticks(8)),
            ["1", "2", "5", "10", "20", "50", "100"]
        );
        assert_eq!(labels(&axis.ticks(3)), ["1", "10", "100"]);
        let wide = ruler(Scale::Log, 1e-3, 1e9);
        assert!(labels(&wide.ticks(5)).len() <= 6);
        let lines = axis.ticks(8).len() - labels(&axis.ticks(8)).len();
        assert_eq!(lines, 13, "0.9, 3, 4, 6 to 9, 30, 40, 60 to 90");
    }

    #[test]
    fn less_than_a_decade_is_marked_evenly() {
        let axis = ruler(Scale::Log, 21.0, 39.0);
        assert_eq!(labels(&axis.ticks(4)), ["25", "30", "35"]);
    }

    #[test]
    fn values_without_a_place_have_none() {
        let axis = ruler(Scale::Log, 1.0, 100.0);
        assert_eq!(axis.share(10.0), Some(0.5));
        assert_eq!(axis.share(0.0), None);
        assert_eq!(axis.share(f64::NAN), None);
        assert_eq!(ruler(Scale::Linear, 0.0, 1.0).share(f64::INFINITY), None);
    }

    #[test]
    fn axes_start_at_zero_unless_they_gain_by_not_doing_so() {
        let linear = Scale::Linear;
        assert_eq!(linear_ends(extent(&[10.0, 100.0], &linear)), (0.0, 100.0));
        assert_eq!(linear_ends(extent(&[90.0, 100.0], &linear)), (90.0, 100.0));
        assert_eq!(linear_ends(extent(&[5.0], &linear)), (4.5, 5.5));
        assert_eq!(linear_ends(extent(&[0.0, 0.0], &linear)), (0.0, 1.0));
        assert_eq!(linear_ends(extent(&[f64::NAN], &linear)), (0.0, 1.0));
        assert_eq!(log_ends(extent(&[-1.0, 0.0], &Scale::Log)), (0.1, 10.0));
    }

    #[test]
    fn many_names_are_thinned() {
        let names: Vec<String> = (0..100).map(|i| format!("run {i}")).collect();
        let axis = Ruler::new(
            &Axis {
                name: "run".to_owned(),
                unit: None,
                scale: Scale::Category(names),
                range: None,
            },
            Extent::empty(),
        );
        let ticks = axis.ticks(10);
        assert_eq!(ticks.len(), 10);
        assert_eq!(ticks[1].label, "run 10");
        assert_eq!(ticks[0].share, 0.005);
    }
}
