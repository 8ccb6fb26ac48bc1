use std::io::Write;
use std::sync::Arc;

use parquet::basic::{Compression, LogicalType, Repetition, Type as Physical};
use parquet::data_type::{BoolType, ByteArray, ByteArrayType, DoubleType, Int64Type};
use parquet::errors::ParquetError;
use parquet::file::properties::WriterProperties;
use parquet::file::writer::{SerializedColumnWriter, SerializedFileWriter};
use parquet::schema::types::Type;

use super::{Cell, Table};

/// What the values of a column are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Bool,
    Whole,
    Float,
    Text,
}

/// Columns that are of one kind whatever is in them, so that files of several days fit together.
const TEXTS: &[&str] = &["date", "backend", "model_id", "tokenizer_id", "filename"];
const COUNTS: &[&str] = &[
    "num_prompts",
    "max_concurrency",
    "completed",
    "total_input_tokens",
    "total_output_tokens",
    "input_len",
    "output_len",
];

/// Writes a column for each one of the table, each with a type.
pub(super) fn write(table: &Table, out: impl Write + Send) -> Result<(), ParquetError> {
    let kinds = (0..table.names.len()).map(|place| kind(table, place));
    let kinds: Vec<Kind> = kinds.collect();
    let fields = table.names.iter().zip(&kinds);
    let fields = fields.map(|(name, kind)| field(name, *kind));
    let schema =
        Type::group_type_builder("aggregate").with_fields(fields.collect::<Result<_, _>>()?);
    let properties = WriterProperties::builder().set_compression(Compression::SNAPPY);
    let mut file =
        SerializedFileWriter::new(out, Arc::new(schema.build()?), Arc::new(properties.build()))?;
    let mut rows = file.next_row_group()?;
    let mut columns = kinds.iter().enumerate();
    while let (Some(mut column), Some((place, kind))) = (rows.next_column()?, columns.next()) {
        let cells = || table.rows.iter().map(|row| table.cell(row, place));
        fill(&mut column, *kind, &cells)?;
        column.close()?;
    }
    rows.close()?;
    file.close()?;
    Ok(())
}

fn kind(table: &Table, place: usize) -> Kind {
    let name = table.names[place].as_str();
    let cells = || table.rows.iter().map(|row| table.cell(row, place));
    let all = |fits: fn(&Cell) -> bool| cells().all(|cell| *cell == Cell::Empty || fits(cell));
    let empty = all(|_| false);
    if TEXTS.contains(&name) {
        Kind::Text
    } else if COUNTS.contains(&name) && all(|cell| matches!(cell, Cell::Whole(_))) {
        Kind::Whole
    } else if empty || all(|cell| matches!(cell, Cell::Float(_))) {
        Kind::Float
    } else if all(|cell| matches!(cell, Cell::Whole(_))) {
        Kind::Whole
    } else if all(|cell| matches!(cell, Cell::Whole(_) | Cell::Float(_))) {
        Kind::Float
    } else if all(|cell| matches!(cell, Cell::Bool(_))) {
        Kind::Bool
    } else {
        Kind::Text
    }
}

fn field(name: &str, kind: Kind) -> Result<Arc<Type>, ParquetError> {
    let (physical, logical) = match kind {
        Kind::Bool => (Physical::BOOLEAN, None),
        Kind::Whole => (Physical::INT64, None),
        Kind::Float => (Physical::DOUBLE, None),
        Kind::Text => (Physical::BYTE_ARRAY, Some(LogicalType::String)),
    };
    let field = Type::primitive_type_builder(name, physical)
        .with_repetition(Repetition::OPTIONAL)
        .with_logical_type(logical);
    Ok(Arc::new(field.build()?))
}

fn fill<'a, I: Iterator<Item = &'a Cell>>(
    column: &mut SerializedColumnWriter<'_>,
    kind: Kind,
    cells: &dyn Fn() -> I,
) -> Result<(), ParquetError> {
    let present: Vec<i16> = cells()
        .map(|cell| i16::from(*cell != Cell::Empty))
        .collect();
    let cells = cells();
    match kind {
        Kind::Bool => {
            let values = cells.filter_map(|cell| match cell {
                Cell::Bool(value) => Some(*value),
                _ => None,
            });
            let values: Vec<bool> = values.collect();
            column
                .typed::<BoolType>()
                .write_batch(&values, Some(&present), None)?;
        }
        Kind::Whole => {
            let values = cells.filter_map(|cell| match cell {
                Cell::Whole(value) => Some(*value),
                _ => None,
            });
            let values: Vec<i64> = values.collect();
            column
                .typed::<Int64Type>()
                .write_batch(&values, Some(&present), None)?;
        }
        Kind::Float => {
            let values = cells.filter_map(|cell| match cell {
                Cell::Float(value) => Some(*value),
                Cell::Whole(value) => Some(*value as f64),
                _ => None,
            });
            let values: Vec<f64> = values.collect();
            column
                .typed::<DoubleType>()
                .write_batch(&values, Some(&present), None)?;
        }
        Kind::Text => {
            let values = cells.filter(|cell| **cell != Cell::Empty);
            let values = values.map(|cell| ByteArray::from(cell.to_string().into_bytes()));
            let values: Vec<ByteArray> = values.collect();
            column
                .typed::<ByteArrayType>()
                .write_batch(&values, Some(&present), None)?;
        }
    }
    Ok(())
}
