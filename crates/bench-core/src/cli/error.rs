use bench_backends::BackendError;
use bench_datasets::DatasetError;
use bench_metrics::MetricsError;
use bench_report::ReportError;

use crate::{ArrivalsError, RunError};

/// Why options do not make a run.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OptionsError {
    /// A flag has a value it cannot have.
    #[error("{flag}: {problem}")]
    Flag {
        /// The flag, with its dashes.
        flag: &'static str,
        /// What is wrong and how to mend it.
        problem: String,
    },
    /// A load shape that cannot be.
    #[error(transparent)]
    Arrivals(#[from] ArrivalsError),
    /// No such backend.
    #[error("--backend: {0}")]
    Backend(#[from] BackendError),
    /// The dataset cannot be used.
    #[error(transparent)]
    Dataset(#[from] DatasetError),
    /// The tokenizer cannot be loaded.
    #[error("{0} (--tokenizer PATH names one, --skip-tokenizer-init does without)")]
    Tokenizer(#[source] DatasetError),
    /// A list of metrics, percentiles or objectives that makes no sense.
    #[error("{flag}: {source}")]
    Metrics {
        /// The flag, with its dashes.
        flag: &'static str,
        /// What is wrong.
        source: MetricsError,
    },
    /// The result cannot be written where it should go.
    #[error(transparent)]
    Report(#[from] ReportError),
    /// The server could not be asked what the options leave open.
    #[error(transparent)]
    Run(#[from] RunError),
}

impl OptionsError {
    /// Whether the command line is at fault, rather than a server or a file system.
    pub fn is_usage(&self) -> bool {
        match self {
            // A backend refuses what it cannot send, such as a parameter that it does not have.
            OptionsError::Run(
                RunError::Target(_)
                | RunError::Arrivals(_)
                | RunError::Backend(_)
                | RunError::Unsendable { .. }
                | RunError::Conversation { .. },
            ) => true,
            OptionsError::Run(_) => false,
            OptionsError::Flag { .. }
            | OptionsError::Arrivals(_)
            | OptionsError::Backend(_)
            | OptionsError::Dataset(_)
            | OptionsError::Tokenizer(_)
            | OptionsError::Metrics { .. }
            | OptionsError::Report(_) => true,
        }
    }

    pub(super) fn flag(flag: &'static str, problem: impl Into<String>) -> OptionsError {
        let problem = problem.into();
        OptionsError::Flag { flag, problem }
    }
}
