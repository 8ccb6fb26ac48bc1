//! Per-request metrics, as `bench-serve --save-requests json` writes them.

use bench_report::{Origin, RequestSample, RequestsFile, RunResult, Tool, date_stamp};

use super::Taken;
use super::from_requests::summarise;
use super::json::Document;

/// A run of which only the requests are known; its numbers are computed from them.
pub(super) fn read(document: &Document, details: bool) -> Result<Taken, String> {
    let file: RequestsFile<'_> = document.whole()?;
    let starts = file.requests.iter().filter_map(|entry| entry.timestamp);
    let mut models = file
        .requests
        .iter()
        .filter_map(|r| r.request_params.model.as_deref());
    let first = models.next();
    let model = first.filter(|first| models.all(|model| model == *first));
    let mut run = RunResult {
        origin: Origin {
            tool: Tool::RequestMetrics,
            ..Origin::default()
        },
        date: starts.reduce(f64::min).map(date_stamp),
        model_id: model.map(str::to_owned),
        num_prompts: Some(file.metadata.total_requests),
        ..RunResult::default()
    };
    run.requests = file.requests.into_iter().map(RequestSample::from).collect();
    summarise(&mut run);
    if !details {
        run.requests.clear();
    }
    Ok(run.into())
}
