//! A place in a payload, from which members are read.
#![warn(clippy::arithmetic_side_effects, clippy::indexing_slicing)]

use super::digest::RunningDigest;
use super::payload_error::RpmPayloadError;
use super::pieces::{PayloadPieces, PieceStop};

/// Names and bodies end at a multiple of this.
const ALIGN: u64 = 4;

/// Bytes of the payload, with the offset of the next.
pub(super) struct PayloadCursor<'p, P> {
    pieces: &'p mut P,
    at: u64,
}

impl<'p, P: PayloadPieces> PayloadCursor<'p, P> {
    /// Begins at the first byte.
    pub(super) fn new(pieces: &'p mut P) -> Self {
        Self { pieces, at: 0 }
    }

    /// The offset of the next byte.
    pub(super) fn at(&self) -> u64 {
        self.at
    }

    /// Fills a buffer.
    pub(super) fn fill(&mut self, mut buf: &mut [u8]) -> Result<(), PieceStop> {
        while !buf.is_empty() {
            let piece = self.pieces.piece()?;
            let len = piece.len().min(buf.len());
            if len == 0 {
                return Err(RpmPayloadError::Cut { at: self.at }.into());
            }
            let (into, rest) = buf.split_at_mut(len);
            into.copy_from_slice(piece.get(..len).unwrap_or_default());
            buf = rest;
            self.consume(len);
        }
        Ok(())
    }

    /// The next bytes.
    pub(super) fn array<const LEN: usize>(&mut self) -> Result<[u8; LEN], PieceStop> {
        let mut bytes = [0; LEN];
        self.fill(&mut bytes)?;
        Ok(bytes)
    }

    /// Passes over bytes, and takes their digest.
    pub(super) fn pass(&mut self, len: u64, mut digest: Option<&mut RunningDigest>) -> Result<(), PieceStop> {
        let mut left = len;
        if digest.is_none() {
            let skipped = self.pieces.skip(left);
            self.at = self.at.saturating_add(skipped);
            left = left.saturating_sub(skipped);
        }
        while left > 0 {
            let piece = self.pieces.piece()?;
            let len = usize::try_from(left).unwrap_or(usize::MAX).min(piece.len());
            if len == 0 {
                return Err(RpmPayloadError::Cut { at: self.at }.into());
            }
            left = left.saturating_sub(len as u64);
            match digest.as_mut() {
                Some(digest) => {
                    self.pieces.consume_into(len, digest)?;
                    self.at = self.at.saturating_add(len as u64);
                }
                None => self.consume(len),
            }
        }
        Ok(())
    }

    /// Passes over padding.
    pub(super) fn align(&mut self) -> Result<(), PieceStop> {
        self.pass(self.at.next_multiple_of(ALIGN).saturating_sub(self.at), None)
    }

    /// Reads to the end of the bytes; there may be nothing but zeros.
    pub(super) fn end(&mut self) -> Result<(), PieceStop> {
        loop {
            let piece = self.pieces.piece()?;
            if piece.is_empty() {
                return Ok(());
            }
            if piece.iter().any(|byte| *byte != 0) {
                return Err(RpmPayloadError::Rest { at: self.at }.into());
            }
            let len = piece.len();
            self.consume(len);
        }
    }

    fn consume(&mut self, len: usize) {
        self.pieces.consume(len);
        self.at = self.at.saturating_add(len as u64);
    }
}
