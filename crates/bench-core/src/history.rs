//! What a request repeats of its conversation.

use std::fmt::Write as _;

use bench_backends::{Backend, Request};
use bench_types::{Conversation, History, MarkKind, Prompt, RequestRecord, Task, TokenSource};
use serde_json::Value;

use crate::RunError;

/// How the requests of a run repeat what was said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    /// As an array of chat messages, those of the user and the assistant's in turn.
    Messages,
    /// As one text, with nothing between prompts and answers: so the server has seen it before.
    Text,
}

impl Form {
    /// Messages for a backend that takes them, otherwise text.
    pub(crate) fn of(backend: &dyn Backend) -> Form {
        let messages = Prompt::Chat(r#"[{"role":"user","content":"Hello"}]"#.into());
        match backend.encode(&Request::new(&messages, "model", 1)) {
            Ok(_) => Form::Messages,
            Err(_) => Form::Text,
        }
    }
}

/// All that was said up to a point of a conversation.
#[derive(Clone, Debug)]
pub(crate) struct Said {
    form: Form,
    /// The text, or the messages without the bracket that closes their array.
    text: String,
}

impl Said {
    /// Nothing so far.
    pub(crate) fn nothing(form: Form) -> Said {
        Said {
            form,
            text: String::new(),
        }
    }

    /// The user's part of a turn. Only texts and chat messages can be gone on from, which
    /// [`check`] sees to.
    pub(crate) fn ask(&mut self, prompt: &Prompt) {
        match prompt {
            Prompt::Text(text) => self.say("user", text),
            Prompt::Chat(array) => {
                let array = array.trim_ascii();
                let inner = array.strip_prefix('[').and_then(|a| a.strip_suffix(']'));
                match inner.unwrap_or(array).trim_ascii() {
                    "" => {}
                    messages => self.append(messages),
                }
            }
            Prompt::TokenIds(_) | Prompt::Batch(_) | Prompt::Rerank { .. } | Prompt::Audio(_) => {}
        }
    }

    /// The answer to it.
    pub(crate) fn answer(&mut self, text: &str) {
        self.say("assistant", text);
    }

    /// All of it as a prompt.
    pub(crate) fn as_prompt(&mut self) -> Prompt {
        match self.form {
            Form::Text => Prompt::Text(self.text.as_str().into()),
            Form::Messages => {
                self.text.push(']');
                let prompt = Prompt::Chat(self.text.as_str().into());
                self.text.pop();
                prompt
            }
        }
    }

    fn say(&mut self, role: &str, text: &str) {
        match self.form {
            Form::Text => self.text.push_str(text),
            Form::Messages => {
                let content = Value::from(text);
                self.append_written(|out| write!(out, r#"{{"role":"{role}","content":{content}}}"#))
            }
        }
    }

    fn append(&mut self, messages: &str) {
        self.append_written(|out| out.write_str(messages));
    }

    fn append_written(&mut self, write: impl FnOnce(&mut String) -> std::fmt::Result) {
        let separator = if self.text.is_empty() { '[' } else { ',' };
        self.text.push(separator);
        // Writing to a String cannot fail.
        let _ = write(&mut self.text);
    }
}

/// What is known of the tokens that stand before the prompt of a turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Repeated {
    /// How many there are, as far as is known.
    tokens: u32,
    /// Where that is known from; [`TokenSource::Unknown`] if not all are counted.
    source: TokenSource,
    /// The dataset knows them, whatever the server says.
    recorded: bool,
    /// Those that an unlimited prefix cache has, if known.
    cached: Option<u32>,
}

impl Repeated {
    /// What the turns after one repeat. `before` is what that turn repeated itself, `reported`
    /// the length of its prompt by the server.
    pub(crate) fn after(
        conversation: &Conversation,
        before: Option<Repeated>,
        record: &RequestRecord,
        reported: Option<u32>,
    ) -> Repeated {
        let asked = (record.prompt_tokens, record.prompt_tokens_source);
        let known = |(tokens, source)| (source != TokenSource::Unknown).then_some(tokens);
        if conversation.history == History::Recorded {
            let turn = &conversation.turns[record.turn as usize];
            let before = before.map_or((0, TokenSource::Dataset), |b| (b.tokens, b.source));
            let counted = |tokens: Option<u32>| match tokens {
                Some(tokens) => (tokens, TokenSource::Dataset),
                None => (0, TokenSource::Unknown),
            };
            let parts = [
                before,
                counted(turn.prompt_tokens),
                counted(turn.reply_tokens),
            ];
            let (tokens, source) = sum(parts);
            return Repeated {
                tokens,
                source,
                recorded: true,
                // The answer that the server has is another one than the recorded.
                cached: known(asked),
            };
        }
        let answered = answer_tokens(record);
        let (tokens, source) = sum([asked, answered]);
        let repeats_answer = record
            .timeline
            .marks
            .iter()
            .all(|mark| !matches!(mark.kind, MarkKind::Reasoning | MarkKind::ToolCall));
        let answered = if repeats_answer {
            known(answered)
        } else {
            None
        };
        Repeated {
            tokens,
            source,
            recorded: false,
            cached: reported
                .or(known(asked))
                .map(|asked| asked + answered.unwrap_or(0)),
        }
    }

