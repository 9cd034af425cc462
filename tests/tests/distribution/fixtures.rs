//! Recipes that are locked with the archive that the machine uses, with their packages in a store that all tests share.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use amiforge_tests::program::Bundle;
use amiforge_tests::{explained, oracle, program, scratch};

/// A recipe with its lock, and a store that holds the locked files and no layer.
pub(crate) struct LockedRecipe {
    pub(crate) folder: tempfile::TempDir,
}

impl LockedRecipe {
    /// The recipe of an example; `None` when no archive is reachable.
    pub(crate) fn of_example(example: &str) -> Option<Self> {
        let recipe = scratch::repository().join("examples").join(example).join("recipe.toml");
        Self::new(&fs::read_to_string(recipe).unwrap())
    }

    /// A recipe; `None` when no archive is reachable.
    pub(crate) fn new(recipe: &str) -> Option<Self> {
        let fixture = Self { folder: scratch::folder() };
        fs::write(fixture.recipe(), recipe).unwrap();
        let shared = scratch::repository().join("target/inputs/distribution");
        // One test fetches at a time, because they fetch the same files.
        let one_at_a_time = scratch::lock(&shared);
        for command in ["lock", "fetch"] {
            let output = Command::new(program::path())
                .args([command, "--store"])
                .arg(&shared)
                .arg(fixture.recipe())
                .output()
                .unwrap();
            if !output.status.success() {
                let stderr = String::from_utf8_lossy(&output.stderr);
                oracle::skip(&format!("no archive is reachable: {stderr}"));
                return None;
            }
        }
        drop(one_at_a_time);
        fixture.copy_locked_files("store", &shared);
        Some(fixture)
    }

    pub(crate) fn recipe(&self) -> PathBuf {
        self.path("recipe.toml")
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Another store with the same files and no layer.
    pub(crate) fn add_store(&self, name: &str) -> PathBuf {
        self.copy_locked_files(name, &self.path("store"))
    }

    /// Copies the locked files out of a store.
    pub(crate) fn copy_locked_files(&self, name: &str, from: &Path) -> PathBuf {
        let store = self.path(name);
        fs::create_dir_all(store.join("objects")).unwrap();
        let lock = fs::read_to_string(self.path("recipe.lock")).unwrap();
        for line in lock.lines() {
            let Some(digest) = line.strip_prefix("sha256 = ") else { continue };
            let name = Path::new("objects").join(digest.trim_matches('"'));
            let (from, to) = (from.join(&name), store.join(&name));
            if !to.exists() && fs::hard_link(&from, &to).is_err() {
                fs::copy(&from, &to).unwrap();
            }
        }
        store
    }

    /// Builds with the first store.
    pub(crate) fn build(&self, out: &str) -> Bundle {
        self.build_with_report(out).0
    }

    /// Builds with the first store, and returns the JSON report too.
    pub(crate) fn build_with_report(&self, out: &str) -> (Bundle, serde_json::Value) {
        let output = self.command(out, "store").output().unwrap();
        let stdout = must(&output);
        (Bundle::open(&self.path(out)), serde_json::from_str(&stdout).unwrap())
    }

    /// The command that builds into a folder with a store.
    pub(crate) fn command(&self, out: &str, store: &str) -> Command {
        let mut command = Command::new(program::path());
        command.arg("build").arg(self.recipe()).arg("-o").arg(self.path(out));
        command.arg("--force").arg("--json").arg("--store").arg(self.path(store));
        command
    }
}

/// The standard output of a program that has to succeed.
pub(crate) fn must(output: &Output) -> String {
    let out = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{}\n{out}{}", output.status, String::from_utf8_lossy(&output.stderr));
    out
}

/// Verifies a bundle and explains every byte of it, checks its root with `e2fsck`, and returns its listing.
pub(crate) fn verified_listing(bundle: &Bundle) -> String {
    program::must(&["verify", &bundle.folder.to_string_lossy()]);
    explained::coverage(&bundle.folder);
    if oracle::ready(&["e2fsck"], false) {
        let root = bundle.partition("ext4");
        oracle::must("e2fsck", &["-fn", &format!("{}?offset={}", bundle.image().display(), root.start)]);
    }
    fs::read_to_string(bundle.folder.join("tree.txt")).unwrap()
}

/// The text of a file of the root.
pub(crate) fn read_file(bundle: &Bundle, path: &str) -> String {
    program::must(&["inspect", &format!("{}:root{path}", bundle.folder.display()), "--cat"])
}

/// Whether a listing has a line with this beginning.
pub(crate) fn has_line(listing: &str, begin: &str) -> bool {
    listing.lines().any(|line| line.starts_with(begin))
}

/// Checks that two bundles are equal, file by file; the images by their digests.
pub(crate) fn assert_same(one: &Bundle, other: &Bundle) {
    let names = |bundle: &Bundle| {
        let mut names: Vec<_> =
            fs::read_dir(&bundle.folder).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        names.sort();
        names
    };
    assert_eq!(names(one), names(other));
    if one.digest() != other.digest() {
        let (one, other) = (one.folder.to_string_lossy(), other.folder.to_string_lossy());
        let output = program::run(&["diff", &one, &other]);
        panic!("{one} and {other} differ:\n{}", String::from_utf8_lossy(&output.stdout));
    }
    for name in names(one).iter().filter(|name| *name != "disk.raw") {
        let read = |bundle: &Bundle| fs::read(bundle.folder.join(name)).unwrap();
        assert!(read(one) == read(other), "{} differs", name.display());
    }
}
