//! A key that openssl makes, and a statement that it signs.

use std::collections::BTreeMap;
use std::path::PathBuf;

use amiforge_formats::digest::Digest;
use amiforge_trust::dsse::{DsseEnvelope, IN_TOTO};
use amiforge_trust::in_toto::InTotoStatement;
use amiforge_trust::keys::PublicKey;
use amiforge_trust::private::PrivateKeyFile;
use amiforge_trust::signing::SigningKey as _;
use amiforge_trust::sigstore::SigstoreBundle;

use crate::oracles::openssl;

/// The keys: what openssl makes, and the scheme of securesystemslib (`-` for its usual one).
pub(crate) const KINDS: [(&str, &[&str], &str); 4] = [
    ("p256", &["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256"], "-"),
    ("ed25519", &["-algorithm", "ED25519"], "-"),
    ("rsa", &["-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048"], "rsa-pkcs1v15-sha256"),
    ("p384", &["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-384"], "-"),
];

/// A key with a signed statement of a file, in a folder of its own.
pub(crate) struct Case {
    pub(crate) folder: tempfile::TempDir,
    pub(crate) key: PrivateKeyFile,
    pub(crate) scheme: &'static str,
    pub(crate) envelope: DsseEnvelope,
}

impl Case {
    pub(crate) fn new(kind: &(&str, &[&str], &'static str)) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key.pem");
        let out = ["genpkey", "-quiet", "-out", path.to_str().unwrap()];
        let arguments: Vec<&str> = [&out[..1], kind.1, &out[2..]].concat();
        openssl(&arguments);
        let key = PrivateKeyFile::open(&path).unwrap();
        std::fs::write(folder.path().join("key.pub"), key.public().to_pem().unwrap()).unwrap();
        let image = b"the image";
        std::fs::write(folder.path().join("disk.raw"), image).unwrap();
        let statement = InTotoStatement {
            subjects: BTreeMap::from([("disk.raw".to_owned(), Digest::of(image))]),
            predicate_type: "https://slsa.dev/provenance/v1".to_owned(),
            predicate: serde_json::json!({
                "buildDefinition": { "buildType": "https://example.org/build/v1", "externalParameters": {} },
                "runDetails": { "builder": { "id": "https://example.org/builder" } },
            }),
        };
        let payload = statement.to_text().into_bytes();
        let envelope = DsseEnvelope::sign(IN_TOTO, payload, &key).unwrap();
        Self { folder, key, scheme: kind.2, envelope }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Writes a text into the folder.
    pub(crate) fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.path(name);
        std::fs::write(&path, text).unwrap();
        path
    }

    pub(crate) fn key_id(&self) -> String {
        self.key.public().fingerprint()
    }

    /// Whether this program accepts an envelope with one signature.
    pub(crate) fn accepts_envelope(&self, text: &str) -> bool {
        DsseEnvelope::parse(text.as_bytes()).is_ok_and(|envelope| self.verifies(&envelope))
    }

    /// Whether this program accepts a sigstore bundle.
    pub(crate) fn accepts_bundle(&self, text: &str) -> bool {
        SigstoreBundle::parse(text.as_bytes()).is_ok_and(|bundle| {
            bundle.hint == bundle.envelope.signatures[0].key_id && self.verifies(&bundle.envelope)
        })
    }

    fn verifies(&self, envelope: &DsseEnvelope) -> bool {
        let keys: [PublicKey; 1] = [self.key.public().clone()];
        envelope.payload_type == IN_TOTO && envelope.verify(&keys).is_ok_and(|signed| signed.len() == 1)
    }
}
