//! Ranges of partitions, and the errors when they do not fit.

use std::error::Error as _;

use amiforge_formats::gpt::{self, types};
use amiforge_formats::guid::Guid;
use amiforge_formats::plan::{Claims, Data, NoSources, PlanReader};
use amiforge_formats::read_at::{ReadAt, Window};
use amiforge_formats::time::Time;
use amiforge_formats::tree::{ChangeGroups, Content, Meta, Name, Node, NodeKind, Tree};
use amiforge_formats::volume::{VolumeIds, VolumeOptions, VolumeWriteError};
use amiforge_formats::{fat, residue, swap, verity};
use amiforge_progress::Monitor;

use super::{
    ContentError, Disk, DiskError, DiskSize, DiskSpec, HashTreeError, PartitionContent, PartitionLayout,
    PartitionSize, PartitionSpec, VolumeSpec, lay_out,
};
use crate::image::EmitOptions;

const MIB: u64 = 1 << 20;

fn partition(id: &str, size: PartitionSize, content: PartitionContent) -> PartitionSpec {
    PartitionSpec {
        number: None,
        id: id.to_owned(),
        label: id.to_owned(),
        type_guid: types::LINUX_GENERIC,
        guid: None,
        attributes: 0,
        size,
        content,
    }
}

fn empty(id: &str, size: PartitionSize) -> PartitionSpec {
    partition(id, size, PartitionContent::Empty)
}

fn esp(size: PartitionSize, file: usize) -> PartitionSpec {
    let meta = Meta::root_owned(0o755, Time::EPOCH);
    let mut tree = Tree::new(meta.clone());
    let content = Content::Inline(vec![7; file].into());
    tree.add(tree.root(), Name::new(b"file").unwrap(), Node { meta, kind: NodeKind::File(content) }).unwrap();
    let options = VolumeOptions::Fat32 { label: "ESP".to_owned(), volume_id: None };
    let content = PartitionContent::Volume(VolumeSpec { options, tree, groups: ChangeGroups::default() });
    PartitionSpec { type_guid: types::ESP, ..partition("esp", size, content) }
}

fn swap_space(label: String) -> PartitionContent {
    let tree = Tree::new(Meta::root_owned(0o755, Time::EPOCH));
    let options = VolumeOptions::Swap { label, uuid: None };
    PartitionContent::Volume(VolumeSpec { options, tree, groups: ChangeGroups::default() })
}

fn spec(size: DiskSize, partitions: Vec<PartitionSpec>) -> DiskSpec {
    DiskSpec { name: "web".to_owned(), size, guid: None, time: Time::from_secs(1_700_000_000), partitions }
}

/// Starts and lengths in MiB.
fn ranges(disk: &Disk) -> Vec<(u64, u64)> {
    disk.partitions.iter().map(|partition| (partition.start / MIB, partition.len / MIB)).collect()
}

fn table(disk: &Disk) -> gpt::PartitionTable {
    let reader = PlanReader { plan: &disk.plan, sources: &NoSources };
    assert_eq!(gpt::check::check(&reader).unwrap(), []);
    assert_eq!(residue::disk(&reader).unwrap().residues, []);
    gpt::read::read(&reader).unwrap().table
}

#[test]
fn partitions_follow_each_other_at_whole_mib_and_the_fill_takes_the_rest() {
    let partitions = vec![
        esp(PartitionSize::Exact(40 * MIB + 1), 10),
        empty("root", PartitionSize::Fill),
        PartitionSpec { number: Some(1), ..empty("data", PartitionSize::Exact(3)) },
    ];
    let disk = lay_out(&spec(DiskSize::Exact(100 * MIB), partitions)).unwrap();
    assert_eq!(ranges(&disk), [(1, 41), (42, 56), (98, 1)]);
    assert_eq!(disk.partitions.iter().map(|partition| partition.number).collect::<Vec<_>>(), [2, 3, 1]);
    assert_eq!(disk.plan.len(), 100 * MIB);
    let table = table(&disk);
    assert_eq!(table.partitions.iter().map(|p| p.name.as_str()).collect::<Vec<_>>(), ["data", "esp", "root"]);
    assert_eq!(table.partitions[1].first.offset(), MIB);
    assert_eq!(table.partitions[1].len(), 41 * MIB);
}

