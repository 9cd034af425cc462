//! Preflight of small images that are built from folders. They hold no program that could run.
#![expect(clippy::unwrap_used, reason = "a test that cannot prepare its case fails")]

mod images;
mod marketplace;

use std::fs;
use std::path::Path;

use amiforge_formats::cpio::write::{CpioWriter, NewEntry};
use amiforge_formats::pe;
use amiforge_formats::tree::{Content, Origin};
use amiforge_machine::preflight::PreflightReport;

use images::*;

#[test]
fn an_image_with_all_that_ec2_needs_has_no_finding() {
    let report = report_of(&complete_system(), Some(&unified(&good_cmdline(), None)), &partitions());
    assert_eq!(report.findings, []);
    assert_eq!((report.firmware.as_slice(), report.kernel.as_deref()), (["uefi"].as_slice(), Some("6.1")));
    assert!(report.passes());
}

#[test]
fn traces_of_a_container_or_a_private_folder_are_findings() {
    let start = unified(&good_cmdline(), None);
    let mut files = complete_system();
    files.push((".dockerenv", String::new()));
    assert_eq!(report_of(&files, Some(&start), &partitions()).findings, [], "a rule removes it");
    let kept = format!("{}[normalize]\nskip = [\"container-files\"]\n", partitions());
    let report = report_of(&files, Some(&start), &kept);
    assert_eq!(checks(&report), ["container"]);
    assert!(
        report.findings[0].what.starts_with("`/.dockerenv` makes systemd take"),
        "{}",
        report.findings[0]
    );
    let chmod = |path: &str, mode| {
        let path = path.to_owned();
        move |source: &Path| {
            let mode = std::os::unix::fs::PermissionsExt::from_mode(mode);
            fs::set_permissions(source.join(path), mode).unwrap();
        }
    };
    let report = report_after(&complete_system(), Some(&start), &partitions(), chmod("", 0o700));
    assert_eq!(report.findings, [], "a working folder says nothing about `/`");
    let report = report_after(&complete_system(), Some(&start), &partitions(), chmod("etc", 0o700));
    assert_eq!(checks(&report), ["modes"]);
    assert!(report.findings[0].what.contains("may read `/etc` (mode 0700, owner 0)") && !report.passes());
}

#[test]
fn an_empty_image_fails_every_check_that_applies() {
    let report = report_of(&[("etc/passwd", String::new())], None, &partitions());
    assert!(!report.passes());
    assert_eq!(checks(&report), ["firmware", "init", "growth", "modules", "access", "locale"]);
}

#[test]
fn a_driver_may_be_built_in_or_in_the_initrd_and_nowhere_else() {
    let mut files = complete_system();
    *text_of(&mut files, "usr/lib/modules/6.1/modules.builtin") = "kernel/fs/ext4/ext4.ko\n".to_owned();
    let none = report_of(&files, Some(&unified(&good_cmdline(), None)), &partitions());
    assert_eq!(checks(&none), ["nvme"]);
    assert!(none.findings[0].what.contains("needs the driver `nvme`"), "{}", none.findings[0]);
    let mut archive = CpioWriter::new();
    archive.add("modules/nvme.ko", 0o644, NewEntry::File(b"x"));
    let with = report_of(&files, Some(&unified(&good_cmdline(), Some(&archive.finish()))), &partitions());
    assert_eq!(checks(&with), [""; 0]);
    let lz4 =
        report_of(&files, Some(&unified(&good_cmdline(), Some(b"\x02\x21\x4c\x18...."))), &partitions());
    assert_eq!(checks(&lz4), ["initrd"]);
    text_of(&mut files, "usr/lib/modules/6.1/modules.dep").clear();
    assert!(
        checks(&report_of(&files, Some(&unified(&good_cmdline(), None)), &partitions())).contains(&"ena")
    );
}

