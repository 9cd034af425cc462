//! What the local region remembers, in a folder. Knows no protocol.
//!
//! ```text
//! <folder>/lock                         held by the server (flock); names its endpoint
//! <folder>/secret                       the key that tokens are sealed with
//! <folder>/accounts.json                further accounts, written by people
//! <folder>/blocks/ab/<sha256>           one file for each distinct block, under its digest
//! <folder>/<region>/snapshots/*.json    one file for each snapshot, and beside it
//! <folder>/<region>/snapshots/*.blocks  which blocks it has: records that are only ever appended
//! <folder>/<region>/<kind>/*.json       one file for each other thing: image, parameter, ...
//! ```
//!
//! Safe against being killed at any moment: a JSON file and a block come into being by a rename, a record of a block
//! is appended after the block exists, and a torn last record is cut off when the file is next written. Nothing is
//! synced to the disk, so a power cut may lose what was written last; it is found by the checks of reading.

pub(crate) mod atomic;
pub(crate) mod blocks;
pub(crate) mod digest;
pub(crate) mod hold;
pub(crate) mod ids;
pub(crate) mod map;
pub(crate) mod settings;
pub(crate) mod shelf;
pub(crate) mod snapshot;
pub(crate) mod snapshots;

#[cfg(test)]
mod format_tests;
