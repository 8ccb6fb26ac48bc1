use clap::Parser;

use crate::SimConfig;

/// A simulated LLM inference server
///
/// Serves the routes of vLLM and other servers at the speed of a simulated GPU, until Ctrl-C.
/// Prints the URL it listens on.
#[derive(Debug, Parser)]
#[command(name = "bench-sim", version, max_term_width = 100)]
pub struct Cli {
    /// The server.
    #[command(flatten)]
    pub config: SimConfig,
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_sound() {
        Cli::command().debug_assert();
    }

    #[test]
    fn without_flags_it_is_the_server_of_a_program() {
        assert_eq!(Cli::parse_from(["bench-sim"]).config, SimConfig::default());
    }
}
