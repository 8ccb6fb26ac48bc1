//! Random numbers whose values are part of the crate's contract.
//!
//! A seed stands for the same dataset on every platform and in every release, so nothing here
//! rests on another crate's choice of algorithm: ChaCha with 8 rounds is a published stream,
//! and how it becomes bounded integers and permutations is written out below.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

/// What a stream of numbers is for. Different purposes draw from different streams of one
/// seed, so that more draws for one never shift another.
#[derive(Clone, Copy)]
pub(crate) enum Purpose {
    /// Lengths and offsets of synthetic prompts.
    Shapes,
    /// The prefix with this index that synthetic prompts share.
    Prefix(u32),
    /// The order of a file's entries.
    Order,
    /// Which entries are repeated when there are too few.
    Oversample,
    /// Shuffles that prove a tokenizer's words.
    Proof,
    /// Length and offset of the query that random documents are ranked by.
    Query,
    /// Which dataset of a mix each conversation is from, and the seeds of the datasets.
    Mix,
    /// Repairs of the prompt with this index.
    Repair(u32),
    /// Tokens of the prompt with this index, if each is drawn by itself.
    Body(u32),
    /// The group of each prompt.
    Groups,
    /// Numbers and sizes of images.
    Items,
    /// Images of the prompt with this index.
    Images(u32),
    /// Lines of the prompt with this index.
    Lines(u32),
}

/// What begins anew in a dataset, for draws that depend on a run's nonce.
#[derive(Clone, Copy)]
pub(crate) enum Beginning {
    /// The prompt with this index, or its own part after a prefix.
    Prompt(u32),
    /// The prefix with this index.
    Prefix(u32),
    /// The images of the prompt with this index.
    Images(u32),
}

/// Weights of places, summed up so that drawing one of many is quick.
pub(crate) struct Weights {
    /// The sum of each weight and all before it.
    sums: Vec<f64>,
}

impl Weights {
    /// Of these weights, none of which is below 0.
    pub(crate) fn new(weights: impl IntoIterator<Item = f64>) -> Weights {
        let add = |sum: &mut f64, weight| {
            *sum += weight;
            Some(*sum)
        };
        Weights {
            sums: weights.into_iter().scan(0.0, add).collect(),
        }
    }
}

/// A seeded stream of numbers.
pub(crate) struct Draws(ChaCha8Rng);

impl Draws {
    /// The stream of `seed` for `purpose`.
    pub(crate) fn new(seed: u64, purpose: Purpose) -> Draws {
        let stream = match purpose {
            Purpose::Shapes => 0,
            Purpose::Prefix(0) => 1,
            Purpose::Order => 2,
            Purpose::Oversample => 3,
            Purpose::Proof => 4,
            Purpose::Query => 5,
            Purpose::Mix => 20,
            Purpose::Groups => 6,
            Purpose::Items => 7,
            Purpose::Repair(index) => 1 << 32 | u64::from(index),
            Purpose::Body(index) => 2 << 32 | u64::from(index),
            Purpose::Prefix(index) => 3 << 32 | u64::from(index),
            Purpose::Images(index) => 4 << 32 | u64::from(index),
            Purpose::Lines(index) => 5 << 32 | u64::from(index),
        };
        Draws::of(seed, None, stream)
    }

    /// The stream of `seed` and `nonce` for a beginning.
    pub(crate) fn of_nonce(seed: u64, nonce: u64, beginning: Beginning) -> Draws {
        let stream = match beginning {
            Beginning::Prompt(index) => u64::from(index),
            Beginning::Prefix(index) => 1 << 32 | u64::from(index),
            Beginning::Images(index) => 2 << 32 | u64::from(index),
        };
        Draws::of(seed, Some(nonce), stream)
    }

    fn of(seed: u64, nonce: Option<u64>, stream: u64) -> Draws {
        let mut key = [0; 32];
        key[..8].copy_from_slice(&seed.to_le_bytes());
        if let Some(nonce) = nonce {
            key[8..16].copy_from_slice(&nonce.to_le_bytes());
            // Nonce 0 is not the same as none.
            key[16] = 1;
        }
        let mut rng = ChaCha8Rng::from_seed(key);
        rng.set_stream(stream);
        Draws(rng)
    }

    /// The stream of a key of four numbers, none of which has to be a seed. The last one is not 0,
    /// so that no seed has the same stream.
    pub(crate) fn keyed(key: [u64; 4]) -> Draws {
        debug_assert_ne!(key[3], 0);
        let mut bytes = [0; 32];
        for (place, number) in bytes.chunks_exact_mut(8).zip(key) {
            place.copy_from_slice(&number.to_le_bytes());
        }
        Draws(ChaCha8Rng::from_seed(bytes))
    }

