//! Which files are looked at.

use std::collections::HashSet;
use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};

use bench_report::record_log;

use super::Skipped;
use crate::AggregateError;

/// Endings of files in a folder that may be results.
const ENDINGS: [&str; 4] = ["json", "jsonl", "ndjson", "csv"];

/// A file to look at.
pub(super) struct Candidate {
    pub(super) path: PathBuf,
    /// The user named the file itself, not a folder that it is in.
    pub(super) named: bool,
}

/// What was found.
#[derive(Default)]
pub(super) struct Files {
    pub(super) candidates: Vec<Candidate>,
    pub(super) skipped: Vec<Skipped>,
    /// Files and folders seen, by where they really are.
    seen: HashSet<PathBuf>,
}

/// The files at `paths` and in all folders there, each once.
pub(super) fn files(paths: &[PathBuf]) -> Result<Files, AggregateError> {
    let mut files = Files::default();
    for path in paths {
        if !path.exists() {
            return Err(AggregateError::NoSuchPath { path: path.clone() });
        }
        files.add(path, true);
    }
    let all: HashSet<PathBuf> = files.candidates.iter().map(|c| c.path.clone()).collect();
    let alone = |candidate: &Candidate| !mains(&candidate.path).iter().any(|m| all.contains(m));
    files.candidates.retain(alone);
    Ok(files)
}

impl Files {
    fn add(&mut self, path: &Path, named: bool) {
        match fs::canonicalize(path) {
            Ok(real) if !self.seen.insert(real.clone()) => {}
            Ok(real) if real.is_dir() => self.folder(path),
            Ok(_) => self.candidates.push(Candidate {
                path: path.to_owned(),
                named,
            }),
            Err(error) => self.unreadable(path, &error),
        }
    }

    fn folder(&mut self, path: &Path) {
        let entries = fs::read_dir(path).and_then(Iterator::collect::<Result<Vec<_>, _>>);
        let mut paths: Vec<PathBuf> = match entries {
            Ok(entries) => entries.iter().map(fs::DirEntry::path).collect(),
            Err(error) => return self.unreadable(path, &error),
        };
        paths.sort();
        for path in paths {
            let name = path.file_name().unwrap_or_default();
            let hidden = name.as_encoded_bytes().starts_with(b".");
            if !hidden && (path.is_dir() || may_be_a_result(&path)) {
                self.add(&path, false);
            }
        }
    }

    fn unreadable(&mut self, path: &Path, error: &std::io::Error) {
        self.skipped.push(Skipped {
            path: path.to_owned(),
            reason: format!("cannot be read: {error}"),
        });
    }
}

fn may_be_a_result(path: &Path) -> bool {
    let ending = path.extension().and_then(OsStr::to_str);
    ending.is_some_and(|ending| ENDINGS.iter().any(|e| ending.eq_ignore_ascii_case(e)))
}

/// The files that this one would only say more about, by the names that tools give.
fn mains(path: &Path) -> Vec<PathBuf> {
    let Some(name) = path.file_name().and_then(OsStr::to_str) else {
        return Vec::new();
    };
    let main = |ending: &str, main: &str| {
        let stem = name.strip_suffix(ending)?;
        Some(path.with_file_name(format!("{stem}{main}")))
    };
    [
        main(&format!(".{}", record_log::EXTENSION), ".json"),
        main(".requests.json", ".json"),
        main(".requests.csv", ".json"),
        main("_aiperf.csv", "_aiperf.json"),
        main(".jsonl", "_aiperf.json"),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// The requests beside a summary of aiperf, if they are there.
pub(super) fn aiperf_requests(summary: &Path) -> Option<PathBuf> {
    let name = summary.file_name()?.to_str()?;
    let stem = name.strip_suffix("_aiperf.json")?;
    let path = summary.with_file_name(format!("{stem}.jsonl"));
    path.is_file().then_some(path)
}
