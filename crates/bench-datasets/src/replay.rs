//! Traces in the project's own format: requests with their prompts or lengths, in sessions.
//!
//! JSONL, one request on each line; [`TraceLine`] has the fields, and the documentation a page on
//! what they mean. The lines of a session become one conversation: the first of them begins it at its
//! time `at`, each later one follows the turn `parent` (without that, the one before it) `delay`
//! seconds after its end. What a turn repeats of the session is its `history`.
//!
//! The earliest session is the beginning of the trace; sessions arrive as long after it as the
//! trace says. A request whose prompt is not known but its length (`input_tokens`) has a prompt of
//! that length, which begins with the blocks of its `hash_ids` if it has some (see
//! [`TimedTrace`](crate::TimedTrace) for what a block is).
//!
//! A field that the format does not have, a turn that follows none or one that comes later, and
//! anything else that makes no sense are errors that name the line.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use bench_types::{Conversation, History, Prompt, Turn};
use rayon::prelude::*;

use crate::trace::{
    self, Asked, Cutter, HashId, Lines, Maker, Moment, Piece, Place, Slot, TraceHistory, TraceLine,
};
use crate::{Dataset, DatasetError, SampleContext};

const NAME: &str = "replay";
const CURE: &str = "see the page on the trace format in the documentation";

/// Traces in the project's own format.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Replay;

impl Dataset for Replay {
    fn name(&self) -> &'static str {
        NAME
    }

    fn has_arrivals(&self) -> bool {
        true
    }

    fn takes_nonce(&self) -> bool {
        true
    }

    fn sample(&self, cx: &SampleContext<'_>) -> Result<Vec<Conversation>, DatasetError> {
        let path = trace::path(cx, NAME, "a trace, as `bench-serve import-trace` writes it")?;
        let mut lines = Lines::open(path, CURE)?;
        let mut sessions = Sessions::default();
        while let Some((place, line)) = lines.value::<TraceLine>()? {
            sessions.add(&place, line)?;
        }
        let mut sessions = sessions.all;
        if sessions.is_empty() && cx.num_prompts > 0 {
            return Err(DatasetError::NothingUsable {
                path: path.to_owned(),
                entries: 0,
                problem: "the file is empty",
            });
        }
        sessions.sort_by_key(|session| session.begin);
        let begin = sessions.first().map_or(Moment(0), |first| first.begin);
        let arrivals: Vec<Duration> = sessions
            .iter()
            .map(|session| session.begin.since(begin))
            .collect();
        if let Some((last, arrival)) = sessions.last().zip(arrivals.last())
            && *arrival > trace::LONGEST
        {
            return Err(last.place.error(trace::TOO_LATE, CURE));
        }
        let slots = cx.trace.slots(&arrivals, cx.num_prompts)?;
        slots.tell(cx, NAME);
        conversations(cx, &sessions, &slots.slots)
    }
}

/// What is known of a prompt.
enum Content {
    Messages(Arc<str>),
    Text(String),
    Lengths {
        tokens: u32,
        hash_ids: Vec<HashId>,
        block_tokens: u32,
    },
}

/// A turn of a session.
struct Told {
    line: usize,
    content: Content,
    output: u32,
    pause: Duration,
    parent: Option<u32>,
    reply: Option<Arc<str>>,
}

/// The turns that belong together.
struct Session {
    /// Where it begins in the file.
    place: Place,
    begin: Moment,
    history: TraceHistory,
    adapter: Option<Arc<str>>,
    class: Option<Arc<str>>,
    routing_key: Option<Arc<str>>,
    turns: Vec<Told>,
    /// Which turn is called what.
    names: HashMap<String, u32>,
}

/// The sessions of a file, in the order in which they begin in it.
#[derive(Default)]
struct Sessions {
    all: Vec<Session>,
    by_name: HashMap<String, usize>,
}

impl Sessions {
    fn add(&mut self, place: &Place, mut line: TraceLine) -> Result<(), DatasetError> {
        let name = line.session.take();
        let known = name.as_ref().and_then(|name| self.by_name.get(name));
        if let Some(known) = known {
            return self.all[*known].follow(place, line);
        }
        if let Some(name) = name {
            self.by_name.insert(name, self.all.len());
        }
        self.all.push(Session::begin(place, line)?);
        Ok(())
    }
}

