//! Fuzzes the reader of `origins.txt`: it may refuse any bytes, it may not panic, and what it reads it writes again.
#![no_main]

use amiforge_image::origins::Origins;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(origins) = Origins::parse(bytes) {
        assert_eq!(Origins::parse(origins.text().as_bytes()), Ok(origins));
    }
});
