//! From options to a run.

mod dataset;
mod extent;
mod load;
mod multi_turn;
mod request;
mod result;
mod server;

use std::fmt;
use std::time::{Duration, Instant};

use bench_backends::{Backend, backend};
use bench_datasets::{dataset_hash, workload_hash};
use bench_http::{Target, reach};
use bench_metrics::{Metric, SummaryOptions};
use bench_report::check_metadata;

use self::extent::Extent;
use self::server::wait_for_model;
use super::saving::Saving;
use super::suitable::check_suitable;
use super::{OptionsError, RunOptions};
use crate::{
    Arrivals, Control, Description, Lora, ProxyOptions, RequestOptions, Run, RunError, StopHandle,
    Timeouts,
};

/// What a tool knows beside the options.
#[derive(Clone, Default)]
pub struct Surroundings {
    /// The API key, read by the tool; sent as a bearer token and stored nowhere.
    pub api_key: Option<String>,
    /// The proxies of the environment.
    pub proxy: ProxyOptions,
    /// Base URL of a simulated server that the tool has started.
    pub simulated: Option<String>,
    /// Stops the run.
    pub stop: StopHandle,
    /// Name and version of the tool.
    pub tool: String,
    /// The git commit the tool was built from, if it knows.
    pub commit: Option<String>,
}

impl Surroundings {
    /// For one run of several: its stop handle stops that run alone, and is stopped with all.
    #[must_use]
    pub fn for_one_run(&self) -> Surroundings {
        Surroundings {
            stop: self.stop.child(),
            ..self.clone()
        }
    }
}

/// Without the API key.
impl fmt::Debug for Surroundings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Surroundings")
            .field("proxy", &self.proxy)
            .field("simulated", &self.simulated)
            .field("stop", &self.stop)
            .field("tool", &self.tool)
            .finish_non_exhaustive()
    }
}

/// What options come to by themselves.
struct Checked {
    backend: &'static dyn Backend,
    arrivals: Arrivals,
    summary: SummaryOptions,
    metrics: Vec<&'static Metric>,
    metadata: Vec<(String, String)>,
    timeouts: Timeouts,
    grace: Duration,
    ready_timeout: Duration,
    request: RequestOptions,
    base_urls: Vec<String>,
    control: Control,
    extent: Extent,
    lora: Lora,
}

impl RunOptions {
    /// Makes a run of the options: checks them, asks the server what they leave open, makes
    /// the dataset. What can be found wrong is found here, before the first request.
    ///
    /// # Errors
    /// [`OptionsError`], which names the flag or the file.
    pub async fn prepare(
        &self,
        around: Surroundings,
    ) -> Result<(Run, Option<Saving>), OptionsError> {
        let checked = self.checked(&around)?;
        let Checked {
            backend,
            arrivals,
            summary,
            metrics,
            metadata,
            timeouts,
            grace,
            mut ready_timeout,
            mut request,
            base_urls,
            control,
            extent,
            lora,
        } = checked;
        let saving = Saving::check(&self.result, &request)?;
        if let Some(page) = self.result.page_file() {
            page.check()?;
        }
        let record_log = self.record_log()?;

        let transport = self.transport(&around);
        let mut targets = Vec::new();
        for url in &base_urls {
            let target = Target::resolve(url, &transport).await;
            targets.push(target.map_err(RunError::from)?);
        }
        if request.model.is_empty() {
            let began = Instant::now();
            request.model =
                wait_for_model(&targets[0], &request, backend, ready_timeout, &around.stop).await?;
            // The answer was a sign of life; only what is left of the time is waited for more.
            ready_timeout = ready_timeout.saturating_sub(began.elapsed());
        } else if ready_timeout.is_zero() {
            // Before the tokenizer and the dataset take their time.
            for target in &targets {
                reach(target, timeouts.connect)
                    .await
                    .map_err(RunError::asking)?;
            }
        }
        let model_id = self.server.model.clone();
        let model_id = model_id.unwrap_or_else(|| request.model.clone());
        let tokenizer = self.tokenizer(&model_id, around.simulated.is_some())?;
        let mut warnings = Vec::new();
        let requests = self.requests(&arrivals);
        let nonce = self.nonce()?;
        let (mut conversations, warm_up) =
            self.conversations(backend, requests, tokenizer.as_ref(), nonce, &mut warnings)?;
        self.check_warm_up(&warm_up)?;
        let arrivals = self.timed(arrivals, &mut conversations)?;
        self.check_duration(&arrivals)?;
        check_suitable(backend, &request, &conversations)?;
        let mut base_urls = base_urls.into_iter();
        let run = Run::builder(base_urls.next().unwrap_or_default(), backend)
            .also_at(base_urls)
            .balance(self.server.balance)
            .transport(transport)
            .lora(lora)
            .control(control)
            .describe(Description {
                label: self.result.label.clone(),
                metadata,
                options: serde_json::to_value(self).unwrap_or_default(),
                tool: Some(around.tool),
                commit: around.commit,
                dataset_hash: Some(dataset_hash(&conversations)),
                workload_hash: Some(workload_hash(&self.dataset.dataset_name, &conversations)),
                dataset_seed: Some(self.load.seed),
                nonce,
                warm_up_seed: (!warm_up.is_empty()).then(|| self.warm_up_seed()),
                warnings,
                model_id: Some(model_id),
            })
            .conversations(conversations)
            .warm_up_with(warm_up)
            .session_header(self.session_header()?)
            .arrivals(arrivals)
            .max_concurrency(self.load.max_concurrency)
            .duration(extent.duration)
            .again(self.load.num_prompts.is_none())
            .warm_up_limits(extent.warm_up)
            .prefill_concurrency(self.beside.prefill_concurrency)
            .cancellation(extent.cancellation)
            .probe_rate(extent.probe_rate)
            .threads(self.client.client_threads)
            .keepalive(!self.client.no_keepalive)
            .timeouts(timeouts)
            .request(request)
            .tokenizer(tokenizer)
            .keep_text(self.result.keeps_text())
            .summary(summary)
            .metrics(metrics)
            .ready_timeout(ready_timeout)
            .grace(grace)
            .simulated(around.simulated.is_some())
            .record_log(record_log)
            .stop_handle(around.stop)
            .build();
        Ok((run, saving))
    }

