//! Many values as few marks: what keeps charts readable, and pages small, at any number of
//! requests.

use crate::{Bar, Heat, Point, Scale};

/// Most bars of a histogram.
const BARS: usize = 100;

/// Most points of a distribution curve, besides the exact quantiles.
const CURVE: usize = 2_000;

/// From this ratio on, of the 99th percentile to the median or of the greatest value to the 99th
/// percentile, values need a logarithmic axis.
const LONG_TAIL: f64 = 8.0;

/// Windows that a run is cut into, at most.
const WINDOWS: f64 = 120.0;

/// Windows are at least this long, in seconds: rates in shorter ones are single events.
const LEAST_WINDOW: f64 = 0.1;

/// Windows that a curve over time is thinned by.
const THINNING: usize = 500;

/// Cells of a density map.
const DENSITY: (usize, usize) = (100, 50);

/// The step of 1, 2, 2.5 or 5 times a power of ten that is at least `step`.
pub(crate) fn nice_step(step: f64) -> f64 {
    if !(step.is_finite() && step > 0.0) {
        return 1.0;
    }
    let power = 10_f64.powf(step.log10().floor());
    let digits = step / power;
    let nice = [1.0, 2.0, 2.5, 5.0]
        .into_iter()
        .find(|nice| digits <= nice * (1.0 + 1e-9))
        .unwrap_or(10.0);
    nice * power
}

/// The bins of a histogram: edges that are easy to read, on the scale that shows the values best.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Bins {
    pub(crate) scale: Scale,
    edges: Vec<f64>,
}

impl Bins {
    /// Bins for finite values, which are sorted. `None` without any.
    ///
    /// Their width is that of Freedman and Diaconis (1981), 2 IQR / n^(1/3), rounded up to an
    /// easy number, so that there are 100 bins at most. Values with a long tail get bins of even
    /// ratio; those that are 0 or less then fall into none.
    pub(crate) fn of(sorted: &[f64]) -> Option<Bins> {
        let greatest = *sorted.last()?;
        let (median, p99) = (quantile(sorted, 0.5), quantile(sorted, 0.99));
        let long = p99 > LONG_TAIL * median || greatest > LONG_TAIL * p99;
        if median > 0.0 && long {
            let first = sorted.partition_point(|value| *value <= 0.0);
            let logs: Vec<f64> = sorted[first..].iter().map(|value| value.log10()).collect();
            return Some(Bins {
                scale: Scale::Log,
                edges: edges(&logs, |_| 1.0 / 50.0)
                    .into_iter()
                    .map(|power| 10_f64.powf(power))
                    .collect(),
            });
        }
        Some(Bins {
            scale: Scale::Linear,
            edges: edges(sorted, |spread| spread.max(1e-9) / BARS as f64),
        })
    }

    /// Bins around whole numbers, one each while there is room.
    pub(crate) fn whole(sorted: &[f64]) -> Option<Bins> {
        let (least, greatest) = (*sorted.first()?, *sorted.last()?);
        let width = ((greatest - least + 1.0) / BARS as f64).ceil().max(1.0);
        let count = ((greatest - least + 1.0) / width).ceil() as usize;
        let edge = |i: usize| least - 0.5 + i as f64 * width;
        Some(Bins {
            scale: Scale::Linear,
            edges: (0..=count).map(edge).collect(),
        })
    }

    /// The ends of an axis for these bins; from 0 if that costs little.
    pub(crate) fn range(&self) -> (f64, f64) {
        let (first, last) = (self.edges[0], self.edges[self.edges.len() - 1]);
        match self.scale {
            Scale::Linear if first > 0.0 && first < 0.6 * last => (0.0, last),
            _ => (first, last),
        }
    }

    /// How many of the sorted values fall into each bin; the last one includes its upper edge.
    fn counts(&self, sorted: &[f64]) -> Vec<usize> {
        let last = self.edges.len() - 1;
        let below = |edge: f64, end: bool| {
            sorted.partition_point(|value| *value < edge || end && *value == edge)
        };
        let ranks: Vec<usize> = self
            .edges
            .iter()
            .enumerate()
            .map(|(i, edge)| below(*edge, i == last))
            .collect();
        ranks.windows(2).map(|pair| pair[1] - pair[0]).collect()
    }

