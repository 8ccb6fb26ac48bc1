//! Waits to a point in time with the precision that steps need. Tokio's own timers tick
//! in whole milliseconds.

use std::io;
use std::time::Instant;

#[cfg(target_os = "linux")]
mod imp {
    use std::os::fd::{AsFd as _, AsRawFd, RawFd};

    use nix::sys::time::TimeSpec;
    use nix::sys::timerfd::{ClockId, Expiration, TimerFd, TimerFlags, TimerSetTimeFlags};
    use tokio::io::Interest;
    use tokio::io::unix::AsyncFd;

    use super::*;

    struct Fd(TimerFd);

    impl AsRawFd for Fd {
        fn as_raw_fd(&self) -> RawFd {
            self.0.as_fd().as_raw_fd()
        }
    }

    /// A timer of the kernel, awaited like a socket.
    pub(crate) struct Timer(AsyncFd<Fd>);

    impl Timer {
        pub(crate) fn new() -> io::Result<Timer> {
            let flags = TimerFlags::TFD_NONBLOCK | TimerFlags::TFD_CLOEXEC;
            let fd = TimerFd::new(ClockId::CLOCK_MONOTONIC, flags)?;
            // Deprecated because it trusts `Fd` to return one descriptor that it owns, which
            // it does; the replacement only adds an `unsafe` to say so.
            #[allow(deprecated)]
            let fd = AsyncFd::with_interest(Fd(fd), Interest::READABLE)?;
            Ok(Timer(fd))
        }

        /// Waits until `at`; may be dropped and called again with another time.
        pub(crate) async fn until(&self, at: Instant) -> io::Result<()> {
            let left = at.saturating_duration_since(Instant::now());
            if left.is_zero() {
                tokio::task::yield_now().await;
                return Ok(());
            }
            // Setting the timer again also takes back an expiry that was not read, so it is
            // never read at all: one system call less for every step.
            let expiry = Expiration::OneShot(TimeSpec::from_duration(left));
            self.0.get_ref().0.set(expiry, TimerSetTimeFlags::empty())?;
            loop {
                self.0.readable().await?.clear_ready();
                // What woke us may be the expiry before the one that was just set.
                if Instant::now() >= at {
                    return Ok(());
                }
            }
        }
    }
}

#[cfg(not(target_os = "linux"))]
mod imp {
    use super::*;

    /// Tokio's timer: to the millisecond.
    pub(crate) struct Timer;

    impl Timer {
        pub(crate) fn new() -> io::Result<Timer> {
            Ok(Timer)
        }

        /// Waits until `at`.
        pub(crate) async fn until(&self, at: Instant) -> io::Result<()> {
            tokio::time::sleep_until(at.into()).await;
            Ok(())
        }
    }
}

pub(crate) use imp::Timer;
