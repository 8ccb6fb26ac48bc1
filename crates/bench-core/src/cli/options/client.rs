use clap::Args;
use serde::{Deserialize, Serialize};

/// How the client behaves.
#[derive(Args, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "kebab-case")]
#[command(next_help_heading = "Client")]
pub struct ClientOptions {
    /// Threads that send and receive; one per core if not given
    #[arg(long, value_name = "N")]
    pub client_threads: Option<usize>,

    /// Open a new connection for every request
    #[arg(long)]
    pub no_keepalive: bool,

    /// Limit for opening a connection
    #[arg(long, value_name = "SECONDS", default_value_t = ClientOptions::default().connect_timeout)]
    pub connect_timeout: f64,

    /// Limit from sending a request to its first content; 0 is none
    #[arg(long, value_name = "SECONDS", default_value_t = ClientOptions::default().first_token_timeout)]
    pub first_token_timeout: f64,

    /// Limit for silence inside a response; 0 is none
    #[arg(long, value_name = "SECONDS", default_value_t = ClientOptions::default().idle_timeout)]
    pub idle_timeout: f64,

    /// Limit for a whole request; 0 is none
    #[arg(long, value_name = "SECONDS", default_value_t = ClientOptions::default().total_timeout)]
    pub total_timeout: f64,

    /// How long requests under way may go on after the first Ctrl-C or the end of --duration
    #[arg(long, value_name = "SECONDS", default_value_t = ClientOptions::default().grace_period)]
    pub grace_period: f64,

    /// Show no progress
    #[arg(long)]
    pub disable_tqdm: bool,
}

impl Default for ClientOptions {
    fn default() -> Self {
        ClientOptions {
            client_threads: None,
            no_keepalive: false,
            connect_timeout: 30.0,
            first_token_timeout: 0.0,
            idle_timeout: 0.0,
            total_timeout: 6.0 * 60.0 * 60.0,
            grace_period: 30.0,
            disable_tqdm: false,
        }
    }
}
