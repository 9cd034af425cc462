//! Numbers that follow from a seed, for tests that choose at random and can be repeated.

/// A generator (xorshift); its seed is not zero.
#[derive(Debug)]
pub struct Rng(pub u64);

impl Rng {
    /// A number from 0 to `end`, which is not zero and not reached.
    pub fn below(&mut self, end: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) % end
    }
}
