//! The program under test, run as a user runs it, and the bundles that it builds.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use amiforge_formats::residue;
use amiforge_image::inspect::Medium;

/// The path of the `amiforge` program of this build.
///
/// # Panics
/// When it was not built; `cargo build` or `cargo test --workspace` builds it.
pub fn path() -> PathBuf {
    let mut folder = std::env::current_exe().expect("the test's own path");
    folder.pop();
    if folder.ends_with("deps") {
        folder.pop();
    }
    let program = folder.join("amiforge");
    assert!(program.is_file(), "{} is missing: run `cargo build` first", program.display());
    program
}

/// Runs the program with arguments.
///
/// # Panics
/// When it cannot be started.
pub fn run(args: &[&str]) -> Output {
    Command::new(path()).args(args).output().expect("amiforge starts")
}

/// Runs the program, which has to succeed, and returns its standard output.
///
/// # Panics
/// When it fails; the message has its standard error.
pub fn must(args: &[&str]) -> String {
    let output = run(args);
    let err = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "amiforge {args:?}: {}\n{err}", output.status);
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// A partition, as listed in the manifest of a bundle.
#[derive(Debug, Clone)]
pub struct Partition {
    /// Number in the GPT.
    pub number: u64,
    /// First byte.
    pub start: u64,
    /// Length in bytes.
    pub len: u64,
    /// `ext4`, `fat32`, `swap` or empty.
    pub file_system: String,
}

/// A bundle that a test built.
#[derive(Debug)]
pub struct Bundle {
    /// Its folder.
    pub folder: PathBuf,
    /// Its manifest.
    pub manifest: serde_json::Value,
}

impl Bundle {
    /// Builds `recipe` into `out`; nothing may be below the files of the image.
    ///
    /// # Panics
    /// When the build fails, or something is there.
    pub fn build(recipe: &Path, out: &Path) -> Self {
        must(&["build", &recipe.to_string_lossy(), "-o", &out.to_string_lossy()]);
        let medium = Medium::open(out).expect("the bundle");
        let below = residue::disk(&medium).expect("the disk can be read");
        assert_eq!(below.residues, [], "{}", recipe.display());
        Self::open(out)
    }

    /// Opens a bundle.
    ///
    /// # Panics
    /// When it has no manifest.
    pub fn open(folder: &Path) -> Self {
        let text = std::fs::read(folder.join("manifest.json")).expect("manifest.json");
        Self { folder: folder.to_owned(), manifest: serde_json::from_slice(&text).expect("manifest is JSON") }
    }

    /// The path of the image.
    pub fn image(&self) -> PathBuf {
        self.folder.join("disk.raw")
    }

    /// The SHA-256 of the image in `SHA256SUMS`, in hexadecimal.
    ///
    /// # Panics
    /// When `SHA256SUMS` does not name `disk.raw`.
    pub fn digest(&self) -> String {
        let sums = std::fs::read_to_string(self.folder.join("SHA256SUMS")).expect("SHA256SUMS");
        let line = sums.lines().find(|line| line.ends_with("disk.raw")).expect("a line for disk.raw");
        line.split_whitespace().next().expect("a digest").to_owned()
    }

    /// The first partition with a file system of this kind.
    ///
    /// # Panics
    /// When there is none.
    pub fn partition(&self, file_system: &str) -> Partition {
        let all = self.manifest["partitions"].as_array().expect("partitions");
        let one = all.iter().find(|one| one["file_system"] == file_system).expect("the partition");
        let number = |key: &str| one[key].as_u64().unwrap_or_else(|| panic!("{key} in {one}"));
        Partition {
            number: number("number"),
            start: number("start"),
            len: number("len"),
            file_system: file_system.to_owned(),
        }
    }
}
