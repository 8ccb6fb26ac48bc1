//! What the answers of a run say besides their tokens.

use std::collections::BTreeMap;

use bench_types::RequestRecord;

/// What the answers said that is of interest to the run as a whole.
#[derive(Debug, Default)]
pub(crate) struct Answers {
    /// Model names the server answered with, and how often.
    pub(crate) models: BTreeMap<String, u64>,
    /// Requests whose prompt the server counts differently than the dataset.
    pub(crate) mismatches: Option<Mismatches>,
    /// Answers whose body did not end after all was said.
    pub(crate) unended: u64,
    /// Pooled connections the server had closed before they were used again.
    pub(crate) stale_connections: u64,
}

impl Answers {
    /// Takes note of what an answer said of its prompt's length and of its model.
    pub(crate) fn note(
        &mut self,
        record: &RequestRecord,
        reported: Option<u32>,
        model: Option<String>,
    ) {
        if let Some(model) = model {
            match self.models.get_mut(&model) {
                Some(count) => *count += 1,
                None => drop(self.models.insert(model, 1)),
            }
        }
        if let Some(reported) = reported.filter(|reported| *reported != record.prompt_tokens) {
            let one = Mismatches::of(record.prompt_tokens, reported);
            let all = self.mismatches.map_or(one, |all| all.and(one));
            self.mismatches = Some(all);
        }
    }

    pub(crate) fn merge(&mut self, other: Answers) {
        for (model, count) in other.models {
            *self.models.entry(model).or_default() += count;
        }
        self.mismatches = match (self.mismatches, other.mismatches) {
            (Some(one), Some(other)) => Some(one.and(other)),
            (one, other) => one.or(other),
        };
        self.unended += other.unended;
        self.stale_connections += other.stale_connections;
    }
}

/// Requests whose prompt has another length by the server's count than by the dataset's.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Mismatches {
    pub(crate) requests: u64,
    /// One of them: by the dataset, by the server.
    pub(crate) example: (u32, u32),
    /// How many tokens more the server counts, if it is the same number for all.
    pub(crate) more: Option<i64>,
}

impl Mismatches {
    pub(crate) fn of(counted: u32, reported: u32) -> Mismatches {
        Mismatches {
            requests: 1,
            example: (counted, reported),
            more: Some(i64::from(reported) - i64::from(counted)),
        }
    }

    pub(crate) fn and(self, other: Mismatches) -> Mismatches {
        Mismatches {
            requests: self.requests + other.requests,
            example: self.example,
            more: self.more.filter(|more| other.more == Some(*more)),
        }
    }
}
