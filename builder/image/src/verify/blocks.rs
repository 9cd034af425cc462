//! The blocks of an image against those of the manifest.

use std::io;

use amiforge_formats::digest::BLOCK;
use amiforge_formats::plan::{Claims, Data, SourceId};
use amiforge_formats::read_at::ReadAt;
use amiforge_progress::Monitor;

use super::disk_map::DiskMap;
use super::{BundleDifference, VerifyError, VerifyReport};
use crate::image::{self, Block, EmitError, EmitOptions, Emitted};
use crate::inspect::{Contents, Medium};
use crate::manifest::Manifest;

/// Digests at most `most` bytes of an image, its holes without reading them.
pub fn digest(
    medium: &Medium,
    most: u64,
    options: EmitOptions,
    monitor: Monitor<'_>,
) -> Result<Emitted, VerifyError> {
    let failed = |source: io::Error| VerifyError::File { path: medium.path().to_owned(), source };
    let len = medium.size().min(most);
    let mut claims = Claims::new(len);
    for (start, end) in medium.data_ranges(0, len).map_err(failed)? {
        claims.claim(start, end - start, Data::Slice { source: SourceId(0), at: start });
    }
    let plan = claims.finish(&Data::Zero).map_err(|error| failed(io::Error::other(error)))?;
    image::digest(&plan, &Contents(medium), &options, monitor).map_err(|error| match error {
        EmitError::Interrupted => VerifyError::Interrupted,
        error => VerifyError::Image(error),
    })
}

/// Compares the digests of an image with those of the manifest, block by block.
pub(super) fn compare(manifest: &Manifest, found: &Emitted, medium: &Medium, report: &mut VerifyReport) {
    if manifest.size != medium.size() {
        report.differences.push(BundleDifference::Length { expected: manifest.size, found: medium.size() });
    }
    let expected = manifest.blocks.iter().map(Block::digest);
    let found_blocks = found.blocks.iter().map(Block::digest);
    let differing =
        (0..).zip(expected.zip(found_blocks)).filter(|(_, (expected, digest))| expected != digest);
    let mut map = None;
    for (block, (expected, digest)) in differing {
        let start: u64 = block * BLOCK;
        let end = (start + BLOCK).min(found.len.max(manifest.size));
        let map = map.get_or_insert_with(|| DiskMap::of(medium, manifest));
        report.differences.push(BundleDifference::Block {
            block,
            start,
            end,
            locations: map.within(start, end),
            expected: expected.to_string(),
            found: digest.to_string(),
        });
    }
    if manifest.plain != found.plain {
        report.differences.push(BundleDifference::Image {
            expected: manifest.plain.to_string(),
            found: found.plain.to_string(),
        });
    }
}
