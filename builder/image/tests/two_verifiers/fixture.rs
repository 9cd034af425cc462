//! The bundles of version 0.1, unpacked in memory, and both verdicts about one.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use amiforge_image::image::EmitOptions;
use amiforge_image::verify;
use amiforge_progress::Monitor;
use amiforge_verify::folder::Folder;
use amiforge_verify::report::Outcome;
use amiforge_verify::{Choices, Report};
use serde_json::Value;

use crate::tally::Reasons;

/// The bundles.
pub(crate) const ALL: [&str; 4] = ["ext4", "journal", "verity-erofs", "verity-ext4"];

/// An unpacked bundle, deleted when dropped.
pub(crate) struct Unpacked {
    folder: tempfile::TempDir,
}

impl Unpacked {
    pub(crate) fn new(name: &str) -> Self {
        let memory = Path::new("/dev/shm");
        let folder =
            if memory.is_dir() { tempfile::tempdir_in(memory) } else { tempfile::tempdir() }.unwrap();
        let archive =
            Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("../../fixtures/bundles/0.1/{name}.tar.xz"));
        let status =
            Command::new("tar").arg("-xJf").arg(archive).arg("-C").arg(folder.path()).status().unwrap();
        assert!(status.success(), "tar unpacks {name}");
        Self { folder }
    }

    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder().join(name)
    }

    pub(crate) fn read(&self, name: &str) -> Vec<u8> {
        fs::read(self.path(name)).unwrap()
    }

    pub(crate) fn manifest(&self) -> Value {
        serde_json::from_slice(&self.read("manifest.json")).unwrap()
    }

    /// The bytes of a partition.
    pub(crate) fn partition(&self, id: &str) -> Vec<u8> {
        let manifest = self.manifest();
        let all = manifest["partitions"].as_array().unwrap();
        let one = all.iter().find(|one| one["id"] == id).unwrap();
        let (start, len) = (one["start"].as_u64().unwrap() as usize, one["len"].as_u64().unwrap() as usize);
        self.read("disk.raw")[start..start + len].to_vec()
    }
}

/// Why `amiforge verify` refuses a bundle.
pub(crate) fn amiforge(folder: &Path) -> Reasons {
    match verify::verify(folder, &EmitOptions { threads: 1 }, Monitor::none()) {
        Ok(report) => report.differences.iter().map(|one| format!("{one:?}")).collect(),
        Err(error) => vec![format!("error: {error}")],
    }
}

/// Why `amiforge-verify` refuses a bundle.
pub(crate) fn independent(folder: &Path, choices: &Choices) -> Reasons {
    reasons(&amiforge_verify::verify(&Folder::new(folder), choices))
}

pub(crate) fn reasons(report: &Report) -> Reasons {
    if report.outcome() == Outcome::Good {
        return Vec::new();
    }
    let mut all: Reasons = report.mismatches.iter().map(ToString::to_string).collect();
    let unchecked = report.unchecked.iter().filter(|one| one.required);
    all.extend(unchecked.map(|one| format!("not checked: {}: {}", one.part, one.reason)));
    all
}

#[test]
fn bundles_of_version_0_1_verify() {
    for name in ALL {
        let bundle = Unpacked::new(name);
        assert_eq!(amiforge(bundle.folder()), [""; 0], "{name}");
        assert_eq!(independent(bundle.folder(), &Choices::default()), [""; 0], "{name}");
    }
}
