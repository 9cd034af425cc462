//! Envelope and payload: what is accepted besides the exact form of NitroTPM, and what is refused.

use amiforge_attest::{DocumentError, MAX_DOCUMENT, inspect};
use ciborium::Value;

use super::draft::{Draft, encode, entry};
use super::pki::{MADE, Pki};
use super::{check, flipped, numbers};

#[test]
fn a_document_says_what_was_put_into_it() {
    let pki = Pki::new();
    let document = Draft::new(&pki)
        .set("user_data", Value::Bytes(b"data".to_vec()))
        .set("public_key", Value::Bytes(vec![7; 1024]))
        .sign(&pki);
    let parsed = check(&document, &pki).unwrap();
    assert_eq!(parsed.module_id, "i-0123456789abcdef0-tpm0000000000000000");
    assert_eq!(parsed.timestamp.seconds(), MADE as u64);
    assert_eq!(parsed.pcrs.len(), 24);
    assert_eq!(parsed.pcrs[&23], [23; 48]);
    assert_eq!(parsed.nonce.as_deref(), Some(&b"a nonce"[..]));
    assert_eq!(parsed.user_data.as_deref(), Some(&b"data"[..]));
    assert_eq!(parsed.public_key, Some(vec![7; 1024]));
    assert_eq!(inspect(&document), Ok(parsed));
}

#[test]
fn other_forms_of_the_same_document_are_accepted() {
    let pki = Pki::new();
    let draft = Draft::new(&pki);
    let tagged = Draft { tag: Some(0xd2), ..draft.clone() };
    let definite = Draft { definite: true, ..draft.clone() };
    let absent = draft.clone().without("user_data").without("public_key").without("nonce");
    let future_entry = draft.clone().set("another", Value::from(1));
    for document in [tagged, definite, absent, future_entry] {
        check(&document.sign(&pki), &pki).unwrap();
    }
}

#[test]
fn an_envelope_of_another_form_is_refused() {
    let pki = Pki::new();
    let draft = Draft::new(&pki);
    let good = draft.sign(&pki);
    let refused = |document: &[u8]| check(document, &pki).unwrap_err();
    assert_eq!(refused(b""), DocumentError::Empty);
    assert_eq!(refused(&[&good[..], &[0]].concat()), DocumentError::TrailingBytes);
    for cut in [1, 2, 6, 100, good.len() - 97, good.len() - 1] {
        assert!(matches!(refused(&good[..cut]), DocumentError::NotCoseSign1 { .. }), "{cut}");
    }
    let large = vec![0x84; MAX_DOCUMENT + 1];
    assert_eq!(refused(&large), DocumentError::TooLarge { len: MAX_DOCUMENT + 1 });
    for tag in [0xd1, 0xd3] {
        let other = Draft { tag: Some(tag), ..draft.clone() }.sign(&pki);
        assert!(matches!(refused(&other), DocumentError::NotCoseSign1 { .. }));
    }
    let detached = Value::Array(vec![
        Value::Bytes(draft.protected.clone()),
        Value::Map(Vec::new()),
        Value::Null,
        Value::Bytes(vec![1; 96]),
    ]);
    assert_eq!(refused(&encode(&detached)), DocumentError::NoPayload);
    let deep = [vec![0x84, 0x44, 0xa1, 0x01, 0x38, 0x22], vec![0x81; 20_000]].concat();
    assert!(matches!(refused(&deep), DocumentError::NotCoseSign1 { .. }));
}

#[test]
fn only_es384_in_the_signed_header_is_accepted() {
    let pki = Pki::new();
    let draft = Draft::new(&pki);
    let alg = |number: i64| Value::Map(vec![(Value::from(1), Value::from(number))]);
    let header = |value: &Value| Draft { protected: encode(value), ..draft.clone() };
    let refused = |draft: &Draft| check(&draft.sign(&pki), &pki).unwrap_err();
    // ES256, ES512, EdDSA, HMAC 384/384, RS1.
    for other in [-7, -36, -8, 6, -65_535] {
        assert!(matches!(refused(&header(&alg(other))), DocumentError::Algorithm { .. }), "{other}");
    }
    // The algorithm where it is not signed.
    let unsigned = Draft { protected: Vec::new(), unprotected: alg(-35), ..draft.clone() };
    assert_eq!(refused(&unsigned), DocumentError::Algorithm { algorithm: "none".to_owned() });
    let both = Draft { unprotected: alg(-35), ..draft.clone() };
    assert_eq!(refused(&both), DocumentError::UnprotectedHeader);
    // A header that a verifier must understand, and a key id.
    let critical =
        vec![(Value::from(1), Value::from(-35)), (Value::from(2), Value::Array(vec![Value::from(4)]))];
    assert_eq!(refused(&header(&Value::Map(critical))), DocumentError::ProtectedHeader);
    let key_id = vec![(Value::from(1), Value::from(-35)), (Value::from(4), Value::Bytes(vec![1]))];
    assert_eq!(refused(&header(&Value::Map(key_id))), DocumentError::ProtectedHeader);
    let twice = vec![(Value::from(1), Value::from(-35)), (Value::from(1), Value::from(-35))];
    assert_eq!(refused(&header(&Value::Map(twice))), DocumentError::DuplicateHeader);
}

