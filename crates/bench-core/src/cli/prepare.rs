//! From options to a run.

use std::fmt;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use bench_backends::{Backend, backend};
use bench_datasets::{Tokenizer, dataset_hash};
use bench_http::{Target, reach};
use bench_metrics::{
    Metric, MetricsError, Slo, SummaryOptions, check_measurable, default_metrics, parse_metrics,
    parse_percentiles,
};
use bench_report::check_metadata;
use bench_report::record_log::{self, RecordLogWriter};
use bench_types::{Conversation, Task};
use http::{HeaderName, HeaderValue};

use super::options::BUILTIN;
use super::saving::Saving;
use super::suitable::check_suitable;
use super::{OptionsError, RunOptions};
use crate::ready::discover;
use crate::{
    Arrivals, Control, Description, LogPlace, Lora, Profile, ProxyOptions, RecordLogOptions,
    RequestIds, RequestOptions, Run, RunError, StopHandle, TargetOptions, Timeouts, TlsOptions,
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
        let (conversations, warm_up) = self.conversations(tokenizer.as_ref(), &mut warnings)?;
        check_suitable(backend, &request, &conversations)?;
        let mut base_urls = base_urls.into_iter();
        let run = Run::builder(base_urls.next().unwrap_or_default(), backend)
            .also_at(base_urls)
            .balance(self.server.balance)
            .transport(transport)
            .lora(self.lora())
            .control(control)
            .describe(Description {
                label: self.result.label.clone(),
                metadata,
                options: serde_json::to_value(self).unwrap_or_default(),
                tool: Some(around.tool),
                commit: around.commit,
                dataset_hash: Some(dataset_hash(&conversations)),
                dataset_seed: Some(self.load.seed),
                warm_up_seed: (self.load.num_warmups > 0).then(|| self.warm_up_seed()),
                warnings,
                model_id: Some(model_id),
            })
            .conversations(conversations)
            .warm_up_with(warm_up)
            .arrivals(arrivals)
            .max_concurrency(self.load.max_concurrency)
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
        })
    }

    fn arrivals(&self) -> Result<Arrivals, OptionsError> {
        let load = &self.load;
        if load.num_prompts == 0 {
            return Err(OptionsError::flag(
                "--num-prompts",
                "there is nothing to send",
            ));
        }
        if load.max_concurrency == Some(0) {
            let problem = "0 would never send anything; leave it out for no limit";
            return Err(OptionsError::flag("--max-concurrency", problem));
        }
        if self.client.client_threads == Some(0) {
            return Err(OptionsError::flag(
                "--client-threads",
                "it takes at least one",
            ));
        }
        Ok(Arrivals::gamma(
            load.request_rate,
            load.burstiness,
            load.seed,
        )?)
    }

    fn summary(&self, task: Task, streamed: bool) -> Result<SummaryOptions, OptionsError> {
        let result = &self.result;
        let percentiles = parse_percentiles(&result.metric_percentiles)
            .map_err(|source| metrics_error("--metric-percentiles", source))?;
        let slo =
            Slo::parse(&result.goodput).map_err(|source| metrics_error("--goodput", source))?;
        slo.check_measurable(task, streamed)
            .map_err(|source| metrics_error("--goodput", source))?;
        let stall = seconds("--stall-ms", result.stall_ms / 1e3)?;
        Ok(SummaryOptions {
            percentiles,
            slo: (!slo.is_empty()).then_some(slo),
            stall_threshold: stall.into(),
            ..SummaryOptions::default()
        })
    }

    fn timeouts(&self, streamed: bool) -> Result<Timeouts, OptionsError> {
        let client = &self.client;
        let limit = |flag, value| {
            let limit = seconds(flag, value)?;
            Ok::<_, OptionsError>((!limit.is_zero()).then_some(limit))
        };
        let connect = limit("--connect-timeout", client.connect_timeout)?;
        let first_token = limit("--first-token-timeout", client.first_token_timeout)?;
        if first_token.is_some() && !streamed {
            let problem = "answers that come whole have no first token; use --total-timeout";
            return Err(OptionsError::flag("--first-token-timeout", problem));
        }
        Ok(Timeouts {
            connect: connect.ok_or_else(|| {
                OptionsError::flag("--connect-timeout", "connecting takes more than no time")
            })?,
            first_token,
            idle: limit("--idle-timeout", client.idle_timeout)?,
            total: limit("--total-timeout", client.total_timeout)?,
        })
    }

    fn request(&self, around: &Surroundings) -> Result<RequestOptions, OptionsError> {
        let send = &self.send;
        let extra_body = match &send.extra_body {
            None => None,
            Some(text) => Some(serde_json::from_str(text).map_err(|error| {
                OptionsError::flag("--extra-body", format!("not a JSON object: {error}"))
            })?),
        };
        let headers = headers(&send.header)?;
        let authorization = match &around.api_key {
            None => None,
            Some(key) => {
                let mut value =
                    HeaderValue::try_from(format!("Bearer {}", key.trim())).map_err(|_| {
                        OptionsError::flag("--api-key", "it cannot be part of a header")
                    })?;
                value.set_sensitive(true);
                Some(value)
            }
        };
        if self
            .server
            .endpoint
            .as_ref()
            .is_some_and(|path| !path.starts_with('/'))
        {
            let problem = "a path begins with a slash, like /v1/completions";
            return Err(OptionsError::flag("--endpoint", problem));
        }
        let named = self.server.served_model_name.as_ref();
        let model = named.or(self.server.model.as_ref());
        Ok(RequestOptions {
            model: model.cloned().unwrap_or_default(),
            path: self.server.endpoint.clone(),
            sampling: send.sampling(),
            ignore_eos: send.ignore_eos,
            logprobs: send.logprobs,
            stream: !send.no_stream,
            include_usage: true,
            continuous_usage: send.continuous_usage,
            extra_body,
            headers,
            authorization,
            request_ids: match &send.request_id_prefix {
                Some(prefix) => RequestIds::Prefix(prefix.clone()),
                None => RequestIds::random(),
            },
        })
    }

    fn base_urls(&self, around: &Surroundings) -> Result<Vec<String>, OptionsError> {
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

    fn transport(&self, around: &Surroundings) -> TargetOptions {
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

    fn lora(&self) -> Lora {
        Lora {
            adapters: self.server.lora_modules.clone(),
            assignment: self.server.lora_assignment,
            seed: self.load.seed,
        }
    }

    fn control(&self) -> Result<Control, OptionsError> {
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
            profile: control.profile.then_some(profile),
        })
    }

    /// The metrics with a section in the report. Those that the run will not have are refused.
    fn metrics(&self, task: Task, streamed: bool) -> Result<Vec<&'static Metric>, OptionsError> {
        const FLAG: &str = "--percentile-metrics";
        let Some(list) = &self.result.percentile_metrics else {
            return Ok(default_metrics(task, streamed));
        };
        let metrics = parse_metrics(list).map_err(|source| metrics_error(FLAG, source))?;
        check_measurable(&metrics, task, streamed).map_err(|source| metrics_error(FLAG, source))?;
        Ok(metrics)
    }

    fn check_failure_rate(&self) -> Result<(), OptionsError> {
        match self.result.max_failure_rate {
            Some(rate) if !(0.0..=1.0).contains(&rate) => {
                let problem = format!("{rate} is not a share: 0 allows no failure, 1 any number");
                Err(OptionsError::flag("--max-failure-rate", problem))
            }
            _ => Ok(()),
        }
    }

    /// The record log to be written. Finds out before the run whether it can be.
    fn record_log(&self) -> Result<Option<RecordLogOptions>, OptionsError> {
        let result = &self.result;
        let saved = result.save_result || result.append_result;
        let place = match (&result.record_log, &result.result_filename) {
            _ if result.no_record_log => return Ok(None),
            (Some(path), _) => LogPlace::File(path.clone()),
            (None, _) if !saved => return Ok(None),
            // A file of many results has a log for each of them.
            (None, Some(name)) if !result.append_result => {
                let name = PathBuf::from(name).with_extension(record_log::EXTENSION);
                LogPlace::File(result.result_dir.join(name))
            }
            (None, _) => LogPlace::Folder(result.result_dir.clone()),
        };
        if let LogPlace::File(path) = &place {
            RecordLogWriter::check(path, result.overwrite)?;
        }
        Ok(Some(RecordLogOptions {
            place,
            overwrite: result.overwrite,
            detailed: result.save_detailed,
        }))
    }

    fn tokenizer(&self, model: &str, simulated: bool) -> Result<Option<Tokenizer>, OptionsError> {
        if self.server.skip_tokenizer_init {
            return Ok(None);
        }
        let spec = match &self.server.tokenizer {
            Some(named) => named,
            None if simulated => BUILTIN,
            None => model,
        };
        Tokenizer::load(spec)
            .map(Some)
            .map_err(OptionsError::Tokenizer)
    }

    /// The measured conversations and those of the warm-up.
    fn conversations(
        &self,
        tokenizer: Option<&Tokenizer>,
        warnings: &mut Vec<String>,
    ) -> Result<(Vec<Conversation>, Vec<Conversation>), OptionsError> {
        let (count, warm_ups) = (self.load.num_prompts, self.load.num_warmups);
        let dataset = self.dataset.dataset()?;
        if self.dataset.input_len.is_some() && !dataset.name().starts_with("random") {
            let problem = format!(
                "`{}` sends its prompts as they are; the flag is for --dataset-name random and \
                 random-rerank",
                dataset.name()
            );
            return Err(OptionsError::flag("--input-len", problem));
        }
        let sample = |count, seed| {
            let context = self.dataset.context(tokenizer, count, seed);
            dataset.sample(&context)
        };
        let measured = sample(count, self.load.seed)?;
        // All others make as many as they are asked for, though several may share a request.
        if self.dataset.no_oversample && measured.len() < count {
            warnings.push(format!(
                "the dataset has only {} prompts of the {count} asked for",
                measured.len()
            ));
        }
        let warm_up = match warm_ups {
            0 => Vec::new(),
            warm_ups => sample(warm_ups, self.warm_up_seed())?,
        };
        Ok((measured, warm_up))
    }

    /// Another seed, so that a warm-up changes nothing about what is measured.
    fn warm_up_seed(&self) -> u64 {
        !self.load.seed
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
async fn wait_for_model(
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

fn metrics_error(flag: &'static str, source: MetricsError) -> OptionsError {
    OptionsError::Metrics { flag, source }
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

/// The headers that the user wants sent. What is not the name of a header may be its value, so
/// it is not repeated.
fn headers(texts: &[String]) -> Result<Vec<(HeaderName, HeaderValue)>, OptionsError> {
    const FLAG: &str = "--header";
    for text in texts {
        if text.split('=').next().is_some_and(|key| key.contains(':')) {
            let problem = "write KEY=VALUE, not KEY: VALUE";
            return Err(OptionsError::flag(FLAG, problem));
        }
    }
    let pairs = pairs(FLAG, texts)?;
    pairs
        .iter()
        .map(|(key, value)| header(key, value))
        .collect()
}

fn header(name: &str, value: &str) -> Result<(HeaderName, HeaderValue), OptionsError> {
    let key = HeaderName::try_from(name).map_err(|_| {
        let problem = "what stands before the `=` is not a header name; write KEY=VALUE";
        OptionsError::flag("--header", problem)
    })?;
    let mut value = HeaderValue::try_from(value).map_err(|_| {
        OptionsError::flag("--header", format!("the value of `{key}` cannot be sent"))
    })?;
    value.set_sensitive(true);
    Ok((key, value))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_written_as_in_curl_is_not_repeated() {
        let told = |text: &str| headers(&[text.to_owned()]).unwrap_err().to_string();
        for text in [
            "Authorization: Basic bWU6cGFzcw==",
            "Authorization: Bearer bWU6cGFzcw",
        ] {
            let told = told(text);
            assert!(told.contains("not KEY: VALUE"), "{told}");
            assert!(!told.contains("bWU6"), "{told}");
        }
        let told = told("Basic bWU6cGFzcw==");
        assert!(told.contains("KEY=VALUE"), "{told}");
        assert!(!told.contains("bWU6"), "{told}");
        let (name, value) = headers(&["X-Url=http://a:1".to_owned()]).unwrap().remove(0);
        assert_eq!(
            (name.as_str(), value.as_bytes()),
            ("x-url", &b"http://a:1"[..])
        );
        assert!(value.is_sensitive());
    }

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

    #[test]
    fn a_whole_answer_has_no_first_token_to_wait_for() {
        let mut options = RunOptions::default();
        options.client.first_token_timeout = 1.0;
        let told = options.timeouts(false).unwrap_err().to_string();
        assert!(told.contains("--first-token-timeout"), "{told}");
        assert!(told.contains("--total-timeout"), "{told}");
        assert_eq!(
            options.timeouts(true).unwrap().first_token,
            Some(Duration::from_secs(1))
        );
    }
}
