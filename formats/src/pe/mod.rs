//! PE: images that UEFI firmware runs (Microsoft PE/COFF specification; UEFI 2.10, section 2.1.1), PE32+ only.
//!
//! Owns the writer of unified kernel images, which appends sections to a stub (UAPI Group, Unified Kernel Image), a
//! strict reader of sections, the ranges that Authenticode hashes, and the writer and the reader of Authenticode
//! signatures. Knows neither the location of an image nor kernels. The reader shares no code with
//! the writer, only the errors and the numbers on this page.

mod authenticode;
mod error;
mod read;
#[cfg(test)]
pub(crate) mod sample;
mod sbat;
mod signature;
mod signed;
mod stub;
mod uki;

pub use authenticode::{hashed_ranges, zero_padding};
pub use error::PeError;
pub use read::{PeHeaders, PeMachine, PlacedSection, read, size_of_image};
pub use signature::{
    Reserved, SIGNATURE_SPACE, SignatureParts, certificate_table, placeholder, reserve, signed_attributes,
    signed_data,
};
pub use signed::{PeSignature, TableEntry, read_signatures};
pub use uki::{UkiSection, uki};

/// Bytes in an entry of the section table.
const ENTRY: u64 = 40;

/// Bytes from the signature `PE\0\0` to the optional header: itself and the COFF header.
const COFF: u64 = 24;

/// Bytes of the optional header of PE32+ before its data directories.
const OPTIONAL: u64 = 112;

/// The optional header's first number in PE32+.
const PE32_PLUS: u16 = 0x20b;

/// The data directory of signatures, whose location is an offset in the file and not an address.
const SIGNATURES: u64 = 4;

/// The data directory of debugging aids, whose entries hold offsets in the file.
const DEBUG: u64 = 6;

/// The most sections of an image: the bound of loaders, which the specification names.
const SECTIONS_MAX: u16 = 96;
