use std::sync::Arc;
use std::time::Duration;

use bench_backends::{Backend, Request};
use bench_datasets::Tokenizer;
use bench_http::{Scheme, Target, TargetOptions, TlsOptions};
use bench_metrics::tokens::{KeepText, settle_from_text};
use bench_metrics::{METRICS, Metric, SummaryOptions};
use bench_report::{Report, Setup, date_stamp};
use bench_stream::Clock;
use bench_types::{Conversation, Failure, Outcome, Prompt, RequestRecord};
use http::{HeaderName, HeaderValue};

use crate::RunError;
use crate::arrivals::Arrivals;
use crate::engine::{self, Recording};
use crate::observer::{Observer, Phase};
use crate::plan::{Plan, RequestOptions, Timeouts, first_ids};
use crate::probe::list_models;
use crate::stop::StopHandle;

/// Connections opened before a run, at most. Further ones are opened when they are needed.
const MOST_WARM: usize = 16_384;

/// How many connections are kept in reserve while requests arrive at a rate: enough for this
/// stretch of time at that rate.
const RESERVE_SECONDS: f64 = 0.25;

/// One benchmark run: what is sent, when, where to, and what is made of it.
///
/// ```no_run
/// # async fn demo(conversations: Vec<bench_types::Conversation>) -> Result<(), Box<dyn std::error::Error>> {
/// use bench_core::{Run, backends::backend};
///
/// let report = Run::builder("http://localhost:8000", backend("vllm")?)
///     .conversations(conversations)
///     .max_concurrency(32)
///     .build()
///     .execute(&mut ())
///     .await?;
/// println!("p99 TTFT: {:?} ms", report.metric("p99_ttft_ms"));
/// # Ok(()) }
/// ```
pub struct Run {
    options: RunBuilder,
}

/// Collects the options of a [`Run`]. Everything but the target, the backend and the
/// conversations has a default.
pub struct RunBuilder {
    base_url: String,
    backend: &'static dyn Backend,
    conversations: Vec<Conversation>,
    warm_up: Vec<Conversation>,
    arrivals: Arrivals,
    max_concurrency: Option<usize>,
    threads: Option<usize>,
    keepalive: bool,
    tls: TlsOptions,
    timeouts: Timeouts,
    request: RequestOptions,
    tokenizer: Option<Tokenizer>,
    keep_text: bool,
    summary: SummaryOptions,
    metrics: Vec<&'static Metric>,
    ready_timeout: Duration,
    grace: Duration,
    simulated: bool,
    stop: StopHandle,
    describe: Description,
}

/// What a result says about its run beyond what the run itself knows.
#[derive(Clone, Debug, Default)]
pub struct Description {
    /// The user's name for the run.
    pub label: Option<String>,
    /// Pairs added to the result.
    pub metadata: Vec<(String, String)>,
    /// The resolved options, whole.
    pub options: serde_json::Value,
    /// Name and version of the tool that runs it.
    pub tool: Option<String>,
    /// Fingerprint of the dataset.
    pub dataset_hash: Option<String>,
    /// What should be reported with the result, one sentence each.
    pub warnings: Vec<String>,
    /// The name the model is known by, if it is not the one sent to the server.
    pub model_id: Option<String>,
}

impl Run {
    /// A run of `backend`'s protocol against the server at `base_url`.
    pub fn builder(base_url: impl Into<String>, backend: &'static dyn Backend) -> RunBuilder {
        RunBuilder {
            base_url: base_url.into(),
            backend,
            conversations: Vec::new(),
            warm_up: Vec::new(),
            arrivals: Arrivals::burst(),
            max_concurrency: None,
            threads: None,
            keepalive: true,
            tls: TlsOptions::default(),
            timeouts: Timeouts::default(),
            request: RequestOptions::default(),
            tokenizer: None,
            keep_text: false,
            summary: SummaryOptions::default(),
            metrics: METRICS[..3].to_vec(),
            ready_timeout: Duration::ZERO,
            grace: Duration::from_secs(30),
            simulated: false,
            stop: StopHandle::new(),
            describe: Description::default(),
        }
    }

