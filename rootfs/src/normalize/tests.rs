//! What each rule removes, and that it removes nothing else.

use super::*;
use crate::steps::testing::{NOW, OLD, add, shape, text, tree};

fn all() -> NormalizeSpec {
    NormalizeSpec { epoch: NOW, rules: NormalizeRule::ALL.into() }
}

fn paths(changes: &[RuleChange]) -> Vec<String> {
    let line = |change: &RuleChange| {
        let outcome = if change.outcome == PathOutcome::Emptied { "0" } else { "-" };
        format!("{outcome} {} {}", change.rule.name(), String::from_utf8_lossy(&change.path))
    };
    changes.iter().map(line).collect()
}

fn used_system() -> Tree {
    tree(&[
        ("/etc/machine-id", "file 0444 0123456789abcdef0123456789abcdef\n"),
        ("/var/lib/dbus/machine-id", "file 0444 0123456789abcdef0123456789abcdef\n"),
        ("/etc/ssh/ssh_host_rsa_key", "file 0600 x"),
        ("/etc/ssh/ssh_host_rsa_key.pub", "file 0644 x"),
        ("/etc/ssh/sshd_config", "file 0644 x"),
        ("/var/lib/systemd/random-seed", "file 0600 x"),
        ("/var/lib/apt/lists/a_Packages", "file 0644 x"),
        ("/var/lib/apt/lists/partial/b", "file 0644 x"),
        ("/var/cache/apt/archives/x.deb", "file 0644 x"),
        ("/var/cache/apt/pkgcache.bin", "file 0644 x"),
        ("/var/cache/ldconfig/aux-cache", "file 0600 x"),
        ("/var/cache/debconf/config.dat", "file 0644 x"),
        ("/var/cache/debconf/config.dat-old", "file 0644 x"),
        ("/var/log/dpkg.log", "file 0640 x"),
        ("/var/log/apt/history.log", "file 0644 x"),
        ("/var/log/syslog.2.gz", "file 0640 x"),
        ("/var/log/journal/0123/system.journal", "file 0640 x"),
        ("/var/log/wtmp", "file 0664 "),
        ("/var/log/README", "link ../../usr/share/doc/README"),
        ("/etc/x/y.conf.dpkg-old", "file 0644 x"),
        ("/etc/passwd-", "file 0600 x"),
        ("/home/a/.bash_history", "file 0600 x"),
        ("/home/a/.bashrc", "file 0644 x"),
        ("/root/.bash_history", "file 0600 x"),
        ("/tmp/x/y", "file 0644 x"),
        ("/var/tmp", "link /etc"),
        ("/run/lock", "dir 0755"),
        ("/usr/lib/python3/__pycache__/a.pyc", "file 0644 x"),
        ("/etc/resolv.conf", "file 0644 x"),
        ("/.dockerenv", "file 0755 "),
        ("/run/.containerenv", "file 0644 "),
        ("/dev/console", "file 0755 "),
    ])
}

#[test]
fn every_rule_removes_its_targets_and_nothing_else() {
    let mut tree = used_system();
    let changes = normalize(&mut tree, &all());
    let expected = [
        "0 machine-id /etc/machine-id",
        "- machine-id /var/lib/dbus/machine-id",
        "- ssh-host-keys /etc/ssh/ssh_host_rsa_key",
        "- ssh-host-keys /etc/ssh/ssh_host_rsa_key.pub",
        "- random-seeds /var/lib/systemd/random-seed",
        "- package-caches /var/cache/apt/archives/x.deb",
        "- package-caches /var/cache/apt/pkgcache.bin",
        "- package-caches /var/lib/apt/lists/a_Packages",
        "- package-caches /var/lib/apt/lists/partial/b",
        "- caches /var/cache/debconf/config.dat-old",
        "- caches /var/cache/ldconfig/aux-cache",
        "0 logs /var/log/apt/history.log",
        "0 logs /var/log/dpkg.log",
        "- logs /var/log/journal/0123",
        "- logs /var/log/syslog.2.gz",
        "- backups /etc/passwd-",
        "- backups /etc/x/y.conf.dpkg-old",
        "- histories /home/a/.bash_history",
        "- histories /root/.bash_history",
        "- temporary-files /tmp/x",
        "- runtime-files /run/.containerenv",
        "- runtime-files /run/lock",
        "- container-files /.dockerenv",
        "- container-files /dev/console",
    ];
    assert_eq!(paths(&changes), expected);
    for (path, expected) in [
        ("/etc/machine-id", "file 0444 0:0"),
        ("/var/log/dpkg.log", "file 0640 0:0"),
        ("/var/lib/apt/lists/partial", "dir 0755 0:0"),
        ("/etc/ssh/sshd_config", "file 0644 0:0"),
        ("/home/a/.bashrc", "file 0644 0:0"),
        ("/usr/lib/python3/__pycache__/a.pyc", "file 0644 0:0"),
        ("/etc/resolv.conf", "file 0644 0:0"),
    ] {
        assert_eq!(shape(&tree, path), expected, "{path}");
    }
    assert_eq!(
        (text(&tree, "/etc/machine-id"), text(&tree, "/var/log/dpkg.log")),
        (String::new(), String::new())
    );
    assert_eq!(normalize(&mut tree, &all()), [], "a second run changes nothing");
}

