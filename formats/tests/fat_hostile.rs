//! Damaged FAT volumes: a field corrupted, what repeats it repaired, and the exact findings expected.
#![expect(clippy::unwrap_used, reason = "a test's own steps must not fail")]

use std::io;

use amiforge_formats::fat::corruption::{VolumeCorruption, VolumeLocation};
use amiforge_formats::fat::read::FatReadError;
use amiforge_formats::fat::{check, read, write};
use amiforge_formats::plan::{NoSources, SourceId};
use amiforge_formats::read_at::ReadAt;
use amiforge_formats::time::Time;
use amiforge_formats::tree::{Content, Meta, Name, Node, NodeId, NodeKind, Tree};
use proptest::prelude::*;

/// 34 MiB: clusters of a sector, of which there are fewer than 2^17.
const SECTORS: usize = 69_632;
const RESERVED: usize = 32;
const TABLE: usize = 536 * 512;
const DATA: usize = RESERVED * 512 + 2 * TABLE;
const CLUSTERS: u32 = (SECTORS - DATA / 512) as u32;

/// The root has the label, `A.TXT` (clusters 130 to 132), `DIR` (3) and `a long name.txt` (146, 147), which takes three
/// entries; `DIR` has `.`, `..` and `B.BIN` (138).
fn volume() -> Vec<u8> {
    let meta = Meta::root_owned(0o755, Time::from_secs(1_700_000_000));
    let mut tree = Tree::new(meta.clone());
    let mut add = |dir: NodeId, name: &str, kind: NodeKind| {
        tree.add(dir, Name::new(name.as_bytes()).unwrap(), Node { meta: meta.clone(), kind }).unwrap()
    };
    let file = |len: usize| NodeKind::File(Content::Inline(vec![b'x'; len].into()));
    let root = {
        let other = Tree::new(meta.clone());
        other.root()
    };
    let dir = add(root, "DIR", NodeKind::dir());
    add(root, "A.TXT", file(1500));
    add(root, "a long name.txt", file(600));
    add(dir, "B.BIN", file(100));
    let time = Time::from_secs(1_700_000_000);
    let options = write::FatOptions { volume_id: 1, label: "ESP".to_owned(), time, hidden_sectors: 0 };
    let plan = write::plan(&tree, &options, SECTORS as u64 * 512).unwrap();
    let mut bytes = vec![0; SECTORS * 512];
    plan.read_exact_at(&NoSources, 0, &mut bytes).unwrap();
    bytes
}

/// Where an entry of the root, or of `DIR`, stands.
fn root(index: usize) -> usize {
    DATA + index * 32
}

fn dir(index: usize) -> usize {
    DATA + 512 + index * 32
}

/// Where a cluster's entry of the first table stands.
fn link(cluster: usize) -> usize {
    RESERVED * 512 + cluster * 4
}

/// What is repaired after the corruption.
#[derive(Clone, Copy, PartialEq)]
enum Repair {
    /// The backup boot sector, the second table, and the count of free clusters.
    Copies,
    Nothing,
}