    /// Whether the options make sense, as far as can be told without a server and without
    /// reading or writing a file.
    ///
    /// # Errors
    /// [`OptionsError`], which names the flag.
    pub fn check(&self, around: &Surroundings) -> Result<(), OptionsError> {
        self.checked(around).map(drop)
    }

    fn checked(&self, around: &Surroundings) -> Result<Checked, OptionsError> {
        let backend = backend(&self.server.backend)?;
        let arrivals = self.arrivals()?;
        let (task, streamed) = (backend.task(), backend.can_stream() && !self.send.no_stream);
        let summary = self.summary(task, streamed)?;
        let metrics = self.metrics(task, streamed)?;
        self.check_failure_rate()?;
        self.check_multi_turn(task)?;
        let metadata = pairs("--metadata", &self.result.metadata)?;
        check_metadata(&metadata)?;
        let timeouts = self.timeouts(streamed)?;
        let grace = seconds("--grace-period", self.client.grace_period)?;
        let ready_timeout = seconds(
            "--ready-check-timeout-sec",
            self.server.ready_check_timeout_sec,
        )?;
        let request = self.request(around)?;
        let base_urls = self.base_urls(around)?;
        let control = self.control()?;
        let extent = self.extent(task, streamed)?;
        self.check_arrivals(&arrivals)?;
        let lora = self.lora()?;
        Ok(Checked {
            backend,
            arrivals,
            summary,
            metrics,
            metadata,
            timeouts,
            grace,
            ready_timeout,
            request,
            base_urls,
            control,
            extent,
            lora,
        })
    }
}

fn seconds(flag: &'static str, value: f64) -> Result<Duration, OptionsError> {
    Duration::try_from_secs_f64(value)
        .map_err(|_| OptionsError::flag(flag, format!("{value} is not a length of time")))
}

fn pairs(flag: &'static str, texts: &[String]) -> Result<Vec<(String, String)>, OptionsError> {
    let pair = |text: &String| match text.split_once('=') {
        Some((key, value)) if !key.trim().is_empty() => {
            Ok((key.trim().to_owned(), value.trim().to_owned()))
        }
        // What was given may be a secret, so it is not repeated.
        _ => Err(OptionsError::flag(flag, "write each as KEY=VALUE")),
    };
    texts.iter().map(pair).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_key_is_not_in_what_a_debugger_shows() {
        let around = Surroundings {
            api_key: Some("s3cret".to_owned()),
            tool: "a tool".to_owned(),
            commit: None,
            ..Surroundings::default()
        };
        let shown = format!("{around:?}");
        assert!(
            shown.contains("a tool") && !shown.contains("s3cret"),
            "{shown}"
        );
    }
}
