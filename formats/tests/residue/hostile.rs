//! Damaged volumes and disks: a survey may refuse them, it may not panic or find bytes outside.

use amiforge_formats::erofs::write::{ErofsOptions, minimal_len};
use amiforge_formats::fat::write::FatOptions;
use amiforge_formats::guid::Guid;
use amiforge_formats::residue::disk;
use amiforge_formats::volume::FsKind;
use amiforge_formats::{erofs, ext4, fat, swap};
use proptest::prelude::*;

use super::fixture::{MIB, TIME, bytes, ext4_options, full_tree, tree};

/// A volume of each format that is written here.
fn volumes() -> Vec<(FsKind, Vec<u8>)> {
    let options = FatOptions { volume_id: 1, label: "ESP".to_owned(), time: TIME, hidden_sectors: 2048 };
    let erofs = ErofsOptions { uuid: Guid::from_u128(7), label: "root".to_owned(), time: TIME };
    let least = minimal_len(&full_tree(), &erofs, 0).unwrap();
    vec![
        (FsKind::Ext4, bytes(&ext4::write::plan(&full_tree(), &ext4_options(), 24 * MIB as u64).unwrap())),
        (FsKind::Fat, bytes(&fat::write::plan(&tree(), &options, 40 * MIB as u64).unwrap())),
        (FsKind::Erofs, bytes(&erofs::write::plan(&full_tree(), &erofs, least).unwrap())),
        (FsKind::Swap, bytes(&swap::plan(Guid::from_u128(7), "swap", MIB as u64).unwrap())),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_damage_makes_a_survey_panic(
        changes in proptest::collection::vec((any::<u32>(), any::<u8>(), 0_u8..4), 1..12),
        keep_checksums in any::<bool>(),
    ) {
        for (kind, mut volume) in volumes() {
            let used: Vec<usize> = (0..volume.len()).step_by(64)
                .filter(|at| volume[*at..(*at + 64).min(volume.len())].iter().any(|byte| *byte != 0))
                .collect();
            for (at, value, bias) in &changes {
                // Mostly where there is something, and mostly at its beginning.
                let at = match bias {
                    0 => *at as usize % volume.len(),
                    1 => used[*at as usize % used.len().min(64)] + *at as usize % 64,
                    _ => used[*at as usize % used.len()] + *at as usize % 64,
                };
                if let Some(byte) = volume.get_mut(at) {
                    *byte = *value;
                }
            }
            if kind == FsKind::Ext4 && !keep_checksums {
                volume[1024 + 0x65] &= !4;
            }
            if let Ok(found) = kind.format().residue(&volume) {
                for one in found {
                    prop_assert!(one.len > 0 && one.offset + one.len <= volume.len() as u64, "{one:?}");
                }
            }
            disk(&volume).unwrap();
            volume.truncate(volume.len() / 3);
            let _ = kind.format().residue(&volume);
        }
    }
}
