//! Real packages that make secrets: no two images share one, and each is made at the first boot or named.

use amiforge_tests::program::Bundle;
use serde_json::Value;

use crate::yard::{Yard, checked, has, read};

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
    let Some(yard) = Yard::with(RECIPE) else { return };
    let bundle = yard.build("out");
    let listing = checked(&bundle);
    let cleaned = paths(&bundle, "cleaned");
    for path in MADE {
        assert!(cleaned.iter().any(|one| one == path), "{path} is not cleaned: {cleaned:?}");
        assert!(!has(&listing, &format!("{path} ")), "{path} is in the image");
    }
    println!("left: {}", bundle.manifest["secrets"]);
    let link = "/etc/systemd/system/sysinit.target.wants/amiforge-service-keys.service symlink ";
    assert!(has(&listing, link), "nothing makes them");
    assert!(read(&bundle, "/usr/lib/amiforge/service-keys.list").lines().count() >= MADE.len());
    // Left in, they are named, and those of another image are others.
    let keep = |name: &str| {
        let recipe = RECIPE.replace("\"first\"", &format!("\"{name}\""));
        std::fs::write(yard.recipe(), format!("{recipe}\n[normalize]\nskip = [\"service-keys\"]\n")).unwrap();
        amiforge_tests::program::must(&[
            "lock",
            &yard.recipe().to_string_lossy(),
            "--store",
            &yard.path("store").to_string_lossy(),
        ]);
        yard.build_told(name)
    };
    let (one, told) = keep("first");
    assert_eq!(told["layers"][0]["reused"], true, "{told}");
    let (other, told) = keep("another");
    assert_eq!(told["layers"][0]["reused"], Value::Bool(false), "{told}");
    let named = paths(&one, "secrets");
    assert_eq!(named, paths(&other, "secrets"));
    for path in MADE {
        assert!(named.iter().any(|one| one == path), "{path} is not named: {named:?}");
        assert_ne!(read(&one, path), read(&other, path), "{path}");
    }
}
