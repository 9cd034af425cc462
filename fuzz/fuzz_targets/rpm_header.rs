//! Fuzzes what precedes the payload of a package: lead, signature header, header, list of files, and the judgement of
//! signatures. It may refuse bytes, it may not panic, hang or take unbounded memory.
#![no_main]

use amiforge_packages::rpm::file_list;
use amiforge_packages::rpm::header::{RpmHeader, tag};
use amiforge_packages::rpm::signature::{verify_header, verify_range};
use amiforge_packages::signature::Keyring;
use libfuzzer_sys::fuzz_target;
use std::sync::LazyLock;

/// A key that signed none of the inputs.
static KEYRING: LazyLock<Option<Keyring>> =
    LazyLock::new(|| Keyring::read("fuzz", include_bytes!("../../fixtures/signatures/keyring.asc")).ok());

fuzz_target!(|bytes: &[u8]| {
    let _ = RpmHeader::from_blob(bytes);
    if let Ok((header, len)) = RpmHeader::read(bytes) {
        assert!(len <= bytes.len());
        let _ = header.region(tag::HEADERIMMUTABLE);
        let _ = file_list::files(&header);
    }
    let Ok(verified) = verify_range(bytes, &[], 0) else { return };
    assert!(verified.signer.is_none());
    if let Ok(files) = file_list::files(&verified.header) {
        assert!(files.iter().all(|file| file.path.starts_with(b"/") && file.path.len() < 4096));
    }
    if let Some(keyring) = &*KEYRING {
        let keyrings = std::slice::from_ref(keyring);
        assert!(verify_header(&verified.signatures, &verified.header, keyrings, 1_700_000_000).is_err());
    }
});
