//! Charts on their way into files.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use bench_aggregate::Skipped;
use bench_charts::{Figure, NoChart};
use bench_report::RunResult;

use crate::chart::{OfRun, name};
use crate::{ImageFormat, OutputOptions, PlotError, Plotted};

/// Charts that were drawn, in this order, and are not written yet.
pub(crate) struct Sheet<'o> {
    options: &'o OutputOptions,
    files: Vec<(String, Vec<u8>)>,
    stems: BTreeSet<String>,
    lines: Vec<String>,
    missing: Vec<NoChart>,
}

impl<'o> Sheet<'o> {
    pub(crate) fn new(options: &'o OutputOptions) -> Sheet<'o> {
        Sheet {
            options,
            files: Vec::new(),
            stems: BTreeSet::new(),
            lines: Vec::new(),
            missing: Vec::new(),
        }
    }

    /// Draws a figure of all runs, or notes why it cannot be.
    pub(crate) fn add(&mut self, figure: Result<Figure, NoChart>) -> Result<(), PlotError> {
        match figure {
            Ok(figure) => self.draw(&figure, figure.id.clone()),
            Err(reason) => {
                self.missing.push(reason);
                Ok(())
            }
        }
    }

    /// Draws figures of all runs, and notes which cannot be.
    pub(crate) fn add_all(
        &mut self,
        figures: Vec<Result<Figure, NoChart>>,
    ) -> Result<(), PlotError> {
        figures.into_iter().try_for_each(|figure| self.add(figure))
    }

    /// Draws a figure of each run. Where there are several, each is named after its run.
    pub(crate) fn of_each(&mut self, runs: &[RunResult], draw: OfRun) -> Result<(), PlotError> {
        for run in runs {
            match draw(run) {
                Ok(drawn) => {
                    self.lines.extend(drawn.lines);
                    let id = &drawn.figure.id;
                    let stem = match runs.len() {
                        1 => id.clone(),
                        _ => format!("{id}-{}", name(run)),
                    };
                    self.draw(&drawn.figure, stem)?;
                }
                Err(reason) => self.missing.push(reason),
            }
        }
        Ok(())
    }

    fn draw(&mut self, figure: &Figure, stem: String) -> Result<(), PlotError> {
        let stem = self.free(stem);
        let (size, theme) = (self.options.size_of(figure), self.options.theme.into());
        let format = self.options.format;
        if format != ImageFormat::Svg {
            let png = figure.to_png(theme, size)?;
            self.files.push((format!("{stem}.png"), png));
        }
        if format != ImageFormat::Png {
            let svg = figure.to_svg(theme, size)?;
            self.files.push((format!("{stem}.svg"), svg.into_bytes()));
        }
        Ok(())
    }

    /// Adds a page.
    pub(crate) fn add_page(&mut self, name: &str, page: String) {
        self.files.push((name.to_owned(), page.into_bytes()));
    }

    /// The name, with a number if another chart has it.
    fn free(&mut self, stem: String) -> String {
        let numbered = (2..).map(|number: u64| format!("{stem}-{number}"));
        let mut names = std::iter::once(stem.clone()).chain(numbered);
        let free = names.find(|name| !self.stems.contains(name));
        let free = free.unwrap_or(stem);
        self.stems.insert(free.clone());
        free
    }

    /// Writes the files and tells what came of all.
    pub(crate) fn finish(self, skipped: Vec<Skipped>, asked: bool) -> Result<Plotted, PlotError> {
        Ok(Plotted {
            written: self.write()?,
            lines: self.lines,
            missing: self.missing,
            skipped,
            asked,
        })
    }

    /// Writes all files, or none if one of them exists and is not to be replaced. Each appears
    /// whole or not at all.
    fn write(&self) -> Result<Vec<PathBuf>, PlotError> {
        let dir = &self.options.output;
        let paths = || self.files.iter().map(|(name, _)| dir.join(name));
        let existing = paths().find(|path| path.exists());
        if let Some(path) = existing.filter(|_| !self.options.overwrite) {
            return Err(PlotError::Exists { path });
        }
        if !self.files.is_empty() {
            fs::create_dir_all(dir).map_err(|source| PlotError::CreateDir {
                path: dir.clone(),
                source,
            })?;
        }
        for (path, (_, bytes)) in paths().zip(&self.files) {
            publish(&path, bytes)?;
        }
        Ok(paths().collect())
    }
}

/// Writes a file under another name and renames it when it is whole.
fn publish(path: &Path, bytes: &[u8]) -> Result<(), PlotError> {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let draft = path.with_file_name(format!(".{name}.{}.tmp", std::process::id()));
    let written = fs::write(&draft, bytes).and_then(|()| fs::rename(&draft, path));
    written.map_err(|source| {
        // The error that counts is the first.
        let _ = fs::remove_file(&draft);
        PlotError::Write {
            path: path.to_owned(),
            source,
        }
    })
}