impl Session {
    /// How its prompts are made, if only their lengths are known.
    fn way(&self) -> Way {
        let has_blocks = |told: &Told| matches!(&told.content, Content::Lengths { hash_ids, .. } if !hash_ids.is_empty());
        Way {
            has_blocks: self.turns.iter().any(has_blocks),
            may_be_ids: self.history == TraceHistory::Whole || self.turns.len() == 1,
        }
    }

    /// The session that begins with `line`.
    fn begin(place: &Place, mut line: TraceLine) -> Result<Session, DatasetError> {
        let no = |problem: &str| Err(place.error(problem, CURE));
        if line.parent.is_some() {
            return no("it follows a `parent`, and no turn of its session comes before it");
        }
        if line.delay.is_some() {
            return no(
                "it has a `delay`, and no turn of its session comes before it; the first \
                       line of a session says when it is with `at`",
            );
        }
        let Some(at) = line.at else {
            return no("it has no `at`, and it is the first line of its session");
        };
        let Some(begin) = Moment::of_seconds(at) else {
            return no("`at` is no time in seconds");
        };
        let shared = |text: &mut Option<String>| text.take().map(Arc::from);
        let mut session = Session {
            place: place.clone(),
            begin,
            history: line.history.unwrap_or_default(),
            adapter: shared(&mut line.adapter),
            class: shared(&mut line.class),
            routing_key: shared(&mut line.routing_key),
            turns: Vec::new(),
            names: HashMap::new(),
        };
        session.push(place, line, None, Duration::ZERO)?;
        Ok(session)
    }

    /// Adds a line that is not the first.
    fn follow(&mut self, place: &Place, line: TraceLine) -> Result<(), DatasetError> {
        let no = |problem: String| Err(place.error(problem, CURE));
        if line.at.is_some() {
            return no(
                "it has an `at`, and it is not the first line of its session; a later line \
                       has a `delay`"
                    .to_owned(),
            );
        }
        let kept = [
            ("adapter", &line.adapter, &self.adapter),
            ("class", &line.class, &self.class),
            ("routing_key", &line.routing_key, &self.routing_key),
        ];
        for (field, text, first) in kept {
            if text.is_some() && text.as_deref() != first.as_deref() {
                let problem = format!("its `{field}` is not that of its session's first line");
                return no(problem);
            }
        }
        if line.history.is_some_and(|history| history != self.history) {
            return no("its `history` is not that of its session's first line".to_owned());
        }
        let delay = line.delay.unwrap_or(0.0);
        let pause = Duration::try_from_secs_f64(delay);
        let Some(pause) = pause.ok().filter(|pause| *pause <= trace::LONGEST) else {
            return no(format!(
                "`delay` is {delay}, which is no length of time in seconds, or more than 10 years"
            ));
        };
        let before = self.turns.len() as u32 - 1;
        let parent = match &line.parent {
            None => before,
            Some(name) => match self.names.get(name) {
                Some(parent) => *parent,
                None => {
                    return no(format!(
                        "no line of its session before it has the `id` `{name}`, its `parent`"
                    ));
                }
            },
        };
        let followed = &self.turns[parent as usize];
        if self.history == TraceHistory::Recorded && followed.reply.is_none() {
            return no(format!(
                "its session has recorded history, and line {}, which it follows, has no `reply`",
                followed.line
            ));
        }
        let parent = (parent != before).then_some(parent);
        self.push(place, line, parent, pause)
    }

    fn push(
        &mut self,
        place: &Place,
        line: TraceLine,
        parent: Option<u32>,
        pause: Duration,
    ) -> Result<(), DatasetError> {
        if line.output_tokens == 0 {
            return Err(place.error("`output_tokens` is 0", CURE));
        }
        if let Some(name) = &line.id
            && self
                .names
                .insert(name.clone(), self.turns.len() as u32)
                .is_some()
        {
            let problem = format!("its session has a line with the `id` `{name}` before it");
            return Err(place.error(problem, CURE));
        }
        self.turns.push(Told {
            line: place.line,
            output: line.output_tokens,
            pause,
            parent,
            reply: line.reply.as_deref().map(Arc::from),
            content: content(place, line)?,
        });
        Ok(())
    }
}

