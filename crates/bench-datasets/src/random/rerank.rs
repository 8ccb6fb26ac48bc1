//! Documents of random tokens, to be ranked by a query of random tokens.
//!
//! The plan is that of `vllm bench serve`: all requests have the same query, each has
//! `--random-batch-size` documents, and `--num-prompts` counts documents.
//!
//! A reranker reads the query and one document together. Of `--random-input-len`, less the
//! special tokens a server adds to such a pair, the query has half and a document the rest, so
//! that without a range ratio every pair is exact. With a ratio r, the query's length is uniform
//! in `⌊Q(1-r)⌋..=⌈Q(1+r)⌉` with Q the half, and each document's in the same kind of bounds of
//! what the query leaves. Both have at least one token.
//!
//! With `--no-reranker` the server's model makes an embedding of each text and compares those.
//! The request is the same, but the query and each document are as long as
//! `--random-input-len` asks, and the query is one of the `--random-batch-size` texts of a
//! request and one of `--num-prompts`. At least one document is made.
//!
//! Tokens are counted as the server's model reads them: with a reranker the query once for each
//! document, otherwise once for each request. Special tokens are not counted.

use std::sync::Arc;

use bench_types::{Conversation, Prompt};
use serde::{Deserialize, Serialize};

use super::{Random, bounds};
use crate::draw::{Draws, Purpose};
use crate::synthetic::{Plan, Shape, needed_tokenizer};
use crate::{Dataset, DatasetError, SampleContext, Tokenizer};

const NAME: &str = "random-rerank";

/// What `random-rerank` has in addition to the options of `random`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "kebab-case")]
#[cfg_attr(feature = "cli", derive(clap::Args))]
#[cfg_attr(feature = "cli", command(next_help_heading = "Dataset: random-rerank"))]
pub struct RerankOptions {
    /// The model embeds query and documents one by one instead of reading them in pairs
    ///
    /// Each is then as long as --random-input-len, and the query counts as one of
    /// --random-batch-size and of --num-prompts.
    #[cfg_attr(feature = "cli", arg(long))]
    pub no_reranker: bool,
}

/// A query and documents of random tokens: as long as asked, to the token.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RandomRerank {
    /// Input length, its range ratio and how many documents a request has. There is no prefix
    /// and no output.
    pub random: Random,
    /// What kind of model ranks.
    pub options: RerankOptions,
}

impl Dataset for RandomRerank {
    fn name(&self) -> &'static str {
        NAME
    }

    fn takes_input_len(&self) -> bool {
        true
    }

    fn takes_nonce(&self) -> bool {
        true
    }

    fn sample(&self, cx: &SampleContext<'_>) -> Result<Vec<Conversation>, DatasetError> {
        let tokenizer = needed_tokenizer(cx, NAME)?;
        let batch_size = self.documents_per_request(cx)?;
        let plan = Plan::new(cx, tokenizer, self.shapes(cx, tokenizer)?);
        let texts = cx.in_parallel(|| plan.texts())?;
        let (Some((query, documents)), Some((query_shape, shapes))) =
            (texts.split_first(), plan.shapes.split_first())
        else {
            return Ok(Vec::new());
        };
        let request = |((id, documents), shapes): ((usize, &[Arc<str>]), &[Shape])| {
            let readings = if self.options.no_reranker {
                1
            } else {
                documents.len()
            };
            let read: usize = shapes.iter().map(|shape| shape.input).sum();
            let tokens = query_shape.input * readings + read;
            let prompt = Prompt::Rerank {
                query: Arc::clone(query),
                documents: documents.into(),
            };
            Conversation::single(id as u64, prompt, Some(tokens as u32), 0)
        };
        Ok(documents
            .chunks(batch_size)
            .enumerate()
            .zip(shapes.chunks(batch_size))
            .map(request)
            .collect())
    }
}

