//! Tables of runs, as they are written and as they are read again.

use std::fs;
use std::path::Path;

use bench_aggregate::{ReadOptions, Rereader, read_all};
use bench_metrics::Distribution;
use bench_metrics::stats::t_interval;
use csv::StringRecord;
use serde_json::Value;

use crate::corpus::fixture;
use crate::{Done, bench_aggregate};

/// The columns of the contract, in its order.
const CONTRACT: &str = "date,backend,model_id,tokenizer_id,num_prompts,request_rate,burstiness,\
    max_concurrency,duration,completed,total_input_tokens,total_output_tokens,request_throughput,\
    request_goodput,output_throughput,total_token_throughput,mean_ttft_ms,median_ttft_ms,\
    std_ttft_ms,p99_ttft_ms,mean_tpot_ms,median_tpot_ms,std_tpot_ms,p99_tpot_ms,mean_itl_ms,\
    median_itl_ms,std_itl_ms,p99_itl_ms,mean_e2el_ms,median_e2el_ms,std_e2el_ms,p99_e2el_ms,\
    input_len,output_len,filename";

fn put(dir: &Path, fixture_name: &str, name: &str, change: impl Fn(String) -> String) {
    let text = fs::read_to_string(fixture(fixture_name)).expect("a fixture");
    let path = dir.join(name);
    fs::create_dir_all(path.parent().expect("a folder")).expect("made");
    fs::write(path, change(text)).expect("written");
}

fn same(text: String) -> String {
    text
}

/// Runs the program and expects it to do what it is asked.
fn run(dir: &Path, arguments: &[&str]) -> Done {
    let done = bench_aggregate(dir, arguments);
    assert_eq!(done.code, Some(0), "{}", done.err);
    done
}

struct Csv {
    header: StringRecord,
    rows: Vec<StringRecord>,
}

impl Csv {
    fn read(path: &Path) -> Csv {
        let mut reader = csv::Reader::from_path(path).expect("a table");
        let header = reader.headers().expect("a header").clone();
        let rows = reader.records().collect::<Result<_, _>>();
        Csv {
            header,
            rows: rows.expect("rows of one length"),
        }
    }

    fn cell(&self, row: usize, column: &str) -> &str {
        let place = self.header.iter().position(|name| name == column);
        place.map_or("no such column", |place| &self.rows[row][place])
    }
}

#[test]
fn one_row_for_each_run_with_the_columns_of_the_contract() {
    let dir = tempfile::tempdir().expect("a folder");
    let dir = dir.path();
    put(dir, "vllm-bench-serve-0.32-random.json", "in/b.json", same);
    put(
        dir,
        "vllm-bench-rust.json",
        "in/a/bench_io16x64_mc16_np64.json",
        same,
    );
    put(
        dir,
        "vllm-bench-serve-0.32-random.json",
        "in/cut.json",
        |text| text[..50].to_owned(),
    );
    // The command itself may be left out.
    let done = run(dir, &["in", "--output-dir", "out/deep"]);
    assert!(
        done.out
            .contains("2 rows for 2 runs of 2 files; 1 passed over"),
        "{}",
        done.out
    );
    assert!(
        done.err.contains("cut.json: is no whole object in JSON"),
        "{}",
        done.err
    );
    let files: Vec<_> = fs::read_dir(dir.join("out/deep")).expect("made").collect();
    let [Ok(file)] = &files[..] else {
        panic!("one file: {files:?}");
    };
    let name = file.file_name().into_string().expect("UTF-8");
    let day = name
        .strip_prefix("aggregate_results_")
        .and_then(|rest| rest.strip_suffix(".csv"));
    assert!(
        day.is_some_and(|day| day.len() == 8 && day.parse::<u32>().is_ok()),
        "{name}"
    );

    let text = fs::read_to_string(file.path()).expect("readable");
    assert!(text.starts_with(&format!("{CONTRACT},")), "{text}");
    let table = Csv::read(&file.path());
    for (row, column, expected) in [
        (0, "backend", "vllm"),
        (0, "request_rate", "inf"),
        (0, "max_concurrency", "16"),
        (0, "request_goodput", ""),
        (0, "mean_ttft_ms", "20.4849588125"),
        (0, "input_len", "16"),
        (0, "output_len", "64"),
        (0, "filename", "bench_io16x64_mc16_np64.json"),
        (0, "tool", "vllm-bench"),
        (0, "input_throughput", "761.9463344677876"),
        (1, "date", "20261121-212154"),
        (1, "model_id", "tiny-llama-gpt2tok"),
        (1, "num_prompts", "20"),
        (1, "request_rate", "10.0"),
        (1, "burstiness", "1.0"),
        (1, "max_concurrency", ""),
        (1, "duration", "2.2253539809998983"),
        (1, "request_goodput", "7.639234092708946"),
        (1, "p99_e2el_ms", "171.59369963002973"),
        (1, "p95_itl_ms", "17.472629900044012"),
        (1, "filename", "b.json"),
        (1, "failed", "0"),
        (1, "input_throughput", ""),
    ] {
        assert_eq!(table.cell(row, column), expected, "{column} of row {row}");
    }
}

