//! Zeros in the place of what a disk that is kept has where no file and no structure has bytes: contents of deleted files, ends of
//! last blocks, journals. What an amendment frees is zeros already; this is what was there before.
//!
//! Only bytes that nothing covers with a checksum, and that nothing starts from: names in folders, boot code and the gaps between
//! partitions stay, and are findings of the leak gate.

use amiforge_formats::plan::{Claims, Data, Plan, PlanReader};
use amiforge_formats::residue::{self, ResidueKind};
use amiforge_formats::volume::FsKind;
use amiforge_rootfs::sources::image::KeptDisk;
use amiforge_store::blobs::Blobs;

use super::KeptError;

/// What is bytes and nothing else, in every file system.
const CONTENTS: [ResidueKind; 4] =
    [ResidueKind::FreeSpace, ResidueKind::FileSlack, ResidueKind::Unwritten, ResidueKind::VolumeTail];

/// What of ext4 may be zeros: of a journal that has nothing to replay all but its superblock, and inodes that are not in use,
/// whose checksums are in themselves.
const OF_EXT4: [ResidueKind; 3] = [ResidueKind::Journal, ResidueKind::UnusedInode, ResidueKind::DeletedInode];

/// The plan of the disk with zeros there, and how many bytes that are.
///
/// # Errors
/// [`KeptError::Survey`] when the disk cannot be read.
pub(super) fn without_remains(plan: &Plan, disk: &KeptDisk, blobs: &Blobs) -> Result<(Plan, u64), KeptError> {
    let below = residue::disk(&PlanReader { plan, sources: blobs }).map_err(KeptError::Survey)?;
    let of_ext4 = |offset: u64| {
        let part = disk.parts.iter().find(|part| (part.start..part.start + part.len).contains(&offset));
        part.is_some_and(|part| part.content.kind() == Some(FsKind::Ext4))
    };
    let erased = below
        .residues
        .iter()
        .filter(|one| CONTENTS.contains(&one.kind) || OF_EXT4.contains(&one.kind) && of_ext4(one.offset));
    let mut ranges: Vec<(u64, u64)> = erased.map(|one| (one.offset, one.offset + one.len)).collect();
    ranges.sort_unstable();
    zeroed(plan, &ranges).map_err(KeptError::Plan)
}

/// A plan with zeros in sorted ranges, and how many bytes they are.
fn zeroed(plan: &Plan, ranges: &[(u64, u64)]) -> Result<(Plan, u64), amiforge_formats::plan::PlanError> {
    let mut claims = Claims::new(plan.len());
    let (mut at, mut count) = (0, 0);
    for &(start, end) in ranges {
        // Two kinds may say the same of a range.
        let (start, end) = (start.max(at), end.min(plan.len()));
        if start >= end {
            continue;
        }
        plan.range(at, start).for_each(|extent| claims.claim(extent.offset, extent.len, extent.data));
        claims.claim(start, end - start, Data::Zero);
        (at, count) = (end, count + (end - start));
    }
    plan.range(at, plan.len()).for_each(|extent| claims.claim(extent.offset, extent.len, extent.data));
    Ok((claims.finish(&Data::Free)?, count))
}

#[cfg(test)]
mod tests {
    use amiforge_formats::plan::NoSources;

    use super::*;

    #[test]
    fn ranges_are_zeros_and_the_rest_is_as_it_was() {
        let mut claims = Claims::new(100);
        claims.bytes(10, (1..=80).collect::<Vec<u8>>());
        let plan = claims.finish(&Data::Free).unwrap();
        let (plan, count) = zeroed(&plan, &[(5, 12), (11, 14), (50, 60), (55, 58), (95, 200)]).unwrap();
        let mut bytes = [0; 100];
        plan.read_exact_at(&NoSources, 0, &mut bytes).unwrap();
        let expected = |at: usize| match at {
            14..50 | 60..90 => (at - 9) as u8,
            _ => 0,
        };
        assert_eq!(count, 9 + 10 + 5);
        assert!((0..100).all(|at| bytes[at] == expected(at)), "{bytes:?}");
    }
}
