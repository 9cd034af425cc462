//! Fuzzes the reader of relations between rpm packages: it may refuse a text, it may not panic, and what it writes it
//! reads as the same.
#![no_main]

use amiforge_packages::rpm::relation::RpmDependency;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    if let Ok(read) = RpmDependency::parse(text) {
        let again = RpmDependency::parse(&read.to_string()).map(|again| again.to_string());
        assert_eq!(again, Ok(read.to_string()));
    }
});
