use std::collections::{BTreeMap, HashMap};
use std::hash::{DefaultHasher, Hash, Hasher};

/// Tokens in one block of the KV cache.
pub const BLOCK_TOKENS: u32 = 16;

/// The blocks of one sequence: those in the prefix table come first, then its own.
#[derive(Debug, Default)]
pub(super) struct Blocks {
    /// For each full block of the sequence: the hash of all tokens up to its end. Empty
    /// without a prefix cache.
    hashes: Vec<u64>,
    shared: usize,
    own: u32,
}

impl Blocks {
    fn count(&self) -> u32 {
        self.shared as u32 + self.own
    }
}

#[derive(Debug)]
struct Shared {
    users: u32,
    /// Key in [`KvCache::unused`] while nobody uses it.
    stamp: u64,
}

/// A pool of KV blocks with reference counts, in which full blocks stay findable by
/// their content until their room is needed, least recently used first.
///
/// Invariant: `own + shared.len() <= capacity`, and `unused` holds exactly the shared
/// blocks without users.
#[derive(Debug)]
pub(super) struct KvCache {
    capacity: u32,
    prefix_cache: bool,
    /// Blocks that belong to one sequence only.
    own: u32,
    shared: HashMap<u64, Shared>,
    /// Shared blocks that nobody uses, in the order in which they are given up.
    unused: BTreeMap<u64, u64>,
    clock: u64,
}

impl KvCache {
    pub(super) fn new(capacity: u32, prefix_cache: bool) -> KvCache {
        KvCache {
            capacity,
            prefix_cache,
            own: 0,
            shared: HashMap::new(),
            unused: BTreeMap::new(),
            clock: 0,
        }
    }

    /// Blocks of a new sequence: none yet, but their content is known.
    pub(super) fn blocks(&self, tokens: &[u32]) -> Blocks {
        let mut blocks = Blocks::default();
        if self.prefix_cache {
            let mut hasher = DefaultHasher::new();
            for block in tokens.chunks_exact(BLOCK_TOKENS as usize) {
                block.hash(&mut hasher);
                blocks.hashes.push(hasher.finish());
            }
        }
        blocks
    }

    /// Takes the blocks at the beginning of a sequence of `len` tokens that are already
    /// there, and returns how many tokens they hold. At least one token is left over to
    /// be computed: without it there is nothing to sample from.
    pub(super) fn take_prefix(&mut self, blocks: &mut Blocks, len: u32) -> u32 {
        let most = (len.saturating_sub(1) / BLOCK_TOKENS) as usize;
        while let Some(&hash) = blocks.hashes[..most.min(blocks.hashes.len())].get(blocks.shared) {
            if !self.share(hash) {
                break;
            }
            blocks.shared += 1;
        }
        blocks.shared as u32 * BLOCK_TOKENS
    }

    /// Makes room for the first `tokens` tokens; `false`, and nothing done, if there is
    /// none.
    pub(super) fn grow(&mut self, blocks: &mut Blocks, tokens: u32) -> bool {
        let more = tokens.div_ceil(BLOCK_TOKENS).saturating_sub(blocks.count());
        let used = self.own + self.shared.len() as u32;
        if used - self.unused.len() as u32 + more > self.capacity {
            return false;
        }
        for _ in 0..(used + more).saturating_sub(self.capacity) {
            if let Some((_, hash)) = self.unused.pop_first() {
                self.shared.remove(&hash);
            }
        }
        self.own += more;
        blocks.own += more;
        true
    }

    /// Makes the blocks that are full now that `computed` tokens are known findable.
    pub(super) fn publish(&mut self, blocks: &mut Blocks, computed: u32) {
        let full = (computed / BLOCK_TOKENS) as usize;
        while blocks.shared < full.min(blocks.hashes.len()) {
            let hash = blocks.hashes[blocks.shared];
            if !self.share(hash) {
                self.shared.insert(hash, Shared { users: 1, stamp: 0 });
            }
            blocks.shared += 1;
            blocks.own -= 1;
            self.own -= 1;
        }
    }

    /// Gives all blocks back. Shared ones stay findable, the first ones the longest.
    pub(super) fn release(&mut self, blocks: &mut Blocks) {
        for hash in blocks.hashes[..blocks.shared].iter().rev() {
            if let Some(block) = self.shared.get_mut(hash) {
                block.users -= 1;
                if block.users == 0 {
                    self.clock += 1;
                    block.stamp = self.clock;
                    self.unused.insert(self.clock, *hash);
                }
            }
        }
        self.own -= blocks.own;
        blocks.shared = 0;
        blocks.own = 0;
    }

    /// Forgets all shared blocks; `false`, and nothing done, while any block is in use.
    pub(super) fn clear(&mut self) -> bool {
        if self.own > 0 || self.unused.len() < self.shared.len() {
            return false;
        }
        self.shared.clear();
        self.unused.clear();
        true
    }

