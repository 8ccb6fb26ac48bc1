use std::io::{self, BufWriter, Write};

use serde::ser::{Serialize, SerializeSeq, Serializer};

use super::{Cell, Table};

/// Writes a list with an object for each row. Every object has every column.
pub(super) fn write(table: &Table, out: impl Write) -> io::Result<()> {
    let mut out = BufWriter::new(out);
    serde_json::to_writer_pretty(&mut out, table)?;
    out.write_all(b"\n")?;
    out.flush()
}

impl Serialize for Table {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut list = serializer.serialize_seq(Some(self.rows.len()))?;
        for row in &self.rows {
            list.serialize_element(&Row { table: self, row })?;
        }
        list.end()
    }
}

struct Row<'a> {
    table: &'a Table,
    row: &'a [Cell],
}

impl Serialize for Row<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.table.names.iter().zip(self.table.cells(self.row)))
    }
}

/// JSON has no infinity; results of runs have a text for it.
pub(super) fn number<S: Serializer>(number: &f64, serializer: S) -> Result<S::Ok, S::Error> {
    if number.is_finite() {
        serializer.serialize_f64(*number)
    } else {
        serializer.collect_str(number)
    }
}
