//! Bytes that we make, gathered in large shared buffers so that a plan of many small blocks stays small.

use std::sync::Arc;

use crate::plan::{Claims, Data};

/// Bytes of a buffer, unless one thing needs more.
const BUFFER: usize = 1 << 20;

/// `len` zeros, shared from the start: filled through `Arc::get_mut` and never copied.
pub(crate) fn zeros(len: usize) -> Arc<[u8]> {
    std::iter::repeat_n(0, len).collect()
}

/// Fills buffers one after the other and claims their bytes.
#[derive(Debug)]
pub(crate) struct Arena {
    buffer: Arc<[u8]>,
    used: usize,
    /// Offset in the plan, length, offset in the buffer.
    claimed: Vec<(u64, u64, usize)>,
}

impl Arena {
    /// An arena without a buffer.
    pub(crate) fn new() -> Self {
        Self { buffer: zeros(0), used: 0, claimed: Vec::new() }
    }

    /// Has `len` bytes, zeros before, written by `fill`; they go into the plan piece by piece at `ranges` of
    /// (offset, length).
    pub(crate) fn write(
        &mut self,
        claims: &mut Claims,
        ranges: impl IntoIterator<Item = (u64, u64)>,
        len: usize,
        fill: impl FnOnce(&mut [u8]),
    ) {
        if self.buffer.len() - self.used < len {
            self.seal(claims);
            self.buffer = zeros(BUFFER.max(len));
        }
        // Until it is sealed the buffer has no other owner.
        if let Some(buffer) = Arc::get_mut(&mut self.buffer) {
            fill(&mut buffer[self.used..self.used + len]);
        }
        let mut at = self.used;
        for (offset, part) in ranges {
            self.claimed.push((offset, part, at));
            at += part as usize;
        }
        self.used += len;
    }

    /// Claims everything written since the last time.
    pub(crate) fn seal(&mut self, claims: &mut Claims) {
        for (offset, len, at) in self.claimed.drain(..) {
            claims.claim(offset, len, Data::Bytes { bytes: Arc::clone(&self.buffer), at });
        }
        self.buffer = zeros(0);
        self.used = 0;
    }
}
