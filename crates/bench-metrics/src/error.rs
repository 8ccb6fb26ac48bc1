use thiserror::Error;

/// Why a choice of metrics, percentiles or objectives cannot be used.
#[derive(Clone, Debug, PartialEq, Error)]
#[non_exhaustive]
pub enum MetricsError {
    /// No metric of that name exists.
    #[error("unknown metric '{name}'{} Choose from {choices}", did_you_mean(.suggestion))]
    UnknownMetric {
        /// What was asked for.
        name: String,
        /// The name that looks most like it.
        suggestion: Option<&'static str>,
        /// Every name that would do, separated by commas.
        choices: String,
    },
    /// A metric needs a stream of tokens, which the run does not have.
    #[error("'{name}' needs a stream of tokens, and {reason}; choose from {choices}")]
    NotMeasurable {
        /// The metric.
        name: &'static str,
        /// Why there is no stream.
        reason: &'static str,
        /// Every metric that the run has, separated by commas.
        choices: String,
    },
    /// A percentile is no number from 0 to 100.
    #[error("'{text}' is not a percentile; give numbers from 0 to 100 such as 50,90,99.9")]
    Percentile {
        /// What was given.
        text: String,
    },
    /// An objective does not have the form `metric:milliseconds`.
    #[error("'{text}' is not an objective; write metric:milliseconds, for example ttft:200")]
    SloForm {
        /// What was given.
        text: String,
    },
    /// The limit of an objective is negative, infinite or no number.
    #[error(
        "the objective '{text}' has the limit '{limit}'; \
         it must be a number of milliseconds, 0 or more"
    )]
    SloLimit {
        /// The whole objective.
        text: String,
        /// Its limit.
        limit: String,
    },
    /// An objective for a search does not have the form `metric:pNN<=value`.
    #[error(
        "'{text}' is not an objective; write metric:pNN<=value or metric<=value with ms, s or us, \
         for example ttft:p99<=500ms"
    )]
    ObjectiveForm {
        /// What was given.
        text: String,
    },
    /// An objective for a search is about something that is no share of the requests.
    #[error(
        "in '{text}', '{statistic}' is no percentile between p0 and p100; write one such as p50 \
         or p99: a mean or a maximum does not say how many requests are well served"
    )]
    ObjectiveStatistic {
        /// The whole objective.
        text: String,
        /// What stands in the place of the percentile.
        statistic: String,
    },
    /// An objective for a search is given twice.
    #[error("'{text}' sets the same metric and percentile twice; give each one limit")]
    ObjectiveTwice {
        /// The second one.
        text: String,
    },
    /// A share of requests that no run could show or miss.
    #[error("{share} is no share between 0 and 1; write for example 0.99 for 99 % of the requests")]
    Attainment {
        /// What was given.
        share: f64,
    },
    /// A metric has two objectives.
    #[error("two objectives for '{name}'; give each metric one limit")]
    SloTwice {
        /// The metric.
        name: String,
    },
}

fn did_you_mean(suggestion: &Option<&'static str>) -> String {
    suggestion.map_or_else(
        || ".".to_owned(),
        |name| format!(", did you mean '{name}'?"),
    )
}

impl MetricsError {
    pub(crate) fn unknown(
        name: &str,
        choices: impl Iterator<Item = &'static str> + Clone,
    ) -> MetricsError {
        MetricsError::UnknownMetric {
            name: name.to_owned(),
            suggestion: nearest(name, choices.clone()),
            choices: choices.collect::<Vec<_>>().join(", "),
        }
    }
}

/// The choice that needs the fewest edits, if they are few for the length of the word.
fn nearest(word: &str, choices: impl Iterator<Item = &'static str>) -> Option<&'static str> {
    let word = word.to_lowercase();
    choices
        .map(|choice| (strsim::levenshtein(&word, choice), choice))
        .min()
        .filter(|&(edits, choice)| edits <= choice.len() / 2)
        .map(|(_, choice)| choice)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_near_word_is_suggested() {
        let choices = ["ttft", "tpot", "e2el"];
        assert_eq!(nearest("TTFT", choices.into_iter()), Some("ttft"));
        assert_eq!(nearest("ttf", choices.into_iter()), Some("ttft"));
        assert_eq!(nearest("latency", choices.into_iter()), None);
        assert_eq!(nearest("tpop", choices.into_iter()), Some("tpot"));
    }
}
