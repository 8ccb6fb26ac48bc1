//! Integration tests of the charts.

// Clippy allows it in tests, but not in their helpers.
#![allow(clippy::unwrap_used)]

mod golden;
mod pictures;
mod samples;
mod svg;
