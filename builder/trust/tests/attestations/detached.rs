//! Signatures that openssl makes of the encoded statement.

use amiforge_trust::detached;
use amiforge_trust::dsse::{DsseEnvelope, IN_TOTO, pae};
use amiforge_trust::signing::SigningKey as _;
use amiforge_trust::sigstore::SigstoreBundle;

use crate::case::{Case, KINDS};
use crate::oracles::{Verifiers, openssl};

#[test]
fn a_signature_by_openssl_makes_an_envelope_that_others_accept() {
    let Some(verifiers) = Verifiers::find() else { return };
    for kind in &KINDS {
        let case = Case::new(kind);
        let payload = case.envelope.payload.clone();
        let message = pae(IN_TOTO, &payload);
        std::fs::write(case.path("pae"), &message).unwrap();
        let [key, request, signature] =
            ["key.pem", "pae", "pae.sig"].map(|name| case.path(name).to_str().unwrap().to_owned());
        if kind.0 == "ed25519" {
            openssl(&["pkeyutl", "-sign", "-rawin", "-inkey", &key, "-in", &request, "-out", &signature]);
        } else {
            let hash = if kind.0 == "p384" { "-sha384" } else { "-sha256" };
            openssl(&["dgst", hash, "-sign", &key, "-out", &signature, &request]);
        }
        let bytes = std::fs::read(&signature).unwrap();
        let signature = detached::verified(case.key.public(), &message, &bytes).unwrap();
        let envelope = DsseEnvelope::with_signature(IN_TOTO, payload, case.key.public(), signature).unwrap();
        let text = SigstoreBundle::new(envelope).unwrap().to_text();
        assert!(case.accepts_bundle(&text));
        if kind.0 != "p384" {
            let bundle = case.write("x.sigstore.json", &text);
            assert!(verifiers.cosign(&bundle, &case.path("key.pub"), &case.path("disk.raw")));
        }
    }
}
