//! Rows and columns on their way to a file.

mod csv;
mod json;
mod markdown;
mod parquet;

use std::collections::HashMap;
use std::error::Error;
use std::fmt;
use std::fs::File;

use serde::Serialize;
use serde_json::Value;

use crate::aggregate::Format;
use crate::columns::COLUMNS;

/// What stands in one row of one column.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[serde(untagged)]
pub(crate) enum Cell {
    /// Nothing is known.
    #[default]
    Empty,
    Bool(bool),
    Whole(i64),
    #[serde(serialize_with = "json::number")]
    Float(f64),
    Text(String),
}

/// As a CSV file has it: numbers with every digit, so that they are read again as they were.
impl fmt::Display for Cell {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Cell::Empty => Ok(()),
            Cell::Bool(value) => value.fmt(f),
            Cell::Whole(value) => value.fmt(f),
            Cell::Float(value) => write!(f, "{value:?}"),
            Cell::Text(text) => f.write_str(text),
        }
    }
}

impl From<Option<u64>> for Cell {
    fn from(count: Option<u64>) -> Cell {
        match count.map(|count| (count, i64::try_from(count))) {
            None => Cell::Empty,
            Some((_, Ok(count))) => Cell::Whole(count),
            Some((count, Err(_))) => Cell::Float(count as f64),
        }
    }
}

impl From<Option<f64>> for Cell {
    fn from(number: Option<f64>) -> Cell {
        number.map_or(Cell::Empty, Cell::Float)
    }
}

impl From<Option<bool>> for Cell {
    fn from(value: Option<bool>) -> Cell {
        value.map_or(Cell::Empty, Cell::Bool)
    }
}

impl From<Option<&str>> for Cell {
    fn from(text: Option<&str>) -> Cell {
        let text = text.filter(|text| !text.is_empty());
        text.map_or(Cell::Empty, |text| Cell::Text(text.to_owned()))
    }
}

impl From<&Value> for Cell {
    fn from(value: &Value) -> Cell {
        match value {
            Value::Bool(value) => Cell::Bool(*value),
            Value::Number(number) => match number.as_i64() {
                Some(whole) => Cell::Whole(whole),
                None => Cell::from(number.as_f64()),
            },
            Value::String(text) => Cell::from(Some(text.as_str())),
            _ => Cell::Empty,
        }
    }
}

/// A table that begins with the columns of every aggregate.
#[derive(Debug)]
pub(crate) struct Table {
    names: Vec<String>,
    places: HashMap<String, usize>,
    rows: Vec<Vec<Cell>>,
}

impl Table {
    pub(crate) fn new() -> Table {
        let names = COLUMNS.map(str::to_owned).to_vec();
        let places = names.iter().cloned().zip(0..).collect();
        Table {
            names,
            places,
            rows: Vec::new(),
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.rows.len()
    }

    /// Begins a row, which the cells that are set next stand in.
    pub(crate) fn begin_row(&mut self) {
        self.rows.push(Vec::new());
    }

    /// Sets a cell of the last row. The first value of a name makes its column.
    pub(crate) fn set(&mut self, name: &str, cell: impl Into<Cell>) {
        let cell = cell.into();
        if cell == Cell::Empty {
            return;
        }
        let place = match self.places.get(name) {
            Some(place) => *place,
            None => {
                self.names.push(name.to_owned());
                self.places.insert(name.to_owned(), self.names.len() - 1);
                self.names.len() - 1
            }
        };
        if let Some(row) = self.rows.last_mut() {
            if row.len() <= place {
                row.resize(place + 1, Cell::Empty);
            }
            row[place] = cell;
        }
    }

    /// Whether the last row has a cell in the column of this name.
    pub(crate) fn is_set(&self, name: &str) -> bool {
        let cell = || self.rows.last()?.get(*self.places.get(name)?);
        cell().is_some_and(|cell| *cell != Cell::Empty)
    }

    /// A cell, by the row and the place of its column.
    fn cell<'a>(&self, row: &'a [Cell], place: usize) -> &'a Cell {
        row.get(place).unwrap_or(&Cell::Empty)
    }

    /// All cells of a row.
    fn cells<'a>(&'a self, row: &'a [Cell]) -> impl Iterator<Item = &'a Cell> {
        (0..self.names.len()).map(|place| self.cell(row, place))
    }

    /// Writes the table to a file.
    pub(crate) fn write(
        &self,
        format: Format,
        bilingual: bool,
        file: File,
    ) -> Result<(), Box<dyn Error + Send + Sync>> {
        match format {
            Format::Csv => csv::write(self, bilingual, file)?,
            Format::Json => json::write(self, file)?,
            Format::Markdown => markdown::write(self, file)?,
            Format::Parquet => parquet::write(self, file)?,
        }
        Ok(())
    }
}
