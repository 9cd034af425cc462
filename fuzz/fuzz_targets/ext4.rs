//! Fuzzes the ext4 reader and checker with arbitrary bytes: they may refuse them, they may not panic, hang or take
//! unbounded memory.
#![no_main]

use amiforge_formats::ext4::check::check;
use amiforge_formats::ext4::read::open;
use amiforge_formats::plan::SourceId;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(file_system) = open(bytes) {
        let _ = file_system.tree(SourceId(0));
    }
    let _ = check(bytes);
});
