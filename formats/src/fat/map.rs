//! The map of a FAT volume: which structure or file every byte belongs to.
#![warn(clippy::arithmetic_side_effects, clippy::indexing_slicing)]

use std::collections::BTreeSet;

use super::read::table::{AllocationTable, ClusterLink};
use super::read::{self, FatReadError, FatVolume, FatWidth, VolumeShape};
use crate::map::{MapBuilder, MapError, NodeName, NodePart, RangeMap, Subject};
use crate::plan::SourceId;
use crate::read_at::ReadAt;

/// Why there is no map.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FatMapError {
    /// The volume is damaged.
    #[error(transparent)]
    Read(#[from] FatReadError),
    /// Files and the allocation table do not agree.
    #[error("comparing the owners of clusters with the allocation table")]
    Map(#[from] MapError),
}

/// Maps a volume. A cluster that the table has as used and no file has is a gap, and so an error.
///
/// # Errors
/// [`FatMapError`].
pub fn map(volume: &dyn ReadAt) -> Result<RangeMap, FatMapError> {
    let read = read::read(volume, SourceId(0), 0)?;
    let shape = read.shape;
    let mut builder = MapBuilder::new(volume.size());
    reserved(&shape, &mut builder);
    for index in 0..shape.tables {
        let name = format!("allocation table {} of {}", u32::from(index).saturating_add(1), shape.tables);
        builder.add(shape.table(index), shape.table_len, Subject::Structure { name: name.into() });
    }
    let tables_end = shape.table(shape.tables);
    let root_end = shape.root_at.saturating_add(shape.root_len);
    if shape.width == FatWidth::Fat32 {
        builder.padding(tables_end, shape.data_at, "behind the allocation tables");
    } else {
        builder.padding(tables_end, shape.root_at, "behind the allocation tables");
        builder.padding(root_end, shape.data_at, "behind the root directory");
    }
    let owned = files(&read, &mut builder);
    clusters(volume, &shape, &owned, &mut builder)?;
    let clusters = u64::from(shape.clusters).saturating_mul(shape.cluster);
    builder.padding(shape.data_at.saturating_add(clusters), volume.size(), "behind the last cluster");
    Ok(builder.finish(None)?)
}

/// Adds the boot sector, FSInfo and their copies, and the sectors between them.
fn reserved(shape: &VolumeShape, builder: &mut MapBuilder) {
    let sector = shape.sector;
    let mut parts = vec![(0, "boot sector")];
    let pair = |number: u16| {
        let at = u64::from(number).saturating_mul(sector);
        (number > 0 && at.saturating_add(sector) <= shape.tables_at).then_some(at)
    };
    if shape.width == FatWidth::Fat32 {
        parts.extend(pair(shape.fsinfo_sector).map(|at| (at, "FSInfo")));
        if let Some(at) = pair(shape.backup_sector) {
            parts.push((at, "copy of the boot sector"));
            let behind = at.saturating_add(sector);
            if behind.saturating_add(sector) <= shape.tables_at {
                parts.push((behind, "copy of FSInfo"));
            }
        }
    }
    parts.sort_unstable();
    parts.dedup_by_key(|(at, _)| *at);
    let mut end = 0;
    for (at, name) in parts {
        builder.padding(end, at, "reserved sectors");
        builder.add(at, sector, Subject::Structure { name: name.into() });
        end = at.saturating_add(sector);
    }
    builder.padding(end, shape.tables_at, "reserved sectors");
}

/// Adds what files and directories have; gives their clusters.
fn files(read: &FatVolume, builder: &mut MapBuilder) -> BTreeSet<u32> {
    let shape = &read.shape;
    let mut owned = BTreeSet::new();
    for allocation in &read.allocations {
        let node = builder.node(NodeName::of_path(&allocation.path));
        let names = Subject::Node { node, part: NodePart::Names };
        if allocation.path.is_empty() && allocation.len.is_none() {
            builder.add(shape.root_at, shape.root_len, names.clone());
        }
        let mut offset = 0_u64;
        for range in &allocation.clusters {
            owned.extend(range.first..range.first.saturating_add(range.count));
            let at = shape.offset(range.first);
            let len = u64::from(range.count).saturating_mul(shape.cluster);
            let Some(size) = allocation.len else {
                builder.add(at, len, names.clone());
                continue;
            };
            let inside = size.saturating_sub(offset).min(len);
            builder.add(at, inside, Subject::Content { node, offset });
            builder.add(at.saturating_add(inside), len.saturating_sub(inside), Subject::Tail { node });
            offset = offset.saturating_add(len);
        }
    }
    owned
}

/// Adds the clusters that the table has as free or bad.
fn clusters(
    volume: &dyn ReadAt,
    shape: &VolumeShape,
    owned: &BTreeSet<u32>,
    builder: &mut MapBuilder,
) -> Result<(), FatReadError> {
    let mut table = AllocationTable::new(volume, *shape);
    for cluster in 2..=shape.last() {
        let subject = match table.link(cluster)? {
            _ if owned.contains(&cluster) => continue,
            ClusterLink::Free => Subject::Free { what: "free clusters" },
            ClusterLink::Bad => Subject::Structure { name: "a cluster that is marked as bad".into() },
            ClusterLink::End | ClusterLink::Next(_) => continue,
        };
        builder.add(shape.offset(cluster), shape.cluster, subject);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::arithmetic_side_effects, clippy::indexing_slicing, reason = "a test fails by panicking")]

    use super::*;
    use crate::fat::write::{FatOptions, plan};
    use crate::plan::NoSources;
    use crate::time::Time;
    use crate::tree::{Content, Meta, Name, Node, NodeKind, Tree};

    fn image() -> Vec<u8> {
        let mut tree = Tree::new(Meta::root_owned(0o755, Time::EPOCH));
        let meta = Meta::root_owned(0o644, Time::EPOCH);
        let root = tree.root();
        let folder = Node { meta: meta.clone(), kind: NodeKind::dir() };
        let efi = tree.add(root, Name::new(b"EFI").unwrap(), folder).unwrap();
        let kind = NodeKind::File(Content::Inline(vec![7; 5000].into()));
        tree.add(efi, Name::new(b"x.efi").unwrap(), Node { meta, kind }).unwrap();
        let options =
            FatOptions { volume_id: 1, label: "ESP".to_owned(), time: Time::EPOCH, hidden_sectors: 0 };
        let mut bytes = vec![0; 40 << 20];
        plan(&tree, &options, 40 << 20).unwrap().read_exact_at(&NoSources, 0, &mut bytes).unwrap();
        bytes
    }

    #[test]
    fn every_byte_is_of_a_structure_a_file_or_free() {
        let image = image();
        let map = map(&image).unwrap();
        assert_eq!(map.ranges().iter().map(|range| range.len).sum::<u64>(), image.len() as u64);
        let texts: Vec<_> = map.ranges().iter().map(|one| map.text(&one.subject).to_string()).collect();
        for expected in [
            "boot sector",
            "FSInfo",
            "copy of the boot sector",
            "copy of FSInfo",
            "allocation table 2 of 2",
            "names in /EFI",
            "content of /EFI/x.efi",
            "zeros behind the end of /EFI/x.efi",
            "free clusters",
        ] {
            assert!(texts.iter().any(|text| text == expected), "{expected} is not among {texts:#?}");
        }
        let file = map.find(b"EFI/x.efi").unwrap();
        let content = Subject::Content { node: file, offset: 0 };
        let range = map.ranges().iter().find(|range| range.subject == content).unwrap();
        assert_eq!(&image[range.start as usize..range.end() as usize], vec![7; 5000]);
    }

    #[test]
    fn a_cluster_that_no_file_has_is_named() {
        let mut image = image();
        let shape = read::read(&image, SourceId(0), 0).unwrap().shape;
        let lost = shape.last();
        for table in 0..shape.tables {
            let at = shape.table(table) as usize + lost as usize * 4;
            image[at..at + 4].copy_from_slice(&0x0fff_ffff_u32.to_le_bytes());
        }
        let error = map(&image).unwrap_err();
        let FatMapError::Map(MapError::Gap { start, .. }) = error else { panic!("{error}") };
        assert_eq!(start, shape.offset(lost));
    }
}