    /// A number in `0..bound`, every one equally likely; 0 if `bound` is 0.
    ///
    /// The high half of a 128-bit product, with the few low halves that would favour some
    /// numbers drawn again (Lemire, "Fast Random Integer Generation in an Interval", 2019).
    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        if bound == 0 {
            return 0;
        }
        let unfair = bound.wrapping_neg() % bound;
        loop {
            let product = u128::from(self.0.next_u64()) * u128::from(bound);
            if product as u64 >= unfair {
                return (product >> 64) as u64;
            }
        }
    }

    /// A number in `low..=high`, every one equally likely.
    pub(crate) fn between(&mut self, low: u32, high: u32) -> u32 {
        debug_assert!(low <= high);
        low + self.below(u64::from(high - low) + 1) as u32
    }

    /// A number in 0 (included) to 1 (excluded), one of 2^53 that are equally likely.
    pub(crate) fn fraction(&mut self) -> f64 {
        const STEPS: u64 = 1 << 53;
        self.below(STEPS) as f64 / STEPS as f64
    }

    /// A place in `weights`, each with a probability in proportion to its weight.
    pub(crate) fn weighted(&mut self, weights: &Weights) -> usize {
        let sums = &weights.sums;
        let drawn = self.fraction() * sums.last().copied().unwrap_or(0.0);
        let place = sums.partition_point(|sum| *sum <= drawn);
        // Rounding may leave a rest after the last one.
        place.min(sums.len().saturating_sub(1))
    }

    /// Fills `bytes`, every value equally likely.
    pub(crate) fn fill(&mut self, bytes: &mut [u8]) {
        self.0.fill_bytes(bytes);
    }

    /// One of `items`, which must not be empty.
    pub(crate) fn choose<'a, T>(&mut self, items: &'a [T]) -> &'a T {
        &items[self.below(items.len() as u64) as usize]
    }

    /// Puts `items` into a random order, every order equally likely (Fisher and Yates).
    pub(crate) fn shuffle<T>(&mut self, items: &mut [T]) {
        for i in (1..items.len()).rev() {
            items.swap(i, self.below(i as u64 + 1) as usize);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_gives_the_same_numbers_for_ever() {
        let mut draws = Draws::new(42, Purpose::Shapes);
        let numbers: Vec<u64> = (0..4).map(|_| draws.below(1 << 40)).collect();
        assert_eq!(
            numbers,
            [382909837593, 314128901142, 542578712420, 404501850774]
        );
    }

    #[test]
    fn purposes_and_seeds_are_independent() {
        let first = |seed, purpose| Draws::new(seed, purpose).below(u64::MAX);
        let mut seen = vec![
            first(0, Purpose::Shapes),
            first(0, Purpose::Prefix(0)),
            first(0, Purpose::Prefix(1)),
            first(0, Purpose::Body(0)),
            first(0, Purpose::Repair(0)),
            first(0, Purpose::Repair(1)),
            first(1, Purpose::Shapes),
        ];
        let of_nonce = |nonce, beginning| Draws::of_nonce(0, nonce, beginning).below(u64::MAX);
        seen.extend([
            of_nonce(0, Beginning::Prompt(0)),
            of_nonce(0, Beginning::Prompt(1)),
            of_nonce(0, Beginning::Prefix(0)),
            of_nonce(1, Beginning::Prompt(0)),
        ]);
        seen.sort_unstable();
        seen.dedup();
        assert_eq!(seen.len(), 11);
    }

    #[test]
    fn bounds_are_reached_and_kept() {
        let mut draws = Draws::new(7, Purpose::Order);
        let mut counts = [0_u32; 5];
        for _ in 0..5_000 {
            counts[draws.between(3, 7) as usize - 3] += 1;
        }
        assert!(
            counts.iter().all(|&n| (850..1_150).contains(&n)),
            "{counts:?}"
        );
        assert_eq!(draws.between(9, 9), 9);
        assert_eq!(draws.below(0), 0);
    }

    #[test]
    fn weights_are_probabilities_and_none_is_never_drawn() {
        let weights = Weights::new([0.0, 3.0, 0.0, 1.0, 0.0]);
        let mut draws = Draws::new(3, Purpose::Groups);
        let mut counts = [0_u32; 5];
        for _ in 0..4_000 {
            counts[draws.weighted(&weights)] += 1;
        }
        assert_eq!([counts[0], counts[2], counts[4]], [0; 3]);
        assert!((2_850..3_150).contains(&counts[1]), "{counts:?}");
        assert_eq!(draws.weighted(&Weights::new([])), 0);
    }

    #[test]
    fn a_shuffle_keeps_every_item() {
        let mut items: Vec<u32> = (0..100).collect();
        Draws::new(1, Purpose::Order).shuffle(&mut items);
        assert_ne!(items, (0..100).collect::<Vec<_>>());
        items.sort_unstable();
        assert_eq!(items, (0..100).collect::<Vec<_>>());
    }
}
