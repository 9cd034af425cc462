//! Presets of the layout of Fedora and its kin, for the system and for users, beside those of `systemctl --root`.

use amiforge_formats::plan::NoSources;
use amiforge_formats::tree::Tree;

use super::{UnitError, UnitScope, preset, preset_all};
use crate::steps::StepError;
use crate::steps::testing::{self, NOW, add, extract, oracle, tree};

/// Units and presets as packages of Fedora bring them: few are enabled by name, and the last file disables the rest.
fn fedora() -> Tree {
    let mut tree = tree(&[("/etc/systemd", "dir 0755"), ("/lib", "link usr/lib")]);
    let unit = |install: &str| format!("file 0644 [Service]\nExecStart=/x\n[Install]\n{install}\n");
    for (name, install) in [
        ("system/sshd.service", "WantedBy=multi-user.target"),
        ("system/sshd.socket", "WantedBy=sockets.target"),
        ("system/httpd.service", "WantedBy=multi-user.target"),
        ("system/getty@.service", "WantedBy=getty.target\nDefaultInstance=tty1"),
        ("system/autovt@.service", ""),
        (
            "system/NetworkManager.service",
            "WantedBy=network.target\nAlias=dbus-org.NetworkManager.service\nAlso=nm-wait.service",
        ),
        ("system/nm-wait.service", "WantedBy=network-online.target"),
        ("system/local@.service", "WantedBy=multi-user.target"),
        ("system/masked.service", "WantedBy=multi-user.target"),
        ("system/systemd-journald.service", ""),
        ("user/dbus-broker.service", "Alias=dbus.service"),
        ("user/pipewire.socket", "WantedBy=sockets.target"),
        ("user/other.service", "WantedBy=default.target"),
    ] {
        add(&mut tree, &format!("/usr/lib/systemd/{name}"), &unit(install));
    }
    add(&mut tree, "/etc/systemd/system/masked.service", "link /dev/null");
    // Left from an earlier state: the presets disable it.
    add(
        &mut tree,
        "/etc/systemd/system/sockets.target.wants/sshd.socket",
        "link /usr/lib/systemd/system/sshd.socket",
    );
    for (path, text) in [
        (
            "/usr/lib/systemd/system-preset/90-default.preset",
            "# c\n\nenable sshd.service\nenable getty@.service\nenable NetworkManager*\n",
        ),
        ("/usr/lib/systemd/system-preset/99-default-disable.preset", "disable *\n"),
        (
            "/usr/lib/systemd/system-preset/80-local.preset",
            "enable local@.service a b\nenable httpd.service\n",
        ),
        // The file of the same name in /etc replaces that of the distribution.
        (
            "/etc/systemd/system-preset/80-local.preset",
            "enable local@.service c\n; x\nignore nm-wait.service\n",
        ),
        ("/usr/lib/systemd/system-preset/00-not-read.conf", "disable sshd.service\n"),
        (
            "/usr/lib/systemd/user-preset/90-default-user.preset",
            "enable dbus-broker.service\nenable pipewire.socket\n",
        ),
        ("/usr/lib/systemd/user-preset/99-default-disable.preset", "disable *\n"),
    ] {
        add(&mut tree, path, &format!("file 0644 {text}"));
    }
    tree
}

/// The links below a folder of a tree, as [`testing::listing`] gives them.
fn links(tree: &Tree, folder: &str) -> Vec<String> {
    let copy = testing::folder();
    extract(tree, copy.path());
    testing::listing(&copy.path().join(folder))
}

/// What systemctl makes of a tree.
fn systemctl(tree: &Tree, args: &[&str], folder: &str) -> Option<Vec<String>> {
    let copy = testing::folder();
    extract(tree, copy.path());
    let root = format!("--root={}", copy.path().display());
    let output = oracle("systemctl", &[&[root.as_str()], args].concat())?;
    assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
    // Debian's writes the folder that it was built for, which is the same directory.
    let lines = testing::listing(&copy.path().join(folder));
    Some(lines.into_iter().map(|line| line.replace(" -> /lib/", " -> /usr/lib/")).collect())
}

#[test]
fn all_presets_are_applied_as_systemctl_applies_them() {
    for (scope, args, folder) in [
        (UnitScope::System, &["preset-all"][..], "etc/systemd/system"),
        (UnitScope::User, &["preset-all", "--global"], "etc/systemd/user"),
    ] {
        let mut tree = fedora();
        preset_all(&mut tree, &NoSources, scope, NOW).unwrap();
        let own = links(&tree, folder);
        if let Some(expected) = systemctl(&fedora(), args, folder) {
            assert_eq!(own, expected, "{args:?}");
        }
        let enabled = match scope {
            UnitScope::System => {
                "multi-user.target.wants/local@c.service -> /usr/lib/systemd/system/local@.service"
            }
            UnitScope::User => "dbus.service -> /usr/lib/systemd/user/dbus-broker.service",
        };
        assert!(own.iter().any(|line| line == enabled), "{own:?}");
        assert!(!own.iter().any(|line| line.contains("httpd") || line.contains("sshd.socket")), "{own:?}");
    }
}

#[test]
fn units_of_a_package_are_preset_as_systemctl_presets_them() {
    for units in [
        &["sshd.service"][..],
        &["httpd.service", "sshd.socket"],
        &["NetworkManager", "getty@.service"],
        &["masked"],
    ] {
        let mut tree = fedora();
        preset(&mut tree, &NoSources, UnitScope::System, units, NOW).unwrap();
        let Some(expected) = systemctl(&fedora(), &[&["preset"], units].concat(), "etc/systemd/system")
        else {
            return;
        };
        assert_eq!(links(&tree, "etc/systemd/system"), expected, "{units:?}");
    }
    let mut tree = fedora();
    let error = preset(&mut tree, &NoSources, UnitScope::System, &["sshd", "none"], NOW).unwrap_err();
    assert!(
        matches!(error, StepError::Unit { source: UnitError::Missing { .. }, ref unit, .. } if unit == "none")
    );
    let before = links(&fedora(), "etc/systemd/system");
    assert_eq!(links(&tree, "etc/systemd/system"), before, "nothing is changed where one is missing");
}
