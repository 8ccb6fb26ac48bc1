//! Requests that the client hangs up on, as users do who do not want the rest.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

/// Which requests the client hangs up on, and when.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Cancellation {
    rate: f64,
    after: CancelAfter,
    seed: u64,
}

/// When the client hangs up on a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub enum CancelAfter {
    /// So long after it was sent.
    Time(Duration),
    /// When so many tokens have come. A chunk whose tokens the server does not count is taken
    /// for one.
    Tokens(u32),
}

/// Cancellations that cannot be.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum CancellationError {
    /// The rate is no share.
    #[error("{0} is not a share of the requests: give a number from 0 to 1")]
    Rate(f64),
    /// The moment has another form.
    #[error(
        "`{0}` is not a moment: write a time from sending, like `2s` or `500ms`, or a number of tokens, like `10tokens`"
    )]
    After(String),
}

impl Cancellation {
    /// A share of the requests, `rate`, chosen by `seed`: always the same ones.
    ///
    /// # Errors
    /// If `rate` is not between 0 and 1.
    pub fn new(
        rate: f64,
        after: CancelAfter,
        seed: u64,
    ) -> Result<Cancellation, CancellationError> {
        match (0.0..=1.0).contains(&rate) {
            true => Ok(Cancellation { rate, after, seed }),
            false => Err(CancellationError::Rate(rate)),
        }
    }

    /// The seed that requests are chosen by.
    pub fn seed(&self) -> u64 {
        self.seed
    }

    /// The share of the requests.
    pub(crate) fn rate(&self) -> f64 {
        self.rate
    }

    /// When the client hangs up on a request, if it does. Every request has a draw of its own,
    /// so that it does not matter who sends it.
    pub(crate) fn of(&self, request: u64) -> Option<CancelAfter> {
        let mut random = ChaCha8Rng::seed_from_u64(self.seed);
        random.set_stream(request);
        (random.random::<f64>() < self.rate).then_some(self.after)
    }
}

impl CancelAfter {
    /// The time from sending, if that is what it is.
    pub(crate) fn time(self) -> Option<Duration> {
        match self {
            CancelAfter::Time(time) => Some(time),
            CancelAfter::Tokens(_) => None,
        }
    }
}

impl FromStr for CancelAfter {
    type Err = CancellationError;

    fn from_str(text: &str) -> Result<CancelAfter, CancellationError> {
        let unknown = || CancellationError::After(text.to_owned());
        let trimmed = text.trim();
        if let Some(tokens) = trimmed.strip_suffix("tokens") {
            let tokens = tokens.trim().parse().ok().filter(|tokens| *tokens > 0);
            return tokens.map(CancelAfter::Tokens).ok_or_else(unknown);
        }
        let (number, unit) = match trimmed.strip_suffix("ms") {
            Some(number) => (number, 1e-3),
            None => (trimmed.strip_suffix('s').unwrap_or(trimmed), 1.0),
        };
        let seconds: f64 = number.trim().parse().map_err(|_| unknown())?;
        let time = Duration::try_from_secs_f64(seconds * unit).map_err(|_| unknown())?;
        Ok(CancelAfter::Time(time))
    }
}

impl From<CancelAfter> for String {
    fn from(after: CancelAfter) -> String {
        after.to_string()
    }
}

impl TryFrom<String> for CancelAfter {
    type Error = CancellationError;

    fn try_from(text: String) -> Result<CancelAfter, CancellationError> {
        text.parse()
    }
}

/// As it is read.
impl fmt::Display for CancelAfter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            CancelAfter::Time(time) => write!(f, "{}s", time.as_secs_f64()),
            CancelAfter::Tokens(tokens) => write!(f, "{tokens}tokens"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_read_and_written() {
        for (text, after) in [
            ("2s", CancelAfter::Time(Duration::from_secs(2))),
            ("0.5", CancelAfter::Time(Duration::from_millis(500))),
            ("250 ms", CancelAfter::Time(Duration::from_millis(250))),
            ("10tokens", CancelAfter::Tokens(10)),
            ("1 tokens", CancelAfter::Tokens(1)),
        ] {
            let read: CancelAfter = text.parse().unwrap();
            assert_eq!(read, after, "{text}");
            assert_eq!(read.to_string().parse(), Ok(after), "{text}");
        }
        for wrong in ["", "s", "-1s", "soon", "0tokens", "1.5tokens", "nans"] {
            let error = wrong.parse::<CancelAfter>().unwrap_err();
            assert!(error.to_string().contains("10tokens"), "{error}");
        }
    }

    #[test]
    fn the_seed_chooses_the_share() {
        let after = CancelAfter::Tokens(3);
        let chosen = |rate, seed| -> Vec<u64> {
            let cancellation = Cancellation::new(rate, after, seed).unwrap();
            let cancelled = |id: &u64| cancellation.of(*id) == Some(after);
            (0..10_000).filter(cancelled).collect()
        };
        let some = chosen(0.25, 7);
        // Four standard deviations of a binomial distribution.
        assert!(some.len().abs_diff(2_500) < 174, "{}", some.len());
        assert_eq!(some, chosen(0.25, 7));
        assert_ne!(some, chosen(0.25, 8));
        assert!(chosen(0.0, 7).is_empty());
        assert_eq!(chosen(1.0, 7).len(), 10_000);
        for rate in [-0.1, 1.5, f64::NAN] {
            assert!(Cancellation::new(rate, after, 0).is_err());
        }
    }
}
