//! When requests leave.

use crate::Arrivals;
use crate::cli::{OptionsError, RunOptions};

impl RunOptions {
    pub(super) fn arrivals(&self) -> Result<Arrivals, OptionsError> {
        let load = &self.load;
        if load.requests() == 0 {
            return Err(OptionsError::flag(
                "--num-prompts",
                "there is nothing to send",
            ));
        }
        if load.max_concurrency == Some(0) {
            let problem = "0 would never send anything; leave it out for no limit";
            return Err(OptionsError::flag("--max-concurrency", problem));
        }
        if self.client.client_threads == Some(0) {
            return Err(OptionsError::flag(
                "--client-threads",
                "it takes at least one",
            ));
        }
        Ok(Arrivals::gamma(
            load.request_rate,
            load.burstiness,
            load.seed,
        )?)
    }
}
