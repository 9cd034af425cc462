//! A document that a NitroTPM made. None is in this repository: a file is named by `AMIFORGE_ATTESTATION_DOCUMENT`, and the
//! tests are skipped without one.

use amiforge_attest::{DocumentDifference, Expectations, Root, UnixTime, authenticate, decode_document};

use super::{flipped, numbers};

/// The document, if there is one.
fn document() -> Option<Vec<u8>> {
    let Some(path) = std::env::var_os("AMIFORGE_ATTESTATION_DOCUMENT") else {
        eprintln!("SKIP no AMIFORGE_ATTESTATION_DOCUMENT");
        return None;
    };
    let bytes = std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    Some(decode_document(bytes).unwrap())
}

#[test]
fn a_real_document_is_authentic_until_its_certificate_expires() {
    let Some(bytes) = document() else { return };
    let authentic = authenticate(&bytes, &Root::aws()).unwrap();
    let made = authentic.document.timestamp;
    let expiry = authentic.chain.last().unwrap().not_after;
    let at = |at| Expectations {
        at,
        max_age: None,
        nonce: authentic.document.nonce.clone(),
        user_data: None,
        public_key: None,
        pcrs: authentic.document.pcrs.clone(),
    };
    assert_eq!(authentic.chain.len(), 5);
    assert_eq!(authentic.document.pcrs.len(), 24);
    assert_eq!(at(made).differences(&authentic), []);
    assert_eq!(at(expiry).differences(&authentic), []);
    let late = at(UnixTime::from_seconds(expiry.seconds() + 1)).differences(&authentic);
    assert!(
        matches!(late[..], [DocumentDifference::Expired { not_after, .. }] if not_after == expiry),
        "{late:?}"
    );
    // Separator only: no driver ran before the image, on EC2 as in OVMF.
    assert_eq!(authentic.document.pcrs[&2], authentic.document.pcrs[&3]);
}

#[test]
fn every_change_of_one_bit_of_a_real_document_is_refused() {
    let Some(bytes) = document() else { return };
    let root = Root::aws();
    for bit in (0..8 * 16).chain(numbers(11).take(200)) {
        assert!(authenticate(&flipped(&bytes, bit), &root).is_err(), "bit {bit}");
    }
}