#[test]
fn a_second_header_is_in_chinese() {
    let dir = tempfile::tempdir().expect("a folder");
    let dir = dir.path();
    put(dir, "vllm-bench-rust.json", "a.json", same);
    run(
        dir,
        &["aggregate", "a.json", "--bilingual", "--output", "t.csv"],
    );
    let table = Csv::read(&dir.join("t.csv"));
    let chinese: Vec<&str> = table.rows[0].iter().take(35).collect();
    assert_eq!(
        chinese.join(", "),
        "日期, 后端, 模型ID, 分词器ID, 提示数量, 请求速率, 突发性, 最大并发数, 持续时间, 完成数量, \
         总输入令牌数, 总输出令牌数, 请求吞吐量, 请求有效吞吐量, 输出吞吐量, 总令牌吞吐量, \
         平均首令牌时间(ms), 中位首令牌时间(ms), 首令牌时间标准差(ms), 首令牌时间P99(ms), \
         平均每令牌时间(ms), 中位每令牌时间(ms), 每令牌时间标准差(ms), 每令牌时间P99(ms), \
         平均令牌间延迟(ms), 中位令牌间延迟(ms), 令牌间延迟标准差(ms), 令牌间延迟P99(ms), \
         平均端到端延迟(ms), 中位端到端延迟(ms), 端到端延迟标准差(ms), 端到端延迟P99(ms), \
         输入长度, 输出长度, 文件名"
    );
    assert_eq!(table.cell(1, "model_id"), "rig");
    let done = bench_aggregate(dir, &["a.json", "--bilingual", "--output", "t.json"]);
    assert_eq!(done.code, Some(2));
    assert!(done.err.contains("--bilingual"), "{}", done.err);
}

#[test]
fn an_aggregate_is_read_again_as_it_was() {
    let dir = tempfile::tempdir().expect("a folder");
    let dir = dir.path();
    for name in [
        "vllm-bench-serve-0.32-random.json",
        "vllm-bench-rust.json",
        "guidellm-0.8.1.json",
    ] {
        put(dir, name, &format!("in/{name}"), same);
    }
    run(dir, &["in", "--output", "first.csv", "--bilingual"]);
    let runs = |path: &str| {
        let found = read_all(&[dir.join(path)], &ReadOptions::default());
        found.expect("readable").runs
    };
    let (files, rows) = (runs("in"), runs("first.csv"));
    assert_eq!(files.len(), rows.len());
    let table = Csv::read(&dir.join("first.csv"));
    for (file, row) in files.iter().zip(&rows) {
        for column in &table.header {
            assert_eq!(
                file.number(column),
                row.number(column).filter(|_| file.number(column).is_some()),
                "{column}"
            );
        }
        assert_eq!((&file.date, &file.model_id), (&row.date, &row.model_id));
    }
    run(dir, &["first.csv", "--output", "second.csv", "--bilingual"]);
    let again = Csv::read(&dir.join("second.csv"));
    for (row, _) in table.rows.iter().enumerate() {
        for column in &table.header {
            assert_eq!(
                again.cell(row, column),
                table.cell(row, column),
                "{column} of {row}"
            );
        }
    }
    // In a folder it would count twice.
    fs::rename(dir.join("first.csv"), dir.join("in/first.csv")).expect("moved");
    let found = read_all(&[dir.join("in")], &ReadOptions::default()).expect("readable");
    assert_eq!(found.runs.len(), 3);
    assert!(found.skipped[0].reason.contains("count twice"));
}

