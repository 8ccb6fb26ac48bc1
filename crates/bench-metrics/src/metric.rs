use std::iter;

use bench_types::{MarkKind, Nanos, RequestRecord, TokenSource};
use serde::{Deserialize, Serialize};

use crate::MetricsError;

/// By whose rules a timeline is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Convention {
    /// As `vllm bench serve` does: every chunk with a choice counts, a chunk is a token.
    Vllm,
    /// Only content counts, and tokens are counted as tokens.
    Strict,
    /// As [`Convention::Strict`], but from the time the request was meant to leave, so that
    /// waiting inside the client counts (no coordinated omission).
    Intended,
}

/// What the values of a metric are counted in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Unit {
    /// Milliseconds.
    Millis,
    /// Tokens.
    Tokens,
}

/// One metric: a rule that turns the record of a completed request into samples.
#[derive(Clone, Copy, Debug)]
pub struct Metric {
    /// The name in options and results, such as `ttft`.
    pub name: &'static str,
    /// The short name in a report, such as `TTFT`.
    pub label: &'static str,
    /// The heading in a report, such as `Time to First Token`.
    pub title: &'static str,
    /// The unit of its samples.
    pub unit: Unit,
    /// Whether a request has at most one sample. Only for such metrics does a failed request
    /// count as one infinite sample.
    pub per_request: bool,
    /// Whether an answer that came whole has it too: it needs no stream of tokens.
    pub whole: bool,
    /// The conventions under which it is defined and differs from the one before.
    pub conventions: &'static [Convention],
    /// Appends the samples of one completed request.
    pub observe: fn(&RequestRecord, Convention, &mut Vec<f64>),
}

impl Metric {
    /// The metric of that name.
    pub fn find(name: &str) -> Option<&'static Metric> {
        METRICS.iter().copied().find(|metric| metric.name == name)
    }
}

const ALL: &[Convention] = &[Convention::Vllm, Convention::Strict, Convention::Intended];
const SENT: &[Convention] = &[Convention::Vllm, Convention::Strict];
const CONTENT: &[Convention] = &[Convention::Strict, Convention::Intended];
const VLLM: &[Convention] = &[Convention::Vllm];
const STRICT: &[Convention] = &[Convention::Strict];

/// Every metric, in the order of reports.
pub const METRICS: &[&Metric] = &[
    &Metric {
        name: "ttft",
        label: "TTFT",
        title: "Time to First Token",
        unit: Unit::Millis,
        per_request: true,
        whole: false,
        conventions: ALL,
        observe: |record, convention, out| {
            out.extend(ttft(record, convention).map(Nanos::as_millis_f64))
        },
    },
    &Metric {
        name: "tpot",
        label: "TPOT",
        title: "Time per Output Token (excl. 1st token)",
        unit: Unit::Millis,
        per_request: true,
        whole: false,
        conventions: SENT,
        observe: |record, convention, out| out.extend(tpot(record, convention)),
    },
    &Metric {
        name: "itl",
        label: "ITL",
        title: "Inter-token Latency",
        unit: Unit::Millis,
        per_request: false,
        whole: false,
        conventions: SENT,
        observe: itl,
    },
    &Metric {
        name: "e2el",
        label: "E2EL",
        title: "End-to-end Latency",
        unit: Unit::Millis,
        per_request: true,
        whole: true,
        conventions: ALL,
        observe: |record, convention, out| {
            out.extend(e2el(record, convention).map(Nanos::as_millis_f64))
        },
    },
    &Metric {
        name: "ttfat",
        label: "TTFAT",
        title: "Time to First Answer Token",
        unit: Unit::Millis,
        per_request: true,
        whole: false,
        conventions: CONTENT,
        observe: |record, convention, out| {
            out.extend(ttfat(record, convention).map(Nanos::as_millis_f64))
        },
    },
    &Metric {
        name: "closed",
        label: "Closed",
        title: "Time to End of Response",
        unit: Unit::Millis,
        per_request: true,
        whole: true,
        conventions: CONTENT,
        observe: |record, convention, out| {
            let closed = span(record, convention, Some(record.timeline.closed));
            out.extend(closed.map(Nanos::as_millis_f64));
        },
    },
    &Metric {
        name: "chunk_gap",
        label: "Chunk gap",
        title: "Gap between Chunks",
        unit: Unit::Millis,
        per_request: false,
        whole: false,
        conventions: STRICT,
        observe: |record, _, out| out.extend(content_gaps(record).map(Nanos::as_millis_f64)),
    },
    &Metric {
        name: "burst_size",
        label: "Burst size",
        title: "Tokens per Chunk",
        unit: Unit::Tokens,
        per_request: false,
        whole: false,
        conventions: STRICT,
        observe: burst_size,
    },
    &Metric {
        name: "longest_gap",
        label: "Longest gap",
        title: "Longest Gap of a Request",
        unit: Unit::Millis,
        per_request: true,
        whole: false,
        conventions: STRICT,
        observe: |record, _, out| {
            out.extend(content_gaps(record).max().map(Nanos::as_millis_f64));
        },
    },
    &Metric {
        name: "queue_time",
        label: "Queue time",
        title: "Client Queue Time (scheduled to sent)",
        unit: Unit::Millis,
        per_request: true,
        whole: true,
        conventions: SENT,
        observe: |record, _, out| out.extend(queue_time(record).map(Nanos::as_millis_f64)),
    },
    &Metric {
        name: "client_queue_time",
        label: "Client queue time",
        title: "Client Queue Time",
        unit: Unit::Millis,
        per_request: true,
        whole: true,
        conventions: VLLM,
        observe: |record, _, out| out.extend(queue_time(record).map(Nanos::as_millis_f64)),
    },
    &Metric {
        name: "e2el_including_client_queue",
        label: "E2EL incl. queue",
        title: "End-to-end Latency including Client Queue",
        unit: Unit::Millis,
        per_request: true,
        whole: true,
        conventions: VLLM,
        observe: |record, convention, out| {
            let queued = queue_time(record).zip(e2el(record, convention));
            out.extend(queued.map(|(queue, e2el)| (queue + e2el).as_millis_f64()));
        },
    },
    &Metric {
        name: "slot_wait",
        label: "Slot wait",
        title: "Wait for a Slot (scheduled to released)",
        unit: Unit::Millis,
        per_request: true,
        whole: true,
        conventions: STRICT,
        observe: |record, _, out| {
            let timeline = &record.timeline;
            out.push(timeline.released.since(timeline.scheduled).as_millis_f64());
        },
    },
];

