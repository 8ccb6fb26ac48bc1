use bench_types::RequestRecord;

use crate::distribution::ByMetric;
use crate::measurable::measurable;
use crate::metric::chunk_tokens_known;
use crate::{Convention, Distribution, Metric, SummaryOptions};

/// Turns completed requests into distributions, with one buffer for all samples.
pub(crate) struct Reader<'a> {
    completed: &'a [&'a RequestRecord],
    lost: u64,
    shape: Shape,
    metrics: Vec<&'static Metric>,
    percentiles: &'a [f64],
    samples: Vec<f64>,
}

impl<'a> Reader<'a> {
    /// `lost`: how many requests were sent and not completed.
    pub(crate) fn new(
        completed: &'a [&'a RequestRecord],
        lost: u64,
        options: &'a SummaryOptions,
    ) -> Reader<'a> {
        Reader {
            completed,
            lost,
            shape: Shape::of(completed),
            metrics: measurable(options.task, options.streamed),
            percentiles: &options.percentiles,
            samples: Vec::new(),
        }
    }

    /// Every metric that is defined under the convention, given the view before.
    pub(crate) fn read(&mut self, convention: Convention, vllm: &ByMetric) -> ByMetric {
        let mut read = ByMetric::new();
        for metric in self.metrics.clone() {
            if metric.conventions.contains(&convention) {
                let known = self.known(metric, convention, vllm, &read);
                let distribution = known.unwrap_or_else(|| self.measure(metric, convention));
                read.insert(metric.name.to_owned(), distribution);
            }
        }
        read
    }

    /// A metric with a sample for every token that has the very samples of another one, as
    /// the shape of the streams shows.
    fn known(
        &self,
        metric: &Metric,
        convention: Convention,
        vllm: &ByMetric,
        read: &ByMetric,
    ) -> Option<Distribution> {
        let Shape {
            bare,
            single,
            counted,
        } = self.shape;
        match (metric.name, convention) {
            ("itl", Convention::Strict) if bare && single => vllm.get("itl").cloned(),
            ("chunk_gap", Convention::Strict) if single => read.get("itl").cloned(),
            ("chunk_gap", Convention::Strict) if bare => vllm.get("itl").cloned(),
            ("burst_size", Convention::Strict) if single => {
                Some(Distribution::constant(1.0, counted, self.percentiles))
            }
            _ => None,
        }
    }

    fn measure(&mut self, metric: &Metric, convention: Convention) -> Distribution {
        self.samples.clear();
        for record in self.completed {
            (metric.observe)(record, convention, &mut self.samples);
        }
        if metric.per_request {
            Distribution::with_failures(&mut self.samples, self.lost, self.percentiles)
        } else {
            Distribution::of(&mut self.samples, self.percentiles)
        }
    }
}

/// What the streams of a run have in common.
#[derive(Clone, Copy)]
struct Shape {
    /// Every chunk with a choice carries content.
    bare: bool,
    /// Every content chunk stands for one token, and no other chunk brings any.
    single: bool,
    /// Content chunks whose tokens were counted; only if `single`.
    counted: u64,
}

impl Shape {
    fn of(completed: &[&RequestRecord]) -> Shape {
        let mut shape = Shape {
            bare: true,
            single: true,
            counted: 0,
        };
        for record in completed {
            let known = chunk_tokens_known(record);
            for mark in record.timeline.choices() {
                let content = mark.kind.is_content();
                let tokens = if known {
                    mark.tokens
                } else {
                    u16::from(content)
                };
                shape.bare &= content;
                shape.single &= tokens == u16::from(content);
                shape.counted += u64::from(known && content);
            }
            if !shape.bare && !shape.single {
                break;
            }
        }
        shape
    }
}
