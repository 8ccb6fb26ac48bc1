//! Per-request metrics: one entry for each request, as JSON or as CSV.

use std::borrow::Cow;
use std::fmt;
use std::io::{self, Write};
use std::str::FromStr;

use bench_metrics::{Convention, Metric, choice_gaps, comes_whole, e2el, ttft};
use bench_types::{Nanos, RequestRecord, Sampling, Task, TokenSource};
use jiff::Timestamp;
use serde::ser::SerializeStruct;
use serde::{Deserialize, Serialize, Serializer};
use serde_json::Value;

use crate::{Report, ReportError, RequestSample, ServerTimes, VllmResult};

/// What stands under `format_version`.
const FORMAT_VERSION: &str = "1.0";

/// What a file of per-request metrics is written as.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RequestsFormat {
    /// One object with `metadata` and `requests`.
    Json,
    /// A row for each request.
    Csv,
}

impl RequestsFormat {
    /// What a file name ends in, after the stem and a dot: `requests.json`.
    pub fn extension(self) -> &'static str {
        match self {
            RequestsFormat::Json => "requests.json",
            RequestsFormat::Csv => "requests.csv",
        }
    }
}

/// Its name in options.
impl fmt::Display for RequestsFormat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            RequestsFormat::Json => "json",
            RequestsFormat::Csv => "csv",
        })
    }
}

impl FromStr for RequestsFormat {
    type Err = ReportError;

    fn from_str(text: &str) -> Result<RequestsFormat, ReportError> {
        match text {
            "json" => Ok(RequestsFormat::Json),
            "csv" => Ok(RequestsFormat::Csv),
            _ => Err(ReportError::RequestsFormat {
                text: text.to_owned(),
            }),
        }
    }
}

/// A file of per-request metrics as it is read. What a request does not have is `None`.
#[derive(Clone, Debug, Deserialize)]
pub struct RequestsFile<'a> {
    /// What all requests have in common.
    pub metadata: RequestsMetadata<'a>,
    /// Every request.
    #[serde(borrow)]
    pub requests: Vec<RequestEntry<'a>>,
}

/// How many requests a file has, and when it was written.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct RequestsMetadata<'a> {
    /// Requests in the file.
    pub total_requests: u64,
    /// Requests answered whole.
    pub successful_requests: u64,
    /// Requests not answered whole.
    pub failed_requests: u64,
    /// When the file was written.
    pub export_time: Option<Cow<'a, str>>,
    /// Version of the format; a text here, a number in files of other programs.
    pub format_version: Value,
}

/// One request of a file of per-request metrics.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct RequestEntry<'a> {
    /// The `x-request-id` it was sent with.
    pub request_id: Option<Cow<'a, str>>,
    /// The trace it belongs to, if the client took part in one.
    pub trace_id: Option<Cow<'a, str>>,
    /// Whether it was answered whole.
    pub success: bool,
    /// What went wrong, if anything did.
    pub error_message: Option<Cow<'a, str>>,
    /// When it was sent, in seconds since 1970; `None` if it never was.
    pub timestamp: Option<f64>,
    /// The same as a date and time.
    pub send_time_iso: Option<Cow<'a, str>>,
    /// What the client measured.
    pub client_metrics: ClientMetrics,
    /// What the server says.
    pub server_metrics: ServerMetrics,
    /// Token counts.
    pub tokens: TokenCounts,
    /// What was asked for.
    pub request_params: RequestParams<'a>,
    /// The answer.
    pub content: Content<'a>,
    /// The gaps of the stream.
    pub detailed_data: DetailedData,
}

/// What the client measured of one request that was answered whole, in milliseconds, by the
/// rules of `vllm bench serve`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct ClientMetrics {
    /// End-to-end latency.
    pub e2e_latency_ms: Option<f64>,
    /// Time to first token.
    pub ttft_ms: Option<f64>,
    /// Time per output token after the first.
    pub tpot_ms: Option<f64>,
    /// Mean of the gaps between chunks.
    pub itl_ms: Option<f64>,
}

/// What the server says about one request, in milliseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct ServerMetrics {
    /// Waiting for its turn.
    pub queue_time_ms: Option<f64>,
    /// Reading the prompt.
    pub prefill_time_ms: Option<f64>,
    /// Writing the answer.
    pub decode_time_ms: Option<f64>,
    /// Both of them.
    pub inference_time_ms: Option<f64>,
    /// From arrival to the end.
    pub e2e_time_ms: Option<f64>,
    /// From arrival to the first token.
    pub ttft_ms: Option<f64>,
}

/// Token counts of one request.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct TokenCounts {
    /// Of the prompt.
    pub prompt_tokens: Option<u64>,
    /// Of the answer.
    pub completion_tokens: Option<u64>,
}

/// What was asked for; `None` left the choice to the server.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct RequestParams<'a> {
    /// The model.
    pub model: Option<Cow<'a, str>>,
    /// Sampling temperature.
    pub temperature: Option<f64>,
    /// Nucleus sampling mass.
    pub top_p: Option<f64>,
    /// Most tokens of the answer.
    pub max_tokens: Option<u64>,
}

