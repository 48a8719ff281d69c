//! The same conversation to the same target, whose prefix cache is warm.
//!
//! Rendezvous hashing: each target has a score for each key, and the highest wins. When a target
//! goes, only its own keys move.

use std::hash::{Hash, Hasher as _};

/// How much more than its equal share a target may have in flight before its keys spill over.
const SLACK: f64 = 1.25;
/// What every target may have, whatever the average.
const ALWAYS: usize = 2;

/// The key of `parts`: whose call it is, and how the conversation begins. The same in every
/// process of the same version.
pub fn affinity(parts: &[&[u8]]) -> u64 {
    let mut hasher = Fnv::default();
    parts.hash(&mut hasher);
    mixed(hasher.finish())
}

/// The score of target `index` for `key`: the weighted form, in which a target of twice the weight
/// wins twice as many keys.
pub(super) fn score(key: u64, index: usize, weight: u32) -> f64 {
    let hash = mixed(key ^ mixed(index as u64 + 1));
    // Into (0, 1), by the 53 bits that an f64 holds exactly.
    #[expect(clippy::cast_precision_loss, reason = "53 bits are exact")]
    let unit = ((hash >> 11) as f64 + 0.5) / (1_u64 << 53) as f64;
    -f64::from(weight.max(1)) / unit.ln()
}

/// How many calls a target with `share` of the weight may have in flight, of `all` together, before
/// the next one in the ranking is asked.
#[expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "calls in flight are few"
)]
pub(super) fn most_in_flight(all: usize, share: f64) -> usize {
    (((all as f64 + 1.0) * share * SLACK).ceil() as usize).max(ALWAYS)
}

/// Spreads the bits (the finaliser of `SplitMix64`).
const fn mixed(mut bits: u64) -> u64 {
    bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    bits ^ (bits >> 31)
}

/// FNV-1a: the standard library's own hasher may differ from version to version.
struct Fnv(u64);

impl Default for Fnv {
    fn default() -> Self {
        Self(0xcbf2_9ce4_8422_2325)
    }
}

impl std::hash::Hasher for Fnv {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = (self.0 ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
        }
    }
}
