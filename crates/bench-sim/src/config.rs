use std::net::{IpAddr, Ipv4Addr};
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::SimError;
use crate::engine::BLOCK_TOKENS;
use crate::fault::FaultRule;
use crate::flavour::Flavour;

/// Everything that can be set about a simulated server.
///
/// The defaults stand in [`SimConfig::default`] and nowhere else. They give a server
/// roughly as fast as a small model on one data-centre GPU.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[cfg_attr(feature = "cli", derive(clap::Args))]
#[cfg_attr(feature = "cli", command(next_help_heading = "Simulated server"))]
pub struct SimConfig {
    /// Address to listen on
    #[cfg_attr(feature = "cli", arg(id = "sim-host", long = "sim-host", value_name = "IP", default_value_t = SimConfig::default().host))]
    pub host: IpAddr,

    /// Port to listen on, 0 for any free one
    #[cfg_attr(feature = "cli", arg(id = "sim-port", long = "sim-port", value_name = "PORT", default_value_t = SimConfig::default().port))]
    pub port: u16,

    /// Unix socket to listen on as well
    ///
    /// The file must not exist yet; it is removed when the server ends.
    #[cfg_attr(
        feature = "cli",
        arg(id = "sim-unix", long = "sim-unix", value_name = "PATH")
    )]
    pub unix: Option<PathBuf>,

    /// Model name: others are answered with 404
    #[cfg_attr(feature = "cli", arg(id = "sim-model", long = "sim-model", value_name = "NAME", default_value_t = SimConfig::default().model))]
    pub model: String,

    /// Names of LoRA adapters: models served besides --sim-model
    #[cfg_attr(feature = "cli", arg(id = "sim-lora", long = "sim-lora", value_name = "NAME", num_args = 1..))]
    pub lora: Vec<String>,

    /// Whose routes there are; the others answer 404
    #[cfg_attr(feature = "cli", arg(id = "sim-engine", long = "sim-engine", value_name = "ENGINE", value_enum, default_value_t = SimConfig::default().engine))]
    pub engine: Flavour,

    /// Serve /start_profile and /stop_profile, which are 404 otherwise, except as SGLang
    #[cfg_attr(feature = "cli", arg(id = "sim-profiler", long = "sim-profiler"))]
    pub profiler: bool,

    /// Answer 401 to requests without this key, on all routes but /health
    ///
    /// The answer quotes the key that was sent, as that of some gateways does. The key is
    /// wanted as "Authorization: Bearer KEY".
    #[cfg_attr(
        feature = "cli",
        arg(id = "sim-api-key", long = "sim-api-key", value_name = "KEY")
    )]
    pub api_key: Option<String>,

    /// Longest prompt plus output, in tokens
    #[cfg_attr(feature = "cli", arg(id = "sim-max-model-len", long = "sim-max-model-len", value_name = "TOKENS", default_value_t = SimConfig::default().max_model_len))]
    pub max_model_len: u32,

    /// Seed of everything that is drawn: words, noise, acceptance, early stops, faults
    #[cfg_attr(feature = "cli", arg(id = "sim-seed", long = "sim-seed", value_name = "SEED", default_value_t = SimConfig::default().seed))]
    pub seed: u64,

    /// Most sequences in one step
    #[cfg_attr(feature = "cli", arg(id = "sim-max-num-seqs", long = "sim-max-num-seqs", value_name = "N", default_value_t = SimConfig::default().max_num_seqs))]
    pub max_num_seqs: usize,

    /// Most tokens, prefill and decode together, in one step
    ///
    /// A prompt longer than what is left of this budget is prefilled in chunks.
    #[cfg_attr(feature = "cli", arg(id = "sim-max-num-batched-tokens", long = "sim-max-num-batched-tokens", value_name = "TOKENS", default_value_t = SimConfig::default().max_num_batched_tokens))]
    pub max_num_batched_tokens: u32,

    /// Size of the KV cache in blocks of 16 tokens
    ///
    /// When it is full, the sequence admitted last is preempted and computed again later.
    #[cfg_attr(feature = "cli", arg(id = "sim-kv-blocks", long = "sim-kv-blocks", value_name = "BLOCKS", default_value_t = SimConfig::default().kv_blocks))]
    pub kv_blocks: u32,

    /// Whether blocks of equal beginnings are shared between requests
    #[cfg_attr(feature = "cli", arg(id = "sim-prefix-cache", long = "sim-prefix-cache", value_name = "BOOL", action = clap::ArgAction::Set, default_value_t = SimConfig::default().prefix_cache))]
    pub prefix_cache: bool,

    /// Duration of an empty step, in microseconds
    #[cfg_attr(feature = "cli", arg(id = "sim-step-us", long = "sim-step-us", value_name = "US", default_value_t = SimConfig::default().step_us))]
    pub step_us: f64,

    /// What each prefilled token adds to a step, in microseconds
    #[cfg_attr(feature = "cli", arg(id = "sim-prefill-token-us", long = "sim-prefill-token-us", value_name = "US", default_value_t = SimConfig::default().prefill_token_us))]
    pub prefill_token_us: f64,

    /// What each decoding sequence adds to a step, in microseconds
    #[cfg_attr(feature = "cli", arg(id = "sim-decode-seq-us", long = "sim-decode-seq-us", value_name = "US", default_value_t = SimConfig::default().decode_seq_us))]
    pub decode_seq_us: f64,

    /// Standard deviation of a step's duration, as a fraction of it
    #[cfg_attr(feature = "cli", arg(id = "sim-noise", long = "sim-noise", value_name = "FRACTION", default_value_t = SimConfig::default().noise))]
    pub noise: f64,

    /// Fixed pacing: time from a request's arrival to its first token
    ///
    /// With this or --sim-itl-ms there is no batching: every request keeps its own exact
    /// schedule, whatever the load. The one of the two that is not given equals the other.
    #[cfg_attr(
        feature = "cli",
        arg(id = "sim-ttft-ms", long = "sim-ttft-ms", value_name = "MS")
    )]
    pub ttft_ms: Option<f64>,

    /// Fixed pacing: time between the tokens of a request
    ///
    /// See --sim-ttft-ms.
    #[cfg_attr(
        feature = "cli",
        arg(id = "sim-itl-ms", long = "sim-itl-ms", value_name = "MS")
    )]
    pub itl_ms: Option<f64>,

    /// Draft tokens per step, as in speculative decoding
    #[cfg_attr(feature = "cli", arg(id = "sim-spec-tokens", long = "sim-spec-tokens", value_name = "N", default_value_t = SimConfig::default().spec_tokens))]
    pub spec_tokens: u32,

    /// Probability that a draft token is accepted after those before it
    #[cfg_attr(feature = "cli", arg(id = "sim-spec-acceptance", long = "sim-spec-acceptance", value_name = "P", default_value_t = SimConfig::default().spec_acceptance))]
    pub spec_acceptance: f64,

    /// Tokens per event, after the first one, which leaves alone
    #[cfg_attr(feature = "cli", arg(id = "sim-stream-interval", long = "sim-stream-interval", value_name = "N", default_value_t = SimConfig::default().stream_interval))]
    pub stream_interval: u32,

    /// Probability that the output stops after any token, unless ignore_eos is asked for
    #[cfg_attr(feature = "cli", arg(id = "sim-early-stop", long = "sim-early-stop", value_name = "P", default_value_t = SimConfig::default().early_stop))]
    pub early_stop: f64,

    /// Repeat in each event of Triton's generate_stream all text so far
    #[cfg_attr(
        feature = "cli",
        arg(id = "sim-triton-accumulate", long = "sim-triton-accumulate")
    )]
    pub triton_accumulate: bool,

    /// Numbers in an embedding; requests may ask for fewer
    #[cfg_attr(feature = "cli", arg(id = "sim-embedding-dim", long = "sim-embedding-dim", value_name = "N", default_value_t = SimConfig::default().embedding_dim))]
    pub embedding_dim: u32,

    /// Report the cached prompt tokens in the usage
    #[cfg_attr(
        feature = "cli",
        arg(id = "sim-prompt-tokens-details", long = "sim-prompt-tokens-details")
    )]
    pub prompt_tokens_details: bool,

    /// Report each request's server-side times beside its usage
    #[cfg_attr(
        feature = "cli",
        arg(id = "sim-request-metrics", long = "sim-request-metrics")
    )]
    pub request_metrics: bool,

    /// Echo or give an x-request-id header
    #[cfg_attr(
        feature = "cli",
        arg(id = "sim-request-id-headers", long = "sim-request-id-headers")
    )]
    pub request_id_headers: bool,

    /// Close a connection that has been idle for this long; never if not given
    #[cfg_attr(
        feature = "cli",
        arg(
            id = "sim-keep-alive-ms",
            long = "sim-keep-alive-ms",
            value_name = "MS"
        )
    )]
    pub keep_alive_ms: Option<u64>,

    /// Answer with faults, e.g. cut:3@every:10; see --help for all of them
    #[cfg_attr(feature = "cli", arg(id = "sim-fault", long = "sim-fault", value_name = "SPEC", long_help = crate::fault::help()))]
    pub faults: Vec<FaultRule>,

    /// Keep headers and body of every request, for tests (see [`crate::SimStats`])
    #[cfg_attr(feature = "cli", arg(skip = SimConfig::default().record))]
    pub record: bool,
}

