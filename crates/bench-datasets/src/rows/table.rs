//! Entries of CSV files.

use std::collections::BTreeSet;

use csv::{ReaderBuilder, StringRecord};
use serde_json::{Map, Value};

use super::{Row, Source};
use crate::DatasetError;

impl Source {
    /// The records below the header, each cell under the name of its column. An empty cell says
    /// nothing.
    pub(super) fn csv(&self) -> Result<Vec<Row<Map<String, Value>>>, DatasetError> {
        let mut reader = ReaderBuilder::new()
            .from_path(&self.path)
            .map_err(|error| self.bad_record(0, &error))?;
        let header = reader
            .headers()
            .map_err(|error| self.bad_record(0, &error))?
            .iter()
            .map(|name| name.trim_start_matches('\u{feff}').trim().to_owned())
            .collect::<Vec<String>>();
        self.check_header(&header)?;
        let mut rows: Vec<Row<_>> = Vec::new();
        let mut record = StringRecord::new();
        loop {
            let entry = rows.len() + 1;
            if !reader
                .read_record(&mut record)
                .map_err(|error| self.bad_record(entry, &error))?
            {
                return Ok(rows);
            }
            let line = record.position().map_or(0, |place| place.line() as usize);
            let cells = header.iter().zip(&record);
            let value = cells
                .filter(|(_, cell)| !cell.is_empty())
                .map(|(name, cell)| (name.clone(), Value::from(cell)))
                .collect();
            rows.push(Row { value, entry, line });
        }
    }

    /// Columns of one name cannot be told apart; those without a name are not read.
    fn check_header(&self, header: &[String]) -> Result<(), DatasetError> {
        let mut seen = BTreeSet::new();
        let twice = header
            .iter()
            .find(|name| !name.is_empty() && !seen.insert(name.as_str()));
        match twice {
            None => Ok(()),
            Some(name) => Err(DatasetError::Format {
                path: self.path.clone(),
                problem: format!("two columns of its header are called `{name}`"),
                cure: "give each column a name of its own",
            }),
        }
    }

    fn bad_record(&self, entry: usize, error: &csv::Error) -> DatasetError {
        let line = match error.kind() {
            csv::ErrorKind::Io(cause) => {
                return self.unreadable(std::io::Error::new(cause.kind(), cause.to_string()));
            }
            csv::ErrorKind::UnequalLengths {
                pos: Some(place),
                expected_len,
                len,
            } => {
                let problem = format!("it has {len} cells, but the header has {expected_len}");
                return self.entry_error(entry, place.line() as usize, problem);
            }
            _ => error.position().map_or(0, |place| place.line() as usize),
        };
        self.entry_error(entry, line, error.to_string())
    }
}
