//! The hash of names in directories: the half of MD4 that ext4 uses, of signed or unsigned characters.

/// A version of the hash that a hash tree is made with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Signedness {
    Signed,
    Unsigned,
}

/// The hash of a name, even: the lowest bit marks names that continue in the next block.
pub(super) fn half_md4(name: &[u8], seed: [u32; 4], sign: Signedness) -> u32 {
    let mut state = if seed == [0; 4] { [0x6745_2301, 0xefcd_ab89, 0x98ba_dcfe, 0x1032_5476] } else { seed };
    let mut rest = name;
    while !rest.is_empty() {
        transform(&mut state, &words(rest, sign));
        rest = rest.get(32..).unwrap_or(&[]);
    }
    let hash = state[1] & !1;
    // The largest value stands for the end of a directory.
    if hash == 0xffff_fffe {
        0xffff_fffc
    } else {
        hash
    }
}

/// Eight words of a name, filled up with its length.
fn words(name: &[u8], sign: Signedness) -> [u32; 8] {
    let len = name.len() as u32;
    let pad = len | len << 8;
    let pad = pad | pad << 16;
    let mut out = [pad; 8];
    let taken = name.get(..32).unwrap_or(name);
    for (word, bytes) in out.iter_mut().zip(taken.chunks(4)) {
        for byte in bytes {
            let value = match sign {
                Signedness::Signed => i32::from(*byte as i8) as u32,
                Signedness::Unsigned => u32::from(*byte),
            };
            *word = value.wrapping_add(*word << 8);
        }
    }
    out
}

fn transform(state: &mut [u32; 4], input: &[u32; 8]) {
    const ORDER: [[usize; 8]; 3] =
        [[0, 1, 2, 3, 4, 5, 6, 7], [1, 3, 5, 7, 0, 2, 4, 6], [3, 7, 2, 6, 1, 5, 0, 4]];
    const SHIFTS: [[u32; 4]; 3] = [[3, 7, 11, 19], [3, 5, 9, 13], [3, 9, 11, 15]];
    const CONSTANTS: [u32; 3] = [0, 0x5a82_7999, 0x6ed9_eba1];
    let mut words = *state;
    for (round, ((order, shifts), constant)) in ORDER.iter().zip(SHIFTS).zip(CONSTANTS).enumerate() {
        for (step, index) in order.iter().enumerate() {
            let [a, b, c, d] = words;
            let mixed = match round {
                0 => d ^ (b & (c ^ d)),
                1 => (b & c).wrapping_add((b ^ c) & d),
                _ => b ^ c ^ d,
            };
            let word = input.get(*index).copied().unwrap_or(0);
            let shift = shifts.get(step % 4).copied().unwrap_or(0);
            let sum = a.wrapping_add(mixed).wrapping_add(word).wrapping_add(constant).rotate_left(shift);
            // The four words change places after each step.
            words = [d, sum, b, c];
        }
    }
    for (own, word) in state.iter_mut().zip(words) {
        *own = own.wrapping_add(word);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_values_of_debugfs() {
        // `debugfs -R "dx_hash -h half_md4 -s 01020304-0506-0708-090a-0b0c0d0e0f10 NAME"` of e2fsprogs 1.47.
        let seed = [0x0403_0201, 0x0807_0605, 0x0c0b_0a09, 0x100f_0e0d];
        for (name, hash) in DEBUGFS {
            assert_eq!(half_md4(name.as_bytes(), seed, Signedness::Signed), hash, "{name}");
        }
    }

    const DEBUGFS: [(&str, u32); 3] = [
        ("a", 0x8d08_ec4c),
        ("etc", 0x1ad1_c1f8),
        ("a-rather-long-name-of-a-file-in-more-than-one-block", 0xdf00_2b42),
    ];
}