/// What a line says about its prompt.
fn content(place: &Place, line: TraceLine) -> Result<Content, DatasetError> {
    let no = |problem: &str| Err(place.error(problem, CURE));
    let has_blocks = line.hash_ids.is_some() || line.block_tokens.is_some();
    match (line.messages, line.prompt, line.input_tokens) {
        (Some(messages), None, None) if !has_blocks => match trace::messages(&messages) {
            Ok(()) => Ok(Content::Messages(messages.get().into())),
            Err(problem) => no(&problem),
        },
        (None, Some(text), None) if text.is_empty() => no("`prompt` is empty"),
        (None, Some(text), None) if !has_blocks => Ok(Content::Text(text)),
        (None, None, Some(0)) => no("`input_tokens` is 0"),
        (None, None, Some(tokens)) if tokens > trace::MOST_PROMPT_TOKENS => no(&format!(
            "`input_tokens` is {tokens}, and {} are the most",
            trace::MOST_PROMPT_TOKENS
        )),
        (None, None, Some(tokens)) => match (line.hash_ids, line.block_tokens) {
            (None, None) => Ok(Content::Lengths {
                tokens,
                hash_ids: Vec::new(),
                block_tokens: 1,
            }),
            (Some(hash_ids), Some(block_tokens)) if block_tokens > 0 => Ok(Content::Lengths {
                tokens,
                hash_ids,
                block_tokens,
            }),
            (Some(_), Some(_)) => no("`block_tokens` is 0"),
            (Some(_), None) => no("it has `hash_ids` and no `block_tokens`"),
            (None, Some(_)) => no("it has `block_tokens` and no `hash_ids`"),
        },
        _ if has_blocks => no("`hash_ids` and `block_tokens` belong to `input_tokens`"),
        _ => no("it has to have one of `messages`, `prompt` and `input_tokens`"),
    }
}

/// The conversations of the sessions that are sent.
fn conversations(
    cx: &SampleContext<'_>,
    sessions: &[Session],
    slots: &[Slot],
) -> Result<Vec<Conversation>, DatasetError> {
    tell_of_recorded(cx, sessions, slots);
    cx.in_parallel(|| {
        let mut made = made(cx, sessions, slots)?.into_iter();
        let mut conversations = Vec::with_capacity(slots.len());
        for (id, slot) in (0..).zip(slots) {
            let session = &sessions[slot.row];
            let turns = made.by_ref().take(session.turns.len());
            let turns = session.turns.iter().zip(turns);
            let turns: Result<Vec<Turn>, DatasetError> =
                turns.map(|(told, made)| told.turn(cx, made)).collect();
            let mut conversation = Conversation::of_turns(id, turns?);
            conversation.history = match session.history {
                TraceHistory::Whole => History::Whole,
                TraceHistory::Recorded => History::Recorded,
                TraceHistory::Live => History::Live,
            };
            conversation.arrival = Some(slot.at);
            conversation.class.clone_from(&session.class);
            conversation.adapter.clone_from(&session.adapter);
            conversation.routing_key.clone_from(&session.routing_key);
            conversations.push(conversation);
        }
        Ok(conversations)
    })
}

/// A prompt and how many tokens it has, if that is known.
type Made = (Prompt, Option<u32>);

/// The prompts of all turns of the sessions that are sent.
fn made(
    cx: &SampleContext<'_>,
    sessions: &[Session],
    slots: &[Slot],
) -> Result<Vec<Made>, DatasetError> {
    let wanted = |slot: &Slot| {
        let (session, round) = (&sessions[slot.row], slot.round);
        let way = session.way();
        let turns = session.turns.iter().enumerate();
        turns.map(move |(place, told)| Wanted {
            told,
            is_whole: place == 0 || session.history == TraceHistory::Whole,
            round,
            way,
        })
    };
    let all: Vec<Wanted<'_>> = slots.iter().flat_map(wanted).collect();
    let recorded = |wanted: &Wanted<'_>| match &wanted.told.content {
        Content::Messages(json) => Ok(Some((Prompt::Chat(Arc::clone(json)), None))),
        Content::Text(text) => cx.recorded_prompt(NAME, text).map(Some),
        Content::Lengths { .. } => Ok(None),
    };
    let made: Result<Vec<Option<Made>>, DatasetError> = all.par_iter().map(recorded).collect();
    let mut made = made?;
    for way in Way::ALL {
        make_to_length(cx, way, &all, &mut made)?;
    }
    Ok(made.into_iter().flatten().collect())
}

