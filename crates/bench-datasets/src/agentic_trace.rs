//! Conversations of agents with their tools, in the format of SGLang's `agentic-trace`.
//!
//! A JSON file `{"conversations": [[{"messages": [...]}, ...], ...]}`: a conversation is a list of
//! turns, and the `messages` of a turn are what is new in it, without the answers of the model (SWE
//! and OpenHands traces come like that). What the server answers is fed back. `metadata` and
//! `prompt_tokens` may stand beside and are not looked at. A turn without messages is an error;
//! conversations without turns are left out.
//!
//! Conversations are taken in the order of the file, `--dataset-offset` of them later and round to
//! the beginning, each once, with at most `--agentic-max-turns` turns. Answers have at most
//! `--output-len` tokens, else `--sharegpt-output-len`, else 220, as there.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use bench_types::{Conversation, History, Prompt, Turn};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::rows::without_place;
use crate::trace::{self, Place};
use crate::{Dataset, DatasetError, SampleContext, ShareGpt};

const NAME: &str = "agentic-trace";
const FORMAT: &str = "JSON of {\"conversations\": [[{\"messages\": [...]}, ...], ...]}";
const CURE: &str = "a file is {\"conversations\": [...]}, a conversation a list of turns, a turn \
                    {\"messages\": [{\"role\": ..., \"content\": ...}, ...]}";

/// The length of an answer where nothing says otherwise.
const OUTPUT_LEN: u32 = 220;

/// Which part of the conversations is taken.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "kebab-case")]
#[cfg_attr(feature = "cli", derive(clap::Args))]
#[cfg_attr(feature = "cli", command(next_help_heading = "Dataset: agentic-trace"))]
pub struct AgenticOptions {
    /// The most turns of a conversation; all if not given
    #[cfg_attr(feature = "cli", arg(long, value_name = "N"))]
    pub agentic_max_turns: Option<u32>,

    /// Begin with a later conversation of the file, and go round to the first
    #[cfg_attr(feature = "cli", arg(long, value_name = "N",
        default_value_t = AgenticOptions::default().dataset_offset))]
    pub dataset_offset: usize,
}

/// Conversations of agents with their tools.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct AgenticTrace {
    /// How long an answer may be.
    pub sharegpt: ShareGpt,
    /// Which part is taken.
    pub options: AgenticOptions,
}

#[derive(Deserialize)]
struct File<'a> {
    #[serde(borrow)]
    conversations: Vec<&'a RawValue>,
}

#[derive(Deserialize)]
struct AgentTurn<'a> {
    #[serde(borrow)]
    messages: &'a RawValue,
}

impl Dataset for AgenticTrace {
    fn name(&self) -> &'static str {
        NAME
    }

    fn sample(&self, cx: &SampleContext<'_>) -> Result<Vec<Conversation>, DatasetError> {
        if self.options.agentic_max_turns == Some(0) {
            return Err(DatasetError::Option {
                option: "--agentic-max-turns",
                problem: "0 turns are no conversation; give 1 or more".to_owned(),
            });
        }
        let path = trace::path(cx, NAME, FORMAT)?;
        let text = fs::read_to_string(path).map_err(|cause| DatasetError::Read {
            path: path.to_owned(),
            cause,
        })?;
        let file = Text { path, text: &text };
        let found = file.conversations()?;
        let output = cx.output_len.or(self.sharegpt.sharegpt_output_len);
        let output = output.unwrap_or(OUTPUT_LEN);
        let offset = self.options.dataset_offset % found.len().max(1);
        let (mut conversations, mut empty) = (Vec::new(), 0);
        for place in (offset..found.len()).chain(0..offset) {
            if conversations.len() == cx.num_prompts {
                break;
            }
            let mut prompts = file.prompts(place + 1, found[place])?;
            prompts.truncate(self.options.agentic_max_turns.unwrap_or(u32::MAX) as usize);
            if prompts.is_empty() {
                empty += 1;
                continue;
            }
            let turn = |messages| Turn::new(Prompt::Chat(messages), None, output);
            let turns = prompts.into_iter().map(turn).collect();
            let mut conversation = Conversation::of_turns(conversations.len() as u64, turns);
            conversation.history = History::Live;
            conversations.push(conversation);
        }
        if conversations.is_empty() && cx.num_prompts > 0 {
            return Err(DatasetError::NothingUsable {
                path: path.to_owned(),
                entries: found.len(),
                problem: "no conversation has a turn; give another file",
            });
        }
        if empty > 0 {
            cx.warn(format!(
                "{empty} conversations of the {NAME} dataset have no turns and are left out"
            ));
        }
        if conversations.len() < cx.num_prompts {
            cx.warn(format!(
                "the {NAME} dataset has only {} conversations of the {} asked for; each is sent \
                 once",
                conversations.len(),
                cx.num_prompts
            ));
        }
        Ok(conversations)
    }
}

/// The text of the file.
struct Text<'a> {
    path: &'a Path,
    text: &'a str,
}

impl<'a> Text<'a> {
    fn conversations(&self) -> Result<Vec<&'a RawValue>, DatasetError> {
        let text = self.text.strip_prefix('\u{feff}').unwrap_or(self.text);
        if text.trim().is_empty() {
            return Err(DatasetError::NothingUsable {
                path: self.path.to_owned(),
                entries: 0,
                problem: "the file is empty",
            });
        }
        let file: File<'a> =
            serde_json::from_str(text).map_err(|e| self.error(1, e.line(), without_place(&e)))?;
        Ok(file.conversations)
    }

    /// The messages of each turn of a conversation, the `entry`th of the file.
    fn prompts(&self, entry: usize, raw: &'a RawValue) -> Result<Vec<Arc<str>>, DatasetError> {
        let turns: Vec<AgentTurn<'a>> = self.parsed(entry, raw)?;
        let mut prompts = Vec::with_capacity(turns.len());
        for AgentTurn { messages } in turns {
            let list: Vec<trace::Message> = self.parsed(entry, messages)?;
            if list.is_empty() {
                let line = self.line(messages);
                return Err(self.error(entry, line, "`messages` is empty".to_owned()));
            }
            prompts.push(messages.get().into());
        }
        Ok(prompts)
    }

    fn parsed<T: Deserialize<'a>>(
        &self,
        entry: usize,
        raw: &'a RawValue,
    ) -> Result<T, DatasetError> {
        serde_json::from_str(raw.get()).map_err(|e| {
            let line = self.line(raw) + e.line() - 1;
            self.error(entry, line, without_place(&e))
        })
    }

    /// The line on which `raw`, a part of it, begins.
    fn line(&self, raw: &RawValue) -> usize {
        let before = raw.get().as_ptr() as usize - self.text.as_ptr() as usize;
        self.text[..before].matches('\n').count() + 1
    }

    fn error(&self, entry: usize, line: usize, problem: String) -> DatasetError {
        let path = self.path.into();
        Place { path, line, entry }.error(problem, CURE)
    }
}
