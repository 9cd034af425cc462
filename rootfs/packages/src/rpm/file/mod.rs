//! The `.rpm` file: what precedes the payload, and the payload, a compressed cpio archive (rpm, `docs/manual/format_v4.md`,
//! `format_v6.md`).
//!
//! It is read once, from front to back, into one entry of the store (see [`spool`]): what precedes the payload as it is, and
//! the payload decompressed, so contents of the package's files are slices of it.
//!
//! What holds the bytes: the SHA-256 of the whole file, which the lock has; the digest of the payload, which the header has
//! (rpm from 4.14 on), of the compressed bytes or else of the decompressed ones; the digest of each file, which the header
//! has. All are checked, so a header that is known to be good makes all of the package good. The MD5 of header and payload,
//! which old packages have besides, holds nothing today and is ignored.
#![warn(clippy::arithmetic_side_effects, clippy::indexing_slicing)]

mod cursor;
mod digest;
pub mod head;
pub(crate) mod payload;
mod payload_error;
mod pieces;

use std::io::{BufRead, BufReader, Read as _};
use std::path::Path;

use amiforge_formats::read_at::ReadAt;
use amiforge_formats::tree::Printable;
use amiforge_progress::Monitor;
use amiforge_rootfs::sources::expand::{
    self, Bounds, Compression, ExpandError, HashingReader, PIECE, Stopped,
};
use amiforge_store::{OpenEntry, PendingRename, Store, StoreError};

use self::digest::RunningDigest;
pub use self::head::{RpmFileHead, RpmHeadError};
use self::payload::{ContentCheck, PayloadFiles};
pub(crate) use self::payload::{PayloadExtent, last_links};
pub use self::payload_error::RpmPayloadError;
use self::pieces::{DecompressedPayload, DigestingReader, PieceStop, StoredPayload};
use super::file_list::{self, FileListError};
use super::header::{RpmHeader, tag};
use super::package::RpmFileEntry;
use crate::locked::LockedPackage;
use crate::unpack::spool::{self, EntryParts, PackageFileError, ReadFailure, SpooledFile};

/// Why an `.rpm` cannot be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RpmFileError {
    /// It is not the one that the lock names, or cannot be read.
    #[error(transparent)]
    File(#[from] PackageFileError),
    /// What precedes the payload is damaged.
    #[error(transparent)]
    Head(RpmHeadError),
    /// Its list of files cannot be used.
    #[error(transparent)]
    Files(#[from] FileListError),
    /// A source package.
    #[error("it is a source package; take the package that was built from it")]
    Source,
    /// A compression that we cannot undo.
    #[error(
        "its payload begins with `{}`, compressed by `{}` as the header says: known are gzip, xz, lzma, zstd and none",
        Printable(start),
        Printable(compressor)
    )]
    Compression {
        /// The compressor by the header.
        compressor: Vec<u8>,
        /// The first bytes.
        start: Vec<u8>,
    },
    /// The payload is in another format.
    #[error("its payload is of the format `{}`, and known is cpio", Printable(format))]
    PayloadFormat {
        /// The format by the header.
        format: Vec<u8>,
    },
    /// The digest of the payload is of a kind that is unknown or can be forged.
    #[error(
        "its payload has a digest of the algorithm number {algorithm}; known are SHA-224, 256, 384 and 512"
    )]
    DigestAlgorithm {
        /// Its number in OpenPGP.
        algorithm: u64,
    },
    /// The payload is not the one that the header has the digest of.
    #[error(
        "the digest of its payload is {actual}, and its header says {expected}: the payload is not of this header"
    )]
    PayloadDigest {
        /// By the header.
        expected: String,
        /// As it is.
        actual: String,
    },
    /// The payload is not as the header says.
    #[error(transparent)]
    Payload(RpmPayloadError),
    /// The payload cannot be decompressed.
    #[error("decompressing its payload")]
    Expand(#[source] ExpandError),
    /// An error of the store.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl ReadFailure for RpmFileError {
    fn is_foreign(&self) -> bool {
        match self {
            Self::Store(_) => true,
            Self::Expand(source) => !matches!(source, ExpandError::Corrupt { .. }),
            _ => false,
        }
    }
}

