//! Draws that depend only on what they are drawn for, not on what was drawn before, so
//! that concurrency cannot change them.

/// Mixes `parts` into one well-spread number (the finalizer of SplitMix64 per part).
pub(crate) fn mix(parts: &[u64]) -> u64 {
    parts.iter().fold(0, |state, part| {
        let mut x = (state ^ part).wrapping_add(0x9e37_79b9_7f4a_7c15);
        x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        x ^ (x >> 31)
    })
}

/// A number in `[0, 1)` drawn for `parts`.
pub(crate) fn unit_float(parts: &[u64]) -> f64 {
    // The upper 53 bits fill the mantissa of a double exactly.
    (mix(parts) >> 11) as f64 / (1u64 << 53) as f64
}

/// FNV-1a of `bytes`: stable across runs, versions and machines.
pub(crate) fn fnv1a(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3)
    })
}
