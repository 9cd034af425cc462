//! Fuzzes the tar reader with arbitrary bytes: it may refuse them, it may not panic, hang or take unbounded memory.
#![no_main]

use amiforge_formats::plan::SourceId;
use amiforge_rootfs::sources::tar::{ArchiveLocation, index};
use amiforge_progress::Monitor;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let place = ArchiveLocation { source: SourceId(0), at: 0 };
    let _ = index(&bytes.to_vec(), place, Monitor::none());
    // Once more with every checksum right, or hardly a mutation gets past the first header.
    let mut mended = bytes.to_vec();
    for block in mended.chunks_exact_mut(512).filter(|block| block.iter().any(|byte| *byte != 0)) {
        block[148..156].fill(b' ');
        let sum: u32 = block.iter().map(|byte| u32::from(*byte)).sum();
        block[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    }
    mended.resize(mended.len().next_multiple_of(512) + 1024, 0);
    let _ = index(&mended, place, Monitor::none());
});
