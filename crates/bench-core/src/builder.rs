use std::time::Duration;

use bench_backends::Backend;
use bench_datasets::{Tokenizer, shared_prefixes};
use bench_http::{Target, TargetOptions};
use bench_metrics::tokens::KeepText;
use bench_metrics::{Metric, SummaryOptions};
use bench_types::{Conversation, Nanos, RequestKind};
use http::{HeaderName, HeaderValue};

use crate::arrivals::Arrivals;
use crate::classes::Classes;
use crate::history::Form;
use crate::lora::Models;
use crate::plan::{Plan, first_ids};
use crate::servers::Servers;
use crate::session::{SESSION_HEADER, Sessions};
use crate::stop::StopHandle;
use crate::warm_up::WarmUpLimits;
use crate::{
    Balance, Cancellation, Control, Lora, RecordLogOptions, RequestOptions, Run, Timeouts,
};

/// Connections opened before a run, at most. Further ones are opened when they are needed.
const MOST_WARM: usize = 16_384;

/// How many connections are kept in reserve while requests arrive: enough for the busiest
/// stretch of this length.
const RESERVE_SPAN: Nanos = Nanos::from_millis(250);

/// Collects the options of a [`Run`]. Everything but the target, the backend and the
/// conversations has a default.
pub struct RunBuilder {
    pub(crate) base_urls: Vec<String>,
    pub(crate) balance: Balance,
    pub(crate) transport: TargetOptions,
    pub(crate) backend: &'static dyn Backend,
    pub(crate) conversations: Vec<Conversation>,
    pub(crate) warm_up: Vec<Conversation>,
    pub(crate) warm_up_limits: WarmUpLimits,
    session_header: Option<HeaderName>,
    pub(crate) arrivals: Arrivals,
    pub(crate) max_concurrency: Option<usize>,
    pub(crate) duration: Option<Duration>,
    again: bool,
    pub(crate) prefills: Option<usize>,
    pub(crate) cancellation: Option<Cancellation>,
    pub(crate) probe_rate: Option<f64>,
    threads: Option<usize>,
    keepalive: bool,
    timeouts: Timeouts,
    pub(crate) request: RequestOptions,
    pub(crate) lora: Lora,
    pub(crate) control: Control,
    pub(crate) tokenizer: Option<Tokenizer>,
    keep_text: bool,
    pub(crate) summary: SummaryOptions,
    pub(crate) metrics: Option<Vec<&'static Metric>>,
    pub(crate) ready_timeout: Duration,
    grace: Duration,
    pub(crate) simulated: bool,
    pub(crate) record_log: Option<RecordLogOptions>,
    pub(crate) stop: StopHandle,
    pub(crate) describe: Description,
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
    /// The git commit that the tool was built from.
    pub commit: Option<String>,
    /// Fingerprint of the dataset.
    pub dataset_hash: Option<String>,
    /// Fingerprint of the load without its words.
    pub workload_hash: Option<String>,
    /// Seed that prompts and lengths were drawn with.
    pub dataset_seed: Option<u64>,
    /// What tells synthetic prompts from those of another run by the same seed.
    pub nonce: Option<u64>,
    /// Seed that the prompts of the warm-up were drawn with.
    pub warm_up_seed: Option<u64>,
    /// What should be reported with the result, one sentence each.
    pub warnings: Vec<String>,
    /// The name the model is known by, if it is not the one sent to the server.
    pub model_id: Option<String>,
}

impl RunBuilder {
    pub(crate) fn new(base_url: String, backend: &'static dyn Backend) -> RunBuilder {
        RunBuilder {
            base_urls: vec![base_url],
            balance: Balance::default(),
            transport: TargetOptions::default(),
            backend,
            conversations: Vec::new(),
            warm_up: Vec::new(),
            warm_up_limits: WarmUpLimits::default(),
            session_header: Some(SESSION_HEADER),
            arrivals: Arrivals::burst(),
            max_concurrency: None,
            duration: None,
            again: true,
            prefills: None,
            cancellation: None,
            probe_rate: None,
            threads: None,
            keepalive: true,
            timeouts: Timeouts::default(),
            request: RequestOptions::default(),
            lora: Lora::default(),
            control: Control::default(),
            tokenizer: None,
            keep_text: false,
            summary: SummaryOptions::default(),
            metrics: None,
            ready_timeout: Duration::ZERO,
            grace: Duration::from_secs(30),
            simulated: false,
            record_log: None,
            stop: StopHandle::new(),
            describe: Description::default(),
        }
    }

    /// How many conversations are sent of this many different ones: each once, but in a run that
    /// is limited in time as many as its time has room for, if they may be sent again.
    fn count(&self, conversations: usize) -> usize {
        let Some(duration) = self.duration else {
            return conversations;
        };
        let room = match self.arrivals.is_paced() {
            true => self
                .arrivals
                .count_in(duration.into())
                .unwrap_or(conversations),
            false => usize::MAX,
        };
        match self.again {
            true if conversations > 0 => room,
            _ => room.min(conversations),
        }
    }

