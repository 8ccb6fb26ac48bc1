//! What is known of the machine.

use std::fs;
use std::thread::available_parallelism;

use bench_report::Host;

/// The machine this runs on. What it does not tell is absent.
pub(crate) fn host() -> Host {
    Host {
        system: format!(
            "{} {}",
            name_of(std::env::consts::OS),
            std::env::consts::ARCH
        ),
        kernel: kernel(),
        cpu: field("/proc/cpuinfo", "model name"),
        usable_cpus: available_parallelism().ok().map(|cpus| cpus.get() as u64),
        cpu_governor: line("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor"),
        memory_bytes: field("/proc/meminfo", "MemTotal")
            .as_deref()
            .and_then(bytes),
        open_files: open_files(),
        clock_source: line("/sys/devices/system/clocksource/clocksource0/current_clocksource"),
    }
}

fn name_of(system: &str) -> &str {
    match system {
        "linux" => "Linux",
        "macos" => "macOS",
        "windows" => "Windows",
        other => other,
    }
}

#[cfg(unix)]
fn kernel() -> Option<String> {
    let names = nix::sys::utsname::uname().ok()?;
    Some(names.release().to_string_lossy().into_owned())
}

#[cfg(not(unix))]
fn kernel() -> Option<String> {
    None
}

#[cfg(unix)]
fn open_files() -> Option<u64> {
    use nix::sys::resource::{Resource, getrlimit};
    getrlimit(Resource::RLIMIT_NOFILE)
        .ok()
        .map(|(soft, _)| soft)
}

#[cfg(not(unix))]
fn open_files() -> Option<u64> {
    None
}

/// The only line of a file of the kernel.
fn line(path: &str) -> Option<String> {
    let text = fs::read_to_string(path).ok()?;
    Some(text.trim().to_owned()).filter(|text| !text.is_empty())
}

/// The first value of a name in a file of `name : value` lines.
fn field(path: &str, name: &str) -> Option<String> {
    value(&fs::read_to_string(path).ok()?, name)
}

fn value(text: &str, name: &str) -> Option<String> {
    let mut fields = text.lines().filter_map(|line| line.split_once(':'));
    let (_, value) = fields.find(|(key, _)| key.trim() == name)?;
    Some(value.trim().to_owned())
}

/// The size that `24684092 kB` stands for.
fn bytes(size: &str) -> Option<u64> {
    let kib: u64 = size.strip_suffix("kB")?.trim().parse().ok()?;
    kib.checked_mul(1024)
}

/// What the CPUs of this machine have done since it was started, in ticks of the kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct CpuTicks {
    all: u64,
    /// Wanted by this machine, and given to others by its host.
    stolen: u64,
}

impl CpuTicks {
    /// Until now; `None` if the system does not tell.
    pub(crate) fn until_now() -> Option<CpuTicks> {
        CpuTicks::of(&fs::read_to_string("/proc/stat").ok()?)
    }

    /// Of the text of `/proc/stat`, where the eighth time is the stolen one and the ninth and
    /// tenth are parts of the first two.
    fn of(stat: &str) -> Option<CpuTicks> {
        let all_cpus = stat.lines().next()?.strip_prefix("cpu ")?;
        let ticks = all_cpus.split_whitespace().map(str::parse);
        let ticks: Vec<u64> = ticks.take(8).collect::<Result<_, _>>().ok()?;
        Some(CpuTicks {
            all: ticks.iter().sum(),
            stolen: *ticks.get(7)?,
        })
    }

    /// The share of all that was stolen since `before`.
    pub(crate) fn stolen_since(self, before: CpuTicks) -> Option<f64> {
        let all = self.all.checked_sub(before.all).filter(|&all| all > 0)?;
        Some(self.stolen.saturating_sub(before.stolen) as f64 / all as f64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_files_of_the_kernel_are_read() {
        let text = "processor\t: 0\nmodel name\t: A: B\nprocessor\t: 1\nmodel name\t: C\n";
        assert_eq!(value(text, "model name").as_deref(), Some("A: B"));
        assert_eq!(value(text, "cache size"), None);
        assert_eq!(bytes("24684092 kB"), Some(25_276_510_208));
        assert_eq!(bytes("much"), None);
    }

    #[test]
    fn stolen_time_is_a_share_of_all_time() {
        let before = CpuTicks::of("cpu  50 5 20 100 5 0 10 10 7 0\ncpu0 1 2 3\n").unwrap();
        assert_eq!((before.all, before.stolen), (200, 10));
        let after = CpuTicks::of("cpu  80 5 20 150 5 0 10 30 9 0\n").unwrap();
        assert_eq!(after.stolen_since(before), Some(0.2));
        assert_eq!(before.stolen_since(before), None);
        assert_eq!(CpuTicks::of("cpu  50 5 20 100 5 0 10\n"), None);
        assert_eq!(CpuTicks::of("intr 50\n"), None);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn linux_tells_of_itself() {
        let host = host();
        assert!(host.system.starts_with("Linux "), "{host:?}");
        let release = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap();
        assert_eq!(host.kernel.as_deref(), Some(release.trim()));
        assert!(host.memory_bytes.unwrap() > 0 && host.usable_cpus.unwrap() > 0);
        assert!(host.open_files.is_some());
        assert!(CpuTicks::until_now().is_some());
    }
}
