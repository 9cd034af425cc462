//! Boot sectors of no usable volume.

use std::io;

use amiforge_formats::fat::corruption::{VolumeCorruption, VolumeLocation};
use amiforge_formats::fat::read;
use amiforge_formats::fat::read::FatReadError;
use amiforge_formats::plan::SourceId;
use amiforge_formats::read_at::ReadAt;

use super::fixture::{CLUSTERS, Case, DATA, Repair, corrupt, findings, one, volume};

/// Corruption of the boot sector, and its findings.
fn boots() -> Vec<Case> {
    use Repair::Copies;
    let boot = |corruption| one(VolumeLocation::Boot, corruption);
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
        assert_eq!((finding.location, finding.corruption), expected[0]);
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
