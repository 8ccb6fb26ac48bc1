//! Azure's LLM inference traces of 2023 and 2024: when requests came, and how long they and their
//! answers were.
//!
//! A CSV with the columns `TIMESTAMP` (a date with a time, in UTC unless it says otherwise),
//! `ContextTokens` and `GeneratedTokens`. The earliest row of the file is the beginning of the
//! trace, and each row is a request that arrives as long after it as the file says, with a prompt of
//! its own of as many tokens as the row has. Rows without context or generated tokens are left out
//! and told.

use bench_types::Conversation;

use crate::trace::{self, AzureRows, Played, Rows};
use crate::{Dataset, DatasetError, SampleContext};

const NAME: &str = "azure-trace";

/// Azure's LLM inference traces (a CSV).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AzureTrace;

impl Dataset for AzureTrace {
    fn name(&self) -> &'static str {
        NAME
    }

    fn has_arrivals(&self) -> bool {
        true
    }

    fn takes_nonce(&self) -> bool {
        true
    }

    fn sample(&self, cx: &SampleContext<'_>) -> Result<Vec<Conversation>, DatasetError> {
        let path = trace::path(cx, NAME, "a CSV of Azure's LLM inference traces")?;
        let mut rows = Rows::read(AzureRows::new(trace::open(path)?, path)?, |_| None)?;
        rows.check_usable(
            path,
            "no row has context and generated tokens; give another file",
        )?;
        let slots = rows.schedule(cx, NAME)?;
        trace::play(cx, Played::lengths(NAME), &rows.rows, &slots)
    }
}
