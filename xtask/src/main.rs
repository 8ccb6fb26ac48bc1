//! Chores of the workspace: `cargo xtask` lists them.
#![allow(clippy::print_stdout, clippy::print_stderr)]

mod dist;
mod docs;
mod floors;
mod fuzz;
mod metadata;
mod programs;

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

/// Why a chore is not done, for people to read.
type Error = Box<dyn std::error::Error>;

const USAGE: &str = "\
Usage: cargo xtask COMMAND

  ci               Everything below that checks: floors, docs --check
  floors           Check which crate depends on which against the table of floors
  docs             Write docs/src/cli*.md from the command lines of the programs
  docs --check     Fail if docs/src/cli*.md is not what `docs` would write
  completions DIR  Write completions for bash, zsh and fish
  man DIR          Write the man pages
  fuzz [--seconds N] [TARGET..]
                   Run the fuzz targets, or all, for 60 s each
  dist             Build for release and pack binaries, completions and man pages in dist/";

/// The command line makes no sense.
const BAD_USAGE: u8 = 2;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let done = match arguments[..] {
        ["ci"] => floors::check().and_then(|()| docs::check()),
        ["floors"] => floors::check(),
        ["docs"] => docs::write(),
        ["docs", "--check"] => docs::check(),
        ["completions", dir] => docs::completions(Path::new(dir)),
        ["man", dir] => docs::man(Path::new(dir)),
        ["fuzz", ref rest @ ..] => fuzz::fuzz(rest),
        ["dist"] => dist::dist(),
        _ => {
            eprintln!("{USAGE}");
            return ExitCode::from(BAD_USAGE);
        }
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

/// The folder of the workspace.
fn root() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.parent().unwrap_or(here).to_owned()
}

/// The cargo that runs this.
fn cargo() -> Command {
    Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
}

/// Runs a command in the folder of the workspace and returns what it printed.
fn output(command: &mut Command) -> Result<String, Error> {
    let output = command
        .current_dir(root())
        .stderr(std::process::Stdio::inherit())
        .output()
        .map_err(|cause| format!("{command:?} cannot be started: {cause}"))?;
    if !output.status.success() {
        return Err(format!("{command:?} failed: {}", output.status).into());
    }
    Ok(String::from_utf8(output.stdout)?)
}
