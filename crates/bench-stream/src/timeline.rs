use bench_types::{Mark, MarkKind, Nanos, Timeline};

/// Collects the stamps of one request after the other.
///
/// One builder serves a slot for the whole run: [`TimelineBuilder::finish`] hands out a
/// timeline with a list of marks of exactly the right size and keeps its own, so that a
/// long run neither grows a list anew for every request nor stores unused capacity.
#[derive(Clone, Debug, Default)]
pub struct TimelineBuilder {
    timeline: Timeline,
}

impl TimelineBuilder {
    /// A builder with no stamps.
    pub fn new() -> TimelineBuilder {
        TimelineBuilder::default()
    }

    /// When the load shape wanted the request to leave.
    pub fn scheduled(&mut self, at: Nanos) {
        self.timeline.scheduled = at;
    }

    /// When a slot took it.
    pub fn released(&mut self, at: Nanos) {
        self.timeline.released = at;
    }

    /// When the connection that had to be opened for it was ready.
    pub fn connected(&mut self, at: Nanos) {
        self.timeline.connected = Some(at);
    }

    /// Immediately before its first byte is written.
    pub fn sent(&mut self, at: Nanos) {
        self.timeline.sent = Some(at);
    }

    /// First byte of the response.
    pub fn headers(&mut self, at: Nanos) {
        self.timeline.headers = Some(at);
    }

    /// A stream event received `at`, with the number of tokens it brought if known; more
    /// than 65,535 are recorded as that many.
    pub fn mark(&mut self, at: Nanos, kind: MarkKind, tokens: Option<u32>) {
        let tokens = u16::try_from(tokens.unwrap_or(0)).unwrap_or(u16::MAX);
        self.timeline.marks.push(Mark { at, kind, tokens });
    }

    /// The stamps so far.
    pub fn so_far(&self) -> &Timeline {
        &self.timeline
    }

    /// The request is over: hands out its timeline and starts an empty one.
    pub fn finish(&mut self, closed: Nanos) -> Timeline {
        let marks = self.timeline.marks.as_slice().to_vec();
        self.timeline.marks.clear();
        let kept = std::mem::take(&mut self.timeline.marks);
        let done = std::mem::take(&mut self.timeline);
        self.timeline.marks = kept;
        Timeline {
            marks,
            closed,
            ..done
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_builder_is_empty_again_after_finish() {
        let mut builder = TimelineBuilder::new();
        builder.scheduled(Nanos(1));
        builder.released(Nanos(2));
        builder.connected(Nanos(3));
        builder.sent(Nanos(4));
        builder.headers(Nanos(5));
        builder.mark(Nanos(6), MarkKind::Text, Some(70_000));
        builder.mark(Nanos(7), MarkKind::Done, None);
        assert_eq!(builder.so_far().marks.len(), 2);
        let timeline = builder.finish(Nanos(8));
        let expected = Timeline {
            scheduled: Nanos(1),
            released: Nanos(2),
            connected: Some(Nanos(3)),
            sent: Some(Nanos(4)),
            headers: Some(Nanos(5)),
            marks: vec![
                Mark {
                    at: Nanos(6),
                    kind: MarkKind::Text,
                    tokens: u16::MAX,
                },
                Mark {
                    at: Nanos(7),
                    kind: MarkKind::Done,
                    tokens: 0,
                },
            ],
            closed: Nanos(8),
        };
        assert_eq!(timeline, expected);
        assert_eq!(timeline.marks.capacity(), 2);
        let empty = Timeline {
            closed: Nanos(9),
            ..Timeline::default()
        };
        assert_eq!(builder.finish(Nanos(9)), empty);
    }
}