    /// Share of the blocks that some sequence uses.
    pub(super) fn usage(&self) -> f64 {
        let used = self.own + (self.shared.len() - self.unused.len()) as u32;
        f64::from(used) / f64::from(self.capacity.max(1))
    }

    /// One more user for a shared block, if there is such a block.
    fn share(&mut self, hash: u64) -> bool {
        let Some(block) = self.shared.get_mut(&hash) else {
            return false;
        };
        if block.users == 0 {
            self.unused.remove(&block.stamp);
        }
        block.users += 1;
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tokens(from: u32, count: u32) -> Vec<u32> {
        (from..from + count).collect()
    }

    #[test]
    fn room_is_given_in_blocks_until_there_is_none() {
        let mut cache = KvCache::new(4, true);
        let (mut a, mut b) = (cache.blocks(&tokens(0, 64)), cache.blocks(&tokens(100, 64)));
        assert!(cache.grow(&mut a, 17));
        assert_eq!(cache.usage(), 0.5);
        assert!(cache.grow(&mut a, 32));
        assert_eq!(cache.usage(), 0.5);
        assert!(cache.grow(&mut b, 32));
        assert!(!cache.grow(&mut a, 33));
        cache.release(&mut b);
        assert!(cache.grow(&mut a, 33));
        cache.release(&mut a);
        assert_eq!(cache.usage(), 0.0);
    }

    #[test]
    fn a_published_prefix_is_found_even_when_nobody_uses_it() {
        let mut cache = KvCache::new(8, true);
        let mut a = cache.blocks(&tokens(0, 40));
        assert!(cache.grow(&mut a, 40));
        cache.publish(&mut a, 40);
        cache.release(&mut a);
        assert_eq!(cache.usage(), 0.0);
        let mut b = cache.blocks(&tokens(0, 40));
        assert_eq!(cache.take_prefix(&mut b, 40), 32);
        assert_eq!(cache.usage(), 0.25);
        let mut c = cache.blocks(&tokens(1, 40));
        assert_eq!(cache.take_prefix(&mut c, 40), 0);
    }

    #[test]
    fn one_token_is_always_left_to_compute() {
        let mut cache = KvCache::new(8, true);
        let mut a = cache.blocks(&tokens(0, 32));
        assert!(cache.grow(&mut a, 32));
        cache.publish(&mut a, 32);
        let mut b = cache.blocks(&tokens(0, 32));
        assert_eq!(cache.take_prefix(&mut b, 32), 16);
    }

    #[test]
    fn unused_blocks_make_room_the_end_of_a_prefix_first() {
        let mut cache = KvCache::new(4, true);
        let mut a = cache.blocks(&tokens(0, 64));
        assert!(cache.grow(&mut a, 64));
        cache.publish(&mut a, 64);
        cache.release(&mut a);
        let mut b = cache.blocks(&tokens(100, 32));
        assert!(cache.grow(&mut b, 32));
        let mut again = cache.blocks(&tokens(0, 64));
        assert_eq!(cache.take_prefix(&mut again, 64), 32);
    }

    #[test]
    fn it_can_be_emptied_while_nobody_uses_it() {
        let mut cache = KvCache::new(8, true);
        let mut a = cache.blocks(&tokens(0, 40));
        assert!(cache.grow(&mut a, 16));
        assert!(!cache.clear());
        assert!(cache.grow(&mut a, 32));
        cache.publish(&mut a, 32);
        assert!(!cache.clear());
        cache.release(&mut a);
        assert!(cache.clear());
        assert_eq!(cache.take_prefix(&mut a, 40), 0);
    }

    #[test]
    fn two_that_computed_the_same_block_end_up_sharing_it() {
        let mut cache = KvCache::new(8, true);
        let (mut a, mut b) = (cache.blocks(&tokens(0, 32)), cache.blocks(&tokens(0, 32)));
        assert!(cache.grow(&mut a, 32) && cache.grow(&mut b, 32));
        assert_eq!(cache.usage(), 0.5);
        cache.publish(&mut a, 32);
        cache.publish(&mut b, 32);
        assert_eq!(cache.usage(), 0.25);
        cache.release(&mut a);
        assert_eq!(cache.usage(), 0.25);
        cache.release(&mut b);
        assert_eq!(cache.usage(), 0.0);
    }

    #[test]
    fn without_a_prefix_cache_nothing_is_found() {
        let mut cache = KvCache::new(8, false);
        let mut a = cache.blocks(&tokens(0, 40));
        assert!(cache.grow(&mut a, 40));
        cache.publish(&mut a, 40);
        let mut b = cache.blocks(&tokens(0, 40));
        assert_eq!(cache.take_prefix(&mut b, 40), 0);
    }
}
