//! Tells the program which commit it is built from.

use std::process::Command;

fn main() {
    // Built from a package there is no repository, or that of somebody else.
    let Some(top) = git(&["rev-parse", "--show-toplevel"]) else {
        return;
    };
    if git(&["ls-files", "build.rs"]).is_none_or(|listed| listed.is_empty()) {
        return;
    }
    // Every commit is written there, on every branch.
    if let Some(log) = git(&["rev-parse", "--git-path", "logs/HEAD"]) {
        println!("cargo::rerun-if-changed={log}");
    }
    // What would make the program another one than that of the commit.
    for sources in ["crates", "Cargo.toml", "Cargo.lock"] {
        println!("cargo::rerun-if-changed={top}/{sources}");
    }
    if let Some(commit) = git(&[
        "describe",
        "--always",
        "--dirty",
        "--abbrev=40",
        "--exclude=*",
    ]) {
        println!("cargo::rustc-env=BENCH_SERVE_COMMIT={commit}");
    }
}

/// What git says; `None` if it says nothing, as where there is no git.
fn git(arguments: &[&str]) -> Option<String> {
    let output = Command::new("git").args(arguments).output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    output.status.success().then(|| text.trim().to_owned())
}