    pub(crate) fn plan(&self, targets: Vec<Target>, conversations: Vec<Conversation>) -> Plan {
        let paced = self.arrivals.is_paced();
        let count = self.count(conversations.len());
        // A burst needs a slot for every request, and each worker its share of them.
        let burst = if paced {
            None
        } else {
            Some(conversations.len())
        };
        let slots = self.max_concurrency.or(burst);
        let slots = slots.map(|slots| slots.clamp(1, count.max(1)));
        let threads = self.threads.unwrap_or_else(|| {
            std::thread::available_parallelism().map_or(1, std::num::NonZero::get)
        });
        let limit = self.duration.map(Nanos::from);
        let offsets = match limit {
            _ if !paced => Vec::new(),
            Some(limit) => self.arrivals.offsets_in(limit, count),
            None => self.arrivals.offsets(count),
        };
        let count = if paced { offsets.len() } else { count };
        let reserve = if paced {
            densest(&offsets, RESERVE_SPAN).clamp(4, 1024)
        } else {
            0
        };
        // A hang-up costs the connection, and the next request is not to wait for a new one.
        let replacements = match (self.cancellation, slots) {
            (Some(cancellation), Some(slots)) => {
                let at_once = (slots as f64 * cancellation.rate()).ceil() as usize;
                at_once.max(threads).min(slots)
            }
            _ => 0,
        };
        let warm_connections = match slots {
            Some(slots) => (slots + replacements).min(MOST_WARM),
            None => reserve.min(count),
        };
        let most_threads = slots
            .unwrap_or(count)
            .min(self.prefills.unwrap_or(usize::MAX));
        let servers = Servers::new(targets, self.balance);
        let models = self.models_of(&conversations);
        Plan {
            kind: RequestKind::Load,
            most: if count == usize::MAX {
                u64::MAX
            } else {
                count as u64
            },
            constant_rate: None,
            limit,
            fills_limit: limit.is_some_and(|limit| {
                let room = self.arrivals.count_in(limit);
                paced && self.arrivals.fills(limit) && room.is_some_and(|room| room <= count)
            }),
            until_stable: false,
            prefills: self.prefills,
            cancellation: self.cancellation,
            backend: self.backend,
            first_ids: first_ids(&conversations),
            offsets,
            paced,
            slots,
            warm_connections,
            reserve: match slots {
                None => reserve,
                // The other connections it needs are open from the start.
                Some(_) if self.base_urls.len() == 1 => replacements.min(MOST_WARM),
                // More requests than their share may go to one of the servers.
                Some(slots) => slots.min(MOST_WARM),
            },
            keepalive: self.keepalive,
            timeouts: self.timeouts,
            request: self.request.clone(),
            form: Form::of(self.backend),
            sessions: Sessions::new(self.session_header.clone(), &conversations),
            classes: Classes::of(&conversations),
            shared_prefixes: shared_prefixes(&conversations, |place| {
                // Adapters share no cache. Where it is not known beforehand which server it
                // will be, all are taken for one.
                let server = servers.foreseen(place).unwrap_or(0) as u64;
                let model = models.of.get(place).copied().unwrap_or(0);
                server << 16 | u64::from(model)
            }),
            servers,
            models,
            keep_text: match (self.keep_text, &self.tokenizer) {
                (true, _) => KeepText::Always,
                (false, Some(_)) => KeepText::UntilCounted,
                (false, None) => KeepText::Never,
            },
            grace: self.grace,
            threads: threads.clamp(1, most_threads.max(1)),
            conversations,
        }
    }

    /// The models that the measured requests ask for.
    pub(crate) fn models(&self) -> Models {
        self.models_of(&self.conversations)
    }

    fn models_of(&self, conversations: &[Conversation]) -> Models {
        let (model, servers) = (&self.request.model, self.base_urls.len());
        self.lora.choose(model, conversations, servers)
    }

    /// What is sent, in this order.
    pub fn conversations(mut self, conversations: Vec<Conversation>) -> RunBuilder {
        self.conversations = conversations;
        self
    }

    /// What is sent first and not measured, each once unless [`RunBuilder::warm_up_limits`] says
    /// more.
    pub fn warm_up_with(mut self, conversations: Vec<Conversation>) -> RunBuilder {
        self.warm_up = conversations;
        self
    }

    /// When the warm-up ends.
    pub fn warm_up_limits(mut self, limits: WarmUpLimits) -> RunBuilder {
        self.warm_up_limits = limits;
        self
    }

    /// The header that names the conversation in every request, where there are conversations
    /// of several turns; `x-session-id` by default.
    pub fn session_header(mut self, name: impl Into<Option<HeaderName>>) -> RunBuilder {
        self.session_header = name.into();
        self
    }

    /// When it is sent; all at once by default.
    pub fn arrivals(mut self, arrivals: Arrivals) -> RunBuilder {
        self.arrivals = arrivals;
        self
    }

