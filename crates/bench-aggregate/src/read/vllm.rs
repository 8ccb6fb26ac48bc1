//! Results in the schema of `vllm bench serve`: its own, those of bench-serve and of vllm-bench.

use bench_report::{RunResult, VllmResult};

use super::Taken;
use super::json::Document;

pub(super) fn read(document: &Document, details: bool) -> Result<Taken, String> {
    let result: VllmResult<'_> = if details {
        document.whole()?
    } else {
        document.without_lists()?
    };
    Ok(RunResult::from(result).into())
}