    /// Carries the run out. The requests are sent by threads of their own; `observer` is told
    /// how it goes.
    ///
    /// # Errors
    /// If the run cannot begin or cannot go on. Failed requests are no error: they are in the
    /// report.
    pub async fn execute(self, observer: &mut dyn Observer) -> Result<Report, RunError> {
        let mut run = self.options;
        let Some(first) = run.conversations.first().and_then(|c| c.turns.first()) else {
            return Err(RunError::NothingToSend);
        };
        // A prompt the backend cannot send is found before anything is.
        let mut trial = Request::new(&first.prompt, &run.request.model, 1);
        trial.path = run.request.path.as_deref();
        trial.stream = run.request.stream && run.backend.can_stream();
        run.backend.encode(&trial)?;
        let options = TargetOptions {
            tls: run.tls.clone(),
            ..TargetOptions::default()
        };
        let target = Target::resolve(&run.base_url, &options).await?;
        let clock = Clock::start();
        run.await_ready(&target, clock, observer).await?;
        let mut warnings = std::mem::take(&mut run.describe.warnings);
        warnings.extend(run.settle_model(&target, clock).await?);
        warnings.extend(run.warm_up(&target, clock, observer).await?);

        let conversations = std::mem::take(&mut run.conversations);
        let plan = Arc::new(run.plan(target, conversations));
        let phase = Phase::Measuring {
            requests: plan.requests(),
        };
        let recording = engine::record(&plan, clock, &run.stop, observer, phase).await?;
        observer.phase(Phase::Done);
        Ok(run.report(&plan, recording, warnings))
    }
}

impl RunBuilder {
    fn plan(&self, target: Target, conversations: Vec<Conversation>) -> Plan {
        let count = conversations.len();
        let paced = self.arrivals.is_paced();
        // A burst needs a slot for every request, and each worker its share of them.
        let burst = if paced { None } else { Some(count) };
        let slots = self.max_concurrency.or(burst);
        let slots = slots.map(|slots| slots.clamp(1, count));
        let threads = self.threads.unwrap_or_else(|| {
            std::thread::available_parallelism().map_or(1, std::num::NonZero::get)
        });
        let reserve = if paced {
            (self.arrivals.rate() * RESERVE_SECONDS).clamp(4.0, 1024.0) as usize
        } else {
            0
        };
        let warm_connections = match slots {
            Some(slots) => slots.min(MOST_WARM),
            None => reserve.min(count),
        };
        Plan {
            backend: self.backend,
            first_ids: first_ids(&conversations),
            offsets: self.arrivals.offsets(count),
            paced,
            slots,
            warm_connections,
            // A run that is limited has all the connections it needs from the start.
            reserve: if slots.is_none() { reserve } else { 0 },
            keepalive: self.keepalive,
            timeouts: self.timeouts,
            request: self.request.clone(),
            keep_text: match (self.keep_text, &self.tokenizer) {
                (true, _) => KeepText::Always,
                (false, Some(_)) => KeepText::UntilCounted,
                (false, None) => KeepText::Never,
            },
            grace: self.grace,
            threads: threads.clamp(1, slots.unwrap_or(count).max(1)),
            target,
            conversations,
        }
    }

    /// A plan to send `conversations` beside the measured ones.
    fn side_plan(&self, target: &Target, conversations: Vec<Conversation>) -> Arc<Plan> {
        let mut plan = self.plan(target.clone(), conversations);
        plan.offsets.fill(bench_types::Nanos::ZERO);
        plan.paced = false;
        plan.keep_text = KeepText::Never;
        plan.warm_connections = plan.slots.unwrap_or(1);
        plan.request.request_id_prefix.push_str("warmup-");
        Arc::new(plan)
    }

    /// One small request of the kind that will be measured.
    async fn try_one(
        &self,
        target: &Target,
        clock: Clock,
        observer: &mut dyn Observer,
        phase: Phase,
    ) -> Result<Outcome, RunError> {
        let prompt = match self.conversations.first().map(|c| &c.turns[0].prompt) {
            Some(Prompt::TokenIds(ids)) => Prompt::TokenIds(ids[..ids.len().min(1)].into()),
            Some(Prompt::Text(_)) | None => Prompt::Text("Hello".into()),
            Some(other) => other.clone(),
        };
        let one = vec![Conversation::single(0, prompt, None, 1)];
        let plan = self.side_plan(target, one);
        let stop = self.stop.clone();
        let mut recording = engine::record(&plan, clock, &stop, observer, phase).await?;
        let ended = recording.records.pop().map(|record| record.outcome);
        Ok(ended.unwrap_or(Outcome::Failed(Failure::Cancelled)))
    }