#[test]
fn the_same_table_in_json_markdown_and_parquet() {
    use parquet::file::reader::{FileReader, SerializedFileReader};
    use parquet::record::RowAccessor;

    let dir = tempfile::tempdir().expect("a folder");
    let dir = dir.path();
    put(
        dir,
        "vllm-bench-serve-0.32-random.json",
        "in/a.json",
        |text| text.replace("\"label\": null", "\"label\": \"a|b\""),
    );
    put(dir, "vllm-bench-rust.json", "in/b.json", same);
    run(dir, &["in", "--output", "t.json"]);
    let json = fs::read_to_string(dir.join("t.json")).expect("written");
    let json: Value = serde_json::from_str(&json).expect("JSON");
    assert_eq!(json[0]["p99_ttft_ms"], 171.525720269899);
    assert_eq!(json[0]["num_prompts"], 20);
    assert_eq!(json[0]["max_concurrency"], Value::Null);
    assert_eq!(json[1]["request_rate"], "inf");

    run(dir, &["in", "--format", "markdown", "--output", "t.txt"]);
    let markdown = fs::read_to_string(dir.join("t.txt")).expect("written");
    let lines: Vec<&str> = markdown.lines().collect();
    assert_eq!(lines.len(), 4);
    assert!(
        lines[0].starts_with("| date | model_id | backend | tool | label |"),
        "{markdown}"
    );
    assert!(
        lines[2].contains("| a\\|b |") && lines[2].contains("| 171.53 |"),
        "{markdown}"
    );

    run(dir, &["in", "--format", "parquet"]);
    let file = fs::read_dir(dir)
        .expect("a folder")
        .flatten()
        .map(|entry| entry.path());
    let file = file
        .into_iter()
        .find(|path| path.extension().is_some_and(|e| e == "parquet"));
    let file = fs::File::open(file.expect("written")).expect("readable");
    let reader = SerializedFileReader::new(file).expect("Parquet");
    let columns = reader.metadata().file_metadata().schema_descr();
    let names: Vec<&str> = columns
        .columns()
        .iter()
        .map(|column| column.name())
        .collect();
    assert_eq!(names[..35].join(","), CONTRACT);
    let rows: Vec<_> = reader.get_row_iter(None).expect("rows").flatten().collect();
    let place = |name: &str| {
        names
            .iter()
            .position(|known| *known == name)
            .expect("a column")
    };
    assert_eq!(rows.len(), 2);
    assert_eq!(rows[0].get_string(0).expect("a text"), "20261121-212154");
    assert_eq!(rows[0].get_long(place("num_prompts")).expect("a count"), 20);
    assert_eq!(
        rows[0].get_double(place("p99_ttft_ms")).expect("a number"),
        171.525720269899
    );
    assert!(
        rows[1]
            .get_double(place("request_rate"))
            .expect("a number")
            .is_infinite()
    );
    assert!(
        rows[0].get_long(place("max_concurrency")).is_err(),
        "it is null"
    );
}

