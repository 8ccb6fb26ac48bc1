use bench_report::{Report, RequestSample, RequestsExport, RequestsFile, RequestsFormat};
use bench_types::{Failure, Sampling, ServerTimings, TokenSource};
use serde_json::{Value, json};

use crate::make;

fn write(report: &Report, format: RequestsFormat) -> String {
    let sampling = Sampling {
        temperature: Some(0.5),
        ..Sampling::default()
    };
    let export = RequestsExport {
        report,
        request_id: &|number| format!("req-{number}"),
        sampling: &sampling,
        now_unix: 1_795_296_200.0,
    };
    let mut out = Vec::new();
    export.write(format, &mut out).expect("written");
    String::from_utf8(out).expect("UTF-8")
}

/// One request that a server tells about, one that is answered, one that fails, and one that
/// was never sent.
fn report() -> Report {
    let mut told = make::answered(0);
    told.server = Some(ServerTimings {
        queue: Some(0.002),
        prefill: Some(0.25),
        decode: Some(0.5),
        ..ServerTimings::default()
    });
    let mut unsent = make::failed(3, Failure::Cancelled);
    unsent.timeline.sent = None;
    unsent.output_tokens_source = TokenSource::Unknown;
    let refused = make::failed(
        2,
        Failure::Status {
            code: 503,
            body: "full, \"really\"\nfull".to_owned(),
        },
    );
    make::report(vec![unsent, refused, make::answered(1), told])
}

#[test]
fn the_json_has_the_keys_of_the_format_in_their_order() {
    let text = write(&report(), RequestsFormat::Json);
    let file: Value = serde_json::from_str(&text).expect("JSON");
    assert_eq!(
        file["metadata"],
        json!({
            "total_requests": 4, "successful_requests": 2, "failed_requests": 2,
            "export_time": "2026-11-21T21:23:20.000000Z", "format_version": "1.0",
        })
    );
    let first = &file["requests"][0];
    let expected = json!({
        "request_id": "req-0", "trace_id": null, "success": true, "error_message": null,
        "timestamp": 1_795_296_114.5 + 30e-6,
        "send_time_iso": "2026-11-21T21:21:54.500030Z",
        "client_metrics": {
            // From the role chunk, as vllm bench serve does: 15, 20, 30, 40, 50, 51 ms.
            "e2e_latency_ms": 51.0, "ttft_ms": 15.0, "tpot_ms": 12.0, "itl_ms": 7.2,
        },
        "server_metrics": {
            "queue_time_ms": 2.0, "prefill_time_ms": 250.0, "decode_time_ms": 500.0,
            "inference_time_ms": 750.0, "e2e_time_ms": null, "ttft_ms": null,
        },
        "tokens": {"prompt_tokens": 16, "completion_tokens": 4},
        "request_params": {"model": "m", "temperature": 0.5, "top_p": null, "max_tokens": 4},
        "content": {"generated_text": "answer \"0\"", "text_length": 10},
        "detailed_data": {
            "itl_list_seconds": [0.005, 0.01, 0.01, 0.01, 0.001],
            "itl_list_ms": [5.0, 10.0, 10.0, 10.0, 1.0],
        },
    });
    assert_eq!(*first, expected);
    let keys = [
        "request_id",
        "trace_id",
        "success",
        "error_message",
        "timestamp",
        "send_time_iso",
        "client_metrics",
        "e2e_latency_ms",
        "ttft_ms",
        "tpot_ms",
        "itl_ms",
        "server_metrics",
        "queue_time_ms",
        "prefill_time_ms",
        "decode_time_ms",
        "inference_time_ms",
        "e2e_time_ms",
        "tokens",
        "prompt_tokens",
        "completion_tokens",
        "request_params",
        "model",
        "temperature",
        "top_p",
        "max_tokens",
        "content",
        "generated_text",
        "text_length",
        "detailed_data",
        "itl_list_seconds",
        "itl_list_ms",
    ];
    let mut rest = text.as_str();
    for key in keys {
        let quoted = format!("\"{key}\":");
        let place = rest
            .find(&quoted)
            .unwrap_or_else(|| panic!("{key} is out of order"));
        rest = &rest[place + quoted.len()..];
    }
}

#[test]
fn what_is_not_known_is_null() {
    let text = write(&report(), RequestsFormat::Json);
    let file: Value = serde_json::from_str(&text).expect("JSON");
    let (refused, unsent) = (&file["requests"][2], &file["requests"][3]);
    assert_eq!(refused["success"], false);
    assert_eq!(
        refused["error_message"],
        "HTTP status 503: full, \"really\"\nfull"
    );
    assert!(refused["timestamp"].is_number());
    for part in [
        "client_metrics",
        "server_metrics",
        "content",
        "detailed_data",
    ] {
        let part = refused[part].as_object().expect("an object");
        assert!(part.values().all(Value::is_null), "{part:?}");
    }
    assert_eq!(refused["tokens"]["completion_tokens"], Value::Null);
    assert_eq!(unsent["timestamp"], Value::Null);
    assert_eq!(unsent["send_time_iso"], Value::Null);
}

