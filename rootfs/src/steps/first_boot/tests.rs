//! The installed files, and checks of the scripts and units by shellcheck and systemd-analyze.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use amiforge_formats::plan::NoSources;

use super::*;
use crate::steps::testing::{NOW, add, extract, folder, oracle, shape, text, tree};

fn spec(user: &str) -> FirstBootSpec {
    FirstBootSpec { user: user.to_owned(), hostname: Hostname::Metadata, grow: true, time: NOW }
}

fn minimal_system() -> Tree {
    tree(&[
        ("/bin", "link usr/bin"),
        ("/lib", "link usr/lib"),
        ("/usr/lib/systemd/systemd", "file 0755 x"),
        ("/usr/bin/bash", "file 0755 x"),
        ("/usr/bin/getent", "file 0755 x"),
        ("/etc/passwd", "file 0644 root:x:0:0::/root:/bin/bash\nada:x:1000:1000::/home/ada:/bin/bash\n"),
    ])
}

fn complete_system() -> Tree {
    let mut tree = minimal_system();
    for path in [
        "/usr/bin/systemd-repart",
        "/usr/lib/systemd/systemd-growfs",
        "/usr/sbin/blkid",
        "/usr/bin/partx",
        "/usr/bin/setpriv",
        "/usr/bin/ssh-keygen",
        "/usr/lib/systemd/systemd-networkd",
        "/usr/lib/systemd/systemd-resolved",
    ] {
        add(&mut tree, path, "file 0755 x");
    }
    let networkd = "file 0644 [Install]\nWantedBy=multi-user.target\nAlso=systemd-networkd.socket\n";
    add(&mut tree, "/usr/lib/systemd/system/systemd-networkd.service", networkd);
    let socket = "file 0644 [Install]\nWantedBy=sockets.target\n";
    add(&mut tree, "/usr/lib/systemd/system/systemd-networkd.socket", socket);
    let resolved = "file 0644 [Install]\nWantedBy=sysinit.target\n";
    add(&mut tree, "/usr/lib/systemd/system/systemd-resolved.service", resolved);
    tree
}

#[test]
fn a_complete_system_has_every_program_and_every_unit_enabled() {
    let mut tree = complete_system();
    let installed = install(&mut tree, &NoSources, &spec("ada")).unwrap();
    assert_eq!(installed.missing, []);
    assert_eq!(installed.networking, Networking::Networkd { resolved: true });
    let wants = "/etc/systemd/system/multi-user.target.wants";
    for (name, _) in UNITS {
        let expected = format!("symlink 0777 0:0 /usr/lib/systemd/system/{name}");
        assert_eq!(shape(&tree, &format!("{wants}/{name}")), expected);
        assert!(text(&tree, PRESET.0).contains(&format!("enable {name}\n")));
    }
    for path in [
        "multi-user.target.wants/systemd-networkd.service",
        "sockets.target.wants/systemd-networkd.socket",
        "sysinit.target.wants/systemd-resolved.service",
    ] {
        assert!(shape(&tree, &format!("/etc/systemd/system/{path}")).starts_with("symlink"), "{path}");
    }
    let metadata = text(&tree, "/usr/lib/systemd/system/amiforge-metadata.service");
    assert!(metadata.contains("ExecStart=/usr/lib/amiforge/metadata ada metadata\n"), "{metadata}");
    assert_eq!(shape(&tree, "/usr/lib/amiforge/imds"), "file 0755 0:0");
    assert_eq!(shape(&tree, "/etc/machine-id"), "file 0444 0:0");
    assert!(shape(&tree, "/etc/resolv.conf").ends_with(" ../run/systemd/resolve/stub-resolv.conf"));
    for path in &installed.paths {
        assert_ne!(shape(&tree, path), "-", "{path}");
    }
    assert!(
        !UNITS.iter().any(|(name, _)| text(&tree, &format!("/usr/lib/systemd/system/{name}")).contains('@'))
    );
}

#[test]
fn missing_programs_are_listed_with_their_packages() {
    let mut tree = minimal_system();
    let installed = install(&mut tree, &NoSources, &spec("root")).unwrap();
    assert_eq!(installed.networking, Networking::None);
    let messages: Vec<_> = installed.missing.iter().map(ToString::to_string).collect();
    for name in ["fdisk", "e2fsprogs", "`partx`", "`blkid`", "`setpriv`", "openssh-server", "networkd"] {
        assert!(messages.iter().any(|line| line.contains(name)), "{name}: {messages:?}");
    }
}

#[test]
fn a_network_of_other_software_is_not_changed() {
    for (path, name) in [
        ("/usr/sbin/NetworkManager", "NetworkManager"),
        ("/usr/sbin/ifup", "ifupdown"),
        ("/etc/rc.d/init.d/network", "network-scripts"),
        ("/etc/systemd/network/10-lan.network", "files in /etc/systemd/network"),
    ] {
        let mut tree = complete_system();
        add(&mut tree, path, "file 0755 x");
        let installed = install(&mut tree, &NoSources, &spec("root")).unwrap();
        assert_eq!(installed.networking, Networking::Other { name }, "{path}");
        assert_eq!(shape(&tree, network_file()), "-");
        assert_eq!(installed.missing, []);
    }
    let mut masked = complete_system();
    add(&mut masked, "/etc/systemd/system/systemd-networkd.service", "link /dev/null");
    let installed = install(&mut masked, &NoSources, &spec("root")).unwrap();
    assert!(matches!(installed.networking, Networking::Other { .. }));
}

