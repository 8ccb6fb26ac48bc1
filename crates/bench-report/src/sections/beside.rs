//! What was cut off, given up and sent beside the load.

use bench_metrics::Distribution;
use bench_types::WarmUpEnd;

use super::{Account, Section};

impl Account<'_> {
    /// The limit in time, cancellations, warm-up and probes, as far as the run had them.
    pub fn beside(&self) -> Vec<Section> {
        let sections = [
            self.time_limit(),
            self.cancellations(),
            self.warmed_up(),
            self.probed(),
        ];
        sections.into_iter().flatten().collect()
    }

    fn time_limit(&self) -> Option<Section> {
        let limit = self.summary.time_limit?;
        let mut section = Section::new("Limited in Time");
        section.number("Requests were sent for (s)", limit.seconds);
        section.row("Completed in that time", limit.completed_before);
        section.row("Completed after it", limit.completed_after);
        section.row(
            "Cut off by the grace period",
            self.summary.requests.censored,
        );
        let unsent = self.summary.requests.unsent;
        if unsent > 0 {
            section.row("Never sent", unsent);
        }
        Some(section)
    }

    fn cancellations(&self) -> Option<Section> {
        let cancelled = self.summary.cancellations.as_ref()?;
        let mut section = Section::new("Cancelled by the Client");
        section.row("Cancelled requests", cancelled.requests);
        section.row("Before the first token", cancelled.before_first_token);
        latency(&mut section, "TTFT of the others", &cancelled.ttft);
        Some(section)
    }

    fn warmed_up(&self) -> Option<Section> {
        let warm_up = self.warm_up?;
        let mut section = Section::new("Warm-up (not measured)");
        section.row("Requests", warm_up.requests);
        section.row("Failed requests", warm_up.failed);
        section.number("Lasted (s)", warm_up.seconds);
        let ended_by = match (warm_up.ended_by, warm_up.became_stable) {
            (WarmUpEnd::Stable, _) => "the server was steady",
            (WarmUpEnd::Stopped, _) => "the run was stopped",
            (WarmUpEnd::Unknown, _) => "unknown, the run was killed",
            (WarmUpEnd::Count, Some(false)) => "number of requests, not steady",
            (WarmUpEnd::Count, _) => "number of requests",
            (WarmUpEnd::Time, Some(false)) => "time, not steady",
            (WarmUpEnd::Time, _) => "time",
        };
        section.row("Ended by", ended_by);
        section.row("Under way when measuring began", warm_up.under_way);
        Some(section)
    }

    fn probed(&self) -> Option<Section> {
        let probes = self.probes?;
        let mut section = Section::new("Probes (not measured)");
        section.row("Probes", probes.requests);
        section.row("Failed probes", probes.failed);
        latency(&mut section, "E2EL", &probes.e2el);
        section.number("Latest to leave (ms late)", probes.max_lateness_ms);
        Some(section)
    }
}

fn latency(section: &mut Section, name: &str, distribution: &Distribution) {
    if distribution.count == 0 {
        return;
    }
    section.number(format!("{name} median (ms)"), distribution.median);
    for percentile in &distribution.percentiles {
        if percentile.p != 50.0 {
            section.number(format!("{name} p{} (ms)", percentile.p), percentile.value);
        }
    }
    section.number(format!("{name} max (ms)"), distribution.max);
}