#[test]
fn repetitions_are_one_row_with_percentiles_of_all_samples() {
    let dir = tempfile::tempdir().expect("a folder");
    let dir = dir.path();
    let source = "vllm-bench-serve-0.32-random.json";
    let other = |text: String| {
        text.replace("20261121-212154", "20261121-222154")
            .replace(
                "\"mean_ttft_ms\": 54.88410039997689",
                "\"mean_ttft_ms\": 60.0",
            )
            // The first TTFT, far out.
            .replace("[0.04160160900005394", "[7.5")
    };
    put(dir, source, "in/run1.json", same);
    put(dir, source, "in/run2.json", other);
    put(dir, source, "in/slow.json", |text| {
        text.replace("\"request_rate\": 10.0", "\"request_rate\": 5.0")
    });
    let done = run(dir, &["in", "--group", "--output", "t.csv"]);
    assert!(done.out.contains("2 rows for 3 runs"), "{}", done.out);
    let table = Csv::read(&dir.join("t.csv"));
    let number = |row, column: &str| table.cell(row, column).parse::<f64>().expect(column);
    assert_eq!(table.cell(0, "runs"), "2");
    assert_eq!(table.cell(0, "filename"), "run1.json;run2.json");
    assert_eq!(table.cell(0, "completed"), "20");
    let means = [54.88410039997689, 60.0];
    assert_eq!(number(0, "mean_ttft_ms"), (means[0] + means[1]) / 2.0);
    let interval = t_interval(&means, 0.95).expect("two runs");
    assert_eq!(number(0, "mean_ttft_ms_ci95_low"), interval.low);
    assert_eq!(number(0, "mean_ttft_ms_ci95_high"), interval.high);
    let deviation = (means[1] - means[0]) / 2f64.sqrt();
    assert!((number(0, "mean_ttft_ms_sd") - deviation).abs() < 1e-9);
    assert_eq!(number(0, "duration_sd"), 0.0);

    let options = ReadOptions {
        details: true,
        strict: true,
    };
    let paths = [dir.join("in/run1.json"), dir.join("in/run2.json")];
    let runs = read_all(&paths, &options).expect("readable").runs;
    for metric in ["ttft", "tpot", "itl", "e2el"] {
        let mut samples: Vec<f64> = runs.iter().flat_map(|run| run.samples(metric)).collect();
        let all = Distribution::of(&mut samples, &[90.0, 99.0]);
        assert_eq!(
            number(0, &format!("p99_{metric}_ms")),
            all.percentiles[1].value
        );
        assert_eq!(
            number(0, &format!("p90_{metric}_ms")),
            all.percentiles[0].value
        );
        assert_eq!(number(0, &format!("median_{metric}_ms")), all.median);
        assert_eq!(number(0, &format!("std_{metric}_ms")), all.std);
    }
    // The mean of both runs' percentiles would be far off.
    assert!(number(0, "p99_ttft_ms") > 1000.0);
    // There is nothing to note.
    assert!(!table.header.iter().any(|name| name == "note"));
    // A single run keeps its own numbers.
    assert_eq!(table.cell(1, "runs"), "1");
    assert_eq!(table.cell(1, "p99_ttft_ms"), "171.525720269899");
    assert_eq!(table.cell(1, "mean_ttft_ms_ci95_low"), "");
}

#[test]
fn repetitions_without_details_have_no_percentiles_and_a_note() {
    let dir = tempfile::tempdir().expect("a folder");
    let dir = dir.path();
    put(dir, "vllm-bench-rust.json", "in/1.json", same);
    put(dir, "vllm-bench-rust.json", "in/2.json", same);
    run(dir, &["in", "--group", "--output", "t.csv"]);
    let table = Csv::read(&dir.join("t.csv"));
    assert_eq!(table.rows.len(), 1);
    assert_eq!(table.cell(0, "mean_ttft_ms"), "20.4849588125");
    assert_eq!(table.cell(0, "p99_ttft_ms"), "");
    assert_eq!(table.cell(0, "p99_ttft_ms_sd"), "0.0");
    assert!(
        table
            .cell(0, "note")
            .contains("ttft: 0 of 2 runs have samples")
    );
}

#[test]
fn nothing_is_replaced_and_nothing_is_passed_over_unless_it_may_be() {
    let dir = tempfile::tempdir().expect("a folder");
    let dir = dir.path();
    put(dir, "vllm-bench-rust.json", "in/a.json", same);
    run(dir, &["in", "--output", "t.csv"]);
    let done = bench_aggregate(dir, &["in", "--output", "t.csv"]);
    assert_eq!(done.code, Some(2));
    assert!(
        done.err.contains("t.csv exists") && done.err.contains("--overwrite"),
        "{}",
        done.err
    );
    run(dir, &["in", "--output", "t.csv", "--overwrite"]);

    fs::write(dir.join("in/foreign.json"), "{\"a\": 1}").expect("written");
    let done = bench_aggregate(dir, &["in", "--strict", "--output", "s.csv"]);
    assert_eq!(done.code, Some(1));
    assert!(
        done.err.contains("foreign.json is no result"),
        "{}",
        done.err
    );
    assert!(!dir.join("s.csv").exists());

    fs::create_dir(dir.join("empty")).expect("made");
    let done = bench_aggregate(dir, &["empty"]);
    assert_eq!(done.code, Some(1));
    assert!(done.err.contains("no run was found"), "{}", done.err);
    let done = bench_aggregate(dir, &["in/foreign.json"]);
    assert_eq!(done.code, Some(1));
    assert!(done.err.contains("its keys: a"), "{}", done.err);
    assert_eq!(bench_aggregate(dir, &["no/such"]).code, Some(2));
    assert_eq!(bench_aggregate(dir, &[]).code, Some(2));
}

