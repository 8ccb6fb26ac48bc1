//! What a command-line tool around a run needs, behind the feature `cli`.

mod carry_out;
mod error;
mod options;
mod prepare;
mod progress;
mod saving;
pub mod search;
mod serial;
mod suitable;
pub mod sweep;

pub use carry_out::Carried;
pub use error::OptionsError;
pub use options::{
    BesideOptions, ClientOptions, ControlOptions, ExtentOptions, LoadOptions, MultiTurnOptions,
    Replies, ResultOptions, RunOptions, SendOptions, ServerOptions, ShapeOptions, ThinkTime,
    TokenizerMode,
};
pub use prepare::Surroundings;
pub use progress::ProgressBar;
pub use saving::Saving;
