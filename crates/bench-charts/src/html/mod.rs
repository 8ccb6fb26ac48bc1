//! Pages for a browser: one file each, with everything in it. They are read without a network,
//! and their policy (CSP) keeps them from asking for one.
//!
//! All text that comes from elsewhere (names of models, errors of servers) is shown literally.

mod chart;
mod dashboard;
mod error;
mod page;
mod plot;
mod report;
mod run_rows;
mod run_tables;
mod table;
mod text;

pub use dashboard::dashboard;
pub use error::HtmlError;
pub use page::page;
pub use report::report;
