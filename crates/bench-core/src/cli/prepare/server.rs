//! Where requests go, and what is asked of the servers.

use std::time::Duration;

use bench_backends::Backend;
use bench_http::Target;

use super::{Surroundings, seconds};
use crate::cli::{OptionsError, RunOptions};
use crate::ready::discover;
use crate::{
    Control, Lora, Profile, RequestOptions, RunError, StopHandle, TargetOptions, TlsOptions,
};

impl RunOptions {
    pub(super) fn base_urls(&self, around: &Surroundings) -> Result<Vec<String>, OptionsError> {
        let server = &self.server;
        if let Some(url) = &around.simulated {
            return Ok(vec![url.clone()]);
        }
        if !server.base_url.is_empty() {
            check_no_secrets(&server.base_url)?;
            return Ok(server.base_url.clone());
        }
        // An IPv6 address needs brackets to stand before a port.
        let host = match server.host.contains(':') && !server.host.starts_with('[') {
            true => format!("[{}]", server.host),
            false => server.host.clone(),
        };
        Ok(vec![format!("http://{host}:{}", server.port)])
    }

    pub(super) fn transport(&self, around: &Surroundings) -> TargetOptions {
        let server = &self.server;
        TargetOptions {
            tls: TlsOptions {
                insecure: server.insecure,
                ca_cert: server.ca_cert.clone(),
                client_cert: server.client_cert.clone(),
                client_key: server.client_key.clone(),
            },
            http2: server.http2,
            proxy: around.proxy.clone(),
        }
    }

    pub(super) fn lora(&self) -> Result<Lora, OptionsError> {
        let server = &self.server;
        if !(server.lora_zipf_alpha > 1.0 && server.lora_zipf_alpha.is_finite()) {
            let problem = format!("{} is not a factor of more than 1", server.lora_zipf_alpha);
            return Err(OptionsError::flag("--lora-zipf-alpha", problem));
        }
        Ok(Lora {
            adapters: server.lora_modules.clone(),
            assignment: server.lora_assignment,
            skew: server.lora_zipf_alpha,
            seed: self.load.seed,
        })
    }

    pub(super) fn control(&self) -> Result<Control, OptionsError> {
        let control = &self.control;
        let duration = match control.profile_duration {
            None => None,
            Some(limit) => Some(seconds("--profile-duration", limit)?),
        };
        let profile = Profile {
            batch_threshold: control.profile_batch_threshold,
            duration,
        };
        Ok(Control {
            reset_cache: control.reset_prefix_cache,
            cache_timeout: seconds("--flush-cache-timeout", control.flush_cache_timeout)?,
            profile: control.profile.then_some(profile),
        })
    }
}

/// URLs stand in results and in messages, so there is no place in them for a password or a key.
/// For the same reason a URL that has one is not repeated.
fn check_no_secrets(urls: &[String]) -> Result<(), OptionsError> {
    for url in urls {
        let rest = url.split_once("://").map_or(url.as_str(), |(_, rest)| rest);
        let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
        let problem = if url.starts_with("unix:") {
            continue;
        } else if authority.contains('@') {
            "leave out the name and the password: they would stand in results; --api-key sends \
             a key, and --header 'Authorization=Basic ...' sends them in a header"
        } else if rest.contains('?') {
            "leave out the query, from the question mark on: it would stand in results; \
             --api-key and --header send a key in a header"
        } else {
            continue;
        };
        return Err(OptionsError::flag("--base-url", problem));
    }
    Ok(())
}

/// The first model the server lists; waits for the server as long as `limit`.
pub(super) async fn wait_for_model(
    target: &Target,
    request: &RequestOptions,
    backend: &dyn Backend,
    limit: Duration,
    stop: &StopHandle,
) -> Result<String, OptionsError> {
    let deadline = tokio::time::Instant::now() + limit;
    let asking = async {
        loop {
            match discover(target, request, backend).await {
                Ok(model) => return Ok(model),
                Err(error) if error.is_lasting() || tokio::time::Instant::now() >= deadline => {
                    return Err(error);
                }
                Err(_) => tokio::time::sleep(Duration::from_millis(500)).await,
            }
        }
    };
    tokio::select! {
        answer = asking => answer.map_err(OptionsError::from),
        () = stop.stopped() => {
            let url = target.url().to_owned();
            Err(RunError::Stopped { url }.into())
        }
    }
}
