//! Fuzzes the texts of a bundle in the independent verifier: sums, manifest, listing, statements, signatures, policies and
//! programs of firmware. The first byte chooses which of them the rest is.
#![no_main]

use amiforge_verify::files::MemoryBundle;
use amiforge_verify::policy::Policy;
use amiforge_verify::sshsig::PublicKey;
use amiforge_verify::{Choices, Report, pe, verify};
use libfuzzer_sys::fuzz_target;

const NAMES: [&str; 7] = [
    "SHA256SUMS",
    "manifest.json",
    "tree.txt",
    "provenance.json",
    "signatures/0123456789abcdef.sig",
    "signatures/0123456789abcdef.provenance.dsse.json",
    "signatures/0123456789abcdef.provenance.sigstore.json",
];

fuzz_target!(|bytes: &[u8]| {
    let Some((&mode, text)) = bytes.split_first() else { return };
    let mut bundle = MemoryBundle::default();
    bundle.files.insert("disk.raw".to_owned(), vec![0; 1 << 16]);
    match NAMES.get(usize::from(mode)) {
        Some(name) => {
            bundle.files.insert((*name).to_owned(), text.to_vec());
            let report = verify(&bundle, &Choices::default());
            // Nothing of it vouches for the others.
            assert_ne!(report.outcome().exit_code(), 0);
            assert!(amiforge_verify::json::Json::parse(report.to_json().as_bytes()).is_ok());
        }
        None if mode == 7 => _ = Policy::parse(text),
        None if mode == 8 => _ = PublicKey::from_blob(text),
        None => {
            let mut report = Report::default();
            if let Some(sections) = pe::sections(text, "x86_64", &mut report.part("program", 0)) {
                let _ = pe::root_hash(text, &sections);
            }
        }
    }
});