#[test]
fn a_root_without_a_stable_name_is_a_finding() {
    for (root, expected) in [
        ("root=PARTUUID=6f3b6f9c-0000-4000-8000-00000000dead ", vec!["root"]),
        ("root=UUID=6f3b6f9c-0000-4000-8000-00000000dead ", vec!["root", "root"]),
        ("root=/dev/nvme0n1p2 ", vec!["root"]),
        ("root=/dev/mapper/root ", vec![]),
        ("", vec!["root"]),
    ] {
        let cmdline = format!("{root}console=ttyS0");
        let report = report_of(&complete_system(), Some(&unified(&cmdline, None)), &partitions());
        assert_eq!(checks(&report), expected, "{root}");
        assert_eq!(report.passes(), !root.contains("dead"), "{root}");
    }
    let silent = format!("root=PARTUUID={ROOT} console=tty0");
    assert_eq!(
        checks(&report_of(&complete_system(), Some(&unified(&silent, None)), &partitions())),
        ["console"]
    );
}

#[test]
fn a_damaged_loader_and_wrong_types_are_findings() {
    let report = report_of(&complete_system(), Some(b"MZ and nothing else"), &partitions());
    assert!(
        report.findings[0].what.starts_with("BOOTX64.EFI cannot be run by UEFI"),
        "{:?}",
        report.findings
    );
    let moved = format!(
        "[[partition]]\nrole = \"esp\"\nsize = \"40 MiB\"\n[[partition]]\nrole = \"root\"\nguid = \"{ROOT}\"\n\
         type = \"linux-generic\"\n[[partition]]\nrole = \"data\"\nmount = \"/srv\"\nsize = \"8 MiB\"\n"
    );
    let report = report_of(&complete_system(), Some(&unified(&good_cmdline(), None)), &moved);
    assert_eq!(checks(&report), ["partition-type", "growth"]);
}

#[test]
fn shared_secrets_and_missing_access_are_findings() {
    let keep = "[normalize]\nskip = [\"ssh-host-keys\", \"machine-id\"]\n";
    let mut files = complete_system();
    files.push(("etc/ssh/ssh_host_rsa_key", "secret".to_owned()));
    files.push(("etc/machine-id", "0123456789abcdef0123456789abcdef\n".to_owned()));
    files.push(("etc/cloud/cloud.cfg.d/90.cfg", "datasource_list:\n  - NoCloud\n".to_owned()));
    let recipe = format!("{}{keep}", partitions());
    let report = report_of(&files, Some(&unified(&good_cmdline(), None)), &recipe);
    assert_eq!(checks(&report), ["cloud-init", "host-keys", "machine-id"]);
    files.last_mut().unwrap().1 = "datasource_list: [ Ec2, None ]\n".to_owned();
    files.retain(|(path, _)| *path != "usr/sbin/sshd");
    let report = report_of(&files, Some(&unified(&good_cmdline(), None)), &recipe);
    assert_eq!(checks(&report), ["access", "host-keys", "machine-id"]);
}

