//! How long a run lasts, and what goes on beside its load.

use std::time::Duration;

use bench_types::{Conversation, Task};

use super::seconds;
use crate::cli::{OptionsError, RunOptions};
use crate::stability::least_requests;
use crate::{Arrivals, CancelAfter, Cancellation, WarmUpLimits};

/// Prompts that are made for a rate and a time, at most. Further requests send them again.
const MOST_PROMPTS: usize = 100_000;

/// The most requests whose send times are made before a run: 400 MB of them.
const MOST_ARRIVALS: usize = 50_000_000;

/// What is known of it without a server and without the dataset.
pub(super) struct Extent {
    pub(super) duration: Option<Duration>,
    pub(super) warm_up: WarmUpLimits,
    pub(super) cancellation: Option<Cancellation>,
    pub(super) probe_rate: Option<f64>,
}

impl RunOptions {
    pub(super) fn extent(&self, task: Task, streamed: bool) -> Result<Extent, OptionsError> {
        let beside = &self.beside;
        if beside.prefill_concurrency == Some(0) {
            let problem = "0 would never send anything; leave it out for no limit";
            return Err(OptionsError::flag("--prefill-concurrency", problem));
        }
        Ok(Extent {
            duration: some_time("--duration", self.extent.duration)?,
            warm_up: WarmUpLimits {
                longest: some_time("--warmup-duration", self.extent.warmup_duration)?,
                until_stable: self.extent.warmup_until_stable,
                again: self.load.num_warmups == 0,
            },
            cancellation: self.cancellation(streamed && task != Task::Pool)?,
            probe_rate: self.probe_rate(task)?,
        })
    }

    fn probe_rate(&self, task: Task) -> Result<Option<f64>, OptionsError> {
        const FLAG: &str = "--probe-request-rate";
        let rate = self.beside.probe_request_rate;
        if !(rate.is_finite() && rate >= 0.0) {
            let problem = format!("{rate} is not a number of requests per second; 0 is none");
            return Err(OptionsError::flag(FLAG, problem));
        }
        if rate > 0.0 && task != Task::Generate {
            let problem = "a probe generates one token, which this backend's servers do not";
            return Err(OptionsError::flag(FLAG, problem));
        }
        Ok(Some(rate).filter(|rate| *rate > 0.0))
    }

    fn cancellation(&self, streamed: bool) -> Result<Option<Cancellation>, OptionsError> {
        let (Some(rate), Some(after)) = (self.beside.cancel_rate, self.beside.cancel_after) else {
            return Ok(None);
        };
        if let (CancelAfter::Tokens(_), false) = (after, streamed) {
            let problem = "answers that come whole have no tokens to be counted; give a time";
            return Err(OptionsError::flag("--cancel-after", problem));
        }
        let cancellation = Cancellation::new(rate, after, self.load.seed);
        let told = |error| OptionsError::flag("--cancel-rate", format!("{error}"));
        Ok(Some(cancellation.map_err(told)?).filter(|_| rate > 0.0))
    }

    /// Refuses a limit in time for a load that is sent all at once.
    pub(super) fn check_duration(&self, arrivals: &Arrivals) -> Result<(), OptionsError> {
        let at_once = !arrivals.is_paced() && self.load.max_concurrency.is_none();
        if at_once && self.extent.duration.is_some() {
            let problem = "everything would be sent at once; give --max-concurrency or \
                           --request-rate";
            return Err(OptionsError::flag("--duration", problem));
        }
        self.check_arrivals(arrivals)
    }

    /// Refuses a time in which no request is due, or more than there is room for.
    pub(super) fn check_arrivals(&self, arrivals: &Arrivals) -> Result<(), OptionsError> {
        let extent = &self.extent;
        let most = self.load.num_prompts.unwrap_or(usize::MAX);
        check_room("--duration", extent.duration, arrivals, most)?;
        let most = match self.load.num_warmups {
            0 => usize::MAX,
            count => count,
        };
        let before = arrivals.before();
        check_room("--warmup-duration", extent.warmup_duration, &before, most)
    }