    /// A bar for each bin with values in it, as high as its count, or as its share in percent.
    pub(crate) fn bars(&self, sorted: &[f64], shares: bool) -> Vec<Bar> {
        let unit = match shares {
            true => 100.0 / sorted.len().max(1) as f64,
            false => 1.0,
        };
        let edges = self.edges.windows(2);
        edges
            .zip(self.counts(sorted))
            .filter(|(_, count)| *count > 0)
            .map(|(edge, count)| Bar {
                left: edge[0],
                right: edge[1],
                height: count as f64 * unit,
            })
            .collect()
    }

    /// The outline of the bars, for histograms on top of each other.
    pub(crate) fn outline(&self, sorted: &[f64]) -> Vec<Point> {
        let unit = 100.0 / sorted.len().max(1) as f64;
        let heights = self.counts(sorted).into_iter();
        let mut outline: Vec<Point> = self
            .edges
            .iter()
            .zip(heights.map(|count| count as f64 * unit).chain([0.0]))
            .map(|(edge, height)| Point::at(*edge, height))
            .collect();
        outline.insert(0, Point::at(self.edges[0], 0.0));
        outline
    }
}

/// Even edges at easy numbers around sorted values.
fn edges(sorted: &[f64], least_width: impl Fn(f64) -> f64) -> Vec<f64> {
    let (Some(least), Some(greatest)) = (sorted.first(), sorted.last()) else {
        return vec![0.0, 1.0];
    };
    let spread = greatest - least;
    let range = quantile(sorted, 0.75) - quantile(sorted, 0.25);
    let wanted = 2.0 * range / (sorted.len() as f64).cbrt();
    let width = nice_step(wanted.max(least_width(spread)).max(spread / BARS as f64));
    let (first, last) = ((least / width).floor(), (greatest / width).floor() + 1.0);
    (0..=(last - first) as usize)
        .map(|i| (first + i as f64) * width)
        .collect()
}

/// The value at a share of sorted values, by linear interpolation.
pub(crate) fn quantile(sorted: &[f64], share: f64) -> f64 {
    let place = share * sorted.len().saturating_sub(1) as f64;
    let below = sorted.get(place as usize).copied().unwrap_or(0.0);
    let above = sorted.get(place as usize + 1).copied().unwrap_or(below);
    below + (above - below) * place.fract()
}

/// How large a share of sorted values, in percent, is at most a value: a point for each value,
/// or at thousands of them evenly, with the far ends and the points of the given shares exact.
pub(crate) fn cumulative_shares(sorted: &[f64], shares: &[f64]) -> Vec<Point> {
    let count = sorted.len();
    let rank = |share: f64| ((share * count as f64).ceil() as usize).clamp(1, count.max(1)) - 1;
    let mut ranks: Vec<usize> = match count {
        0 => return Vec::new(),
        few if few <= CURVE => (0..few).collect(),
        _ => (0..CURVE).map(|i| i * (count - 1) / (CURVE - 1)).collect(),
    };
    ranks.extend(shares.iter().map(|share| rank(*share)));
    // The last values one by one: the tail is what people look for.
    ranks.extend(count.saturating_sub(20)..count);
    ranks.sort_unstable();
    ranks.dedup();
    let share = |rank: usize| 100.0 * (rank + 1) as f64 / count as f64;
    let steps = ranks.into_iter().map(|i| Point::at(sorted[i], share(i)));
    [Point::at(sorted[0], 0.0)]
        .into_iter()
        .chain(steps)
        .collect()
}

/// Even windows of time from 0 to the end of a run, in seconds.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Windows {
    /// Length of a window.
    pub(crate) length: f64,
    end: f64,
    count: usize,
}

impl Windows {
    /// Windows of an easy length, at most 120 and none much shorter than 0.1 s; one for a run that
    /// is shorter than a window.
    pub(crate) fn until(end: f64) -> Windows {
        Windows::of_at_least(LEAST_WINDOW, end)
    }

    /// The same, and none much shorter than `least` seconds.
    pub(crate) fn of_at_least(least: f64, end: f64) -> Windows {
        let end = end.max(1e-3);
        let length = nice_step((end / WINDOWS).max(least).max(LEAST_WINDOW));
        // A rest of less than half a window would give wild rates: it joins the one before.
        let count = ((end / length).round() as usize).max(1);
        Windows { length, end, count }
    }

