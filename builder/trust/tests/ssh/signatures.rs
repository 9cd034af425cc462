//! What this program signs, ssh-keygen accepts, and the other way round.

use amiforge_trust::signing::SigningKey as _;
use amiforge_trust::sshsig::{BUNDLE, INPUTS, SshSignature, sign};

use crate::oracle::{Keys, ready};
use crate::token::Token;

const MESSAGE: &[u8] = b"0000000000000000000000000000000000000000000000000000000000000000  disk.raw\n";

#[test]
fn ssh_keygen_accepts_signatures_of_every_kind_of_key_and_ours_are_its_own() {
    if !ready(&["ssh-keygen"]) {
        return;
    }
    let keys = Keys::new();
    for (name, key) in keys.each() {
        let ours = sign(&key, BUNDLE, MESSAGE).unwrap();
        keys.allow(key.public());
        let armour = ours.to_armour();
        assert!(keys.accepts(BUNDLE, armour.as_bytes(), MESSAGE), "{name}");
        assert!(!keys.accepts(INPUTS, armour.as_bytes(), MESSAGE), "{name}");
        assert!(!keys.accepts(BUNDLE, armour.as_bytes(), b"other"), "{name}");
        let theirs = keys.sign(&name, BUNDLE, MESSAGE, &[]);
        let read = SshSignature::parse(&theirs).unwrap();
        assert_eq!(read.key(), key.public());
        read.verify(BUNDLE, MESSAGE).unwrap();
        assert!(read.verify(INPUTS, MESSAGE).is_err() && read.verify(BUNDLE, b"other").is_err());
        assert_eq!(read.to_armour().as_bytes(), theirs, "the armour is that of ssh-keygen");
        let short = keys.sign(&name, BUNDLE, MESSAGE, &["-O", "hashalg=sha256"]);
        SshSignature::parse(&short).unwrap().verify(BUNDLE, MESSAGE).unwrap();
    }
    // Ed25519 has one signature for one key and message.
    let key = keys.make("ed", &["-t", "ed25519"]);
    let theirs = keys.sign("ed", BUNDLE, MESSAGE, &[]);
    assert_eq!(sign(&key, BUNDLE, MESSAGE).unwrap().to_armour().as_bytes(), theirs);
}

#[test]
fn signatures_of_fido_tokens_are_accepted_where_the_token_was_touched() {
    if !ready(&["ssh-keygen"]) {
        return;
    }
    let keys = Keys::new();
    for token in [Token::ed25519(1), Token::ecdsa(1)] {
        let signed = sign(&token, BUNDLE, MESSAGE).unwrap();
        keys.allow(token.public());
        let armour = signed.to_armour();
        assert!(keys.accepts(BUNDLE, armour.as_bytes(), MESSAGE), "{:?}", token.public());
        assert!(!keys.accepts(BUNDLE, armour.as_bytes(), b"other"));
        SshSignature::parse(armour.as_bytes()).unwrap().verify(BUNDLE, MESSAGE).unwrap();
        assert!(token.sign(MESSAGE).is_err(), "a token signs in the form of SSH alone");
    }
    for token in [Token::ed25519(0), Token::ecdsa(4)] {
        let refused = sign(&token, BUNDLE, MESSAGE).unwrap_err();
        let chain = std::error::Error::source(&refused).unwrap().source().unwrap().to_string();
        assert_eq!(chain, "the token signed without being touched");
    }
}

#[test]
fn keys_of_another_kind_are_refused() {
    if !ready(&["ssh-keygen"]) {
        return;
    }
    let keys = Keys::new();
    crate::oracle::must(
        "ssh-keygen",
        &["-q", "-t", "rsa", "-b", "1024", "-N", "", "-f", &keys.text("short")],
    );
    crate::oracle::must(
        "ssh-keygen",
        &["-q", "-t", "ecdsa", "-b", "521", "-N", "", "-f", &keys.text("p521")],
    );
    for name in ["short", "p521"] {
        let signed = keys.sign(name, BUNDLE, MESSAGE, &[]);
        assert!(SshSignature::parse(&signed).is_err(), "{name}");
        assert!(amiforge_trust::private::PrivateKeyFile::open(&keys.path(name)).is_err(), "{name}");
    }
}