#[test]
fn disabled_rules_do_nothing() {
    let mut tree = used_system();
    let before = amiforge_formats::dump::to_string(&tree);
    assert_eq!(normalize(&mut tree, &NormalizeSpec { epoch: NOW, rules: BTreeSet::new() }), []);
    assert_eq!(amiforge_formats::dump::to_string(&tree), before);
    let changes = normalize(&mut tree, &NormalizeSpec { epoch: NOW, rules: NormalizeRule::defaults() });
    assert!(
        changes.iter().all(|change| NormalizeRule::defaults().contains(&change.rule)) && changes.len() == 18
    );
    for rule in NormalizeRule::ALL {
        assert_eq!(NormalizeRule::from_name(rule.name()), Some(rule));
        // The name in messages is the one that a recipe is written with.
        assert_eq!(serde_json::from_str::<NormalizeRule>(&format!("{:?}", rule.name())).unwrap(), rule);
    }
    assert_eq!(NormalizeRule::from_name("machine_id"), None);
}

#[test]
fn what_rpm_and_dnf_leave_is_removed_and_their_state_is_kept() {
    let mut tree = tree(&[
        ("/usr/lib/sysimage/rpm/rpmdb.sqlite", "file 0644 x"),
        ("/usr/lib/sysimage/rpm/rpmdb.sqlite-shm", "file 0644 x"),
        ("/usr/lib/sysimage/rpm/rpmdb.sqlite-wal", "file 0644 "),
        ("/usr/lib/sysimage/rpm/.rpm.lock", "file 0644 "),
        ("/var/lib/rpm/.rpm.lock", "file 0644 "),
        ("/var/lib/dnf/repos/amazonlinux-1/countme", "file 0644 1"),
        ("/var/lib/dnf/history.sqlite", "file 0644 x"),
        ("/var/cache/dnf/amazonlinux-1/repodata/repomd.xml", "file 0644 x"),
        ("/var/cache/libdnf5/x", "file 0644 x"),
        ("/var/log/dnf.log", "file 0644 x"),
        ("/var/log/dnf.librepo.log", "file 0644 "),
        ("/var/log/hawkey.log", "file 0600 "),
        ("/var/log/yum.log", "file 0600 x"),
        ("/var/log/secure", "file 0600 x"),
    ]);
    let spec = NormalizeSpec { epoch: NOW, rules: NormalizeRule::defaults() };
    assert_eq!(check(&tree, &spec), Ok(()));
    let expected = [
        "- package-caches /usr/lib/sysimage/rpm/.rpm.lock",
        "- package-caches /usr/lib/sysimage/rpm/rpmdb.sqlite-shm",
        "- package-caches /usr/lib/sysimage/rpm/rpmdb.sqlite-wal",
        "- package-caches /var/cache/dnf/amazonlinux-1",
        "- package-caches /var/cache/libdnf5/x",
        "- package-caches /var/lib/dnf/repos/amazonlinux-1/countme",
        "- package-caches /var/lib/rpm/.rpm.lock",
        "- logs /var/log/dnf.librepo.log",
        "- logs /var/log/dnf.log",
        "- logs /var/log/hawkey.log",
        "0 logs /var/log/secure",
        "- logs /var/log/yum.log",
    ];
    assert_eq!(paths(&normalize(&mut tree, &spec)), expected);
}

