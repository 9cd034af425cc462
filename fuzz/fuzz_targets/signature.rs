//! Fuzzes the readers of signed texts, signatures and keyrings with arbitrary bytes.
#![no_main]

use std::sync::OnceLock;

use amiforge_packages::signature::{Keyring, verify_inrelease, verify_release};
use libfuzzer_sys::fuzz_target;

static KEYRING: OnceLock<Vec<Keyring>> = OnceLock::new();

fuzz_target!(|bytes: &[u8]| {
    let known = KEYRING.get_or_init(|| {
        let bytes = include_bytes!("../../fixtures/signatures/keyring.gpg");
        vec![Keyring::read("known", bytes).expect("a keyring")]
    });
    let _ = verify_inrelease(bytes, known, 1_705_276_800);
    let _ = verify_release(b"Suite: stable\n", bytes, known, 1_705_276_800);
    let _ = Keyring::read("fuzz", bytes);
});
