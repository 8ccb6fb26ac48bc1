use std::sync::Arc;

use bench_backends::Backend;
use bench_http::Target;
use bench_metrics::tokens::{KeepText, settle_from_text};
use bench_metrics::{NoSteadyState, PrefixCache, Summary, View, default_metrics};
use bench_report::record_log::Header;
use bench_report::{Report, Setup, date_stamp};
use bench_stream::Clock;
use bench_types::{Nanos, RequestKind, RequestRecord};
use serde_json::{Map, Value};
use tokio::sync::watch;

use crate::RunError;
use crate::answers::{Answers, Mismatches};
use crate::builder::RunBuilder;
use crate::control::{InFlight, Profiling, reset_caches};
use crate::engine::{self, Job, Recording};
use crate::history;
use crate::observer::{Observer, Phase};
use crate::plan::Plan;
use crate::prefix_cache::PrefixCaches;
use crate::probe::Asker;
use crate::record_log::Log;
use crate::session;

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
    pub(crate) options: RunBuilder,
}

impl Run {
    /// A run of `backend`'s protocol against the server at `base_url`. The backend is one of
    /// the registry or the caller's own.
    pub fn builder(base_url: impl Into<String>, backend: &'static dyn Backend) -> RunBuilder {
        RunBuilder::new(base_url.into(), backend)
    }

    /// Carries the run out. The requests are sent by threads of their own; `observer` is told
    /// how it goes.
    ///
    /// # Errors
    /// If the run cannot begin or cannot go on. Failed requests are no error: they are in the
    /// report.
    pub async fn execute(self, observer: &mut dyn Observer) -> Result<Report, RunError> {
        let mut run = self.options;
        run.try_encoding()?;
        run.arrivals.check_count(run.conversations.len())?;
        let mut targets = Vec::new();
        for url in &run.base_urls {
            targets.push(Target::resolve(url, &run.transport).await?);
        }
        let clock = Clock::start();
        let asker = Asker::new(&run.request, run.backend, &targets);
        let mut warnings = std::mem::take(&mut run.describe.warnings);
        warnings.extend(run.adapt(&targets, &asker).await);
        run.await_ready(&targets, clock, observer).await?;
        if !run.ready_timeout.is_zero() {
            // Now it is there, if it was not before.
            warnings.extend(run.adapt(&targets, &asker).await);
        }
        warnings.extend(run.settle_models(&targets, &asker, clock).await?);
        let server_info = ask_servers(&targets, &asker).await;
        let warm_up = run.plan_warm_up(&targets);
        let (mut before, mut warm_up_facts) = (Vec::new(), None);
        let gapless = match (warm_up, run.stands_apart()) {
            (Some(warm_up), Some(why)) => {
                let recording = run.warm_up_apart(warm_up, clock, observer).await?;
                warnings.push(format!(
                    "the warm-up was over before measuring began: {why}"
                ));
                (before, warm_up_facts) = (recording.records, recording.facts.warm_up);
                None
            }
            (warm_up, _) => warm_up,
        };
        let probes = run.plan_probes(&targets);
        if run.control.reset_cache {
            reset_caches(targets.iter(), &asker, run.control.cache_timeout).await?;
        }

        let conversations = std::mem::take(&mut run.conversations);
        let plan = Arc::new(run.plan(targets, conversations));
        let setup = run.setup(&plan, clock, server_info);
        let log = run.log(&setup, &plan, clock, &warnings);
        let stop = run.stop.clone();
        let job = Job {
            phase: Phase::Measuring {
                requests: plan.requests(),
            },
            plan: Arc::clone(&plan),
            warm_up: gapless,
            probes,
            before,
            clock,
            stop: &stop,
        };
        let targets: Vec<Target> = plan.servers.targets().cloned().collect();
        let caches = PrefixCaches::before(&targets, &asker).await;
        let measured = run.measure(job, asker.clone(), observer, log);
        let mut recording = measured.await?;
        recording.facts.prefix_caches = caches.after(&targets, &asker).await;
        if warm_up_facts.is_some() {
            recording.facts.warm_up = warm_up_facts;
        }
        observer.phase(Phase::Done);
        Ok(run.report(setup, &plan, recording, warnings))
    }
}

/// What each server says about itself, by its base URL.
async fn ask_servers(targets: &[Target], asker: &Asker) -> Map<String, Value> {
    let mut all = Map::new();
    for target in targets {
        let info = asker.server_info(target).await;
        if !info.is_empty() {
            all.insert(target.url().to_owned(), Value::Object(info));
        }
    }
    all
}