#[test]
fn the_network_of_amazon_linux_is_enabled_with_its_own_configuration() {
    for configuration in ["/usr/lib/systemd/network/80-ec2.network", "/etc/systemd/network/80-ec2.network"] {
        let mut tree = complete_system();
        add(&mut tree, "/usr/bin/setup-policy-routes", "file 0755 x");
        add(&mut tree, configuration, "file 0644 x");
        let installed = install(&mut tree, &NoSources, &spec("root")).unwrap();
        assert_eq!(installed.networking, Networking::Networkd { resolved: true });
        assert_eq!(shape(&tree, network_file()), "-");
        let enabled = "/etc/systemd/system/multi-user.target.wants/systemd-networkd.service";
        assert!(shape(&tree, enabled).starts_with("symlink"));
    }
}

fn network_file() -> &'static str {
    "/usr/lib/systemd/network/80-amiforge.network"
}

#[test]
fn an_existing_resolver_and_machine_id_are_kept() {
    let mut tree = complete_system();
    add(&mut tree, "/etc/resolv.conf", "file 0644 nameserver 10.0.0.2\n");
    add(&mut tree, "/etc/machine-id", "file 0444 uninitialized\n");
    install(&mut tree, &NoSources, &spec("root")).unwrap();
    assert_eq!(text(&tree, "/etc/resolv.conf"), "nameserver 10.0.0.2\n");
    assert_eq!(text(&tree, "/etc/machine-id"), "uninitialized\n");
    let mut bare = complete_system();
    add(&mut bare, "/usr/lib/systemd/systemd-resolved", "link gone");
    let installed = install(&mut bare, &NoSources, &spec("root")).unwrap();
    assert_eq!(installed.missing, [MissingProgram::Resolver]);
}

#[test]
fn a_second_run_changes_nothing() {
    let mut tree = complete_system();
    install(&mut tree, &NoSources, &spec("root")).unwrap();
    let before = amiforge_formats::dump::to_string(&tree);
    install(&mut tree, &NoSources, &spec("root")).unwrap();
    assert_eq!(amiforge_formats::dump::to_string(&tree), before);
}

#[test]
fn a_tree_without_required_programs_is_refused() {
    let refusal = |tree: &Tree, user: &str| {
        let error = install(&mut tree.clone(), &NoSources, &spec(user)).unwrap_err();
        std::error::Error::source(&error).unwrap().to_string()
    };
    let empty = crate::steps::testing::empty();
    assert!(refusal(&empty, "root").contains("the package systemd-sysv"));
    let mut bashless = minimal_system();
    add(&mut bashless, "/usr/bin/bash", "link gone");
    assert!(refusal(&bashless, "root").contains("the package bash"));
    for user in ["", "eve", "ro", "root:x", "a b", "%i", "root\n"] {
        assert!(refusal(&minimal_system(), user).contains("has no user"), "{user:?}");
    }
    assert_eq!(detect_agent(&empty).unwrap(), FirstBootAgent::None);
    assert_eq!(detect_agent(&minimal_system()).unwrap(), FirstBootAgent::OwnUnits);
    assert_eq!(detect_agent(&bashless).unwrap(), FirstBootAgent::None);
    add(&mut bashless, "/usr/bin/cloud-init", "file 0755 x");
    assert_eq!(detect_agent(&bashless).unwrap(), FirstBootAgent::CloudInit);
}

#[test]
fn shellcheck_accepts_the_scripts() {
    let folder = folder();
    for (name, text) in SCRIPTS {
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        let path = path.to_str().unwrap();
        let Some(output) =
            oracle("shellcheck", &["--enable=all", "--exclude=SC2250,SC2310,SC2311,SC2312", path])
        else {
            return;
        };
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
    }
}

/// The units with the paths of their programs on this machine, for a tool that checks that they exist.
fn units_on_this_machine(root: &Path) -> Vec<String> {
    let mut tree = complete_system();
    install(&mut tree, &NoSources, &spec("root")).unwrap();
    extract(&tree, root);
    let lib = root.join("usr/lib/amiforge");
    for (name, _) in SCRIPTS {
        std::fs::set_permissions(lib.join(name), std::fs::Permissions::from_mode(0o755)).unwrap();
    }
    let mut paths = Vec::new();
    for (name, _) in UNITS {
        let path = root.join("usr/lib/systemd/system").join(name);
        let unit = std::fs::read_to_string(&path).unwrap();
        std::fs::write(&path, unit.replace("=/usr/lib/amiforge", &format!("={}", lib.display()))).unwrap();
        paths.push(path.to_str().unwrap().to_owned());
    }
    paths
}

#[test]
fn systemd_accepts_the_units() {
    let folder = folder();
    let paths = units_on_this_machine(folder.path());
    let mut args = vec!["verify", "--man=no", "--recursive-errors=no"];
    args.extend(paths.iter().map(String::as_str));
    let Some(output) = oracle("systemd-analyze", &args) else { return };
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && errors.trim().is_empty(), "{errors}");
}
