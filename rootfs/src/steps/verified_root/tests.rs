//! The prepared tree, and one tree for each rule of the profiles.

use amiforge_formats::plan::NoSources;

use super::*;
use crate::steps::testing::{NOW, add, oracle, shape, text, tree};

fn spec(profile: Profile) -> VerifiedRootSpec<'static> {
    let (etc, var) = (Medium::Tmpfs, Medium::Data);
    VerifiedRootSpec { profile, etc, var, mounts: &[], has_data: true, time: NOW }
}

/// A system with systemd without a way in.
fn closed_system() -> Tree {
    tree(&[
        ("/bin", "link usr/bin"),
        ("/sbin", "link usr/sbin"),
        ("/lib", "link usr/lib"),
        ("/usr/lib/systemd/systemd", "file 0755 x"),
        ("/usr/sbin/mke2fs", "file 0755 x"),
        ("/usr/sbin/e2fsck", "file 0755 x"),
        ("/etc/passwd", "file 0644 root:x:0:0::/root:/bin/sh\nada:x:1000:1000::/home/ada:/bin/sh\n"),
        ("/etc/shadow", "file 0640 root:*:1::::::\nada:!:1::::::\nold:!$y$x:1::::::\n"),
        ("/etc/group", "file 0644 root:x:0:\nada:x:1000:\n"),
        ("/etc/gshadow", "file 0640 root:*::\nada:!::\n"),
        ("/etc/machine-id", "file 0444 uninitialized\n"),
        ("/home/ada/.profile", "file 0644 hello"),
        ("/root/.bashrc", "file 0644 hello"),
        ("/usr/lib/systemd/system/getty@.service", "file 0644 [Service]\nExecStart=-/sbin/agetty - $TERM\n"),
        ("/etc/systemd/system/getty@.service", "link /dev/null"),
        (
            "/etc/systemd/system/getty.target.wants/getty@tty1.service",
            "link /usr/lib/systemd/system/getty@.service",
        ),
        ("/usr/lib/systemd/system/autovt@.service", "link getty@.service"),
        ("/usr/lib/systemd/system/debug-shell.service", "file 0644 [Service]\nExecStart=/bin/sh\n"),
    ])
}

#[test]
fn a_read_only_root_has_its_mount_points_and_its_home_folders_below_var() {
    let mut tree = closed_system();
    let warnings = apply(&mut tree, &NoSources, &spec(Profile::Attestable)).unwrap();
    assert_eq!(warnings, Vec::<String>::new());
    for (path, expected) in [
        ("/dev", "dir 0755 0:0"),
        ("/proc", "dir 0555 0:0"),
        ("/tmp", "dir 1777 0:0"),
        ("/home", "symlink 0777 0:0 var/home"),
        ("/root", "symlink 0777 0:0 var/roothome"),
        ("/srv", "symlink 0777 0:0 var/srv"),
        ("/etc/machine-id", "file 0444 0:0"),
        ("/etc/mtab", "symlink 0777 0:0 ../proc/self/mounts"),
        (
            "/etc/systemd/system/local-fs.target.wants/tmp.mount",
            "symlink 0777 0:0 /usr/lib/systemd/system/tmp.mount",
        ),
        ("/usr/lib/systemd/system/amiforge-factory-reset.service", "file 0644 0:0"),
        ("/etc/.updated", "file 0644 0:0"),
    ] {
        assert_eq!(shape(&tree, path), expected, "{path}");
    }
    assert_eq!(text(&tree, "/home/ada/.profile"), "hello");
    assert_eq!(text(&tree, "/var/roothome/.bashrc"), "hello");
    assert_eq!(text(&tree, "/etc/machine-id"), "");
    let before = amiforge_formats::dump::to_string(&tree);
    apply(&mut tree, &NoSources, &spec(Profile::Attestable)).unwrap();
    assert_eq!(amiforge_formats::dump::to_string(&tree), before, "a second run changes nothing");
}

