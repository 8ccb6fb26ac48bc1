//! When requests leave.

use bench_datasets::TraceOptions;
use bench_types::{Conversation, Nanos};

use crate::cli::{OptionsError, RunOptions};
use crate::{Arrivals, Ramp, RampOver, RampStrategy};

impl RunOptions {
    /// The load shape, as far as it does not come from the dataset.
    pub(super) fn arrivals(&self) -> Result<Arrivals, OptionsError> {
        let load = &self.load;
        if load.requests() == 0 {
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
        if self.leaves_times_aside()
            && let Some(flag) = self.speed_flag()
        {
            let problem = "--request-rate, ramps, --stages and --no-self-timed leave the times of \
                           the trace aside, and its speed with them; leave one of the two out";
            return Err(OptionsError::flag(flag, problem));
        }
        let shape = &self.shape;
        let (burstiness, seed) = (load.burstiness, load.seed);
        let arrivals = match shape.ramp_up_strategy {
            Some(strategy) => Arrivals::ramp(self.ramp(strategy)?, burstiness, seed)?,
            None if !shape.stages.is_empty() => {
                Arrivals::stages(shape.stages.clone(), burstiness, seed)?
            }
            None => Arrivals::gamma(load.request_rate, burstiness, seed)?,
        };
        match (load.num_prompts, arrivals.count()) {
            (Some(wanted), Some(count)) if wanted > count => {
                let problem = format!(
                    "the stages have only {count} requests; leave it out or make them longer"
                );
                Err(OptionsError::flag("--num-prompts", problem))
            }
            _ => Ok(arrivals),
        }
    }

    /// The flag that changes how fast a trace is replayed, if one does.
    fn speed_flag(&self) -> Option<&'static str> {
        if self.dataset.trace.trace_speedup != 1.0 {
            return Some("--trace-speedup");
        }
        self.dataset.dataset().ok()?.speed_flag()
    }

    fn ramp(&self, strategy: RampStrategy) -> Result<Ramp, OptionsError> {
        let missing = |flag| OptionsError::flag(flag, "a ramp needs a rate at its start and end");
        let shape = &self.shape;
        Ok(Ramp {
            strategy,
            start_rps: shape
                .ramp_up_start_rps
                .ok_or_else(|| missing("--ramp-up-start-rps"))?,
            end_rps: shape
                .ramp_up_end_rps
                .ok_or_else(|| missing("--ramp-up-end-rps"))?,
            over: match shape.ramp_up_by_index {
                true => RampOver::Index,
                false => RampOver::Time,
            },
        })
    }

    /// How many requests there are: as many as are asked for, or as `arrivals` has times for, or
    /// as there are in the part of a trace that is asked for, or as the options of the dataset come
    /// to.
    pub(super) fn requests(&self, arrivals: &Arrivals) -> usize {
        // One that cannot be is refused where its conversations are made.
        let dataset = self.dataset.dataset().ok();
        let replayed = dataset.as_ref().is_some_and(|set| set.has_arrivals());
        let part = replayed && self.trace_within_duration().says_how_many();
        let asked = self.load.num_prompts.or(part.then_some(usize::MAX));
        let asked = asked.or_else(|| self.room(arrivals));
        let asked = asked.or(arrivals.count()).or_else(|| dataset?.count());
        asked.unwrap_or_else(|| self.load.requests())
    }

    /// Which part of a trace is replayed: no more than --duration has time for, if the times of
    /// the trace are those that requests leave at.
    pub(super) fn trace_within_duration(&self) -> TraceOptions {
        let mut trace = self.dataset.trace;
        let open = trace.trace_duration.is_none() && trace.trace_loop == 1;
        let counted = self.load.num_prompts.is_some();
        if open && !counted && !self.leaves_times_aside() {
            trace.trace_duration = self.extent.duration.map(|time| time * trace.trace_speedup);
        }
        trace
    }

    /// Whether requests leave at other times than those of the dataset.
    fn leaves_times_aside(&self) -> bool {
        let (load, shape) = (&self.load, &self.shape);
        let paced = load.request_rate.is_finite() || shape.ramp_up_strategy.is_some();
        paced || !shape.stages.is_empty() || shape.no_self_timed
    }

