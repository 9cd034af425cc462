//! Identities: 64-bit hashes of paths, and the pseudo-random preferences drawn from them. They decide where things
//! go and nothing else; they are fixed for ever, because a change would move every block of every image.
//!
//! A path's hash folds its names one by one: eight bytes at a time are multiplied into the state, the high and low
//! half of the 128-bit product folded together (the mixing step of wyhash). Knows no file system.

const ODD: u64 = 0x9e37_79b9_7f4a_7c15;
const OTHER: u64 = 0xd6e8_feb8_6659_fd93;

/// The identity of the root directory.
pub(crate) const ROOT: u64 = 0x6578_7434_726f_6f74;

/// The identity of the nodes without a group, and of which the groups are the children.
pub(crate) const GROUPS: u64 = 0x6772_6f75_7073_0001;

/// Folds one 64-bit number into a state.
pub(crate) fn mix(state: u64, word: u64) -> u64 {
    let product = u128::from(state ^ ODD) * u128::from(word ^ OTHER);
    product as u64 ^ (product >> 64) as u64
}

/// The identity of the entry `name` of the directory with the identity `parent`.
pub(crate) fn child(parent: u64, name: &[u8]) -> u64 {
    let mut state = mix(parent, name.len() as u64);
    for chunk in name.chunks(8) {
        let mut word = [0; 8];
        word[..chunk.len()].copy_from_slice(chunk);
        state = mix(state, u64::from_le_bytes(word));
    }
    mix(state, ODD)
}

/// The bucket of `key` among `buckets`: uniform, and when a bucket is added at the end a key stays where it is or
/// goes to the new one (Lamping and Veach, "A fast, minimal memory, consistent hash algorithm"; in integers).
pub(crate) fn jump(mut key: u64, buckets: u32) -> u32 {
    let (mut bucket, mut next) = (0, 0);
    while next < u64::from(buckets) {
        bucket = next;
        key = key.wrapping_mul(2_862_933_555_777_941_757).wrapping_add(1);
        next = ((bucket + 1) << 31) / ((key >> 33) + 1);
    }
    bucket as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_more_bucket_takes_keys_only_to_itself() {
        let moved =
            (0..10_000u64).map(|key| mix(key, 1)).filter(|key| match (jump(*key, 700), jump(*key, 701)) {
                (a, b) if a == b => false,
                (_, b) => {
                    assert_eq!(b, 700);
                    true
                }
            });
        assert!((5..30).contains(&moved.count()));
    }

    #[test]
    fn names_of_other_length_or_folder_differ() {
        let a = child(ROOT, b"a");
        assert_ne!(a, child(ROOT, b"a\0"));
        assert_ne!(child(a, b"b"), child(child(ROOT, b"b"), b"a"));
        assert_eq!(a, 12_953_025_841_300_666_058, "the identity of `a` is part of the layout");
    }
}