impl Default for SimConfig {
    fn default() -> SimConfig {
        SimConfig {
            host: IpAddr::V4(Ipv4Addr::LOCALHOST),
            port: 0,
            unix: None,
            model: "sim-model".to_owned(),
            lora: Vec::new(),
            engine: Flavour::All,
            profiler: false,
            api_key: None,
            max_model_len: 32_768,
            seed: 0,
            max_num_seqs: 256,
            max_num_batched_tokens: 8_192,
            kv_blocks: 32_768,
            prefix_cache: true,
            step_us: 4_000.0,
            prefill_token_us: 1.5,
            decode_seq_us: 6.0,
            noise: 0.03,
            ttft_ms: None,
            itl_ms: None,
            spec_tokens: 0,
            spec_acceptance: 0.7,
            stream_interval: 1,
            early_stop: 0.0,
            triton_accumulate: false,
            embedding_dim: 16,
            prompt_tokens_details: false,
            request_metrics: false,
            request_id_headers: false,
            keep_alive_ms: None,
            faults: Vec::new(),
            record: false,
        }
    }
}

impl SimConfig {
    /// Checks what the types cannot.
    pub(crate) fn validate(&self) -> Result<(), SimError> {
        let positive = [
            ("max_num_seqs", self.max_num_seqs as u64),
            ("max_num_batched_tokens", self.max_num_batched_tokens.into()),
            ("max_model_len", self.max_model_len.into()),
            ("stream_interval", self.stream_interval.into()),
            ("embedding_dim", self.embedding_dim.into()),
        ];
        if let Some((name, _)) = positive.iter().find(|(_, value)| *value == 0) {
            return Err(SimError::Config(format!("{name} must be at least 1")));
        }
        let durations = [
            ("step_us", Some(self.step_us)),
            ("prefill_token_us", Some(self.prefill_token_us)),
            ("decode_seq_us", Some(self.decode_seq_us)),
            ("noise", Some(self.noise)),
            ("ttft_ms", self.ttft_ms),
            ("itl_ms", self.itl_ms),
        ];
        for (name, value) in durations {
            if value.is_some_and(|value| !(value.is_finite() && value >= 0.0)) {
                return Err(SimError::Config(format!("{name} must not be negative")));
            }
        }
        let probabilities = [
            ("spec_acceptance", self.spec_acceptance),
            ("early_stop", self.early_stop),
        ];
        for (name, value) in probabilities {
            if !(0.0..=1.0).contains(&value) {
                return Err(SimError::Config(format!("{name} must be in 0..=1")));
            }
        }
        if self.max_num_batched_tokens <= self.spec_tokens {
            let message = "max_num_batched_tokens must be greater than spec_tokens";
            return Err(SimError::Config(message.to_owned()));
        }
        self.validate_lora()?;
        if self.api_key.as_deref() == Some("") {
            let message = "api_key is empty; give a key, or none to let everybody in";
            return Err(SimError::Config(message.to_owned()));
        }
        let capacity = u64::from(self.kv_blocks) * u64::from(BLOCK_TOKENS);
        let longest = u64::from(self.max_model_len);
        if capacity < longest {
            return Err(SimError::Config(format!(
                "kv_blocks = {} holds {capacity} tokens, fewer than max_model_len = {longest}",
                self.kv_blocks
            )));
        }
        Ok(())
    }

