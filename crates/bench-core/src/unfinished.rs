//! Why a request has no whole answer.

use bench_types::{Failure, HangUp, Outcome};

use crate::secrets::Secrets;

/// Why a request has no whole answer.
#[derive(Debug)]
pub(crate) enum Unfinished {
    /// Something went wrong.
    Failed(Failure),
    /// The client hung up.
    HungUp(HangUp),
}

impl Unfinished {
    /// What the record says, without secrets.
    pub(crate) fn outcome(self, secrets: &Secrets) -> Outcome {
        match self {
            Unfinished::Failed(failure) => Outcome::Failed(secrets.scrub_failure(failure)),
            Unfinished::HungUp(reason) => Outcome::HungUp(reason),
        }
    }
}

impl From<Failure> for Unfinished {
    fn from(failure: Failure) -> Unfinished {
        Unfinished::Failed(failure)
    }
}

impl From<HangUp> for Unfinished {
    fn from(reason: HangUp) -> Unfinished {
        Unfinished::HungUp(reason)
    }
}
