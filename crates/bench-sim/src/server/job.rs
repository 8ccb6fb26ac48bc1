//! One request being answered: its choices, and what has come out of them so far.

use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll};

use bench_types::Nanos;

use super::core::{Core, Submission, Ticket};
use crate::engine::Emission;
use crate::hash::mix;
use crate::protocol::{Ask, Event, Format, Piece, ServerTimes, Stamps, Token, Usage, Whole};
use crate::words::{Script, output_length};

/// One request being answered.
pub(super) struct Job {
    core: Rc<Core>,
    ticket: Ticket,
    format: Box<dyn Format>,
    prompts: Vec<Vec<u32>>,
    choices: Vec<Choice>,
    script: Script,
    /// First tokens of each choice that are reasoning.
    reasoning: u32,
    arrived: Nanos,
    /// Of the choice that came first.
    first: Option<(Nanos, Nanos)>,
    last: Nanos,
}

/// One output of a request.
struct Choice {
    /// Index of its prompt.
    prompt: usize,
    /// What its words are drawn from.
    stream: u64,
    len: u32,
    finish: &'static str,
    /// Tokens the engine has given.
    ready: u32,
    /// Of which these have been sent.
    sent: u32,
    cached: u32,
    stamps: Stamps,
    /// Whether its finish reason has been sent.
    ended: bool,
}

impl Job {
    /// Hands the sequences of a request to the engine.
    pub(super) fn start(
        core: &Rc<Core>,
        number: u64,
        arrived: Nanos,
        (ask, format): (Ask, Box<dyn Format>),
        (script, reasoning): (Script, u32),
    ) -> Job {
        let stop = if ask.ignore_eos {
            0.0
        } else {
            core.config.early_stop
        };
        let stamps = Stamps {
            epoch: core.unix_epoch(),
            arrived,
            admitted: arrived,
            first: arrived,
            last: arrived,
        };
        let mut choices = Vec::new();
        let mut submissions = Vec::new();
        for (prompt, ids) in ask.prompts.iter().enumerate() {
            for _ in 0..ask.n {
                let stream = mix(&[core.config.seed, number, choices.len() as u64]);
                let (len, stopped) = output_length(stream, ask.max_tokens, stop);
                let finish = if stopped { "stop" } else { "length" };
                let output = (0..len).map(|i| core.words.word(script, stream, i, len).id);
                let tokens: Arc<[u32]> = ids.iter().copied().chain(output).collect();
                let prompt_tokens = ids.len() as u32;
                submissions.push(Submission {
                    tokens,
                    prompt_tokens,
                    finish,
                });
                let (ready, sent, cached, ended) = (0, 0, 0, false);
                choices.push(Choice {
                    prompt,
                    stream,
                    len,
                    finish,
                    ready,
                    sent,
                    cached,
                    stamps,
                    ended,
                });
            }
        }
        Job {
            core: Rc::clone(core),
            ticket: core.submit(arrived, submissions),
            format,
            prompts: ask.prompts,
            choices,
            script,
            reasoning,
            arrived,
            first: None,
            last: arrived,
        }
    }

    pub(super) fn format(&mut self) -> &mut dyn Format {
        &mut *self.format
    }

    /// Headers of an answer that is streamed.
    pub(super) fn stream_headers(&self) -> Vec<(&'static str, String)> {
        self.format.headers(None)
    }

