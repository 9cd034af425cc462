//! Real packages that make secrets: no two images share one, and each is made at the first boot or named.

use amiforge_tests::program::Bundle;
use serde_json::Value;

use crate::booted;
use crate::fixtures::{LockedRecipe, has_line, read_file, verified_listing};

/// Packages whose scripts make keys and ids.
const RECIPE: &str = r#"
[image]
name = "first"
arch = "x86_64"
version = "1"

[[source]]
kind = "deb"
distribution = "debian"
suites = ["bookworm"]
docs = false
man = false
locales = ["C"]
packages = ["systemd-sysv", "bind9", "munge", "nvme-cli", "rabbitmq-server", "ssl-cert"]
"#;

/// What they make, and every machine has to have its own of.
const MADE: [&str; 7] = [
    "/etc/bind/rndc.key",
    "/etc/munge/munge.key",
    "/etc/nvme/hostid",
    "/etc/nvme/hostnqn",
    "/etc/ssl/certs/ssl-cert-snakeoil.pem",
    "/etc/ssl/private/ssl-cert-snakeoil.key",
    "/var/lib/rabbitmq/.erlang.cookie",
];

/// The paths in a list of the manifest.
fn paths(bundle: &Bundle, list: &str) -> Vec<String> {
    let entries = bundle.manifest[list].as_array().into_iter().flatten();
    entries.filter_map(|entry| entry["path"].as_str()).map(str::to_owned).collect()
}

#[test]
fn unrelated_images_share_no_secret_and_machines_make_their_own() {
    let Some(fixture) = LockedRecipe::new(RECIPE) else { return };
    let bundle = fixture.build("out");
    let listing = verified_listing(&bundle);
    let cleaned = paths(&bundle, "cleaned");
    for path in MADE {
        assert!(cleaned.iter().any(|one| one == path), "{path} is not cleaned: {cleaned:?}");
        assert!(!has_line(&listing, &format!("{path} ")), "{path} is in the image");
    }
    println!("left: {}", bundle.manifest["secrets"]);
    let link = "/etc/systemd/system/sysinit.target.wants/amiforge-service-keys.service symlink ";
    assert!(has_line(&listing, link), "nothing makes them");
    assert!(read_file(&bundle, "/usr/lib/amiforge/service-keys.list").lines().count() >= MADE.len());
    // Left in, they are named, and those of another image are others.
    let keep = |name: &str| {
        let recipe = RECIPE.replace("\"first\"", &format!("\"{name}\""));
        std::fs::write(fixture.recipe(), format!("{recipe}\n[normalize]\nskip = [\"service-keys\"]\n"))
            .unwrap();
        amiforge_tests::program::must(&[
            "lock",
            &fixture.recipe().to_string_lossy(),
            "--store",
            &fixture.path("store").to_string_lossy(),
        ]);
        fixture.build_with_report(name)
    };
    let (one, report) = keep("first");
    assert_eq!(report["layers"][0]["reused"], true, "{report}");
    let (other, report) = keep("another");
    assert_eq!(report["layers"][0]["reused"], Value::Bool(false), "{report}");
    let named = paths(&one, "secrets");
    assert_eq!(named, paths(&other, "secrets"));
    for path in MADE {
        assert!(named.iter().any(|one| one == path), "{path} is not named: {named:?}");
        assert_ne!(read_file(&one, path), read_file(&other, path), "{path}");
    }
}

/// The same services in a machine that starts, and one more that comes before ordinary services.
const MACHINE: &str = r#"
[image]
name = "services"
arch = "x86_64"
[disk]
size = 2
[boot]
[system]
locale = "C.UTF-8"
[[source]]
kind = "deb"
distribution = "debian"
suites = ["trixie"]
docs = false
man = false
packages = [
    "systemd-sysv", "udev", "dbus", "linux-image-cloud-amd64", "openssh-server", "sudo", "e2fsprogs", "fdisk", "iproute2",
    "netbase", "libnss-myhostname", "systemd-resolved", "systemd-boot-efi", "bind9", "munge", "nvme-cli", "open-iscsi", "rabbitmq-server", "ssl-cert",
]
"#;

/// In the machine: every file is there with its owner and mode as the packages give them, and the services take them.
const LOOK: &str = "\
    systemctl is-system-running --wait || { systemctl --failed --no-legend --plain; exit 1; }; set -e; \
    systemctl is-active amiforge-service-keys named munge rabbitmq-server iscsid.socket; \
    stat -c '%a %U:%G %n' /etc/bind/rndc.key /etc/munge/munge.key /etc/nvme/hostid /etc/nvme/hostnqn \
        /etc/iscsi/initiatorname.iscsi /etc/ssl/private/ssl-cert-snakeoil.key /var/lib/rabbitmq/.erlang.cookie; \
    sudo rndc status | grep running; sudo munge -n | unmunge | grep Success; sudo rabbitmqctl -q ping; \
    sudo cat /etc/nvme/hostnqn; sudo openssl x509 -noout -in /etc/ssl/certs/ssl-cert-snakeoil.pem";

#[test]
fn machines_make_the_keys_of_their_services_at_the_first_boot() {
    let Some(fixture) = booted::ready().then(|| LockedRecipe::new(MACHINE)).flatten() else { return };
    let bundle = fixture.build("out");
    let listing = verified_listing(&bundle);
    for path in MADE {
        assert!(!has_line(&listing, &format!("{path} ")), "{path} is in the image");
    }
    let out = fixture.path("out").to_string_lossy().into_owned();
    let output = fixture.boot_successfully(&out, &["--run", LOOK]);
    println!("{output}");
    for line in [
        "640 bind:bind /etc/bind/rndc.key",
        "600 munge:munge /etc/munge/munge.key",
        "600 root:root /etc/iscsi/initiatorname.iscsi",
        "640 root:ssl-cert /etc/ssl/private/ssl-cert-snakeoil.key",
        "400 rabbitmq:rabbitmq /var/lib/rabbitmq/.erlang.cookie",
        "nqn.2014-08.org.nvmexpress:uuid:",
    ] {
        assert!(output.contains(line), "no `{line}` in {output}");
    }
}
