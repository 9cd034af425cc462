//! A recipe with packages, an archive for it, and the program run on both with a store of their own.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use tempfile::TempDir;

use crate::debs::{Deb, Key, Signing, Suite, WrittenArchive};
use crate::{program, scratch};

/// A folder with a recipe and the archive of its packages.
#[derive(Debug)]
pub struct LockFixture {
    folder: TempDir,
    /// The key that the archive is signed with.
    pub key: Key,
}

impl LockFixture {
    /// A recipe with `packages` of the suite `stable` of `distribution = "tests"`; `None` when gpg is not installed.
    ///
    /// # Panics
    /// When the folder cannot be written.
    pub fn new(packages: &[&str]) -> Option<Self> {
        let fixture = Self { folder: scratch::folder(), key: Key::generate("archive")? };
        fixture.key.export(&fixture.path("archive.gpg"));
        fixture.write_recipe(packages, "");
        Some(fixture)
    }

    /// A path in the folder.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Writes the recipe, with more keys for the source.
    ///
    /// # Panics
    /// When it cannot be written.
    pub fn write_recipe(&self, packages: &[&str], more: &str) {
        let text = format!(
            "[image]\nname = \"tested\"\narch = \"x86_64\"\n\n[[source]]\nkind = \"deb\"\ndistribution = \"tests\"\n\
             suites = [\"stable\"]\nbase = \"none\"\nkeyring = \"archive.gpg\"\npackages = {packages:?}\n{more}"
        );
        std::fs::write(self.path("recipe.toml"), text).expect("the recipe is written");
    }

    /// Writes a suite `stable` into the archive.
    pub fn write_archive(&self, suite: &Suite) -> WrittenArchive {
        suite.write(&self.path("archive"), Signing::Inline(&self.key))
    }

    /// Sample packages: `app` depends on `lib`, and no package on `other`.
    pub fn sample_packages() -> Vec<Deb> {
        let bytes = crate::archive::noise(300_000, 5);
        vec![
            Deb::new("app", "1.0").field("Depends", "lib (>= 2)"),
            Deb::new("lib", "2.1").file("/usr/lib/noise", &bytes),
            Deb::new("other", "3"),
        ]
    }

    /// The text of the lock.
    ///
    /// # Panics
    /// When there is no lock.
    pub fn lock_text(&self) -> String {
        std::fs::read_to_string(self.path("recipe.lock")).expect("recipe.lock")
    }

    /// A command of the program with the recipe, the fixture's store, and a mirror.
    pub fn command(&self, verb: &str, mirror: &str) -> Command {
        let mut command = Command::new(program::path());
        command.arg(verb).arg(self.path("recipe.toml")).arg("--store").arg(self.path("store"));
        command.env("AMIFORGE_DEB_MIRROR", mirror).env_remove("http_proxy").env_remove("HTTP_PROXY");
        command
    }

    /// Runs a command with further arguments, and returns its status and output.
    ///
    /// # Panics
    /// When it cannot be started.
    pub fn run(&self, verb: &str, mirror: &str, more: &[&str]) -> Output {
        self.command(verb, mirror).args(more).output().expect("amiforge starts")
    }

    /// Runs a command that has to succeed, and returns its standard output.
    ///
    /// # Panics
    /// When it fails.
    pub fn must(&self, verb: &str, mirror: &str, more: &[&str]) -> String {
        let output = self.run(verb, mirror, more);
        let err = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{verb} {more:?}: {}\n{err}", output.status);
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    /// Runs a command that has to fail with an exit code, and returns its standard error.
    ///
    /// # Panics
    /// When it ends with another code.
    pub fn must_fail(&self, code: i32, verb: &str, mirror: &str, more: &[&str]) -> String {
        let output = self.run(verb, mirror, more);
        let err = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(code), "{verb} {more:?}: {err}");
        err
    }
}

/// The number of complete and of partial files in the folder of objects of a store.
pub fn count_objects(store: &Path) -> (usize, usize) {
    let listed = std::fs::read_dir(store.join("objects")).into_iter().flatten().flatten();
    let hidden: Vec<_> = listed.map(|entry| entry.file_name().to_string_lossy().starts_with('.')).collect();
    let parts = hidden.iter().filter(|hidden| **hidden).count();
    (hidden.len() - parts, parts)
}