/// Bytes put at offsets, what is repaired, and what is found then.
type Case = (Vec<(usize, &'static [u8])>, Repair, Vec<(VolumeLocation, VolumeCorruption)>);

fn corrupt(volume: &mut [u8], patches: &[(usize, &[u8])], repair: Repair) {
    for (at, bytes) in patches {
        volume[*at..at + bytes.len()].copy_from_slice(bytes);
    }
    if repair == Repair::Nothing {
        return;
    }
    volume.copy_within(0..512, 6 * 512);
    volume.copy_within(RESERVED * 512..RESERVED * 512 + TABLE, RESERVED * 512 + TABLE);
    let free = (2..2 + CLUSTERS as usize).filter(|cluster| volume[link(*cluster)..][..4] == [0; 4]).count();
    for sector in [1, 7] {
        volume[sector * 512 + 488..][..4].copy_from_slice(&(free as u32).to_le_bytes());
    }
}

fn path(text: &str) -> VolumeLocation {
    VolumeLocation::Path(text.as_bytes().to_vec())
}

fn one(place: VolumeLocation, fault: VolumeCorruption) -> Vec<(VolumeLocation, VolumeCorruption)> {
    vec![(place, fault)]
}

fn findings(volume: &dyn ReadAt) -> Vec<(VolumeLocation, VolumeCorruption)> {
    check::check(volume).unwrap().into_iter().map(|finding| (finding.place, finding.fault)).collect()
}

/// Boot sectors that give no volume.
fn boots() -> Vec<Case> {
    use Repair::Copies;
    let boot = |fault| one(VolumeLocation::Boot, fault);
    let last = CLUSTERS + 1;
    vec![
        (vec![(510, &[0x55, 0xab])], Copies, boot(VolumeCorruption::Signature { found: 0xab55 })),
        (vec![(11, &[0xf4, 1])], Copies, boot(VolumeCorruption::SectorLen { found: 500 })),
        (vec![(11, &[0, 0])], Copies, boot(VolumeCorruption::SectorLen { found: 0 })),
        (vec![(11, &[0, 0x20])], Copies, boot(VolumeCorruption::SectorLen { found: 8192 })),
        (vec![(13, &[0])], Copies, boot(VolumeCorruption::ClusterLen { found: 0 })),
        (vec![(13, &[3])], Copies, boot(VolumeCorruption::ClusterLen { found: 3 })),
        (vec![(14, &[0, 0])], Copies, boot(VolumeCorruption::NoReserved)),
        (vec![(16, &[0])], Copies, boot(VolumeCorruption::NoTables)),
        (vec![(36, &[0; 4])], Copies, boot(VolumeCorruption::NoTableSectors)),
        (vec![(32, &[0; 4])], Copies, boot(VolumeCorruption::NoSectors)),
        (
            vec![(32, &[1, 0x10, 1, 0])],
            Copies,
            boot(VolumeCorruption::PastEnd { stored: 69_633, available: 69_632 }),
        ),
        (
            vec![(32, &[0xff; 4])],
            Copies,
            boot(VolumeCorruption::PastEnd { stored: 0xffff_ffff, available: 69_632 }),
        ),
        (
            vec![(16, &[200])],
            Copies,
            boot(VolumeCorruption::NoData { start: 32 + 200 * 536, sectors: 69_632 }),
        ),
        (
            vec![(36, &[0xff; 4])],
            Copies,
            boot(VolumeCorruption::NoData { start: 32 + 2 * 0xffff_ffff, sectors: 69_632 }),
        ),
        (
            vec![(36, &[100, 0, 0, 0])],
            Copies,
            boot(VolumeCorruption::ShortTable { entries: 12_800, clusters: 69_400 }),
        ),
        (vec![(42, &[1, 2])], Copies, boot(VolumeCorruption::Version { found: 0x0201 })),
        (vec![(40, &[0x82])], Copies, boot(VolumeCorruption::ActiveTable { index: 2, tables: 2 })),
        (vec![(44, &[0; 4])], Copies, boot(VolumeCorruption::NoSuchCluster { cluster: 0, last })),
        (vec![(44, &[1, 0, 0, 0])], Copies, boot(VolumeCorruption::NoSuchCluster { cluster: 1, last })),
        (vec![(44, &[0xff; 4])], Copies, boot(VolumeCorruption::NoSuchCluster { cluster: u32::MAX, last })),
    ]
}

/// Trees that would be wrong.
#[expect(clippy::too_many_lines, reason = "a table of cases")]
fn trees() -> Vec<Case> {
    use Repair::Copies;
    let last = CLUSTERS + 1;
    let lost = |count, first| (VolumeLocation::Table { index: 0 }, VolumeCorruption::Lost { count, first });
    let a = |fault| (path("A.TXT"), fault);
    vec![
        (
            vec![(root(1) + 26, &[0, 0])],
            Copies,
            vec![lost(3, 130), a(VolumeCorruption::NoSuchCluster { cluster: 0, last })],
        ),
        (
            vec![(root(1) + 26, &[1, 0])],
            Copies,
            vec![lost(3, 130), a(VolumeCorruption::NoSuchCluster { cluster: 1, last })],
        ),
        (
            vec![(root(1) + 20, &[0, 0xf0])],
            Copies,
            vec![lost(3, 130), a(VolumeCorruption::NoSuchCluster { cluster: 0xf000_0082, last })],
        ),
        (
            vec![(root(1) + 26, &[131, 0])],
            Copies,
            vec![lost(1, 130), a(VolumeCorruption::ChainTooShort { len: 1500, available: 1024 })],
        ),
        (
            vec![(link(131), &[0; 4])],
            Copies,
            vec![lost(1, 132), a(VolumeCorruption::FreeInChain { cluster: 131 })],
        ),
        (
            vec![(link(131), &[0xf7, 0xff, 0xff, 0x0f])],
            Copies,
            vec![lost(1, 132), a(VolumeCorruption::BadInChain { cluster: 131 })],
        ),
        (
            vec![(link(131), &[130, 0, 0, 0])],
            Copies,
            vec![lost(1, 132), a(VolumeCorruption::CrossLink { cluster: 130 })],
        ),
        (
            vec![(link(131), &[131, 0, 0, 0])],
            Copies,
            vec![lost(1, 132), a(VolumeCorruption::CrossLink { cluster: 131 })],
        ),
        (
            vec![(link(131), &[138, 0, 0, 0])],
            Copies,
            vec![lost(1, 132), (path("DIR/B.BIN"), VolumeCorruption::CrossLink { cluster: 138 })],
        ),
        (
            vec![(link(131), &[1, 0, 0, 0])],
            Copies,
            vec![lost(1, 132), a(VolumeCorruption::NoSuchCluster { cluster: 1, last })],
        ),
        (
            vec![(link(131), &[0xf0, 0xde, 0xbc, 0x0a])],
            Copies,
            vec![lost(1, 132), a(VolumeCorruption::NoSuchCluster { cluster: 0x0abc_def0, last })],
        ),
        (
            vec![(link(131), &[0xff, 0xff, 0xff, 0x0f])],
            Copies,
            vec![lost(1, 132), a(VolumeCorruption::ChainTooShort { len: 1500, available: 1024 })],
        ),
        (
            vec![(root(1) + 28, &[0xff; 4])],
            Copies,
            one(path("A.TXT"), VolumeCorruption::ChainTooShort { len: u32::MAX, available: 1536 }),
        ),
        (
            vec![(root(1), b"DIR        ")],
            Copies,
            vec![
                lost(2, 3),
                (path("DIR"), VolumeCorruption::SameShort { name: *b"DIR        " }),
                (path("DIR"), VolumeCorruption::SameName),
            ],
        ),
        (
            vec![(root(1), b"A/")],
            Copies,
            vec![
                lost(3, 130),
                (path("A/.TXT"), VolumeCorruption::ShortName { byte: b'/' }),
                (path("A/.TXT"), VolumeCorruption::NoName),
            ],
        ),
        (
            vec![(root(2) + 26, &[2, 0])],
            Copies,
            vec![lost(2, 3), (path("DIR"), VolumeCorruption::CrossLink { cluster: 2 })],
        ),
        (
            vec![(root(2) + 26, &[0, 0])],
            Copies,
            vec![lost(2, 3), (path("DIR"), VolumeCorruption::NoSuchCluster { cluster: 0, last })],
        ),
        (
            vec![(link(3), &[3, 0, 0, 0])],
            Copies,
            one(path("DIR"), VolumeCorruption::CrossLink { cluster: 3 }),
        ),
        (vec![(link(2), &[2, 0, 0, 0])], Copies, one(path(""), VolumeCorruption::CrossLink { cluster: 2 })),
    ]
}

/// Volumes that are read, but not as clean.
#[expect(clippy::too_many_lines, reason = "a table of cases")]
fn untidy() -> Vec<Case> {
    use Repair::{Copies, Nothing};
    let fsinfo = |fault| one(VolumeLocation::FsInfo, fault);
    let boot = |fault| one(VolumeLocation::Boot, fault);
    let table = |index, fault| one(VolumeLocation::Table { index }, fault);
    let lost = |count, first| (VolumeLocation::Table { index: 0 }, VolumeCorruption::Lost { count, first });
    let long = || path("a long name.t");
    let short = || path("ALONGN~1.TXT");
    let counted = CLUSTERS - 8;
    let backup = |found, expected| {
        one(VolumeLocation::BackupBoot, VolumeCorruption::BackupDiffers { at: 67, found, expected })
    };
    vec![
        (vec![(67, &[9])], Nothing, backup(1, 9)),
        (vec![(6 * 512 + 67, &[9])], Nothing, backup(9, 1)),
        (
            vec![(48, &[32, 0])],
            Copies,
            boot(VolumeCorruption::ReservedPlace { what: "FSInfo sector", sector: 32, reserved: 32 }),
        ),
        (
            vec![(50, &[0xfe, 0xff])],
            Copies,
            boot(VolumeCorruption::ReservedPlace {
                what: "backup boot sector",
                sector: 0xfffe,
                reserved: 32,
            }),
        ),
        (
            vec![(512, b"RRaB")],
            Nothing,
            fsinfo(VolumeCorruption::FsInfoSignature { found: 0x4261_5252, expected: 0x4161_5252 }),
        ),
        (
            vec![(996, b"rrAb")],
            Nothing,
            fsinfo(VolumeCorruption::FsInfoSignature { found: 0x6241_7272, expected: 0x6141_7272 }),
        ),
        (
            vec![(1020, &[1])],
            Nothing,
            fsinfo(VolumeCorruption::FsInfoSignature { found: 0xaa55_0001, expected: 0xaa55_0000 }),
        ),
        (vec![(1000, &[7, 0, 0, 0])], Nothing, fsinfo(VolumeCorruption::FreeCount { stored: 7, counted })),
        (vec![(1004, &[0, 0, 0, 0x10])], Nothing, fsinfo(VolumeCorruption::FreeHint { found: 0x1000_0000 })),
        (
            vec![(link(0), &[0xf0])],
            Copies,
            table(0, VolumeCorruption::Media { found: 0x0fff_fff0, media: 0xf8 }),
        ),
        (vec![(link(1) + 3, &[0x07])], Copies, table(0, VolumeCorruption::Dirty)),
        (vec![(link(1) + 3, &[0x0b])], Copies, table(0, VolumeCorruption::Dirty)),
        (vec![(link(131) + TABLE, &[9])], Nothing, table(1, VolumeCorruption::TablesDiffer { at: 524 })),
        (
            vec![(link(5000), &[0xff, 0xff, 0xff, 0x0f]), (link(5001), &[0, 0, 0, 8])],
            Copies,
            one(lost(2, 5000).0, lost(2, 5000).1),
        ),
        (
            vec![(root(1) + 28, &[1, 0, 0, 0])],
            Copies,
            vec![lost(2, 131), (path("A.TXT"), VolumeCorruption::ChainTooLong { len: 1 })],
        ),
        (
            vec![(root(1) + 28, &[0; 4])],
            Copies,
            vec![lost(3, 130), (path("A.TXT"), VolumeCorruption::ChainTooLong { len: 0 })],
        ),
        (
            vec![(dir(0) + 26, &[9, 0])],
            Copies,
            one(path("DIR"), VolumeCorruption::DotCluster { name: ".", found: 9, expected: 3 }),
        ),
        (
            vec![(dir(1) + 26, &[2, 0])],
            Copies,
            one(path("DIR"), VolumeCorruption::DotCluster { name: "..", found: 2, expected: 0 }),
        ),
        (
            vec![(dir(0), b"X")],
            Copies,
            vec![
                (path("DIR"), VolumeCorruption::NoDot { name: "." }),
                (path("DIR/X"), VolumeCorruption::CrossLink { cluster: 3 }),
            ],
        ),
        (
            vec![(root(5), b"B")],
            Copies,
            one(path("BLONGN~1.TXT"), VolumeCorruption::LongSum { stored: 0x42, computed: 0xbc }),
        ),
        (vec![(root(4) + 13, &[0])], Copies, one(short(), VolumeCorruption::OrphanLong)),
        (vec![(root(3), &[0x43])], Copies, one(short(), VolumeCorruption::OrphanLong)),
        (vec![(root(3), &[0x55])], Copies, one(short(), VolumeCorruption::OrphanLong)),
        (vec![(root(4), &[0xe5])], Copies, one(short(), VolumeCorruption::OrphanLong)),
        (vec![(root(4), &[0x41])], Copies, vec![(long(), VolumeCorruption::OrphanLong)]),
        (vec![(root(4) + 1, &[0, 0xd8])], Copies, one(short(), VolumeCorruption::LongName)),
        (vec![(root(4) + 3, &[b'/', 0])], Copies, one(short(), VolumeCorruption::LongName)),
        (vec![(root(4) + 3, &[0, 0])], Copies, one(short(), VolumeCorruption::LongName)),
        (vec![(root(5), &[0xe5])], Copies, vec![lost(2, 146), (path(""), VolumeCorruption::OrphanLong)]),
        (
            vec![(root(1) + 24, &[0xff, 0xff])],
            Copies,
            one(path("A.TXT"), VolumeCorruption::Stamp { date: 0xffff, time: 0xb1aa }),
        ),
        (
            vec![(root(1) + 11, &[0xa0])],
            Copies,
            one(path("A.TXT"), VolumeCorruption::Attributes { bits: 0x80 }),
        ),
        (vec![(root(1), b"A*")], Copies, one(path("A*.TXT"), VolumeCorruption::ShortName { byte: b'*' })),
        (
            vec![(root(2) + 28, &[1, 0, 0, 0])],
            Copies,
            one(path("DIR"), VolumeCorruption::DirectoryLen { len: 1 }),
        ),
        (vec![(dir(2) + 11, &[8])], Copies, vec![lost(1, 138), (path("DIR"), VolumeCorruption::StrayLabel)]),
        (
            vec![(71, b"XSP")],
            Copies,
            boot(VolumeCorruption::Label { boot: *b"XSP        ", root: *b"ESP        " }),
        ),
    ]
}

#[test]
fn the_undamaged_volume_has_no_finding() {
    assert_eq!(findings(&volume()), []);
}

#[test]
fn unusable_boot_sectors_are_refused() {
    let good = volume();
    for (patches, repair, expected) in boots() {
        let mut volume = good.clone();
        corrupt(&mut volume, &patches, repair);
        assert_eq!(findings(&volume), expected);
        let Err(FatReadError::Damaged(finding)) = read::read(&volume, SourceId(0), 0) else {
            panic!("{expected:?}")
        };
        assert_eq!((finding.place, finding.fault), expected[0]);
    }
}

#[test]
fn trees_that_would_be_wrong_are_refused() {
    let good = volume();
    for (patches, repair, expected) in trees() {
        let mut volume = good.clone();
        corrupt(&mut volume, &patches, repair);
        assert_eq!(findings(&volume), expected);
        let refused = read::read(&volume, SourceId(0), 0);
        let Err(FatReadError::Damaged(finding)) = refused else { panic!("{expected:?}") };
        assert!(expected.contains(&(finding.place, finding.fault)));
    }
}

#[test]
fn untidy_volumes_are_told_and_read() {
    let good = volume();
    for (patches, repair, expected) in untidy() {
        let mut volume = good.clone();
        corrupt(&mut volume, &patches, repair);
        assert_eq!(findings(&volume), expected);
        let read = read::read(&volume, SourceId(0), 0);
        let cross = expected.iter().any(|(_, fault)| matches!(fault, VolumeCorruption::CrossLink { .. }));
        assert_eq!(read.is_ok(), !cross, "{expected:?}");
    }
}

/// A volume of which only the first bytes are not zero.
struct Vast {
    start: Vec<u8>,
    len: u64,
}

impl ReadAt for Vast {
    fn size(&self) -> u64 {
        self.len
    }

    fn read_exact_at(&self, offset: u64, buf: &mut [u8]) -> io::Result<()> {
        for (at, byte) in (offset..).zip(buf) {
            *byte = usize::try_from(at).ok().and_then(|at| self.start.get(at)).copied().unwrap_or(0);
        }
        Ok(())
    }
}

#[test]
fn more_clusters_than_fat32_counts_are_refused() {
    let mut start = volume()[..512].to_vec();
    start[32..36].fill(0xff);
    let vast = Vast { start, len: 1 << 41 };
    let clusters = u64::from(u32::MAX) - DATA as u64 / 512;
    assert_eq!(findings(&vast), one(VolumeLocation::Boot, VolumeCorruption::ManyClusters { clusters }));
    for len in [0, 1, 511] {
        let vast = Vast { start: Vec::new(), len };
        assert_eq!(findings(&vast), one(VolumeLocation::Boot, VolumeCorruption::TooShort { len }));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn flipped_bytes_never_panic(flips in prop::collection::vec((0..6_usize, any::<prop::sample::Index>(), any::<u8>()), 1..8)) {
        let mut volume = volume();
        for (area, index, byte) in flips {
            let (start, len) = match area {
                0 => (0, 90),
                1 => (512, 512),
                2 => (link(0), 600),
                3 | 4 => (root(0), 1024),
                _ => (0, SECTORS * 512),
            };
            volume[start + index.index(len)] = byte;
        }
        let _ = read::read(&volume, SourceId(0), 0);
        let _ = check::check(&volume);
    }

    #[test]
    fn any_bytes_never_panic(mut bytes in prop::collection::vec(any::<u8>(), 512..8192), fat12 in any::<bool>()) {
        bytes[510..512].copy_from_slice(&[0x55, 0xaa]);
        bytes[11..17].copy_from_slice(&[0, 2, 1, 1, 0, 1]);
        if fat12 {
            let sectors = (bytes.len() / 512) as u16;
            bytes[17..24].copy_from_slice(&[16, 0, sectors as u8, 0, 0xf8, 1, 0]);
        }
        let _ = read::read(&bytes, SourceId(0), 0);
        let _ = check::check(&bytes);
    }
}