    /// How many prompts a run that is limited in time has room for, if that is known.
    pub(super) fn room(&self, arrivals: &Arrivals) -> Option<usize> {
        let duration = Duration::try_from_secs_f64(self.extent.duration?).ok()?;
        let room = arrivals.count_in(duration.into())?;
        Some(room.clamp(1, MOST_PROMPTS))
    }

    /// Refuses a warm-up that ends before it can be told whether the server is steady.
    pub(super) fn check_warm_up(&self, warm_up: &[Conversation]) -> Result<(), OptionsError> {
        let requests: usize = warm_up.iter().map(|one| one.turns.len()).sum();
        let least = least_requests(self.load.max_concurrency);
        let wanted = self.extent.warmup_until_stable && self.load.num_warmups > 0;
        if !wanted || requests >= least {
            return Ok(());
        }
        let problem = format!(
            "{requests} requests are too few to tell whether the server is steady: give at least \
             {least}, or leave it out to send as many as it takes"
        );
        Err(OptionsError::flag("--num-warmups", problem))
    }

    /// How many prompts a warm-up has, in a run of `requests`.
    pub(super) fn warm_ups(&self, requests: usize) -> usize {
        let lasts = self.extent.warmup_duration.is_some() || self.extent.warmup_until_stable;
        match self.load.num_warmups {
            0 if lasts => requests,
            count => count,
        }
    }
}

fn check_room(
    flag: &'static str,
    time: Option<f64>,
    arrivals: &Arrivals,
    most: usize,
) -> Result<(), OptionsError> {
    let Some(time) = some_time(flag, time)? else {
        return Ok(());
    };
    let (room, seconds) = (arrivals.count_in(time.into()), time.as_secs_f64());
    let of = match arrivals.constant_rate() {
        Some(rate) => format!("{rate} req/s for {seconds} s"),
        None => format!("the load shape in {seconds} s"),
    };
    let problem = match room {
        Some(0) => format!("{of} is not one request: give it longer, or a higher rate"),
        Some(room) if room.min(most) > MOST_ARRIVALS => format!(
            "{of} is more than {MOST_ARRIVALS} requests, for which no send times can be made: \
             give it less"
        ),
        _ => return Ok(()),
    };
    Err(OptionsError::flag(flag, problem))
}

fn some_time(flag: &'static str, value: Option<f64>) -> Result<Option<Duration>, OptionsError> {
    let time = value.map(|value| seconds(flag, value)).transpose()?;
    match time {
        Some(Duration::ZERO) => Err(OptionsError::flag(
            flag,
            "0 leaves no time for anything; leave it out for no limit",
        )),
        time => Ok(time),
    }
}

#[cfg(test)]
mod tests {
    use bench_types::Prompt;

    use super::*;

    fn told(change: fn(&mut RunOptions), task: Task, streamed: bool) -> String {
        let mut options = RunOptions::default();
        change(&mut options);
        let extent = options.extent(task, streamed);
        extent.map_or_else(|error| error.to_string(), |_| String::new())
    }

    #[test]
    fn what_cannot_be_is_refused_by_its_flag() {
        let generate = |change| told(change, Task::Generate, true);
        for (change, flag) in [
            (
                (|o| o.extent.duration = Some(0.0)) as fn(&mut RunOptions),
                "--duration",
            ),
            (|o| o.extent.duration = Some(-1.0), "--duration"),
            (
                |o| o.extent.warmup_duration = Some(f64::NAN),
                "--warmup-duration",
            ),
            (
                |o| o.beside.prefill_concurrency = Some(0),
                "--prefill-concurrency",
            ),
            (
                |o| o.beside.probe_request_rate = -1.0,
                "--probe-request-rate",
            ),
        ] {
            let told = generate(change);
            assert!(told.starts_with(flag), "{flag}: {told}");
        }
        let too_many: fn(&mut RunOptions) = |o| {
            o.beside.cancel_rate = Some(1.5);
            o.beside.cancel_after = Some(CancelAfter::Tokens(1));
        };
        assert!(generate(too_many).starts_with("--cancel-rate: 1.5"));
        let tokens: fn(&mut RunOptions) = |o| {
            o.beside.cancel_rate = Some(0.5);
            o.beside.cancel_after = Some(CancelAfter::Tokens(1));
        };
        assert_eq!(generate(tokens), "");
        assert!(told(tokens, Task::Generate, false).starts_with("--cancel-after"));
        let probes: fn(&mut RunOptions) = |o| o.beside.probe_request_rate = 1.0;
        assert!(told(probes, Task::Pool, false).starts_with("--probe-request-rate"));
    }

