//! Tests of the renderers, with results of `vllm bench serve` itself as the measure.

mod beside;
mod console;
mod conversations;
mod destination;
mod kinds;
mod make;
mod record_log;
mod requests_file;
mod run_result;
mod sglang_json;
mod vllm_json;
