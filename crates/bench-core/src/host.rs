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

    #[cfg(target_os = "linux")]
    #[test]
    fn linux_tells_of_itself() {
        let host = host();
        assert!(host.system.starts_with("Linux "), "{host:?}");
        let release = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap();
        assert_eq!(host.kernel.as_deref(), Some(release.trim()));
        assert!(host.memory_bytes.unwrap() > 0 && host.usable_cpus.unwrap() > 0);
        assert!(host.open_files.is_some());
    }
}
