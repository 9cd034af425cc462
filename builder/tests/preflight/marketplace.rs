//! What AWS Marketplace refuses, in images that are otherwise complete.

use amiforge_machine::preflight::{PreflightSeverity, marketplace, os_release};

use crate::images::{checked, complete_system, good_cmdline, partitions, unified};

/// 2026-11-21.
const NOW: i64 = 1_795_240_800;

/// The failures of a system with more files, as the Marketplace sees it.
fn market(more: &[(&'static str, &str)]) -> Vec<&'static str> {
    let mut files = complete_system();
    for (path, text) in [
        ("etc/os-release", "ID=debian\nVERSION_ID=\"12\"\n"),
        ("etc/shadow", "root:*:19700:0:99999:7:::\n"),
        (
            "etc/ssh/sshd_config",
            "Include /etc/ssh/sshd_config.d/*.conf\nKbdInteractiveAuthentication no\nUsePAM yes\n",
        ),
        ("etc/ssh/sshd_config.d/keys.conf", "PasswordAuthentication no\n"),
    ] {
        files.push((path, text.to_owned()));
    }
    for (path, text) in more {
        files.retain(|(other, _)| other != path);
        files.push((path, (*text).to_owned()));
    }
    let start = unified(&good_cmdline(), None);
    let report = checked(
        &files,
        Some(&start),
        &partitions(),
        |_| (),
        |medium| {
            assert_eq!(os_release(medium).unwrap().unwrap().id, "debian");
            marketplace(medium, NOW).unwrap()
        },
    );
    let failures = report.findings.iter().filter(|finding| finding.severity == PreflightSeverity::Failure);
    failures.map(|finding| finding.check).collect()
}

#[test]
fn what_the_marketplace_refuses_is_a_failure() {
    assert_eq!(market(&[]), [""; 0]);
    for (path, text, check) in [
        ("etc/shadow", "root:$y$j9T$a$b:1::::::\n", "passwords"),
        ("etc/shadow", "root::1::::::\n", "passwords"),
        ("etc/os-release", "ID=debian\nVERSION_ID=\"11\"\n", "end-of-life"),
        ("root/.ssh/authorized_keys", "# mine\nssh-ed25519 AAAA me\n", "authorized-keys"),
        ("root/.aws/credentials", "[default]\n", "credentials"),
        ("etc/ssh/sshd_config.d/keys.conf", "PasswordAuthentication no\nPermitRootLogin yes\n", "root-login"),
        ("etc/ssh/sshd_config.d/keys.conf", "Match User a\nPasswordAuthentication no\n", "password-login"),
        ("etc/ssh/sshd_config", "PasswordAuthentication no\nUsePAM yes\n", "password-login"),
        ("etc/cloud/cloud.cfg.d/1.cfg", "disable_root: false\n", "root-login"),
    ] {
        assert_eq!(market(&[(path, text)]), [check], "{path}: {text}");
    }
    // cloud-init takes the passwords of sshd away at the first boot.
    assert_eq!(
        market(&[
            ("etc/ssh/sshd_config.d/keys.conf", "\n"),
            ("etc/cloud/cloud.cfg.d/1.cfg", "ssh_pwauth: false\n"),
        ]),
        [""; 0]
    );
}
