/// A curve whose greatest throughput is less than this share above its smallest is flat.
const FLAT: f64 = 0.05;

/// How throughput grows with load. Points are told by their indices.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Growth {
    /// There are fewer than three loads: too few to tell.
    TooFewLoads,
    /// It grows up to this point and hardly any more after it: the [`knee`].
    Knee(usize),
    /// It is greatest at the highest load, which is this point, and did not level off.
    Rising(usize),
    /// It grows, and comes back, but bends nowhere clearly: this point has the greatest.
    Unclear {
        /// The point of the greatest throughput.
        greatest: usize,
    },
    /// It does not grow from the lowest load on: it was saturated from the start, or falls.
    Saturated {
        /// The point of the lowest load.
        first: usize,
        /// The point of the highest load.
        last: usize,
    },
}

/// How throughput grows with load over `points`, which are pairs of load and throughput: the
/// [`knee`], or why there is none. Points that are not finite are left out.
///
/// ```
/// use bench_metrics::{Growth, growth};
///
/// let points = [(1.0, 50.0), (2.0, 100.0), (4.0, 190.0), (8.0, 210.0), (16.0, 212.0)];
/// assert_eq!(growth(&points), Growth::Knee(2));
/// assert_eq!(growth(&points[..3]), Growth::Rising(2));
/// assert_eq!(growth(&points[..2]), Growth::TooFewLoads);
/// ```
pub fn growth(points: &[(f64, f64)]) -> Growth {
    let curve = by_load(points);
    let loads = curve.chunk_by(|a, b| a.1 == b.1).count();
    let (Some(first), Some(last)) = (curve.first(), curve.last()) else {
        return Growth::TooFewLoads;
    };
    if loads < 3 {
        return Growth::TooFewLoads;
    }
    if let Some(knee) = knee(points) {
        return Growth::Knee(knee);
    }
    let greatest = curve
        .iter()
        .max_by(|a, b| a.2.total_cmp(&b.2))
        .unwrap_or(last);
    if greatest.2 <= first.2 * (1.0 + FLAT) {
        Growth::Saturated {
            first: first.0,
            last: last.0,
        }
    } else if greatest.0 == last.0 {
        Growth::Rising(last.0)
    } else {
        Growth::Unclear {
            greatest: greatest.0,
        }
    }
}

/// Where a curve of throughput over load bends most: the load past which more load brings
/// little, as an index into `points`, which are pairs of load and throughput.
///
/// Kneedle with sensitivity 1 (Satopaa, Albrecht, Irwin and Raghavan, *Finding a "Kneedle" in a
/// Haystack*, ICDCS Workshops 2011): both axes are scaled to 0..1, and the knee is the point
/// highest over the diagonal, if the curve comes back towards the diagonal by one mean step of
/// load before its end. Of several such points the highest is taken. Points are not smoothed:
/// a sweep has few of them.
///
/// There is no knee (`None`) in a curve of fewer than three points, in one that still rises at
/// its end as it did before, in one that is flat (throughput grows by less than 5 %: it was
/// saturated from the start), and in one that only falls. Points that are not finite, such as
/// an unlimited rate, are left out.
///
/// ```
/// let points = [(1.0, 50.0), (2.0, 100.0), (4.0, 190.0), (8.0, 210.0), (16.0, 212.0)];
/// assert_eq!(bench_metrics::knee(&points), Some(2));
/// assert_eq!(bench_metrics::knee(&points[..3]), None);
/// ```
pub fn knee(points: &[(f64, f64)]) -> Option<usize> {
    let curve = by_load(points);
    let heights = heights(&curve)?;
    let step = 1.0 / (heights.len() - 1) as f64;
    let is_peak =
        |at: usize| heights[at] > heights[at - 1].max(0.0) && heights[at] >= heights[at + 1];
    let peaks = (1..heights.len() - 1).filter(|&at| is_peak(at));
    let knees = peaks.filter(|&at| comes_back(&heights[at + 1..], heights[at], step));
    let highest = knees.reduce(|best, at| {
        if heights[at] > heights[best] {
            at
        } else {
            best
        }
    })?;
    Some(curve[highest].0)
}

/// The finite points with their indices, in the order of their loads.
fn by_load(points: &[(f64, f64)]) -> Vec<(usize, f64, f64)> {
    let mut curve: Vec<(usize, f64, f64)> = points
        .iter()
        .enumerate()
        .filter(|(_, (load, throughput))| load.is_finite() && throughput.is_finite())
        .map(|(index, &(load, throughput))| (index, load, throughput))
        .collect();
    curve.sort_by(|a, b| a.1.total_cmp(&b.1));
    curve
}

/// How far each point is above the diagonal once both axes are scaled to 0..1.
fn heights(curve: &[(usize, f64, f64)]) -> Option<Vec<f64>> {
    let (first, last) = (curve.first()?, curve.last()?);
    let range = last.1 - first.1;
    let low = curve.iter().map(|p| p.2).fold(f64::INFINITY, f64::min);
    let high = curve.iter().map(|p| p.2).fold(f64::NEG_INFINITY, f64::max);
    if curve.len() < 3 || range <= 0.0 || high - low <= FLAT * high.abs() {
        return None;
    }
    let height = |p: &(usize, f64, f64)| (p.2 - low) / (high - low) - (p.1 - first.1) / range;
    Some(curve.iter().map(height).collect())
}

