//! What each chart shows: one file per chart, each a pure function from results to a
//! [`Figure`](crate::Figure).
