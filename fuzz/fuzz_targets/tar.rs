//! Fuzzes the tar reader with arbitrary bytes: it may refuse them, it may not panic, hang or take unbounded memory.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    // The reader's call stands here once there is one.
    let _ = bytes;
});
