//! The proof that attaching changed nothing but signatures: every block of the new image is that of the manifest once the
//! declared ranges have their old bytes again.

use std::ops::Range;

use amiforge_formats::digest::{BLOCK, Digest};
use amiforge_formats::plan::{Claims, Data, Plan, SourceId};
use amiforge_formats::read_at::ReadAt as _;

use super::SecureBootError;
use crate::image::{Block, BlockMap};
use crate::inspect::{InspectError, Medium};
use crate::manifest::Manifest;

/// A range of the disk with its new bytes.
#[derive(Debug, Clone)]
pub(super) struct Patch {
    /// First byte.
    pub(super) start: u64,
    /// The new bytes.
    pub(super) bytes: Vec<u8>,
}

impl Patch {
    fn end(&self) -> u64 {
        self.start + self.bytes.len() as u64
    }
}

/// The bytes of a table in the ranges of the disk that hold it.
pub(super) fn patches(ranges: &[(u64, u64)], table: &[u8]) -> Vec<Patch> {
    let mut rest = table;
    let mut patches = Vec::new();
    for (start, len) in ranges {
        let (bytes, after) = rest.split_at(rest.len().min(*len as usize));
        patches.push(Patch { start: *start, bytes: bytes.to_vec() });
        rest = after;
    }
    patches
}

/// The plan of an image: the old one, of which every block is what the manifest says, with the patches in it. `patches` are
/// sorted and disjoint.
pub(super) fn plan(manifest: &Manifest, patches: &[Patch]) -> Plan {
    let mut claims = Claims::new(manifest.size);
    for patch in patches {
        claims.bytes(patch.start, patch.bytes.clone());
    }
    let mut at = 0;
    for run in manifest.blocks.runs() {
        let end = (at + run.count * BLOCK).min(manifest.size);
        for (start, end) in without(at, end, patches) {
            let data = match run.block {
                Block::Data(_) => Data::Slice { source: SourceId(0), at: start },
                Block::Zero => Data::Zero,
                Block::Free => Data::Free,
            };
            claims.claim(start, end - start, data);
        }
        at = end;
    }
    // The claims are disjoint and within the disk by construction, and cover it.
    claims.finish(&Data::Zero).unwrap_or_else(|_| empty(manifest.size))
}

/// A plan of zeros, which the proof refuses.
fn empty(len: u64) -> Plan {
    Claims::new(len).finish(&Data::Zero).unwrap_or_else(|_| empty(0))
}

/// What is left of a range without the patches.
fn without(start: u64, end: u64, patches: &[Patch]) -> Vec<(u64, u64)> {
    let mut left = Vec::new();
    let mut at = start;
    for patch in patches.iter().filter(|patch| patch.start < end && patch.end() > start) {
        if at < patch.start {
            left.push((at, patch.start));
        }
        at = at.max(patch.end());
    }
    if at < end {
        left.push((at, end));
    }
    left
}

/// Compares the blocks of the new image with the manifest of the old: those without a patch by their digests, the others by
/// the digest that they have with the old bytes in place of the patches. Gives the indices of the blocks with patches.
///
/// # Errors
/// [`SecureBootError::OtherChange`].
pub(super) fn prove(
    manifest: &Manifest,
    new: &BlockMap,
    patches: &[Patch],
    (old, written): (&Medium, &Medium),
) -> Result<Vec<u64>, SecureBootError> {
    let mut patched = Vec::new();
    for (block, (expected, found)) in (0..).zip(manifest.blocks.iter().zip(new.iter())) {
        let (start, end) = (block * BLOCK, ((block + 1) * BLOCK).min(manifest.size));
        let touched = patches.iter().any(|patch| patch.start < end && patch.end() > start);
        let found = if touched { restored(start..end, patches, old, written)? } else { found.digest() };
        if found != expected.digest() {
            let (expected, found) = (expected.digest().to_string(), found.to_string());
            return Err(SecureBootError::OtherChange { block, expected, found });
        }
        patched.extend(touched.then_some(block));
    }
    Ok(patched)
}

/// The digest of a block of the new image with the old bytes in place of the patches.
fn restored(
    block: Range<u64>,
    patches: &[Patch],
    old: &Medium,
    written: &Medium,
) -> Result<Digest, SecureBootError> {
    let mut bytes = vec![0; BLOCK as usize];
    let read = |medium: &Medium, start: u64, part: &mut [u8]| {
        let failed = |source| InspectError::Medium { path: medium.path().to_owned(), source };
        medium.read_exact_at(start, part).map_err(|source| SecureBootError::Image(failed(source)))
    };
    read(written, block.start, &mut bytes[..(block.end - block.start) as usize])?;
    for patch in patches {
        let (from, to) = (patch.start.max(block.start), patch.end().min(block.end));
        if from < to {
            read(old, from, &mut bytes[(from - block.start) as usize..(to - block.start) as usize])?;
        }
    }
    Ok(Digest::of(&bytes))
}
