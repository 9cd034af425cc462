//! Hand-overs (`.amx`): a bundle in one file, for a host that shares no network with the one that built it.
//!
//! The format is specified in `docs/handover.md`; all numbers are little-endian. A file, or each part of one that is
//! split, is a [header](header::Header) of 128 bytes and a range of the *body*. The body is the [index](index::Index)
//! and then the stored blocks, in the order in which the image first needs them:
//!
//! ```text
//! part    header | a range of the body
//! body    index  | stored block 0 | stored block 1 | …
//! index   counts, document entries, documents, one entry of 40 bytes for each stored block
//! ```
//!
//! - The header holds the SHA-256 of the index, and a SHA-256 of its own bytes.
//! - The index holds every file of the bundle but `disk.raw`, among them `SHA256SUMS`, which is what signatures are
//!   over; and of each stored block the length and SHA-256 of its stored form.
//! - Which block is stored where follows from the manifest alone (and from the parent's, for a delta):
//!   [`contents::HandoverContents`]. So an index cannot place a block anywhere but where the manifest has its digest.
//!
//! Each byte is thus compared with a digest that was read before it, and nothing is used before it was compared. One
//! pass over a pipe suffices to check all of it ([`check::check`]); blocks can be read at random ([`read::Handover`]).
//! Knows no service and no signature: who signed `SHA256SUMS` is for the caller to check.

pub mod check;
mod codec;
pub mod contents;
pub mod error;
pub mod header;
pub mod index;
pub mod publication;
pub mod read;
pub mod receipts;
pub mod unpack;
pub mod write;

pub use error::{Damage, HandoverError, Location};