#[test]
fn an_entry_of_the_payload_that_cannot_be_is_refused() {
    let pki = Pki::new();
    let draft = Draft::new(&pki);
    let refused = |draft: Draft| check(&draft.sign(&pki), &pki).unwrap_err();
    for field in ["module_id", "digest", "timestamp", "nitrotpm_pcrs", "certificate", "cabundle"] {
        assert_eq!(refused(draft.clone().without(field)), DocumentError::Missing { field });
        let error = refused(draft.clone().set(field, Value::Bool(true)));
        assert!(matches!(error, DocumentError::Field { field: named, .. } if named == field), "{error}");
    }
    for (field, value) in [
        ("module_id", Value::from("")),
        ("digest", Value::from("SHA256")),
        ("timestamp", Value::from(0)),
        ("timestamp", Value::from(-1)),
        ("timestamp", Value::Float(1.0)),
        ("nitrotpm_pcrs", Value::Map(Vec::new())),
        ("certificate", Value::Bytes(Vec::new())),
        ("certificate", Value::Bytes(vec![1; 1025])),
        ("cabundle", Value::Array(Vec::new())),
        ("cabundle", Value::Array(vec![Value::Bytes(vec![1]); 9])),
        ("cabundle", Value::Array(vec![Value::Null])),
        ("nonce", Value::from("text")),
        ("user_data", Value::Bytes(vec![1; 1025])),
        ("public_key", Value::Bytes(vec![1; 1025])),
    ] {
        let error = refused(draft.clone().set(field, value));
        assert!(
            matches!(error, DocumentError::Field { field: named, .. } if named == field),
            "{field}: {error}"
        );
    }
    let enclave = draft.clone().without("nitrotpm_pcrs").set("pcrs", Value::Map(Vec::new()));
    assert_eq!(refused(enclave), DocumentError::Enclave);
}

#[test]
fn a_pcr_has_48_bytes_and_is_there_once() {
    let pki = Pki::new();
    let draft = Draft::new(&pki);
    let refused = |draft: Draft| check(&draft.sign(&pki), &pki).unwrap_err();
    for len in [0, 32, 47, 49, 64] {
        let short = draft.clone().with_pcrs(|pcrs| pcrs[4].1 = Value::Bytes(vec![4; len]));
        assert_eq!(refused(short), DocumentError::PcrLength { index: 4, len });
    }
    let twice = draft.clone().with_pcrs(|pcrs| pcrs.push((Value::from(4), Value::Bytes(vec![9; 48]))));
    assert_eq!(refused(twice), DocumentError::DuplicateKey { key: "nitrotpm_pcrs/4".to_owned() });
    for key in [Value::from(32), Value::from(-1), Value::from("4"), Value::from(1_i64 << 40)] {
        let other = draft.clone().with_pcrs(|pcrs| pcrs[4].0 = key);
        assert!(matches!(refused(other), DocumentError::Field { field: "nitrotpm_pcrs", .. }));
    }
}

#[test]
fn a_payload_that_is_no_map_or_has_an_entry_twice_is_refused() {
    let pki = Pki::new();
    let draft = Draft::new(&pki);
    let refused = |payload: Vec<u8>| check(&draft.sign_payload(&pki, payload), &pki).unwrap_err();
    let mut twice = draft.clone();
    twice.entries.push(entry("nonce", Value::Bytes(b"another".to_vec())));
    assert_eq!(refused(twice.payload()), DocumentError::DuplicateKey { key: "nonce".to_owned() });
    assert_eq!(refused([draft.payload(), vec![0]].concat()), DocumentError::TrailingBytes);
    assert_eq!(refused(encode(&Value::from(1))), DocumentError::NotAMap);
    let numbered = Value::Map(vec![(Value::from(1), Value::from(1))]);
    assert_eq!(refused(encode(&numbered)), DocumentError::NotAMap);
    for broken in
        [vec![], vec![0xbf], vec![0x9f; 20], vec![0x5b, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff]]
    {
        assert!(matches!(refused(broken), DocumentError::NotCbor { .. }));
    }
}

#[test]
fn every_change_of_one_bit_is_refused() {
    let pki = Pki::new();
    let document = Draft::new(&pki).sign(&pki);
    // The whole envelope in front of the payload, and places all over the document.
    let envelope = 0..8 * 16;
    for bit in envelope.chain(numbers(7).take(200)) {
        let changed = flipped(&document, bit);
        assert!(check(&changed, &pki).is_err(), "bit {bit} of {}", document.len() * 8);
    }
}

#[test]
fn a_signature_of_another_key_or_length_is_refused() {
    let pki = Pki::new();
    let draft = Draft::new(&pki);
    // That of the authority above, whose certificate is in the document too.
    let by_instance = Draft { signer: Some(3), ..draft.clone() };
    assert_eq!(check(&by_instance.sign(&pki), &pki), Err(DocumentError::Signature));
    let other = Pki::new();
    assert_eq!(check(&draft.sign(&other), &pki), Err(DocumentError::Signature));
    let good = draft.sign(&pki);
    let (head, signature) = good.split_at(good.len() - 98);
    assert_eq!(signature[..2], [0x58, 96]);
    let short = [head, &[0x58, 95], &signature[2..97]].concat();
    assert_eq!(check(&short, &pki), Err(DocumentError::SignatureForm { len: 95 }));
    let zero = [head, &[0x58, 96], &[0; 96]].concat();
    assert_eq!(check(&zero, &pki), Err(DocumentError::SignatureForm { len: 96 }));
}

proptest::proptest! {
    #[test]
    fn any_bytes_are_refused_without_a_panic(bytes in proptest::collection::vec(proptest::num::u8::ANY, 0..600)) {
        proptest::prop_assert!(inspect(&bytes).is_err());
        let array = [&[0x84, 0x44, 0xa1, 0x01, 0x38, 0x22, 0xa0, 0x59, 2, 0][..], &bytes].concat();
        proptest::prop_assert!(inspect(&array).is_err());
    }
}