    async fn await_ready(
        &self,
        target: &Target,
        clock: Clock,
        observer: &mut dyn Observer,
    ) -> Result<(), RunError> {
        if self.ready_timeout.is_zero() {
            return Ok(());
        }
        let deadline = clock.now().saturating_add(self.ready_timeout.into());
        observer.phase(Phase::ReadyCheck);
        loop {
            let last = match self
                .try_one(target, clock, &mut (), Phase::ReadyCheck)
                .await
            {
                Ok(Outcome::Completed(_)) => return Ok(()),
                Ok(Outcome::Failed(failure)) => failure,
                Err(RunError::Unreachable(error)) => error.into(),
                Err(other) => return Err(other),
            };
            if clock.now() >= deadline || self.stop.is_stopped() {
                let seconds = self.ready_timeout.as_secs_f64();
                return Err(RunError::NotReady { seconds, last });
            }
            tokio::time::sleep(READY_PAUSE).await;
        }
    }

    /// Finds out the model if none was named, and whether the server knows the one that was.
    async fn settle_model(
        &mut self,
        target: &Target,
        clock: Clock,
    ) -> Result<Option<String>, RunError> {
        let listed = list_models(target, &self.request).await;
        let model = &mut self.request.model;
        if model.is_empty() {
            *model = listed?.into_iter().next().ok_or(RunError::NoModelList {
                reason: "/v1/models lists none".into(),
            })?;
            return Ok(None);
        }
        let served = match listed {
            Ok(served) if served.is_empty() || served.contains(model) => return Ok(None),
            Ok(served) => served,
            Err(error @ RunError::Unreachable(_)) => return Err(error),
            // Not every server lists its models; those that do not are taken at their word.
            Err(_) => return Ok(None),
        };
        let model = model.clone();
        match self
            .try_one(target, clock, &mut (), Phase::ReadyCheck)
            .await?
        {
            Outcome::Completed(_) => Ok(Some(format!(
                "the server answers requests for `{model}` although it lists only: {}",
                served.join(", ")
            ))),
            Outcome::Failed(answer) => Err(RunError::UnknownModel {
                model,
                answer,
                served,
            }),
        }
    }

    /// Sends the warm-up requests. Their times are not kept; that some failed is.
    async fn warm_up(
        &mut self,
        target: &Target,
        clock: Clock,
        observer: &mut dyn Observer,
    ) -> Result<Option<String>, RunError> {
        let conversations = std::mem::take(&mut self.warm_up);
        if conversations.is_empty() {
            return Ok(None);
        }
        let plan = self.side_plan(target, conversations);
        let requests = plan.requests();
        let phase = Phase::WarmUp { requests };
        let stop = self.stop.clone();
        let recording = engine::record(&plan, clock, &stop, observer, phase).await?;
        let failures = || recording.records.iter().filter_map(|r| r.outcome.failure());
        Ok(failures().next().map(|example| {
            let failed = failures().count();
            format!("{failed} of {requests} warm-up requests failed: {example}")
        }))
    }

    fn report(self, plan: &Plan, recording: Recording, mut warnings: Vec<String>) -> Report {
        let Recording {
            mut records,
            mut facts,
            answers,
            notes,
        } = recording;
        facts.simulated = self.simulated;
        self.settle_tokens(&mut records, plan.keep_text);
        warnings.extend(notes);
        for (model, count) in &answers.models {
            if *model != self.request.model {
                warnings.push(format!(
                    "{count} answers came from model `{model}`, not from `{}`",
                    self.request.model
                ));
            }
        }
        if let Some((counted, reported)) = answers.mismatch_example {
            warnings.push(format!(
                "the server counts the prompts of {} requests differently than the dataset \
                 (for example {reported} tokens for {counted}): is --tokenizer the model's own? \
                 A server that adds special tokens or a chat template differs by a constant",
                answers.prompt_mismatches
            ));
        }
        if answers.stale_connections > 0 {
            warnings.push(format!(
                "the server closed {} idle connections between requests; new ones were opened",
                answers.stale_connections
            ));
        }
        let path = plan.request.path.as_deref();
        let setup = Setup {
            date: date_stamp(facts.epoch_unix),
            backend: self.backend.name().to_owned(),
            task: self.backend.task(),
            streamed: plan.streams(),
            targets: vec![match plan.target.scheme() {
                Scheme::Unix => plan.target.url().to_owned(),
                Scheme::Http | Scheme::Https => format!(
                    "{}{}",
                    plan.target.url(),
                    path.unwrap_or(self.backend.default_path(plan.streams()))
                ),
            }],
            models: vec![self.request.model.clone()],
            server_info: serde_json::Map::new(),
            label: self.describe.label,
            model_id: self.describe.model_id.unwrap_or(self.request.model),
            tokenizer_id: self.tokenizer.as_ref().map(|t| t.id().to_owned()),
            num_prompts: facts.planned,
            metadata: self.describe.metadata,
            request_rate: self.arrivals.rate(),
            burstiness: self.arrivals.burstiness(),
            max_concurrency: self.max_concurrency.map(|slots| slots as u64),
            ramp_up: None,
            metrics: self.metrics,
            options: self.describe.options,
            tool: self.describe.tool.unwrap_or_else(crate::tool),
            dataset_hash: self.describe.dataset_hash,
        };
        let mut report = Report::new(setup, facts, records, &self.summary);
        report.warnings = warnings;
        report
    }

