//! A bundle of a small disk, keys and policies.

use std::fmt::Write as _;
use std::fs;
use std::path::PathBuf;

use amiforge_progress::Monitor;
use amiforge_trust::policy::SigningPolicy;
use amiforge_trust::signing::SigningKey as _;
use amiforge_trust::sshsig::{BUNDLE, sign};

use super::super::{BundleStatement, store};
use crate::bundle::SUMS;
pub(super) use crate::testing::key;
use crate::testing::{THREADS, origin, small_disk, texts, three_bytes, write_bundle};
use crate::verify::{BundleDifference, verify};

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
        write_bundle(&path, &small_disk(three_bytes()), texts(origin("web"), "", &[], None));
        Self { _parent: parent, path }
    }

    pub(super) fn statement(&self) -> BundleStatement {
        BundleStatement::parse(&fs::read(self.path.join(SUMS)).unwrap()).unwrap()
    }

    /// What `verify` reports, apart from the partition table that this disk does not have.
    pub(super) fn differences(&self) -> Vec<BundleDifference> {
        let report = verify(&self.path, &THREADS, Monitor::none()).unwrap();
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
