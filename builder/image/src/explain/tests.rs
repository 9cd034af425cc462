//! Explaining disks that are made of a partition table and file systems by the writers.

use std::fs::{self, File};
use std::os::unix::fs::FileExt as _;
use std::path::PathBuf;

use amiforge_formats::ext4::write::JournalSize;
use amiforge_formats::gpt::types;
use amiforge_formats::plan::NoSources;
use amiforge_formats::time::Time;
use amiforge_formats::tree::{ChangeGroups, Content, Meta, Name, Node, NodeKind, Tree};
use amiforge_formats::volume::VolumeOptions;
use amiforge_progress::Monitor;

use super::*;
use crate::disk::{
    DiskSize, DiskSpec, PartitionContent, PartitionSize, PartitionSpec, VolumeSpec, plan_data,
};

fn tree(files: &[(&str, usize)]) -> Tree {
    let mut tree = Tree::new(Meta::root_owned(0o755, Time::EPOCH));
    let root = tree.root();
    for (name, len) in files {
        let kind = NodeKind::File(Content::Inline(vec![7; *len].into()));
        let node = Node { meta: Meta::root_owned(0o644, Time::EPOCH), kind };
        tree.add(root, Name::new(name.as_bytes()).unwrap(), node).unwrap();
    }
    tree
}

fn partition(id: &str, options: VolumeOptions, tree: Tree) -> PartitionSpec {
    PartitionSpec {
        number: None,
        id: id.to_owned(),
        label: id.to_owned(),
        type_guid: types::LINUX_GENERIC,
        guid: None,
        attributes: 0,
        size: PartitionSize::Exact(48 << 20),
        content: PartitionContent::Volume(VolumeSpec { options, tree, groups: ChangeGroups::default() }),
    }
}

/// A disk with a FAT32, an ext4, an EROFS and a swap partition.
fn disk(folder: &tempfile::TempDir) -> PathBuf {
    let label = || "A".to_owned();
    let ext4 = VolumeOptions::Ext4 { label: label(), uuid: None, journal: JournalSize::Auto, reserved: 0 };
    let spec = DiskSpec {
        name: "image".to_owned(),
        size: DiskSize::Exact(256 << 20),
        guid: None,
        time: Time::EPOCH,
        partitions: vec![
            partition(
                "esp",
                VolumeOptions::Fat32 { label: label(), volume_id: None },
                tree(&[("a.efi", 5000)]),
            ),
            partition("main", ext4, tree(&[("motd", 100), ("large", 3 << 20)])),
            partition("usr", VolumeOptions::Erofs { label: label(), uuid: None }, tree(&[("b", 70_000)])),
            partition("swap", VolumeOptions::Swap { label: label(), uuid: None }, tree(&[])),
        ],
    };
    let disk = plan_data(&spec, &[]).unwrap().lay_out(Vec::new()).unwrap();
    let mut bytes = vec![0; disk.plan.len() as usize];
    disk.plan.read_exact_at(&NoSources, 0, &mut bytes).unwrap();
    let path = folder.path().join("disk.raw");
    fs::write(&path, bytes).unwrap();
    path
}

fn poke(path: &PathBuf, at: u64, bytes: &[u8]) {
    File::options().write(true).open(path).unwrap().write_all_at(bytes, at).unwrap();
}

#[test]
fn every_byte_of_a_disk_is_explained_and_any_other_byte_in_free_space_is_found() {
    let folder = tempfile::tempdir().unwrap();
    let path = disk(&folder);
    let medium = Medium::open(&path).unwrap();
    let explanation = Explanation::open(&medium).unwrap();
    let coverage = explanation.coverage(Monitor::none()).unwrap();
    assert!(coverage.complete, "{}", coverage.text());
    assert_eq!((coverage.sum, coverage.explained), (medium.size(), medium.size()));
    let blocks = medium.size().div_ceil(BLOCK);
    let all: Vec<_> = (0..blocks).flat_map(|block| explanation.block(block).unwrap().ranges).collect();
    assert!(all.windows(2).all(|pair| pair[0].end() == pair[1].start), "no gap and no overlap");
    assert!(matches!(explanation.block(blocks), Err(ExplainError::NoBlock { .. })));
    for kind in ["free", "padding"] {
        let other = all.iter().rfind(|range| range.kind == kind).unwrap();
        poke(&path, other.start + other.len / 2, b"left over");
        let coverage = Explanation::open(&medium).unwrap().coverage(Monitor::none()).unwrap();
        assert!(!coverage.complete && coverage.sum == coverage.size, "{}", coverage.text());
        let found = &coverage.unexplained[0];
        assert!(found.start <= other.start + other.len / 2 && found.why.contains("not zero"), "{found:?}");
        poke(&path, other.start + other.len / 2, &[0; 9]);
    }
}

#[test]
fn a_path_leads_to_its_bytes_and_a_byte_to_its_path() {
    let folder = tempfile::tempdir().unwrap();
    let path = disk(&folder);
    let medium = Medium::open(&path).unwrap();
    let explanation = Explanation::open(&medium).unwrap();
    for (partition, name, len) in [("1", "a.efi", 5000), ("main", "large", 3 << 20), ("usr", "b", 70_000)] {
        let found = explanation.path(partition, name.as_bytes()).unwrap();
        let content = found.ranges.iter().filter(|range| range.kind == "content");
        assert_eq!(content.clone().map(|range| range.len).sum::<u64>(), len, "{name}");
        for range in content {
            let at = range.start + range.len / 2;
            let report = explanation.bytes(at..at + 1).unwrap();
            assert_eq!(report.ranges[0].path.as_deref(), Some(format!("/{name}").as_str()));
            assert_eq!(report.ranges[0].offset, Some(range.offset.unwrap() + range.len / 2));
        }
    }
    assert!(matches!(explanation.path("main", b"none"), Err(ExplainError::NoPath { .. })));
    assert!(matches!(explanation.path("", b"motd"), Err(ExplainError::NotMounted { .. })));
}

#[test]
fn a_damaged_structure_is_named_and_the_rest_is_explained() {
    let folder = tempfile::tempdir().unwrap();
    let path = disk(&folder);
    let medium = Medium::open(&path).unwrap();
    let motd = Explanation::open(&medium).unwrap().path("main", b"motd").unwrap();
    let inode = motd.ranges.iter().find(|range| range.what.starts_with("inode ")).unwrap();
    poke(&path, inode.start + 4, &[9]);
    let explanation = Explanation::open(&medium).unwrap();
    let coverage = explanation.coverage(Monitor::none()).unwrap();
    assert_eq!((coverage.sum, coverage.unexplained.len()), (coverage.size, 1), "{}", coverage.text());
    let why = &coverage.unexplained[0].why;
    assert!(why.contains("the ext4 file system cannot be read") && why.contains("checksum"), "{why}");
    assert!(matches!(explanation.path("main", b"motd"), Err(ExplainError::Damaged { .. })));
    assert!(explanation.path("usr", b"b").is_ok());
    // The partition table has two copies; of a damaged one the other is explained.
    poke(&path, 512 + 16, &[9]);
    let coverage = Explanation::open(&medium).unwrap().coverage(Monitor::none()).unwrap();
    assert!(coverage.unexplained[0].why.contains("primary partition table"), "{}", coverage.text());
    poke(&path, medium.size() - 512 + 16, &[9]);
    assert!(matches!(Explanation::open(&medium), Err(ExplainError::Inspect(InspectError::Table(_)))));
}
