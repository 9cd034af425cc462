//! An independent verifier of amiforge's bundles.
//!
//! It is written from the specifications (UEFI for GPT, Microsoft's FAT, the kernel's documentation of ext4, EROFS and
//! dm-verity, PROTOCOL.sshsig, DSSE, in-toto, RFC 9162) and from the documentation of the manifest, and shares no code
//! with the program that makes bundles: a mistake of one is not a mistake of the other. `docs/verifier.md` says what
//! it checks and what it does not.
//!
//! The library needs an allocator and no operating system (`default-features = false`), so it also runs as
//! WebAssembly; the feature `std` adds folders on disk and threads. Bytes of a bundle are hostile until they are
//! checked: every parser is bounded, and none of them panics.
#![no_std]

extern crate alloc;
#[cfg(feature = "std")]
extern crate std;

mod base64;
mod blocks;
mod bytes;
mod crc;
mod digest;
mod dsse;
pub mod erofs;
pub mod ext4;
pub mod fat;
pub mod files;
#[cfg(feature = "std")]
pub mod folder;
pub mod gpt;
pub mod json;
pub mod listing;
pub mod manifest;
mod partitions;
pub mod pe;
pub mod policy;
mod provenance;
pub mod report;
mod signatures;
pub mod source;
pub mod sshsig;
mod sums;
pub mod swap;
mod verify;
pub mod verity;

pub use report::{Mismatch, Report};
pub use verify::{verify, Choices};