#[test]
fn further_keys_take_no_column_of_the_table() {
    let dir = tempfile::tempdir().expect("a folder");
    let dir = dir.path();
    let source = "vllm-bench-serve-0.32-random.json";
    put(dir, source, "in/a.json", |text| {
        let own = "{\"filename\": \"f\", \"tool\": \"t\", \"input_len\": \"i\", \"path\": \"p\", \
                   \"entry\": \"e\", \"x_path\": \"xp\",";
        text.replacen('{', own, 1)
    });
    let aiperf = "aiperf-0.13-profile_export_aiperf.json";
    put(dir, aiperf, "in/b.json", same);
    run(dir, &["in", "--output", "t.csv"]);
    let table = Csv::read(&dir.join("t.csv"));
    for (column, expected) in [
        ("filename", "a.json"),
        ("x_filename", "f"),
        ("tool", "vllm bench serve"),
        ("x_tool", "t"),
        ("input_len", ""),
        ("x_input_len", "i"),
        ("entry", "no such column"),
        ("x_entry", "e"),
        // Whichever of both comes first has the name.
        ("x_path", "p"),
        ("x_x_path", "xp"),
    ] {
        assert_eq!(table.cell(0, column), expected, "{column}");
    }
    assert!(table.cell(0, "path").ends_with("a.json"));
    let whole = table.cell(1, "total_output_tokens");
    assert!(whole.parse::<u64>().is_ok(), "{whole}");
    assert!(!table.header.iter().any(|n| n == "x_total_output_tokens"));
    run(dir, &["in", "--group", "--output", "g.csv"]);
    let grouped = Csv::read(&dir.join("g.csv"));
    assert_eq!(grouped.cell(0, "x_tool"), "t");
    assert_eq!(grouped.cell(0, "tool"), "vllm bench serve");

    // Read again, and by a program that writes counts with a decimal point.
    let text = fs::read_to_string(dir.join("t.csv")).expect("written");
    let floats = text.replace(&format!(",{whole},"), &format!(",{whole}.0,"));
    assert_ne!(text, floats);
    fs::write(dir.join("t.csv"), floats).expect("written");
    run(dir, &["t.csv", "--output", "again.csv"]);
    let again = Csv::read(&dir.join("again.csv"));
    assert_eq!(again.cell(1, "total_output_tokens"), whole);
    assert_eq!(again.cell(0, "filename"), "a.json");
    assert_eq!(again.cell(0, "x_tool"), "t");
}

/// A fixture on one line, changed.
fn line(name: &str, change: impl Fn(&mut Value)) -> String {
    let text = fs::read_to_string(fixture(name)).expect("a fixture");
    let mut value = serde_json::from_str(&text).expect("JSON");
    change(&mut value);
    value.to_string()
}

#[test]
fn lines_are_grouped_as_files_are() {
    let dir = tempfile::tempdir().expect("a folder");
    let dir = dir.path();
    let source = "vllm-bench-serve-0.32-random.json";
    let rates = [1.0, 2.0, 1.0, 2.0];
    let mut lines = Vec::new();
    for (number, rate) in rates.into_iter().enumerate() {
        let line = line(source, |value| {
            value["request_rate"] = rate.into();
            value["ttfts"][0] = (number as f64 * 3.0).into();
        });
        put(dir, source, &format!("files/{number}.json"), |_| {
            line.clone()
        });
        lines.push(line);
    }
    fs::write(dir.join("all.jsonl"), lines.join("\n\n")).expect("written");
    run(dir, &["files", "--group", "--output", "files.csv"]);
    run(dir, &["all.jsonl", "--group", "--output", "lines.csv"]);
    let (files, lines) = (
        Csv::read(&dir.join("files.csv")),
        Csv::read(&dir.join("lines.csv")),
    );
    assert_eq!(lines.rows.len(), 2);
    assert_eq!(lines.cell(1, "filename"), "all.jsonl:3;all.jsonl:7");
    for row in 0..2 {
        assert_ne!(lines.cell(row, "p99_ttft_ms"), "");
        for column in files.header.iter().filter(|name| *name != "filename") {
            assert_eq!(files.cell(row, column), lines.cell(row, column), "{column}");
        }
    }
}