    /// Every model has a name of its own.
    fn validate_lora(&self) -> Result<(), SimError> {
        let mut names = vec![self.model.as_str()];
        for name in &self.lora {
            if name.is_empty() || names.contains(&name.as_str()) {
                return Err(SimError::Config(format!(
                    "lora name {name:?} is empty or taken; give every adapter a name of its own"
                )));
            }
            names.push(name);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_file_gives_the_defaults() {
        let config: SimConfig = serde_json::from_str("{}").unwrap();
        assert_eq!(config, SimConfig::default());
        assert!(config.validate().is_ok());
    }

    #[test]
    #[cfg(feature = "cli")]
    fn an_empty_command_line_gives_the_defaults() {
        #[derive(clap::Parser)]
        struct Cli {
            #[command(flatten)]
            config: SimConfig,
        }
        let cli = <Cli as clap::Parser>::parse_from(["bench-sim"]);
        assert_eq!(cli.config, SimConfig::default());
    }

    #[test]
    fn a_config_round_trips() {
        let config = SimConfig {
            faults: vec!["cut:3@first:1".parse().unwrap()],
            itl_ms: Some(20.0),
            ..SimConfig::default()
        };
        let json = serde_json::to_string(&config).unwrap();
        assert_eq!(serde_json::from_str::<SimConfig>(&json).unwrap(), config);
    }

    #[test]
    fn nonsense_is_refused() {
        let base = SimConfig::default;
        let bad = [
            SimConfig {
                max_num_seqs: 0,
                ..base()
            },
            SimConfig {
                step_us: -1.0,
                ..base()
            },
            SimConfig {
                itl_ms: Some(f64::NAN),
                ..base()
            },
            SimConfig {
                early_stop: 1.5,
                ..base()
            },
            SimConfig {
                spec_tokens: 8_192,
                ..base()
            },
            SimConfig {
                api_key: Some(String::new()),
                ..base()
            },
            SimConfig {
                lora: vec!["sim-model".to_owned()],
                ..base()
            },
            SimConfig {
                kv_blocks: 10,
                ..base()
            },
        ];
        for config in bad {
            assert!(config.validate().is_err(), "{config:?}");
        }
    }
}
