//! Compressed inputs: detected by their first bytes, decompressed once into the store, hashed on both sides in the same
//! pass. Formats: gzip (RFC 1952, any number of members), xz (any number of streams), zstd (RFC 8878, any number
//! of frames).

use std::io::{self, BufRead, BufReader, Read};

use amiforge_formats::digest::Digest;
use amiforge_formats::read_at::ReadAt;
use amiforge_progress::Monitor;
use amiforge_store::{EntryWriter, OpenEntry, PendingRename, Store, StoreError};
use sha2::{Digest as _, Sha256};

/// Bytes taken from the input, and given to the store, at a time.
pub const PIECE: usize = 1 << 20;

/// Memory that the dictionary of an xz stream may take: twice that of `xz -9`.
const XZ_MEMORY: u64 = 160 << 20;

/// Bound of a decompressed input. Tars of systems shrink to a fifth; a file of zeros to a thousandth or less.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bounds {
    /// Always allowed, in bytes.
    pub free: u64,
    /// Allowed for each compressed byte.
    pub ratio: u64,
    /// Never exceeded, in bytes.
    pub most: u64,
}

impl Default for Bounds {
    fn default() -> Self {
        Self { free: 256 << 20, ratio: 200, most: 1 << 40 }
    }
}

impl Bounds {
    /// The bound for an input of this many bytes.
    pub fn of(self, compressed: u64) -> u64 {
        compressed.saturating_mul(self.ratio).max(self.free).min(self.most)
    }
}

/// A compression that we can undo.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Compression {
    /// gzip.
    Gzip,
    /// xz.
    Xz,
    /// Zstandard.
    Zstd,
    /// The format of LZMA before xz. Its first bytes do not show it: only who knows that it is there can ask for it.
    Lzma,
}

impl Compression {
    /// The compression of an input, by its first bytes.
    pub fn of(start: &[u8]) -> Option<Self> {
        match start {
            [0x1f, 0x8b, ..] => Some(Self::Gzip),
            [0xfd, b'7', b'z', b'X', b'Z', 0, ..] => Some(Self::Xz),
            // A frame, or a skippable frame before one.
            [0x28, 0xb5, 0x2f, 0xfd, ..] | [0x50..=0x5f, 0x2a, 0x4d, 0x18, ..] => Some(Self::Zstd),
            _ => None,
        }
    }

    /// Its name.
    pub fn word(self) -> &'static str {
        match self {
            Self::Gzip => "gzip",
            Self::Xz => "xz",
            Self::Zstd => "zstd",
            Self::Lzma => "lzma",
        }
    }
}

/// Why an input cannot be decompressed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ExpandError {
    /// It cannot be read.
    #[error("reading the input at byte {at}")]
    Read {
        /// Offset in bytes.
        at: u64,
        /// The error of the system.
        #[source]
        source: io::Error,
    },
    /// The compressed bytes make no sense.
    #[error("decompressing the {format} stream near byte {at}")]
    Corrupt {
        /// Which format.
        format: &'static str,
        /// Bytes of the input that were read.
        at: u64,
        /// The error of the decoder.
        #[source]
        source: io::Error,
    },
    /// It becomes too long.
    #[error(
        "{compressed} compressed bytes become more than {bound}; if that is right, give the archive decompressed"
    )]
    Bomb {
        /// Length of the input.
        compressed: u64,
        /// Length allowed.
        bound: u64,
    },
    /// The store cannot take it.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Interrupted by the user.
    #[error("interrupted")]
    Interrupted,
}

/// A decompressed input.
pub(super) struct Expanded {
    pub(super) spool: OpenEntry,
    /// Digest of the input as it was, compressed.
    pub(super) compressed: Digest,
    pub(super) naming: PendingRename,
}

/// Decompresses an input into the store.
pub(super) fn expand(
    input: &dyn ReadAt,
    format: Compression,
    store: &Store,
    bounds: Bounds,
    monitor: Monitor<'_>,
) -> Result<Expanded, ExpandError> {
    let size = input.size();
    let mut hashing = HashingReader::new(input, monitor);
    let mut spooling = store.create_entry()?;
    let buffered = BufReader::with_capacity(PIECE, &mut hashing);
    let copied = decode(buffered, format, size, bounds, &mut spooling, monitor);
    copied.map_err(|stopped| hashing.explain(stopped, format.word()))?;
    // The decoders read to the end to look for one more member; should one ever not, the digest still covers all.
    let compressed = hashing.finish()?;
    let (spool, naming) = spooling.finish(compressed, size)?;
    Ok(Expanded { spool, compressed, naming })
}

/// The digest of an input.
pub(super) fn digest(input: &dyn ReadAt, monitor: Monitor<'_>) -> Result<Digest, ExpandError> {
    HashingReader::new(input, monitor).finish()
}

