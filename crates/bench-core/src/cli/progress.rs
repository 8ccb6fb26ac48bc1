use std::io::{IsTerminal, Write};
use std::time::{Duration, Instant};

use bench_metrics::{Convention, ttft};
use bench_types::{Nanos, RequestRecord};
use hdrhistogram::Histogram;
use indicatif::{ProgressBar as Bar, ProgressDrawTarget, ProgressStyle};

use crate::{Observer, Phase, Progress};

/// Without a terminal, a line of progress is written this often.
const LINE_INTERVAL: Duration = Duration::from_secs(5);

/// The token rate shown is that of the last moments.
const RATE_WINDOW: Duration = Duration::from_secs(1);

/// Shows how a run goes: a bar on a terminal, a line now and then elsewhere. Writes to
/// standard error.
pub struct ProgressBar {
    bar: Bar,
    /// Standard error is no terminal.
    plain: bool,
    hidden: bool,
    ttft: Option<Histogram<u64>>,
    rate: Rate,
    last_line: Option<Instant>,
    last_done: u64,
    total: Option<u64>,
    measuring: bool,
    /// Which run of several this is.
    title: Option<String>,
}

/// Tokens per second since a moment ago.
struct Rate {
    since: Instant,
    chunks: u64,
    value: f64,
}

impl ProgressBar {
    /// A bar on standard error, or none at all.
    pub fn new(hidden: bool) -> ProgressBar {
        let plain = !std::io::stderr().is_terminal();
        let target = if plain || hidden {
            ProgressDrawTarget::hidden()
        } else {
            ProgressDrawTarget::stderr_with_hz(10)
        };
        ProgressBar {
            bar: Bar::with_draw_target(None, target),
            plain,
            hidden,
            // Two digits, from a microsecond to an hour.
            ttft: Histogram::new_with_bounds(1, 3_600_000_000, 2).ok(),
            rate: Rate {
                since: Instant::now(),
                chunks: 0,
                value: 0.0,
            },
            last_line: None,
            last_done: 0,
            total: None,
            measuring: false,
            title: None,
        }
    }

    /// As [`ProgressBar::new`], for a run of several that `title` tells from the others. It says
    /// no more than it must.
    pub fn of_several(title: String, hidden: bool) -> ProgressBar {
        ProgressBar {
            title: Some(title),
            ..ProgressBar::new(hidden)
        }
    }

    /// Says what is said of a run that stands alone.
    fn say_alone(&self, text: &str) {
        if self.title.is_none() {
            self.say(text);
        }
    }

    fn say(&self, text: &str) {
        if self.hidden {
            return;
        }
        if self.plain {
            // With nobody to read standard error there is nobody to tell.
            let _ = writeln!(std::io::stderr(), "{text}");
        } else {
            self.bar.println(text);
        }
    }

    fn median_ttft(&self) -> String {
        match &self.ttft {
            Some(seen) if !seen.is_empty() => {
                format!("{:.1} ms", seen.value_at_quantile(0.5) as f64 / 1e3)
            }
            _ => "-".into(),
        }
    }

    fn state(&self, progress: &Progress) -> String {
        let failed = match progress.failed {
            0 => String::new(),
            failed => format!(", {failed} failed"),
        };
        format!(
            "{} in flight, {:.0} tok/s, TTFT p50 {}{failed}",
            progress.in_flight,
            self.rate.value,
            self.median_ttft(),
        )
    }

    fn line(&mut self, progress: &Progress) {
        let due = self
            .last_line
            .is_none_or(|last| last.elapsed() >= LINE_INTERVAL);
        let left = self.total.is_none_or(|total| progress.done < total);
        if due && left {
            self.last_line = Some(Instant::now());
            let elapsed = progress.elapsed.as_secs_f64();
            let state = self.state(progress);
            let title = self.title.iter().map(|title| format!("{title} "));
            let title: String = title.collect();
            let of = self
                .total
                .map(|total| format!("/{total}"))
                .unwrap_or_default();
            let done = progress.done;
            self.say(&format!(
                "{title}[{elapsed:6.1} s] {done}{of} done, {state}"
            ));
        }
    }
}

impl Observer for ProgressBar {
    fn phase(&mut self, phase: Phase) {
        match phase {
            Phase::ReadyCheck => self.say("Waiting for the server to answer..."),
            Phase::WarmUp { requests: None } => self.say_alone("Warming up..."),
            Phase::WarmUp {
                requests: Some(requests),
            } => self.say_alone(&format!("Warming up with {requests} requests...")),
            Phase::Measuring { requests } => {
                self.say_alone("Starting main benchmark run...");
                self.total = requests;
                self.measuring = true;
                self.last_line = Some(Instant::now());
                self.rate.since = Instant::now();
                let template = match requests {
                    Some(requests) => {
                        self.bar.set_length(requests);
                        "{prefix}{bar:32} {pos}/{len} [{elapsed}<{eta}] {msg}"
                    }
                    None => "{prefix}{pos} done [{elapsed}] {msg}",
                };
                if let Some(title) = &self.title {
                    self.bar.set_prefix(format!("{title} "));
                }
                if let Ok(style) = ProgressStyle::with_template(template) {
                    self.bar.set_style(style.progress_chars("##-"));
                }
            }
            Phase::Draining => {
                self.say("Stopping: waiting for the requests under way (Ctrl-C again to quit)...");
            }
            Phase::TimeOver => {
                self.say_alone("The time is over: waiting for the requests under way...");
            }
            Phase::Done => self.bar.finish_and_clear(),
            Phase::Connecting => {}
        }
    }

    fn record(&mut self, record: &RequestRecord) {
        if let (true, Some(seen), Some(first)) = (
            self.measuring,
            &mut self.ttft,
            ttft(record, Convention::Strict),
        ) {
            seen.saturating_record((first.0 / Nanos::from_micros(1).0).max(1));
        }
    }

    fn progress(&mut self, progress: &Progress) {
        if !self.measuring {
            // Those of the warm-up are no part of the rate.
            self.rate.chunks = progress.chunks;
            return;
        }
        let span = self.rate.since.elapsed();
        if span >= RATE_WINDOW {
            let fresh = progress.chunks - self.rate.chunks;
            self.rate = Rate {
                since: Instant::now(),
                chunks: progress.chunks,
                value: fresh as f64 / span.as_secs_f64(),
            };
        }
        if self.plain {
            self.line(progress);
        } else {
            self.bar.inc(progress.done - self.last_done);
            self.bar.set_message(self.state(progress));
        }
        self.last_done = progress.done;
    }
}
