use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use bench_types::Nanos;

/// The wall clock may move against the monotonic one by this much between two checks
/// before it counts as a step: 1 ms.
const STEP_NANOS: u64 = 1_000_000;

/// Readings per measurement; the tightest one counts.
const READINGS: usize = 5;

/// The clock of a run.
///
/// Time is counted in nanoseconds since the epoch on the system's monotonic clock. Stamps
/// that the kernel took on the wall clock are brought to the same scale with a measured
/// offset ([`Clock::from_realtime`]). The offset drifts while the wall clock is slewed and
/// jumps when it is set; [`Clock::check`] follows the drift and reports the jumps.
///
/// A clock is a few words and `Copy`: give every worker a copy. The copies share the
/// epoch, so their times compare; each follows the wall clock by its own checks.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    epoch: Instant,
    /// Wall-clock time of the epoch as last measured, in nanoseconds since 1970.
    wall_at_epoch: i64,
    /// The same as first measured.
    first_wall_at_epoch: i64,
    steps: u32,
}

/// What [`Clock::check`] found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClockCheck {
    /// The wall clock ran along; stamps taken since the last check can be converted.
    Steady,
    /// The wall clock jumped by this many nanoseconds. Stamps taken since the last check
    /// may be from before or after the jump: take user-space stamps for them.
    Stepped {
        /// New wall clock minus old one, in nanoseconds.
        by: i64,
    },
}

/// One measurement of the wall clock between two of the monotonic clock.
#[derive(Clone, Copy, Debug)]
struct Reading {
    before: u64,
    wall: i64,
    after: u64,
}

impl Clock {
    /// Starts a clock: its epoch is now.
    pub fn start() -> Clock {
        let epoch = Instant::now();
        let (wall_at_epoch, _) = measure(epoch);
        Clock {
            epoch,
            wall_at_epoch,
            first_wall_at_epoch: wall_at_epoch,
            steps: 0,
        }
    }

    /// The present.
    pub fn now(&self) -> Nanos {
        Nanos(nanos(self.epoch.elapsed()))
    }

    /// The instant `at` on this clock; the epoch if it is earlier.
    pub fn at(&self, at: Instant) -> Nanos {
        Nanos(nanos(at.saturating_duration_since(self.epoch)))
    }

    /// The instant of `at`, for timers.
    pub fn instant(&self, at: Nanos) -> Instant {
        self.epoch + Duration::from(at)
    }

    /// Wall-clock time of the epoch, in seconds since 1970, as it was when the clock was
    /// started.
    pub fn epoch_unix(&self) -> f64 {
        self.first_wall_at_epoch as f64 / 1e9
    }

    /// The time on this clock of `wall`, a stamp of the wall clock given as the time since
    /// 1970; `None` if it lies before the epoch.
    ///
    /// The error is that of the offset: some tens of nanoseconds, plus the drift since the
    /// last check (at most 500 us per second while the wall clock is being slewed). A stamp
    /// from the kernel can thus come out slightly later than a time read after it.
    pub fn from_realtime(&self, wall: Duration) -> Option<Nanos> {
        let wall = i64::try_from(wall.as_nanos()).ok()?;
        let since_epoch = wall.checked_sub(self.wall_at_epoch)?;
        u64::try_from(since_epoch).ok().map(Nanos)
    }

    /// Measures the offset to the wall clock again and adopts it. Takes some 300 ns; call
    /// it every 100 ms or so.
    pub fn check(&mut self) -> ClockCheck {
        let (wall_at_epoch, width) = measure(self.epoch);
        self.adopt(wall_at_epoch, width)
    }

    /// How many steps of the wall clock this copy has seen.
    pub fn steps(&self) -> u32 {
        self.steps
    }

    /// Takes over a measurement that is uncertain by `width` nanoseconds.
    fn adopt(&mut self, wall_at_epoch: i64, width: u64) -> ClockCheck {
        let by = wall_at_epoch.saturating_sub(self.wall_at_epoch);
        if by.unsigned_abs() > STEP_NANOS.saturating_add(width) {
            self.wall_at_epoch = wall_at_epoch;
            self.steps += 1;
            return ClockCheck::Stepped { by };
        }
        // A measurement that was interrupted says less than the one before it.
        if width < STEP_NANOS {
            self.wall_at_epoch = wall_at_epoch;
        }
        ClockCheck::Steady
    }
}

/// Wall-clock time of `epoch` and how uncertain it is, both in nanoseconds.
fn measure(epoch: Instant) -> (i64, u64) {
    tightest((0..READINGS).map(|_| {
        let before = nanos(epoch.elapsed());
        let wall = wall_nanos(SystemTime::now());
        let after = nanos(epoch.elapsed());
        Reading {
            before,
            wall,
            after,
        }
    }))
}

