//! Swap reader: the header of an area, checked as the kernel checks it.

use std::io;

use super::{LABEL, PAGE, PAGES_MIN, SIGNATURE, SIGNATURE_AT};
use crate::fields;
use crate::guid::Guid;
use crate::read_at::ReadAt;

/// A swap area that was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Swap {
    /// Its UUID.
    pub uuid: Guid,
    /// Its label, bytes that are not UTF-8 replaced.
    pub label: String,
    /// Pages, the header's included.
    pub pages: u64,
    /// Pages that the header lists as bad.
    pub bad_pages: u32,
}

/// Why an area is not swap.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SwapReadError {
    /// It could not be read.
    #[error("reading the first page")]
    Io(#[source] io::Error),
    /// It ends before the first page does.
    #[error("{len} bytes are too few for a swap area")]
    TooShort {
        /// Its length in bytes.
        len: u64,
    },
    /// The first page does not end in the signature.
    #[error("signature {:?} is not \"SWAPSPACE2\"", String::from_utf8_lossy(found))]
    Signature {
        /// The value in the header.
        found: [u8; 10],
    },
    /// An unknown version, or one of another byte order.
    #[error("version {found} is not 1")]
    Version {
        /// The value in the header.
        found: u32,
    },
    /// The header counts more pages than there are.
    #[error("the header counts {pages} pages and there are {available}")]
    TooManyPages {
        /// Pages that the header counts, its own included.
        pages: u64,
        /// Whole pages in the area.
        available: u64,
    },
    /// The header counts fewer pages than a swap area has.
    #[error("the header counts {pages} pages, fewer than {PAGES_MIN}")]
    TooFewPages {
        /// Pages that the header counts, its own included.
        pages: u64,
    },
    /// More bad pages than their list has room for.
    #[error("{found} bad pages are more than the 637 that the header can list")]
    BadPages {
        /// The value in the header.
        found: u32,
    },
}

/// Reads the header of a swap area.
///
/// # Errors
/// [`SwapReadError`] when the kernel would refuse it.
pub fn read(area: &dyn ReadAt) -> Result<Swap, SwapReadError> {
    let len = area.size();
    if len < PAGE {
        return Err(SwapReadError::TooShort { len });
    }
    let mut page = [0; PAGE as usize];
    area.read_exact_at(0, &mut page).map_err(SwapReadError::Io)?;
    let found = fields::array(&page, SIGNATURE_AT);
    if found != SIGNATURE {
        return Err(SwapReadError::Signature { found });
    }
    let found = fields::u32(&page, 1024);
    if found != 1 {
        return Err(SwapReadError::Version { found });
    }
    let pages = u64::from(fields::u32(&page, 1028)) + 1;
    if pages < PAGES_MIN {
        return Err(SwapReadError::TooFewPages { pages });
    }
    if pages > len / PAGE {
        return Err(SwapReadError::TooManyPages { pages, available: len / PAGE });
    }
    let bad_pages = fields::u32(&page, 1032);
    // The list of bad pages is from byte 1536 to the signature: room for 637 numbers of 32 bits.
    if bad_pages > 637 {
        return Err(SwapReadError::BadPages { found: bad_pages });
    }
    let label: [u8; LABEL] = fields::array(&page, 1052);
    let label = label.split(|byte| *byte == 0).next().unwrap_or_default();
    Ok(Swap {
        uuid: Guid::from_bytes(fields::array(&page, 1036)),
        label: String::from_utf8_lossy(label).into_owned(),
        pages,
        bad_pages,
    })
}