#[test]
fn a_minimal_disk_is_as_small_as_its_partitions_in_any_order() {
    let raw = PartitionContent::Raw(Content::Inline(vec![1; 5_000_000].into()));
    let partitions = vec![
        partition("raw", PartitionSize::Fill, raw.clone()),
        empty("gap", PartitionSize::Minimal { slack: 0 }),
        PartitionSpec { id: "more".into(), ..partition("raw", PartitionSize::Minimal { slack: MIB }, raw) },
    ];
    let disk = lay_out(&spec(DiskSize::Minimal, partitions)).unwrap();
    assert_eq!(ranges(&disk), [(1, 5), (6, 1), (7, 6)]);
    assert_eq!(disk.plan.len(), 14 * MIB);
    let none = lay_out(&spec(DiskSize::Minimal, Vec::new())).unwrap();
    assert_eq!(none.plan.len(), 2 * MIB);
    assert!(table(&none).partitions.is_empty());
}

#[test]
fn what_no_partition_has_is_free_and_the_first_mib_zero() {
    let disk = lay_out(&spec(DiskSize::Exact(8 * MIB), vec![empty("a", PartitionSize::Exact(MIB))])).unwrap();
    let shape: Vec<_> = disk.plan.extents().iter().map(|extent| (extent.offset, &extent.data)).collect();
    let backup = 8 * MIB - 33 * 512;
    assert!(matches!(shape[0], (0, Data::Bytes { .. })));
    assert_eq!(shape[1..3], [(34 * 512, &Data::Zero), (MIB, &Data::Free)]);
    assert!(matches!(shape[3], (at, Data::Bytes { .. }) if at == backup));
}

#[test]
fn a_small_bios_boot_partition_stands_before_the_first_mib() {
    let boot = |len| PartitionSpec {
        number: Some(14),
        type_guid: types::BIOS_BOOT,
        ..partition(
            "bios",
            PartitionSize::Exact(len),
            PartitionContent::Raw(Content::Inline(vec![3; 600].into())),
        )
    };
    let partitions = |len| vec![empty("root", PartitionSize::Exact(MIB)), boot(len)];
    let disk = lay_out(&spec(DiskSize::Minimal, partitions(2014 * 512))).unwrap();
    assert_eq!((disk.partitions[1].start, disk.partitions[1].len), (34 * 512, 2014 * 512));
    assert_eq!(disk.plan.len(), 3 * MIB);
    assert_eq!(table(&disk).partitions[1].last, gpt::Lba(2047));
    let small = lay_out(&spec(DiskSize::Minimal, partitions(601))).unwrap();
    assert_eq!((small.partitions[1].start, small.partitions[1].len), (34 * 512, 1024));
    table(&small);
    let large = lay_out(&spec(DiskSize::Minimal, partitions(2014 * 512 + 1))).unwrap();
    assert_eq!((large.partitions[1].start, large.partitions[1].len), (2 * MIB, MIB));
}

#[test]
fn file_systems_stand_in_their_partitions_with_derived_ids() {
    let label = "swap".to_owned();
    let partitions = vec![
        esp(PartitionSize::Minimal { slack: MIB }, 3_000_000),
        partition("swap", PartitionSize::Exact(2 * MIB), swap_space(label)),
    ];
    let spec = spec(DiskSize::Minimal, partitions);
    let disk = lay_out(&spec).unwrap();
    let reader = PlanReader { plan: &disk.plan, sources: &NoSources };
    let window =
        |at: usize| Window::new(&reader, disk.partitions[at].start, disk.partitions[at].len).unwrap();
    assert_eq!(fat::check::check(&window(0)).unwrap(), []);
    let volume = fat::read::read(&window(0), amiforge_formats::plan::SourceId(0), 0).unwrap();
    let id = fat::id_text(volume.shape.volume_id);
    assert_eq!(Some(&id), disk.partitions[0].uuid.as_ref());
    let options = VolumeOptions::Fat32 { label: String::new(), volume_id: None };
    assert_eq!(id, options.id(&VolumeIds::derive("web", "esp")));
    let mut hidden = [0; 4];
    window(0).read_exact_at(28, &mut hidden).unwrap();
    assert_eq!(u32::from_le_bytes(hidden), 2048);
    let area = swap::read(&window(1)).unwrap();
    assert_eq!((area.uuid, area.pages), (VolumeIds::derive("web", "swap").uuid, 512));
    assert_eq!(disk.guid, Guid::derive("web", "disk"));
    assert_eq!(disk.partitions[1].guid, super::partition_guid("web", "swap"));
    assert_eq!(lay_out(&spec).unwrap().plan, disk.plan);
}

