//! `boot = "keep"`: an AMI of the local region amended in place, its bundle a child of the AMI's snapshot. `sfdisk` and
//! `e2fsck` judge the disk, the region counts the blocks.
#![expect(clippy::unwrap_used, reason = "a test that cannot prepare its case fails")]

use std::fs;
use std::path::PathBuf;
use std::process::{Command, Output};

use amiforge_tests::archive::noise;
use amiforge_tests::program::Bundle;
use amiforge_tests::{oracle, program, scratch};
use serde_json::Value;

/// Most blocks that a few small files may cost.
const FEW: u64 = 40;

/// A disk as others have them: partitions with names and ids of their own, something that firmware starts, and files.
const BASE: &str = "[image]\nname = \"base\"\nversion = \"1\"\narch = \"x86_64\"\nepoch = \"2030-01-01T00:00:00Z\"\n\n\
    [disk]\nsize = \"1 GiB\"\n\n[[partition]]\nrole = \"bios-boot\"\n\n[[partition]]\nrole = \"esp\"\nsize = \"64 MiB\"\nnumber = 15\n\n\
    [[partition]]\nrole = \"root\"\nnumber = 1\n\n[[source]]\nkind = \"dir\"\npath = \"tree\"\n";

/// A folder with an AMI of the local region, and a store.
struct Fixture(tempfile::TempDir);

impl Fixture {
    /// Builds the base and publishes it; gives its AMI.
    fn new() -> (Self, String) {
        let fixture = Self(scratch::folder());
        for name in ["tree/etc", "tree/usr/bin", "tree/usr/share/data", "tree/boot/efi/EFI/BOOT"] {
            fs::create_dir_all(fixture.path(name)).unwrap();
        }
        fs::write(fixture.path("tree/etc/motd"), "from last month\n").unwrap();
        fs::write(fixture.path("tree/boot/efi/EFI/BOOT/BOOTX64.EFI"), noise(300_000, 7)).unwrap();
        for number in 0..40 {
            let name = format!("tree/usr/share/data/{number}");
            fs::write(fixture.path(&name), noise(1 << 20, number)).unwrap();
        }
        fs::write(fixture.path("base.toml"), BASE).unwrap();
        fixture.must(&["build", "base.toml", "-o", "base"]);
        let ami = fixture.publish("base", &[])["imageId"].as_str().unwrap().to_owned();
        (fixture, ami)
    }

    /// A recipe that keeps the disk of the AMI, with more of a recipe.
    fn recipe(&self, ami: &str, more: &str) {
        let text = format!(
            "boot = \"keep\"\n\n[image]\nname = \"web\"\nversion = \"1\"\narch = \"x86_64\"\n\n[[source]]\nkind = \"image\"\nami = \"{ami}\"\n\
             region = \"local\"\n{more}"
        );
        fs::write(self.path("web.toml"), text).unwrap();
        self.must(&["lock", "web.toml", "--store", "store"]);
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

    /// Publishes a bundle; gives the report.
    fn publish(&self, bundle: &str, options: &[&str]) -> Value {
        let args = [&["--json", "publish", bundle, "--region", "local"][..], options].concat();
        serde_json::from_str(&self.must(&args)).unwrap()
    }

    /// The partition table of a bundle's disk as sfdisk dumps it, without the name of the file.
    fn table(&self, bundle: &str) -> String {
        let disk = self.path(&format!("{bundle}/disk.raw")).display().to_string();
        oracle::must("sfdisk", &["-d", &disk]).replace(&disk, "disk")
    }

    /// The first bytes of a bundle's disk, up to its first partition.
    fn head(&self, bundle: &str) -> Vec<u8> {
        let mut bytes = vec![0; 1 << 20];
        let disk = fs::File::open(self.path(&format!("{bundle}/disk.raw"))).unwrap();
        std::os::unix::fs::FileExt::read_exact_at(&disk, &mut bytes, 0).unwrap();
        bytes
    }
}

#[test]
fn a_kept_disk_is_amended_and_published_as_a_child_of_its_snapshot() {
    if !oracle::ready(&["sfdisk", "e2fsck"], false) {
        return;
    }
    let (fixture, ami) = Fixture::new();
    fixture.recipe(&ami, "\n[[file]]\npath = \"/etc/motd\"\ncontent = \"of today\\n\"\n\n[[file]]\npath = \"/usr/bin/tool\"\nmode = \"0755\"\ncontent = \"#!/bin/sh\"\n");
    fixture.must(&["build", "web.toml", "-o", "web", "--store", "store"]);
    fixture.must(&["verify", "web"]);
    assert_eq!(fixture.table("web"), fixture.table("base"));
    assert!(fixture.head("web") == fixture.head("base"), "boot sector, table and gap are those of the base");
    let bundle = Bundle::open(&fixture.path("web"));
    let root = bundle.partition("ext4");
    oracle::must("e2fsck", &["-fn", &format!("{}?offset={}", bundle.image().display(), root.start)]);
    assert_eq!(fixture.must(&["inspect", "web:root/etc/motd", "--cat"]), "of today\n");
    assert_eq!(bundle.manifest["image"]["boot_mode"], "uefi", "{}", bundle.manifest);

    let report = fixture.publish("web", &["--parent", "auto", "--store", "store"]);
    let sent = report["blocksSent"].as_u64().unwrap_or_else(|| panic!("{report}"));
    assert!(sent > 0 && sent <= FEW, "{sent} blocks were sent: {report}");
    // The same inputs give the same image.
    fixture.must(&["build", "web.toml", "-o", "again", "--store", "store"]);
    let sums = |name: &str| fs::read_to_string(fixture.path(name).join("SHA256SUMS")).unwrap();
    assert_eq!(sums("web"), sums("again"));
}

#[test]
fn a_loader_on_the_efi_system_partition_is_replaced_with_its_volume_id() {
    let (fixture, ami) = Fixture::new();
    fixture.recipe(&ami, "\n[[file]]\npath = \"/boot/efi/EFI/BOOT/NEW.EFI\"\ncontent = \"new\\n\"\n");
    fixture.must(&["build", "web.toml", "-o", "web", "--store", "store"]);
    fixture.must(&["verify", "web"]);
    let id = |bundle: &str| {
        let bundle = Bundle::open(&fixture.path(bundle));
        let all = bundle.manifest["partitions"].as_array().unwrap().clone();
        all.iter().find(|one| one["file_system"] == "fat32").unwrap()["uuid"].clone()
    };
    assert_eq!(id("web"), id("base"));
    assert_eq!(fixture.must(&["inspect", "web:esp/EFI/BOOT/NEW.EFI", "--cat"]), "new\n");
}

#[test]
fn what_cannot_be_kept_is_refused_with_the_way_that_works() {
    if !oracle::ready(&["mkfs.ext4"], false) {
        return;
    }
    let (fixture, _) = Fixture::new();
    fs::write(fixture.path("plain.img"), vec![0; 1 << 20]).unwrap();
    oracle::must(
        "mkfs.ext4",
        &[
            "-q",
            "-d",
            &fixture.path("tree").display().to_string(),
            &fixture.path("plain.img").display().to_string(),
            "64M",
        ],
    );
    let plain = "boot = \"keep\"\n[image]\nname = \"web\"\narch = \"x86_64\"\n[[source]]\nkind = \"image\"\npath = \"plain.img\"\n";
    fs::write(fixture.path("plain.toml"), plain).unwrap();
    let said = fixture.refused(&["build", "plain.toml", "-o", "plain"]);
    assert!(said.contains("no partition table") && said.contains("[boot]"), "{said}");
}
