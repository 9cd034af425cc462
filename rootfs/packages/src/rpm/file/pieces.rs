//! The bytes of a payload, piece by piece: decompressed into an entry of the store on the way, or read from one.
#![warn(clippy::arithmetic_side_effects, clippy::indexing_slicing)]

use std::io::{self, BufRead, Read};

use amiforge_formats::read_at::ReadAt;
use amiforge_progress::Monitor;
use amiforge_rootfs::sources::expand::{ExpandError, PIECE, Stopped};
use amiforge_store::EntryWriter;

use super::digest::RunningDigest;
use super::payload_error::RpmPayloadError;

/// Why reading a payload stopped.
pub(super) enum PieceStop {
    /// Its bytes cannot be had.
    Bytes(Stopped),
    /// They are no payload of the package.
    Payload(RpmPayloadError),
}

impl From<RpmPayloadError> for PieceStop {
    fn from(error: RpmPayloadError) -> Self {
        Self::Payload(error)
    }
}

/// Bytes in pieces.
pub(super) trait PayloadPieces {
    /// The bytes that are there next; none at the end.
    fn piece(&mut self) -> Result<&[u8], PieceStop>;

    /// Counts bytes of the last piece as read.
    fn consume(&mut self, len: usize);

    /// Counts bytes of the last piece as read, and hashes them.
    fn consume_into(&mut self, len: usize, digest: &mut RunningDigest) -> Result<(), PieceStop> {
        digest.update(self.piece()?.get(..len).unwrap_or_default());
        self.consume(len);
        Ok(())
    }

    /// Passes over at most `len` bytes that need not be read, and returns how many.
    fn skip(&mut self, len: u64) -> u64;
}

/// A payload that is decompressed; all of its bytes go into an entry of the store.
pub(super) struct DecompressedPayload<'d> {
    pub(super) decoder: Box<dyn Read + 'd>,
    pub(super) spooling: &'d mut EntryWriter,
    /// Decompressed bytes that are still allowed.
    pub(super) left: u64,
    /// Length of the compressed payload, and the bound of the decompressed one.
    pub(super) bound: (u64, u64),
    /// A digest of the decompressed bytes.
    pub(super) digest: Option<RunningDigest>,
    pub(super) monitor: Monitor<'d>,
    buf: Vec<u8>,
    from: usize,
    to: usize,
}

impl<'d> DecompressedPayload<'d> {
    /// Begins at the first byte. `bound` is the length of the compressed payload and the most bytes that it may become.
    pub(super) fn new(
        decoder: Box<dyn Read + 'd>,
        spooling: &'d mut EntryWriter,
        bound: (u64, u64),
        digest: Option<RunningDigest>,
        monitor: Monitor<'d>,
    ) -> Self {
        let buf = vec![0; PIECE];
        Self { decoder, spooling, left: bound.1, bound, digest, monitor, buf, from: 0, to: 0 }
    }

    /// Decompresses the next piece.
    fn next(&mut self) -> Result<(), Stopped> {
        let len = self.decoder.read(&mut self.buf).map_err(Stopped::Decoder)?;
        if self.monitor.cancel.is_cancelled() {
            return Err(Stopped::Other(ExpandError::Interrupted));
        }
        let (compressed, bound) = self.bound;
        let bomb = || Stopped::Other(ExpandError::Bomb { compressed, bound });
        self.left = self.left.checked_sub(len as u64).ok_or_else(bomb)?;
        let bytes = self.buf.get(..len).unwrap_or_default();
        if let Some(digest) = &mut self.digest {
            digest.update(bytes);
        }
        // Hashed when they are consumed.
        self.spooling.append(bytes).map_err(|error| Stopped::Other(error.into()))?;
        (self.from, self.to) = (0, len);
        Ok(())
    }
}

