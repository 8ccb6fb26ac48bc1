//! What the program does beside what its libraries do: it prints, reads the environment, listens
//! to Ctrl-C and exits.

mod exit;
mod once;
mod process;

pub(crate) use once::once;
pub(crate) use process::start;