/// Reads a list of metric names separated by commas, such as `ttft,tpot,itl`.
///
/// The result is in the order of [`METRICS`], without repetitions. Only metrics in
/// milliseconds can be chosen.
pub fn parse_metrics(list: &str) -> Result<Vec<&'static Metric>, MetricsError> {
    let choices = METRICS.iter().filter(|metric| metric.unit == Unit::Millis);
    let names = list
        .split(',')
        .map(str::trim)
        .filter(|name| !name.is_empty());
    for name in names.clone() {
        if !choices.clone().any(|metric| metric.name == name) {
            return Err(MetricsError::unknown(
                name,
                choices.map(|metric| metric.name),
            ));
        }
    }
    let chosen = choices.filter(|metric| names.clone().any(|name| name == metric.name));
    Ok(chosen.copied().collect())
}

/// The zero point of a convention.
fn origin(record: &RequestRecord, convention: Convention) -> Option<Nanos> {
    match convention {
        Convention::Vllm | Convention::Strict => record.timeline.sent,
        Convention::Intended => Some(record.timeline.scheduled),
    }
}

fn span(record: &RequestRecord, convention: Convention, end: Option<Nanos>) -> Option<Nanos> {
    Some(end?.since(origin(record, convention)?))
}

fn first(record: &RequestRecord, convention: Convention) -> Option<Nanos> {
    let mark = match convention {
        Convention::Vllm => record.timeline.choices().next(),
        Convention::Strict | Convention::Intended => record.timeline.contents().next(),
    };
    mark.map(|mark| mark.at)
}

pub(crate) fn last(record: &RequestRecord, convention: Convention) -> Option<Nanos> {
    // An answer that came whole has an end, though no first token.
    let ends = |kind: MarkKind| match convention {
        Convention::Vllm => kind.is_choice() || kind == MarkKind::Whole,
        Convention::Strict | Convention::Intended => kind.is_content() || kind == MarkKind::Whole,
    };
    let mut marks = record.timeline.marks.iter().rev();
    marks.find(|mark| ends(mark.kind)).map(|mark| mark.at)
}

/// Time to the first token of one request; `None` if none came.
pub fn ttft(record: &RequestRecord, convention: Convention) -> Option<Nanos> {
    span(record, convention, first(record, convention))
}

fn ttfat(record: &RequestRecord, convention: Convention) -> Option<Nanos> {
    let mut answer = record
        .timeline
        .contents()
        .filter(|mark| mark.kind != MarkKind::Reasoning);
    span(record, convention, answer.next().map(|mark| mark.at))
}

