//! Fuzzes the verifier of attestation documents with arbitrary bytes: as a document, as its payload in a sound envelope, and
//! as a root. It may refuse them, it may not panic, hang or take unbounded memory, and nothing is authentic.
#![no_main]

use amiforge_attest::{Root, authenticate, decode_document, inspect, public_key_der};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(document) = decode_document(bytes.to_vec()) {
        let _ = inspect(&document);
        assert!(authenticate(&document, &Root::aws()).is_err(), "AWS signed none of these");
    }
    // The payload in an envelope of its own, so that its reader sees more than lengths.
    let length = u16::try_from(bytes.len()).unwrap_or(u16::MAX);
    let payload = &bytes[..usize::from(length)];
    let head = [0x84, 0x44, 0xa1, 0x01, 0x38, 0x22, 0xa0, 0x59];
    let signature = [&[0x58, 96][..], &[1; 96]].concat();
    let document = [&head, &length.to_be_bytes()[..], payload, &signature].concat();
    if let Ok(document) = inspect(&document) {
        let _ = document.certificates();
    }
    let _ = Root::from_pem(bytes);
    let _ = public_key_der(bytes);
});
