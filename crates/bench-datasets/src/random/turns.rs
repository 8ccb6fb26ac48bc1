//! Conversations of random prompts.

use bench_types::{Conversation, Prompt, Turn};

use super::Random;
use crate::synthetic::{Plan, Shape, Vocabulary};
use crate::{DatasetError, MultiTurn, SampleContext, Tokenizer};

impl Random {
    /// Conversations that begin with the shared prefix; every turn adds a prompt of its own.
    pub(super) fn talks(
        &self,
        cx: &SampleContext<'_>,
        tokenizer: &Tokenizer,
        vocabulary: Vocabulary,
        wanted: MultiTurn,
    ) -> Result<Vec<Conversation>, DatasetError> {
        if self.batch_size(cx)? > 1 {
            return Err(DatasetError::Option {
                option: "--random-batch-size",
                problem: "a turn of a conversation is one prompt; leave it out, or leave out \
                          --multi-turn"
                    .to_owned(),
            });
        }
        let turns = wanted
            .turns
            .min(wanted.max_turns.unwrap_or(u32::MAX))
            .max(1) as usize;
        let all = SampleContext {
            num_prompts: cx.num_prompts.saturating_mul(turns),
            ..*cx
        };
        let mut shapes = self.shapes(&all, tokenizer)?;
        // The server adds its special tokens only once.
        let specials = tokenizer.specials_per_prompt() as usize;
        for (place, shape) in shapes.iter_mut().enumerate() {
            if place % turns > 0 {
                shape.prefix = None;
                shape.input += specials;
            }
        }
        let plan = Plan {
            vocabulary,
            prefixes: vec![self.random_prefix_len as usize],
            ..Plan::new(cx, tokenizer, shapes)
        };
        let mut prompts = cx.in_parallel(|| plan.prompts(false))?.into_iter();
        let turn = |shape: &Shape, prompt: Prompt| {
            Turn::new(prompt, Some(plan.tokens(shape, 0)), shape.output)
        };
        let conversation = |(id, shapes): (u64, &[Shape])| {
            let prompts = prompts.by_ref().take(turns);
            let turns = shapes.iter().zip(prompts);
            let turns = turns.map(|(shape, prompt)| turn(shape, prompt)).collect();
            let mut conversation = Conversation::of_turns(id, turns);
            conversation.history = wanted.history;
            conversation
        };
        Ok((0..)
            .zip(plan.shapes.chunks(turns))
            .map(conversation)
            .collect())
    }
}