/// An error with its sources, as a user reads it.
fn error_chain(error: &DiskError) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text += ": ";
        text += &cause.to_string();
        source = cause.source();
    }
    text
}

#[test]
#[expect(clippy::too_many_lines, reason = "a table of cases")]
fn disks_that_cannot_be_are_refused_with_what_is_missing() {
    let exact = |mib: u64| PartitionSize::Exact(mib * MIB);
    let numbered = |id: &str, number| PartitionSpec { number: Some(number), ..empty(id, exact(1)) };
    let raw = |len: usize| PartitionContent::Raw(Content::Inline(vec![0; len].into()));
    let swap = |label: &str| swap_space(label.to_owned());
    let long = PartitionSpec { label: "x".repeat(37), ..empty("long", exact(1)) };
    let guid = Some(Guid::from_u128(5));
    let cases = [
        (
            8,
            vec![empty("a", exact(4)), empty("b", exact(4))],
            "the partitions need a disk of 10485760 bytes and it has 8388608: 2097152 too few",
        ),
        (
            8,
            vec![empty("a", exact(6)), empty("b", PartitionSize::Fill)],
            "the partitions need a disk of 9437184 bytes and it has 8388608: 1048576 too few",
        ),
        (0, vec![], "the partitions need a disk of 2097152 bytes and it has 0: 2097152 too few"),
        (
            8,
            vec![empty("a", PartitionSize::Fill), empty("b", PartitionSize::Fill)],
            "partitions `a` and `b` both fill the disk; one at most can",
        ),
        (8, vec![numbered("a", 3), numbered("b", 3)], "partitions `a` and `b` both have the number 3"),
        (8, vec![numbered("a", 0)], "partition `a` has the number 0: numbers are 1 to 128"),
        (8, vec![numbered("a", 129)], "partition `a` has the number 129: numbers are 1 to 128"),
        (8, vec![empty("a", exact(1)), empty("a", exact(1))], "two partitions are called `a`"),
        (8, vec![empty("a", exact(0))], "partition `a` has a size of 0 bytes"),
        (
            8,
            vec![empty("a", PartitionSize::Exact(u64::MAX))],
            "partition `a` would end past the largest disk, 70368744177664 bytes",
        ),
        (
            8,
            vec![empty("a", exact(1 << 26)), empty("b", exact(1 << 26))],
            "partition `a` would end past the largest disk, 70368744177664 bytes",
        ),
        (
            8,
            vec![long],
            "writing the partition table: the name `xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx` of partition 1 has \
            37 UTF-16 units; at most 36 fit",
        ),
        (
            8,
            vec![partition("a", exact(1), raw(1_048_580))],
            "laying out partition `a` of 1048576 bytes: the content has 1048580 bytes and the partition 1048576: 4 too few",
        ),
        (
            8,
            vec![partition("s", exact(1), swap(&"x".repeat(17)))],
            "laying out partition `s` of 1048576 bytes: planning a swap area: the label `xxxxxxxxxxxxxxxxx` has 17 bytes; \
            at most 16 without a NUL fit",
        ),
        (
            80,
            vec![esp(exact(20), 1)],
            "laying out partition `esp` of 20971520 bytes: planning a FAT32 volume: 20971520 bytes \
            are too few for a FAT32 volume, which has at least 34089472",
        ),
        (
            80,
            vec![esp(exact(34), 40_000_000)],
            "laying out partition `esp` of 35651584 bytes: planning a FAT32 volume: the \
            tree needs 40000512 bytes and the volume has 35086336: 4914176 too few",
        ),
        (
            80,
            vec![
                PartitionSpec { guid, ..empty("a", exact(1)) },
                PartitionSpec { guid, ..empty("b", exact(1)) },
            ],
            "writing the partition table: partitions 1 and 2 have the same GUID 00000000-0000-0000-0000-000000000005",
        ),
    ];
    for (mib, partitions, text) in cases {
        assert_eq!(error_chain(&lay_out(&spec(DiskSize::Exact(mib * MIB), partitions)).unwrap_err()), text);
    }
    let odd = lay_out(&spec(DiskSize::Exact(8 * MIB + 1), Vec::new()));
    assert_eq!(odd.unwrap_err(), DiskError::PartSector { size: 8 * MIB + 1 });
    let many = (0..129).map(|n| empty(&n.to_string(), exact(1))).collect();
    assert_eq!(
        lay_out(&spec(DiskSize::Minimal, many)).unwrap_err(),
        DiskError::TooManyPartitions { count: 129 }
    );
    let most = (0..128).map(|n| empty(&n.to_string(), exact(1))).collect();
    assert_eq!(lay_out(&spec(DiskSize::Minimal, most)).unwrap().partitions[127].number, 128);
    let link = {
        let mut spec = esp(PartitionSize::Minimal { slack: 0 }, 1);
        if let PartitionContent::Volume(VolumeSpec { tree, .. }) = &mut spec.content {
            let meta = Meta::root_owned(0o777, Time::EPOCH);
            let node = Node { meta, kind: NodeKind::Symlink(Box::from(&b"x"[..])) };
            tree.add(tree.root(), Name::new(b"l").unwrap(), node).unwrap();
        }
        lay_out(&super::DiskSpec { partitions: vec![spec], ..self::spec(DiskSize::Minimal, Vec::new()) })
            .unwrap_err()
    };
    assert!(matches!(
        &link,
        DiskError::Sizing { source: ContentError::Volume(VolumeWriteError::Fat(_)), .. }
    ));
    assert_eq!(
        error_chain(&link),
        "sizing partition `esp`: planning a FAT32 volume: `/l` is a symlink, and FAT holds files and directories only"
    );
}

