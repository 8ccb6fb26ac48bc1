//! One request being answered: its choices, and what has come out of them so far.

use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll};

use bench_types::Nanos;

use super::core::{Core, Submission, Ticket};
use crate::engine::Emission;
use crate::hash::mix;
use crate::protocol::{Ask, Format, Piece, ServerTimes, Token, Usage, Whole};
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

    pub(super) fn format(&self) -> &dyn Format {
        &*self.format
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
        if let Some(admission) = emission.admission {
            choice.cached = admission.cached_tokens;
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
    pub(super) fn send(&mut self, index: usize, limit: u32, events: &mut Vec<String>) -> u32 {
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
    pub(super) fn finish_all(&mut self, reason: &'static str, events: &mut Vec<String>) {
        for index in 0..self.choices.len() {
            if !std::mem::replace(&mut self.choices[index].ended, true) {
                self.choices[index].finish = reason;
                self.piece(index, self.choices[index].sent, Some(reason), events);
            }
        }
    }

    /// Appends the events for the tokens of a choice sent since `from`.
    fn piece(&self, index: usize, from: u32, finish: Option<&str>, events: &mut Vec<String>) {
        let choice = &self.choices[index];
        let tokens = self.tokens(choice, from);
        let prompt = &self.prompts[choice.prompt];
        let choice_usage = Usage {
            prompt: prompt.len() as u32,
            completion: choice.sent,
            cached: choice.cached,
        };
        let piece = Piece {
            choice: index as u32,
            tokens: &tokens,
            prompt: (from == 0).then_some(prompt),
            reasoning: from < self.reasoning,
            finish,
            last: self.ended(),
            usage: self.usage(),
            choice_usage,
        };
        self.format.piece(&piece, events);
    }

    fn tokens(&self, choice: &Choice, from: u32) -> Vec<Token<'_>> {
        let word = |i| {
            self.core
                .words
                .word(self.script, choice.stream, i, choice.len)
        };
        let token = |i| Token {
            id: word(i).id,
            text: &word(i).text,
        };
        (from..choice.sent).map(token).collect()
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

    /// The body of an answer that is not streamed.
    pub(super) fn body(&self) -> String {
        let whole = |choice: &'_ Choice| Whole {
            tokens: self.tokens(choice, 0),
            prompt: &self.prompts[choice.prompt],
            reasoning: self.reasoning.min(choice.sent) as usize,
            finish: choice.ended.then_some(choice.finish),
        };
        let choices: Vec<_> = self.choices.iter().map(whole).collect();
        self.format.body(&choices, self.usage(), self.times())
    }

    /// The answer is over; see [`Ticket::close`].
    pub(super) fn close(&mut self) {
        self.ticket.close(self.ended());
    }
}
