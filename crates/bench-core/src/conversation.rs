//! The turns of a conversation: each is sent when the one it follows has ended.

use std::pin::Pin;
use std::rc::Rc;

use bench_types::{Conversation, Failure, History, Nanos, Outcome, RequestRecord};

use crate::exchange::{Admission, Exchange};
use crate::history::{Repeated, Said};
use crate::tickets::Ticket;
use crate::worker::WorkerContext;

/// Sees a conversation through to its end. Its first turn is prepared or under way already.
pub(crate) async fn converse(cx: Rc<WorkerContext>, first: Box<Exchange>) {
    let server = first.server();
    follow(Rc::clone(&cx), first, None).await;
    cx.plan.servers.leave(server);
}

/// What was said, and what is known of its length, where turns repeat it.
#[derive(Clone)]
struct Talk {
    said: Said,
    repeated: Repeated,
}

/// A turn that has ended, and from which others go on.
struct Ended {
    turn: u32,
    server: Option<usize>,
    at: Nanos,
}

/// Sees a turn through and all that follow from it. One of those that follow the same turn goes
/// on here, the others beside it.
async fn follow(cx: Rc<WorkerContext>, first: Box<Exchange>, talk: Option<Talk>) {
    let (mut exchange, mut talk) = (first, talk);
    let mut branches = Vec::new();
    loop {
        let ticket = exchange.ticket();
        let conversation = cx.conversation(ticket);
        let record = exchange.finish().await;
        let ended = Ended {
            turn: exchange.turn(),
            server: exchange.chosen_server(),
            at: record.timeline.closed,
        };
        let mut children = conversation.children_of(ended.turn);
        let Some(heir) = children.next() else {
            cx.deliver(record);
            break;
        };
        if let Some(outcome) = outcome_of_the_rest(&record.outcome) {
            cx.deliver(record);
            let children = conversation.children_of(ended.turn);
            cut(&cx, ticket, &ended, children, &outcome);
            break;
        }
        talk = continued(&cx, talk, &mut exchange, &record);
        cx.deliver(record);
        for child in children {
            let branch = branch(Rc::clone(&cx), ticket, child, &ended, talk.clone());
            branches.push(tokio::task::spawn_local(branch));
        }
        // Boxed, so that a single request does not carry the state of going on.
        match Box::pin(release(&cx, ticket, heir, &ended, &mut talk)).await {
            Some(next) => exchange = next,
            None => break,
        }
    }
    for branch in branches {
        // A branch that panicked has said so itself.
        let _ = branch.await;
    }
}

/// As [`follow`], from the release of a turn on.
fn branch(
    cx: Rc<WorkerContext>,
    ticket: Ticket,
    turn: u32,
    parent: &Ended,
    mut talk: Option<Talk>,
) -> Pin<Box<dyn Future<Output = ()>>> {
    let parent = Ended { ..*parent };
    Box::pin(async move {
        if let Some(exchange) = release(&cx, ticket, turn, &parent, &mut talk).await {
            follow(cx, exchange, talk).await;
        }
    })
}

/// Sends a turn after the pause that is made before it; `None` if the run was stopped before.
/// Its request is made before the pause, so that the pause is not longer for a long one.
async fn release(
    cx: &Rc<WorkerContext>,
    ticket: Ticket,
    turn: u32,
    parent: &Ended,
    talk: &mut Option<Talk>,
) -> Option<Box<Exchange>> {
    let asked = &cx.conversation(ticket).turns[turn as usize];
    let mut exchange = match talk {
        None => Exchange::encode(cx, ticket, turn, parent.at),
        Some(Talk { said, repeated }) => {
            said.ask(&asked.prompt);
            Exchange::encode_after(cx, ticket, turn, parent.at, &said.as_prompt(), *repeated)
        }
    };
    let due = parent.at.saturating_add(asked.pause.into());
    if !cx.pause_until(due).await || exchange.enter_prefill().await == Admission::Refused {
        let outcome = cx.never_sent();
        cut(cx, ticket, parent, std::iter::once(turn), &outcome);
        return None;
    }
    if let Some(server) = parent.server {
        exchange.go_to(server);
    }
    exchange.launch(due);
    Some(Box::new(exchange))
}

/// What turns after this one repeat; `None` if their prompts are whole as they stand.
fn continued(
    cx: &WorkerContext,
    talk: Option<Talk>,
    exchange: &mut Exchange,
    record: &RequestRecord,
) -> Option<Talk> {
    let conversation = cx.conversation(exchange.ticket());
    if conversation.history == History::Whole {
        return None;
    }
    let turn = &conversation.turns[record.turn as usize];
    let before = talk.as_ref().map(|talk| talk.repeated);
    let mut said = match talk {
        Some(talk) => talk.said,
        // The prompt of a first turn was sent as it stands.
        None => {
            let mut said = Said::nothing(cx.plan.form);
            said.ask(&turn.prompt);
            said
        }
    };
    match &turn.reply {
        Some(reply) if conversation.history == History::Recorded => said.answer(reply),
        _ => said.answer(&exchange.take_reply()),
    }
    let reported = exchange.reported_prompt_tokens();
    let repeated = Repeated::after(conversation, before, record, reported);
    Some(Talk { said, repeated })
}

/// What becomes of the turns that follow one that ended so; `None` if they can go on.
fn outcome_of_the_rest(outcome: &Outcome) -> Option<Outcome> {
    match outcome {
        Outcome::Completed(_) => None,
        Outcome::Failed(_) => Some(Outcome::Failed(Failure::Cancelled)),
        Outcome::HungUp(reason) => Some(Outcome::HungUp(*reason)),
    }
}

/// Records turns and all that follow from them as never sent: they have nothing to go on from.
fn cut(
    cx: &Rc<WorkerContext>,
    ticket: Ticket,
    parent: &Ended,
    turns: impl Iterator<Item = u32>,
    outcome: &Outcome,
) {
    let conversation = cx.conversation(ticket);
    for turn in descendants(conversation, turns) {
        let asked = &conversation.turns[turn as usize];
        let due = parent.at.saturating_add(asked.pause.into());
        let mut left = Exchange::unsent(cx, ticket, turn, parent.server, due);
        cx.deliver(left.record(outcome.clone()));
    }
}

/// Turns and all that follow from them, in order.
fn descendants(conversation: &Conversation, turns: impl Iterator<Item = u32>) -> Vec<u32> {
    let mut lost = vec![false; conversation.turns.len()];
    for turn in turns {
        lost[turn as usize] = true;
    }
    for place in 0..lost.len() {
        let parent = conversation.parent_of(place as u32);
        lost[place] |= parent.is_some_and(|parent| lost[parent as usize]);
    }
    (0..)
        .zip(lost)
        .filter_map(|(place, lost)| lost.then_some(place))
        .collect()
}
