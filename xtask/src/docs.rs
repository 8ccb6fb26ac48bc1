//! What is generated from the command line: the reference, completions and the man page.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use bench_serve::Cli;
use clap::{Command, CommandFactory};
use clap_complete::Shell;

use crate::{Error, root};

/// Columns of the help in the reference.
const WIDTH: usize = 100;

const INTRODUCTION: &str = "\
<!-- Written by `cargo xtask docs`. Change the help texts instead. -->

# Command line

What `bench-serve --help` prints, by section. `bench-serve -h` prints a shorter form.
";

fn path() -> PathBuf {
    root().join("docs/src/cli.md")
}

/// Writes the reference.
pub(crate) fn write() -> Result<(), Error> {
    fs::write(path(), reference(Cli::command()))?;
    println!("docs: {} is written", path().display());
    Ok(())
}

/// Fails if the reference is not up to date.
pub(crate) fn check() -> Result<(), Error> {
    let written = fs::read_to_string(path()).unwrap_or_default();
    compare(&written, &reference(Cli::command()))?;
    println!("docs: the reference of the command line is up to date");
    Ok(())
}

fn compare(written: &str, expected: &str) -> Result<(), Error> {
    if written == expected {
        return Ok(());
    }
    let mut lines = written.lines().zip(expected.lines());
    let line = match lines.position(|(written, expected)| written != expected) {
        Some(index) => index + 1,
        None => written.lines().count().min(expected.lines().count()) + 1,
    };
    Err(format!("docs/src/cli.md is stale from line {line} on: run `cargo xtask docs`").into())
}

/// The long help as a page, one section for each heading of the help.
fn reference(command: Command) -> String {
    let mut command = command.term_width(WIDTH);
    let help = command.render_long_help().to_string();
    let mut page = INTRODUCTION.to_owned();
    let mut section = String::new();
    for line in help.lines().map(str::trim_end) {
        if let Some(heading) = heading(line) {
            block(&mut page, &section);
            section.clear();
            // Writing to a String cannot fail.
            let _ = write!(page, "\n## {heading}\n");
        } else {
            section.push_str(line);
            section.push('\n');
        }
    }
    block(&mut page, &section);
    page
}

fn heading(line: &str) -> Option<&str> {
    line.strip_suffix(':').filter(|text| !text.starts_with(' '))
}

fn block(page: &mut String, section: &str) {
    // Writing to a String cannot fail.
    let _ = write!(page, "\n```text\n{}\n```\n", section.trim_matches('\n'));
}

/// Writes completions for the usual shells.
pub(crate) fn completions(dir: &Path) -> Result<(), Error> {
    fs::create_dir_all(dir)?;
    for shell in [Shell::Bash, Shell::Zsh, Shell::Fish] {
        let mut command = Cli::command();
        let name = command.get_name().to_owned();
        let path = clap_complete::generate_to(shell, &mut command, name, dir)?;
        println!("completions: {}", path.display());
    }
    Ok(())
}

/// Writes the man page.
pub(crate) fn man(dir: &Path) -> Result<(), Error> {
    fs::create_dir_all(dir)?;
    let command = Cli::command();
    let path = dir.join(format!("{}.1", command.get_name()));
    let mut page = Vec::new();
    clap_mangen::Man::new(command).render(&mut page)?;
    fs::write(&path, page)?;
    println!("man: {}", path.display());
    Ok(())
}

#[cfg(test)]
mod tests {
    use clap::Arg;

    use super::*;

    fn tool() -> Command {
        let speed = Arg::new("speed")
            .long("speed")
            .help_heading("Server")
            .help("How fast");
        Command::new("tool")
            .about("Does things")
            .arg(speed)
            .disable_help_flag(true)
    }

    #[test]
    fn a_page_has_a_section_for_each_heading() {
        let page = reference(tool());
        let expected = "\n```text\nDoes things\n\nUsage: tool [OPTIONS]\n```\n\n\
                        ## Server\n\n```text\n      --speed <speed>\n          How fast\n```\n";
        assert_eq!(page.strip_prefix(INTRODUCTION), Some(expected));
    }

    #[test]
    fn a_stale_page_is_told_with_its_line() {
        let page = reference(tool());
        assert!(compare(&page, &page).is_ok());
        let stale = page.replace("How fast", "How slow");
        let line = page
            .lines()
            .position(|line| line.contains("How fast"))
            .unwrap()
            + 1;
        let error = compare(&stale, &page).unwrap_err().to_string();
        assert!(error.contains(&format!("line {line} ")), "{error}");
        assert!(compare("", &page).is_err());
        assert!(compare(&format!("{page}\nmore\n"), &page).is_err());
    }

    #[test]
    fn every_flag_is_on_the_page_and_in_the_completions() {
        let dir = tempfile::tempdir().unwrap();
        completions(dir.path()).unwrap();
        man(dir.path()).unwrap();
        let read = |name| fs::read_to_string(dir.path().join(name)).unwrap();
        let page = reference(Cli::command());
        let bash = read("bench-serve.bash");
        let man = read("bench-serve.1").replace("\\-", "-");
        for argument in Cli::command().get_arguments() {
            let flag = format!("--{}", argument.get_long().unwrap());
            for (place, text) in [("page", &page), ("completions", &bash), ("man page", &man)] {
                assert!(text.contains(&flag), "{flag} is not in the {place}");
            }
        }
        assert!(!read("_bench-serve").is_empty() && !read("bench-serve.fish").is_empty());
    }
}
