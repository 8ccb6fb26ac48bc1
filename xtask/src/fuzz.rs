//! Fuzzing with libFuzzer and the toolchain of the workspace: what `cargo fuzz` does with
//! nightly, but for the sanitizers.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::metadata::Metadata;
use crate::{Error, cargo, dist, output, root};

/// How long each target runs unless told otherwise.
const SECONDS: u64 = 60;

/// Makes the compiler count which edges are taken and what is compared, as libFuzzer expects.
/// Nothing of it is bound to nightly.
const FLAGS: &[&str] = &[
    "-Cpasses=sancov-module",
    "-Cllvm-args=-sanitizer-coverage-level=4",
    "-Cllvm-args=-sanitizer-coverage-inline-8bit-counters",
    "-Cllvm-args=-sanitizer-coverage-pc-table",
    "-Cllvm-args=-sanitizer-coverage-trace-compares",
    "-Cllvm-args=-simplifycfg-branch-fold-threshold=0",
    "-Ccodegen-units=1",
    // Overflows are findings too.
    "-Cdebug-assertions",
    "-Coverflow-checks",
    "--cfg=fuzzing",
];

/// The first byte of an input says how the body is cut: into frames of 24 bytes.
const CUT: u8 = 23;

/// What is to be fuzzed and for how long.
#[derive(Debug, PartialEq)]
struct Job {
    seconds: u64,
    targets: Vec<String>,
}

/// Runs the targets named in `arguments`, or all, one after the other.
pub(crate) fn fuzz(arguments: &[&str]) -> Result<(), Error> {
    let job = Job::parse(arguments, &targets(&root().join("fuzz/fuzz_targets"))?)?;
    let host = dist::host()?;
    let build = Metadata::load()?.target.join("fuzz");
    let mut compile = cargo();
    compile
        .args(["build", "--release", "--locked"])
        .args(["--manifest-path", "fuzz/Cargo.toml", "--target", &host])
        .arg("--target-dir")
        .arg(&build)
        .env("CARGO_ENCODED_RUSTFLAGS", FLAGS.join("\u{1f}"));
    for target in &job.targets {
        compile.args(["--bin", target]);
    }
    output(&mut compile)?;
    let seeds = build.join("seeds");
    write_seeds(&root().join("fixtures/wire"), &seeds)?;
    let programs = build.join(host).join("release");
    let mut failed = Vec::new();
    for target in &job.targets {
        println!("fuzz: {target} for {} s", job.seconds);
        match run(&programs.join(target), target, job.seconds, &seeds)? {
            Ok(end) => println!("fuzz: {target}: {end}"),
            Err(finding) => {
                println!("{finding}");
                failed.push(target.as_str());
            }
        }
    }
    if failed.is_empty() {
        return Ok(());
    }
    Err(format!("fuzz: findings in {}", failed.join(", ")).into())
}

impl Job {
    fn parse(arguments: &[&str], all: &[String]) -> Result<Job, Error> {
        let mut job = Job {
            seconds: SECONDS,
            targets: Vec::new(),
        };
        let mut arguments = arguments.iter();
        while let Some(argument) = arguments.next() {
            if *argument == "--seconds" {
                let number = arguments.next().ok_or("--seconds: a number is missing")?;
                job.seconds = match number.parse() {
                    // libFuzzer takes 0 for no limit.
                    Ok(seconds) if seconds > 0 => seconds,
                    _ => return Err(format!("--seconds {number}: not a number above 0").into()),
                };
            } else if all.iter().any(|target| target == argument) {
                job.targets.push((*argument).to_owned());
            } else {
                let all = all.join(", ");
                return Err(format!("no fuzz target `{argument}`; there are {all}").into());
            }
        }
        if job.targets.is_empty() {
            job.targets = all.to_vec();
        }
        Ok(job)
    }
}

/// Every target, by name.
fn targets(folder: &Path) -> Result<Vec<String>, Error> {
    let mut names = Vec::new();
    for file in fs::read_dir(folder)? {
        let path = file?.path();
        if let (Some("rs"), Some(stem)) = (extension(&path), path.file_stem()) {
            names.push(stem.to_string_lossy().into_owned());
        }
    }
    names.sort_unstable();
    Ok(names)
}

fn extension(path: &Path) -> Option<&str> {
    path.extension()?.to_str()
}

/// Writes an input for the body of each captured response.
fn write_seeds(wire: &Path, seeds: &Path) -> Result<(), Error> {
    if seeds.exists() {
        fs::remove_dir_all(seeds)?;
    }
    fs::create_dir_all(seeds)?;
    for server in fs::read_dir(wire)? {
        let server = server?;
        if !server.file_type()?.is_dir() {
            continue;
        }
        for file in fs::read_dir(server.path())? {
            let path = file?.path();
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            if let Some(name) = name.strip_suffix(".response.txt") {
                let seed = format!("{}-{name}", server.file_name().to_string_lossy());
                fs::write(seeds.join(seed), seed_of(&fs::read(&path)?))?;
            }
        }
    }
    Ok(())
}

