//! How sure a number is: intervals, tests and the least difference that can be seen.
//!
//! Everything here is a pure function of numbers; resampling draws from a generator with a given
//! seed. What cannot be said with the numbers at hand is `None`, never a guess.

mod interval;

pub use interval::{Interval, t_interval};
