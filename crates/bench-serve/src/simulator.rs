use std::sync::Arc;

use bench_core::datasets::{DatasetError, Tokenizer};
use bench_sim::{SimError, SimHandle, SimServer, SimTokenizer};

use crate::RunLine;

/// The client's tokenizer as the simulated server's, so that both count alike.
pub struct SharedTokenizer(Tokenizer);

impl SharedTokenizer {
    /// The tokenizer of `spec`.
    ///
    /// # Errors
    /// If it cannot be loaded.
    pub fn load(spec: &str) -> Result<SharedTokenizer, DatasetError> {
        Tokenizer::load(spec).map(SharedTokenizer)
    }
}

impl SimTokenizer for SharedTokenizer {
    fn encode(&self, text: &str) -> Vec<u32> {
        self.0.encode(text).unwrap_or_default()
    }

    fn decode(&self, ids: &[u32]) -> String {
        self.0.decode(ids).unwrap_or_default()
    }
}

/// Why the simulated server of `--sim` cannot be started.
#[derive(Debug, thiserror::Error)]
pub enum SimulatorError {
    /// The tokenizer cannot be loaded.
    #[error(transparent)]
    Tokenizer(#[from] DatasetError),
    /// The server cannot be what it should be.
    #[error(transparent)]
    Server(#[from] SimError),
}

impl RunLine {
    /// Starts the server of `--sim`, if it is asked for. It runs until the handle is dropped.
    ///
    /// # Errors
    /// If its options make no sense or its address is taken.
    pub fn simulator(&self) -> Result<Option<SimHandle>, SimulatorError> {
        if !self.sim {
            return Ok(None);
        }
        let mut config = self.simulated.clone();
        let server = &self.options.server;
        if let Some(model) = server.served_model_name.as_ref().or(server.model.as_ref()) {
            config.model.clone_from(model);
        }
        let spec = server.tokenizer.as_deref().unwrap_or("builtin");
        let tokenizer = Arc::new(SharedTokenizer::load(spec)?);
        Ok(Some(SimServer::start_with_tokenizer(config, tokenizer)?))
    }
}