/// An `.rpm` that was read.
#[derive(Debug)]
pub(crate) struct RpmFile {
    pub(crate) head: RpmFileHead,
    /// Its files in the order of the header.
    pub(crate) files: Vec<RpmFileEntry>,
    /// For each file, where its content is in the decompressed payload.
    pub(crate) contents: Vec<Option<PayloadExtent>>,
}

/// Reads a package's file into the store, unless its digest is not the one of the lock. The parts of the entry are what
/// precedes the payload, and the payload.
pub(crate) fn expand(
    path: &Path,
    locked: &LockedPackage,
    store: &Store,
    monitor: Monitor<'_>,
) -> Result<(OpenEntry, EntryParts, RpmFile, PendingRename), RpmFileError> {
    spool::expand(path, locked, store, monitor, read)
}

/// Reads a package from its entry of the store. Its digests were checked when it was put there; that the entry is whole has
/// to be checked by the entry's own.
pub(crate) fn stored(spool: &OpenEntry, parts: EntryParts) -> Result<RpmFile, RpmFileError> {
    let first = parts.first(spool);
    let mut bytes = vec![0; usize::try_from(parts.first).unwrap_or(usize::MAX)];
    let failed = |source| StoreError::Read { path: spool.path.clone(), source };
    first.read_exact_at(0, &mut bytes).map_err(failed)?;
    let head = head::read(&mut bytes.as_slice(), parts.first, &mut Vec::new()).map_err(RpmFileError::Head)?;
    let files = file_list::files(&head.header)?;
    let payload = parts.second(spool);
    let members = PayloadFiles::new(&files, algorithm(&head.header)).map_err(RpmFileError::Payload)?;
    let contents =
        members.read(&mut StoredPayload::new(&payload), ContentCheck::Done).map_err(|stop| match stop {
            PieceStop::Payload(error) => RpmFileError::Payload(error),
            PieceStop::Bytes(Stopped::Other(error)) => RpmFileError::Expand(error),
            PieceStop::Bytes(Stopped::Decoder(source)) => RpmFileError::Store(failed(source)),
        })?;
    Ok(RpmFile { head, files, contents })
}

/// The algorithm of files' digests: MD5 where the header names none.
fn algorithm(header: &RpmHeader) -> u64 {
    header.number(tag::FILEDIGESTALGO).unwrap_or(1)
}

/// Reads a file from front to back.
fn read(file: SpooledFile<'_, '_, '_>) -> Result<(EntryParts, RpmFile), RpmFileError> {
    let SpooledFile { input, size, spooling, monitor } = file;
    let mut input = BufReader::with_capacity(PIECE, input);
    let mut raw = Vec::new();
    let head = head::read(&mut input, size, &mut raw).map_err(|error| match error {
        RpmHeadError::Read(error) => explained(&input, Stopped::Decoder(error), "rpm"),
        error => RpmFileError::Head(error),
    })?;
    // Its paths are of no tree.
    if head.header.entry(tag::SOURCERPM).is_none() {
        return Err(RpmFileError::Source);
    }
    spooling.write(&raw)?;
    let files = file_list::files(&head.header)?;
    let members = PayloadFiles::new(&files, algorithm(&head.header)).map_err(RpmFileError::Payload)?;
    let format = compression(&head.header, &mut input)?;
    let word = format.map_or("cpio", Compression::word);
    let stated = PayloadDigest::of(&head.header)?;
    let compressed = size.saturating_sub(head.len);
    let before = spooling.len();
    let mut digesting = DigestingReader::new(input.by_ref().take(compressed), stated.compressed());
    let decoder = match format {
        Some(format) => expand::decoder(&mut digesting, format),
        None => Ok(Box::new(&mut digesting) as Box<dyn std::io::Read>),
    };
    let read = decoder.map_err(PieceStop::Bytes).and_then(|decoder| {
        let bound = (compressed, Bounds::default().of(compressed));
        let digest = stated.decompressed();
        let mut pieces = DecompressedPayload::new(decoder, spooling, bound, digest, monitor);
        let contents = members.read(&mut pieces, ContentCheck::Digests)?;
        Ok((contents, pieces.digest.map(RunningDigest::finish)))
    });
    let read = read.and_then(|read| {
        let digest = digesting.finish().map_err(|error| PieceStop::Bytes(Stopped::Decoder(error)))?;
        Ok((read, digest))
    });
    let ((contents, whole), digest) = read.map_err(|stop| match stop {
        PieceStop::Payload(error) => RpmFileError::Payload(error),
        PieceStop::Bytes(stopped) => explained(&input, stopped, word),
    })?;
    stated.compare(digest.or(whole))?;
    let second = spooling.len().saturating_sub(before);
    Ok((EntryParts { first: head.len, second }, RpmFile { head, files, contents }))
}

