//! Fuzzes every format of the registry with arbitrary bytes: signatures, readers, checkers and surveys may refuse them, they
//! may not panic, hang or take unbounded memory. A new format is fuzzed here without a target of its own.
#![no_main]

use amiforge_formats::plan::SourceId;
use amiforge_formats::residue;
use amiforge_formats::tree::{NodeKind, Origin};
use amiforge_formats::volume::{FsKind, probe};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let _ = probe(&bytes);
    assert!(residue::disk(&bytes).is_ok(), "memory can be read");
    for format in FsKind::ALL.map(FsKind::format) {
        let _ = format.check(&bytes);
        if let Ok(map) = format.map(&bytes) {
            let end = map.ranges().iter().fold(0, |at, range| {
                assert_eq!(range.start, at);
                range.end()
            });
            assert_eq!(end, bytes.len() as u64);
        }
        if let Ok(found) = format.residue(&bytes) {
            assert!(found.iter().all(|one| one.len > 0 && one.offset + one.len <= bytes.len() as u64));
        }
        let _ = format.file(&bytes, b"usr/lib/amiforge/recipe.toml", 1 << 20);
        let Ok(volume) = format.read(&bytes, SourceId(0)) else { continue };
        let Some(tree) = volume.tree else { continue };
        for entry in tree.walk() {
            let NodeKind::File(content) = &tree.node(entry.id).kind else { continue };
            for segment in content.segments() {
                let Origin::Slice { at, .. } = segment.origin else { continue };
                assert!(at + segment.len <= bytes.len() as u64);
            }
        }
    }
});