#[test]
fn only_the_lines_that_are_asked_for_are_read_again() {
    let dir = tempfile::tempdir().expect("a folder");
    let path = dir.path().join("all.jsonl");
    let source = "vllm-bench-serve-0.32-random.json";
    let good = line(source, |_| {});
    let lines = ["{\"a\": 1}", &good, "", "no JSON at all", &good];
    fs::write(&path, lines.join("\n")).expect("written");
    let mut files = Rereader::default();
    for entries in [&[Some(5), Some(2)][..], &[Some(2)]] {
        let mut found = Vec::new();
        let read = files.read(&path, entries, &mut |run| {
            found.push((run.origin.entry, run.requests.len()));
        });
        assert_eq!(read, Ok(()));
        let mut expected: Vec<_> = entries.iter().map(|entry| (*entry, 20)).collect();
        expected.sort();
        assert_eq!(found, expected);
    }
    let read = files.read(&path, &[Some(4), Some(9)], &mut |_| {});
    let reason = read.expect_err("no run").reason;
    assert!(reason.contains("line 4 is no whole object"), "{reason}");
    let read = files.read(&path, &[Some(9)], &mut |_| {});
    assert!(read.expect_err("no run").reason.contains("no run 9"));
}

#[test]
fn what_cannot_be_read_again_is_told() {
    let dir = tempfile::tempdir().expect("a folder");
    let dir = dir.path();
    let source = "vllm-bench-serve-0.32-random.json";
    put(dir, source, "in/a.json", same);
    put(dir, source, "in/b.json", |text| {
        text.replace("[0.04160160900005394", "[\"soon\"")
    });
    let done = run(dir, &["in", "--group", "--output", "t.csv"]);
    assert!(
        done.err.contains("b.json: is not as its tool writes it"),
        "{}",
        done.err
    );
    let table = Csv::read(&dir.join("t.csv"));
    let note = table.cell(0, "note");
    assert!(
        note.contains("b.json is not as its tool writes it"),
        "{note}"
    );
    assert!(note.contains("ttft: 1 of 2 runs have samples"), "{note}");
    assert_eq!(table.cell(0, "p99_ttft_ms"), "");
    let done = bench_aggregate(dir, &["in", "--group", "--strict", "--output", "s.csv"]);
    assert_eq!(done.code, Some(1));
    assert!(done.err.contains("b.json is not as its"), "{}", done.err);
    assert!(!dir.join("s.csv").exists());
}

#[test]
fn verdicts_stay_with_groups_and_partial_runs_are_apart() {
    let dir = tempfile::tempdir().expect("a folder");
    let dir = dir.path();
    let header = "model_id,request_throughput,filename,simulated,partial,client_limited\n";
    let rows = "m,1.0,a,true,false,\nm,2.0,b,false,false,\nm,3.0,c,true,true,true\n";
    fs::write(dir.join("runs.csv"), format!("{header}{rows}")).expect("written");
    run(dir, &["runs.csv", "--group", "--output", "t.csv"]);
    let table = Csv::read(&dir.join("t.csv"));
    assert_eq!(table.rows.len(), 2);
    for (row, column, expected) in [
        (0, "runs", "2"),
        (0, "simulated", "true"),
        (0, "partial", "false"),
        (0, "client_limited", ""),
        (1, "runs", "1"),
        (1, "simulated", "true"),
        (1, "partial", "true"),
        (1, "client_limited", "true"),
    ] {
        assert_eq!(table.cell(row, column), expected, "{column} of {row}");
    }
    let note = table.cell(0, "note");
    assert!(note.contains("simulated: 1 of 2 runs"), "{note}");
    assert!(!table.cell(1, "note").contains("simulated"));
}
