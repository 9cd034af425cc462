//! Envelopes: the vector of the specification, all kinds of keys, and what is refused.
#![allow(clippy::indexing_slicing, clippy::arithmetic_side_effects, reason = "a test fails by panicking")]

use super::*;
use crate::test_keys;

fn signed() -> (DsseEnvelope, Vec<PublicKey>) {
    let keys = test_keys::all();
    let mut envelope = DsseEnvelope::sign(IN_TOTO, b"{\"a\":1}".to_vec(), &keys[0]).unwrap();
    for key in &keys[1..] {
        let more = DsseEnvelope::sign(IN_TOTO, envelope.payload.clone(), key).unwrap();
        envelope.signatures.extend(more.signatures);
    }
    (envelope, keys.iter().map(|key| key.public().clone()).collect())
}

#[test]
fn the_encoding_is_that_of_the_specification() {
    // DSSE `protocol.md`, section "Test vectors".
    assert_eq!(
        pae("http://example.com/HelloWorld", b"hello world"),
        b"DSSEv1 29 http://example.com/HelloWorld 11 hello world"
    );
    assert_eq!(pae("", b""), b"DSSEv1 0  0 ");
}

#[test]
fn the_envelope_of_the_specification_is_read_and_verifies() {
    // The same section: P-256, a signature as `r` and `s` without DER, so that only the message is compared here.
    let text = br#"{"payload":"aGVsbG8gd29ybGQ=","payloadType":"http://example.com/HelloWorld","signatures":
        [{"sig":"A3JqsQGtVsJ2O2xqrI5IcnXip5GToJ3F+FnZ+O88SjtR6rDAajabZKciJTfUiHqJPcIAriEGAHTVeCUjW2JIZA=="}]}"#;
    let envelope = DsseEnvelope::parse(text).unwrap();
    assert_eq!(envelope.payload, b"hello world");
    assert_eq!(envelope.signatures[0].key_id, "");
    let pair = &envelope.signatures[0].signature;
    let der = p256::ecdsa::Signature::from_slice(pair).unwrap().to_der();
    let number = |digits: &[u8]| rsa::BigUint::parse_bytes(digits, 10).unwrap().to_bytes_be();
    let x = number(b"46950820868899156662930047687818585632848591499744589407958293238635476079160");
    let y = number(b"5640078356564379163099075877009565129882514886557779369047442380624545832820");
    let point = [&[4][..], &x, &y].concat();
    let key = PublicKey::from_point(crate::keys::PublicKeyKind::EcdsaP256, &point).unwrap();
    let made =
        DsseEnvelope::with_signature(&envelope.payload_type, envelope.payload, &key, der.as_bytes().to_vec());
    assert_eq!(made.unwrap().verify(std::slice::from_ref(&key)).unwrap(), [&key]);
}

#[test]
fn an_envelope_is_read_back_and_names_the_keys_that_signed_it() {
    let (envelope, keys) = signed();
    let text = envelope.to_text();
    assert_eq!(DsseEnvelope::parse(text.as_bytes()).unwrap(), envelope);
    assert_eq!(envelope.verify(&keys).unwrap(), keys.iter().collect::<Vec<_>>());
    assert_eq!(envelope.verify(&keys[1..2]).unwrap(), [&keys[1]]);
    assert_eq!(envelope.verify(&[]).unwrap(), [&keys[0]; 0]);
    let mut nameless = envelope.clone();
    nameless.signatures.iter_mut().for_each(|one| one.key_id.clear());
    assert_eq!(nameless.verify(&keys).unwrap().len(), 3);
    let text = nameless.to_text();
    let url_safe = text.replace('+', "-").replace("in-toto-json", "in-toto+json").replace('/', "_");
    let url_safe = url_safe.replace("application_vnd", "application/vnd");
    assert_eq!(DsseEnvelope::parse(url_safe.as_bytes()).unwrap(), nameless);
}

#[test]
fn a_changed_envelope_is_refused_whatever_bit_it_is() {
    let (envelope, keys) = signed();
    let accepted = |changed: &DsseEnvelope| changed.verify(&keys).is_ok_and(|signed| signed.len() == 3);
    assert!(accepted(&envelope));
    let mut other = envelope.clone();
    other.payload_type.push(' ');
    assert!(!accepted(&other));
    for at in 0..envelope.payload.len() * 8 {
        let mut other = envelope.clone();
        other.payload[at / 8] ^= 1 << (at % 8);
        assert!(!accepted(&other));
    }
    for (index, signature) in envelope.signatures.iter().enumerate() {
        for at in 0..signature.signature.len() * 8 {
            let mut other = envelope.clone();
            other.signatures[index].signature[at / 8] ^= 1 << (at % 8);
            assert!(!accepted(&other), "signature {index}, bit {at}");
        }
        let mut other = envelope.clone();
        other.signatures[index].key_id = keys[(index + 1) % 3].fingerprint();
        assert!(other.verify(&keys).is_err());
    }
    let mut twice = envelope.clone();
    twice.signatures.push(envelope.signatures[0].clone());
    assert!(matches!(twice.verify(&keys), Err(EnvelopeRefused::Repeated { .. })));
}

#[test]
fn other_texts_are_no_envelopes() {
    let (envelope, _) = signed();
    let text = envelope.to_text();
    let none = DsseEnvelope { signatures: Vec::new(), ..envelope.clone() }.to_text();
    let many = DsseEnvelope { signatures: vec![envelope.signatures[0].clone(); 65], ..envelope }.to_text();
    for wrong in [
        String::new(),
        "[]".to_owned(),
        format!("{text}{text}"),
        text.replace("\"payload\":\"", "\"payload\":\" "),
        text.replacen('{', "{\"payload\":\"\",", 1),
        text.replacen('{', "{\"more\":1,", 1),
        text.replace("\"sig\":\"", "\"sig\":\"="),
        text.replace("\"keyid\":\"", &format!("\"keyid\":\"{}", "a".repeat(2000))),
        none,
        many,
    ] {
        assert!(DsseEnvelope::parse(wrong.as_bytes()).is_err(), "{wrong}");
    }
}
