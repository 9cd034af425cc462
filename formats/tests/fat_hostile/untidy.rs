//! Corruption with which a volume is still read.

use amiforge_formats::fat::corruption::{VolumeCorruption, VolumeLocation};
use amiforge_formats::fat::read;
use amiforge_formats::plan::SourceId;

use super::fixture::{CLUSTERS, Case, Repair, TABLE, corrupt, dir, findings, link, one, path, root, volume};

/// Corruption with which a volume is still read, and its findings.
#[expect(clippy::too_many_lines, reason = "a table of cases")]
fn untidy() -> Vec<Case> {
    use Repair::{Copies, Nothing};
    let fsinfo = |corruption| one(VolumeLocation::FsInfo, corruption);
    let boot = |corruption| one(VolumeLocation::Boot, corruption);
    let table = |index, corruption| one(VolumeLocation::Table { index }, corruption);
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
            boot(VolumeCorruption::OutsideReserved { what: "FSInfo sector", sector: 32, reserved: 32 }),
        ),
        (
            vec![(50, &[0xfe, 0xff])],
            Copies,
            boot(VolumeCorruption::OutsideReserved {
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
fn untidy_volumes_are_reported_and_read() {
    let good = volume();
    for (patches, repair, expected) in untidy() {
        let mut volume = good.clone();
        corrupt(&mut volume, &patches, repair);
        assert_eq!(findings(&volume), expected);
        let read = read::read(&volume, SourceId(0), 0);
        let cross =
            expected.iter().any(|(_, corruption)| matches!(corruption, VolumeCorruption::CrossLink { .. }));
        assert_eq!(read.is_ok(), !cross, "{expected:?}");
    }
}