    fn settle_tokens(&self, records: &mut [RequestRecord], keep: KeepText) {
        let tokenizer = self.tokenizer.as_ref();
        let count = |text: &str| tokenizer?.token_ends(text).ok();
        for record in records {
            settle_from_text(record, &count, keep);
        }
    }

    /// What is sent, in this order.
    pub fn conversations(mut self, conversations: Vec<Conversation>) -> RunBuilder {
        self.conversations = conversations;
        self
    }

    /// What is sent first and not measured.
    pub fn warm_up_with(mut self, conversations: Vec<Conversation>) -> RunBuilder {
        self.warm_up = conversations;
        self
    }

    /// When it is sent; all at once by default.
    pub fn arrivals(mut self, arrivals: Arrivals) -> RunBuilder {
        self.arrivals = arrivals;
        self
    }

    /// The most requests under way at once; no limit by default.
    pub fn max_concurrency(mut self, slots: impl Into<Option<usize>>) -> RunBuilder {
        self.max_concurrency = slots.into();
        self
    }

    /// Number of threads that send and receive; one per core by default.
    pub fn threads(mut self, threads: impl Into<Option<usize>>) -> RunBuilder {
        self.threads = threads.into();
        self
    }

    /// Whether a connection carries more than one request; it does by default.
    pub fn keepalive(mut self, keepalive: bool) -> RunBuilder {
        self.keepalive = keepalive;
        self
    }

    /// How an `https` server is authenticated.
    pub fn tls(mut self, tls: TlsOptions) -> RunBuilder {
        self.tls = tls;
        self
    }

    /// Time limits of each request.
    pub fn timeouts(mut self, timeouts: Timeouts) -> RunBuilder {
        self.timeouts = timeouts;
        self
    }

    /// What all requests have in common.
    pub fn request(mut self, request: RequestOptions) -> RunBuilder {
        self.request = request;
        self
    }

    /// The model to ask for; by default the first the server lists.
    pub fn model(mut self, model: impl Into<String>) -> RunBuilder {
        self.request.model = model.into();
        self
    }

    /// Adds a header to every request.
    pub fn header(mut self, name: HeaderName, value: HeaderValue) -> RunBuilder {
        self.request.headers.push((name, value));
        self
    }

    /// Counts tokens where the server does not.
    pub fn tokenizer(mut self, tokenizer: impl Into<Option<Tokenizer>>) -> RunBuilder {
        self.tokenizer = tokenizer.into();
        self
    }

    /// Keeps the generated texts in the records.
    pub fn keep_text(mut self, keep: bool) -> RunBuilder {
        self.keep_text = keep;
        self
    }

    /// Percentiles, goodput and the like.
    pub fn summary(mut self, options: SummaryOptions) -> RunBuilder {
        self.summary = options;
        self
    }

    /// The metrics with a section in the report; TTFT, TPOT and ITL by default.
    pub fn metrics(mut self, metrics: Vec<&'static Metric>) -> RunBuilder {
        self.metrics = metrics;
        self
    }

    /// Waits this long for the server to answer a request before the run; not at all by
    /// default.
    pub fn ready_timeout(mut self, limit: Duration) -> RunBuilder {
        self.ready_timeout = limit;
        self
    }

    /// How long requests under way may go on after a stop; 30 s by default.
    pub fn grace(mut self, grace: Duration) -> RunBuilder {
        self.grace = grace;
        self
    }

    /// Marks the result as one of a simulated server.
    pub fn simulated(mut self, simulated: bool) -> RunBuilder {
        self.simulated = simulated;
        self
    }

    /// Lets the run be stopped from outside.
    pub fn stop_handle(mut self, stop: StopHandle) -> RunBuilder {
        self.stop = stop;
        self
    }

    /// What the result says beyond what the run knows.
    pub fn describe(mut self, description: Description) -> RunBuilder {
        self.describe = description;
        self
    }

    /// The run, ready to be executed.
    pub fn build(self) -> Run {
        Run { options: self }
    }
}

/// Between two attempts to find the server ready.
const READY_PAUSE: Duration = Duration::from_millis(500);