    /// What they are called.
    pub(crate) fn words(&self) -> String {
        match self.count {
            1 => "one window, the whole run".to_owned(),
            _ => format!("windows of {} s", self.length),
        }
    }

    /// When a window begins and ends.
    fn span(&self, window: usize) -> (f64, f64) {
        let left = window as f64 * self.length;
        match window + 1 == self.count {
            true => (left, self.end),
            false => (left, left + self.length),
        }
    }

    /// How much comes per second in each window, as steps. Each event has a time and an amount.
    pub(crate) fn rates(&self, events: impl Iterator<Item = (f64, f64)>) -> Vec<Point> {
        let mut sums = vec![0.0; self.count];
        for (time, amount) in events {
            let window = (time.max(0.0) / self.length) as usize;
            sums[window.min(self.count - 1)] += amount;
        }
        let mut steps: Vec<Point> = sums
            .iter()
            .enumerate()
            .map(|(window, sum)| {
                let (left, right) = self.span(window);
                Point::at(left, sum / (right - left))
            })
            .collect();
        steps.extend(
            steps
                .last()
                .map(|step| step.y)
                .map(|y| Point::at(self.end, y)),
        );
        steps
    }

    /// The rates as bars, without the windows where nothing comes.
    pub(crate) fn rate_bars(&self, events: impl Iterator<Item = (f64, f64)>) -> Vec<Bar> {
        let rates = self.rates(events);
        (0..self.count)
            .zip(rates)
            .filter(|(_, rate)| rate.y > 0.0)
            .map(|(window, rate)| {
                let (left, right) = self.span(window);
                Bar {
                    left,
                    right,
                    height: rate.y,
                }
            })
            .collect()
    }
}

/// A curve over time with four points for each of 500 windows at most: the first, the least, the
/// greatest and the last, which look like all of them (M4; Jugel et al., 2014).
pub(crate) fn thin(points: Vec<Point>) -> Vec<Point> {
    if points.len() <= 4 * THINNING {
        return points;
    }
    let (Some(first), Some(last)) = (points.first(), points.last()) else {
        return points;
    };
    let (start, length) = (first.x, (last.x - first.x).max(f64::MIN_POSITIVE));
    let window =
        |point: &Point| (((point.x - start) / length * THINNING as f64) as usize).min(THINNING - 1);
    let mut thinned = Vec::with_capacity(4 * THINNING);
    for group in points.chunk_by(|a, b| window(a) == window(b)) {
        let place = |found: Option<(usize, &Point)>| found.map_or(0, |(i, _)| i);
        let height = |a: &(usize, &Point), b: &(usize, &Point)| a.1.y.total_cmp(&b.1.y);
        let mut kept = [
            0,
            place(group.iter().enumerate().min_by(height)),
            place(group.iter().enumerate().max_by(height)),
            group.len() - 1,
        ];
        kept.sort_unstable();
        let mut before = None;
        for i in kept.into_iter().filter(|i| before.replace(*i) != Some(*i)) {
            thinned.push(group[i].clone());
        }
    }
    thinned
}

