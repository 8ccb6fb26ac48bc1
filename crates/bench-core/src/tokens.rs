//! How many tokens a response had, and which chunk brought how many: from the best source
//! there is.

use bench_datasets::Tokenizer;
use bench_types::{RequestRecord, TokenSource};

use crate::plan::KeepText;

/// Fills in the counts that follow from the stream alone, and lets go of the text if it has
/// served its purpose.
pub(crate) fn settle_from_stream(record: &mut RequestRecord, keep: KeepText) {
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

/// Counts what the stream left open, by the tokenizer from the kept text. To be called after
/// the run.
pub(crate) fn settle_from_text(record: &mut RequestRecord, tokenizer: &Tokenizer, keep: KeepText) {
    if !is_settled(record) {
        let counted = record
            .transcript
            .as_ref()
            .and_then(|transcript| tokenizer.token_ends(&transcript.text).ok());
        match counted {
            Some(ends) => settle_by_ends(record, &ends),
            None => settle_by_chunks(record),
        }
    }
    if keep != KeepText::Always {
        record.transcript = None;
    }
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

/// The last resort: a chunk is a token.
pub(crate) fn settle_by_chunks(record: &mut RequestRecord) {
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
