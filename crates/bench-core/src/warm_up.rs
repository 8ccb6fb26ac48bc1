//! Before the measured load: the same load, until the server is up to it.

use std::sync::Arc;
use std::time::Duration;

use bench_http::Target;
use bench_metrics::tokens::KeepText;
use bench_stream::Clock;
use bench_types::{Conversation, Nanos, Prompt, RequestKind, WarmUpEnd, WarmUpFacts};

use crate::RunError;
use crate::builder::RunBuilder;
use crate::engine::{self, Job, Recording};
use crate::observer::{Observer, Phase};
use crate::plan::Plan;
use crate::tickets::WarmUp;

/// When a warm-up ends: by whichever comes first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct WarmUpLimits {
    /// After this long.
    pub longest: Option<Duration>,
    /// When the server is steady: of the last four stretches the mean throughput and the mean
    /// median TTFT of the earlier two are within 10 % of those of the later two. A stretch ends
    /// when at least 16 requests, and one for each slot, have ended in it, and 250 ms at the
    /// earliest. After 300 s it ends without that if no other limit is set.
    pub until_stable: bool,
    /// Whether its conversations are sent again, from the first one on, while no other limit is
    /// reached. Otherwise it ends when each was sent once.
    pub again: bool,
}

/// A server that does not become steady is not waited for longer than this.
const LONGEST: Duration = Duration::from_secs(300);

impl RunBuilder {
    /// The warm-up that the user wants, if any.
    pub(crate) fn plan_warm_up(&mut self, targets: &[Target]) -> Option<WarmUp> {
        let conversations = std::mem::take(&mut self.warm_up);
        if conversations.is_empty() {
            return None;
        }
        let WarmUpLimits {
            longest,
            until_stable,
            again,
        } = self.warm_up_limits;
        // Something has to end it.
        let endless = longest.is_none() && (until_stable || again);
        let longest = longest.or(endless.then_some(LONGEST)).map(Nanos::from);
        let most = if again {
            usize::MAX
        } else {
            conversations.len()
        };
        let mut plan = self.side_plan(targets, conversations);
        plan.kind = RequestKind::WarmUp;
        plan.until_stable = until_stable;
        plan.most = if again { u64::MAX } else { most as u64 };
        plan.cancellation = self.cancellation;
        plan.prefills = self.prefills;
        let (mut span, mut schedule_ends_by) = (Nanos::ZERO, WarmUpEnd::Count);
        if self.arrivals.is_paced() {
            let arrivals = self.arrivals.before();
            let room = longest.and_then(|longest| arrivals.count_in(longest));
            let count = room.unwrap_or(usize::MAX).min(most);
            plan.paced = true;
            plan.offsets = arrivals.offsets(count);
            span = plan.offsets.last().copied().unwrap_or_default();
            if let Some(longest) = longest.filter(|_| room.is_some_and(|room| room <= most)) {
                (span, schedule_ends_by) = (longest, WarmUpEnd::Time);
            }
        } else {
            plan.limit = longest;
        }
        Some(WarmUp {
            plan: Arc::new(plan),
            span,
            schedule_ends_by,
        })
    }

    /// Whether something has to be done between warm-up and measuring, or all slots are free at
    /// once anyway, so that the one cannot go over into the other. Says which.
    pub(crate) fn stands_apart(&self) -> Option<&'static str> {
        if self.control.reset_cache {
            Some("the prefix caches were emptied after it")
        } else if self.control.profile.is_some() {
            Some("the profilers were started after it")
        } else if !self.arrivals.is_paced() && self.max_concurrency.is_none() {
            Some("everything measured was sent at once")
        } else {
            None
        }
    }

    /// Sends a warm-up and waits for its end.
    pub(crate) async fn warm_up_apart(
        &self,
        warm_up: WarmUp,
        clock: Clock,
        observer: &mut dyn Observer,
    ) -> Result<Recording, RunError> {
        let plan = warm_up.plan;
        let phase = Phase::WarmUp {
            requests: plan.requests(),
        };
        let job = Job {
            plan: Arc::clone(&plan),
            warm_up: None,
            probes: None,
            before: Vec::new(),
            clock,
            stop: &self.stop,
            phase,
        };
        let mut recording = engine::record(job, observer, None).await?;
        let facts = &recording.facts;
        let ended_by = if self.stop.is_stopped() {
            WarmUpEnd::Stopped
        } else if recording.stable {
            WarmUpEnd::Stable
        } else if plan.paced {
            warm_up.schedule_ends_by
        } else if facts.window.is_some() {
            WarmUpEnd::Time
        } else {
            WarmUpEnd::Count
        };
        recording.facts.warm_up = Some(WarmUpFacts {
            start: facts.start,
            end: facts.end,
            ended_by,
            became_stable: plan.until_stable.then_some(recording.stable),
            apart: true,
        });
        Ok(recording)
    }

    /// The probes beside the load, if there are to be any.
    pub(crate) fn plan_probes(&self, targets: &[Target]) -> Option<Plan> {
        let rate = self.probe_rate?;
        let prompt = Prompt::Text("Hello".into());
        let probe = Conversation::single(0, prompt, None, 1);
        let mut plan = self.side_plan(targets, vec![probe]);
        plan.kind = RequestKind::Probe;
        plan.request.request_ids = self.request.request_ids.of_probes();
        plan.paced = true;
        plan.constant_rate = Some(rate);
        plan.most = u64::MAX;
        plan.slots = None;
        plan.threads = 1;
        plan.keep_text = KeepText::Never;
        plan.reserve = (rate.ceil() as usize).clamp(2, 64);
        plan.warm_connections = plan.reserve;
        Some(plan)
    }
}