#[test]
fn a_log_with_changes_of_the_rpm_database_is_not_removed() {
    let path = "var/lib/rpm/rpmdb.sqlite-wal";
    let tree = tree(&[(&format!("/{path}"), "file 0644 x")]);
    let spec = NormalizeSpec { epoch: NOW, rules: NormalizeRule::defaults() };
    assert_eq!(check(&tree, &spec), Err(NormalizeError::DatabaseLog { path: path.to_owned() }));
    assert_eq!(check(&tree, &NormalizeSpec { rules: BTreeSet::new(), ..spec }), Ok(()));
}

#[test]
fn times_after_the_epoch_become_the_epoch() {
    let mut tree = tree(&[("/new", "file 0644 x"), ("/old", "file 0644 x")]);
    let new = tree.lookup(b"new").unwrap();
    tree.node_mut(new).meta.mtime = Time { secs: OLD.secs + 1, nanos: 1 };
    let epoch = Time { secs: OLD.secs + 1, nanos: 0 };
    normalize(&mut tree, &NormalizeSpec { epoch, rules: BTreeSet::new() });
    assert_eq!(tree.node(new).meta.mtime, epoch);
    assert_eq!(tree.node(tree.lookup(b"old").unwrap()).meta.mtime, OLD);
    let before = Time { secs: 5, nanos: 7 };
    normalize(&mut tree, &NormalizeSpec { epoch: before, rules: BTreeSet::new() });
    assert!(tree.walk().all(|entry| tree.node(entry.id).meta.mtime == before));
}

#[test]
fn an_image_prepared_for_its_first_boot_is_not_changed() {
    let mut tree = tree(&[
        ("/etc/machine-id", "file 0444 uninitialized\n"),
        ("/var/lib/dbus/machine-id", "link /etc/machine-id"),
        ("/usr/share/log", "file 0644 kept"),
    ]);
    add(&mut tree, "/var/log", "dir 0755");
    let (log, other) = (tree.lookup(b"var/log").unwrap(), tree.lookup(b"usr/share/log").unwrap());
    tree.link(log, Name::new(b"linked").unwrap(), other).unwrap();
    let changes = normalize(&mut tree, &all());
    assert_eq!(paths(&changes), ["0 logs /var/log/linked"]);
    assert_eq!(text(&tree, "/etc/machine-id"), "uninitialized\n");
    assert_eq!(
        (text(&tree, "/usr/share/log"), text(&tree, "/var/log/linked")),
        ("kept".into(), String::new())
    );
}

#[test]
fn every_user_may_enter_the_root_directory_and_only_root_may_write_to_it() {
    for (mode, uid, expected) in [
        (0o700, 1000, Some(0o755)),
        (0o755, 1000, Some(0o755)),
        (0o1777, 0, Some(0o755)),
        (0o750, 0, Some(0o755)),
        // As on Fedora.
        (0o555, 0, None),
        (0o755, 0, None),
    ] {
        let mut tree = tree(&[("/etc/x", "file 0644 x")]);
        let root = tree.root();
        (tree.node_mut(root).meta.mode, tree.node_mut(root).meta.uid) = (mode, uid);
        let changes = normalize(&mut tree, &NormalizeSpec { epoch: NOW, rules: NormalizeRule::defaults() });
        let meta = &tree.node(root).meta;
        assert_eq!((meta.mode, meta.uid), (expected.unwrap_or(mode), 0), "{mode:o}");
        assert_eq!(changes.iter().any(|change| change.outcome == PathOutcome::Opened), expected.is_some());
    }
}

#[test]
fn a_console_device_is_kept() {
    let mut tree = tree(&[("/dev/console", "file 0600 ")]);
    let id = tree.lookup(b"dev/console").unwrap();
    tree.node_mut(id).kind = NodeKind::CharDevice { major: 5, minor: 1 };
    assert_eq!(normalize(&mut tree, &NormalizeSpec { epoch: NOW, rules: NormalizeRule::defaults() }), []);
}
