//! Fuzzes the readers of certificates: DER, and PEM files of them.
#![no_main]

use amiforge_formats::der::{Certificate, certificates, parse_pem};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(certificate) = Certificate::parse(bytes) {
        let _ = (certificate.name(), certificate.expiry().to_string(), certificate.is_self_issued());
        // The elements that are kept are those of the certificate.
        assert!(certificate.der == bytes);
        assert!(bytes.windows(certificate.signed.len()).any(|part| part == certificate.signed));
    }
    let _ = certificates(bytes);
    let _ = parse_pem(bytes);
});
