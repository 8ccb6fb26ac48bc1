use std::cell::{Cell, RefCell};
use std::io::{self, IoSliceMut, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::os::fd::{AsFd, AsRawFd};
use std::rc::Rc;
use std::time::Duration;

use bench_stream::{Clock, ClockCheck};
use bench_types::Nanos;
use hdrhistogram::Histogram;
use nix::sys::socket::{self, ControlMessageOwned, MsgFlags, sockopt};
use nix::sys::time::TimeSpec;

/// Size of the buffer one socket read fills at most.
pub(crate) const READ_BUFFER: usize = 64 * 1024;

/// One socket read: how many bytes it brought and when they were received.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Arrival {
    /// The kernel's receive time where there is one, else the time of the read.
    pub at: Nanos,
    /// Whether `at` is the kernel's.
    pub kernel: bool,
    /// How long the bytes lay in the socket before they were read; zero without a kernel
    /// stamp.
    pub lag: Nanos,
}

/// What one worker's reads were stamped with.
#[derive(Debug)]
pub struct StampStats {
    kernel: Cell<u64>,
    user: Cell<u64>,
    lag: RefCell<Histogram<u32>>,
}

impl StampStats {
    fn new() -> StampStats {
        // Two digits, from a microsecond to a minute: what is longer counts as a minute.
        let lag = Histogram::new_with_bounds(1_000, LONGEST_LAG.0, 2)
            .unwrap_or_else(|_| unreachable!("the bounds are constants that HdrHistogram accepts"));
        StampStats {
            kernel: Cell::new(0),
            user: Cell::new(0),
            lag: RefCell::new(lag),
        }
    }

    /// Number of reads stamped by the kernel, and of those stamped in user space.
    pub fn reads(&self) -> (u64, u64) {
        (self.kernel.get(), self.user.get())
    }

    /// How long bytes with a kernel stamp lay in their sockets, in nanoseconds.
    pub fn lag(&self) -> Histogram<u32> {
        self.lag.borrow().clone()
    }

    fn count(&self, arrival: &Arrival) {
        if arrival.kernel {
            self.kernel.set(self.kernel.get() + 1);
            self.lag.borrow_mut().saturating_record(arrival.lag.0);
        } else {
            self.user.set(self.user.get() + 1);
        }
    }
}

const LONGEST_LAG: Nanos = Nanos::from_millis(60_000);

/// The clock of one worker thread, with the count of what it stamped. Cheap to clone; all
/// clones share their state.
#[derive(Clone, Debug)]
pub struct WorkerClock {
    clock: Rc<RefCell<CheckedClock>>,
    stats: Rc<StampStats>,
}

#[derive(Debug)]
struct CheckedClock {
    clock: Clock,
    /// When it was last compared with the wall clock.
    checked: Nanos,
}

impl CheckedClock {
    fn check(&mut self) -> ClockCheck {
        self.checked = self.clock.now();
        self.clock.check()
    }
}

impl WorkerClock {
    /// A worker's own copy of the run's clock.
    pub fn new(clock: Clock) -> WorkerClock {
        WorkerClock {
            clock: Rc::new(RefCell::new(CheckedClock {
                clock,
                checked: clock.now(),
            })),
            stats: Rc::new(StampStats::new()),
        }
    }

    /// The time on the run's clock.
    pub fn now(&self) -> Nanos {
        self.clock.borrow().clock.now()
    }

    /// Compares the wall clock, which the kernel stamps with, with the run's clock again and
    /// follows it if it stepped. To be called a few times a second.
    pub fn check(&self) {
        self.clock.borrow_mut().check();
    }

    /// Steps of the wall clock seen by [`WorkerClock::check`].
    pub fn steps(&self) -> u32 {
        self.clock.borrow().clock.steps()
    }

    /// What was stamped so far.
    pub fn stats(&self) -> &StampStats {
        &self.stats
    }

