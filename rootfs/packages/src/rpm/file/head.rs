//! What precedes the payload of an `.rpm`: a lead of 96 bytes, the header with signatures and digests, padding to 8 bytes,
//! and the header (rpm, `docs/manual/format_lead.md`, `format_v4.md`). Of the lead only the magic number counts: the rest of
//! it is history, signed by nothing.
#![warn(clippy::arithmetic_side_effects, clippy::indexing_slicing)]

use std::io::{self, Read};

use amiforge_formats::digest::Digest;
use amiforge_formats::tree::Printable;

use crate::rpm::header::{RpmHeader, RpmHeaderError, tag};

/// First bytes of a lead.
const MAGIC: [u8; 4] = [0xed, 0xab, 0xee, 0xdb];
/// Bytes of a lead.
const LEAD: usize = 96;
/// Bytes of a header that say how long it is.
const INTRO: usize = 16;
/// The signature header ends at a multiple of this.
const ALIGN: u64 = 8;

/// Why the beginning of a file is none of a package.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RpmHeadError {
    /// It is no package.
    #[error("it begins with `{}`: no package, those begin with `\\xed\\xab\\xee\\xdb`", Printable(start))]
    NotAnRpm {
        /// Its first bytes.
        start: Vec<u8>,
    },
    /// It ends too early.
    #[error("it ends at byte {end}, but {what} reaches to byte {need}")]
    Truncated {
        /// Name of the part.
        what: &'static str,
        /// First byte after it.
        need: u64,
        /// First byte after the file.
        end: u64,
    },
    /// A header is damaged.
    #[error("reading {what}")]
    Header {
        /// Which.
        what: &'static str,
        /// The cause.
        #[source]
        source: RpmHeaderError,
    },
    /// The header has entries that signatures do not cover.
    #[error(
        "its header has entries outside of the region that signatures and digests cover: it was changed after the build"
    )]
    Outside,
    /// The header is not the one that the digest beside it is of.
    #[error("the sha256 of its header is {actual}, and the package says {expected}: the package is damaged")]
    Digest {
        /// The digest in the package, as it is written there.
        expected: String,
        /// As it is.
        actual: Digest,
    },
    /// It cannot be read.
    #[error("reading the file")]
    Read(#[source] io::Error),
}

/// What precedes the payload.
#[derive(Debug, Clone)]
pub struct RpmFileHead {
    /// The header with signatures and digests.
    pub signatures: RpmHeader,
    /// The header.
    pub header: RpmHeader,
    /// SHA-256 of the header: of all that signatures of it cover.
    pub sha256: Digest,
    /// Bytes from the start of the file to the payload.
    pub len: u64,
}

/// Reads what precedes the payload, and appends its bytes to `raw`. `end` is the length of the file in bytes. The header's
/// own SHA-256 is checked where the package has one; signatures are not, see [`crate::rpm::signature`].
///
/// # Errors
/// [`RpmHeadError`].
pub fn read(input: &mut impl Read, end: u64, raw: &mut Vec<u8>) -> Result<RpmFileHead, RpmHeadError> {
    let mut reader = HeadReader { input, end, raw };
    let lead = reader.take(LEAD as u64, "the lead")?;
    if !lead.starts_with(&MAGIC) {
        return Err(RpmHeadError::NotAnRpm { start: lead.get(..8).unwrap_or_default().to_vec() });
    }
    let (signatures, len) = reader.header("the signature header")?;
    let padding = len.next_multiple_of(ALIGN).saturating_sub(len);
    reader.take(padding, "the signature header")?;
    let (header, _) = reader.header("the header")?;
    let len = reader.raw.len() as u64;
    let sha256 = header_digest(&header)?;
    if let Some(expected) = signatures.text(tag::SHA256HEADER)
        && !expected.eq_ignore_ascii_case(sha256.to_string().as_bytes())
    {
        let expected = Printable(expected).to_string();
        return Err(RpmHeadError::Digest { expected, actual: sha256 });
    }
    Ok(RpmFileHead { signatures, header, sha256, len })
}

/// The SHA-256 of a package's header: of its region, which has to be all of it.
///
/// # Errors
/// [`RpmHeadError::Header`], [`RpmHeadError::Outside`].
pub fn header_digest(header: &RpmHeader) -> Result<Digest, RpmHeadError> {
    let region = header
        .region(tag::HEADERIMMUTABLE)
        .map_err(|source| RpmHeadError::Header { what: "the header", source })?;
    // A region begins with eight bytes that the header in memory does not have.
    if region.len() != header.blob().len().saturating_add(8) {
        return Err(RpmHeadError::Outside);
    }
    Ok(Digest::of(&region))
}

/// Reads part after part.
struct HeadReader<'r, R> {
    input: &'r mut R,
    end: u64,
    raw: &'r mut Vec<u8>,
}

impl<R: Read> HeadReader<'_, R> {
    /// The next bytes, which must be there.
    fn take(&mut self, len: u64, what: &'static str) -> Result<&[u8], RpmHeadError> {
        let at = self.raw.len();
        let need = (at as u64).saturating_add(len);
        if need > self.end {
            return Err(RpmHeadError::Truncated { what, need, end: self.end });
        }
        let read = self.input.by_ref().take(len).read_to_end(self.raw).map_err(RpmHeadError::Read)?;
        if read as u64 != len {
            return Err(RpmHeadError::Truncated { what, need, end: self.raw.len() as u64 });
        }
        Ok(self.raw.get(at..).unwrap_or_default())
    }

    /// The next header, and its length in bytes.
    fn header(&mut self, what: &'static str) -> Result<(RpmHeader, u64), RpmHeadError> {
        let damaged = |source| RpmHeadError::Header { what, source };
        let start = self.raw.len();
        let needed = RpmHeader::needed(self.take(INTRO as u64, what)?).map_err(damaged)?;
        self.take(needed.saturating_sub(INTRO as u64), what)?;
        let bytes = self.raw.get(start..).unwrap_or_default();
        let (header, _) = RpmHeader::read(bytes).map_err(damaged)?;
        Ok((header, needed))
    }
}