/// The input for the body of a response.
fn seed_of(response: &[u8]) -> Vec<u8> {
    const BLANK: &[u8] = b"\r\n\r\n";
    let blank = response.windows(BLANK.len()).position(|at| at == BLANK);
    let body = &response[blank.map_or(0, |at| at + BLANK.len())..];
    let mut seed = vec![CUT];
    seed.extend_from_slice(body);
    seed
}

/// Runs a target. Returns in what state it ended, or what it found.
fn run(
    program: &Path,
    target: &str,
    seconds: u64,
    seeds: &Path,
) -> Result<Result<String, String>, Error> {
    let fuzz = root().join("fuzz");
    // What it comes upon goes into the first folder and is a start for the next time.
    let corpus = folder(fuzz.join("corpus").join(target))?;
    let artifacts = folder(fuzz.join("artifacts").join(target))?;
    let mut command = Command::new(program);
    command
        .arg(format!("-max_total_time={seconds}"))
        .arg(format!("-dict={}", fuzz.join("openai.dict").display()))
        .arg(format!("-artifact_prefix={}/", artifacts.display()))
        .args([&corpus, seeds])
        .current_dir(&fuzz)
        .stdout(Stdio::null());
    let ended = command
        .output()
        .map_err(|cause| format!("{command:?} cannot be started: {cause}"))?;
    let said = String::from_utf8_lossy(&ended.stderr);
    if ended.status.success() {
        return Ok(Ok(summary(&said)));
    }
    Ok(Err(format!(
        "{}\nfuzz: {target} failed: {}. To see it again: {} FILE",
        tail(&said, TAIL),
        ended.status,
        program.display()
    )))
}

/// Lines shown of what libFuzzer says of a finding.
const TAIL: usize = 40;

fn folder(path: PathBuf) -> Result<PathBuf, Error> {
    fs::create_dir_all(&path)?;
    Ok(path)
}

/// The last two lines of libFuzzer: coverage, and number of runs.
fn summary(said: &str) -> String {
    let last = |line: &&str| line.contains("\tDONE ") || line.starts_with("Done ");
    let words = said.lines().filter(last).flat_map(str::split_whitespace);
    words.collect::<Vec<_>>().join(" ")
}

fn tail(said: &str, count: usize) -> String {
    let lines: Vec<&str> = said.lines().collect();
    lines[lines.len().saturating_sub(count)..].join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(arguments: &[&str]) -> Result<Job, String> {
        let all = ["sse", "tgi"].map(str::to_owned);
        Job::parse(arguments, &all).map_err(|error| error.to_string())
    }

    #[test]
    fn all_targets_for_a_minute_unless_told_otherwise() {
        let job = parse(&[]).unwrap();
        assert_eq!((job.seconds, job.targets.len()), (60, 2));
        let job = parse(&["tgi", "--seconds", "5"]).unwrap();
        assert_eq!((job.seconds, job.targets), (5, vec!["tgi".to_owned()]));
    }

    #[test]
    fn a_wrong_target_or_time() {
        let error = parse(&["ssse"]).unwrap_err();
        assert_eq!(error, "no fuzz target `ssse`; there are sse, tgi");
        assert!(parse(&["--seconds"]).unwrap_err().contains("missing"));
        for time in ["0", "-1", "soon"] {
            let error = parse(&["--seconds", time]).unwrap_err();
            assert!(error.contains(time), "{error}");
        }
    }

    #[test]
    fn every_target_is_built() {
        let fuzz = root().join("fuzz");
        let manifest = fs::read_to_string(fuzz.join("Cargo.toml")).unwrap();
        let targets = targets(&fuzz.join("fuzz_targets")).unwrap();
        assert!(targets.contains(&"sse".to_owned()));
        for target in &targets {
            assert!(
                manifest.contains(&format!("name = \"{target}\"")),
                "{target}"
            );
        }
    }

    #[test]
    fn seeds_are_bodies() {
        assert_eq!(
            seed_of(b"HTTP/1.1 200 OK\r\nA: b\r\n\r\ndata: 1\n\n"),
            b"\x17data: 1\n\n"
        );
        let folder = tempfile::tempdir().unwrap();
        let seeds = folder.path().join("seeds");
        write_seeds(&root().join("fixtures/wire"), &seeds).unwrap();
        let seed = fs::read(seeds.join("tgi-3-generate_stream")).unwrap();
        assert!(seed.starts_with(b"\x17data:"));
    }

    #[test]
    fn the_end_of_a_run() {
        let said = "#2\tNEW cov: 9 ft: 9 DE: \"[DONE]\"-\n#9\tDONE   cov: 12 ft: 14 corp: 3/4b\nDone 9 runs in 2 second(s)\n";
        assert_eq!(
            summary(said),
            "#9 DONE cov: 12 ft: 14 corp: 3/4b Done 9 runs in 2 second(s)"
        );
    }
}
