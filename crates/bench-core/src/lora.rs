use std::collections::HashMap;

use bench_types::Conversation;
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
    #[cfg_attr(feature = "cli", value(alias = "uniform"))]
    Random,
    /// One after the other.
    #[cfg_attr(feature = "cli", value(alias = "distinct"))]
    RoundRobin,
    /// The first ones more often than the last.
    Skewed,
}

/// The LoRA adapters that requests ask for, in place of the model they adapt.
#[derive(Clone, Debug, PartialEq)]
pub struct Lora {
    /// Names of the adapters on the server; none for the model itself.
    pub adapters: Vec<String>,
    /// Which conversation gets which.
    pub assignment: LoraAssignment,
    /// With [`LoraAssignment::Skewed`], how many times as many conversations an adapter gets as
    /// the next one; more than 1. Adapter `i` has a probability in proportion to `skew^-i`.
    pub skew: f64,
    /// Seed of the random assignment.
    pub seed: u64,
}

/// No adapters.
impl Default for Lora {
    fn default() -> Self {
        Lora {
            adapters: Vec::new(),
            assignment: LoraAssignment::Random,
            skew: 1.5,
            seed: 0,
        }
    }
}

/// The models that requests ask for, and which conversation asks for which.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Models {
    /// Their names; at least one.
    pub(crate) names: Vec<String>,
    /// Whether the first is the model itself; the others are LoRA adapters.
    pub(crate) base: bool,
    /// The place of the name for each conversation; empty if all ask for the first.
    pub(crate) of: Vec<u16>,
}

impl Models {
    /// The name at a place, if it is that of a LoRA adapter.
    pub(crate) fn adapter(&self, place: u16) -> Option<&str> {
        let adapted = place > 0 || !self.base;
        let name = self.names.get(usize::from(place)).filter(|_| adapted)?;
        Some(name)
    }

    /// Whether a name is that of a LoRA adapter.
    pub(crate) fn is_adapter(&self, name: &str) -> bool {
        let adapters = self.names.iter().skip(usize::from(self.base));
        adapters.into_iter().any(|adapter| adapter == name)
    }
}

impl Lora {
    /// Gives every conversation the adapter that it names itself, or else one of the list, or
    /// else `model`.
    pub(crate) fn choose(
        &self,
        model: &str,
        conversations: &[Conversation],
        servers: usize,
    ) -> Models {
        let own = conversations.iter().any(|one| one.adapter.is_some());
        let others = conversations.is_empty() || conversations.iter().any(|c| c.adapter.is_none());
        let base = self.adapters.is_empty() && others;
        let mut models = Models {
            names: match base {
                true => vec![model.to_owned()],
                false => self.adapters.clone(),
            },
            base,
            of: self.assign(conversations.len(), servers),
        };
        if own {
            let assigned = std::mem::take(&mut models.of);
            let names = models.names.iter().cloned();
            let mut places: HashMap<String, u16> = names.zip(0..).collect();
            for (number, conversation) in conversations.iter().enumerate() {
                let place = match &conversation.adapter {
                    None => assigned.get(number).copied().unwrap_or(0),
                    Some(name) => *places.entry(name.to_string()).or_insert_with(|| {
                        models.names.push(name.to_string());
                        u16::try_from(models.names.len() - 1).unwrap_or(u16::MAX)
                    }),
                };
                models.of.push(place);
            }
        }
        models
    }

    /// The seed, if anything is drawn with it.
    pub(crate) fn seed_in_use(&self) -> Option<u64> {
        let drawn = self.adapters.len() > 1 && self.assignment != LoraAssignment::RoundRobin;
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
            LoraAssignment::Skewed => self.skewed(adapters, count),
        }
    }
}

impl Lora {
    /// Draws by the inverse of the distribution function
    /// `(1 - skew^-(i+1)) / (1 - skew^-adapters)`.
    fn skewed(&self, adapters: u16, count: usize) -> Vec<u16> {
        let mut random = ChaCha8Rng::seed_from_u64(self.seed);
        let all = 1.0 - self.skew.powf(-f64::from(adapters));
        let mut draw = || {
            let share = all * random.random::<f64>();
            let index = -(-share).ln_1p() / self.skew.ln();
            (index as u16).min(adapters - 1)
        };
        (0..count).map(|_| draw()).collect()
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
            ..Lora::default()
        }
    }

    fn conversations(adapters: &[Option<&str>]) -> Vec<Conversation> {
        let conversation = |(id, adapter): (u64, &Option<&str>)| {
            let prompt = bench_types::Prompt::Text("a".into());
            let mut one = Conversation::single(id, prompt, None, 1);
            one.adapter = adapter.map(Into::into);
            one
        };
        (0..).zip(adapters).map(conversation).collect()
    }

    #[test]
    fn a_conversation_keeps_the_adapter_it_names() {
        let named = conversations(&[Some("x"), None, Some("adapter-1"), Some("x")]);
        let models = Lora::default().choose("m", &named, 1);
        assert_eq!(models.names, ["m", "x", "adapter-1"]);
        assert_eq!(models.of, [1, 0, 2, 1]);
        assert_eq!(models.adapter(0), None, "the model itself");
        assert_eq!(models.adapter(1), Some("x"));
        let models = lora(2, LoraAssignment::RoundRobin).choose("m", &named, 1);
        assert_eq!(models.names, ["adapter-0", "adapter-1", "x"]);
        assert_eq!(models.of, [2, 1, 1, 2]);
        assert_eq!(models.adapter(0), Some("adapter-0"));
        let models = Lora::default().choose("m", &named[..1], 1);
        assert_eq!(models.names, ["x"], "nobody asks for the model itself");
        let models = Lora::default().choose("m", &conversations(&[None, None]), 1);
        assert_eq!((models.names.len(), models.of.len()), (1, 0));
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

    #[test]
    fn skewed_adapters_get_less_and_less() {
        let skewed = Lora {
            skew: 2.0,
            ..lora(3, LoraAssignment::Skewed)
        };
        let drawn = skewed.assign(7_000, 1);
        for (adapter, expected) in [(0, 4_000.0), (1, 2_000.0), (2, 1_000.0)] {
            let count = drawn.iter().filter(|drawn| **drawn == adapter).count() as f64;
            // Four standard deviations.
            let far = 4.0 * f64::sqrt(expected * (1.0 - expected / 7_000.0));
            assert!((count - expected).abs() < far, "{adapter}: {count}");
        }
        assert_eq!(skewed.seed_in_use(), Some(7));
    }
}
