//! The formats that files of rows come in.

use bench_datasets::{Custom, Dataset, dataset_hash};
use bench_types::Conversation;

use crate::{builtin, context, failure, text};

/// A file of its own whose name ends in `.{end}`.
pub(crate) fn file_of(end: &str, contents: &[u8]) -> tempfile::TempPath {
    let file = tempfile::Builder::new()
        .suffix(&format!(".{end}"))
        .tempfile()
        .unwrap();
    std::fs::write(&file, contents).unwrap();
    file.into_temp_path()
}

fn made(path: &std::path::Path) -> Vec<Conversation> {
    let tokenizer = builtin();
    let mut cx = context(&tokenizer, 2, 0);
    cx.dataset_path = Some(path);
    cx.disable_shuffle = true;
    let custom = Custom {
        custom_output_len: -1,
    };
    custom.sample(&cx).unwrap()
}

const JSONL: &str = "{\"prompt\": \"One, two\", \"output_tokens\": 5}\n\
                     {\"prompt\": \"Say \\\"three\\\"\", \"output_tokens\": 7}\n";

#[test]
fn the_same_rows_are_the_same_dataset_in_every_format() {
    let jsonl = made(&file_of("jsonl", JSONL.as_bytes()));
    assert_eq!(text(&jsonl[1]), "Say \"three\"");
    assert_eq!(jsonl[1].turns[0].max_output_tokens, 7);

    let csv = "prompt,output_tokens\n\"One, two\",5\n\"Say \"\"three\"\"\",7\n";
    assert_eq!(made(&file_of("csv", csv.as_bytes())), jsonl);
    let csv = "\u{feff}output_tokens,note,prompt\n5,,\"One, two\"\n7,x,\"Say \"\"three\"\"\"\n";
    assert_eq!(made(&file_of("CSV", csv.as_bytes())), jsonl);
    assert_eq!(dataset_hash(&jsonl), "8ef7c892ed741ef33c7e093ed825da85");
}

#[test]
fn a_bad_cell_is_named_by_line_and_column() {
    let tokenizer = builtin();
    let mut cx = context(&tokenizer, 2, 0);
    let path = file_of("csv", b"prompt,output_tokens\n\"a\nb\",5\nc,many\n");
    cx.dataset_path = Some(&path);
    let message = failure(&Custom::default(), &cx);
    let place = format!("{}:4: entry 2: `output_tokens` is the text", path.display());
    assert!(message.starts_with(&place), "{message}");

    let path = file_of("csv", b"prompt,output_tokens\na,5,6\n");
    cx.dataset_path = Some(&path);
    let message = failure(&Custom::default(), &cx);
    assert!(
        message.contains(":2: entry 1: it has 3 cells, but the header has 2"),
        "{message}"
    );
}

/// The message of the error about a file.
fn refused(end: &str, contents: &[u8]) -> String {
    let tokenizer = builtin();
    let path = file_of(end, contents);
    let mut cx = context(&tokenizer, 1, 0);
    cx.dataset_path = Some(&path);
    let message = failure(&Custom::default(), &cx);
    message.replace(path.to_str().unwrap(), "FILE")
}

#[test]
fn nothing_may_be_missing_from_an_array_or_stand_behind_it() {
    let row = r#"{"prompt": "a"}"#;
    for (text, place) in [
        (format!("[{row}]\n[{row}]"), "FILE:2: entry 2: it stands"),
        (
            format!("[{row},\n{row}]\n\nrest"),
            "FILE:4: entry 3: it stands",
        ),
        (format!("[{row},\n"), "FILE:2: entry 2: the file ends"),
        ("[".to_owned(), "FILE:1: entry 1: the file ends"),
        (format!("[{row}"), "FILE:1: entry 1: no `,` or `]`"),
    ] {
        let message = refused("json", text.as_bytes());
        assert!(message.starts_with(place), "{text}: {message}");
    }
    let row = r#"{"prompt": "a", "output_tokens": 1}"#;
    let whole = format!(" [{row},\n {row} ] \n");
    assert_eq!(made(&file_of("json", whole.as_bytes())).len(), 2);
}

#[test]
fn what_is_no_text_is_named_by_its_line() {
    let message = refused("jsonl", b"{\"prompt\": \"a\"}\n{\"prompt\": \"\xff\"}\n");
    assert!(
        message.starts_with("FILE: line 2 is no text in UTF-8"),
        "{message}"
    );
    let message = refused("csv", b"prompt\na\n\xff\n");
    assert!(message.starts_with("FILE:3: entry 2: "), "{message}");
}

#[test]
fn columns_of_one_name_are_refused() {
    let message = refused("csv", b"prompt,output_tokens, prompt\na,5,b\n");
    assert!(
        message.starts_with("FILE: two columns of its header are called `prompt`"),
        "{message}"
    );
    // Those without a name are not read, however many.
    let csv = b",prompt,output_tokens,\n1,\"One, two\",5,x\n2,b,5,y\n";
    assert_eq!(text(&made(&file_of("csv", csv))[0]), "One, two");
}

#[cfg(feature = "parquet")]
pub(crate) mod columns {
    use std::sync::Arc;

