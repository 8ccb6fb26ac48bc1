use super::{Ramp, RampOver, RampStrategy};

/// A load shape that cannot be.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum ArrivalsError {
    /// The rate is zero, negative or not a number.
    #[error("request rate {0} is not a positive number of requests per second (or `inf`)")]
    Rate(f64),
    /// The burstiness is zero, negative or not a number.
    #[error("burstiness {0} is not a positive number (1 is Poisson, `inf` is a constant gap)")]
    Burstiness(f64),
    /// A ramp from or to a rate that its strategy does not allow.
    #[error("a ramp from {} to {} requests per second cannot be: {}", .0.start_rps, .0.end_rps, need(.0))]
    Ramp(Ramp),
    /// Text that is no stage.
    #[error("`{text}` is no stage: write RATE:TIME, such as 10rps:30s (times in ms, s, m or h)")]
    Stage {
        /// The text.
        text: String,
    },
    /// Stages in which nothing is sent.
    #[error("the stages send nothing: give one of them a rate and a time for a request")]
    NoRequests,
    /// A pause after which nothing is sent.
    #[error("the last stage is a pause, after which nothing is sent: leave it out")]
    PauseAtTheEnd,
    /// More requests than times.
    #[error(
        "the load shape has times for {times} requests, not for {requests}: send fewer or make \
         it longer"
    )]
    Count {
        /// How many times there are.
        times: usize,
        /// How many requests.
        requests: usize,
    },
    /// A trace that is not in order.
    #[error("the request at index {index} is to leave before the one before it: sort the trace")]
    Order {
        /// The index of the later request, from 0.
        index: usize,
    },
}

fn need(ramp: &Ramp) -> &'static str {
    match (ramp.strategy, ramp.over) {
        (RampStrategy::Linear, RampOver::Time) => {
            "rates are not negative, and one of them is more than 0"
        }
        _ => "both rates are more than 0",
    }
}