/// How long the texts are: the query, and what a document's length is drawn around.
struct Lengths {
    query: u32,
    document: u32,
}

impl RandomRerank {
    /// How many documents go into a request; an error if what is asked for cannot be sent.
    fn documents_per_request(&self, cx: &SampleContext<'_>) -> Result<usize, DatasetError> {
        let refuse = |option, problem: &str| {
            Err(DatasetError::Option {
                option,
                problem: problem.to_owned(),
            })
        };
        if cx.prompt_token_ids {
            return refuse(
                "--prompt-token-ids",
                "queries and documents are sent as text; leave it out",
            );
        }
        if self.random.random_prefix_len > 0 {
            return refuse(
                "--random-prefix-len",
                "documents to be ranked have no shared prefix, as all share the query; leave it \
                 out",
            );
        }
        match (
            self.random.random_batch_size as usize,
            self.options.no_reranker,
        ) {
            (0, false) => refuse(
                "--random-batch-size",
                "a request without a document cannot be sent; give 1 or more",
            ),
            (0 | 1, true) => refuse(
                "--random-batch-size",
                "with --no-reranker the query is one of the texts of a request; give 2 or more",
            ),
            (size, true) => Ok(size - 1),
            (size, false) => Ok(size),
        }
    }

    /// Draws lengths and offsets: the query's, then those of all documents.
    fn shapes(
        &self,
        cx: &SampleContext<'_>,
        tokenizer: &Tokenizer,
    ) -> Result<Vec<Shape>, DatasetError> {
        let documents = match cx.num_prompts {
            0 => return Ok(Vec::new()),
            1 => 1,
            n if self.options.no_reranker => n - 1,
            n => n,
        };
        let vocab = tokenizer.vocab_size() as u64;
        let mut draws = Draws::new(cx.seed, Purpose::Query);
        let lengths = self.lengths(cx, tokenizer, &mut draws)?;
        let shape = |input: u32, start: u64| Shape {
            prefix: None,
            input: input as usize,
            output: 0,
            start: start as usize,
        };
        let query = shape(lengths.query, draws.below(vocab));

        let ratio = self.random.random_range_ratio.input();
        let (low, high) = bounds("--random-input-len", lengths.document, ratio)?;
        let mut draws = Draws::new(cx.seed, Purpose::Shapes);
        let inputs: Vec<u32> = (0..documents)
            .map(|_| draws.between(low.max(1), high))
            .collect();
        let mut shapes = vec![query];
        shapes.extend(
            (1..)
                .zip(inputs)
                .map(|(i, input)| shape(input, draws.below(vocab) + i)),
        );
        Ok(shapes)
    }

    /// Draws the query's length and shares out the rest.
    fn lengths(
        &self,
        cx: &SampleContext<'_>,
        tokenizer: &Tokenizer,
        draws: &mut Draws,
    ) -> Result<Lengths, DatasetError> {
        let asked = cx.input_len.unwrap_or(self.random.random_input_len);
        let (specials, least) = if self.options.no_reranker {
            (tokenizer.specials_per_prompt(), 1)
        } else {
            (tokenizer.specials_per_pair(), 2)
        };
        let len = asked.saturating_sub(specials);
        if len < least {
            return Err(DatasetError::Option {
                option: "--random-input-len",
                problem: format!(
                    "{asked} leaves no token for the query or for a document, as a server adds \
                     {specials} special tokens; ask for {} or more",
                    specials + least
                ),
            });
        }
        let ratio = self.random.random_range_ratio.input();
        let mut query = |len, most| {
            let (low, high) = bounds("--random-input-len", len, ratio)?;
            Ok(draws.between(low.max(1), high.min(most)))
        };
        if self.options.no_reranker {
            let query = query(len, u32::MAX)?;
            return Ok(Lengths {
                query,
                document: len,
            });
        }
        let query = query(len / 2, len - 1)?;
        Ok(Lengths {
            query,
            document: len - query,
        })
    }
}
