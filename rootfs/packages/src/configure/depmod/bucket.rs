//! The order in which kmod's hash table gives its keys: `modules.symbols` is written in it. Knows nothing of symbols.
//!
//! Paul Hsieh's `SuperFastHash` over the key, its low bits choosing one of 2048 buckets, keys sorted within one.

const BUCKETS: u32 = 2048;

/// Sorts keys as the table would give them.
pub(super) fn order(keys: &mut [(&[u8], usize)]) {
    keys.sort_by_cached_key(|(key, _)| (hash(key) & (BUCKETS - 1), key.to_vec()));
}

fn half(bytes: &[u8]) -> u32 {
    bytes.iter().take(2).rev().fold(0, |sum, &byte| sum << 8 | u32::from(byte))
}

/// `SuperFastHash` of the key, started with its length.
fn hash(key: &[u8]) -> u32 {
    let mut hash = key.len() as u32;
    let chunks = key.chunks_exact(4);
    let rest = chunks.remainder();
    for chunk in chunks {
        let (low, high) = chunk.split_at(2);
        hash = hash.wrapping_add(half(low));
        hash = hash << 16 ^ (half(high) << 11 ^ hash);
        hash = hash.wrapping_add(hash >> 11);
    }
    match rest {
        [_, _, last] => {
            hash = hash.wrapping_add(half(rest));
            hash ^= hash << 16;
            hash ^= u32::from(*last) << 18;
            hash = hash.wrapping_add(hash >> 11);
        }
        [_, _] => {
            hash = hash.wrapping_add(half(rest));
            hash ^= hash << 11;
            hash = hash.wrapping_add(hash >> 17);
        }
        [last] => {
            hash = hash.wrapping_add(u32::from(*last));
            hash ^= hash << 10;
            hash = hash.wrapping_add(hash >> 1);
        }
        _ => {}
    }
    hash ^= hash << 3;
    hash = hash.wrapping_add(hash >> 5);
    hash ^= hash << 4;
    hash = hash.wrapping_add(hash >> 17);
    hash ^= hash << 25;
    hash.wrapping_add(hash >> 6)
}
