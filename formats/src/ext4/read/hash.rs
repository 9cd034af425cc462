//! The hashes of names by which directories are indexed (kernel documentation, `filesystems/ext4/directory.rst`,
//! *Hash Tree Directories*; half MD4 after RFC 1320, TEA after Wheeler and Needham).

/// Hash version: the hash of early ext3.
const LEGACY: u8 = 0;
/// Hash version: half MD4.
const HALF_MD4: u8 = 1;
/// Hash version: the Tiny Encryption Algorithm.
const TEA: u8 = 2;
/// What is added to a version where the bytes of names count as unsigned.
const UNSIGNED: u8 = 3;

/// The hash of a name; `None` for a version that there is not. The lowest bit is always clear.
pub(crate) fn of_name(version: u8, seed: [u32; 4], name: &[u8]) -> Option<u32> {
    let (version, unsigned) = if version >= UNSIGNED { (version - UNSIGNED, true) } else { (version, false) };
    let byte = |byte: u8| if unsigned { i32::from(byte) } else { i32::from(byte as i8) };
    let start = [0x6745_2301, 0xefcd_ab89, 0x98ba_dcfe, 0x1032_5476];
    let mut state = if seed == [0; 4] { start } else { seed };
    let hash = match version {
        LEGACY => legacy(name, byte),
        HALF_MD4 => {
            for (words, _) in padded::<8>(name, byte) {
                half_md4(&mut state, &words);
            }
            state[1]
        }
        TEA => {
            for (words, _) in padded::<4>(name, byte) {
                tea(&mut state, &words);
            }
            state[0]
        }
        _ => return None,
    };
    // The greatest hash marks the end of a directory when one is read, so no name may have it.
    let hash = hash & !1;
    Some(if hash == 0xffff_fffe { 0xffff_fffc } else { hash })
}

/// The name in blocks of `N` 32-bit numbers, each padded with the number of bytes left before it.
fn padded<const N: usize>(name: &[u8], byte: impl Fn(u8) -> i32) -> Vec<([u32; N], usize)> {
    let mut blocks = Vec::new();
    for start in (0..name.len()).step_by(N * 4) {
        let left = name.len() - start;
        let pad = (left as u32) * 0x0101_0101;
        let mut words = [pad; N];
        let part = name.iter().skip(start).take(N * 4).copied();
        let part: Vec<u8> = part.collect();
        for (word, quad) in words.iter_mut().zip(part.chunks(4)) {
            *word = quad.iter().fold(pad, |word, &value| (byte(value) as u32).wrapping_add(word << 8));
        }
        blocks.push((words, left));
    }
    blocks
}

fn legacy(name: &[u8], byte: impl Fn(u8) -> i32) -> u32 {
    let (mut last, mut before) = (0x12a3_fe2d_u32, 0x37ab_e8f9_u32);
    for &value in name {
        let product = byte(value).wrapping_mul(7_152_373) as u32;
        let mut hash = before.wrapping_add(last ^ product);
        if hash & 0x8000_0000 != 0 {
            hash = hash.wrapping_sub(0x7fff_ffff);
        }
        before = last;
        last = hash;
    }
    last << 1
}

/// One block of half MD4: three rounds of eight steps.
fn half_md4(state: &mut [u32; 4], words: &[u32; 8]) {
    const ORDER: [[usize; 8]; 3] =
        [[0, 1, 2, 3, 4, 5, 6, 7], [1, 3, 5, 7, 0, 2, 4, 6], [3, 7, 2, 6, 1, 5, 0, 4]];
    const SHIFTS: [[u32; 4]; 3] = [[3, 7, 11, 19], [3, 5, 9, 13], [3, 9, 11, 15]];
    const ADDED: [u32; 3] = [0, 0x5a82_7999, 0x6ed9_eba1];
    let choose = |x: u32, y: u32, z: u32| z ^ (x & (y ^ z));
    let majority = |x: u32, y: u32, z: u32| (x & y).wrapping_add((x ^ y) & z);
    let parity = |x: u32, y: u32, z: u32| x ^ y ^ z;
    let rounds: [&dyn Fn(u32, u32, u32) -> u32; 3] = [&choose, &majority, &parity];
    let [mut a, mut b, mut c, mut d] = *state;
    for (((round, order), shifts), added) in rounds.into_iter().zip(ORDER).zip(SHIFTS).zip(ADDED) {
        for (word, shift) in order.into_iter().zip(shifts.into_iter().cycle()) {
            let word = words.get(word).copied().unwrap_or(0).wrapping_add(added);
            let next = a.wrapping_add(round(b, c, d)).wrapping_add(word).rotate_left(shift);
            (a, b, c, d) = (d, next, b, c);
        }
    }
    for (word, add) in state.iter_mut().zip([a, b, c, d]) {
        *word = word.wrapping_add(add);
    }
}

/// One block of TEA: sixteen rounds.
fn tea(state: &mut [u32; 4], words: &[u32; 4]) {
    let [mut left, mut right, _, _] = *state;
    let [a, b, c, d] = *words;
    let mut sum = 0_u32;
    for _ in 0..16 {
        sum = sum.wrapping_add(0x9e37_79b9);
        let mixed = |half: u32, low: u32, high: u32| {
            (half << 4).wrapping_add(low) ^ half.wrapping_add(sum) ^ (half >> 5).wrapping_add(high)
        };
        left = left.wrapping_add(mixed(right, a, b));
        right = right.wrapping_add(mixed(left, c, d));
    }
    state[0] = state[0].wrapping_add(left);
    state[1] = state[1].wrapping_add(right);
}
