//! Fuzzes the file systems of the independent verifier: whatever a volume holds, there is a report, and soon.
//!
//! The first byte chooses the file system, and whether the checksum of a superblock is made good first.
#![no_main]

use amiforge_verify::{Report, erofs, ext4, fat, gpt, swap, verity};
use libfuzzer_sys::fuzz_target;

/// Makes the checksum of the superblock of ext4 or EROFS good.
fn repair(volume: &mut [u8]) {
    if volume.len() < 4096 {
        return;
    }
    let ext4 = !crc32c::crc32c(&volume[1024..1024 + 0x3fc]);
    if volume[1024 + 0x38..1024 + 0x3a] == [0x53, 0xef] {
        volume[1024 + 0x3fc..2048].copy_from_slice(&ext4.to_le_bytes());
    } else {
        volume[1028..1032].fill(0);
        let erofs = !crc32c::crc32c(&volume[1024..4096]);
        volume[1028..1032].copy_from_slice(&erofs.to_le_bytes());
    }
}

fuzz_target!(|bytes: &[u8]| {
    let Some((&mode, volume)) = bytes.split_first() else { return };
    let mut volume = volume.to_vec();
    if mode & 0x80 != 0 {
        repair(&mut volume);
    }
    let mut report = Report::default();
    let mut log = report.part("volume", 0);
    match mode % 6 {
        0 => _ = ext4::check(&volume, &mut log),
        1 => _ = fat::check(&volume, &mut log),
        2 => _ = erofs::check(&volume, &mut log),
        3 => _ = swap::check(&volume, &mut log),
        4 => _ = gpt::read(&volume, &mut log),
        _ => {
            if let Ok(Some((tree, _))) = verity::superblock(&volume, &mut log) {
                let _ = tree.check_tree(&volume, &mut log);
                let _ = tree.check_data(&volume, &volume, &mut log);
            }
        }
    }
    assert!(amiforge_verify::json::Json::parse(report.to_json().as_bytes()).is_ok());
});