/// A root of that size with a partition for its hash tree behind it.
fn verified(size: PartitionSize, content: PartitionContent) -> Vec<PartitionSpec> {
    let tree = PartitionContent::HashTree { of: "root".to_owned() };
    vec![
        partition("root", size, content),
        partition("root-verity", PartitionSize::Minimal { slack: 0 }, tree),
    ]
}

#[test]
fn a_hash_tree_is_as_long_as_its_data_needs_and_shares_what_is_left() {
    let exact = |mib: u64| PartitionSize::Exact(mib * MIB);
    let empty = || PartitionContent::Empty;
    // A MiB has 256 blocks: of 126 MiB 252 over the data, two above them, the root and the superblock.
    for (size, mib, expected) in [
        (DiskSize::Minimal, exact(126), [(1, 126), (127, 1)]),
        (DiskSize::Minimal, exact(127), [(1, 127), (128, 2)]),
        (DiskSize::Exact(130 * MIB), PartitionSize::Fill, [(1, 126), (127, 1)]),
        (DiskSize::Exact(131 * MIB), PartitionSize::Fill, [(1, 127), (128, 2)]),
        (DiskSize::Exact(132 * MIB), PartitionSize::Fill, [(1, 128), (129, 2)]),
        (DiskSize::Exact(1 << 40), PartitionSize::Fill, [(1, 1_040_382), (1_040_383, 8_192)]),
    ] {
        let spec = spec(size, verified(mib, empty()));
        let mut plans = super::plan_data(&spec, &[]).unwrap();
        plans.hash(&NoSources, &EmitOptions { threads: 2 }, Monitor::none()).unwrap();
        assert_eq!(ranges(&plans.lay_out(Vec::new()).unwrap()), expected, "{size:?} {mib:?}");
    }
}