/// Why decoding stopped; [`HashingReader::explain`] knows more about the first.
pub enum Stopped {
    /// The decoder: the bytes are no such stream.
    Decoder(io::Error),
    /// Anything else.
    Other(ExpandError),
}

/// Decompresses all that `input` gives, `compressed` bytes, into an entry of the store.
pub fn decode(
    input: impl BufRead,
    format: Compression,
    compressed: u64,
    bounds: Bounds,
    spooling: &mut EntryWriter,
    monitor: Monitor<'_>,
) -> Result<(), Stopped> {
    copy(decoder(input, format)?, spooling, compressed, bounds, monitor)
}

/// A reader of the decompressed bytes of all that `input` gives.
pub fn decoder<'r>(input: impl BufRead + 'r, format: Compression) -> Result<Box<dyn Read + 'r>, Stopped> {
    let stopped = |error: liblzma::stream::Error| Stopped::Decoder(error.into());
    Ok(match format {
        Compression::Gzip => Box::new(flate2::bufread::MultiGzDecoder::new(input)),
        Compression::Xz => {
            let stream =
                liblzma::stream::Stream::new_stream_decoder(XZ_MEMORY, liblzma::stream::CONCATENATED);
            Box::new(liblzma::bufread::XzDecoder::new_stream(input, stream.map_err(stopped)?))
        }
        Compression::Lzma => {
            let stream = liblzma::stream::Stream::new_lzma_decoder(XZ_MEMORY);
            Box::new(liblzma::bufread::XzDecoder::new_stream(input, stream.map_err(stopped)?))
        }
        Compression::Zstd => {
            Box::new(zstd::stream::read::Decoder::with_buffer(input).map_err(Stopped::Decoder)?)
        }
    })
}

/// Copies what a decoder gives into an entry of the store, within the bounds.
pub fn copy(
    mut decoder: impl Read,
    spooling: &mut EntryWriter,
    compressed: u64,
    bounds: Bounds,
    monitor: Monitor<'_>,
) -> Result<(), Stopped> {
    let bound = bounds.of(compressed);
    let mut left = bound;
    let mut buf = vec![0; PIECE];
    loop {
        let len = decoder.read(&mut buf).map_err(Stopped::Decoder)?;
        if len == 0 {
            return Ok(());
        }
        if monitor.cancel.is_cancelled() {
            return Err(Stopped::Other(ExpandError::Interrupted));
        }
        left = left.checked_sub(len as u64).ok_or(Stopped::Other(ExpandError::Bomb { compressed, bound }))?;
        spooling.write(&buf[..len]).map_err(|error| Stopped::Other(error.into()))?;
    }
}

/// Reads an input from front to back and hashes it on the way.
pub struct HashingReader<'a> {
    input: &'a dyn ReadAt,
    at: u64,
    hasher: Sha256,
    failed: bool,
    monitor: Monitor<'a>,
}

impl<'a> HashingReader<'a> {
    /// Begins at the first byte.
    pub fn new(input: &'a dyn ReadAt, monitor: Monitor<'a>) -> Self {
        Self { input, at: 0, hasher: Sha256::new(), failed: false, monitor }
    }

    /// The error that stopped a decoder.
    pub fn explain(&self, stopped: Stopped, format: &'static str) -> ExpandError {
        let at = self.at;
        match stopped {
            Stopped::Other(error) => error,
            Stopped::Decoder(_) if self.monitor.cancel.is_cancelled() => ExpandError::Interrupted,
            Stopped::Decoder(source) if self.failed => ExpandError::Read { at, source },
            Stopped::Decoder(source) => ExpandError::Corrupt { format, at, source },
        }
    }

    /// Reads what is left; the digest of all.
    pub fn finish(mut self) -> Result<Digest, ExpandError> {
        let mut buf = vec![0; PIECE];
        loop {
            match self.read(&mut buf) {
                Ok(0) => return Ok(Digest(self.hasher.finalize().into())),
                Ok(_) => {}
                Err(_) if self.monitor.cancel.is_cancelled() => return Err(ExpandError::Interrupted),
                Err(source) => return Err(ExpandError::Read { at: self.at, source }),
            }
        }
    }
}

impl Read for HashingReader<'_> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let len = usize::try_from(self.input.size() - self.at).unwrap_or(usize::MAX).min(buf.len());
        let buf = &mut buf[..len];
        self.input.read_exact_at(self.at, buf).inspect_err(|_| self.failed = true)?;
        if self.monitor.cancel.is_cancelled() {
            return Err(io::Error::other("interrupted"));
        }
        self.hasher.update(&*buf);
        self.at += len as u64;
        self.monitor.progress.advance(len as u64);
        Ok(len)
    }
}
