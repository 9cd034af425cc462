//! Fuzzes the prediction of PCRs with arbitrary bytes as an image, and with arbitrary signature lists: it may refuse them, it
//! may not panic, hang or take unbounded memory. An image that is measured is measured the same when it is signed.
#![no_main]

use amiforge_formats::pcr::{self, Firmware, PhasePath, Variables};
use amiforge_formats::pe;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let _ = pcr::PolicyKey::parse(bytes);
    let Ok(headers) = pe::read(&bytes) else { return };
    let len = bytes.len() as u64;
    if let Ok(ranges) = pe::hashed_ranges(&bytes, len) {
        assert!(ranges.iter().all(|range| range.start < range.end && range.end <= len));
        let first = ranges.first().expect("headers are hashed");
        assert_eq!((first.start, first.end), (0, headers.checksum_at), "the checksum is left out");
    }
    let Ok(digests) = pcr::measure(&bytes, None) else { return };
    let registers = pcr::predict(&digests, &Firmware::default(), &PhasePath::default());
    assert_eq!(registers.expect("Secure Boot is off").len(), pcr::PREDICTED.len());
    // The end of the image as variables: parsed as signature lists.
    let db = bytes.get(bytes.len() / 2..).unwrap_or_default();
    let authority = pcr::authority(db, &[], &digests).ok();
    let known = authority.is_some();
    let variables = Variables { pk: vec![1], db: db.to_vec(), ..Variables::default() };
    let on = pcr::predict(&digests, &Firmware { variables, authority }, &PhasePath::default());
    assert_eq!(on.is_ok(), known);
});
