//! The disk of a snapshot as a source: locked and fetched from the local region, imported, and built without it. `qemu-img`
//! judges the file in the store.
#![expect(clippy::unwrap_used, reason = "a test that cannot prepare its case fails")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use amiforge_tests::archive::noise;
use amiforge_tests::{oracle, program, scratch};
use serde_json::Value;

const RECIPE: &str = "[image]\nname = \"base\"\nversion = \"1\"\narch = \"x86_64\"\nepoch = \"2030-01-01T00:00:00Z\"\n\n\
    [disk]\nsize = \"64 MiB\"\n\n[[partition]]\nrole = \"root\"\n\n[[source]]\nkind = \"dir\"\npath = \"tree\"\n";

/// A folder with an image, a local region and stores.
struct Fixture(tempfile::TempDir);

impl Fixture {
    /// Builds the image and uploads it; gives its snapshot.
    fn new() -> (Self, String) {
        let fixture = Self(scratch::folder());
        for name in ["tree/etc", "tree/usr/bin"] {
            fs::create_dir_all(fixture.path(name)).unwrap();
        }
        fs::write(fixture.path("tree/etc/motd"), "from last month\n").unwrap();
        fs::write(fixture.path("tree/usr/bin/tool"), noise(3 << 20, 1)).unwrap();
        fs::write(fixture.path("recipe.toml"), RECIPE).unwrap();
        fixture.must(&["build", "recipe.toml", "-o", "base"]);
        let uploaded = fixture.must(&["--json", "upload", "base", "--region", "local"]);
        let json: Value = serde_json::from_str(&uploaded).unwrap();
        let snapshot = json["snapshotId"].as_str().unwrap().to_owned();
        (fixture, snapshot)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn run(&self, args: &[&str]) -> Output {
        let mut command = Command::new(program::path());
        command.args(args).current_dir(self.0.path());
        command.env("AMIFORGE_LOCAL_REGION", self.path("region")).output().unwrap()
    }

    fn must(&self, args: &[&str]) -> String {
        let output = self.run(args);
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{args:?}: {stderr}");
        String::from_utf8(output.stdout).unwrap()
    }

    fn refused(&self, args: &[&str]) -> String {
        let output = self.run(args);
        assert!(!output.status.success(), "{args:?}");
        String::from_utf8_lossy(&output.stderr).into_owned()
    }
}

/// The objects of a store.
fn objects(store: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(store.join("objects")).unwrap().map(|entry| entry.unwrap().path());
    entries.filter(|path| !path.file_name().unwrap().to_string_lossy().starts_with('.')).collect()
}

#[test]
fn a_snapshot_is_imported_pinned_by_its_blocks_and_built_without_its_region() {
    let (fixture, snapshot) = Fixture::new();
    fixture.must(&["import", &snapshot, "--region", "local", "-o", "web", "--store", "store"]);
    let lock = fs::read_to_string(fixture.path("web/recipe.lock")).unwrap();
    assert!(lock.contains("[[snapshot]]") && lock.contains(&format!("snapshot = \"{snapshot}\"")), "{lock}");
    fixture.must(&["lock", "web/recipe.toml", "--check", "--store", "store"]);
    let stored = objects(&fixture.path("store"));
    let [object] = stored.as_slice() else { panic!("{stored:?}") };
    let name = object.file_name().unwrap().to_str().unwrap();
    assert!(lock.contains(&format!("sha256 = \"{name}\"")), "{lock}");
    if oracle::ready(&["qemu-img"], false) {
        let file = object.to_string_lossy();
        oracle::must("qemu-img", &["check", "-f", "qcow2", &file]);
        // The volume is a GiB, of which the image has the first 64 MiB.
        let disk = fixture.path("base/disk.raw").to_string_lossy().into_owned();
        oracle::must("qemu-img", &["compare", "-f", "qcow2", "-F", "raw", &file, &disk]);
    }

    // Another machine fetches the same file, by the lock alone.
    fixture.must(&["fetch", "web/recipe.toml", "--store", "other"]);
    assert_eq!(fs::read(objects(&fixture.path("other"))[0].clone()).unwrap(), fs::read(object).unwrap());
    fixture.must(&["vendor", "web/recipe.toml", "-o", "inputs.tar", "--store", "other"]);
    fs::rename(fixture.path("region"), fixture.path("away")).unwrap();
    fixture.must(&["build", "web/recipe.toml", "-o", "out/web", "--store", "store"]);
    let motd = fixture.must(&["inspect", "out/web:root/etc/motd", "--cat"]);
    assert_eq!(motd, "from last month\n");
    fixture.must(&[
        "build",
        "web/recipe.toml",
        "-o",
        "out/again",
        "--store",
        "fresh",
        "--vendor",
        "inputs.tar",
    ]);
    let sums = |name: &str| fs::read_to_string(fixture.path(name).join("SHA256SUMS")).unwrap();
    assert_eq!(sums("out/web"), sums("out/again"));
    let manifest = fs::read_to_string(fixture.path("out/web/manifest.json")).unwrap();
    assert!(manifest.contains(name), "the manifest has the digest of the blocks");
}

#[test]
fn a_snapshot_that_is_not_the_locked_one_or_not_there_is_refused() {
    let (fixture, snapshot) = Fixture::new();
    fixture.must(&["import", &snapshot, "--region", "local", "-o", "web", "--store", "store"]);
    let lock = fs::read_to_string(fixture.path("web/recipe.lock")).unwrap();
    let name = objects(&fixture.path("store"))[0].file_name().unwrap().to_str().unwrap().to_owned();
    let other = name.chars().rev().collect::<String>();
    fs::write(fixture.path("web/recipe.lock"), lock.replace(&name, &other)).unwrap();
    let said = fixture.refused(&["fetch", "web/recipe.toml", "--store", "empty"]);
    assert!(said.contains("is not what the lock pins"), "{said}");
    let said = fixture.refused(&["build", "web/recipe.toml", "-o", "out/web", "--store", "empty"]);
    assert!(said.contains("not in the store") && said.contains("amiforge fetch"), "{said}");
    let said = fixture.refused(&[
        "import",
        "snap-0123456789abcdef0",
        "--region",
        "local",
        "-o",
        "none",
        "--store",
        "store",
    ]);
    assert!(said.contains("cannot import `snap-0123456789abcdef0`"), "{said}");
    assert!(!fixture.path("none").exists());
}
