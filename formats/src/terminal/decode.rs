//! UTF-8 that comes in portions.

/// A character, or a byte that belongs to none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum DecodedUnit {
    /// A whole character.
    Char(char),
    /// A byte that is no UTF-8.
    Byte(u8),
}

/// Decodes bytes that come in portions.
#[derive(Debug, Default)]
pub(super) struct Decoder {
    /// The first bytes of a character that is not whole yet, at most three.
    half: Vec<u8>,
}

impl Decoder {
    /// Decodes the next portion.
    pub(super) fn push(&mut self, bytes: &[u8], mut take: impl FnMut(DecodedUnit)) {
        let joined;
        let all = if self.half.is_empty() {
            bytes
        } else {
            self.half.extend_from_slice(bytes);
            joined = std::mem::take(&mut self.half);
            joined.as_slice()
        };
        let mut chunks = all.utf8_chunks().peekable();
        while let Some(chunk) = chunks.next() {
            for character in chunk.valid().chars() {
                take(DecodedUnit::Char(character));
            }
            let invalid = chunk.invalid();
            let cut = |error: std::str::Utf8Error| error.error_len().is_none();
            if chunks.peek().is_none() && std::str::from_utf8(invalid).is_err_and(cut) {
                self.half = invalid.to_vec();
            } else {
                for byte in invalid {
                    take(DecodedUnit::Byte(*byte));
                }
            }
        }
    }

    /// The bytes of a character that did not become whole.
    pub(super) fn end(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.half)
    }
}