impl RunBuilder {
    /// What the backend cannot send is found before anything is.
    fn try_encoding(&self) -> Result<(), RunError> {
        let models = self.models();
        for conversation in &self.conversations {
            history::check(conversation, self.backend.task())?;
            session::check(conversation)?;
        }
        let turns = self.conversations.iter().flat_map(|c| &c.turns);
        for (number, turn) in (0..).zip(turns) {
            let mut trial = self.request.ask(turn, &models.names[0]);
            trial.lora = models.adapter(0);
            trial.stream = self.request.stream && self.backend.can_stream();
            match self.backend.encode(&trial) {
                Ok(_) => {}
                // That none can be sent need not be said of one.
                Err(error) if number == 0 => return Err(error.into()),
                Err(source) => return Err(RunError::Unsendable { number, source }),
            }
        }
        match self.conversations.is_empty() {
            true => Err(RunError::NothingToSend),
            false => Ok(()),
        }
    }

    /// Sends the measured load, with the profilers of the servers running if that is wanted.
    async fn measure(
        &self,
        job: Job<'_>,
        asker: Asker,
        observer: &mut dyn Observer,
        log: Option<Log>,
    ) -> Result<Recording, RunError> {
        let Some(profile) = self.control.profile else {
            return engine::record(job, observer, log).await;
        };
        let (sender, in_flight) = watch::channel(0);
        let targets = job.plan.servers.targets().cloned().collect();
        let profiling = Profiling::begin(profile, targets, asker, in_flight).await?;
        let mut watched = InFlight { observer, sender };
        let recorded = engine::record(job, &mut watched, log).await;
        let notes = profiling.end().await;
        let mut recording = recorded?;
        recording.notes.extend(notes);
        Ok(recording)
    }

    /// The record log to be written, if one is wanted.
    fn log(&self, setup: &Setup, plan: &Plan, clock: Clock, warnings: &[String]) -> Option<Log> {
        let options = self.record_log.as_ref()?;
        let header = Header {
            setup: setup.clone(),
            summary: self.summary.clone(),
            detailed: options.detailed,
            keep_text: plan.keep_text,
            planned: plan.requests().unwrap_or_else(|| plan.round()),
            epoch_unix: clock.epoch_unix(),
            start: Nanos::ZERO,
            unpaced: !plan.paced,
            simulated: self.simulated,
            warnings: warnings.to_vec(),
        };
        Some(Log::new(options, header))
    }

    /// All that is known of the run before its first request.
    fn setup(&self, plan: &Plan, clock: Clock, server_info: Map<String, Value>) -> Setup {
        let default_path = self.backend.default_path(plan.streams());
        let path = plan.request.path.as_deref().unwrap_or(default_path);
        let describe = &self.describe;
        let model_id = describe.model_id.as_ref().unwrap_or(&self.request.model);
        let provenance = self.provenance(plan, &server_info);
        Setup {
            date: date_stamp(clock.epoch_unix()),
            backend: self.backend.name().to_owned(),
            task: self.backend.task(),
            streamed: plan.streams(),
            targets: plan.servers.describe(path),
            models: plan.models.names.clone(),
            classes: plan.classes.names.clone(),
            server_info,
            label: describe.label.clone(),
            model_id: model_id.clone(),
            tokenizer_id: self.tokenizer.as_ref().map(|t| t.id().to_owned()),
            num_prompts: plan.requests().unwrap_or_else(|| plan.round()),
            metadata: describe.metadata.clone(),
            request_rate: self.arrivals.rate(&plan.offsets),
            burstiness: self.arrivals.burstiness(),
            max_concurrency: self.max_concurrency.map(|slots| slots as u64),
            ramp_up: self.arrivals.ramp_up(&plan.offsets),
            schedule: self.arrivals.schedule(&plan.offsets),
            metrics: self
                .metrics
                .clone()
                .unwrap_or_else(|| default_metrics(self.backend.task(), plan.streams())),
            options: describe.options.clone(),
            provenance,
        }
    }

    fn report(
        self,
        setup: Setup,
        plan: &Plan,
        recording: Recording,
        mut warnings: Vec<String>,
    ) -> Report {
        let Recording {
            mut records,
            mut facts,
            answers,
            notes,
            log,
            ..
        } = recording;
        facts.simulated = self.simulated;
        self.settle_tokens(&mut records, plan.keep_text);
        warnings.extend(notes);
        warnings.extend(odd_answers(&answers, &plan.models.names));
        let mut report = Report::new(setup, facts, records, &self.summary);
        warnings.extend(too_long(&report.records, self.request.outputs()));
        warnings.extend(oddities(&report, plan));
        report.warnings = warnings;
        let cache = report.cache.as_ref();
        report.warnings.extend(cache.and_then(PrefixCache::warning));
        let steady = report.steady_state.as_ref();
        let absent = steady.and_then(|steady| steady.absent);
        report
            .warnings
            .extend(absent.and_then(NoSteadyState::warning));
        if let Some(log) = log
            && let Err(error) = log.finish(&report.facts, &report.warnings)
        {
            report.warnings.push(error.to_string());
        }
        report
    }

