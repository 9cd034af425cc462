//! Swap writer: the header of an empty area as a plan.

use super::{LABEL, PAGE, PAGES_MIN, SIGNATURE, SIGNATURE_AT};
use crate::guid::Guid;
use crate::plan::{Claims, Data, Plan};

/// Why a swap area cannot be written.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SwapWriteError {
    /// Fewer than ten pages.
    #[error("a swap area of {len} bytes is too small: it needs {}", PAGES_MIN * PAGE)]
    TooSmall {
        /// The requested length in bytes.
        len: u64,
    },
    /// More pages than the header can count.
    #[error("a swap area of {len} bytes is too large: its header counts at most {} pages", u32::MAX)]
    TooLarge {
        /// The requested length in bytes.
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
    page[SIGNATURE_AT..].copy_from_slice(&SIGNATURE);
    let mut claims = Claims::new(len);
    claims.bytes(0, page);
    // One claim at the start of a longer plan can neither overlap nor reach past its end.
    claims.finish(&Data::Free).map_err(|_| SwapWriteError::TooSmall { len })
}
