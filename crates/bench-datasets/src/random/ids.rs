//! Random tokens of the whole vocabulary, exact in length.
//!
//! SGLang's `random-ids`: token `j` of prompt `i` is token `(o_i + i + j) mod |vocabulary|`. The
//! lengths are those of `random`, and so are all options. What differs from SGLang:
//!
//! - **Special tokens are left out.** There, an end-of-text or an image token may stand amid a
//!   prompt.
//! - **Lengths are exact.** There, a prompt is sent as the text its tokens decode to, which the
//!   server reads as another number of tokens more often than not. Here it is sent as token ids
//!   (`--prompt-token-ids`), or as a text that is mended until it comes back as just as many.
//!   Only tokens that come back by themselves begin such a text, so halves of characters do not
//!   occur in it.
//!
//! `random` makes its texts of whole words alone, which is faster; here they have digits, marks
//! and pieces of words as well.

use bench_types::Conversation;

use super::Random;
use crate::synthetic::{Vocabulary, needed_tokenizer};
use crate::{Dataset, DatasetError, SampleContext};

const NAME: &str = "random-ids";

/// Prompts of any tokens but the special ones: as long as asked, to the token.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RandomIds {
    /// Lengths and their range ratio.
    pub random: Random,
}

impl Dataset for RandomIds {
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
        self.random.of_vocabulary(cx, tokenizer, Vocabulary::Any)
    }
}