    /// The stamp of a read that just returned with the kernel's `realtime` stamp.
    pub(crate) fn arrival(&self, realtime: Option<Duration>) -> Arrival {
        let mut clock = self.clock.borrow_mut();
        let now = clock.clock.now();
        let arrival = match realtime.and_then(|realtime| plausible(&mut clock, realtime, now)) {
            Some(at) => Arrival {
                at,
                kernel: true,
                lag: now.since(at),
            },
            None => Arrival {
                at: now,
                kernel: false,
                lag: Nanos::ZERO,
            },
        };
        self.stats.count(&arrival);
        arrival
    }
}

/// A kernel stamp further in the future than this tells that the wall clock was set forward;
/// anything less is the uncertainty of the offset between the clocks.
const FUTURE: Nanos = Nanos::from_millis(1);

/// Bytes that seem to have waited longer than this may really have, or the wall clock was set
/// back: worth a look at the clocks, if the last one was as long ago.
const OLD: Nanos = Nanos::from_millis(20);

/// The kernel's stamp on the run's clock, unless a step of the wall clock spoiled it.
fn plausible(checked: &mut CheckedClock, realtime: Duration, now: Nanos) -> Option<Nanos> {
    let at = checked.clock.from_realtime(realtime)?;
    let early = at.since(now) > FUTURE;
    let late = now.since(at) > OLD && now.since(checked.checked) > OLD;
    if (early || late) && matches!(checked.check(), ClockCheck::Stepped { .. }) {
        return None;
    }
    (!early).then(|| at.min(now))
}

/// Keeps the kernel stamping.
///
/// The kernel stamps what comes in only while some socket on the machine asks for it, and
/// begins a moment after the first one does. A pair of sockets that asks for the length of a
/// run, and waits until it is heard, makes sure that the first reads have stamps too.
#[derive(Debug)]
pub(crate) struct Awake {
    _pair: (TcpStream, TcpStream),
}

impl Awake {
    /// `None` where there are no kernel stamps.
    pub(crate) fn new() -> Option<Awake> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).ok()?;
        let sender = TcpStream::connect(listener.local_addr().ok()?).ok()?;
        let (receiver, _) = listener.accept().ok()?;
        if !enable(&receiver) {
            return None;
        }
        let mut control = nix::cmsg_space!(TimeSpec);
        for _ in 0..AWAKE_TRIES {
            (&sender).write_all(&[0]).ok()?;
            match receive(&receiver, &mut [0], &mut control) {
                Ok((_, Some(_))) => {
                    return Some(Awake {
                        _pair: (sender, receiver),
                    });
                }
                _ => std::thread::yield_now(),
            }
        }
        None
    }
}

/// It takes a few tries on an idle machine; each takes some 10 us.
const AWAKE_TRIES: u32 = 2_000;

/// Asks the kernel to stamp what `socket` receives. Returns whether it will.
pub(crate) fn enable(socket: &impl AsFd) -> bool {
    cfg!(target_os = "linux")
        && socket::setsockopt(socket, sockopt::ReceiveTimestampns, &true).is_ok()
}

/// One non-blocking read into `buffer` with the kernel's stamp (wall clock, since 1970), if
/// the socket gives one.
pub(crate) fn receive(
    socket: &impl AsRawFd,
    buffer: &mut [u8],
    control: &mut [u8],
) -> io::Result<(usize, Option<Duration>)> {
    let mut parts = [IoSliceMut::new(buffer)];
    let message = socket::recvmsg::<()>(
        socket.as_raw_fd(),
        &mut parts,
        Some(control),
        MsgFlags::MSG_DONTWAIT,
    )?;
    let mut stamp = None;
    for control in message.cmsgs()? {
        if let ControlMessageOwned::ScmTimestampns(time) = control {
            stamp = Some(Duration::from(time));
        }
    }
    Ok((message.bytes, stamp))
}

/// Whether a connection without a request under way is still of use: nothing to read and
/// not closed by the other side.
pub(crate) fn is_quiet(socket: &impl AsRawFd) -> bool {
    let flags = MsgFlags::MSG_PEEK | MsgFlags::MSG_DONTWAIT;
    let peeked = socket::recv(socket.as_raw_fd(), &mut [0], flags);
    peeked == Err(nix::errno::Errno::EAGAIN)
}
