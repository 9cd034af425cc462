//! Fuzzes the readers of DSSE envelopes, sigstore bundles, in-toto statements and `OpenVEX` documents with arbitrary bytes.
//! They may refuse them; they may not panic, hang or take unbounded memory, what they read comes back as it was, and nobody
//! signed it.
#![no_main]

use amiforge_image::attestations::check_vex;
use amiforge_trust::detached;
use amiforge_trust::dsse::{DsseEnvelope, IN_TOTO, pae};
use amiforge_trust::in_toto::InTotoStatement;
use amiforge_trust::keys::PublicKey;
use amiforge_trust::sigstore::SigstoreBundle;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let key = PublicKey::from_ed25519(&[9; 32]).expect("32 bytes");
    let keys = std::slice::from_ref(&key);
    if let Ok(envelope) = DsseEnvelope::parse(bytes) {
        let again = DsseEnvelope::parse(envelope.to_text().as_bytes()).expect("what was written is read");
        assert_eq!(again, envelope);
        assert!(envelope.verify(keys).map_or(true, |signed| signed.is_empty()));
        let _ = InTotoStatement::parse(&envelope.payload);
    }
    if let Ok(bundle) = SigstoreBundle::parse(bytes) {
        let again = SigstoreBundle::parse(bundle.to_text().as_bytes()).expect("what was written is read");
        assert_eq!(again, bundle);
    }
    if let Ok(statement) = InTotoStatement::parse(bytes) {
        // Numbers of a predicate may be rounded, so only the subjects are compared.
        let again = InTotoStatement::parse(statement.to_text().as_bytes()).expect("what was written is read");
        assert_eq!(again.subjects, statement.subjects);
    }
    assert!(detached::verified(&key, &pae(IN_TOTO, b"{}"), bytes).is_err());
    let _ = check_vex(bytes);
});
