//! The form of signatures. That they are those of ssh-keygen, the tests with it show.
#![allow(clippy::indexing_slicing, clippy::arithmetic_side_effects, reason = "a test fails by panicking")]

use super::*;
use crate::private::PrivateKeyFile;
use std::path::Path;

fn signer() -> PrivateKeyFile {
    // An Ed25519 key whose seed is 32 times 7 (RFC 8410, section 7).
    let der =
        [&[0x30, 0x2e, 2, 1, 0, 0x30, 5, 6, 3, 0x2b, 0x65, 0x70, 4, 0x22, 4, 0x20][..], &[7; 32]].concat();
    PrivateKeyFile::parse(&der, Path::new("key")).unwrap()
}

#[test]
fn a_signature_comes_back_and_is_deterministic() {
    let signed = sign(&signer(), BUNDLE, b"message").unwrap();
    assert_eq!(signed, sign(&signer(), BUNDLE, b"message").unwrap());
    let text = signed.to_armour();
    assert_eq!(SshSignature::parse(text.as_bytes()).unwrap(), signed);
    assert_eq!(SshSignature::parse(format!("{text}\r\n ").as_bytes()).unwrap(), signed);
    signed.verify(BUNDLE, b"message").unwrap();
    assert!(matches!(signed.verify(BUNDLE, b"other"), Err(SshsigError::NotVerified { .. })));
    let expected = SshsigError::Namespace { expected: INPUTS.to_owned(), found: BUNDLE.to_owned() };
    assert_eq!(signed.verify(INPUTS, b"message"), Err(expected));
}

#[test]
fn other_texts_are_no_signatures() {
    let signed = sign(&signer(), BUNDLE, b"message").unwrap();
    let text = signed.to_armour();
    let parse = |text: &str| SshSignature::parse(text.as_bytes()).unwrap_err();
    assert_eq!(parse(""), SshsigError::Armour);
    assert_eq!(parse(&format!(" {text}")), SshsigError::Armour);
    assert_eq!(parse(&format!("{text}x")), SshsigError::Armour);
    assert_eq!(parse(&text.replace("\n-----END", "-----END")), SshsigError::Armour);
    assert_eq!(parse(&format!("{BEGIN}\n\u{e9}\n{END}")), SshsigError::Base64);
    assert_eq!(parse(&format!("{BEGIN}\nAAAA\n{END}")), SshsigError::Magic);
    assert_eq!(parse(&" ".repeat(LEN_MAX + 1)), SshsigError::TooLong { len: LEN_MAX + 1 });
    let blob = signed.to_blob();
    for len in 0..blob.len() {
        assert!(SshSignature::from_blob(&blob[..len]).is_err(), "{len}");
    }
    let changed = |from: &[u8], to: &[u8]| {
        let at = blob.windows(from.len()).position(|window| window == from).unwrap();
        let mut blob = blob.clone();
        blob.splice(at..at + from.len(), to.iter().copied());
        SshSignature::from_blob(&blob).unwrap_err()
    };
    assert_eq!(changed(b"SSHSIG\0\0\0\x01", b"SSHSIG\0\0\0\x02"), SshsigError::Version { found: 2 });
    assert_eq!(changed(b"sha512", b"sha\x1b12"), SshsigError::Hash { found: "sha\\x1b12".to_owned() });
    assert!(matches!(changed(b"ssh-ed25519", b"ssh-ed25518"), SshsigError::Key(_)));
    assert!(matches!(changed(b"amiforge", b"amif\x1brge"), SshsigError::Wire(_)));
}