#[test]
fn the_csv_has_the_columns_of_the_format_in_their_order() {
    let text = write(&report(), RequestsFormat::Csv);
    let mut reader = csv::Reader::from_reader(text.as_bytes());
    let header = reader
        .headers()
        .expect("a header")
        .iter()
        .collect::<Vec<_>>()
        .join(", ");
    assert_eq!(
        header,
        "request_id, trace_id, success, error_message, timestamp, send_time_iso, \
         client_e2e_latency_ms, client_ttft_ms, client_tpot_ms, client_itl_ms, \
         server_queue_time_ms, server_prefill_time_ms, server_decode_time_ms, \
         server_inference_time_ms, server_e2e_time_ms, server_ttft_ms, prompt_tokens, \
         completion_tokens, param_model, param_temperature, param_top_p, param_max_tokens, \
         generated_text, text_length, itl_list_ms, itl_count"
    );
    let rows: Vec<Vec<String>> = reader
        .records()
        .map(|row| row.expect("a row").iter().map(str::to_owned).collect())
        .collect();
    let first = [
        "req-0",
        "",
        "true",
        "",
        "1795296114.50003",
        "2026-11-21T21:21:54.500030Z",
        "51.0",
        "15.0",
        "12.0",
        "7.2",
        "2.0",
        "250.0",
        "500.0",
        "750.0",
        "",
        "",
        "16",
        "4",
        "m",
        "0.5",
        "",
        "4",
        "answer \"0\"",
        "10",
        "[5.0,10.0,10.0,10.0,1.0]",
        "5",
    ];
    assert_eq!(rows[0], first);
    assert_eq!(rows[2][3], "HTTP status 503: full, \"really\"\nfull");
    assert_eq!(rows[2][6..16], [""; 10]);
    assert_eq!(rows[3][4..6], ["", ""]);
    assert_eq!(rows[3][24..26], ["", ""]);
}

#[test]
fn a_run_without_a_request_has_a_header() {
    let nothing = make::report(Vec::new());
    let text = write(&nothing, RequestsFormat::Csv);
    assert_eq!(text.lines().count(), 1);
    let text = write(&nothing, RequestsFormat::Json);
    let file: RequestsFile<'_> = serde_json::from_str(&text).expect("a file");
    assert!(file.requests.is_empty());
}

#[test]
fn what_was_written_is_read_again() {
    let text = write(&report(), RequestsFormat::Json);
    let file: RequestsFile<'_> = serde_json::from_str(&text).expect("a file");
    assert_eq!(file.metadata.failed_requests, 2);
    let samples: Vec<RequestSample> = file.requests.into_iter().map(Into::into).collect();
    assert_eq!(samples[0].start, Some(1_795_296_114.5 + 30e-6));
    assert_eq!(samples[0].ttft, Some(0.015));
    assert_eq!(samples[0].gaps, [0.005, 0.01, 0.01, 0.01, 0.001]);
    assert_eq!(samples[0].server.prefill, Some(0.25));
    assert_eq!(samples[0].output_tokens, Some(4));
    assert!(!samples[2].success && samples[2].gaps.is_empty() && samples[2].ttft.is_none());
}

#[test]
fn files_of_other_programs_may_lack_what_they_like() {
    let text = r#"{"metadata": {"total_requests": 1, "format_version": 1.0},
        "requests": [{"request_id": "a", "success": true, "timestamp": 10.5, "more": [1],
            "client_metrics": {"ttft_ms": 250}, "detailed_data": {"itl_list_ms": [500]}}]}"#;
    let file: RequestsFile<'_> = serde_json::from_str(text).expect("a file");
    let sample = RequestSample::from(file.requests[0].clone());
    assert_eq!((sample.start, sample.ttft), (Some(10.5), Some(0.25)));
    assert_eq!(sample.gaps, [0.5]);
    assert_eq!(sample.e2el, None);
}

#[test]
fn a_format_is_named_or_refused() {
    assert_eq!(
        "csv".parse::<RequestsFormat>().expect("known"),
        RequestsFormat::Csv
    );
    let error = "xml".parse::<RequestsFormat>().expect_err("unknown");
    assert!(error.to_string().contains("choose json or csv"), "{error}");
}