    #[test]
    fn a_limit_in_time_needs_a_rate_or_slots() {
        let mut options = RunOptions::default();
        options.extent.duration = Some(2.0);
        let burst = options.arrivals().unwrap();
        let error = options.check_duration(&burst).unwrap_err();
        assert!(error.to_string().contains("--max-concurrency"), "{error}");
        options.load.max_concurrency = Some(4);
        assert!(options.check_duration(&burst).is_ok());
        assert_eq!(options.requests(&burst), 1000, "they go round");
        options.load.max_concurrency = None;
        options.load.request_rate = 30.0;
        let rate = options.arrivals().unwrap();
        assert!(options.check_duration(&rate).is_ok());
        assert_eq!(options.requests(&rate), 60);
        options.load.request_rate = 1e6;
        let rate = options.arrivals().unwrap();
        assert_eq!(options.requests(&rate), MOST_PROMPTS);
        options.load.num_prompts = Some(7);
        assert_eq!(options.requests(&rate), 7);
    }

    #[test]
    fn a_time_with_no_request_or_too_many_is_refused() {
        let told = |rate, change: fn(&mut RunOptions)| {
            let mut options = RunOptions::default();
            options.load.request_rate = rate;
            change(&mut options);
            let checked = options.check_arrivals(&options.arrivals().unwrap());
            checked.map_or_else(|error| error.to_string(), |()| String::new())
        };
        let short: fn(&mut RunOptions) = |o| o.extent.duration = Some(2.0);
        let none = told(0.3, short);
        assert!(
            none.starts_with("--duration: 0.3 req/s for 2 s is not one"),
            "{none}"
        );
        let many = told(3e7, short);
        assert!(many.contains("more than 50000000 requests"), "{many}");
        assert_eq!(told(2e7, short), "");
        let warm_up: fn(&mut RunOptions) = |o| o.extent.warmup_duration = Some(2.0);
        assert!(told(0.3, warm_up).starts_with("--warmup-duration: 0.3 req/s"));
        assert!(told(3e7, warm_up).starts_with("--warmup-duration"));
        assert_eq!(told(f64::INFINITY, warm_up), "", "slots go by time");
    }

    #[test]
    fn a_warm_up_too_short_for_a_steady_server_is_refused() {
        let told = |count: usize, slots| {
            let mut options = RunOptions::default();
            options.extent.warmup_until_stable = true;
            options.load.num_warmups = count;
            options.load.max_concurrency = slots;
            let one = |id| Conversation::single(id, Prompt::Text("Hello".into()), None, 1);
            let warm_up: Vec<_> = (0..count as u64).map(one).collect();
            let checked = options.check_warm_up(&warm_up);
            checked.map_or_else(|error| error.to_string(), |()| String::new())
        };
        assert_eq!(told(64, Some(4)), "");
        assert_eq!(told(0, Some(4)), "", "as many as it takes");
        let few = told(63, Some(4));
        assert!(
            few.starts_with("--num-warmups") && few.contains("at least 64"),
            "{few}"
        );
        assert!(told(100, Some(32)).contains("at least 128"));
    }

    #[test]
    fn a_warm_up_without_a_number_has_as_many_prompts_as_the_load() {
        let mut options = RunOptions::default();
        assert_eq!(options.warm_ups(50), 0);
        options.extent.warmup_until_stable = true;
        assert_eq!(options.warm_ups(50), 50);
        options.load.num_warmups = 3;
        assert_eq!(options.warm_ups(50), 3);
    }
}
