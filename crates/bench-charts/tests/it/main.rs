//! Integration tests of the charts.

// Clippy allows it in tests, but not in their helpers.
#![allow(clippy::unwrap_used)]

mod charts;
mod golden;
mod pictures;
mod runs;
mod samples;
mod svg;
mod told;
