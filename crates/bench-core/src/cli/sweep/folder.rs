//! The folder of a sweep.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::super::RunOptions;
use super::SweepError;
use super::manifest::MANIFEST;
use super::plan::SweepPlan;

/// The folder of the folders of sweeps.
const RESULTS: &str = "results";

/// What results that were replaced end in: no result any more for those who look for some.
const OLD: &str = "old";

/// The folder for the results of `plan`, which begins on `date`.
///
/// # Errors
/// If a sweep is to be resumed and none is found.
pub(super) fn choose(plan: &SweepPlan, date: &str) -> Result<PathBuf, SweepError> {
    let chosen = plan.dir.clone();
    match &plan.sweep.resume {
        None => Ok(chosen
            .unwrap_or_else(|| Path::new(RESULTS).join(format!("{}_{date}", model(&plan.base))))),
        Some(Some(dir)) if dir.is_dir() => Ok(dir.clone()),
        Some(Some(path)) => {
            let cure = match path.is_file() {
                true => "it is a file; name the configuration before --resume",
                false => "there is no such folder; without DIR the last sweep is resumed",
            };
            Err(SweepError::flag(
                "--resume",
                format!("{}: {cure}", path.display()),
            ))
        }
        Some(None) => chosen.map_or_else(|| last(&plan.base), Ok),
    }
}

/// The last part of the model's name.
fn model(base: &RunOptions) -> String {
    let name = base.server.model.as_deref().unwrap_or("sweep");
    let name = name.trim_end_matches('/');
    name.rsplit('/').next().unwrap_or(name).to_owned()
}

/// The folder of the last sweep of a model. Folders end in a date, so the last in order of names
/// is the last in time.
fn last(base: &RunOptions) -> Result<PathBuf, SweepError> {
    let start = format!("{}_", model(base));
    let found = fs::read_dir(RESULTS).into_iter().flatten().flatten();
    let of_model = found.filter(|entry| {
        entry.file_name().to_string_lossy().starts_with(&start)
            && entry.path().join(MANIFEST).is_file()
    });
    of_model.map(|entry| entry.path()).max().ok_or_else(|| {
        let problem = format!("there is no {RESULTS}/{start}*/{MANIFEST} here; name the folder");
        SweepError::flag("--resume", problem)
    })
}

/// Makes the folder. Unless it may have results already, it must have none of `plan`.
///
/// # Errors
/// If it cannot be made or has results.
pub(super) fn prepare(plan: &SweepPlan, dir: &Path) -> Result<(), SweepError> {
    fs::create_dir_all(dir).map_err(|source| SweepError::Write {
        path: dir.to_owned(),
        source,
    })?;
    if plan.sweep.resume.is_some() || plan.base.result.overwrite {
        return Ok(());
    }
    let results = plan.runs.iter().map(|run| dir.join(run.file_name()));
    let mut files = std::iter::once(dir.join(MANIFEST)).chain(results);
    match files.find(|path| path.exists()) {
        None => Ok(()),
        Some(path) => Err(SweepError::Exists {
            path,
            dir: dir.to_owned(),
        }),
    }
}

/// Renames the files of a run, `stem.*`, so that they are out of the way but not lost. Tells how
/// many there were.
///
/// # Errors
/// If one cannot be renamed.
pub(super) fn set_aside(dir: &Path, stem: &str) -> Result<usize, SweepError> {
    let failure = |path: &Path, source| SweepError::Write {
        path: path.to_owned(),
        source,
    };
    let entries: io::Result<Vec<_>> = fs::read_dir(dir).and_then(Iterator::collect);
    let mut moved = 0;
    for entry in entries.map_err(|source| failure(dir, source))? {
        let name = entry.file_name().to_string_lossy().into_owned();
        let ending = name
            .strip_prefix(stem)
            .and_then(|rest| rest.strip_prefix('.'));
        let Some(ending) = ending else { continue };
        if is_old(ending) {
            continue;
        }
        let path = entry.path();
        fs::rename(&path, old_name(&path)).map_err(|source| failure(&path, source))?;
        moved += 1;
    }
    Ok(moved)
}

fn is_old(ending: &str) -> bool {
    let last = ending.rsplit('.').next().unwrap_or_default();
    let number = last
        .strip_prefix(OLD)
        .map(|rest| rest.trim_start_matches('-'));
    number.is_some_and(|number| number.chars().all(|c| c.is_ascii_digit()))
}

/// The first free one of `name.old`, `name.old-2`, `name.old-3`.
fn old_name(path: &Path) -> PathBuf {
    let with = |ending: String| {
        let mut name = path.as_os_str().to_owned();
        name.push(ending);
        PathBuf::from(name)
    };
    let first = with(format!(".{OLD}"));
    let numbered = (2..).map(|n: u64| with(format!(".{OLD}-{n}")));
    let mut names = std::iter::once(first.clone()).chain(numbered);
    names.find(|path| !path.exists()).unwrap_or(first)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_set_aside_is_not_lost() {
        let dir = tempfile::tempdir().unwrap();
        let names = || {
            let mut names: Vec<_> = fs::read_dir(dir.path())
                .unwrap()
                .map(|entry| entry.unwrap().file_name().into_string().unwrap())
                .collect();
            names.sort();
            names
        };
        let put = |name: &str| fs::write(dir.path().join(name), name).unwrap();
        for name in ["p.json", "p.records.jsonl", "p_run2.json", "pp.json"] {
            put(name);
        }
        assert_eq!(set_aside(dir.path(), "p").unwrap(), 2);
        assert_eq!(set_aside(dir.path(), "p").unwrap(), 0);
        put("p.json");
        assert_eq!(set_aside(dir.path(), "p").unwrap(), 1);
        assert_eq!(
            names(),
            [
                "p.json.old",
                "p.json.old-2",
                "p.records.jsonl.old",
                "p_run2.json",
                "pp.json"
            ]
        );
    }
}
