//! Swap areas, as mkswap writes them: a header in the first page, the rest for the kernel to fill.
//!
//! The structure is `union swap_header` of Linux, `include/linux/swap.h`, version 1 with pages of 4 KiB.

use std::io;

use crate::fields;
use crate::guid::Guid;
use crate::plan::{Claims, Data, Plan};
use crate::read_at::ReadAt;

/// Bytes in a page: the only size that x86-64 has and the usual one of aarch64.
pub const PAGE: u64 = 4096;

/// Fewest pages that mkswap and the kernel take.
const PAGES_MIN: u64 = 10;

/// Bytes of the label's field. mkswap keeps the last one zero; blkid and the kernel's tools read all sixteen.
const LABEL: usize = 16;

/// The last ten bytes of the first page.
const SIGNATURE: [u8; 10] = *b"SWAPSPACE2";

/// Why a swap area cannot be written.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SwapWriteError {
    /// Fewer than ten pages.
    #[error("a swap area of {len} bytes is too small: it needs {}", PAGES_MIN * PAGE)]
    TooSmall {
        /// Bytes there are.
        len: u64,
    },
    /// More pages than the header can count.
    #[error("a swap area of {len} bytes is too large: its header counts at most {} pages", u32::MAX)]
    TooLarge {
        /// Bytes there are.
        len: u64,
    },
    /// The label does not fit its field.
    #[error("the label `{label}` has {} bytes; at most {LABEL} without a NUL fit", label.len())]
    Label {
        /// The label.
        label: String,
    },
}

/// Plans a swap area of `len` bytes, in whole pages; all but the first page is free.
///
/// # Errors
/// [`SwapWriteError`] when the length or the label is impossible.
pub fn plan(uuid: Guid, label: &str, len: u64) -> Result<Plan, SwapWriteError> {
    if label.len() > LABEL || label.contains('\0') {
        return Err(SwapWriteError::Label { label: label.to_owned() });
    }
    if len / PAGE < PAGES_MIN {
        return Err(SwapWriteError::TooSmall { len });
    }
    let last_page = u32::try_from(len / PAGE - 1).map_err(|_| SwapWriteError::TooLarge { len })?;
    let mut page = vec![0; PAGE as usize];
    page[1024..1028].copy_from_slice(&1_u32.to_le_bytes());
    page[1028..1032].copy_from_slice(&last_page.to_le_bytes());
    page[1036..1052].copy_from_slice(&uuid.to_bytes());
    page[1052..1052 + label.len()].copy_from_slice(label.as_bytes());
    page[PAGE as usize - SIGNATURE.len()..].copy_from_slice(&SIGNATURE);
    let mut claims = Claims::new(len);
    claims.bytes(0, page);
    // One claim at the start of a longer plan can neither overlap nor reach past its end.
    claims.finish(&Data::Free).map_err(|_| SwapWriteError::TooSmall { len })
}

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
        /// What stands there.
        found: [u8; 10],
    },
    /// An unknown version, or one of another byte order.
    #[error("version {found} is not 1")]
    Version {
        /// What stands there.
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
        /// What stands there.
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
    let found = fields::array(&page, PAGE as usize - SIGNATURE.len());
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
    // From byte 1536 to the signature there is room for so many 32-bit numbers.
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
