//! What is generated from the command lines: references, completions and man pages.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use clap::Command;
use clap_complete::Shell;

use crate::programs::{PROGRAMS, Program};
use crate::{Error, root};

/// Columns of the help in a reference.
const WIDTH: usize = 100;

fn path(program: &Program) -> PathBuf {
    root().join("docs/src").join(program.page)
}

/// Writes the references.
pub(crate) fn write() -> Result<(), Error> {
    for program in PROGRAMS {
        let path = path(program);
        fs::write(&path, reference((program.command)()))?;
        println!("docs: {} is written", path.display());
    }
    Ok(())
}

/// Fails if a reference is not up to date.
pub(crate) fn check() -> Result<(), Error> {
    for program in PROGRAMS {
        let written = fs::read_to_string(path(program)).unwrap_or_default();
        compare(program.page, &written, &reference((program.command)()))?;
    }
    println!("docs: the references of the command lines are up to date");
    Ok(())
}

fn compare(page: &str, written: &str, expected: &str) -> Result<(), Error> {
    if written == expected {
        return Ok(());
    }
    let mut lines = written.lines().zip(expected.lines());
    let line = match lines.position(|(written, expected)| written != expected) {
        Some(index) => index + 1,
        None => written.lines().count().min(expected.lines().count()) + 1,
    };
    Err(format!("docs/src/{page} is stale from line {line} on: run `cargo xtask docs`").into())
}

fn introduction(name: &str) -> String {
    format!(
        "<!-- Written by `cargo xtask docs`. Change the help texts instead. -->\n\n\
         # Command line of {name}\n\n\
         What `{name} --help` prints, by section. `{name} -h` prints a shorter form.\n"
    )
}

/// The long help as a page, one section for each heading of the help, and one for each command
/// if there are several.
fn reference(command: Command) -> String {
    let mut command = command.term_width(WIDTH).disable_help_subcommand(true);
    // Tells commands the name of the program they are part of.
    command.build();
    let mut page = introduction(command.get_name());
    sections(&mut page, &mut command, "##");
    page
}

fn sections(page: &mut String, command: &mut Command, marks: &str) {
    let help = command.render_long_help().to_string();
    let mut section = String::new();
    for line in help.lines().map(str::trim_end) {
        if let Some(heading) = heading(line) {
            block(page, &section);
            section.clear();
            // Writing to a String cannot fail.
            let _ = write!(page, "\n{marks} {heading}\n");
        } else {
            section.push_str(line);
            section.push('\n');
        }
    }
    block(page, &section);
    let program = command.get_name().to_owned();
    for subcommand in command.get_subcommands_mut() {
        // Writing to a String cannot fail.
        let _ = write!(page, "\n{marks} {program} {}\n", subcommand.get_name());
        sections(page, subcommand, &format!("{marks}#"));
    }
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
    for program in PROGRAMS {
        for shell in [Shell::Bash, Shell::Zsh, Shell::Fish] {
            let mut command = (program.command)();
            let path = clap_complete::generate_to(shell, &mut command, program.name, dir)?;
            println!("completions: {}", path.display());
        }
    }
    Ok(())
}

/// Writes the man pages: one for each program and each command of one.
pub(crate) fn man(dir: &Path) -> Result<(), Error> {
    fs::create_dir_all(dir)?;
    for program in PROGRAMS {
        clap_mangen::generate_to((program.command)(), dir)?;
        println!("man: {}", dir.join(program.name).display());
    }
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
        assert_eq!(page.strip_prefix(&introduction("tool")), Some(expected));
    }

    #[test]
    fn a_page_has_a_section_for_each_command() {
        let page = reference(Command::new("box").subcommand(tool()));
        let (_, section) = page.split_once("\n## box tool\n").expect(&page);
        let expected = "\n```text\nDoes things\n\nUsage: box tool [OPTIONS]\n```\n\n\
                        ### Server\n\n```text\n      --speed <speed>\n          How fast\n```\n";
        assert_eq!(section, expected);
    }

    #[test]
    fn a_stale_page_is_told_with_its_line() {
        let page = reference(tool());
        let compare = |written: &str| compare("tool.md", written, &page);
        assert!(compare(&page).is_ok());
        let stale = page.replace("How fast", "How slow");
        let line = page
            .lines()
            .position(|line| line.contains("How fast"))
            .unwrap()
            + 1;
        let error = compare(&stale).unwrap_err().to_string();
        assert!(
            error.contains(&format!("tool.md is stale from line {line} ")),
            "{error}"
        );
        assert!(compare("").is_err());
        assert!(compare(&format!("{page}\nmore\n")).is_err());
    }

    /// The arguments of a command and of those within it, but for those that are only known to
    /// be refused.
    fn arguments(command: &Command) -> Vec<String> {
        let own = command.get_arguments().filter(|arg| !arg.is_hide_set());
        let own = own.filter_map(Arg::get_long);
        let own = own.map(|name| format!("--{name}"));
        own.chain(command.get_subcommands().flat_map(arguments))
            .collect()
    }

    #[test]
    fn every_flag_is_on_the_page_and_in_the_completions() {
        let dir = tempfile::tempdir().unwrap();
        completions(dir.path()).unwrap();
        man(dir.path()).unwrap();
        for Program { name, command, .. } in PROGRAMS {
            let read = |file: String| fs::read_to_string(dir.path().join(file)).unwrap();
            let page = reference(command());
            let bash = read(format!("{name}.bash"));
            let pages = command();
            let commands = pages.get_subcommands();
            let man: String = commands
                .map(|inner| format!("{name}-{}.1", inner.get_name()))
                .chain([format!("{name}.1")])
                .map(|file| read(file).replace("\\-", "-"))
                .collect();
            for flag in arguments(&pages) {
                for (place, text) in [("page", &page), ("completions", &bash), ("man page", &man)] {
                    assert!(
                        text.contains(&flag),
                        "{flag} of {name} is not in the {place}"
                    );
                }
            }
            assert!(
                !read(format!("_{name}")).is_empty() && !read(format!("{name}.fish")).is_empty()
            );
        }
    }
}
