//! Waiting for an absolute time with less error than tokio's millisecond ticks.

use std::io;

use bench_http::WorkerClock;
use bench_types::Nanos;

use crate::lazy;

/// The last stretch before a send time is spent spinning: the time a sleeping thread needs to
/// wake up.
pub(crate) const SPIN: Nanos = Nanos::from_micros(60);

pub(crate) use timer::Timer;

/// Wakes the sender of one worker at absolute times on the run's clock.
pub(crate) struct Pacer {
    clock: WorkerClock,
    timer: Timer,
}

impl Pacer {
    pub(crate) fn new(clock: WorkerClock) -> io::Result<Pacer> {
        let timer = Timer::new()?;
        Ok(Pacer { clock, timer })
    }

    /// Returns at `at`, or at once if that has passed.
    pub(crate) async fn until(&self, at: Nanos) -> io::Result<()> {
        self.about(at.since(SPIN)).await?;
        while self.clock.now() < at {
            std::hint::spin_loop();
        }
        Ok(())
    }

    /// Returns soon after `at`, as soon as the thread wakes up.
    pub(crate) async fn about(&self, at: Nanos) -> io::Result<()> {
        loop {
            let left = at.since(self.clock.now());
            if left == Nanos::ZERO {
                return Ok(());
            }
            lazy::expect(left);
            self.timer.sleep(left.into()).await?;
            lazy::expect_nothing();
        }
    }
}

#[cfg(target_os = "linux")]
mod timer {
    use std::io;
    use std::os::fd::{AsFd, OwnedFd};
    use std::time::Duration;

    use nix::sys::timerfd::{ClockId, Expiration, TimerFd, TimerFlags, TimerSetTimeFlags};
    use tokio::net::unix::pipe::Receiver;

    /// A timer of the kernel with nanosecond resolution.
    pub(crate) struct Timer {
        timer: TimerFd,
        /// The same timer as tokio sees it: something that can be read once it has rung,
        /// like a pipe that holds eight bytes.
        rings: Receiver,
    }

    impl Timer {
        pub(crate) fn new() -> io::Result<Timer> {
            let flags = TimerFlags::TFD_NONBLOCK | TimerFlags::TFD_CLOEXEC;
            let timer = TimerFd::new(ClockId::CLOCK_MONOTONIC, flags)?;
            let shared: OwnedFd = timer.as_fd().try_clone_to_owned()?;
            let rings = Receiver::from_owned_fd_unchecked(shared)?;
            Ok(Timer { timer, rings })
        }

        pub(crate) async fn sleep(&self, span: Duration) -> io::Result<()> {
            let once = Expiration::OneShot(span.into());
            self.timer.set(once, TimerSetTimeFlags::empty())?;
            loop {
                self.rings.readable().await?;
                match self.rings.try_read(&mut [0; 8]) {
                    Ok(_) => return Ok(()),
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                    Err(error) => return Err(error),
                }
            }
        }
    }
}

#[cfg(not(target_os = "linux"))]
mod timer {
    use std::io;
    use std::time::Duration;

    /// tokio's timer, which ticks in milliseconds: rings up to one early, so that the caller
    /// spins over the rest.
    pub(crate) struct Timer;

    impl Timer {
        pub(crate) fn new() -> io::Result<Timer> {
            Ok(Timer)
        }

        pub(crate) async fn sleep(&self, span: Duration) -> io::Result<()> {
            let tick = Duration::from_millis(1);
            if span <= tick {
                tokio::task::yield_now().await;
            } else {
                tokio::time::sleep(span - tick).await;
            }
            Ok(())
        }
    }
}