/// The offset of the reading whose two monotonic times lie closest together, which was
/// disturbed least, and the width of that reading.
fn tightest(readings: impl Iterator<Item = Reading>) -> (i64, u64) {
    let mut best = (0, u64::MAX);
    for reading in readings {
        let width = reading.after.saturating_sub(reading.before);
        if width < best.1 {
            let middle = reading.before + width / 2;
            best = (reading.wall.saturating_sub_unsigned(middle), width);
        }
    }
    best
}

fn nanos(span: Duration) -> u64 {
    // Wraps after 584 years.
    span.as_secs() * 1_000_000_000 + u64::from(span.subsec_nanos())
}

fn wall_nanos(time: SystemTime) -> i64 {
    match time.duration_since(UNIX_EPOCH) {
        Ok(after) => i64::try_from(after.as_nanos()).unwrap_or(i64::MAX),
        Err(before) => i64::try_from(before.duration().as_nanos()).map_or(i64::MIN, |n| -n),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: i64 = 1_000_000;
    const WALL: i64 = 1_795_000_000_000_000_000;

    fn clock_at(wall_at_epoch: i64) -> Clock {
        Clock {
            wall_at_epoch,
            first_wall_at_epoch: wall_at_epoch,
            ..Clock::start()
        }
    }

    fn wall(nanos: i64) -> Duration {
        Duration::from_nanos(u64::try_from(nanos).expect("after 1970"))
    }

    #[test]
    fn wall_stamps_convert_by_the_offset() {
        let clock = clock_at(WALL);
        assert_eq!(clock.from_realtime(wall(WALL)), Some(Nanos::ZERO));
        assert_eq!(clock.from_realtime(wall(WALL + 7)), Some(Nanos(7)));
        assert_eq!(clock.from_realtime(wall(WALL - 1)), None);
        assert_eq!(clock.from_realtime(Duration::MAX), None);
        assert_eq!(clock.epoch_unix(), 1_795_000_000.0);
    }

    #[test]
    fn the_least_disturbed_reading_counts() {
        let reading = |before, wall, after| Reading {
            before,
            wall,
            after,
        };
        let readings = [
            reading(100, WALL + 900, 1_100),
            reading(2_000, WALL + 2_025, 2_050),
            reading(3_000, WALL + 9_000, 20_000),
        ];
        assert_eq!(tightest(readings.into_iter()), (WALL, 50));
    }

    #[test]
    fn drift_is_followed_and_is_no_step() {
        let mut clock = clock_at(WALL);
        assert_eq!(clock.adopt(WALL + MS / 2, 50), ClockCheck::Steady);
        assert_eq!(clock.adopt(WALL + MS, 50), ClockCheck::Steady);
        assert_eq!(clock.steps(), 0);
        assert_eq!(clock.from_realtime(wall(WALL + MS + 3)), Some(Nanos(3)));
        assert_eq!(clock.epoch_unix(), 1_795_000_000.0);
    }

    #[test]
    fn steps_either_way_are_counted_and_adopted() {
        let mut clock = clock_at(WALL);
        let forth = clock.adopt(WALL + 5 * MS, 50);
        assert_eq!(forth, ClockCheck::Stepped { by: 5 * MS });
        assert_eq!(clock.from_realtime(wall(WALL + 5 * MS)), Some(Nanos::ZERO));
        let back = clock.adopt(WALL - 5 * MS, 50);
        assert_eq!(back, ClockCheck::Stepped { by: -10 * MS });
        assert_eq!(clock.steps(), 2);
    }

    #[test]
    fn an_interrupted_measurement_changes_nothing() {
        let mut clock = clock_at(WALL);
        assert_eq!(clock.adopt(WALL + 3 * MS, 4_000_000), ClockCheck::Steady);
        assert_eq!(clock.from_realtime(wall(WALL)), Some(Nanos::ZERO));
    }

    #[test]
    fn copies_share_the_epoch_and_instants_convert_both_ways() {
        let clock = Clock::start();
        let copy = clock;
        let first = clock.now();
        let second = copy.now();
        assert!(second >= first);
        assert_eq!(clock.at(copy.instant(Nanos(1_234_567))), Nanos(1_234_567));
        let before = Instant::now();
        let mut later = Clock::start();
        assert_eq!(later.at(before), Nanos::ZERO);
        // Nobody sets the clock of a test machine; both measurements agree.
        assert_eq!(later.check(), ClockCheck::Steady);
    }

    #[test]
    fn a_wall_stamp_taken_now_is_now() {
        let clock = Clock::start();
        let before = clock.now();
        let stamp = SystemTime::now().duration_since(UNIX_EPOCH).expect("1970");
        let converted = clock.from_realtime(stamp).expect("after the epoch");
        let tolerance = Nanos::from_millis(1);
        assert!(converted.saturating_add(tolerance) >= before);
        assert!(converted <= clock.now().saturating_add(tolerance));
    }
}