    /// The length of a prompt of which `own` tokens are new, and where it is known from.
    pub(crate) fn prompt_tokens(
        &self,
        own: Option<u32>,
        reported: Option<u32>,
    ) -> (u32, TokenSource) {
        let own = match own {
            Some(tokens) => (tokens, TokenSource::Dataset),
            None => (0, TokenSource::Unknown),
        };
        let (tokens, source) = sum([(self.tokens, self.source), own]);
        match reported {
            _ if self.recorded && source == TokenSource::Dataset => (tokens, source),
            Some(reported) => (reported, TokenSource::Usage),
            None => (tokens, source),
        }
    }

    /// How many tokens of a prompt of that length an unlimited prefix cache has.
    pub(crate) fn cached(&self, prompt_tokens: u32) -> Option<u32> {
        self.cached.map(|cached| cached.min(prompt_tokens))
    }
}

/// The tokens of an answer; a chunk is taken for one where nothing better is known yet.
fn answer_tokens(record: &RequestRecord) -> (u32, TokenSource) {
    match record.output_tokens_source {
        TokenSource::Unknown => {
            let chunks = record.timeline.contents().count();
            let source = match chunks {
                0 => TokenSource::Unknown,
                _ => TokenSource::Chunks,
            };
            (u32::try_from(chunks).unwrap_or(u32::MAX), source)
        }
        source => (record.output_tokens, source),
    }
}

/// Adds up counts; the sum is as good as the worst of them.
fn sum(parts: impl IntoIterator<Item = (u32, TokenSource)>) -> (u32, TokenSource) {
    let rank = |source: TokenSource| source as u8;
    let add = |(tokens, source): (u32, TokenSource), (more, other)| {
        let worst = if rank(other) > rank(source) {
            other
        } else {
            source
        };
        (tokens.saturating_add(more), worst)
    };
    parts.into_iter().fold((0, TokenSource::Usage), add)
}

/// Whether the turns of a conversation can go on from one another.
///
/// # Errors
/// [`RunError::Conversation`] if not.
pub(crate) fn check(conversation: &Conversation, task: Task) -> Result<(), RunError> {
    let refuse = |problem: String| {
        Err(RunError::Conversation {
            conversation: conversation.id,
            problem,
        })
    };
    for place in 1..conversation.turns.len() as u32 {
        if let Some(parent) = conversation.parent_of(place).filter(|p| *p >= place) {
            return refuse(format!(
                "turn {place} is said to follow turn {parent}, which does not come before it"
            ));
        }
    }
    if conversation.history == History::Whole || conversation.turns.len() < 2 {
        return Ok(());
    }
    if task != Task::Generate {
        return refuse(
            "its turns go on from answers in text, which the backend does not give; \
                       use a backend that generates text"
                .to_owned(),
        );
    }
    for (place, turn) in (0..).zip(&conversation.turns) {
        let kind = match &turn.prompt {
            Prompt::Text(_) | Prompt::Chat(_) => None,
            Prompt::TokenIds(_) => Some("token ids (the ids of an answer are not known)"),
            Prompt::Batch(_) => Some("several texts at once"),
            Prompt::Rerank { .. } => Some("documents to be ranked"),
            Prompt::Audio(_) => Some("a recording"),
        };
        if let Some(kind) = kind {
            return refuse(format!(
                "its turns repeat what was said before, and turn {place} is {kind}; make the \
                 prompts texts or chat messages"
            ));
        }
        let goes_on = conversation.children_of(place).next().is_some();
        if conversation.history == History::Recorded && turn.reply.is_none() && goes_on {
            return refuse(format!(
                "no answer to turn {place} is recorded that the next could go on from; use the \
                 server's own with --multi-turn live"
            ));
        }
    }
    Ok(())
}