/// The findings of a system without some files and with others.
fn with(without: &[&str], more: &[(&'static str, &str)]) -> PreflightReport {
    let mut files = complete_system();
    files.retain(|(path, _)| !without.contains(path));
    files.extend(more.iter().map(|(path, text)| (*path, (*text).to_owned())));
    report_of(&files, Some(&unified(&good_cmdline(), None)), &partitions())
}

#[test]
fn the_owner_of_the_key_must_be_able_to_become_root() {
    let report = with(&["usr/bin/sudo"], &[]);
    assert_eq!(checks(&report), ["sudo"]);
    assert!(report.passes() && report.findings[0].remedy.contains("package sudo"), "{:?}", report.findings);
    let root = [
        ("etc/cloud/cloud.cfg", "disable_root: true\n"),
        ("etc/cloud/cloud.cfg.d/9.cfg", "disable_root: false\n"),
    ];
    assert_eq!(checks(&with(&["usr/bin/sudo"], &root)), [""; 0]);
    // Without cloud-init, amiforge's units let a user in whose password is locked.
    let ours = |user: &str, more: &[(&'static str, &str)]| {
        let unit = format!("[Service]\nExecStart=/usr/lib/amiforge/metadata {user} metadata\n");
        let mut files = vec![
            ("usr/lib/systemd/system/amiforge-metadata.service", unit.as_str()),
            ("usr/lib/systemd/system/amiforge-grow-root.service", "x"),
            ("etc/passwd", "root:x:0:0::/root:/bin/sh\ndev:x:1000:1000::/home/dev:/bin/sh\n"),
            ("etc/group", "dev:x:1000:\nsudo:x:27:dev\n"),
            ("etc/shadow", "dev:!:19000::::::\n"),
            ("etc/sudoers", "root ALL=(ALL:ALL) ALL\n%sudo ALL=(ALL:ALL) ALL\n@includedir /etc/sudoers.d\n"),
        ];
        files.retain(|(path, _)| more.iter().all(|(other, _)| other != path));
        files.extend(more);
        checks(&with(&["usr/bin/cloud-init", "etc/passwd"], &files))
    };
    assert_eq!(ours("root", &[]), [""; 0]);
    assert_eq!(ours("dev", &[]), ["sudo"]);
    assert_eq!(ours("dev", &[("etc/shadow", "dev:$y$j9T$salt$hash:19000::::::\n")]), [""; 0]);
    for (file, rule, expected) in [
        ("etc/sudoers.d/dev", "dev ALL=(ALL:ALL) NOPASSWD: ALL\n", vec![]),
        ("etc/sudoers.d/group", "%sudo ALL=(ALL) NOPASSWD:ALL\n", vec![]),
        ("etc/sudoers.d/other", "ops ALL=(ALL) NOPASSWD:ALL\n", vec!["sudo"]),
        // sudo ignores files with a dot in the name.
        ("etc/sudoers.d/dev.conf", "dev ALL=(ALL:ALL) NOPASSWD: ALL\n", vec!["sudo"]),
    ] {
        assert_eq!(ours("dev", &[(file, rule)]), expected, "{file}: {rule}");
    }
}

#[test]
fn a_locale_must_be_set_and_there() {
    let none = ["etc/locale.conf"];
    assert_eq!(checks(&with(&none, &[])), ["locale"]);
    assert_eq!(checks(&with(&none, &[("etc/default/locale", "LANG=\"C.UTF-8\"\n")])), [""; 0]);
    let german = ("etc/default/locale", "LANG=de_DE.UTF-8\n");
    let report = with(&none, &[german]);
    assert_eq!(checks(&report), ["locale"]);
    assert!(report.findings[0].what.contains("`de_DE.UTF-8`"), "{}", report.findings[0]);
    for there in [
        ("usr/lib/locale/de_DE.utf8/LC_CTYPE", "x"),
        ("usr/lib/locale/locale-archive", "\0en_US.utf8\0de_DE.utf8\0"),
    ] {
        assert_eq!(checks(&with(&none, &[german, there])), [""; 0], "{}", there.0);
    }
    // cloud-init generates the locale that it sets, with the distribution's program.
    let cloud = ("etc/cloud/cloud.cfg.d/90.cfg", "locale: en_US.UTF-8\n");
    assert_eq!(checks(&with(&[], &[cloud])), ["locale"]);
    assert_eq!(checks(&with(&[], &[cloud, ("usr/sbin/locale-gen", "x")])), [""; 0]);
}

#[test]
fn an_image_without_security_updates_is_warned_of() {
    let findings = |files: &[(&'static str, &str)]| {
        let mut all = complete_system();
        all.extend(files.iter().map(|(path, text)| (*path, (*text).to_owned())));
        let report = report_of(&all, Some(&unified(&good_cmdline(), None)), &partitions());
        assert!(report.passes(), "it boots all the same");
        report.findings.into_iter().map(|finding| (finding.check, finding.what)).collect::<Vec<_>>()
    };
    let status = ("var/lib/dpkg/status", "Package: linux-image-cloud-amd64\nStatus: install ok installed\n");
    let (apt, debian) = (("usr/bin/apt-get", "x"), ("etc/os-release", "NAME=x\nID=debian\n"));
    let of = |found: &[(&'static str, String)]| found.iter().map(|(check, _)| *check).collect::<Vec<_>>();
    assert_eq!(of(&findings(&[status, apt])), ["package-sources", "kernel-upgrade"]);
    assert_eq!(of(&findings(&[status, ("etc/kernel/postinst.d/zz-amiforge", "x")])), [""; 0]);
    let list = "etc/apt/sources.list.d/debian.sources";
    let plain = "Types: deb\nURIs: http://deb.debian.org/debian\nSuites: trixie\nSigned-By: /k.gpg\n";
    let found = findings(&[apt, debian, (list, plain)]);
    assert_eq!(of(&found), ["package-sources"; 2]);
    assert!(found[0].1.contains("security updates") && found[1].1.contains("/k.gpg"), "{found:?}");
    let with = format!("{plain}\nTypes: deb\nSuites: trixie-security\n");
    assert_eq!(findings(&[apt, debian, (list, &with), ("k.gpg", "x")]), []);
    assert_eq!(findings(&[apt, ("etc/apt/sources.list", "deb http://own.example/ x main\n")]), []);
}

#[test]
fn modules_of_others_need_a_signature_where_secure_boot_starts_the_kernel() {
    let plain = unified(&good_cmdline(), None);
    let reserved = pe::reserve(&Content::Inline(plain.as_slice().into())).unwrap().content;
    let mut start = vec![0; reserved.len() as usize];
    for segment in reserved.segments() {
        let Origin::Inline { bytes, at } = segment.origin else { panic!("not inline") };
        let (from, len) = (segment.offset as usize, segment.len as usize);
        start[from..from + len].copy_from_slice(&bytes[at..at + len]);
    }
    let with = |start: &[u8], module: &str| {
        let mut files = complete_system();
        text_of(&mut files, "usr/lib/modules/6.1/modules.dep").push_str("updates/dkms/own.ko:\n");
        files.push(("usr/lib/modules/6.1/updates/dkms/own.ko", module.to_owned()));
        report_of(&files, Some(start), &partitions())
    };
    let report = with(&start, "ELF");
    assert_eq!(checks(&report), ["secure-boot"]);
    assert!(report.findings[0].what.contains("`updates/dkms/own.ko`"), "{}", report.findings[0]);
    assert!(report.passes(), "a warning");
    assert_eq!(with(&start, "ELF~Module signature appended~\n").findings, []);
    assert_eq!(with(&plain, "ELF").findings, [], "nothing is locked down");
}

#[test]
fn a_root_hash_that_belongs_to_nothing_on_the_disk_is_a_failure() {
    let hash = "ab".repeat(32);
    for (value, what) in [
        ("abc", "`roothash=abc` is not a SHA-256"),
        (&hash, "no hash tree has the GUID abababab-abab-abab-abab-abababababab"),
    ] {
        let start = unified(&format!("roothash={value} ro console=ttyS0,115200n8"), None);
        let report = report_of(&complete_system(), Some(&start), &partitions());
        assert_eq!(report.findings[0].check, "verity");
        assert!(report.findings[0].what.starts_with(what), "{}", report.findings[0]);
        assert!(!report.passes());
    }
}

#[test]
fn a_verified_root_that_is_whole_has_no_finding() {
    let boot = |built_in: &str| {
        let mut files = complete_system();
        files.push(("boot/vmlinuz-6.1", "kernel".to_owned()));
        text_of(&mut files, "usr/lib/modules/6.1/modules.builtin").push_str(built_in);
        let recipe = "[boot]\nfirst-boot = \"none\"\n[trust]\nprofile = \"verity\"\n\
                      [[partition]]\nrole = \"esp\"\nsize = \"40 MiB\"\n[[partition]]\nrole = \"root\"\n";
        let put_stub = |source: &Path| {
            let folder = source.join("usr/lib/systemd/boot/efi");
            fs::create_dir_all(&folder).unwrap();
            fs::write(folder.join("linuxx64.efi.stub"), stub()).unwrap();
        };
        report_after(&files, None, recipe, put_stub)
    };
    let drivers = "kernel/drivers/virtio/virtio_pci.ko\nkernel/drivers/block/virtio_blk.ko\n\
                   kernel/drivers/block/xen-blkfront.ko\nkernel/fs/overlayfs/overlay.ko\n";
    let whole = boot(&format!("{drivers}kernel/drivers/md/dm-verity.ko\n"));
    assert_eq!(whole.findings, []);
    assert!(whole.cmdline.unwrap().starts_with("roothash="));
}
