//! A kernel upgrade in a running machine, from an archive in the machine itself: the next boot starts the new kernel, by
//! either firmware.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use amiforge_tests::{oracle, program};
use sha2::{Digest as _, Sha256};

use crate::fixtures::{LockedRecipe, must};

/// Seconds that a boot may take, in software on a busy machine.
const TIMEOUT: &str = "1500";

/// A server whose kernel is one of the older ones that the archive has; what it upgrades to is in `/srv/archive`.
const RECIPE: &str = r#"
[image]
name = "upgraded"
arch = "x86_64"
[disk]
size = 2
[boot]
[[source]]
kind = "deb"
distribution = "debian"
suites = ["bookworm", "bookworm-updates", "bookworm-security"]
scripts = "native"
man = false
docs = false
packages = [
    "systemd-sysv", "udev", "dbus", "KERNEL", "initramfs-tools", "zstd", "fdisk", "openssh-server", "e2fsprogs",
    "iproute2", "netbase", "systemd-resolved", "systemd-boot-efi", "curl",
]
"#;

/// What adds the archive.
const ARCHIVE: &str = r#"
[[source]]
kind = "dir"
path = "archive"
prefix = "/srv/archive"
[[file]]
path = "/etc/apt/upgrades.list"
content = "deb [trusted=yes] file:/srv/archive ./\n"
"#;

/// The releases of kernels in a lock, with the digests of their packages.
fn kernels(lock: &str) -> Vec<(String, String)> {
    let mut found = Vec::new();
    for package in lock.split("[[").filter(|text| text.contains("name = \"linux-image-")) {
        let field = |key: &str| {
            let line = package.lines().find_map(|line| line.strip_prefix(&format!("{key} = ")))?;
            Some(line.trim_matches('"').to_owned())
        };
        let (name, sha256) = (field("name").unwrap(), field("sha256").unwrap());
        found.push((name.trim_start_matches("linux-image-").to_owned(), sha256));
    }
    found
}

/// Puts packages of a store into a folder, with the list of them that apt reads.
fn archive(fixture: &LockedRecipe, packages: &[(String, String)], folder: &Path) {
    fs::create_dir_all(folder).unwrap();
    let mut list = String::new();
    for (name, sha256) in packages {
        let object: PathBuf = fixture.path("store").join("objects").join(sha256);
        let bytes = fs::read(&object).unwrap();
        fs::write(folder.join(format!("{name}.deb")), &bytes).unwrap();
        let fields = oracle::must("dpkg-deb", &["-f", &object.to_string_lossy()]);
        let digest: String = Sha256::digest(&bytes).iter().fold(String::new(), |mut text, byte| {
            let _ = write!(text, "{byte:02x}");
            text
        });
        let _ = write!(
            list,
            "{}\nFilename: ./{name}.deb\nSize: {}\nSHA256: {digest}\n\n",
            fields.trim_end(),
            bytes.len()
        );
    }
    fs::write(folder.join("Packages"), list).unwrap();
}

/// Boots the bundle, writing to it, and gives what a command in it said.
fn run(fixture: &LockedRecipe, words: &[&str], command: &str) -> String {
    let mut boot = Command::new(program::path());
    boot.args(["boot", "--quiet", "--accel", "tcg", "--persist", "--no-receipt", "--timeout", TIMEOUT]);
    boot.arg("--ssh-key")
        .arg(fixture.path("key"))
        .args(words)
        .args(["--run", command])
        .arg(fixture.path("out"));
    must(&boot.output().unwrap())
}

#[test]
fn an_upgraded_kernel_is_started_by_either_firmware() {
    if !oracle::ready(&["qemu-system-x86_64", "ssh", "ssh-keygen", "dpkg-deb"], false) {
        return;
    }
    let newest = RECIPE.replace("KERNEL", "linux-image-cloud-amd64");
    let Some(newer) = LockedRecipe::new(&newest) else { return };
    let packages = kernels(&fs::read_to_string(newer.path("recipe.lock")).unwrap());
    let new =
        packages.iter().find(|(name, _)| name.starts_with(|c: char| c.is_ascii_digit())).unwrap().0.clone();
    // The release of the last point release is older than the newest of the security updates, most of the time.
    let recipe = RECIPE.replace("KERNEL", "linux-image-cloud-amd64/bookworm") + ARCHIVE;
    let Some(fixture) = LockedRecipe::new(&recipe) else { return };
    let kernels = kernels(&fs::read_to_string(fixture.path("recipe.lock")).unwrap());
    let old =
        kernels.iter().find(|(name, _)| name.starts_with(|c: char| c.is_ascii_digit())).unwrap().0.clone();
    if old == new {
        println!("SKIP: the archive has one kernel only, {new}");
        return;
    }
    archive(&newer, &packages, &fixture.path("archive"));
    fixture.build("out");
    oracle::must(
        "ssh-keygen",
        &["-q", "-t", "ed25519", "-N", "", "-f", &fixture.path("key").to_string_lossy()],
    );
    let upgrade = "uname -r && apt-get -q -o Dir::Etc::sourcelist=/etc/apt/upgrades.list -o Dir::Etc::sourceparts=- \
                   -o APT::Sandbox::User=root update >&2 && DEBIAN_FRONTEND=noninteractive apt-get -q -y \
                   -o Dir::Etc::sourcelist=/etc/apt/upgrades.list -o Dir::Etc::sourceparts=- \
                   -o APT::Sandbox::User=root install linux-image-cloud-amd64 2>&1 && sync";
    let output = run(&fixture, &["--firmware", "uefi"], upgrade);
    println!("{output}");
    assert!(output.starts_with(&old), "before: {output}");
    assert!(output.contains(&format!("UEFI starts {new}")), "{output}");
    assert!(output.contains(&format!("a legacy BIOS starts {new}")), "{output}");
    let look = "uname -r; ls /boot/initrd.img-$(uname -r)";
    assert!(run(&fixture, &["--firmware", "uefi"], look).starts_with(&new), "after, by UEFI");
    // The owner of the machine may go back.
    let back = format!(
        "uname -r && sed -i \"s/^KERNEL=.*/KERNEL='{old}'/\" /etc/default/amiforge-boot && \
         /usr/lib/amiforge/update-boot && sync"
    );
    let output = run(&fixture, &["--firmware", "bios"], &back);
    assert!(output.starts_with(&new), "after, by BIOS: {output}");
    assert!(output.contains(&format!("a legacy BIOS starts {old}")), "{output}");
    assert!(run(&fixture, &["--firmware", "bios"], "uname -r").starts_with(&old), "and back");
}
