//! Fuzzes the FAT reader and checker with arbitrary bytes: they may refuse them, they may not panic, hang or take
//! unbounded memory. Every length of a file lies within the volume, so walking the tree's segments is bounded too.
#![no_main]

use amiforge_formats::fat::{check, read};
use amiforge_formats::plan::SourceId;
use amiforge_formats::tree::{NodeKind, Origin};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(volume) = read::read(&bytes, SourceId(0), 0) {
        for entry in volume.tree.walk() {
            let NodeKind::File(content) = &volume.tree.node(entry.id).kind else { continue };
            for segment in content.segments() {
                let Origin::Slice { at, .. } = segment.origin else { continue };
                assert!(at + segment.len <= bytes.len() as u64);
            }
        }
    }
    let _ = check::check(&bytes);
});
