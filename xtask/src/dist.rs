//! A release: binaries, completions, man pages, licence, in one archive.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::metadata::Metadata;
use crate::programs::PROGRAMS;
use crate::{Error, cargo, docs, output, root};

/// Files that go along as they are.
const TEXTS: &[&str] = &["LICENSE", "README.md", "CHANGELOG.md"];

/// Builds for release and packs the result.
pub(crate) fn dist() -> Result<(), Error> {
    let mut build = cargo();
    build.args(["build", "--release", "--locked", "--bins"]);
    for program in PROGRAMS {
        build.args(["--package", program.name]);
    }
    output(&mut build)?;
    let binaries = Metadata::load()?.target.join("release");
    let archive = pack(&name(&host()?), &binaries, &root().join("dist"))?;
    println!("dist: {}", archive.display());
    Ok(())
}

fn name(target: &str) -> String {
    format!("llm-bench-{}-{target}", env!("CARGO_PKG_VERSION"))
}

/// The platform that cargo builds for.
pub(crate) fn host() -> Result<String, Error> {
    let version = output(Command::new("rustc").arg("-vV"))?;
    let host = version.lines().find_map(|line| line.strip_prefix("host: "));
    Ok(host.ok_or("rustc -vV does not name its host")?.to_owned())
}

/// Puts everything into the folder `name` in `dist` and that into an archive, whose path is
/// returned.
fn pack(name: &str, binaries: &Path, dist: &Path) -> Result<PathBuf, Error> {
    let folder = dist.join(name);
    if folder.exists() {
        fs::remove_dir_all(&folder)?;
    }
    fs::create_dir_all(&folder)?;
    for program in PROGRAMS {
        copy(&binaries.join(program.name), &folder)?;
    }
    for text in TEXTS {
        copy(&root().join(text), &folder)?;
    }
    docs::completions(&folder.join("completions"))?;
    docs::man(&folder.join("man"))?;
    let archive = dist.join(format!("{name}.tar.gz"));
    let mut tar = Command::new("tar");
    tar.arg("-czf").arg(&archive).arg("-C").arg(dist).arg(name);
    output(&mut tar)?;
    Ok(archive)
}

/// Copies a file into a folder under its own name.
fn copy(file: &Path, folder: &Path) -> Result<(), Error> {
    let name = file.file_name().ok_or("a file without a name")?;
    fs::copy(file, folder.join(name))
        .map_err(|cause| format!("cannot copy {}: {cause}", file.display()))?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_archive_holds_everything_in_one_folder() {
        let dir = tempfile::tempdir().unwrap();
        for program in PROGRAMS {
            fs::write(dir.path().join(program.name), program.name).unwrap();
        }
        let dist = dir.path().join("dist");
        pack("tool-1", dir.path(), &dist).unwrap();
        // The second one replaces the first.
        let archive = pack("tool-1", dir.path(), &dist).unwrap();
        assert_eq!(archive, dist.join("tool-1.tar.gz"));
        let list = output(Command::new("tar").arg("-tzf").arg(&archive)).unwrap();
        for file in [
            "tool-1/bench-serve",
            "tool-1/bench-aggregate",
            "tool-1/bench-plot",
            "tool-1/bench-sim",
            "tool-1/LICENSE",
            "tool-1/README.md",
            "tool-1/completions/bench-serve.bash",
            "tool-1/completions/bench-aggregate.fish",
            "tool-1/man/bench-serve.1",
            "tool-1/man/bench-aggregate-rebuild.1",
            "tool-1/man/bench-plot-cumulative.1",
            "tool-1/man/bench-sim.1",
        ] {
            assert!(
                list.lines().any(|line| line == file),
                "{file} is not in {list}"
            );
        }
        assert!(
            list.lines().all(|line| line.starts_with("tool-1/")),
            "{list}"
        );
    }

    #[test]
    fn a_missing_program_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let error = pack("x", dir.path(), &dir.path().join("dist")).unwrap_err();
        assert!(error.to_string().contains("bench-serve"), "{error}");
    }

    #[test]
    fn a_release_is_named_by_version_and_platform() {
        let host = host().unwrap();
        assert!(name(&host).starts_with("llm-bench-0.") && name(&host).ends_with(&host));
    }
}
