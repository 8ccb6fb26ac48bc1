use std::path::{Path, PathBuf};

use bench_report::{PageFile, RequestsFormat, ResultFormat};
use clap::Args;
use serde::{Deserialize, Serialize};

/// What is reported, and where it is written.
#[derive(Args, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "kebab-case")]
#[command(next_help_heading = "Result")]
#[command(group(clap::ArgGroup::new("saved").multiple(true)))]
pub struct ResultOptions {
    /// Metrics to report, of ttft, tpot, itl, e2el and others
    ///
    /// `ttft,tpot,itl` if not given, `e2el` where answers are not streamed.
    #[arg(long, value_name = "LIST")]
    pub percentile_metrics: Option<String>,

    /// Percentiles to report, such as 50,90,99.9
    #[arg(long, value_name = "LIST", default_value_t = ResultOptions::default().metric_percentiles)]
    pub metric_percentiles: String,

    /// Objectives a good request meets, in milliseconds: ttft:200 tpot:50 e2el:5000
    #[arg(long, value_name = "METRIC:MS", num_args = 1..)]
    pub goodput: Vec<String>,

    /// A gap in a stream longer than this counts as a stall
    #[arg(long, value_name = "MS", default_value_t = ResultOptions::default().stall_ms)]
    pub stall_ms: f64,

    /// Exit with code 3 if a larger share of the requests failed, 0 to 1
    #[arg(long, value_name = "SHARE")]
    pub max_failure_rate: Option<f64>,

    /// Write the result as JSON, in the format of `vllm bench serve`
    #[arg(long, group = "saved")]
    pub save_result: bool,

    /// Write every request's lengths, times, text and error too
    #[arg(long, visible_alias = "output-details", requires = "saved")]
    pub save_detailed: bool,

    /// Whose format the result is written in: that of `vllm bench serve`, or SGLang's
    ///
    /// The line of SGLang's `bench_serving` holds what that tool measures, and nothing else.
    #[arg(long, value_name = "vllm|sglang", requires = "saved",
        default_value_t = ResultOptions::default().result_format)]
    pub result_format: ResultFormat,

    /// Add the result as a line to this file, in the format of SGLang's `bench_serving`
    #[arg(long, value_name = "FILE", group = "saved", conflicts_with_all = [
        "save_result", "append_result", "result_filename", "result_format", "overwrite"])]
    pub output_file: Option<PathBuf>,

    /// Write a file of per-request metrics, with the answers: a record or a row each
    ///
    /// In the folder of the result, under its name with the ending `.requests.json` or
    /// `.requests.csv`; with or without --save-result.
    #[arg(long, value_name = "json|csv")]
    pub save_requests: Option<RequestsFormat>,

    /// Write the result as a line added to a file that may exist
    #[arg(long, group = "saved")]
    pub append_result: bool,

    /// Replace a result, or a report, that exists
    #[arg(long, conflicts_with = "append_result")]
    pub overwrite: bool,

    /// Folder for the result; made if missing
    #[arg(long, value_name = "DIR", default_value = ".")]
    pub result_dir: PathBuf,

    /// Name of the result file
    ///
    /// `{label or backend}-{rate}qps[-concurrency{N}]-{model}-{date}.json` if not given.
    #[arg(long, value_name = "NAME")]
    pub result_filename: Option<String>,

    /// Write a report with charts to this file, as a page for a browser
    ///
    /// One HTML file with everything in it: it needs no network to be read.
    #[arg(long, value_name = "FILE")]
    pub report: Option<PathBuf>,

    /// Write every request to this file the moment it ends, as a line of JSON
    ///
    /// `bench-aggregate rebuild` makes the result of it should the run be killed. Beside the
    /// result, as NAME.records.jsonl, if a result is saved, but not one in the format of SGLang.
    #[arg(long, value_name = "FILE")]
    pub record_log: Option<PathBuf>,

    /// Write no record log
    #[arg(long, conflicts_with = "record_log")]
    pub no_record_log: bool,

    /// Name of the run, for the result and its file
    #[arg(long, visible_alias = "tag", value_name = "TEXT")]
    pub label: Option<String>,

    /// Pairs to store in the result
    #[arg(long, value_name = "KEY=VALUE", num_args = 0..)]
    pub metadata: Vec<String>,
}

impl Default for ResultOptions {
    fn default() -> Self {
        ResultOptions {
            percentile_metrics: None,
            metric_percentiles: "99".into(),
            goodput: Vec::new(),
            stall_ms: 500.0,
            max_failure_rate: None,
            save_result: false,
            save_detailed: false,
            result_format: ResultFormat::Vllm,
            output_file: None,
            save_requests: None,
            append_result: false,
            overwrite: false,
            result_dir: PathBuf::from("."),
            result_filename: None,
            report: None,
            record_log: None,
            no_record_log: false,
            label: None,
            metadata: Vec::new(),
        }
    }
}

impl ResultOptions {
    /// Whether a result is written.
    pub fn saves(&self) -> bool {
        self.save_result || self.adds_line()
    }

    /// Whether it is added to a file that may exist.
    pub fn adds_line(&self) -> bool {
        self.append_result || self.output_file.is_some()
    }

    /// The format that it is written in.
    pub fn format(&self) -> ResultFormat {
        match self.output_file {
            Some(_) => ResultFormat::Sglang,
            None => self.result_format,
        }
    }

    /// The folder that it is written to.
    pub fn folder(&self) -> &Path {
        let file = self.output_file.as_deref();
        file.map_or(&self.result_dir, |file| {
            file.parent().unwrap_or(Path::new(""))
        })
    }

    /// Its name, if the user chose one.
    pub fn file_name(&self) -> Option<&str> {
        match &self.output_file {
            Some(file) => file.file_name()?.to_str(),
            None => self.result_filename.as_deref(),
        }
    }

    /// Where the report for a browser goes, if one is asked for.
    pub fn page_file(&self) -> Option<PageFile> {
        let path = self.report.as_deref()?;
        Some(PageFile::new(path, self.overwrite))
    }
}
