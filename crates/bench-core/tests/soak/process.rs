//! What the process uses, by the kernel's account, and whether it grows.

use std::fmt;
use std::fs;

const MIB: f64 = 1024.0 * 1024.0;

/// What the process uses.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Usage {
    /// Resident memory in bytes.
    pub(crate) resident: u64,
    files: usize,
    threads: usize,
}

impl Usage {
    pub(crate) fn now() -> Usage {
        let status = fs::read_to_string("/proc/self/status").unwrap();
        let resident = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let kib = resident.unwrap().trim().strip_suffix(" kB").unwrap();
        let entries = |folder| fs::read_dir(folder).unwrap().count();
        Usage {
            resident: kib.parse::<u64>().unwrap() * 1024,
            files: entries("/proc/self/fd"),
            threads: entries("/proc/self/task"),
        }
    }

    /// Whether there are as many open files and threads.
    pub(crate) fn same_handles(&self, other: &Usage) -> bool {
        (self.files, self.threads) == (other.files, other.threads)
    }
}

impl fmt::Display for Usage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{:.1} MiB, {} files, {} threads",
            self.resident as f64 / MIB,
            self.files,
            self.threads
        )
    }
}

/// How memory went from the first runs to the last.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Growth {
    first: u64,
    last: u64,
}

/// Compares the median of the first `window` runs with that of the last.
pub(crate) fn growth(resident: &[u64], window: usize) -> Growth {
    Growth {
        first: median(&resident[..window]),
        last: median(&resident[resident.len() - window..]),
    }
}

fn median(values: &[u64]) -> u64 {
    let mut sorted = values.to_vec();
    sorted.sort_unstable();
    sorted[sorted.len() / 2]
}

impl Growth {
    /// Whether memory stayed where it was, but for what an allocator may need one day and
    /// not the other: 4 MiB and 4 %.
    pub(crate) fn is_flat(self) -> bool {
        self.last <= self.first + self.first / 25 + 4 * 1024 * 1024
    }
}

impl fmt::Display for Growth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (first, last) = (self.first as f64 / MIB, self.last as f64 / MIB);
        write!(
            f,
            "resident memory: {first:.1} MiB after the warm-up, {last:.1} MiB at the end"
        )
    }
}

/// Twenty bytes a request, with 10,000 requests a run, are found in a process of 100 MiB.
#[test]
fn a_small_leak_is_found() {
    let leak = |run: u64| 100 * 1024 * 1024 + run * 20 * 10_000;
    let leaking: Vec<u64> = (0..80).map(leak).collect();
    assert!(!growth(&leaking, 10).is_flat());
    let noise = |run: u64| 100 * 1024 * 1024 + run * 7_919 % 13 * 500_000;
    let noisy: Vec<u64> = (0..80).map(noise).collect();
    assert!(growth(&noisy, 10).is_flat());
}
