//! Directories and chains of clusters that would give a wrong tree.

use amiforge_formats::fat::corruption::{VolumeCorruption, VolumeLocation};
use amiforge_formats::fat::read;
use amiforge_formats::fat::read::FatReadError;
use amiforge_formats::plan::SourceId;

use super::fixture::{CLUSTERS, Case, Repair, corrupt, findings, link, one, path, root, volume};

/// Corruption of directories and chains that gives a wrong tree.
#[expect(clippy::too_many_lines, reason = "a table of cases")]
fn trees() -> Vec<Case> {
    use Repair::Copies;
    let last = CLUSTERS + 1;
    let lost = |count, first| (VolumeLocation::Table { index: 0 }, VolumeCorruption::Lost { count, first });
    let a = |corruption| (path("A.TXT"), corruption);
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

#[test]
fn trees_that_would_be_wrong_are_refused() {
    let good = volume();
    for (patches, repair, expected) in trees() {
        let mut volume = good.clone();
        corrupt(&mut volume, &patches, repair);
        assert_eq!(findings(&volume), expected);
        let refused = read::read(&volume, SourceId(0), 0);
        let Err(FatReadError::Damaged(finding)) = refused else { panic!("{expected:?}") };
        assert!(expected.contains(&(finding.location, finding.corruption)));
    }
}