    /// The times of the dataset, if they are what requests leave at; the conversations are put
    /// in their order. Otherwise `generated`.
    pub(super) fn timed(
        &self,
        generated: Arrivals,
        conversations: &mut [Conversation],
    ) -> Result<Arrivals, OptionsError> {
        const FLAG: &str = "--self-timed";
        let shape = &self.shape;
        if generated.is_paced() || shape.no_self_timed {
            return Ok(generated);
        }
        let timed = conversations.iter().filter(|c| c.arrival.is_some());
        match timed.count() {
            0 if shape.self_timed => {
                let problem = "the dataset brings no times with it; give --request-rate, a ramp \
                               or --stages";
                Err(OptionsError::flag(FLAG, problem))
            }
            0 => Ok(generated),
            timed if timed < conversations.len() => {
                let problem = format!(
                    "{timed} of the {} prompts have times and the others do not; give \
                     --request-rate, or --no-self-timed to leave the times aside",
                    conversations.len()
                );
                Err(OptionsError::flag(FLAG, problem))
            }
            _ => {
                conversations.sort_by_key(|conversation| conversation.arrival);
                let times = conversations.iter().filter_map(|c| c.arrival);
                let times: Vec<Nanos> = times.map(Nanos::from).collect();
                Ok(Arrivals::recorded(times)?)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use bench_types::Prompt;

    use super::*;

    fn conversations(arrivals: &[Option<u64>]) -> Vec<Conversation> {
        let conversation = |(id, arrival): (u64, &Option<u64>)| Conversation {
            arrival: arrival.map(Duration::from_millis),
            ..Conversation::single(id, Prompt::Text("Hello".into()), None, 1)
        };
        (0..).zip(arrivals).map(conversation).collect()
    }

    fn timed(change: fn(&mut RunOptions), arrivals: &[Option<u64>]) -> Result<Vec<u64>, String> {
        let mut options = RunOptions::default();
        change(&mut options);
        let mut conversations = conversations(arrivals);
        let generated = options.arrivals().unwrap();
        let arrivals = options.timed(generated, &mut conversations);
        let arrivals = arrivals.map_err(|error| error.to_string())?;
        let offsets = arrivals.offsets(conversations.len());
        Ok(offsets.iter().map(|offset| offset.0 / 1_000_000).collect())
    }

    #[test]
    fn the_times_of_a_dataset_are_kept_unless_others_are_given() {
        let times = [Some(20), Some(5), Some(40)];
        assert_eq!(timed(|_| {}, &times), Ok(vec![5, 20, 40]));
        assert_eq!(
            timed(|o| o.shape.self_timed = true, &times),
            Ok(vec![5, 20, 40])
        );
        assert_eq!(
            timed(|o| o.shape.no_self_timed = true, &times),
            Ok(vec![0; 3])
        );
        let at_a_rate = |o: &mut RunOptions| {
            o.load.request_rate = 10.0;
            o.load.burstiness = f64::INFINITY;
        };
        assert_eq!(timed(at_a_rate, &times), Ok(vec![100, 200, 300]));
    }

    #[test]
    fn times_that_are_not_there_are_missed() {
        assert_eq!(timed(|_| {}, &[None, None]), Ok(vec![0, 0]));
        let told = timed(|o| o.shape.self_timed = true, &[None]).unwrap_err();
        assert!(
            told.contains("--self-timed") && told.contains("--request-rate"),
            "{told}"
        );
        let told = timed(|_| {}, &[Some(1), None]).unwrap_err();
        assert!(
            told.contains("1 of the 2") && told.contains("--no-self-timed"),
            "{told}"
        );
    }

    #[test]
    fn stages_say_how_many_requests_there_are() {
        let mut options = RunOptions::default();
        options.shape.stages = vec!["10rps:3s".parse().unwrap(), "5rps:1s".parse().unwrap()];
        let requests = |options: &RunOptions| {
            let arrivals = options.arrivals().map_err(|error| error.to_string())?;
            Ok::<_, String>(options.requests(&arrivals))
        };
        assert_eq!(requests(&options), Ok(35));
        options.load.num_prompts = Some(20);
        assert_eq!(requests(&options), Ok(20), "a cap");
        options.load.num_prompts = Some(36);
        let told = requests(&options).unwrap_err();
        assert!(
            told.contains("--num-prompts") && told.contains("35"),
            "{told}"
        );
    }
}
