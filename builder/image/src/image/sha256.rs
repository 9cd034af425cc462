//! Two SHA-256 states over the same bytes at once (FIPS 180-4, section 6.2).
//!
//! The digest of a block and the running digest of the whole image consume the same 64-byte chunks in the same
//! alignment. The message schedule is therefore computed once, and the rounds of the two states are interleaved:
//! one round instruction waits four cycles for its result but a second one may start meanwhile, so the second
//! digest is nearly free. Knows nothing of blocks, files or plans.

/// Bytes that one step of SHA-256 consumes.
pub(super) const CHUNK: usize = 64;

/// The words of a running digest between chunks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Sha256State([u32; 8]);

impl Sha256State {
    /// The state before the first byte (FIPS 180-4, 5.3.3).
    pub(super) const START: Self = Self([
        0x6a09_e667,
        0xbb67_ae85,
        0x3c6e_f372,
        0xa54f_f53a,
        0x510e_527f,
        0x9b05_688c,
        0x1f83_d9ab,
        0x5be0_cd19,
    ]);

    /// Consumes whole chunks.
    pub(super) fn consume(&mut self, chunks: &[[u8; CHUNK]]) {
        sha2::block_api::compress256(&mut self.0, chunks);
    }

    /// The digest after `rest`, the bytes that fill no chunk, when `len` bytes were consumed in all, `rest`
    /// included (5.1.1: a bit of one, zeros, and the length in bits).
    pub(super) fn finish(mut self, rest: &[u8], len: u64) -> [u8; 32] {
        let mut last = [[0; CHUNK]; 2];
        let flat = last.as_flattened_mut();
        flat[..rest.len()].copy_from_slice(rest);
        flat[rest.len()] = 0x80;
        let chunks = if rest.len() < CHUNK - 8 { 1 } else { 2 };
        flat[chunks * CHUNK - 8..chunks * CHUNK].copy_from_slice(&(len * 8).to_be_bytes());
        self.consume(&last[..chunks]);
        let mut digest = [0; 32];
        for (bytes, word) in digest.chunks_exact_mut(4).zip(self.0) {
            bytes.copy_from_slice(&word.to_be_bytes());
        }
        digest
    }
}

/// Chunks that each of two digests consumes before it is the other's turn.
const TURN: usize = 2;

/// The digests of two pieces of `LEN` bytes, a multiple of a chunk, in less time than one after the other: a processor that works
/// ahead begins on a chunk of one while a chunk of the other is not done.
pub(super) fn digest_two<const LEN: usize>(one: &[u8; LEN], other: &[u8; LEN]) -> [[u8; 32]; 2] {
    let mut states = [Sha256State::START; 2];
    let (one, other) = (one.as_chunks::<CHUNK>().0, other.as_chunks::<CHUNK>().0);
    for (one, other) in one.chunks(TURN).zip(other.chunks(TURN)) {
        states[0].consume(one);
        states[1].consume(other);
    }
    states.map(|state| state.finish(&[], LEN as u64))
}

/// Whether [`consume_both`] does two digests for about the price of one on this machine.
pub(super) fn fused() -> bool {
    #[cfg(target_arch = "x86_64")]
    return x86::available();
    #[cfg(not(target_arch = "x86_64"))]
    false
}

