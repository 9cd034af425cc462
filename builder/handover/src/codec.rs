//! The stored forms of blocks and documents: plain, or one frame of Zstandard (RFC 8878).
//!
//! Level 3: of the 448 MiB of a Debian image it leaves 43 % at 350 MB/s a core. Level 6 leaves 42 % at a third of the
//! speed, level 1 leaves 45 %, LZ4 53 %. A block is a frame of its own, so blocks can be read at random, and the bytes
//! depend neither on the number of threads nor on other blocks.

use std::io::{self, Read as _};

use amiforge_formats::digest::BLOCK;
use zstd::bulk::{Compressor, Decompressor};

/// The level of compression.
const LEVEL: i32 = 3;

/// How bytes are stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Encoding {
    /// As they are.
    Plain,
    /// One frame of Zstandard, shorter than the bytes.
    Zstd,
}

impl Encoding {
    /// Its number in the index.
    pub(crate) fn number(self) -> u32 {
        match self {
            Self::Plain => 0,
            Self::Zstd => 1,
        }
    }

    /// The encoding with a number.
    pub(crate) fn by_number(number: u32) -> Option<Self> {
        [Self::Plain, Self::Zstd].into_iter().find(|encoding| encoding.number() == number)
    }
}

/// Encodes; one for each thread.
pub(crate) struct ZstdEncoder(Compressor<'static>);

impl ZstdEncoder {
    pub(crate) fn new() -> io::Result<Self> {
        Compressor::new(LEVEL).map(Self)
    }

    /// The stored form: the shorter one.
    pub(crate) fn encode(&mut self, bytes: &[u8]) -> io::Result<(Encoding, Vec<u8>)> {
        let frame = self.0.compress(bytes)?;
        Ok(if frame.len() < bytes.len() {
            (Encoding::Zstd, frame)
        } else {
            (Encoding::Plain, bytes.to_vec())
        })
    }
}

/// Decodes; one for each thread.
pub(crate) struct ZstdDecoder(Decompressor<'static>);

impl ZstdDecoder {
    pub(crate) fn new() -> io::Result<Self> {
        Decompressor::new().map(Self)
    }

    /// Fills `block` from its stored form. A frame that is longer or shorter than a block is refused; nothing is written
    /// outside `block`, whatever the frame says of its length.
    pub(crate) fn decode(
        &mut self,
        encoding: Encoding,
        stored: &[u8],
        block: &mut [u8],
    ) -> Result<(), String> {
        let len = match encoding {
            Encoding::Plain if stored.len() == block.len() => {
                block.copy_from_slice(stored);
                stored.len()
            }
            Encoding::Plain => stored.len(),
            Encoding::Zstd => self
                .0
                .decompress_to_buffer(stored, block)
                .map_err(|error| format!("is no frame of Zstandard of {} bytes: {error}", block.len()))?,
        };
        if len == block.len() { Ok(()) } else { Err(format!("has {len} bytes instead of {}", block.len())) }
    }
}

/// The bytes of a document, of which the index says the length.
pub(crate) fn decode_document(encoding: Encoding, stored: &[u8], len: u64) -> Result<Vec<u8>, String> {
    let bytes = match encoding {
        Encoding::Plain => stored.to_vec(),
        Encoding::Zstd => {
            let mut bytes = Vec::new();
            // One byte more than there may be: a bomb is noticed, and costs no more memory than the length that is stated.
            let decoder = zstd::stream::read::Decoder::with_buffer(stored).and_then(|mut decoder| {
                decoder.window_log_max(27)?;
                decoder.take(len.saturating_add(1)).read_to_end(&mut bytes)
            });
            decoder.map_err(|error| format!("is no frame of Zstandard: {error}"))?;
            bytes
        }
    };
    if bytes.len() as u64 == len {
        Ok(bytes)
    } else {
        Err(format!("does not have the {len} bytes that the index says"))
    }
}

/// The length of a block in memory.
pub(crate) const BLOCK_LEN: usize = BLOCK as usize;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_read_back_and_frames_of_another_length_are_refused() {
        let (mut encoder, mut decoder) = (ZstdEncoder::new().unwrap(), ZstdDecoder::new().unwrap());
        let mut out = vec![0; BLOCK_LEN];
        let noise: Vec<u8> = (0..BLOCK_LEN as u64)
            .map(|at| (at.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 41) as u8 ^ (at >> 8) as u8)
            .collect();
        for block in [vec![7; BLOCK_LEN], noise] {
            let (encoding, stored) = encoder.encode(&block).unwrap();
            decoder.decode(encoding, &stored, &mut out).unwrap();
            assert!(out == block);
        }
        for len in [0, 1, BLOCK_LEN - 1, BLOCK_LEN + 1, 1 << 28] {
            let bomb = zstd::encode_all(io::repeat(0).take(len as u64), 3).unwrap();
            let refused = decoder.decode(Encoding::Zstd, &bomb, &mut out);
            assert!(refused.is_err(), "{len}");
        }
        assert!(decoder.decode(Encoding::Plain, b"short", &mut out).is_err());
        assert!(decoder.decode(Encoding::Zstd, b"noise", &mut out).is_err());
        let bomb = zstd::encode_all(io::repeat(0).take(1 << 28), 3).unwrap();
        assert!(decode_document(Encoding::Zstd, &bomb, 100).is_err());
        assert_eq!(decode_document(Encoding::Zstd, &bomb, 1 << 28).unwrap().len(), 1 << 28);
    }
}