/// The error that stopped a reader.
fn explained(
    input: &BufReader<&mut HashingReader<'_>>,
    stopped: Stopped,
    format: &'static str,
) -> RpmFileError {
    match input.get_ref().explain(stopped, format) {
        ExpandError::Store(error) => error.into(),
        error => RpmFileError::Expand(error),
    }
}

/// The compression of the payload that begins here; none where it is a plain archive.
fn compression(
    header: &RpmHeader,
    input: &mut BufReader<&mut HashingReader<'_>>,
) -> Result<Option<Compression>, RpmFileError> {
    if let Some(format) = header.text(tag::PAYLOADFORMAT).filter(|format| *format != b"cpio") {
        return Err(RpmFileError::PayloadFormat { format: format.to_vec() });
    }
    let compressor = header.text(tag::PAYLOADCOMPRESSOR);
    if compressor == Some(b"lzma") {
        return Ok(Some(Compression::Lzma));
    }
    let start = match input.fill_buf() {
        Ok(start) => start,
        Err(error) => return Err(explained(input, Stopped::Decoder(error), "rpm")),
    };
    match Compression::of(start) {
        None if start.starts_with(b"0707") => Ok(None),
        None => {
            let start = start.get(..6).unwrap_or(start).to_vec();
            Err(RpmFileError::Compression { compressor: compressor.unwrap_or(b"gzip").to_vec(), start })
        }
        format => Ok(format),
    }
}

/// The digest that a header states of the payload.
struct PayloadDigest {
    /// Of the compressed bytes.
    compressed: Option<String>,
    /// Of the decompressed bytes, which is only needed without the other.
    decompressed: Option<String>,
    /// Number of its algorithm.
    algorithm: u64,
}

impl PayloadDigest {
    fn of(header: &RpmHeader) -> Result<Self, RpmFileError> {
        let text = |tag| header.text(tag).map(|text| Printable(text).to_string());
        let compressed = text(tag::PAYLOADDIGEST);
        let decompressed = if compressed.is_none() { text(tag::PAYLOADDIGESTALT) } else { None };
        let algorithm = header.number(tag::PAYLOADDIGESTALGO).unwrap_or(8);
        let stated = compressed.is_some() || decompressed.is_some();
        if stated && !(8..=11).contains(&algorithm) {
            return Err(RpmFileError::DigestAlgorithm { algorithm });
        }
        Ok(Self { compressed, decompressed, algorithm })
    }

    fn compressed(&self) -> Option<RunningDigest> {
        self.compressed.as_ref().and_then(|_| RunningDigest::new(self.algorithm))
    }

    fn decompressed(&self) -> Option<RunningDigest> {
        self.decompressed.as_ref().and_then(|_| RunningDigest::new(self.algorithm))
    }

    /// Compares the digest that was taken.
    fn compare(self, actual: Option<String>) -> Result<(), RpmFileError> {
        match (self.compressed.or(self.decompressed), actual) {
            (Some(expected), Some(actual)) if !expected.eq_ignore_ascii_case(&actual) => {
                Err(RpmFileError::PayloadDigest { expected, actual })
            }
            _ => Ok(()),
        }
    }
}

/// Whether a header has a digest of the payload that cannot be forged. Without one, the digests of files may hold the
/// contents (see [`crate::rpm::signature::VerifiedHeader::holds_contents`]).
pub(crate) fn has_payload_digest(header: &RpmHeader) -> bool {
    PayloadDigest::of(header).is_ok_and(|digest| digest.compressed.is_some() || digest.decompressed.is_some())
}

/// Whether a header has a digest of every file's content that cannot be forged.
pub(crate) fn has_file_digests(header: &RpmHeader) -> Result<bool, FileListError> {
    let files = file_list::files(header)?;
    let mut contents = files.iter().filter(|file| payload::has_content(file));
    let strong = matches!(algorithm(header), 8..=11);
    Ok(contents.all(|file| strong && !file.digest.is_empty()))
}

#[cfg(test)]
#[expect(clippy::arithmetic_side_effects, clippy::indexing_slicing, reason = "a test fails by panicking")]
mod tests;
