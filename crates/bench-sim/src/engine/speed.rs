use bench_types::Nanos;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::SimConfig;

/// How long steps take and how many draft tokens are accepted.
#[derive(Debug)]
pub(super) struct Speed {
    rng: ChaCha8Rng,
    step_us: f64,
    prefill_token_us: f64,
    decode_seq_us: f64,
    noise: f64,
    spec_tokens: u32,
    spec_acceptance: f64,
}

impl Speed {
    pub(super) fn new(config: &SimConfig) -> Speed {
        Speed {
            rng: ChaCha8Rng::seed_from_u64(config.seed),
            step_us: config.step_us,
            prefill_token_us: config.prefill_token_us,
            decode_seq_us: config.decode_seq_us,
            noise: config.noise,
            spec_tokens: config.spec_tokens,
            spec_acceptance: config.spec_acceptance,
        }
    }

    /// Duration of a step with this much work.
    pub(super) fn step(&mut self, prefill_tokens: u32, decoding: u32) -> Nanos {
        let us = self.step_us
            + self.prefill_token_us * f64::from(prefill_tokens)
            + self.decode_seq_us * f64::from(decoding);
        let factor = if self.noise == 0.0 {
            1.0
        } else {
            1.0 + self.noise * self.normal()
        };
        // A step cannot take no time: time must advance.
        Nanos::from_secs_f64(us * factor.max(0.1) / 1e6).max(Nanos(1))
    }

    /// Draft tokens computed beside each decoded one.
    pub(super) fn spec_tokens(&self) -> u32 {
        self.spec_tokens
    }

    /// How many draft tokens are accepted, at most `limit`.
    pub(super) fn accepted(&mut self, limit: u32) -> u32 {
        let mut accepted = 0;
        while accepted < self.spec_tokens.min(limit) && self.rng.random_bool(self.spec_acceptance) {
            accepted += 1;
        }
        accepted
    }

    /// A draw from the standard normal distribution (Box-Muller).
    fn normal(&mut self) -> f64 {
        let (u, v): (f64, f64) = (self.rng.random(), self.rng.random());
        (-2.0 * (1.0 - u).ln()).sqrt() * (std::f64::consts::TAU * v).cos()
    }
}
