//! Fuzzes the EROFS reader and checker: they may refuse what they are given, they may not panic, hang or take unbounded
//! memory. What the reader refuses the checker has a finding for, and contents are within the image.
//!
//! The first byte chooses what is done so that changes get past the checksum: nothing (even), or it is repaired (odd).
#![no_main]

use amiforge_formats::erofs::check::check;
use amiforge_formats::erofs::read::open;
use amiforge_formats::plan::SourceId;
use amiforge_formats::tree::{NodeKind, Origin};
use libfuzzer_sys::fuzz_target;

/// First byte of the superblock, and of its checksum.
const SUPERBLOCK: usize = 1024;
const CHECKSUM: usize = SUPERBLOCK + 4;

fn repair(image: &mut [u8]) {
    if image.len() < 4096 {
        return;
    }
    image[CHECKSUM..CHECKSUM + 4].fill(0);
    let sum = !crc32c::crc32c(&image[SUPERBLOCK..4096]);
    image[CHECKSUM..CHECKSUM + 4].copy_from_slice(&sum.to_le_bytes());
}

fuzz_target!(|bytes: &[u8]| {
    let Some((&mode, image)) = bytes.split_first() else { return };
    let mut image = image.to_vec();
    if mode % 2 == 1 {
        repair(&mut image);
    }
    let read = open(&image).and_then(|system| system.tree(SourceId(0)));
    if let Ok(tree) = &read {
        for entry in tree.walk() {
            let NodeKind::File(content) = &tree.node(entry.id).kind else { continue };
            for segment in content.segments() {
                let Origin::Slice { at, .. } = segment.origin else { continue };
                assert!(at + segment.len <= image.len() as u64);
            }
        }
    }
    if let Ok(report) = check(&image) {
        assert!(read.is_ok() || !report.is_clean());
    }
});