/// Both states consume the same whole chunks.
pub(super) fn consume_both(one: &mut Sha256State, other: &mut Sha256State, chunks: &[[u8; CHUNK]]) {
    #[cfg(target_arch = "x86_64")]
    if x86::available() {
        #[expect(
            unsafe_code,
            reason = "the instructions that the function is compiled for were just asked after"
        )]
        // SAFETY: `available` is true, so this processor has every feature that the function enables.
        unsafe {
            x86::consume_both(&mut one.0, &mut other.0, chunks);
        }
        return;
    }
    one.consume(chunks);
    other.consume(chunks);
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    //! The SHA extensions of x86 (Intel SDM volume 2, `SHA256RNDS2`, `SHA256MSG1`, `SHA256MSG2`).

    use std::arch::x86_64::{
        __m128i, _mm_add_epi32, _mm_alignr_epi8, _mm_extract_epi32, _mm_set_epi32, _mm_set_epi64x,
        _mm_sha256msg1_epu32, _mm_sha256msg2_epu32, _mm_sha256rnds2_epu32, _mm_shuffle_epi8,
        _mm_shuffle_epi32,
    };

    use super::CHUNK;

    /// The round constants (FIPS 180-4, 4.2.2), four to a row as the instructions take them.
    #[rustfmt::skip]
    const K: [[u32; 4]; 16] = [
        [0x428a_2f98, 0x7137_4491, 0xb5c0_fbcf, 0xe9b5_dba5], [0x3956_c25b, 0x59f1_11f1, 0x923f_82a4, 0xab1c_5ed5],
        [0xd807_aa98, 0x1283_5b01, 0x2431_85be, 0x550c_7dc3], [0x72be_5d74, 0x80de_b1fe, 0x9bdc_06a7, 0xc19b_f174],
        [0xe49b_69c1, 0xefbe_4786, 0x0fc1_9dc6, 0x240c_a1cc], [0x2de9_2c6f, 0x4a74_84aa, 0x5cb0_a9dc, 0x76f9_88da],
        [0x983e_5152, 0xa831_c66d, 0xb003_27c8, 0xbf59_7fc7], [0xc6e0_0bf3, 0xd5a7_9147, 0x06ca_6351, 0x1429_2967],
        [0x27b7_0a85, 0x2e1b_2138, 0x4d2c_6dfc, 0x5338_0d13], [0x650a_7354, 0x766a_0abb, 0x81c2_c92e, 0x9272_2c85],
        [0xa2bf_e8a1, 0xa81a_664b, 0xc24b_8b70, 0xc76c_51a3], [0xd192_e819, 0xd699_0624, 0xf40e_3585, 0x106a_a070],
        [0x19a4_c116, 0x1e37_6c08, 0x2748_774c, 0x34b0_bcb5], [0x391c_0cb3, 0x4ed8_aa4a, 0x5b9c_ca4f, 0x682e_6ff3],
        [0x748f_82ee, 0x78a5_636f, 0x84c8_7814, 0x8cc7_0208], [0x90be_fffa, 0xa450_6ceb, 0xbef9_a3f7, 0xc671_78f2],
    ];

    /// [`K`] as the intrinsics take it. Computed here: a call of `map` in the loop is not always inlined, because it is
    /// compiled without the instructions that the loop is compiled for.
    const SIGNED_K: [[i32; 4]; 16] = {
        let mut signed = [[0; 4]; 16];
        let mut at = 0;
        while at < 64 {
            signed[at / 4][at % 4] = K[at / 4][at % 4].cast_signed();
            at += 1;
        }
        signed
    };

    /// Whether this processor has the instructions.
    pub(super) fn available() -> bool {
        is_x86_feature_detected!("sha")
            && is_x86_feature_detected!("sse4.1")
            && is_x86_feature_detected!("ssse3")
    }

    /// A state as the round instruction wants it: A, B, E, F and C, D, G, H, the first named in the highest lane.
    #[derive(Clone, Copy)]
    struct Lanes {
        abef: __m128i,
        cdgh: __m128i,
    }

    #[inline]
    #[target_feature(enable = "sha,sse4.1,ssse3")]
    fn load(state: &[u32; 8]) -> Lanes {
        let words = state.map(u32::cast_signed);
        Lanes {
            abef: _mm_set_epi32(words[0], words[1], words[4], words[5]),
            cdgh: _mm_set_epi32(words[2], words[3], words[6], words[7]),
        }
    }

    #[inline]
    #[target_feature(enable = "sha,sse4.1,ssse3")]
    fn store(lanes: Lanes) -> [u32; 8] {
        let Lanes { abef, cdgh } = lanes;
        let words = [
            _mm_extract_epi32::<3>(abef),
            _mm_extract_epi32::<2>(abef),
            _mm_extract_epi32::<3>(cdgh),
            _mm_extract_epi32::<2>(cdgh),
            _mm_extract_epi32::<1>(abef),
            _mm_extract_epi32::<0>(abef),
            _mm_extract_epi32::<1>(cdgh),
            _mm_extract_epi32::<0>(cdgh),
        ];
        words.map(i32::cast_unsigned)
    }

    /// Four words of the message, turned from big-endian.
    #[inline]
    #[target_feature(enable = "sha,sse4.1,ssse3")]
    fn words(bytes: &[u8; 16]) -> __m128i {
        let both = u128::from_le_bytes(*bytes);
        let raw = _mm_set_epi64x((both >> 64) as i64, both as i64);
        _mm_shuffle_epi8(raw, _mm_set_epi64x(0x0c0d_0e0f_0809_0a0b, 0x0405_0607_0001_0203))
    }

    /// Four rounds of one state.
    #[inline]
    #[target_feature(enable = "sha,sse4.1,ssse3")]
    fn rounds(lanes: Lanes, low: __m128i, high: __m128i) -> Lanes {
        let cdgh = _mm_sha256rnds2_epu32(lanes.cdgh, lanes.abef, low);
        // After two rounds the new A, B, E, F are in `cdgh`, and the old ones have become C, D, G, H.
        let abef = _mm_sha256rnds2_epu32(lanes.abef, cdgh, high);
        Lanes { abef, cdgh }
    }

    /// Both states consume the same chunks.
    #[target_feature(enable = "sha,sse4.1,ssse3")]
    pub(super) fn consume_both(one: &mut [u32; 8], other: &mut [u32; 8], chunks: &[[u8; CHUNK]]) {
        let (mut left, mut right) = (load(one), load(other));
        for chunk in chunks {
            let (before_left, before_right) = (left, right);
            let (quads, _) = chunk.as_chunks::<16>();
            let mut schedule = [words(&quads[0]), words(&quads[1]), words(&quads[2]), words(&quads[3])];
            for (step, &[k0, k1, k2, k3]) in SIGNED_K.iter().enumerate() {
                let [w0, w1, w2, w3] = schedule;
                let low = _mm_add_epi32(w0, _mm_set_epi32(k3, k2, k1, k0));
                let high = _mm_shuffle_epi32::<0x0e>(low);
                left = rounds(left, low, high);
                right = rounds(right, low, high);
                // The last twelve words follow from no further ones.
                let next = if step < 12 {
                    let sum = _mm_add_epi32(_mm_sha256msg1_epu32(w0, w1), _mm_alignr_epi8::<4>(w3, w2));
                    _mm_sha256msg2_epu32(sum, w3)
                } else {
                    w0
                };
                schedule = [w1, w2, w3, next];
            }
            left = add(left, before_left);
            right = add(right, before_right);
        }
        *one = store(left);
        *other = store(right);
    }

    #[inline]
    #[target_feature(enable = "sha,sse4.1,ssse3")]
    fn add(lanes: Lanes, before: Lanes) -> Lanes {
        Lanes { abef: _mm_add_epi32(lanes.abef, before.abef), cdgh: _mm_add_epi32(lanes.cdgh, before.cdgh) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use sha2::{Digest as _, Sha256};

    proptest! {
        #[test]
        fn both_digests_equal_those_of_another_implementation(
            before in prop::collection::vec(any::<u8>(), 0..300),
            bytes in prop::collection::vec(any::<u8>(), 0..1000),
        ) {
            let (lead, _) = before.as_chunks::<CHUNK>();
            let (chunks, rest) = bytes.as_chunks::<CHUNK>();
            let (mut running, mut fresh) = (Sha256State::START, Sha256State::START);
            running.consume(lead);
            consume_both(&mut running, &mut fresh, chunks);
            let whole: Vec<u8> = lead.as_flattened().iter().chain(&bytes).copied().collect();
            prop_assert_eq!(running.finish(rest, whole.len() as u64), <[u8; 32]>::from(Sha256::digest(&whole)));
            prop_assert_eq!(fresh.finish(rest, bytes.len() as u64), <[u8; 32]>::from(Sha256::digest(&bytes)));
        }
    }

    #[test]
    fn two_digests_at_once_equal_those_of_another_implementation() {
        let pieces = [[0x5a; 3 * CHUNK], std::array::from_fn(|at| at as u8)];
        let expected = pieces.map(|piece| <[u8; 32]>::from(Sha256::digest(piece)));
        assert_eq!(digest_two(&pieces[0], &pieces[1]), expected);
    }

    #[test]
    fn the_padding_is_right_at_every_length_of_the_rest() {
        for len in 0..2 * CHUNK {
            let bytes = vec![0xa5; len];
            let (chunks, rest) = bytes.as_chunks::<CHUNK>();
            let mut state = Sha256State::START;
            state.consume(chunks);
            assert_eq!(
                state.finish(rest, len as u64),
                <[u8; 32]>::from(Sha256::digest(&bytes)),
                "{len} bytes"
            );
        }
    }
}
