//! Fuzzes the ext4 reader, checker and survey: they may refuse what they are given, they may not panic, hang or take unbounded
//! memory.
//!
//! The first byte chooses what is done so that changes get past the checksums: nothing (0), the superblock's checksum
//! is repaired (1), or the feature of checksums is taken away, so that every structure is read as it is (2).
#![no_main]

use amiforge_formats::ext4::check::check;
use amiforge_formats::ext4::read::open;
use amiforge_formats::plan::SourceId;
use amiforge_formats::volume::FsKind;
use libfuzzer_sys::fuzz_target;

/// First byte of the superblock, where its checksum stands in it, and where the features that may be ignored for
/// reading stand.
const SUPERBLOCK: usize = 1024;
const CHECKSUM: usize = SUPERBLOCK + 0x3fc;
const RO_COMPAT: usize = SUPERBLOCK + 0x64;

fn repair(image: &mut [u8], mode: u8) {
    if image.len() < 2048 {
        return;
    }
    if mode % 3 == 2 {
        // metadata_csum is bit 10, uninit_bg bit 4.
        image[RO_COMPAT + 1] &= !4;
        image[RO_COMPAT] &= !0x10;
    }
    if mode % 3 != 0 {
        let sum = !crc32c::crc32c(&image[SUPERBLOCK..CHECKSUM]);
        image[CHECKSUM..2048].copy_from_slice(&sum.to_le_bytes());
    }
}

fuzz_target!(|bytes: &[u8]| {
    let Some((&mode, image)) = bytes.split_first() else { return };
    let mut image = image.to_vec();
    repair(&mut image, mode);
    if let Ok(file_system) = open(&image) {
        let _ = file_system.tree(SourceId(0));
        let _ = file_system.used_blocks().take(10_000).count();
    }
    let _ = check(&image);
    let _ = FsKind::Ext4.format().residue(&image);
});
