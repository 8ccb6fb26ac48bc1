use bench_datasets::{AzureTrace, Dataset, dataset_hash};

use super::{arrivals, at, exact, lengths};
use crate::{builtin, failure, file};

const TRACE: &str = "\
TIMESTAMP,ContextTokens,GeneratedTokens
2023-11-16 23:59:59.9799600,374,44
2023-11-17 00:00:00.9951690,39,109
2023-11-17 00:00:00.9951690,0,5
2023-11-17 00:01:00.0000000,20,5
";

#[test]
fn rows_arrive_when_the_file_says() {
    let (tokenizer, path) = (builtin(), file(TRACE));
    let cx = at(&tokenizer, &path, 10);
    let made = exact(&AzureTrace, &cx);
    assert_eq!(arrivals(&made), [0.0, 1.015_209, 60.020_04]);
    assert_eq!(lengths(&made), [(374, 44), (39, 109), (20, 5)]);
    assert_eq!(dataset_hash(&made), "558f59e188c6dd64c72bb5e4bc423f0f");

    // As of 2024, with an offset.
    let path = file(
        "TIMESTAMP,ContextTokens,GeneratedTokens\n\
         2024-05-10 00:00:00.009930+00:00,2162,5\n\
         2024-05-10 02:00:00.017335+02:00,2399,6\n",
    );
    let made = exact(&AzureTrace, &at(&tokenizer, &path, 2));
    assert_eq!(arrivals(&made), [0.0, 0.007_405]);
}

#[test]
fn errors_name_the_line() {
    let (tokenizer, path) = (
        builtin(),
        file("TIMESTAMP,ContextTokens,GeneratedTokens\n2023-11-16,1,2\n17:00,1,2\n"),
    );
    let message = failure(&AzureTrace, &at(&tokenizer, &path, 5));
    let place = format!(
        "{}:3: entry 2: `17:00` is no date with a time",
        path.display()
    );
    assert!(message.starts_with(&place), "{message}");
    assert_eq!(AzureTrace.name(), "azure-trace");
}
