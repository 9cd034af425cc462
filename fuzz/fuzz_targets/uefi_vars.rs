//! Fuzzes the readers of signature lists and of EC2's stores of variables. What is read is written back to the same bytes
//! or variables.
//!
//! Stores are given as they are, and the bytes once more as the payload of a store with valid checksums.
#![no_main]

use amiforge_formats::uefi_vars::{
    Enrolment, Variable, decode_ec2, encode_ec2, parse_signature_lists, write_signature_lists,
};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(lists) = parse_signature_lists(bytes) {
        assert!(write_signature_lists(&lists) == bytes);
    }
    if let Ok(text) = std::str::from_utf8(bytes) {
        check(decode_ec2(text));
    }
    // A store of these bytes: what is read from a valid frame.
    let guid = amiforge_formats::uefi_vars::IMAGE_SECURITY_DATABASE;
    let name = "db".to_owned();
    let variable = Variable { name, guid, attributes: 0x27, data: bytes.to_vec(), timestamp: [0; 16] };
    if let Ok(text) = encode_ec2(std::slice::from_ref(&variable)) {
        assert!(decode_ec2(&text).as_deref() == Ok(&[variable]));
    }
});

/// Reads a store, and writes it again.
fn check<E>(read: Result<Vec<Variable>, E>) {
    let Ok(variables) = read else { return };
    let _ = Enrolment::of(&variables);
    if let Ok(text) = encode_ec2(&variables) {
        assert!(decode_ec2(&text).is_ok_and(|again| again == variables));
    }
}
