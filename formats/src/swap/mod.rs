//! Swap areas, as mkswap writes them: a header in the first page; the kernel fills the others.
//!
//! The structure is `union swap_header` of Linux, `include/linux/swap.h`, version 1 with pages of 4 KiB. Reader and writer
//! share the constants of this page and nothing else.

pub mod fields;
mod format;
mod map;
mod read;
mod residue;
mod write;

pub(crate) use format::SwapFormat;
pub use read::{Swap, SwapReadError, read};
pub use write::{SwapWriteError, plan};

/// Bytes in a page: the only size on x86-64 and the usual one on aarch64.
pub const PAGE: u64 = 4096;

/// Fewest pages that mkswap and the kernel accept.
const PAGES_MIN: u64 = 10;

/// Bytes of the label's field. mkswap keeps the last one zero; blkid and the kernel's tools read all sixteen.
const LABEL: usize = 16;

/// The last ten bytes of the first page.
const SIGNATURE: [u8; 10] = *b"SWAPSPACE2";

/// First byte of the signature.
const SIGNATURE_AT: usize = PAGE as usize - SIGNATURE.len();