pub(crate) fn tpot(record: &RequestRecord, convention: Convention) -> Option<f64> {
    if record.output_tokens <= 1 {
        return None;
    }
    let generating = last(record, convention)?.since(first(record, convention)?);
    Some(generating.as_millis_f64() / f64::from(record.output_tokens - 1))
}

/// End-to-end latency of one request; `None` if no token came.
pub fn e2el(record: &RequestRecord, convention: Convention) -> Option<Nanos> {
    span(record, convention, last(record, convention))
}

/// How long one request waited in the client, from `scheduled` to `sent`.
pub fn queue_time(record: &RequestRecord) -> Option<Nanos> {
    let timeline = &record.timeline;
    timeline.sent.map(|sent| sent.since(timeline.scheduled))
}

/// Tokens that came with one stream event.
#[derive(Clone, Copy)]
pub(crate) struct Arrival {
    pub(crate) at: Nanos,
    /// Zero where a content chunk brought no token of its own.
    pub(crate) tokens: u16,
    pub(crate) content: bool,
}

/// The latencies that are told of parts of a run.
pub const PART_METRICS: [&str; 4] = ["ttft", "tpot", "itl", "e2el"];

/// The output tokens of a request that came at times that are `inside`, by the tokens of each
/// chunk. Where those are not known each chunk stands for the same number, and an answer that
/// came whole came when it ended.
pub(crate) fn output_tokens_at(record: &RequestRecord, inside: impl Fn(Nanos) -> bool) -> f64 {
    let all = f64::from(record.output_tokens);
    let (mut some, mut total) = (0_u64, 0_u64);
    for arrival in arrivals(record) {
        let tokens = u64::from(arrival.tokens);
        total += tokens;
        some += if inside(arrival.at) { tokens } else { 0 };
    }
    match total {
        0 if inside(record.timeline.closed) => all,
        0 => 0.0,
        total => all * some as f64 / total as f64,
    }
}

/// Content chunks, and empty chunks that brought tokens.
///
/// Where nobody counted the tokens of the chunks, each content chunk stands for one.
pub(crate) fn arrivals(record: &RequestRecord) -> impl Iterator<Item = Arrival> {
    let known = chunk_tokens_known(record);
    record.timeline.choices().filter_map(move |mark| {
        let content = mark.kind.is_content();
        let tokens = if known {
            mark.tokens
        } else {
            u16::from(content)
        };
        (content || tokens > 0).then_some(Arrival {
            at: mark.at,
            tokens,
            content,
        })
    })
}

/// Whether the tokens of the chunks were counted and not assumed.
pub fn chunk_tokens_known(record: &RequestRecord) -> bool {
    !matches!(
        record.chunk_tokens,
        TokenSource::Chunks | TokenSource::Unknown
    )
}

/// Gaps between successive content chunks.
pub(crate) fn content_gaps(record: &RequestRecord) -> impl Iterator<Item = Nanos> {
    let mut contents = record.timeline.contents();
    let mut last = contents.next().map(|mark| mark.at);
    contents.map(move |mark| {
        let gap = mark.at.since(last.unwrap_or(mark.at));
        last = Some(mark.at);
        gap
    })
}

fn itl(record: &RequestRecord, convention: Convention, out: &mut Vec<f64>) {
    if convention == Convention::Vllm {
        out.extend(choice_gaps(record).map(Nanos::as_millis_f64));
        return;
    }
    // Tokens before the first content are part of the TTFT, so that TTFT plus all ITLs
    // always lead to the last token.
    let mut arrivals = arrivals(record).skip_while(|arrival| !arrival.content);
    let Some(first) = arrivals.next() else {
        return;
    };
    let mut last = first.at;
    for arrival in arrivals.filter(|arrival| arrival.tokens > 0) {
        let tokens = usize::from(arrival.tokens);
        let gap = arrival.at.since(last).as_millis_f64();
        out.extend(iter::repeat_n(gap / tokens as f64, tokens));
        last = arrival.at;
    }
}

/// Gaps between successive chunks with a choice: what `vllm bench serve` calls ITL.
pub fn choice_gaps(record: &RequestRecord) -> impl Iterator<Item = Nanos> {
    let mut choices = record.timeline.choices();
    let mut last = choices.next().map(|mark| mark.at);
    choices.map(move |mark| {
        let gap = mark.at.since(last.unwrap_or(mark.at));
        last = Some(mark.at);
        gap
    })
}

fn burst_size(record: &RequestRecord, _: Convention, out: &mut Vec<f64>) {
    if chunk_tokens_known(record) {
        let bursts = arrivals(record).filter(|arrival| arrival.tokens > 0);
        out.extend(bursts.map(|arrival| f64::from(arrival.tokens)));
    }
}
