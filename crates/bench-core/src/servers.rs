//! The servers of a run, and which of them a conversation goes to.

use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;

use bench_http::{Scheme, Target};
use serde::{Deserialize, Serialize};

/// How conversations are spread over several servers. A conversation stays with its server:
/// that is where its prefix is cached.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "cli", derive(clap::ValueEnum))]
#[serde(rename_all = "kebab-case")]
pub enum Balance {
    /// To one after the other.
    #[default]
    RoundRobin,
    /// To the one with the fewest conversations under way, as the client sees it.
    LeastInFlight,
}

/// All servers of a run.
pub(crate) struct Servers {
    balance: Balance,
    servers: Vec<Server>,
}

struct Server {
    target: Target,
    in_flight: AtomicU64,
}

impl Servers {
    /// Servers at `targets`, of which there is at least one.
    pub(crate) fn new(targets: Vec<Target>, balance: Balance) -> Servers {
        let server = |target| Server {
            target,
            in_flight: AtomicU64::new(0),
        };
        Servers {
            balance,
            servers: targets.into_iter().map(server).collect(),
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.servers.len()
    }

    pub(crate) fn targets(&self) -> impl Iterator<Item = &Target> {
        self.servers.iter().map(|server| &server.target)
    }

    /// The address of `path` on each server, as results show it.
    pub(crate) fn describe(&self, path: &str) -> Vec<String> {
        let describe = |target: &Target| match target.scheme() {
            Scheme::Unix => target.url().to_owned(),
            Scheme::Http | Scheme::Https => format!("{}{path}", target.url()),
        };
        self.targets().map(describe).collect()
    }

    /// The server of a conversation if that does not depend on what happens until it is sent.
    pub(crate) fn foreseen(&self, conversation: usize) -> Option<usize> {
        match self.balance {
            // In a plan without servers there is no other answer either.
            _ if self.servers.len() <= 1 => Some(0),
            Balance::RoundRobin => Some(conversation % self.servers.len()),
            Balance::LeastInFlight => None,
        }
    }

    /// The server with the fewest conversations under way. Among equals the turn goes round,
    /// so that an idle fleet is used evenly.
    pub(crate) fn least_in_flight(&self, conversation: usize) -> usize {
        let count = self.servers.len();
        (0..count)
            .map(|step| (conversation + step) % count)
            .min_by_key(|index| self.servers[*index].in_flight.load(Relaxed))
            .unwrap_or(0)
    }

    /// A conversation with a server begins.
    pub(crate) fn enter(&self, server: usize) {
        // Where it decides nothing, threads need not write to the same place.
        if self.balance == Balance::LeastInFlight {
            self.servers[server].in_flight.fetch_add(1, Relaxed);
        }
    }

    /// It is over.
    pub(crate) fn leave(&self, server: usize) {
        if self.balance == Balance::LeastInFlight {
            self.servers[server].in_flight.fetch_sub(1, Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use bench_http::TargetOptions;

    use super::*;

    async fn three(balance: Balance) -> Servers {
        let mut targets = Vec::new();
        for port in 1..=3 {
            let url = format!("http://127.0.0.1:{port}");
            let target = Target::resolve(&url, &TargetOptions::default()).await;
            targets.push(target.expect("resolves"));
        }
        Servers::new(targets, balance)
    }

    #[tokio::test]
    async fn round_robin_is_known_beforehand() {
        let servers = three(Balance::RoundRobin).await;
        let chosen: Vec<_> = (0..7).map(|i| servers.foreseen(i)).collect();
        let expected = [0, 1, 2, 0, 1, 2, 0].map(Some);
        assert_eq!(chosen, expected);
        let described = servers.describe("/v1/completions");
        assert_eq!(described[2], "http://127.0.0.1:3/v1/completions");
    }

    #[tokio::test]
    async fn the_idlest_server_is_chosen_and_equals_take_turns() {
        let servers = three(Balance::LeastInFlight).await;
        assert_eq!(servers.foreseen(0), None);
        let chosen: Vec<_> = (0..4)
            .map(|i| {
                let server = servers.least_in_flight(i);
                servers.enter(server);
                server
            })
            .collect();
        assert_eq!(chosen, [0, 1, 2, 0]);
        servers.leave(1);
        assert_eq!(servers.least_in_flight(0), 1);
    }
}
