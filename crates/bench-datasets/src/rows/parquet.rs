//! Rows of Parquet files.

use serde_json::{Map, Value};

use super::{Row, Source};
use crate::DatasetError;

#[cfg(feature = "parquet")]
impl Source {
    /// All rows, with each value under the name of its column. Bytes that are no text are in
    /// base64.
    pub(super) fn parquet(&self) -> Result<Vec<Row<Map<String, Value>>>, DatasetError> {
        use parquet::file::reader::{FileReader, SerializedFileReader};

        let file = std::fs::File::open(&self.path).map_err(|cause| self.unreadable(cause))?;
        let reader = SerializedFileReader::new(file).map_err(|cause| self.no_parquet(&cause))?;
        let records = reader
            .get_row_iter(None)
            .map_err(|cause| self.no_parquet(&cause))?;
        let mut rows = Vec::new();
        for (entry, record) in (1..).zip(records) {
            let record = record.map_err(|cause| self.entry_error(entry, 0, cause.to_string()))?;
            if let Value::Object(value) = record.to_json_value() {
                let line = 0;
                rows.push(Row { value, entry, line });
            }
        }
        Ok(rows)
    }

    fn no_parquet(&self, cause: &parquet::errors::ParquetError) -> DatasetError {
        DatasetError::Format {
            path: self.path.clone(),
            problem: format!("it cannot be read as Parquet: {cause}"),
            cure: "give a whole file, compressed with Snappy or Zstandard if at all",
        }
    }
}

#[cfg(not(feature = "parquet"))]
impl Source {
    /// Refused: the program cannot read such files.
    pub(super) fn parquet(&self) -> Result<Vec<Row<Map<String, Value>>>, DatasetError> {
        Err(DatasetError::Format {
            path: self.path.clone(),
            problem: "this program was built without the feature `parquet`".to_owned(),
            cure: "build it with the feature, or give the rows as JSONL or CSV",
        })
    }
}
