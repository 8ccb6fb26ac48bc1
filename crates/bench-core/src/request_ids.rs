use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher, Hasher};

/// How requests are told apart in the logs and traces of a server: by the `x-request-id`
/// header, which ends in the number of the request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RequestIds {
    /// UUIDs, the only form that some servers accept. What they begin with tells one run from
    /// another; the last 12 hex digits are the number.
    Uuid(u64),
    /// This text, followed by the number in decimal.
    Prefix(String),
}

impl RequestIds {
    /// UUIDs that begin like no other run's.
    pub fn random() -> RequestIds {
        // The standard library seeds its hashers from the system's source of randomness.
        RequestIds::Uuid(RandomState::new().build_hasher().finish())
    }

    /// Ids for the requests that are not measured.
    pub(crate) fn aside(&self) -> RequestIds {
        match self {
            RequestIds::Uuid(run) => RequestIds::Uuid(!run),
            RequestIds::Prefix(prefix) => RequestIds::Prefix(format!("{prefix}warmup-")),
        }
    }

    /// Ids for the probes beside the load.
    pub(crate) fn of_probes(&self) -> RequestIds {
        match self {
            RequestIds::Uuid(run) => RequestIds::Uuid(run.rotate_left(32)),
            RequestIds::Prefix(prefix) => RequestIds::Prefix(format!("{prefix}probe-")),
        }
    }

    /// The id of a request by its number in the order of sending, from 0.
    pub fn of(&self, number: u64) -> String {
        match self {
            RequestIds::Prefix(prefix) => format!("{prefix}{number}"),
            RequestIds::Uuid(run) => {
                // Version 4, variant 1; the other digits are free.
                let (a, b, c, d) = (run >> 32, run >> 16, run >> 4, run << 6);
                let (b, c, d) = (b & 0xffff, c & 0xfff, d & 0x3fff | 0x8000);
                format!("{a:08x}-{b:04x}-4{c:03x}-{d:04x}-{number:012x}")
            }
        }
    }
}

impl Default for RequestIds {
    /// As [`RequestIds::random`].
    fn default() -> RequestIds {
        RequestIds::random()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_a_uuid_that_ends_in_the_number() {
        let ids = RequestIds::Uuid(0x0123_4567_89ab_cdef);
        assert_eq!(ids.of(258), "01234567-89ab-4cde-bbc0-000000000102");
        for run in [0, u64::MAX, 0x5555_5555_5555_5555] {
            let id = RequestIds::Uuid(run).of(7);
            let parts: Vec<&str> = id.split('-').collect();
            assert_eq!(
                parts.iter().map(|part| part.len()).collect::<Vec<_>>(),
                [8, 4, 4, 4, 12]
            );
            assert!(parts[2].starts_with('4'), "{id}");
            assert!(parts[3].starts_with(['8', '9', 'a', 'b']), "{id}");
        }
        assert_ne!(RequestIds::random(), RequestIds::random());
    }

    #[test]
    fn requests_beside_the_run_have_ids_of_their_own() {
        for ids in [RequestIds::Uuid(5), RequestIds::Prefix("p-".to_owned())] {
            assert_ne!(ids.aside().of(0), ids.of(0));
            assert_ne!(ids.of_probes().of(0), ids.of(0));
            assert_ne!(ids.of_probes().of(0), ids.aside().of(0));
        }
        assert_eq!(RequestIds::Prefix("p-".to_owned()).of(12), "p-12");
    }
}