/// The answer to one request, if it was kept.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Content<'a> {
    /// The text.
    pub generated_text: Option<Cow<'a, str>>,
    /// Its length in characters.
    pub text_length: Option<u64>,
}

/// The gaps between the chunks of one request; `None` if it had no stream.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct DetailedData {
    /// In seconds.
    pub itl_list_seconds: Option<Vec<f64>>,
    /// In milliseconds.
    pub itl_list_ms: Option<Vec<f64>>,
}

/// The per-request metrics of a report, on their way to a file.
///
/// Entries are made one by one as they are written.
pub struct RequestsExport<'a> {
    /// The run.
    pub report: &'a Report,
    /// The `x-request-id` of a request by its [`RequestRecord::id`].
    pub request_id: &'a dyn Fn(u64) -> String,
    /// The sampling parameters that were sent with every request.
    pub sampling: &'a Sampling,
    /// Now, in seconds since 1970.
    pub now_unix: f64,
}

impl RequestsExport<'_> {
    /// Writes the metrics.
    ///
    /// # Errors
    /// If `out` fails.
    pub fn write(&self, format: RequestsFormat, out: impl Write) -> io::Result<()> {
        match format {
            RequestsFormat::Json => self.json(out),
            RequestsFormat::Csv => self.csv(out),
        }
    }

    fn json(&self, mut out: impl Write) -> io::Result<()> {
        serde_json::to_writer(&mut out, self)?;
        out.write_all(b"\n")
    }

    fn csv(&self, out: impl Write) -> io::Result<()> {
        // The header has to be there without a request too.
        let mut out = csv::WriterBuilder::new()
            .has_headers(false)
            .from_writer(out);
        out.write_record(COLUMNS)?;
        for record in VllmResult::in_order(self.report) {
            out.serialize(row(self.entry(record)))?;
        }
        out.flush()
    }

    fn metadata(&self) -> RequestsMetadata<'static> {
        let total = self.report.records.len() as u64;
        let whole = |record: &&RequestRecord| record.outcome.is_success();
        let successful = self.report.records.iter().filter(whole).count() as u64;
        RequestsMetadata {
            total_requests: total,
            successful_requests: successful,
            failed_requests: total - successful,
            export_time: iso(self.now_unix).map(Cow::Owned),
            format_version: Value::from(FORMAT_VERSION),
        }
    }

    fn entry<'r>(&'r self, record: &'r RequestRecord) -> RequestEntry<'r> {
        let sent = record.timeline.sent.map(Nanos::as_secs_f64);
        let timestamp = sent.map(|sent| self.report.facts.epoch_unix + sent);
        let whole = record.outcome.is_success();
        let streams = !comes_whole(self.report.setup.task, self.report.setup.streamed);
        RequestEntry {
            request_id: Some(Cow::Owned((self.request_id)(record.id))),
            trace_id: None,
            success: whole,
            error_message: record.outcome.problem().map(Cow::Owned),
            timestamp,
            send_time_iso: timestamp.and_then(iso).map(Cow::Owned),
            client_metrics: if whole {
                client_metrics(record)
            } else {
                ClientMetrics::default()
            },
            server_metrics: server_metrics(record),
            tokens: self.tokens(record),
            request_params: self.params(record),
            content: content(record),
            detailed_data: if whole && streams {
                detailed_data(record)
            } else {
                DetailedData::default()
            },
        }
    }

    fn tokens(&self, record: &RequestRecord) -> TokenCounts {
        let known = |source, tokens| (source != TokenSource::Unknown).then_some(u64::from(tokens));
        let written = record.outcome.is_success() && self.report.setup.task != Task::Pool;
        let completion = known(record.output_tokens_source, record.output_tokens);
        TokenCounts {
            prompt_tokens: known(record.prompt_tokens_source, record.prompt_tokens),
            completion_tokens: completion.filter(|_| written),
        }
    }

    fn params(&self, record: &RequestRecord) -> RequestParams<'_> {
        let setup = &self.report.setup;
        let model = setup.models.get(usize::from(record.model_index));
        let limited = setup.task == Task::Generate;
        RequestParams {
            model: model.map(|model| Cow::Borrowed(model.as_str())),
            temperature: self.sampling.temperature,
            top_p: self.sampling.top_p,
            max_tokens: limited.then_some(u64::from(record.max_output_tokens)),
        }
    }
}

impl fmt::Debug for RequestsExport<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RequestsExport")
            .field("requests", &self.report.records.len())
            .field("sampling", &self.sampling)
            .finish_non_exhaustive()
    }
}

/// The JSON form.
impl Serialize for RequestsExport<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut file = serializer.serialize_struct("RequestsFile", 2)?;
        file.serialize_field("metadata", &self.metadata())?;
        file.serialize_field("requests", &Entries(self))?;
        file.end()
    }
}

struct Entries<'a>(&'a RequestsExport<'a>);

impl Serialize for Entries<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let records = VllmResult::in_order(self.0.report).into_iter();
        serializer.collect_seq(records.map(|record| self.0.entry(record)))
    }
}

