use std::io::{BufWriter, Write};

use super::Table;
use crate::columns::chinese;

/// Writes a header, a second one in Chinese if it is wanted, and the rows.
pub(super) fn write(table: &Table, bilingual: bool, out: impl Write) -> Result<(), csv::Error> {
    let mut out = csv::Writer::from_writer(BufWriter::new(out));
    out.write_record(&table.names)?;
    if bilingual {
        out.write_record(table.names.iter().map(|name| chinese(name)))?;
    }
    for row in &table.rows {
        out.write_record(table.cells(row).map(ToString::to_string))?;
    }
    out.flush()?;
    Ok(())
}