    use ::parquet::data_type::{ByteArray, ByteArrayType, Int32Type};
    use ::parquet::file::properties::WriterProperties;
    use ::parquet::file::writer::SerializedFileWriter;
    use ::parquet::schema::parser::parse_message_type;

    use super::*;

    /// A column of a Parquet file: its declaration and its values.
    pub(crate) enum Column<'a> {
        /// `required binary NAME (UTF8)`
        Texts(&'a [&'a str]),
        /// `required int32 NAME`
        Numbers(&'a [i32]),
        /// A list of texts in each row: `required group NAME (LIST) { repeated group list {
        /// required binary element (UTF8); } }`
        Lists(&'a [&'a [&'a str]]),
        /// `required binary NAME`
        Bytes(&'a [&'a [u8]]),
    }

    /// The bytes of a Parquet file with these columns.
    pub(crate) fn bytes_of(columns: &[(&str, Column<'_>)]) -> Vec<u8> {
        let declared: String = columns
            .iter()
            .map(|(name, column)| match column {
                Column::Texts(_) => format!("required binary {name} (UTF8);"),
                Column::Numbers(_) => format!("required int32 {name};"),
                Column::Bytes(_) => {
                    format!("required group {name} {{ required binary bytes; }}")
                }
                Column::Lists(_) => format!(
                    "required group {name} (LIST) {{ repeated group list {{ required binary \
                     element (UTF8); }} }}"
                ),
            })
            .collect();
        let schema = parse_message_type(&format!("message rows {{ {declared} }}")).unwrap();
        let mut bytes = Vec::new();
        let properties = Arc::new(WriterProperties::builder().build());
        let mut file = SerializedFileWriter::new(&mut bytes, Arc::new(schema), properties).unwrap();
        let mut group = file.next_row_group().unwrap();
        for (_, column) in columns {
            let mut writer = group.next_column().unwrap().unwrap();
            match column {
                Column::Numbers(numbers) => {
                    let typed = writer.typed::<Int32Type>();
                    typed.write_batch(numbers, None, None).unwrap();
                }
                Column::Texts(texts) => {
                    let values: Vec<ByteArray> =
                        texts.iter().map(|text| ByteArray::from(*text)).collect();
                    let typed = writer.typed::<ByteArrayType>();
                    typed.write_batch(&values, None, None).unwrap();
                }
                Column::Bytes(all) => {
                    let values: Vec<ByteArray> = all
                        .iter()
                        .map(|one| ByteArray::from(one.to_vec()))
                        .collect();
                    let typed = writer.typed::<ByteArrayType>();
                    typed.write_batch(&values, None, None).unwrap();
                }
                Column::Lists(lists) => {
                    let values: Vec<ByteArray> = lists
                        .iter()
                        .flat_map(|list| list.iter())
                        .map(|text| ByteArray::from(*text))
                        .collect();
                    let repeated: Vec<i16> = lists
                        .iter()
                        .flat_map(|list| (0..list.len()).map(|place| i16::from(place > 0)))
                        .collect();
                    let defined = vec![1; values.len()];
                    let typed = writer.typed::<ByteArrayType>();
                    typed
                        .write_batch(&values, Some(&defined), Some(&repeated))
                        .unwrap();
                }
            }
            writer.close().unwrap();
        }
        group.close().unwrap();
        file.close().unwrap();
        bytes
    }

    #[test]
    fn parquet_is_read_as_the_other_formats_are() {
        let bytes = bytes_of(&[
            ("prompt", Column::Texts(&["One, two", "Say \"three\""])),
            ("output_tokens", Column::Numbers(&[5, 7])),
        ]);
        assert_eq!(
            made(&file_of("parquet", &bytes)),
            made(&file_of("jsonl", JSONL.as_bytes()))
        );
    }

    #[test]
    fn a_bad_value_is_named_by_row_and_column() {
        let tokenizer = builtin();
        let mut cx = context(&tokenizer, 2, 0);
        let bytes = bytes_of(&[
            ("prompt", Column::Texts(&["a", "b"])),
            ("output_tokens", Column::Numbers(&[5, -7])),
        ]);
        let path = file_of("parquet", &bytes);
        cx.dataset_path = Some(&path);
        let message = failure(&Custom::default(), &cx);
        let place = format!(
            "{}: row 2: `output_tokens` is -7, not a number of tokens",
            path.display()
        );
        assert!(message.starts_with(&place), "{message}");

        let path = file_of("parquet", &bytes[..bytes.len() / 2]);
        cx.dataset_path = Some(&path);
        let message = failure(&Custom::default(), &cx);
        assert!(
            message.contains("it cannot be read as Parquet"),
            "{message}"
        );
    }
}

#[cfg(not(feature = "parquet"))]
#[test]
fn without_the_feature_parquet_is_refused_by_name() {
    let tokenizer = builtin();
    let mut cx = context(&tokenizer, 2, 0);
    let path = file_of("parquet", b"PAR1");
    cx.dataset_path = Some(&path);
    let message = failure(&Custom::default(), &cx);
    assert!(
        message.contains("without the feature `parquet`"),
        "{message}"
    );
}
