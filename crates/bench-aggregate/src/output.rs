//! Where a file goes that this program makes.

use std::error::Error;
use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};

use bench_report::free_name;

use crate::AggregateError;

/// A file that is to be written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Output {
    pub(crate) path: PathBuf,
    /// Whether it may take the place of another.
    pub(crate) overwrite: bool,
}

impl Output {
    /// The file that the user named, if any, found welcome.
    pub(crate) fn named(
        path: Option<&PathBuf>,
        overwrite: bool,
    ) -> Result<Option<Output>, AggregateError> {
        let output = path.map(|path| Output {
            path: path.clone(),
            overwrite,
        });
        if let Some(output) = &output {
            output.check()?;
        }
        Ok(output)
    }

    /// Makes the folder and finds out whether the file will be welcome there.
    pub(crate) fn check(&self) -> Result<(), AggregateError> {
        let path = &self.path;
        if path.exists() && (!self.overwrite || !path.is_file()) {
            return Err(AggregateError::OutputExists { path: path.clone() });
        }
        match path.parent() {
            Some(dir) => fs::create_dir_all(dir).map_err(|error| self.failure(error.into())),
            None => Ok(()),
        }
    }

    /// Writes the file, which appears whole or not at all, and returns the name it has: another
    /// one if a file of its name has come into being meanwhile.
    pub(crate) fn write(
        &self,
        encode: impl FnOnce(File) -> Result<(), Box<dyn Error + Send + Sync>>,
    ) -> Result<PathBuf, AggregateError> {
        let draft = draft(&self.path);
        let written = File::create(&draft)
            .map_err(Into::into)
            .and_then(encode)
            .and_then(|()| Ok(self.publish(&draft)?));
        written.map_err(|error| {
            // The error that counts is the first.
            let _ = fs::remove_file(&draft);
            self.failure(error)
        })
    }

    fn publish(&self, draft: &Path) -> std::io::Result<PathBuf> {
        let path = self.path.clone();
        let free = if self.overwrite {
            path
        } else {
            free_name(path)
        };
        fs::rename(draft, &free)?;
        Ok(free)
    }

    fn failure(&self, source: Box<dyn Error + Send + Sync>) -> AggregateError {
        AggregateError::WriteOutput {
            path: self.path.clone(),
            source,
        }
    }
}

/// A text that answers a command, or the file that holds it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// The text itself.
    Text(String),
    /// Where it was written.
    File(PathBuf),
}

impl Answer {
    /// Writes the text to a file, if there is one.
    pub(crate) fn give(text: String, output: Option<&Output>) -> Result<Answer, AggregateError> {
        let Some(output) = output else {
            return Ok(Answer::Text(text));
        };
        let written = output.write(|mut file| Ok(file.write_all(text.as_bytes())?));
        Ok(Answer::File(written?))
    }
}

/// The name of a file while it is being written, in the same folder so that it can be renamed.
fn draft(path: &Path) -> PathBuf {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    path.with_file_name(format!(".{name}.{}.tmp", std::process::id()))
}
