//! Whether an image can be built again: what a second build of its own recipe gives, held against it block by block.
//!
//! Compares and explains; builds nothing and fetches nothing.

mod inputs;
#[cfg(test)]
mod tests;

use std::io;

use amiforge_formats::digest::{BLOCK, Digest};
use amiforge_formats::read_at::ReadAt;
use amiforge_image::image::{Block, BlockMap};
use amiforge_image::manifest::Manifest;
use serde::Serialize;

use crate::embedded::EmbeddedStatement;

pub use inputs::{LocalInput, changed, local_inputs, missing};

/// An image and its rebuild, compared block by block.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RebuildComparison {
    /// Blocks that are equal.
    pub equal: u64,
    /// Blocks that differ.
    pub different: u64,
    /// Blocks that differ only in the ranges of signatures that the manifest declares, which no build can make again.
    pub signed: u64,
    /// The ranges of blocks that differ: first and last index.
    pub ranges: Vec<(u64, u64)>,
    /// Merkle root of the image.
    pub root: String,
    /// Merkle root of the rebuild.
    pub rebuilt_root: String,
    /// Merkle root of the image without its signatures, if it has some: with the bytes of the rebuild in their ranges.
    pub unsigned_root: Option<String>,
}

impl RebuildComparison {
    /// Whether the rebuild proves the image: nothing differs but signatures.
    pub fn is_equal(&self) -> bool {
        self.different == 0
    }
}

/// Compares an image, whose blocks have the digests `original`, with a rebuild of it. Of both images only the blocks with
/// signatures are read. What the image holds beyond the end of the rebuild has to be zeros, as on a volume of whole GiB.
///
/// # Errors
/// What a medium says.
pub fn compare(
    (original, image): (&BlockMap, &dyn ReadAt),
    (manifest, rebuilt): (&Manifest, &dyn ReadAt),
) -> io::Result<RebuildComparison> {
    let ranges = signature_ranges(manifest);
    let mut found = RebuildComparison {
        equal: 0,
        different: 0,
        signed: 0,
        ranges: Vec::new(),
        root: String::new(),
        rebuilt_root: manifest.merkle_root.to_string(),
        unsigned_root: None,
    };
    let (mut whole, mut unsigned) = (BlockMap::default(), BlockMap::default());
    let mut blocks = original.iter();
    for (index, built) in (0..).zip(manifest.blocks.iter()) {
        let block = blocks.next();
        let digest = block.map(Block::digest);
        let stored = Block::hashed(digest.unwrap_or(Digest([0; 32])));
        whole.push(stored, 1);
        if digest == Some(built.digest()) {
            found.equal += 1;
            unsigned.push(stored, 1);
        } else if digest.is_some() && same_without(&ranges, index, image, rebuilt)? {
            found.signed += 1;
            unsigned.push(Block::hashed(built.digest()), 1);
        } else {
            found.differs(index);
            unsigned.push(stored, 1);
        }
    }
    // Blocks of zeros behind the end are the rest of the volume.
    let beyond = (manifest.blocks.len()..).zip(blocks);
    beyond.filter(|(_, block)| matches!(block, Block::Data(_))).for_each(|(index, _)| found.differs(index));
    found.root = whole.merkle_root().to_string();
    found.unsigned_root = (found.signed > 0).then(|| unsigned.merkle_root().to_string());
    Ok(found)
}

impl RebuildComparison {
    /// Records a block that differs.
    fn differs(&mut self, index: u64) {
        self.different += 1;
        match self.ranges.last_mut() {
            Some((_, last)) if *last + 1 == index => *last = index,
            _ => self.ranges.push((index, index)),
        }
    }
}

/// The ranges of the disk that signatures change: first byte and length.
fn signature_ranges(manifest: &Manifest) -> Vec<(u64, u64)> {
    let programs = manifest.secure_boot.iter().flat_map(|record| &record.programs);
    programs.flat_map(|program| program.ranges.iter().copied()).collect()
}

/// Whether a block of both images has the same bytes outside of the ranges, some of which are in it.
fn same_without(
    ranges: &[(u64, u64)],
    index: u64,
    image: &dyn ReadAt,
    rebuilt: &dyn ReadAt,
) -> io::Result<bool> {
    let start = index * BLOCK;
    let end = (start + BLOCK).min(image.size()).min(rebuilt.size());
    let within = |(at, len): &(u64, u64)| {
        let (from, to) = (start.max(*at), end.min(at.saturating_add(*len)));
        (from < to).then(|| ((from - start) as usize, (to - start) as usize))
    };
    let within: Vec<_> = ranges.iter().filter_map(within).collect();
    if within.is_empty() {
        return Ok(false);
    }
    let read = |medium: &dyn ReadAt| {
        let mut bytes = vec![0; (end - start) as usize];
        medium.read_exact_at(start, &mut bytes)?;
        for &(from, to) in &within {
            bytes[from..to].fill(0);
        }
        io::Result::Ok(bytes)
    };
    Ok(read(image)? == read(rebuilt)?)
}

/// Likely causes of a difference, the likeliest first.
pub fn causes(statement: Option<&EmbeddedStatement>, tool: &str, inputs: &[LocalInput]) -> Vec<String> {
    let mut causes = Vec::new();
    if let Some(built) =
        statement.and_then(|statement| statement.tool.as_deref()).filter(|built| *built != tool)
    {
        causes.push(format!(
            "amiforge {built} built the image, and this is {tool}: other versions may lay an image out in another way"
        ));
    }
    for input in inputs {
        let name = &input.name;
        match (&input.expected, &input.actual) {
            (Some(expected), Some(actual)) if expected != actual => causes.push(format!(
                "the input `{name}` is another: its SHA-256 is {actual}, and the image was built from {expected}"
            )),
            (None, _) => causes.push(format!(
                "the input `{name}` is not pinned by a digest: it may be another than that of the image"
            )),
            _ => {}
        }
    }
    if statement.is_none() {
        causes.push(
            "the image holds no provenance.json: whether `SOURCE_DATE_EPOCH` was set at its build is not known".to_owned(),
        );
    }
    causes
}
