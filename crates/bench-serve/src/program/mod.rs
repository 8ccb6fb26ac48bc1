//! What the program does beside what its libraries do: it prints, reads the environment, listens
//! to Ctrl-C and exits.

mod exit;
mod import;
mod once;
mod process;
mod search;
mod sweep;

pub(crate) use import::import;
pub(crate) use once::once;
pub(crate) use process::start;
pub(crate) use search::search;
pub(crate) use sweep::sweep;
