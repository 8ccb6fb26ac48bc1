//! How many tokens a response had, and which chunk brought how many: from the best source
//! there is.
//!
//! [`settle_from_stream`] uses what the stream itself tells, [`settle_from_text`] has the rest
//! counted. After both every count of a record is settled, but for answers that came whole and
//! that nobody could count. The second can be done at any later time, even in another program,
//! and comes to the same.

use bench_types::{MarkKind, RequestRecord, TokenSource};
use serde::{Deserialize, Serialize};

/// How long generated text is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum KeepText {
    /// Not at all.
    Never,
    /// Until its tokens are counted, for servers that do not say how many there were.
    UntilCounted,
    /// For the result.
    Always,
}

/// Fills in the counts that follow from the stream alone, and lets go of the text if it has
/// served its purpose.
pub fn settle_from_stream(record: &mut RequestRecord, keep: KeepText) {
    let contents = record.timeline.contents().count() as u64;
    if record.chunk_tokens != TokenSource::Unknown
        && record.output_tokens_source != TokenSource::Usage
    {
        let total: u64 = record
            .timeline
            .marks
            .iter()
            .map(|mark| u64::from(mark.tokens))
            .sum();
        record.output_tokens = u32::try_from(total).unwrap_or(u32::MAX);
        record.output_tokens_source = record.chunk_tokens;
    }
    if record.chunk_tokens == TokenSource::Unknown
        && record.output_tokens_source == TokenSource::Usage
        && u64::from(record.output_tokens) == contents
    {
        one_per_chunk(record);
        record.chunk_tokens = TokenSource::OnePerChunk;
    }
    let settled = is_settled(record);
    match keep {
        KeepText::Always => {}
        KeepText::UntilCounted if !settled => {}
        KeepText::UntilCounted | KeepText::Never => record.transcript = None,
    }
    if keep == KeepText::Never && !settled {
        settle_by_chunks(record);
    }
}

/// Counts what the stream left open from the kept text, after the run.
///
/// `count` tells where each token of a text ends, in bytes from its beginning, ascending;
/// `None` if it cannot tell. Then, and without a text, a chunk is taken for a token. An answer
/// that came whole has no chunks, and its counts stay [`TokenSource::Unknown`].
pub fn settle_from_text(
    record: &mut RequestRecord,
    count: &dyn Fn(&str) -> Option<Vec<u32>>,
    keep: KeepText,
) {
    if !is_settled(record) {
        let transcript = record.transcript.as_ref();
        match transcript.and_then(|transcript| count(&transcript.text)) {
            Some(ends) => settle_by_ends(record, &ends),
            None => settle_by_chunks(record),
        }
    }
    if keep != KeepText::Always {
        record.transcript = None;
    }
}

/// Whether [`settle_from_text`] will have the text of this record counted.
pub fn needs_counting(record: &RequestRecord) -> bool {
    !is_settled(record) && record.transcript.is_some()
}

fn is_settled(record: &RequestRecord) -> bool {
    record.output_tokens_source != TokenSource::Unknown
        && record.chunk_tokens != TokenSource::Unknown
}

/// Credits each token to the chunk that completed it. `ends` are the ends of the tokens in
/// bytes of the text.
fn settle_by_ends(record: &mut RequestRecord, ends: &[u32]) {
    let Some(transcript) = &record.transcript else {
        return;
    };
    let mut tokens = ends.iter().peekable();
    let mut chunks = transcript.ends.iter();
    for mark in &mut record.timeline.marks {
        if !mark.kind.is_content() {
            continue;
        }
        let Some(chunk_end) = chunks.next() else {
            break;
        };
        let mut count = 0u16;
        while tokens.next_if(|end| *end <= chunk_end).is_some() {
            count = count.saturating_add(1);
        }
        mark.tokens = count;
    }
    record.chunk_tokens = TokenSource::Tokenizer;
    if record.output_tokens_source == TokenSource::Unknown {
        record.output_tokens = u32::try_from(ends.len()).unwrap_or(u32::MAX);
        record.output_tokens_source = TokenSource::Tokenizer;
    }
}

/// The last resort: a chunk is a token. A whole answer has no chunks that could be counted.
fn settle_by_chunks(record: &mut RequestRecord) {
    let mut marks = record.timeline.marks.iter();
    if marks.any(|mark| mark.kind == MarkKind::Whole) {
        return;
    }
    if record.chunk_tokens == TokenSource::Unknown {
        one_per_chunk(record);
        record.chunk_tokens = TokenSource::Chunks;
    }
    if record.output_tokens_source == TokenSource::Unknown {
        let contents = record.timeline.contents().count();
        record.output_tokens = u32::try_from(contents).unwrap_or(u32::MAX);
        record.output_tokens_source = TokenSource::Chunks;
    }
}

