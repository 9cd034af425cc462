//! The digests of an image that was imported are taken once, and again only when the file has changed. strace counts what is
//! read; faketime lets the file have been at rest.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::os::unix::fs::{FileExt as _, MetadataExt as _};
use std::path::PathBuf;
use std::process::Command;

use amiforge_tests::archive::noise;
use amiforge_tests::{oracle, program, scratch};

/// A disk that can be kept.
const BASE: &str = "[image]\nname = \"base\"\nversion = \"1\"\narch = \"x86_64\"\nepoch = \"2030-01-01T00:00:00Z\"\n\n\
    [disk]\nsize = \"1 GiB\"\n\n[[partition]]\nrole = \"esp\"\nsize = \"64 MiB\"\n\n[[partition]]\nrole = \"root\"\n\n\
    [[source]]\nkind = \"dir\"\npath = \"tree\"\n";

/// Bytes of the files in it.
const FILES: u64 = 40 << 20;

/// A file of the user that is a disk.
struct Fixture(tempfile::TempDir);

impl Fixture {
    fn new() -> Self {
        let fixture = Self(scratch::folder());
        for name in ["tree/etc", "tree/usr", "tree/boot/efi/EFI/BOOT"] {
            fs::create_dir_all(fixture.path(name)).unwrap();
        }
        fs::write(fixture.path("tree/boot/efi/EFI/BOOT/BOOTX64.EFI"), noise(300_000, 7)).unwrap();
        for number in 0..(FILES >> 20) as u32 {
            fs::write(fixture.path(&format!("tree/usr/{number}")), noise(1 << 20, number)).unwrap();
        }
        fs::write(fixture.path("base.toml"), BASE).unwrap();
        must(&mut fixture.amiforge(&["build", "base.toml", "-o", "base"]));
        fixture
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn command(&self, name: &str) -> Command {
        let mut command = Command::new(oracle::find(name).unwrap_or_else(|| name.into()));
        command.current_dir(self.0.path());
        command
    }

    fn amiforge(&self, args: &[&str]) -> Command {
        let mut command = self.command(&program::path().to_string_lossy());
        command.args(args);
        command
    }

    /// Imports the disk, which has been at rest for an hour.
    fn import(&self, options: &[&str]) {
        let mut command = self.command("faketime");
        command.env("NO_FAKE_STAT", "1").args(["-f", "+1h"]).arg(program::path());
        must(command.args(["import", "base/disk.raw", "-o", "web", "--store", "store"]).args(options));
    }

    /// Builds what was imported; gives the bytes of the disk that were read.
    fn build_read(&self, store: &str, out: &str) -> u64 {
        let mut command = self.command("strace");
        command.args(["-f", "-y", "-qq", "-e", "trace=pread64,read", "-o", "log"]).arg(program::path());
        must(command.args(["build", "web/recipe.toml", "-o", out, "--store", store]));
        let log = String::from_utf8_lossy(&fs::read(self.path("log")).unwrap()).into_owned();
        read_of(&log, &self.path("base/disk.raw").to_string_lossy())
    }
}

/// Bytes of a file that were read, by the log of strace. A call that another thread interrupts is on two lines: the first has the
/// path, the second the result.
fn read_of(log: &str, path: &str) -> u64 {
    let (mut begun, mut sum) = (BTreeSet::new(), 0);
    for line in log.lines() {
        let thread = line.split(' ').next().unwrap_or_default();
        let of_file = line.contains(path) || (line.contains(" resumed>") && begun.remove(thread));
        if of_file && line.contains("<unfinished ...>") {
            begun.insert(thread);
        } else if of_file {
            sum += line.rsplit_once("= ").and_then(|(_, len)| len.parse::<u64>().ok()).unwrap_or(0);
        }
    }
    sum
}

fn must(command: &mut Command) {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn a_kept_disk_that_was_imported_is_read_once_and_its_bundle_is_the_same_without_what_was_known() {
    if !oracle::ready(&["faketime", "strace"], false) {
        return;
    }
    let fixture = Fixture::new();
    fixture.import(&[]);
    let known = fixture.build_read("store", "known");
    assert!((FILES..FILES * 3 / 2).contains(&known), "{known} bytes of the disk were read");
    // Once for its pin, once for the files' digests, once for the image: what the import took is not in this store.
    let unknown = fixture.build_read("other", "unknown");
    assert!(unknown > 1 << 30, "{unknown} bytes of the disk were read");
    for name in ["SHA256SUMS", "sbom.spdx.json"] {
        let of = |out: &str| fs::read(fixture.path(out).join(name)).unwrap();
        assert_eq!(of("known"), of("unknown"), "{name}");
    }
    let [kept, base] = ["known/disk.raw", "base/disk.raw"].map(|name| fixture.path(name));
    oracle::must("cmp", &[kept, base]);
}

#[test]
fn a_file_of_an_imported_disk_that_changed_is_noticed_though_its_time_was_set_back() {
    if !oracle::ready(&["faketime"], false) {
        return;
    }
    for options in [&[][..], &["--new-disk"]] {
        let fixture = Fixture::new();
        fixture.import(options);
        let path = fixture.path("base/disk.raw");
        let disk = File::options().read(true).write(true).open(&path).unwrap();
        let time = disk.metadata().unwrap().modified().unwrap();
        let (mut byte, at) = ([0], disk.metadata().unwrap().size() - (600 << 20));
        disk.read_exact_at(&mut byte, at).unwrap();
        disk.write_all_at(&[!byte[0]], at).unwrap();
        disk.set_modified(time).unwrap();
        let build = ["build", "web/recipe.toml", "-o", "out", "--store", "store"];
        let output = fixture.amiforge(&build).output().unwrap();
        let err = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{err}");
        assert!(err.contains("its sha256 is "), "{err}");
        assert!(!fixture.path("out").exists());
    }
}
