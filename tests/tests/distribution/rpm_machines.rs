//! Machines of the test distribution of rpm packages: a kernel upgrade by dnf takes effect, and a policy of SELinux is enforced from
//! the first boot on without a relabel.

use std::fs;
use std::path::Path;
use std::process::Command;

use amiforge_tests::{oracle, program, scratch};

use crate::booted::{self, PATIENCE};
use crate::fixtures::{LockedRecipe, must};
use crate::rpm_recipe::{self, RpmRecipe};

/// Seconds that a boot may take, in software on a busy machine.
const TIMEOUT: &str = "1500";

/// The repository with the newer kernel, in the machine itself.
const UPDATES: &str = r#"
[[source]]
kind = "dir"
path = "updates"
prefix = "/srv/updates"
[[file]]
path = "/etc/yum.repos.d/updates.repo"
content = "[updates]\nname=updates\nbaseurl=file:///srv/updates\ngpgcheck=1\ngpgkey=file:///etc/pki/rpm-gpg/RPM-GPG-KEY-mini\n"
"#;

/// The compiled policy, and a unit that says whether it is enforced.
const POLICY: &str = r#"
[[source]]
kind = "dir"
path = "policy"
[[file]]
path = "/etc/systemd/system/enforced.service"
content = """
[Service]
Type=oneshot
StandardOutput=journal+console
ExecStart=/bin/sh -c 'echo "policy enforced: $$(cat /sys/fs/selinux/enforce)"; ls -Zd /etc/shadow /usr/sbin/sshd /var/www/html/index.html'
[Install]
WantedBy=multi-user.target
"""
[system]
enable = ["enforced.service"]
"#;

/// The upgrade, by dnf. It has no gpg at hand here, so the key is entered before.
const UPGRADE: &str = "uname -r && rpm --import /etc/pki/rpm-gpg/RPM-GPG-KEY-mini && \
    dnf -y --disablerepo='*' --enablerepo=updates upgrade kernel 2>&1 && rpm -q kernel && sync";

/// Boots the bundle by a firmware with persistent writes, and returns the output of a command in it.
fn run(fixture: &LockedRecipe, firmware: &str, command: &str) -> String {
    let mut boot = Command::new(program::path());
    boot.args(["boot", "--quiet", "--accel", "tcg", "--persist", "--no-receipt", "--timeout", TIMEOUT]);
    boot.args(PATIENCE).args(["--firmware", firmware, "--ssh-key"]).arg(fixture.path("key"));
    boot.args(["--run", command]).arg(fixture.path("out"));
    must(&boot.output().unwrap())
}

/// A key for logins.
fn make_key(fixture: &LockedRecipe) {
    let path = fixture.path("key");
    oracle::must("ssh-keygen", &["-q", "-t", "ed25519", "-N", "", "-f", &path.to_string_lossy()]);
}

/// Copies a folder and what is below it.
fn copy(from: &Path, to: &Path) {
    oracle::must("cp", &["-r", &from.to_string_lossy(), &to.to_string_lossy()]);
}

#[test]
fn a_kernel_that_dnf_upgraded_is_started_by_either_firmware() {
    if !booted::ready() || !oracle::ready(&["ssh-keygen"], false) {
        return;
    }
    let packages = ["libc-bin", "dnf", "rpm"];
    let Some(recipe) = RpmRecipe::machine("native", &packages, "", UPDATES) else { return };
    copy(&rpm_recipe::inputs().unwrap().join("updates"), &recipe.path("updates"));
    let fixture = recipe.locked();
    fixture.build("out");
    make_key(&fixture);
    let output = run(&fixture, "uefi", UPGRADE);
    println!("{output}");
    assert!(!output.contains("scriptlet failed"), "{output}");
    let old = output.lines().next().unwrap().to_owned();
    let newest = |line: &str| line.split_once("UEFI starts ").map(|(_, release)| release.trim().to_owned());
    let new = output.lines().find_map(newest).unwrap_or_else(|| panic!("no new kernel: {output}"));
    assert_ne!(old, new);
    assert!(output.contains(&format!("a legacy BIOS starts {new}")), "{output}");
    for firmware in ["uefi", "bios"] {
        let after = run(&fixture, firmware, "uname -r && rpm -q kernel");
        assert!(after.starts_with(&format!("{new}\n")), "after, by {firmware}: {after}");
        assert_eq!(after.lines().filter(|line| line.starts_with("kernel-")).count(), 2, "both stay: {after}");
    }
}

#[test]
fn a_policy_is_enforced_from_the_first_boot_without_a_relabel() {
    let policy = scratch::repository().join("target/inputs/selinux-policy");
    if !policy.is_dir() {
        return oracle::skip("no policy of SELinux: tests/inputs/selinux.sh makes it");
    }
    if !booted::ready() || !oracle::ready(&["ssh-keygen"], false) {
        return;
    }
    let boot = "cmdline = \"security=selinux enforcing=1\"\n";
    let packages = ["libc-bin", "selinux-utils", "policycoreutils", "apache2"];
    let Some(recipe) = RpmRecipe::machine("native", &packages, boot, POLICY) else { return };
    copy(&policy, &recipe.path("policy"));
    let fixture = recipe.locked();
    fixture.build("out");
    make_key(&fixture);
    let log = fixture.path("console");
    let mut boot = Command::new(program::path());
    boot.args(["boot", "--quiet", "--accel", "tcg", "--no-receipt", "--timeout", TIMEOUT]).args(PATIENCE);
    boot.args(["--get", "80/", "--expect", "policy enforced: 1", "--run", "getenforce", "--log"]).arg(&log);
    boot.arg("--ssh-key").arg(fixture.path("key"));
    let shown = must(&boot.arg(fixture.path("out")).output().unwrap());
    assert!(shown.contains("It works!") && shown.contains("Enforcing"), "{shown}");
    let console = String::from_utf8_lossy(&fs::read(&log).unwrap()).into_owned();
    for label in ["shadow_t", "sshd_exec_t", "httpd_sys_content_t"] {
        assert!(console.contains(&format!("object_r:{label}:s0")), "{label}: {console}");
    }
    let denied: Vec<_> = console.lines().filter(|line| line.contains("avc:  denied")).collect();
    println!("{} denials: {denied:#?}", denied.len());
    assert!(denied.iter().all(|line| line.contains("permissive=0")), "it is enforced: {denied:#?}");
    assert!(!console.contains("unlabeled_t"), "every file has a label: {console}");
    // systemd labels /dev and /run of every boot; what would label the disk are these.
    for relabel in ["autorelabel", "fixfiles"] {
        assert!(!console.contains(relabel), "{relabel}: {console}");
    }
}