/// A turn of which the prompt is wanted.
struct Wanted<'a> {
    told: &'a Told,
    /// Whether its prompt is all that is sent.
    is_whole: bool,
    /// How often the trace was gone through before.
    round: u32,
    way: Way,
}

/// How prompts of which only the length is known are made: the same way in all turns of a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Way {
    /// Whether some of them share blocks.
    has_blocks: bool,
    /// Whether token ids will do, as nothing is put before them.
    may_be_ids: bool,
}

impl Way {
    const ALL: [Way; 4] = [
        Way::new(false, false),
        Way::new(false, true),
        Way::new(true, false),
        Way::new(true, true),
    ];

    const fn new(has_blocks: bool, may_be_ids: bool) -> Way {
        Way {
            has_blocks,
            may_be_ids,
        }
    }
}

/// Makes the prompts of the turns of which only the length is known, and which are made that `way`.
fn make_to_length(
    cx: &SampleContext<'_>,
    way: Way,
    all: &[Wanted<'_>],
    made: &mut [Option<Made>],
) -> Result<(), DatasetError> {
    let is_one =
        |(wanted, made): &(&Wanted<'_>, &mut Option<Made>)| made.is_none() && wanted.way == way;
    let ones: Vec<(&Wanted<'_>, &mut Option<Made>)> = all.iter().zip(made).filter(is_one).collect();
    if ones.is_empty() {
        return Ok(());
    }
    let of_way = SampleContext {
        takes_token_ids: cx.takes_token_ids && way.may_be_ids,
        ..*cx
    };
    let maker = Maker::new(&of_way, NAME, way.has_blocks)?;
    let cutter = Cutter::new(cx);
    let pieces: Vec<Vec<Piece>> = ones
        .iter()
        .filter_map(|(wanted, _)| {
            let Wanted {
                told,
                is_whole,
                round,
                ..
            } = wanted;
            told.pieces(cutter, &maker, *is_whole, *round)
        })
        .collect();
    let prompts = maker.prompts(&pieces)?.into_iter().zip(&pieces);
    for ((_, made), (prompt, pieces)) in ones.into_iter().zip(prompts) {
        *made = Some((prompt, Some(Piece::total(pieces))));
    }
    Ok(())
}

impl Told {
    /// The pieces of its prompt, if only the length of that is known.
    fn pieces(
        &self,
        cutter: Cutter,
        maker: &Maker<'_>,
        is_whole: bool,
        round: u32,
    ) -> Option<Vec<Piece>> {
        let Content::Lengths {
            tokens,
            hash_ids,
            block_tokens,
        } = &self.content
        else {
            return None;
        };
        let asked = Asked {
            line: self.line,
            copy: 0,
            round,
        };
        if !hash_ids.is_empty() {
            return Some(cutter.blocks(asked, hash_ids, *block_tokens, *tokens));
        }
        let specials = if is_whole { maker.specials() } else { 0 };
        let tokens = tokens.saturating_sub(specials).max(1);
        Some(vec![cutter.own(asked, 0, tokens)])
    }

    fn turn(&self, cx: &SampleContext<'_>, made: Made) -> Result<Turn, DatasetError> {
        let output = cx.output_len.unwrap_or(self.output);
        let mut turn = Turn::new(made.0, made.1, output);
        turn.pause = self.pause;
        turn.parent = self.parent;
        turn.reply.clone_from(&self.reply);
        turn.reply_tokens = match (cx.tokenizer, &self.reply) {
            (Some(tokenizer), Some(reply)) => Some(tokenizer.count(reply)?),
            _ => None,
        };
        Ok(turn)
    }
}

/// Tells of prompts that are the same in every round.
fn tell_of_recorded(cx: &SampleContext<'_>, sessions: &[Session], slots: &[Slot]) {
    let is_recorded = |told: &Told| !matches!(told.content, Content::Lengths { .. });
    let again = slots
        .iter()
        .filter(|slot| slot.round > 0 && sessions[slot.row].turns.iter().any(is_recorded))
        .count();
    if again > 0 {
        cx.warn(format!(
            "{again} sessions of the {NAME} dataset are sent again with the same recorded \
             prompts, which a server with a prefix cache answers faster"
        ));
    }
}