    /// The most conversations under way at once, from the first request to the last, think time
    /// included; no limit by default.
    pub fn max_concurrency(mut self, slots: impl Into<Option<usize>>) -> RunBuilder {
        self.max_concurrency = slots.into();
        self
    }

    /// The time in which conversations are begun, from the first one on; those under way then may
    /// end within the grace period. By default a run ends with its last conversation.
    ///
    /// Conversations are sent again and again while there is time, unless
    /// [`RunBuilder::again`] says otherwise. Throughput is what was done in the time.
    pub fn duration(mut self, limit: impl Into<Option<Duration>>) -> RunBuilder {
        self.duration = limit.into();
        self
    }

    /// Whether conversations are sent again, from the first one on, in a run that is limited in
    /// time; they are by default.
    pub fn again(mut self, again: bool) -> RunBuilder {
        self.again = again;
        self
    }

    /// The most requests that wait for their first token at once; no limit by default.
    pub fn prefill_concurrency(mut self, most: impl Into<Option<usize>>) -> RunBuilder {
        self.prefills = most.into();
        self
    }

    /// Requests that the client hangs up on, as users do; none by default.
    pub fn cancellation(mut self, which: impl Into<Option<Cancellation>>) -> RunBuilder {
        self.cancellation = which.into();
        self
    }

    /// Small requests that are sent beside the load at a constant rate, in requests per second,
    /// to feel how long a request takes; none by default. They are not part of the load, and have
    /// connections of their own.
    pub fn probe_rate(mut self, rate: impl Into<Option<f64>>) -> RunBuilder {
        self.probe_rate = rate.into();
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

    /// Further servers at these base URLs; the load is spread over all.
    pub fn also_at(mut self, base_urls: impl IntoIterator<Item = impl Into<String>>) -> RunBuilder {
        let urls = base_urls.into_iter().map(Into::into);
        self.base_urls.extend(urls);
        self
    }

    /// How the load is spread over several servers.
    pub fn balance(mut self, balance: Balance) -> RunBuilder {
        self.balance = balance;
        self
    }

    /// TLS, HTTP/2 and proxies.
    pub fn transport(mut self, transport: TargetOptions) -> RunBuilder {
        self.transport = transport;
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

    /// LoRA adapters to ask for in place of the model.
    pub fn lora(mut self, lora: Lora) -> RunBuilder {
        self.lora = lora;
        self
    }

    /// What is asked of the servers around the measured load.
    pub fn control(mut self, control: Control) -> RunBuilder {
        self.control = control;
        self
    }

    /// Adds a header to every request. The values of headers that are marked sensitive are
    /// kept out of everything the run says.
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

    /// The metrics with a section in the report; by default TTFT, TPOT and ITL, or E2EL where
    /// answers come whole.
    pub fn metrics(mut self, metrics: Vec<&'static Metric>) -> RunBuilder {
        self.metrics = Some(metrics);
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

    /// Writes a record log; none by default.
    pub fn record_log(mut self, options: impl Into<Option<RecordLogOptions>>) -> RunBuilder {
        self.record_log = options.into();
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

/// The most requests that are due within `span` of each other.
fn densest(offsets: &[Nanos], span: Nanos) -> usize {
    let mut first = 0;
    let counts = offsets.iter().enumerate().map(|(last, time)| {
        while offsets[first] + span < *time {
            first += 1;
        }
        last + 1 - first
    });
    counts.max().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hang_ups_have_connections_in_reserve() {
        use crate::{CancelAfter, Cancellation};
        use bench_types::Prompt;

        let plan = |rate| {
            let backend = bench_backends::backend("vllm").unwrap();
            let one = |id| Conversation::single(id, Prompt::Text("Hello".into()), None, 1);
            let which = Cancellation::new(rate, CancelAfter::Tokens(1), 7).unwrap();
            let builder = RunBuilder::new("http://127.0.0.1:1".to_owned(), backend);
            let builder = builder.max_concurrency(20).threads(2);
            let builder = builder.cancellation(Some(which).filter(|_| rate > 0.0));
            builder.plan(Vec::new(), (0..100).map(one).collect())
        };
        let counts = |rate| (plan(rate).warm_connections, plan(rate).reserve);
        assert_eq!(counts(0.0), (20, 0));
        assert_eq!(counts(0.01), (22, 2), "one for each worker");
        assert_eq!(counts(0.25), (25, 5));
        assert_eq!(counts(1.0), (40, 20));
    }

    #[test]
    fn the_busiest_stretch_decides() {
        let times = [0, 300, 350, 400, 700].map(Nanos::from_millis);
        assert_eq!(densest(&times, RESERVE_SPAN), 3);
        assert_eq!(densest(&[], RESERVE_SPAN), 0);
        assert_eq!(densest(&[Nanos::ZERO; 9], RESERVE_SPAN), 9);
    }
}
