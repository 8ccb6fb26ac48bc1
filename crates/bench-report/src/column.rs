use serde::{Deserialize, Deserializer, Serialize, Serializer};

use bench_types::RequestRecord;

/// One value for each request of a run.
///
/// When a result is written the values are computed one by one from the records on their
/// way to the file, so that a result with millions of numbers takes no memory of its own;
/// when it is read they are a plain list.
#[derive(Clone, Debug)]
pub struct Column<'a, T>(Source<'a, T>);

#[derive(Clone, Debug)]
enum Source<'a, T> {
    Computed {
        records: &'a [&'a RequestRecord],
        value: fn(&'a RequestRecord) -> T,
    },
    Stored(Vec<T>),
}

impl<'a, T> Column<'a, T> {
    pub(crate) fn computed(
        records: &'a [&'a RequestRecord],
        value: fn(&'a RequestRecord) -> T,
    ) -> Column<'a, T> {
        Column(Source::Computed { records, value })
    }

    /// The values as a list.
    pub fn into_vec(self) -> Vec<T> {
        match self.0 {
            Source::Computed { records, value } => records.iter().map(|r| value(r)).collect(),
            Source::Stored(values) => values,
        }
    }
}

impl<T> From<Vec<T>> for Column<'_, T> {
    fn from(values: Vec<T>) -> Self {
        Column(Source::Stored(values))
    }
}

impl<T: Serialize> Serialize for Column<'_, T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match &self.0 {
            Source::Computed { records, value } => {
                serializer.collect_seq(records.iter().map(|record| value(record)))
            }
            Source::Stored(values) => serializer.collect_seq(values),
        }
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Column<'_, T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Vec::deserialize(deserializer).map(Column::from)
    }
}

/// A number where the file has one, NaN where it has null.
struct OrNan(f64);

impl<'de> Deserialize<'de> for OrNan {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let number = Option::deserialize(deserializer)?;
        Ok(OrNan(number.unwrap_or(f64::NAN)))
    }
}

fn numbers(list: Vec<OrNan>) -> Vec<f64> {
    list.into_iter().map(|number| number.0).collect()
}

/// Reads a column of numbers, some of which the file may not know.
pub(crate) fn known<'a, 'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<Column<'a, f64>>, D::Error> {
    let list: Option<Vec<OrNan>> = Option::deserialize(deserializer)?;
    Ok(list.map(|list| numbers(list).into()))
}

/// Reads a column of lists of numbers, some of which the file may not know.
pub(crate) fn known_lists<'a, 'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<Column<'a, Vec<f64>>>, D::Error> {
    let lists: Option<Vec<Vec<OrNan>>> = Option::deserialize(deserializer)?;
    let lists = lists.map(|lists| lists.into_iter().map(numbers).collect::<Vec<_>>());
    Ok(lists.map(Column::from))
}