/// Whether the curve falls a step below a peak before it is over that peak again.
fn comes_back(after: &[f64], peak: f64, step: f64) -> bool {
    let mut until_higher = after.iter().take_while(|&&height| height <= peak);
    // A hair of tolerance: a curve that ends exactly one step lower has come back.
    until_higher.any(|&height| height <= peak - step + 1e-9)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn curve(loads: impl IntoIterator<Item = f64>, f: impl Fn(f64) -> f64) -> Vec<(f64, f64)> {
        loads.into_iter().map(|load| (load, f(load))).collect()
    }

    /// Figure 2 of the paper: y = -1 / (x + 0.1) + 5 on 0..1 has its knee at 0.22.
    #[test]
    fn the_example_of_the_paper() {
        let points = curve((0..10).map(|i| f64::from(i) / 9.0), |x| {
            -1.0 / (x + 0.1) + 5.0
        });
        assert_eq!(knee(&points), Some(2));
    }

    /// x / (x + k) is steepest against its chord over a..b where the slopes are equal:
    /// x = sqrt((a + k)(b + k)) - k.
    #[test]
    fn a_saturating_curve_bends_where_calculus_says() {
        let points = curve((0..=990).map(|i| f64::from(i) / 10.0), |x| x / (x + 1.0));
        let at = knee(&points).expect("a knee");
        assert!((points[at].0 - 9.0).abs() < 1e-9, "{:?}", points[at]);
    }

    #[test]
    fn a_server_with_a_ceiling_has_its_knee_there() {
        let loads = [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0];
        assert_eq!(knee(&curve(loads, |c| 50.0 * c.min(16.0))), Some(4));
        // Throughput that sinks under overload does not move it.
        let sinking = |c: f64| 50.0 * c.min(16.0) - (c - 16.0).max(0.0);
        assert_eq!(knee(&curve(loads, sinking)), Some(4));
    }

    #[test]
    fn curves_without_a_knee_have_none() {
        let loads = || (1..=12).map(f64::from);
        assert_eq!(knee(&curve(loads(), |c| 40.0 * c)), None, "straight");
        let wavy = |c: f64| 40.0 * c + 3.0 * (2.0 * c).sin();
        assert_eq!(knee(&curve(loads(), wavy)), None, "straight with noise");
        assert_eq!(knee(&curve(loads(), |c| c * c)), None, "ever steeper");
        assert_eq!(knee(&curve(loads(), |c| 100.0 / c)), None, "falling");
        let flat = |c: f64| 500.0 + 4.0 * (1.7 * c).sin();
        assert_eq!(knee(&curve(loads(), flat)), None, "flat");
        assert_eq!(knee(&[]), None);
        assert_eq!(knee(&[(1.0, 10.0), (2.0, 20.0)]), None);
        assert_eq!(
            knee(&[(4.0, 1.0), (4.0, 2.0), (4.0, 3.0)]),
            None,
            "one load"
        );
    }

    #[test]
    fn why_there_is_no_knee() {
        let loads = || (1..=6).map(f64::from);
        assert_eq!(growth(&curve(loads(), |c| 40.0 * c)), Growth::Rising(5));
        let saturated = Growth::Saturated { first: 0, last: 5 };
        assert_eq!(growth(&curve(loads(), |c| 100.0 / c)), saturated, "falling");
        let flat = |c: f64| 500.0 + 4.0 * (1.7 * c).sin();
        assert_eq!(growth(&curve(loads(), flat)), saturated, "flat");
        // The last step of load is too short to come back on.
        let late = [
            (1.0, 10.0),
            (4.0, 11.0),
            (8.0, 12.0),
            (10.0, 14.0),
            (11.0, 13.9),
        ];
        assert_eq!(growth(&late), Growth::Unclear { greatest: 3 });
        assert_eq!(growth(&[]), Growth::TooFewLoads);
        let repeats = [(1.0, 10.0), (1.0, 11.0), (2.0, 20.0)];
        assert_eq!(growth(&repeats), Growth::TooFewLoads);
        // A rate without a limit is no load of the curve.
        let endless = [(f64::INFINITY, 9.0), (1.0, 1.0), (2.0, 2.0), (4.0, 4.0)];
        assert_eq!(growth(&endless), Growth::Rising(3));
    }

    #[test]
    fn points_that_are_not_finite_do_not_shift_the_index() {
        let mut points = curve([1.0, 2.0, 4.0, 8.0, 16.0, 32.0], |c| 10.0 * c.min(8.0));
        points.push((f64::INFINITY, 80.0));
        points.insert(0, (0.5, f64::NAN));
        assert_eq!(knee(&points), Some(4));
    }

    #[test]
    fn a_small_bump_on_the_way_is_not_the_knee() {
        let loads = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 9.0, 10.0];
        let tokens = [10.0, 24.0, 29.0, 41.0, 52.0, 63.0, 64.0, 65.0, 64.0, 65.0];
        let points: Vec<_> = loads.into_iter().zip(tokens).collect();
        assert_eq!(knee(&points), Some(5));
    }
}