    /// Waits for tokens of any choice and says which one has some now.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<usize> {
        self.ticket.poll(cx).map(|(index, emission)| {
            self.take(index, &emission);
            index
        })
    }

    fn take(&mut self, index: usize, emission: &Emission) {
        self.last = emission.at;
        let choice = &mut self.choices[index];
        choice.ready += emission.tokens;
        choice.stamps.last = emission.at;
        if let Some(admission) = emission.admission {
            choice.cached = admission.cached_tokens;
            (choice.stamps.admitted, choice.stamps.first) = (admission.at, emission.at);
            self.first.get_or_insert((admission.at, emission.at));
        }
    }

    /// Tokens sent so far, of all choices.
    pub(super) fn sent(&self) -> u32 {
        self.choices.iter().map(|choice| choice.sent).sum()
    }

    /// Tokens of a choice that can be sent now: all that are ready if there are at least
    /// `interval` of them, if they are the first ones, or if no more will come.
    pub(super) fn sendable(&self, index: usize, interval: u32) -> u32 {
        let choice = &self.choices[index];
        let ready = choice.ready - choice.sent;
        let enough = ready >= interval || choice.sent == 0 || choice.ready == choice.len;
        if enough { ready } else { 0 }
    }

    /// Marks up to `limit` tokens of a choice as sent and appends their events. Reasoning
    /// and content never share one. Returns how many tokens were taken.
    pub(super) fn send(&mut self, index: usize, limit: u32, events: &mut Vec<Event>) -> u32 {
        let (from, len) = (self.choices[index].sent, self.choices[index].len);
        let reasoning = from < self.reasoning;
        let count = if reasoning {
            limit.min(self.reasoning - from)
        } else {
            limit
        };
        let choice = &mut self.choices[index];
        choice.sent += count;
        choice.ended = choice.sent == len;
        let finish = choice.ended.then_some(choice.finish);
        self.piece(index, from, finish, events);
        count
    }

    /// Ends all choices early with a finish reason.
    pub(super) fn finish_all(&mut self, reason: &'static str, events: &mut Vec<Event>) {
        for index in 0..self.choices.len() {
            if !std::mem::replace(&mut self.choices[index].ended, true) {
                self.choices[index].finish = reason;
                self.piece(index, self.choices[index].sent, Some(reason), events);
            }
        }
    }

    /// Appends the events for the tokens of a choice sent since `from`.
    fn piece(&mut self, index: usize, from: u32, finish: Option<&str>, events: &mut Vec<Event>) {
        let (last, usage) = (self.ended(), self.usage());
        let choice = &self.choices[index];
        let tokens = tokens(&self.core, self.script, choice, from);
        let prompt = &self.prompts[choice.prompt];
        let piece = Piece {
            choice: index as u32,
            tokens: &tokens,
            prompt: (from == 0).then_some(prompt),
            reasoning: from < self.reasoning,
            finish,
            last,
            usage,
            choice_usage: choice.usage(prompt),
            stamps: choice.stamps,
        };
        self.format.piece(&piece, events);
    }

    /// Whether every choice has its finish reason.
    pub(super) fn ended(&self) -> bool {
        self.choices.iter().all(|choice| choice.ended)
    }

    pub(super) fn usage(&self) -> Usage {
        let prompts = self.prompts.iter().map(Vec::len).sum::<usize>();
        let cached = |prompt| {
            // What the first of several outputs found is what the prompt cost.
            self.choices
                .iter()
                .find(|choice| choice.prompt == prompt)
                .map_or(0, |c| c.cached)
        };
        Usage {
            prompt: prompts as u32,
            completion: self.sent(),
            cached: (0..self.prompts.len()).map(cached).sum(),
        }
    }

    /// The times to report, if they are to be reported and there are any.
    pub(super) fn times(&self) -> Option<ServerTimes> {
        let (admitted, first) = self.first.filter(|_| self.core.config.request_metrics)?;
        let generation = self.last.since(first);
        let later = self.sent().saturating_sub(1);
        let per_second = |tokens: u32| f64::from(tokens) / generation.as_secs_f64();
        Some(ServerTimes {
            ttft_ms: first.since(self.arrived).as_millis_f64(),
            generation_ms: generation.as_millis_f64(),
            queue_ms: admitted.since(self.arrived).as_millis_f64(),
            mean_itl_ms: (later > 0).then(|| generation.as_millis_f64() / f64::from(later)),
            tokens_per_second: (later > 0).then(|| per_second(later)),
        })
    }

    /// Headers and body of an answer that is not streamed.
    pub(super) fn whole(&self) -> (Vec<(&'static str, String)>, String) {
        let whole = |choice: &'_ Choice| {
            let prompt = &self.prompts[choice.prompt];
            Whole {
                tokens: tokens(&self.core, self.script, choice, 0),
                prompt,
                reasoning: self.reasoning.min(choice.sent) as usize,
                finish: choice.ended.then_some(choice.finish),
                usage: choice.usage(prompt),
                stamps: choice.stamps,
            }
        };
        let choices: Vec<_> = self.choices.iter().map(whole).collect();
        (
            self.format.headers(choices.first()),
            self.format.body(&choices, self.usage(), self.times()),
        )
    }

    /// The answer is over; see [`Ticket::close`].
    pub(super) fn close(&mut self) {
        self.ticket.close(self.ended());
    }
}

impl Choice {
    fn usage(&self, prompt: &[u32]) -> Usage {
        Usage {
            prompt: prompt.len() as u32,
            completion: self.sent,
            cached: self.cached,
        }
    }
}

/// What a choice has sent since its token `from`.
fn tokens<'a>(core: &'a Core, script: Script, choice: &Choice, from: u32) -> Vec<Token<'a>> {
    let word = |i| core.words.word(script, choice.stream, i, choice.len);
    let token = |i| Token {
        id: word(i).id,
        text: &word(i).text,
    };
    (from..choice.sent).map(token).collect()
}