impl PayloadPieces for DecompressedPayload<'_> {
    fn piece(&mut self) -> Result<&[u8], PieceStop> {
        if self.from == self.to {
            self.next().map_err(PieceStop::Bytes)?;
        }
        Ok(self.buf.get(self.from..self.to).unwrap_or_default())
    }

    fn consume(&mut self, len: usize) {
        let from = self.from;
        self.from = from.saturating_add(len).min(self.to);
        self.spooling.hash(self.buf.get(from..self.from).unwrap_or_default());
    }

    /// A step of one digest waits for the step before it, so both take turns, and a processor that works ahead does them at once.
    fn consume_into(&mut self, len: usize, digest: &mut RunningDigest) -> Result<(), PieceStop> {
        let from = self.from;
        self.from = from.saturating_add(len).min(self.to);
        for turn in self.buf.get(from..self.from).unwrap_or_default().chunks(TURN) {
            digest.update(turn);
            self.spooling.hash(turn);
        }
        Ok(())
    }

    fn skip(&mut self, _len: u64) -> u64 {
        0
    }
}

/// Bytes that a digest takes before it is the other's turn.
const TURN: usize = 256;

/// Bytes of a stored payload that are read at a time: a few members without their contents.
const WINDOW: usize = 16 << 10;

/// A payload in the store.
pub(super) struct StoredPayload<'d> {
    payload: &'d dyn ReadAt,
    at: u64,
    buf: Vec<u8>,
    /// Where in the payload the buffer begins.
    start: u64,
}

impl<'d> StoredPayload<'d> {
    /// Begins at the first byte.
    pub(super) fn new(payload: &'d dyn ReadAt) -> Self {
        Self { payload, at: 0, buf: Vec::new(), start: 0 }
    }

    /// The bytes of the buffer from the next one on.
    fn buffered(&self) -> &[u8] {
        let from = usize::try_from(self.at.saturating_sub(self.start)).unwrap_or(usize::MAX);
        self.buf.get(from..).unwrap_or_default()
    }
}

impl PayloadPieces for StoredPayload<'_> {
    fn piece(&mut self) -> Result<&[u8], PieceStop> {
        if self.buffered().is_empty() {
            let left = self.payload.size().saturating_sub(self.at);
            let len = usize::try_from(left).unwrap_or(WINDOW).min(WINDOW);
            self.buf.resize(len, 0);
            let read = self.payload.read_exact_at(self.at, &mut self.buf);
            let at = self.at;
            let failed = |source| PieceStop::Bytes(Stopped::Other(ExpandError::Read { at, source }));
            read.map_err(failed)?;
            self.start = self.at;
        }
        Ok(self.buffered())
    }

    fn consume(&mut self, len: usize) {
        self.at = self.at.saturating_add(len as u64);
    }

    fn skip(&mut self, len: u64) -> u64 {
        let skipped = len.min(self.payload.size().saturating_sub(self.at));
        self.at = self.at.saturating_add(skipped);
        skipped
    }
}

/// Reads compressed bytes and takes their digest.
pub(super) struct DigestingReader<R> {
    input: R,
    pub(super) digest: Option<RunningDigest>,
}

impl<R: BufRead> DigestingReader<R> {
    /// Begins at the next byte of `input`.
    pub(super) fn new(input: R, digest: Option<RunningDigest>) -> Self {
        Self { input, digest }
    }

    /// Reads what a decoder left, and returns the digest of all.
    pub(super) fn finish(mut self) -> io::Result<Option<String>> {
        io::copy(&mut self, &mut io::sink())?;
        Ok(self.digest.map(RunningDigest::finish))
    }
}

impl<R: BufRead> Read for DigestingReader<R> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let len = self.input.read(buf)?;
        if let Some(digest) = &mut self.digest {
            digest.update(buf.get(..len).unwrap_or_default());
        }
        Ok(len)
    }
}

impl<R: BufRead> BufRead for DigestingReader<R> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        self.input.fill_buf()
    }

    fn consume(&mut self, len: usize) {
        // What a caller consumes is what the last call of `fill_buf` returned, so nothing is read here.
        if let (Some(digest), Ok(bytes)) = (&mut self.digest, self.input.fill_buf()) {
            digest.update(bytes.get(..len).unwrap_or_default());
        }
        self.input.consume(len);
    }
}
