//! Fewer points that look the same.

use crate::Point;

/// Points of a curve that never falls, at most about two for each of `columns` between 0 and
/// `end`: the first and the last of each. As steps they look like all of them if a column is no
/// wider than a pixel, since in between the curve stays between the two. The first and the last
/// point are kept as they are. Points come one by one, since there may be millions.
pub(crate) fn rising(
    points: impl Iterator<Item = (f64, f64)>,
    end: f64,
    columns: usize,
) -> Vec<Point> {
    let column = |x: f64| {
        if end > 0.0 {
            (x / end * columns as f64) as usize
        } else {
            0
        }
    };
    let mut kept: Vec<(f64, f64)> = Vec::new();
    // Whether the last point kept is the first of its column.
    let mut first = true;
    for (x, y) in points {
        match kept.last_mut() {
            Some(last) if last.0 == x => last.1 = y,
            Some(last) if column(last.0) == column(x) && !first => *last = (x, y),
            last => {
                first = last.is_none_or(|last| column(last.0) != column(x));
                kept.push((x, y));
            }
        }
    }
    kept.into_iter().map(|(x, y)| Point::at(x, y)).collect()
}

/// Places evenly among `all`, the first and the last included, at most `wanted`.
pub(crate) fn evenly(all: usize, wanted: usize) -> Vec<usize> {
    if all <= wanted {
        return (0..all).collect();
    }
    let gaps = wanted.saturating_sub(1).max(1);
    (0..wanted).map(|one| one * (all - 1) / gaps).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thinned_curve_keeps_its_ends_and_never_lies() {
        let all: Vec<(f64, f64)> = (0..100_000)
            .map(|i| (f64::from(i) * 1e-4, f64::from(i + 1)))
            .collect();
        let end = all[all.len() - 1].0;
        let thin = rising(all.iter().copied(), end, 500);
        assert!((500..=1001).contains(&thin.len()), "{}", thin.len());
        let pairs: Vec<(f64, f64)> = thin.iter().map(|point| (point.x, point.y)).collect();
        assert_eq!(pairs.first(), all.first());
        assert_eq!(pairs.last(), all.last());
        assert!(pairs.iter().all(|pair| all.contains(pair)));
        assert!(pairs.is_sorted());
    }

    #[test]
    fn a_jump_stays_where_it_is() {
        let points = [
            (0.0, 1.0),
            (0.001, 2.0),
            (0.002, 3.0),
            (5.0, 4.0),
            (10.0, 5.0),
        ];
        let thin = rising(points.into_iter(), 10.0, 10);
        let pairs: Vec<(f64, f64)> = thin.iter().map(|point| (point.x, point.y)).collect();
        assert_eq!(pairs, [(0.0, 1.0), (0.002, 3.0), (5.0, 4.0), (10.0, 5.0)]);
    }

    #[test]
    fn tokens_that_come_at_once_are_one_step() {
        let points = [(0.0, 1.0), (0.0, 2.0), (0.0, 7.0)];
        assert_eq!(rising(points.into_iter(), 0.0, 10), [Point::at(0.0, 7.0)]);
    }

    #[test]
    fn a_sample_is_even() {
        assert_eq!(evenly(3, 5), [0, 1, 2]);
        assert_eq!(evenly(9, 3), [0, 4, 8]);
        let many = evenly(100_000, 1000);
        assert_eq!((many.len(), many[0], many[999]), (1000, 0, 99_999));
        assert!(many.windows(2).all(|pair| pair[0] < pair[1]));
    }
}