/// A request with its times as they were measured: the gaps in seconds where the file has both
/// forms.
impl From<RequestEntry<'_>> for RequestSample {
    fn from(entry: RequestEntry<'_>) -> RequestSample {
        let seconds = |ms: Option<f64>| ms.map(|ms| ms / 1e3);
        let details = entry.detailed_data;
        let in_seconds = |gaps: Vec<f64>| gaps.into_iter().map(|ms| ms / 1e3).collect();
        let gaps = details.itl_list_seconds;
        let gaps = gaps.or_else(|| details.itl_list_ms.map(in_seconds));
        RequestSample {
            id: entry.request_id.map(Cow::into_owned),
            success: entry.success,
            error: entry.error_message.map(Cow::into_owned),
            start: entry.timestamp,
            client_queue: None,
            ttft: seconds(entry.client_metrics.ttft_ms),
            e2el: seconds(entry.client_metrics.e2e_latency_ms),
            failed_after: None,
            gaps: gaps.unwrap_or_default(),
            chunk_tokens: Vec::new(),
            input_tokens: entry.tokens.prompt_tokens,
            output_tokens: entry.tokens.completion_tokens,
            server: ServerTimes {
                queue: seconds(entry.server_metrics.queue_time_ms),
                prefill: seconds(entry.server_metrics.prefill_time_ms),
                decode: seconds(entry.server_metrics.decode_time_ms),
            },
        }
    }
}

fn client_metrics(record: &RequestRecord) -> ClientMetrics {
    let millis = |span: Option<Nanos>| span.map(Nanos::as_millis_f64);
    let mut tpot = Vec::new();
    if let Some(metric) = Metric::find("tpot") {
        (metric.observe)(record, Convention::Vllm, &mut tpot);
    }
    let (count, total) = choice_gaps(record).fold((0u32, Nanos::ZERO), |(count, total), gap| {
        (count + 1, total.saturating_add(gap))
    });
    ClientMetrics {
        e2e_latency_ms: millis(e2el(record, Convention::Vllm)),
        ttft_ms: millis(ttft(record, Convention::Vllm)),
        tpot_ms: tpot.first().copied(),
        itl_ms: (count > 0).then(|| total.as_millis_f64() / f64::from(count)),
    }
}

fn server_metrics(record: &RequestRecord) -> ServerMetrics {
    let millis = |seconds: Option<f64>| seconds.map(|s| s * 1e3).filter(|ms| ms.is_finite());
    let said = record.server.unwrap_or_default();
    let inference = said.prefill.zip(said.decode);
    ServerMetrics {
        queue_time_ms: millis(said.queue),
        prefill_time_ms: millis(said.prefill),
        decode_time_ms: millis(said.decode),
        inference_time_ms: millis(inference.map(|(prefill, decode)| prefill + decode)),
        e2e_time_ms: millis(said.e2e),
        ttft_ms: millis(said.ttft),
    }
}

fn content(record: &RequestRecord) -> Content<'_> {
    let whole = record.outcome.is_success();
    let transcript = record.transcript.as_ref().filter(|_| whole);
    let text = transcript.map(|transcript| transcript.text.as_str());
    Content {
        generated_text: text.map(Cow::Borrowed),
        text_length: text.map(|text| text.chars().count() as u64),
    }
}

fn detailed_data(record: &RequestRecord) -> DetailedData {
    DetailedData {
        itl_list_seconds: Some(choice_gaps(record).map(Nanos::as_secs_f64).collect()),
        itl_list_ms: Some(choice_gaps(record).map(Nanos::as_millis_f64).collect()),
    }
}

/// A time in seconds since 1970 as `2026-11-21T21:23:13.700000Z`.
fn iso(unix_seconds: f64) -> Option<String> {
    let time = Timestamp::from_microsecond((unix_seconds * 1e6).round() as i64).ok()?;
    Some(format!("{time:.6}"))
}

/// The header of the CSV.
const COLUMNS: [&str; 26] = [
    "request_id",
    "trace_id",
    "success",
    "error_message",
    "timestamp",
    "send_time_iso",
    "client_e2e_latency_ms",
    "client_ttft_ms",
    "client_tpot_ms",
    "client_itl_ms",
    "server_queue_time_ms",
    "server_prefill_time_ms",
    "server_decode_time_ms",
    "server_inference_time_ms",
    "server_e2e_time_ms",
    "server_ttft_ms",
    "prompt_tokens",
    "completion_tokens",
    "param_model",
    "param_temperature",
    "param_top_p",
    "param_max_tokens",
    "generated_text",
    "text_length",
    "itl_list_ms",
    "itl_count",
];

/// A request under [`COLUMNS`]; what is not known is an empty cell.
fn row(entry: RequestEntry<'_>) -> impl Serialize {
    let gaps = entry.detailed_data.itl_list_ms;
    let count = gaps.as_ref().map(Vec::len);
    let list = gaps.map(|gaps| Value::from(gaps).to_string());
    (
        entry.request_id,
        entry.trace_id,
        entry.success,
        entry.error_message,
        entry.timestamp,
        entry.send_time_iso,
        entry.client_metrics,
        entry.server_metrics,
        entry.tokens,
        entry.request_params,
        entry.content,
        list,
        count,
    )
}