#[test]
fn folders_stay_where_partitions_are_mounted_and_where_var_is_read_only() {
    let mut mounted = closed_system();
    let spec = VerifiedRootSpec { mounts: &["/", "/home", "/srv/data"], ..spec(Profile::Verity) };
    apply(&mut mounted, &NoSources, &spec).unwrap();
    assert_eq!(shape(&mounted, "/home"), "dir 0755 0:0");
    assert_eq!(shape(&mounted, "/srv"), "dir 0755 0:0");
    assert_eq!(shape(&mounted, "/root"), "symlink 0777 0:0 var/roothome");
    let mut read_only = closed_system();
    let spec = VerifiedRootSpec { var: Medium::None, ..spec };
    let warnings = apply(&mut read_only, &NoSources, &spec).unwrap();
    assert_eq!(shape(&read_only, "/root"), "dir 0755 0:0");
    assert!(warnings[0].contains("`/var` is read-only"), "{warnings:?}");
}

#[test]
fn a_tmp_mount_of_the_distribution_or_of_the_recipe_is_kept() {
    let mut tree = closed_system();
    add(&mut tree, "/usr/share/systemd/tmp.mount", "file 0644 [Mount]\nWhat=theirs\n");
    apply(&mut tree, &NoSources, &spec(Profile::Verity)).unwrap();
    assert_eq!(text(&tree, "/usr/lib/systemd/system/tmp.mount"), "[Mount]\nWhat=theirs\n");
    let mut masked = closed_system();
    add(&mut masked, "/etc/systemd/system/tmp.mount", "link /dev/null");
    apply(&mut masked, &NoSources, &spec(Profile::Verity)).unwrap();
    assert_eq!(shape(&masked, "/etc/systemd/system/local-fs.target.wants/tmp.mount"), "-");
}

#[test]
fn data_needs_the_programs_that_make_and_repair_its_file_system() {
    let mut tree = closed_system();
    add(&mut tree, "/usr/sbin/e2fsck", "link gone");
    let error = apply(&mut tree.clone(), &NoSources, &spec(Profile::Verity)).unwrap_err();
    let StepError::VerifiedRoot(VerifiedRootError::Needs { path, package }) = error else {
        panic!("{error}")
    };
    assert_eq!((path, package), ("/sbin/e2fsck", "e2fsprogs"));
    let elsewhere = VerifiedRootSpec { has_data: false, ..spec(Profile::Verity) };
    let warnings = apply(&mut closed_system(), &NoSources, &elsewhere).unwrap();
    assert!(warnings[0].contains("`amiforge-data`"), "{warnings:?}");
    let memory = VerifiedRootSpec { var: Medium::Tmpfs, ..spec(Profile::Verity) };
    apply(&mut tree, &NoSources, &memory).unwrap();
    assert_eq!(shape(&tree, "/usr/lib/systemd/system/amiforge-factory-reset.service"), "-");
}

/// The facts and remedies of the violations of a tree.
fn refused(tree: &Tree, spec: &VerifiedRootSpec<'_>) -> Vec<String> {
    match apply(&mut tree.clone(), &NoSources, spec) {
        Ok(_) => Vec::new(),
        Err(StepError::VerifiedRoot(VerifiedRootError::Profile { violations, .. })) => {
            violations.iter().map(ToString::to_string).collect()
        }
        Err(other) => panic!("{other}"),
    }
}