/// How many points lie in each cell of a grid; `y` is cut by even ratios if all are above 0.
pub(crate) fn density(points: &[(f64, f64)], value_name: &str) -> (Heat, Scale) {
    let (columns, rows) = DENSITY;
    let span = |values: &mut dyn Iterator<Item = f64>| {
        values.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), value| {
            (low.min(value), high.max(value))
        })
    };
    let (left, right) = span(&mut points.iter().map(|point| point.0));
    let (low, high) = span(&mut points.iter().map(|point| point.1));
    let scale = match low > 0.0 {
        true => Scale::Log,
        false => Scale::Linear,
    };
    let bend = |value: f64| match scale {
        Scale::Log => value.ln(),
        _ => value,
    };
    let unbend = |value: f64| match scale {
        Scale::Log => value.exp(),
        _ => value,
    };
    let (bottom, top) = (bend(low), bend(high));
    let cell = |value: f64, from: f64, to: f64, count: usize| {
        let share = (value - from) / (to - from).max(f64::MIN_POSITIVE);
        ((share * count as f64) as usize).min(count - 1)
    };
    let mut values = vec![f64::NAN; columns * rows];
    for (x, y) in points {
        let (column, row) = (
            cell(*x, left, right, columns),
            cell(bend(*y), bottom, top, rows),
        );
        let value = &mut values[row * columns + column];
        *value = if value.is_nan() { 1.0 } else { *value + 1.0 };
    }
    let edge = |from: f64, to: f64, i: usize, count: usize| {
        from + (to - from).max(1e-9) * i as f64 / count as f64
    };
    let heat = Heat {
        x_edges: (0..=columns)
            .map(|i| edge(left, right, i, columns))
            .collect(),
        y_edges: (0..=rows)
            .map(|i| unbend(edge(bottom, top, i, rows)))
            .collect(),
        values,
        value_name: value_name.to_owned(),
        scale: Scale::Log,
    };
    (heat, scale)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Values of an exponential distribution at even quantiles, sorted.
    fn exponential(count: usize) -> Vec<f64> {
        (0..count)
            .map(|i| -(1.0 - (i as f64 + 0.5) / count as f64).ln() * 10.0)
            .collect()
    }

    #[test]
    fn every_value_is_in_one_bar() {
        for count in [1, 2, 10, 1_000, 100_000] {
            let values = exponential(count);
            let bins = Bins::of(&values).unwrap();
            let bars = bins.bars(&values, false);
            let sum: f64 = bars.iter().map(|bar| bar.height).sum();
            assert_eq!(sum, count as f64);
            assert!(bins.edges.len() <= BARS + 2, "{}", bins.edges.len());
            let shares: f64 = bins.bars(&values, true).iter().map(|b| b.height).sum();
            assert!((shares - 100.0).abs() < 1e-9);
        }
    }

    #[test]
    fn bars_stand_on_easy_numbers() {
        let values: Vec<f64> = (0..=1000).map(|i| 100.0 + f64::from(i) / 10.0).collect();
        let bins = Bins::of(&values).unwrap();
        assert_eq!(bins.scale, Scale::Linear);
        // 2 x 50 / 1001^(1/3) = 9.997
        assert_eq!(
            bins.edges,
            [
                100.0, 110.0, 120.0, 130.0, 140.0, 150.0, 160.0, 170.0, 180.0, 190.0, 200.0, 210.0
            ]
        );
    }

    #[test]
    fn a_long_tail_gets_even_ratios_and_leaves_out_zeros() {
        let mut values = vec![0.0, 0.0, 0.0];
        values.extend((0..1000).map(|i| 10_f64.powf(f64::from(i) / 250.0)));
        let bins = Bins::of(&values).unwrap();
        assert_eq!(bins.scale, Scale::Log);
        let bars = bins.bars(&values, false);
        assert_eq!(bars.iter().map(|bar| bar.height).sum::<f64>(), 1000.0);
        let ratios: Vec<f64> = bars.iter().map(|bar| bar.right / bar.left).collect();
        assert!(ratios.iter().all(|ratio| (ratio - ratios[0]).abs() < 1e-9));
    }

    #[test]
    fn one_value_has_one_bar() {
        let bins = Bins::of(&[5.0, 5.0, 5.0]).unwrap();
        let bars = bins.bars(&[5.0, 5.0, 5.0], false);
        assert_eq!(bars.len(), 1);
        assert!(bars[0].left <= 5.0 && bars[0].right > 5.0);
        assert_eq!(Bins::of(&[]), None);
    }

    #[test]
    fn whole_numbers_stand_in_the_middle_of_their_bars() {
        let sizes = [1.0, 1.0, 2.0, 4.0];
        let bars = Bins::whole(&sizes).unwrap().bars(&sizes, false);
        let middles: Vec<(f64, f64)> = bars
            .iter()
            .map(|bar| ((bar.left + bar.right) / 2.0, bar.height))
            .collect();
        assert_eq!(middles, [(1.0, 2.0), (2.0, 1.0), (4.0, 1.0)]);
        let wide: Vec<f64> = (0..5000).map(f64::from).collect();
        assert!(Bins::whole(&wide).unwrap().edges.len() <= BARS + 1);
    }

    #[test]
    fn a_distribution_curve_is_exact_where_it_is_read() {
        let values = exponential(1_000_000);
        let curve = cumulative_shares(&values, &[0.5, 0.99, 0.999]);
        assert!(curve.len() <= CURVE + 24, "{}", curve.len());
        for (share, rank) in [(0.5, 499_999), (0.99, 989_999), (0.999, 998_999)] {
            let exact = Point::at(values[rank], 100.0 * share);
            assert!(curve.contains(&exact), "{share}");
        }
        assert_eq!(curve[0], Point::at(values[0], 0.0));
        assert_eq!(curve.last(), Some(&Point::at(values[999_999], 100.0)));
        assert!(curve.is_sorted_by(|a, b| a.x <= b.x && a.y <= b.y));
    }

    #[test]
    fn a_short_curve_has_every_value() {
        let curve = cumulative_shares(&[1.0, 2.0, 4.0], &[0.5]);
        let shares: Vec<f64> = curve.iter().map(|p| (p.y * 3.0 / 100.0).round()).collect();
        assert_eq!(shares, [0.0, 1.0, 2.0, 3.0]);
    }

    #[test]
    fn rates_times_windows_are_what_came() {
        let events: Vec<(f64, f64)> = (0..1000)
            .map(|i| (f64::from(i) * 0.0617, f64::from(i % 3)))
            .collect();
        let windows = Windows::until(61.7);
        assert_eq!(windows.length, 1.0);
        let steps = windows.rates(events.iter().copied());
        let area: f64 = steps.windows(2).map(|s| s[0].y * (s[1].x - s[0].x)).sum();
        let total: f64 = events.iter().map(|event| event.1).sum();
        assert!((area - total).abs() < 1e-9, "{area} {total}");
        let bars = windows.rate_bars(events.iter().copied());
        let area: f64 = bars.iter().map(|b| b.height * (b.right - b.left)).sum();
        assert!((area - total).abs() < 1e-9, "{area} {total}");
    }

    #[test]
    fn a_rest_of_a_window_joins_the_one_before() {
        assert_eq!(Windows::until(100.4).span(99), (99.0, 100.4));
        assert_eq!(Windows::until(99.6).span(99), (99.0, 99.6));
    }

    #[test]
    fn a_run_shorter_than_a_window_is_one() {
        let windows = Windows::until(0.015);
        let bars = windows.rate_bars([(0.015, 3.0)].into_iter());
        assert_eq!(bars.len(), 1);
        assert_eq!((bars[0].left, bars[0].right), (0.0, 0.015));
        assert!((bars[0].height - 200.0).abs() < 1e-9);
        assert_eq!(windows.words(), "one window, the whole run");
        assert_eq!(Windows::until(3.0).words(), "windows of 0.1 s");
        let wide = Windows::of_at_least(9.0, 60.0);
        assert_eq!(wide.words(), "windows of 10 s");
    }

    #[test]
    fn a_thinned_curve_keeps_peaks_and_ends() {
        let mut points: Vec<Point> = (0..100_000)
            .map(|i| Point::at(f64::from(i), f64::from(i % 7)))
            .collect();
        points[54_321].y = 1_000.0;
        let thinned = thin(points.clone());
        assert!(thinned.len() <= 4 * THINNING);
        assert!(thinned.contains(&points[54_321]));
        assert_eq!(thinned.first(), points.first());
        assert_eq!(thinned.last(), points.last());
        assert!(thinned.is_sorted_by(|a, b| a.x <= b.x));
    }

    #[test]
    fn every_point_is_in_one_cell() {
        let points: Vec<(f64, f64)> = exponential(10_000)
            .into_iter()
            .enumerate()
            .map(|(i, y)| (i as f64, y))
            .collect();
        let (heat, scale) = density(&points, "Requests");
        assert_eq!(scale, Scale::Log);
        let sum: f64 = heat.values.iter().filter(|v| v.is_finite()).sum();
        assert_eq!(sum, 10_000.0);
        assert_eq!(heat.values.len(), DENSITY.0 * DENSITY.1);
        assert_eq!(heat.x_edges.len(), DENSITY.0 + 1);
        assert!(heat.y_edges.is_sorted());
        let (flat, scale) = density(&[(1.0, 0.0), (1.0, 0.0)], "Requests");
        assert_eq!(scale, Scale::Linear);
        assert!(flat.values.contains(&2.0));
    }
}