#[test]
fn guids_follow_from_the_root_hash_and_zeros_are_not_sent() {
    let mut bytes = vec![0; 3 << 20];
    bytes[..5].copy_from_slice(b"start");
    bytes[(2 << 20) + 5000] = 1;
    let content = |bytes: &[u8]| PartitionContent::Raw(Content::Inline(bytes.into()));
    let laid_out = |bytes: &[u8]| {
        let spec = spec(DiskSize::Minimal, verified(PartitionSize::Exact(8 * MIB), content(bytes)));
        let mut plans = super::plan_data(&spec, &[]).unwrap();
        plans.hash(&NoSources, &EmitOptions { threads: 1 }, Monitor::none()).unwrap();
        plans.lay_out(Vec::new()).unwrap()
    };
    let disk = laid_out(&bytes);
    let [verity] = disk.verity.as_slice() else { panic!("{:?}", disk.verity) };
    assert_eq!(
        (verity.data.as_str(), verity.hash.as_str(), verity.data_blocks),
        ("root", "root-verity", 2048)
    );
    let hash = verity.root_hash.to_string();
    let guids: Vec<_> = disk.partitions.iter().map(|one| one.guid.to_string().replace('-', "")).collect();
    assert_eq!(guids, [&hash[..32], &hash[32..]]);
    assert_eq!(disk.partitions[1].file_system, Some("verity"));
    // The data ends after 3 MiB; what follows was zero, and it is never read under the tree.
    let behind: Vec<_> = disk.plan.range(4 * MIB, 9 * MIB).map(|extent| extent.data).collect();
    assert_eq!(behind, [Data::Free]);
    let again = laid_out(&bytes);
    assert_eq!((again.plan, again.verity), (disk.plan.clone(), disk.verity.clone()));
    bytes[1 << 20] = 1;
    assert_ne!(laid_out(&bytes).verity[0].root_hash, verity.root_hash);
    // The checker agrees, and reads both partitions from the disk.
    let reader = PlanReader { plan: &disk.plan, sources: &NoSources };
    let window = |index: usize| {
        let PartitionLayout { start, len, .. } = disk.partitions[index];
        Window::new(&reader, start, len).unwrap()
    };
    let tree = verity::check::tree(&window(1)).unwrap();
    assert_eq!((tree.root, tree.count), (Some(verity.root_hash), 0));
    let (superblock, volume) = (&tree.superblock, &window(1) as &dyn ReadAt);
    let check = verity::check::DataCheck::new(superblock, volume, verity.root_hash);
    assert_eq!(check.differing(&window(0), 0..2048).unwrap(), [0_u64; 0]);
}

#[test]
fn blocks_of_zeros_are_free_under_a_tree_and_parts_of_blocks_are_not() {
    let mut claims = Claims::new(1 << 20);
    claims.claim(0, 100, Data::Free);
    claims.bytes(100, vec![1; 10]);
    claims.claim(110, 4096, Data::Zero);
    claims.bytes(12288, vec![1; 1]);
    claims.claim(12289, 4095, Data::Zero);
    let plan = super::hash::zeros_freed(&claims.finish(&Data::Free).unwrap()).unwrap();
    let shape: Vec<_> =
        plan.extents().iter().map(|extent| (extent.offset, format!("{:?}", extent.data))).collect();
    let expected = [
        (0, "Zero"),
        (100, "Bytes(+0)"),
        (110, "Zero"),
        (4096, "Free"),
        (12288, "Bytes(+0)"),
        (12289, "Zero"),
        (16384, "Free"),
    ];
    assert_eq!(shape, expected.map(|(at, data)| (at, data.to_owned())));
}

#[test]
fn a_hash_tree_needs_data_that_is_planned_before_it() {
    let mut partitions = verified(PartitionSize::Exact(MIB), PartitionContent::Empty);
    partitions[1].content = PartitionContent::HashTree { of: "usr".to_owned() };
    let missing = lay_out(&spec(DiskSize::Minimal, partitions));
    assert_eq!(
        missing.unwrap_err(),
        DiskError::NoData { id: "root-verity".to_owned(), of: "usr".to_owned() }
    );
    let spec = spec(DiskSize::Minimal, verified(PartitionSize::Exact(MIB), PartitionContent::Empty));
    let unhashed = lay_out(&spec).unwrap_err();
    assert!(matches!(unhashed, DiskError::Partition { source: ContentError::NotHashed, .. }));
    let mut sealed = super::plan_data(&spec, &[0]).unwrap();
    let refused = sealed.hash(&NoSources, &EmitOptions { threads: 1 }, Monitor::none());
    assert!(matches!(refused, Err(HashTreeError::Sealed { id }) if id == "root"));
}
