//! Half MD4, the hash of directory names (kernel documentation: Hash Tree Directories; e2fsprogs dirhash.c), with
//! bytes taken as signed, as the superblock's flags declare.

/// The seed as four 32-bit numbers.
pub type Seed = [u32; 4];

/// The numbers of a seed from its bytes; all zero means the constants of MD4.
pub fn seed_words(bytes: &[u8; 16]) -> Seed {
    let mut words = [0; 4];
    for (word, b) in words.iter_mut().zip(bytes.chunks_exact(4)) {
        *word = u32::from_le_bytes([b[0], b[1], b[2], b[3]]);
    }
    if words == [0; 4] { [0x6745_2301, 0xefcd_ab89, 0x98ba_dcfe, 0x1032_5476] } else { words }
}

/// Major and minor hash of a name. The major one is even: its low bit marks a chain that goes on in the next block.
pub fn half_md4(name: &[u8], seed: &Seed) -> (u32, u32) {
    /// The value of the end of a directory in the kernel's read positions.
    const END: u32 = 0x7fff_ffff << 1;
    let mut state = *seed;
    let mut rest = name;
    while !rest.is_empty() {
        transform(&mut state, &words_of(rest));
        rest = &rest[rest.len().min(32)..];
    }
    let major = state[1] & !1;
    (if major == END { END - 2 } else { major }, state[2])
}

/// The next eight words of a name: each byte sign-extended and added, the rest filled with the length.
fn words_of(rest: &[u8]) -> [u32; 8] {
    let len = rest.len() as u32;
    let pad = (len | len << 8) | (len | len << 8) << 16;
    let mut words = [pad; 8];
    for (word, bytes) in words.iter_mut().zip(rest.chunks(4)) {
        for byte in bytes {
            *word = (i32::from(*byte as i8) as u32).wrapping_add(*word << 8);
        }
    }
    words
}

/// One block of the reduced MD4.
fn transform(state: &mut Seed, words: &[u32; 8]) {
    const ROUND_2: u32 = 0x5a82_7999;
    const ROUND_3: u32 = 0x6ed9_eba1;
    let choose = |x: u32, y: u32, z: u32| z ^ (x & (y ^ z));
    let majority = |x: u32, y: u32, z: u32| (x & y).wrapping_add((x ^ y) & z);
    let parity = |x: u32, y: u32, z: u32| x ^ y ^ z;
    let mut turned = *state;
    let mut step = |f: &dyn Fn(u32, u32, u32) -> u32, i: usize, add: u32, shift: u32| {
        // The roles of the four words turn: a, d, c, b.
        let a = (4 - i % 4) % 4;
        let [b, c, d] = [(a + 1) % 4, (a + 2) % 4, (a + 3) % 4];
        turned[a] =
            turned[a].wrapping_add(f(turned[b], turned[c], turned[d])).wrapping_add(add).rotate_left(shift);
    };
    for (i, shift) in [3, 7, 11, 19, 3, 7, 11, 19].into_iter().enumerate() {
        step(&choose, i, words[i], shift);
    }
    let order = [(1, 3), (3, 5), (5, 9), (7, 13), (0, 3), (2, 5), (4, 9), (6, 13)];
    for (i, (word, shift)) in order.into_iter().enumerate() {
        step(&majority, i, words[word].wrapping_add(ROUND_2), shift);
    }
    let order = [(3, 3), (7, 9), (2, 11), (6, 15), (1, 3), (5, 9), (0, 11), (4, 15)];
    for (i, (word, shift)) in order.into_iter().enumerate() {
        step(&parity, i, words[word].wrapping_add(ROUND_3), shift);
    }
    for (word, add) in state.iter_mut().zip(turned) {
        *word = word.wrapping_add(add);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Values of `debugfs -R 'dx_hash -h half_md4 -s 99999999-2222-3333-4444-555555555555 NAME'` 1.47.0.
    #[test]
    fn names_hash_as_debugfs_says() {
        let mut seed = [0x99; 16];
        seed[4..].copy_from_slice(&[0x22, 0x22, 0x33, 0x33, 0x44, 0x44, 0x55, 0x55, 0x55, 0x55, 0x55, 0x55]);
        let seed = seed_words(&seed);
        let long = "a".repeat(255);
        let vectors: [(&[u8], (u32, u32)); 4] = [
            (b"hello", (0xd5bb_578c, 0x1ecd_e627)),
            (b"a name of more than thirty-two bytes", (0x3c78_7838, 0xab0d_a750)),
            (long.as_bytes(), (0x4adb_88c8, 0x44d2_694a)),
            ("é".as_bytes(), (0xb96b_57aa, 0xfdd7_7a07)),
        ];
        for (name, expected) in vectors {
            assert_eq!(half_md4(name, &seed), expected);
        }
    }
}