/// An entry that is added to a closed system, and parts of the fact and of the remedy that the violation names.
const WAYS_IN: &[(&str, &str, &str, &str)] = &[
    ("/usr/sbin/sshd", "file 0755 x", "`sshd`", "package openssh-server"),
    ("/usr/bin/cloud-init", "file 0755 x", "`cloud-init`", "package cloud-init"),
    ("/usr/bin/amazon-ssm-agent", "file 0755 x", "`amazon-ssm-agent`", "package amazon-ssm-agent"),
    (
        "/usr/share/ec2-instance-connect/eic",
        "file 0755 x",
        "ec2-instance-connect",
        "package ec2-instance-connect",
    ),
    (
        "/usr/lib/systemd/system/serial-getty@.service",
        "file 0644 [Service]\nExecStart=-/sbin/agetty -o '-p' --keep-baud - $TERM\n",
        "`serial-getty@.service`",
        "mask = [\"serial-getty@.service\"]",
    ),
    (
        "/etc/systemd/system/mine.service",
        "file 0644 [Service]\nExecStart=-/sbin/agetty -o '-p' --keep-baud - $TERM\n",
        "`mine.service` starts `agetty`",
        "mask = [\"mine.service\"]",
    ),
    (
        "/usr/lib/systemd/system/amiforge-user-data.service",
        "file 0644 [Service]\n",
        "run commands as root",
        "first-boot = \"none\"",
    ),
    ("/etc/systemd/system/efi.mount", "file 0644 [Mount]\n", "`efi.mount`", "mask = [\"efi.mount\"]"),
    (
        "/etc/systemd/system/sysinit.target.wants/debug-shell.service",
        "link /usr/lib/systemd/system/debug-shell.service",
        "`debug-shell.service` is enabled",
        "mask = [\"debug-shell.service\"]",
    ),
    (
        "/etc/systemd/system/getty@.service.d/auto.conf",
        "file 0644 [Service]\nExecStart=\nExecStart=-/sbin/agetty --autologin root - $TERM\n",
        "without a password",
        "remove the file",
    ),
    (
        "/etc/systemd/system/rescue.service.d/x.conf",
        "file 0644 [Service]\nEnvironment=SYSTEMD_SULOGIN_FORCE=1\n",
        "shell of root",
        "remove the file",
    ),
    (
        "/etc/shadow",
        "file 0640 root:$y$j9T$secret:1::::::\n",
        "the user `root` has a password",
        "lock the account",
    ),
    ("/etc/shadow", "file 0640 root::1::::::\n", "needs no password", "lock the account"),
    ("/etc/passwd", "file 0644 root:$1$secret:0:0::/root:/bin/sh\n", "in `/etc/passwd`", "lock the account"),
    ("/etc/gshadow", "file 0640 root:$1$secret::\n", "the group `root` has a password", "gpasswd"),
    ("/etc/inittab", "file 0644 # c\nttyS0::respawn:/sbin/getty -L ttyS0\n", "`/etc/inittab`", "[[file]]"),
    ("/etc/fstab", "file 0644 UUID=1 /boot/efi vfat umask=0077 0 2\n", "mounts `UUID=1`", "mount = \"none\""),
];

#[test]
fn each_way_into_an_attestable_machine_is_named_with_its_remedy() {
    for (path, entry, fact, remedy) in WAYS_IN {
        let mut tree = closed_system();
        add(&mut tree, path, entry);
        let lines = refused(&tree, &spec(Profile::Attestable));
        assert_eq!(lines.len(), 1, "{path}: {lines:#?}");
        assert!(lines[0].contains(fact) && lines[0].contains(remedy), "{path}: {lines:#?}");
        assert!(!lines[0].contains("secret"), "{path}: {lines:#?}");
        assert_eq!(refused(&tree, &spec(Profile::Verity)), Vec::<String>::new(), "{path}");
    }
}

#[test]
fn a_root_that_fstab_mounts_writable_is_refused() {
    let mut tree = closed_system();
    add(&mut tree, "/etc/fstab", "file 0644 # c\nUUID=1 / ext4 defaults 0 1\n");
    assert!(refused(&tree, &spec(Profile::Verity))[0].contains("has it read-only"));
    add(&mut tree, "/etc/fstab", "file 0644 UUID=1 / ext4 noatime,ro 0 1\n");
    assert_eq!(refused(&tree, &spec(Profile::Verity)), Vec::<String>::new());
}

#[test]
fn the_first_program_knows_the_data_partition_by_the_same_name_and_attribute() {
    let text = include_str!("../../initrd/gpt.h");
    assert!(text.contains(&format!("data_name[] = \"{DATA_PARTITION}\"")));
    assert!(text.contains("enum { FORMAT_BYTE = 54, FORMAT_BIT = 1 }"));
    // An entry has its attributes at byte 48 (UEFI 2.10, table 5.6).
    assert_eq!(DATA_TO_FORMAT.to_le_bytes()[54 - 48], 1);
}

#[test]
fn systemd_accepts_the_units() {
    let folder = crate::steps::testing::folder();
    let units = [
        ("tmp.mount", include_str!("image/tmp.mount")),
        ("amiforge-factory-reset.service", include_str!("image/amiforge-factory-reset.service")),
    ];
    for (name, text) in units {
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        let path = path.to_str().unwrap();
        let args = ["verify", "--man=no", "--recursive-errors=no", path];
        let Some(output) = oracle("systemd-analyze", &args) else { return };
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success() && errors.trim().is_empty(), "{name}: {errors}");
    }
}