fn one_per_chunk(record: &mut RequestRecord) {
    for mark in &mut record.timeline.marks {
        if mark.kind.is_content() {
            mark.tokens = 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bench_types::{
        Finish, Mark, MarkKind, Nanos, Outcome, ReceiveCounts, RequestKind, Timeline, Transcript,
    };

    /// A stream of one role chunk and then chunks of these texts.
    fn record(chunks: &[&str]) -> RequestRecord {
        let mark = |i: usize, kind| Mark {
            at: Nanos::from_millis(i as u64),
            kind,
            tokens: 0,
        };
        let mut transcript = Transcript::default();
        let mut marks = vec![mark(0, MarkKind::Role)];
        for (i, chunk) in chunks.iter().enumerate() {
            transcript.text.push_str(chunk);
            transcript.ends.push(transcript.text.len() as u32);
            marks.push(mark(i + 1, MarkKind::Text));
        }
        RequestRecord {
            id: 0,
            conversation: 0,
            turn: 0,
            server_index: 0,
            model_index: 0,
            inputs: 1,
            audio: None,
            prompt_tokens: 1,
            prompt_tokens_source: TokenSource::Dataset,
            class_index: 0,
            kind: RequestKind::Load,
            cached_tokens: None,
            expected_cached_tokens: None,
            max_output_tokens: 16,
            output_tokens: 0,
            output_tokens_source: TokenSource::Unknown,
            chunk_tokens: TokenSource::Unknown,
            timeline: Timeline {
                marks,
                ..Timeline::default()
            },
            outcome: Outcome::Completed(Finish::Stop),
            server: None,
            receive: ReceiveCounts::default(),
            transcript: Some(transcript),
        }
    }

    fn with_usage(mut record: RequestRecord, tokens: u32) -> RequestRecord {
        record.output_tokens = tokens;
        record.output_tokens_source = TokenSource::Usage;
        record
    }

    fn tokens(record: &RequestRecord) -> Vec<u16> {
        record.timeline.contents().map(|mark| mark.tokens).collect()
    }

    /// A token ends behind every space and at the end of the text.
    fn words(text: &str) -> Option<Vec<u32>> {
        let spaces = text.match_indices(' ').map(|(at, _)| at as u32 + 1);
        Some(spaces.chain([text.len() as u32]).collect())
    }

    #[test]
    fn a_total_that_equals_the_chunks_settles_the_chunks() {
        let mut settled = with_usage(record(&["a ", "b"]), 2);
        settle_from_stream(&mut settled, KeepText::UntilCounted);
        assert_eq!(settled.chunk_tokens, TokenSource::OnePerChunk);
        assert_eq!(tokens(&settled), [1, 1]);
        assert_eq!(settled.timeline.marks[0].tokens, 0, "a role is no token");
        assert_eq!(settled.transcript, None, "it has served its purpose");
    }

    #[test]
    fn counted_chunks_add_up_to_the_total() {
        let mut counted = record(&["a b ", "c"]);
        counted.chunk_tokens = TokenSource::TokenIds;
        counted.timeline.marks[1].tokens = 2;
        counted.timeline.marks[2].tokens = 1;
        settle_from_stream(&mut counted, KeepText::Never);
        assert_eq!(counted.output_tokens, 3);
        assert_eq!(counted.output_tokens_source, TokenSource::TokenIds);
    }

    #[test]
    fn a_token_belongs_to_the_chunk_that_completed_it() {
        let mut open = with_usage(record(&["one t", "wo ", "th", "ree"]), 3);
        settle_from_stream(&mut open, KeepText::UntilCounted);
        assert!(needs_counting(&open));
        settle_from_text(&mut open, &words, KeepText::UntilCounted);
        assert_eq!(tokens(&open), [1, 1, 0, 1]);
        assert_eq!(open.chunk_tokens, TokenSource::Tokenizer);
        assert_eq!(open.output_tokens_source, TokenSource::Usage);
        assert!(!needs_counting(&open));
        assert_eq!(open.transcript, None);
    }

    #[test]
    fn without_a_count_or_a_text_a_chunk_is_a_token() {
        let mut unknown = record(&["one t", "wo ", "three"]);
        settle_from_text(&mut unknown, &|_| None, KeepText::Always);
        assert_eq!(unknown.output_tokens, 3);
        assert_eq!(unknown.output_tokens_source, TokenSource::Chunks);
        assert!(unknown.transcript.is_some(), "it is wanted for the result");

        let mut dropped = record(&["one t", "wo "]);
        settle_from_stream(&mut dropped, KeepText::Never);
        assert!(!needs_counting(&dropped));
        let asked = |_: &str| -> Option<Vec<u32>> { panic!("there is no text") };
        settle_from_text(&mut dropped, &asked, KeepText::Never);
        assert_eq!(dropped.output_tokens, 2);
        assert_eq!(dropped.chunk_tokens, TokenSource::Chunks);
    }

    #[test]
    fn a_whole_answer_without_a_count_is_not_taken_for_no_tokens() {
        let mut whole = record(&[]);
        whole.timeline.marks[0].kind = MarkKind::Whole;
        whole.transcript = Some(Transcript {
            text: "one two".to_owned(),
            ..Transcript::default()
        });
        let mut dropped = whole.clone();
        settle_from_stream(&mut dropped, KeepText::Never);
        let mut uncounted = whole.clone();
        settle_from_text(&mut uncounted, &|_| None, KeepText::Never);
        for record in [dropped, uncounted] {
            assert_eq!(record.output_tokens_source, TokenSource::Unknown);
            assert!(!needs_counting(&record));
        }
        settle_from_text(&mut whole, &words, KeepText::Never);
        assert_eq!(whole.output_tokens, 2);
        assert_eq!(whole.output_tokens_source, TokenSource::Tokenizer);
    }

    #[test]
    fn what_is_settled_is_not_counted_again() {
        let mut settled = with_usage(record(&["a ", "b"]), 2);
        settle_from_stream(&mut settled, KeepText::Always);
        let before = settled.clone();
        let asked = |_: &str| -> Option<Vec<u32>> { panic!("it is settled") };
        settle_from_text(&mut settled, &asked, KeepText::Always);
        assert_eq!(settled, before);
    }
}
