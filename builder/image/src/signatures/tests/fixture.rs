//! A bundle of a small disk, keys and policies.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use amiforge_formats::digest::Digest;
use amiforge_formats::guid::Guid;
use amiforge_formats::plan::{Claims, Data, NoSources};
use amiforge_progress::{CancelToken, Monitor};
use amiforge_trust::policy::SigningPolicy;
use amiforge_trust::private::PrivateKeyFile;
use amiforge_trust::signing::SigningKey as _;
use amiforge_trust::sshsig::{BUNDLE, sign};

use super::super::{BundleStatement, store};
use crate::bundle::{BundleTexts, BundleWriter, ExistingBundle, SUMS};
use crate::disk::Disk;
use crate::image::EmitOptions;
use crate::manifest::ImageOrigin;
use crate::verify::{BundleDifference, verify};

/// An Ed25519 key whose seed is 32 times a number (RFC 8410, section 7).
pub(super) fn key(number: u8) -> PrivateKeyFile {
    let head = [0x30, 0x2e, 2, 1, 0, 0x30, 5, 6, 3, 0x2b, 0x65, 0x70, 4, 0x22, 4, 0x20];
    PrivateKeyFile::parse(&[&head[..], &[number; 32]].concat(), Path::new("key")).unwrap()
}

/// Three signers, of whom images of these names need so many.
pub(super) fn policy(names: &str, threshold: usize) -> SigningPolicy {
    let mut text = String::new();
    for number in 1..=3 {
        let line = key(number).public().to_openssh();
        write!(text, "[[signer]]\nname = \"signer-{number}\"\nkeys = [\"{line}\"]\n").unwrap();
    }
    write!(
        text,
        "[[rule]]\nnames = [\"{names}\"]\nsigners = [\"signer-1\", \"signer-2\", \"signer-3\"]\nthreshold = {threshold}\n"
    ).unwrap();
    SigningPolicy::parse(&text).unwrap()
}

pub(super) struct Fixture {
    _parent: tempfile::TempDir,
    pub(super) path: PathBuf,
}

impl Fixture {
    /// A bundle of the image `web`.
    pub(super) fn new() -> Self {
        let parent = tempfile::tempdir().unwrap();
        let path = parent.path().join("web");
        let mut claims = Claims::new(3 << 20);
        claims.claim(1 << 20, 3, Data::Bytes { bytes: b"abc".as_slice().into(), at: 0 });
        let disk = Disk {
            plan: claims.finish(&Data::Free).unwrap(),
            guid: Guid::derive("x", "disk"),
            partitions: Vec::new(),
            verity: Vec::new(),
        };
        let origin = ImageOrigin {
            name: "web".to_owned(),
            version: None,
            arch: "x86_64".to_owned(),
            epoch: 0,
            boot_mode: None,
            recipe: Digest::of(b""),
            lock: None,
            inputs: Vec::new(),
            cleaned: Vec::new(),
            secrets: Vec::new(),
            secrets_unknown: Vec::new(),
            skipped: Vec::new(),
            leaks_allowed: Vec::new(),
            measurements: None,
        };
        let writer = BundleWriter::open(&path, ExistingBundle::Refuse).unwrap();
        let threads = EmitOptions { threads: 2 };
        let emitted = writer.write_image(&disk.plan, &NoSources, &threads, None, Monitor::none()).unwrap();
        let texts = BundleTexts {
            origin,
            secure_boot: None,
            pcr_policy: None,
            listing: "",
            documents: &[],
            provenance: None,
        };
        writer.finish(&disk, &emitted, texts, &CancelToken::new()).unwrap();
        Self { _parent: parent, path }
    }

    pub(super) fn statement(&self) -> BundleStatement {
        BundleStatement::parse(&fs::read(self.path.join(SUMS)).unwrap()).unwrap()
    }

    /// What `verify` reports, apart from the partition table that this disk does not have.
    pub(super) fn differences(&self) -> Vec<BundleDifference> {
        let report = verify(&self.path, &EmitOptions { threads: 2 }, Monitor::none()).unwrap();
        let table = |one: &BundleDifference| {
            matches!(one, BundleDifference::Format { .. } | BundleDifference::Partition { .. })
        };
        report.differences.into_iter().filter(|one| !table(one)).collect()
    }

    /// Signs it with a key, and gives the name of the signature.
    pub(super) fn sign(&self, number: u8) -> String {
        let statement = self.statement();
        let signature = sign(&key(number), BUNDLE, statement.bytes()).unwrap();
        store(&self.path, &signature, &statement).unwrap()
    }
}
