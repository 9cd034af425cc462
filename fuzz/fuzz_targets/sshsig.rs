//! Fuzzes the readers of SSH signatures, of public and private keys, and of policies with arbitrary bytes. They may refuse
//! them; they may not panic, hang or take unbounded memory, and what they read comes back as it was.
#![no_main]

use std::path::Path;

use amiforge_trust::keys::PublicKey;
use amiforge_trust::policy::SigningPolicy;
use amiforge_trust::private::PrivateKeyFile;
use amiforge_trust::signing::SigningKey as _;
use amiforge_trust::sshsig::{BUNDLE, SshSignature};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    for read in [SshSignature::parse(bytes), SshSignature::from_blob(bytes)].into_iter().flatten() {
        assert!(read.verify(BUNDLE, b"nobody signed this").is_err());
        let armour = read.to_armour();
        assert_eq!(SshSignature::parse(armour.as_bytes()).as_ref(), Ok(&read));
    }
    let text = String::from_utf8_lossy(bytes);
    let keys = [
        PublicKey::from_blob(bytes),
        PublicKey::from_spki_der(bytes),
        PublicKey::from_pem(bytes),
        PublicKey::parse_openssh(&text),
    ];
    for key in keys.into_iter().flatten() {
        assert_eq!(PublicKey::from_blob(key.blob()).as_ref(), Ok(&key));
        assert_eq!(PublicKey::parse_openssh(&key.to_openssh()).as_ref(), Ok(&key));
        if let Ok(der) = key.to_spki_der() {
            assert_eq!(PublicKey::from_spki_der(&der).as_ref(), Ok(&key));
        }
        let _ = key.verify(b"message", bytes);
        let _ = key.verify_ssh(b"message", bytes);
    }
    if let Ok(key) = PrivateKeyFile::parse(bytes, Path::new("key")) {
        let signature = key.sign(b"message").expect("a key signs");
        key.public().verify(b"message", &signature).expect("its own signature");
    }
    if let Ok(policy) = SigningPolicy::parse(&text) {
        let _ = policy.decide("web", &[]);
        let _ = policy.allowed_signers(Some("web"), &[BUNDLE]);
    }
});