    fn settle_tokens(&self, records: &mut [RequestRecord], keep: KeepText) {
        let tokenizer = self.tokenizer.as_ref();
        let count = |text: &str| tokenizer?.token_ends(text).ok();
        for record in records {
            settle_from_text(record, &count, keep);
        }
    }
}

/// What of the load as a whole the user should know.
fn oddities(report: &Report, plan: &Plan) -> Vec<String> {
    let mut notes = Vec::new();
    if let Some(warm_up) = report.warm_up.filter(|warm_up| warm_up.failed > 0) {
        let kind = |record: &&RequestRecord| record.kind == RequestKind::WarmUp;
        let mut failures = report
            .beside
            .iter()
            .filter(kind)
            .filter_map(|r| r.outcome.failure());
        let example = failures
            .next()
            .map_or_else(String::new, ToString::to_string);
        let (failed, requests) = (warm_up.failed, warm_up.requests);
        notes.push(format!(
            "{failed} of {requests} warm-up requests failed: {example}"
        ));
    }
    let last = report.records.last().map_or(0, |record| record.id);
    let rounds = last.checked_div(plan.round()).unwrap_or(0);
    if rounds > 0 {
        notes.push(format!(
            "the {} prompts were sent {} times over (the last time perhaps not all of them): a \
             server with a prefix cache answers those it knows faster; --num-prompts N makes more",
            plan.round(),
            rounds + 1
        ));
    }
    notes.extend(short_time(&report.summary));
    let sent = report.records.len() as u64;
    if report.facts.window.is_some() && plan.paced && sent < report.facts.planned {
        notes.push(format!(
            "{} requests were due and found no slot before the time was over",
            report.facts.planned - sent
        ));
    }
    notes
}

/// A time in which the requests at its edges weigh more than they should.
fn short_time(summary: &Summary) -> Option<String> {
    const LATENCIES: f64 = 10.0;
    let seconds = summary.time_limit?.seconds;
    let of = |view: &View| view.metrics.get("e2el").map(|e2el| e2el.median / 1e3);
    let median = of(&summary.vllm).or_else(|| of(&summary.strict))?;
    (seconds < LATENCIES * median).then(|| {
        format!(
            "the time of {seconds} s is short beside a request, of which the median takes \
             {median:.2} s: throughput is that of a server that fills and empties; give \
             --duration {} or more",
            (LATENCIES * median).ceil()
        )
    })
}

/// What in the answers as a whole the user should know.
fn odd_answers(answers: &Answers, models: &[String]) -> Vec<String> {
    let mut notes = Vec::new();
    for (model, count) in &answers.models {
        if !models.contains(model) {
            notes.push(format!(
                "{count} answers came from model `{model}`, not from `{}`",
                models.join("`, `")
            ));
        }
    }
    notes.extend(answers.mismatches.as_ref().map(explain));
    if answers.unended > 0 {
        notes.push(format!(
            "the bodies of {} answers did not end although all was said; their connections were \
             dropped a second later",
            answers.unended
        ));
    }
    if answers.stale_connections > 0 {
        notes.push(format!(
            "the server closed {} idle connections between requests; new ones were opened",
            answers.stale_connections
        ));
    }
    notes
}

/// Why the server may count prompts differently than the dataset.
fn explain(mismatches: &Mismatches) -> String {
    let Mismatches {
        requests,
        example: (counted, reported),
        more,
    } = mismatches;
    match more {
        // As a chat template or special tokens would.
        Some(more @ 1..) if *requests > 1 => format!(
            "the server adds {more} tokens to each prompt (a chat template, special tokens); \
             input tokens are reported without them"
        ),
        _ => format!(
            "the server counts the prompts of {requests} requests differently than the dataset \
             (for example {reported} tokens for {counted}): is --tokenizer the model's own?"
        ),
    }
}

/// A tenth more than was allowed is how tokenizers may differ; beyond that a server did not
/// understand the limit.
fn too_long(records: &[RequestRecord], outputs: u32) -> Option<String> {
    let excess = |record: &&RequestRecord| {
        let outputs = outputs.saturating_mul(record.inputs);
        let limit = record.max_output_tokens.saturating_mul(outputs);
        limit > 0 && record.output_tokens > limit.saturating_add(limit / 10 + 1)
    };
    let example = records.iter().find(excess)?;
    Some(format!(
        "{} answers are longer than was asked for (for example {} tokens, not {}): the server \
         may know the limit by another name (the backends `llama.cpp-chat` and `tgi-chat` send \
         max_tokens) or the tokenizer is not the model's",
        records.iter().filter(excess).count(),
        example.output_tokens,
        example.max_output_tokens
    ))
}
