//! Signatures that gpg made, and what is refused.

use super::*;

/// A file of the vectors that gpg made (`fixtures/signatures/make.sh`).
macro_rules! vector {
    ($name:literal) => {
        include_bytes!(concat!("../../../../fixtures/signatures/", $name)).as_slice()
    };
}

/// 2024-01-15, when every key was young, and 2024-03-15.
const EARLY: i64 = 1_705_276_800;
const LATE: i64 = 1_710_460_800;

fn keyring() -> Vec<Keyring> {
    vec![Keyring::read("test", vector!("keyring.gpg")).unwrap()]
}

fn fingerprint_of(key: &str) -> String {
    let all = std::str::from_utf8(vector!("fingerprints")).unwrap();
    all.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(' ')).unwrap().to_owned()
}

fn signer(bytes: &[u8], at: i64) -> Result<String, SignatureError> {
    verify_inrelease(bytes, &keyring(), at).map(|verified| verified.signer)
}

#[test]
fn a_text_signed_by_a_key_of_the_keyring_is_given_as_it_was_signed() {
    let verified = verify_inrelease(vector!("archive.inrelease"), &keyring(), LATE).unwrap();
    assert_eq!(verified.signer, fingerprint_of("archive"));
    // Blanks at the end of a line are no part of what is signed.
    let text = "Origin: test\nSuite: stable\n- dashed\nDate: Mon, 01 Jan 2024 00:00:00 UTC";
    assert_eq!(verified.text.trim_end(), text);
    assert_eq!(signer(vector!("rsa.inrelease"), LATE), Ok(fingerprint_of("rsa")));
}

#[test]
fn trust_packets_of_a_keyring_are_ignored() {
    let plain = vector!("keyring.gpg");
    // As GnuPG keeps them in a keyring of its own: a trust packet behind each other one.
    let (mut with_trust, mut rest, mut count) = (Vec::new(), plain, 0);
    while let Some((_, len)) = packets::packet(rest) {
        with_trust.extend_from_slice(&rest[..len]);
        with_trust.extend_from_slice(if count % 2 == 0 { b"\xb0\x02\x00\x03" } else { b"\xcc\x02\x00\x03" });
        (rest, count) = (&rest[len..], count + 1);
    }
    assert!(rest.is_empty() && count > 3, "{count} packets");
    let read = Keyring::read("trust", &with_trust).unwrap();
    assert!(read.fingerprints().eq(keyring()[0].fingerprints()));
    let verified = verify_inrelease(vector!("archive.inrelease"), &[read], LATE).unwrap();
    assert_eq!(verified.signer, fingerprint_of("archive"));
    assert_eq!(packets::without_trust(b"\xb0"), b"\xb0", "half a packet is for the reader to refuse");
}

#[test]
fn one_known_signer_of_several_is_enough() {
    assert_eq!(signer(vector!("two.inrelease"), LATE), Ok(fingerprint_of("archive")));
}

#[test]
fn a_changed_text_is_refused() {
    let text = String::from_utf8(vector!("archive.inrelease").to_vec()).unwrap();
    let wrong = SignatureError::Wrong { signer: fingerprint_of("archive") };
    assert_eq!(signer(text.replace("stable", "staple").as_bytes(), LATE), Err(wrong));
}

#[test]
fn an_unknown_key_is_refused_and_named() {
    let error = signer(vector!("stranger.inrelease"), LATE).unwrap_err();
    assert!(matches!(error, SignatureError::UnknownKey { .. }));
    assert!(error.to_string().contains(&fingerprint_of("stranger")), "{error}");
}

#[test]
fn a_key_counts_until_it_expires() {
    assert_eq!(signer(vector!("old.inrelease"), EARLY), Ok(fingerprint_of("old")));
    assert_eq!(signer(vector!("brief.inrelease"), EARLY), Ok(fingerprint_of("brief")));
    for (bytes, key) in [(vector!("old.inrelease"), "old"), (vector!("brief.inrelease"), "brief")] {
        let error = signer(bytes, LATE).unwrap_err();
        assert!(
            matches!(&error, SignatureError::KeyExpired { signer, now: LATE, .. } if *signer == fingerprint_of(key)),
            "{error}"
        );
    }
}

#[test]
fn a_revoked_key_a_lapsed_signature_and_a_weak_digest_are_refused() {
    let error = signer(vector!("revoked.inrelease"), EARLY).unwrap_err();
    assert!(matches!(error, SignatureError::KeyUnfit { why: "it was revoked", .. }), "{error}");
    assert!(signer(vector!("lapsed.inrelease"), EARLY).is_ok());
    assert!(matches!(
        signer(vector!("lapsed.inrelease"), LATE),
        Err(SignatureError::SignatureExpired { .. })
    ));
    assert!(matches!(signer(vector!("weak.inrelease"), EARLY), Err(SignatureError::WeakDigest { .. })));
}

#[test]
fn a_signature_may_lie_beside_its_text_binary_or_armored() {
    for signature in [vector!("Release.sig"), vector!("Release.asc")] {
        let verified = verify_release(vector!("Release"), signature, &keyring(), LATE).unwrap();
        assert_eq!(verified.signer, fingerprint_of("archive"));
        assert!(matches!(
            verify_release(b"Suite: other\n", signature, &keyring(), LATE),
            Err(SignatureError::Wrong { .. })
        ));
    }
}

#[test]
fn armored_keyrings_may_have_several_blocks() {
    let keyring = Keyring::read("test", vector!("keyring.asc")).unwrap();
    assert_eq!(
        keyring.fingerprints().collect::<Vec<_>>(),
        [fingerprint_of("old"), fingerprint_of("archive")]
    );
}

#[test]
fn files_that_are_no_keyring_or_not_signed_are_refused() {
    assert!(matches!(Keyring::read("x", b""), Err(SignatureError::NotAKeyring { .. })));
    assert!(matches!(Keyring::read("x", b"hello"), Err(SignatureError::NotAKeyring { .. })));
    for bytes in [b"Suite: stable\n".as_slice(), b"", b"\xff", vector!("Release.asc")] {
        assert!(matches!(signer(bytes, LATE), Err(SignatureError::NotSigned { .. })));
    }
    assert_eq!(
        verify_inrelease(vector!("archive.inrelease"), &[], LATE).unwrap_err(),
        SignatureError::NoKeys
    );
    // There may be no text around the signed text.
    let around = [vector!("archive.inrelease"), b"\nSuite: other\n"].concat();
    assert!(signer(&around, LATE).is_err());
}
