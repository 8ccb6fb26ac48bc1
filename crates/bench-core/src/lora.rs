use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

/// How LoRA adapters are given to conversations. A conversation keeps its adapter.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "cli", derive(clap::ValueEnum))]
#[serde(rename_all = "kebab-case")]
pub enum LoraAssignment {
    /// Each adapter with the same probability.
    #[default]
    Random,
    /// One after the other.
    RoundRobin,
}

/// The LoRA adapters that requests ask for, in place of the model they adapt.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Lora {
    /// Names of the adapters on the server; none for the model itself.
    pub adapters: Vec<String>,
    /// Which conversation gets which.
    pub assignment: LoraAssignment,
    /// Seed of the random assignment.
    pub seed: u64,
}

impl Lora {
    /// The seed, if anything is drawn with it.
    pub(crate) fn seed_in_use(&self) -> Option<u64> {
        let drawn = self.adapters.len() > 1 && self.assignment == LoraAssignment::Random;
        drawn.then_some(self.seed)
    }

    /// The index of the adapter of each of `count` conversations; empty if all ask for the
    /// same. One after the other, each of the `servers` gets to see every adapter.
    pub(crate) fn assign(&self, count: usize, servers: usize) -> Vec<u16> {
        let adapters = u16::try_from(self.adapters.len()).unwrap_or(u16::MAX);
        if adapters < 2 {
            return Vec::new();
        }
        match self.assignment {
            LoraAssignment::RoundRobin => (0..adapters)
                .cycle()
                .flat_map(|adapter| std::iter::repeat_n(adapter, servers))
                .take(count)
                .collect(),
            LoraAssignment::Random => {
                let mut random = ChaCha8Rng::seed_from_u64(self.seed);
                (0..count)
                    .map(|_| random.random_range(0..adapters))
                    .collect()
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lora(adapters: usize, assignment: LoraAssignment) -> Lora {
        Lora {
            adapters: (0..adapters).map(|i| format!("adapter-{i}")).collect(),
            assignment,
            seed: 7,
        }
    }

    #[test]
    fn adapters_take_turns_or_are_drawn() {
        let round = lora(3, LoraAssignment::RoundRobin).assign(5, 1);
        assert_eq!(round, [0, 1, 2, 0, 1]);
        let two_servers = lora(2, LoraAssignment::RoundRobin).assign(5, 2);
        assert_eq!(two_servers, [0, 0, 1, 1, 0]);
        let random = lora(3, LoraAssignment::Random);
        let drawn = random.assign(3_000, 1);
        assert_eq!(drawn, random.assign(3_000, 1), "the seed decides");
        for adapter in 0..3 {
            let share = drawn.iter().filter(|drawn| **drawn == adapter).count();
            assert!((900..1_100).contains(&share), "{adapter}: {share}");
        }
        assert!(lora(1, LoraAssignment::Random).assign(9, 1).is_empty());
    }
}
