//! Pseudo-random numbers from a seed, so that a test that chooses at random can be repeated.

/// A pseudo-random number generator (xorshift64), made from its seed, which must not be zero.
#[derive(Debug)]
pub struct Rng(pub u64);

impl Rng {
    /// The next number in `0..end`; `end` must not be zero.
    pub fn below(&mut self, end: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) % end
    }
}
