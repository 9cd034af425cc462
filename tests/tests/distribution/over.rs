//! Packages over an image that exists already: the lock resolves against what is installed in it, its own apt installs them.

use std::fs;

use amiforge_formats::digest::Digest;
use amiforge_tests::program::Bundle;
use amiforge_tests::{oracle, program, scratch};

use crate::fixtures::{LockedRecipe, assert_same, has_line, must, read_file, verified_listing};

/// The disk of a Debian server as mmdebstrap makes it, with its digest.
fn base(folder: &std::path::Path) -> Option<(String, String)> {
    let tar = scratch::repository().join("target/inputs/minimal.tar");
    if !tar.exists() {
        oracle::skip("no root of a Debian server: tests/inputs/packages.sh makes it");
        return None;
    }
    let recipe = format!(
        "[image]\nname = \"base\"\narch = \"x86_64\"\n[[source]]\nkind = \"tar\"\npath = \"{}\"\n[disk]\nsize = \"2GiB\"\n\
         [boot]\nmode = \"bios\"\n",
        tar.canonicalize().unwrap().display()
    );
    fs::write(folder.join("base.toml"), recipe).unwrap();
    let recipe = folder.join("base.toml").display().to_string();
    program::must(&["build", &recipe, "-o", &folder.join("base").display().to_string()]);
    let disk = folder.join("base/disk.raw");
    let digest = Digest::of(&fs::read(&disk).unwrap()).to_string();
    Some((disk.display().to_string(), digest))
}

#[test]
fn packages_go_over_an_image_by_its_own_apt() {
    let folder = scratch::folder();
    let Some((disk, sha256)) = base(folder.path()) else { return };
    let text = format!(
        "[image]\nname = \"web\"\nversion = \"1\"\narch = \"x86_64\"\n[[source]]\nkind = \"image\"\npath = \"{disk}\"\nsha256 = \"{sha256}\"\n\
         [[source]]\nkind = \"deb\"\ndistribution = \"debian\"\nsuites = [\"bookworm\", \"bookworm-updates\", \"bookworm-security\"]\n\
         packages = [\"apache2\"]\nwithout = [\"cloud-guest-utils\"]\n[disk]\nsize = \"2GiB\"\n[boot]\nmode = \"bios\"\n\
         [system]\nfstab = \"replace\"\n[[file]]\npath = \"/var/www/html/index.html\"\ncontent = \"over\"\n"
    );
    let Some(recipe) = LockedRecipe::new(&text) else { return };
    let lock = fs::read_to_string(recipe.path("recipe.lock")).unwrap();
    assert!(lock.contains("name = \"apache2\""), "{lock}");
    for installed in ["libc6", "systemd", "openssh-server"] {
        assert!(!lock.contains(&format!("name = \"{installed}\"")), "{installed} is there already");
    }

    let bundle = recipe.build("out");
    let listing = verified_listing(&bundle);
    assert!(has_line(&listing, "/usr/sbin/apache2 file "), "apache2 is there");
    assert!(has_line(&listing, "/etc/apache2/mods-enabled/mpm_event.load "), "its script ran");
    for gone in [
        "/usr/bin/growpart ",
        "/usr/.amiforge-packages ",
        "/usr/sbin/policy-rc.d ",
        "/var/log/apt/history.log ",
    ] {
        assert!(!has_line(&listing, gone), "{gone}");
    }
    let status = read_file(&bundle, "/var/lib/dpkg/status");
    let stanza = |name: &str| {
        status.split("\n\n").find(|one| one.starts_with(&format!("Package: {name}\n"))).map(str::to_owned)
    };
    assert!(stanza("apache2").unwrap().contains("Status: install ok installed"));
    assert!(stanza("libc6").unwrap().contains("Status: install ok installed"));
    assert!(stanza("cloud-guest-utils").is_none(), "it is purged");
    let automatic = read_file(&bundle, "/var/lib/apt/extended_states");
    assert!(
        automatic.contains("Package: libapr1\n") && !automatic.contains("Package: apache2\n"),
        "{automatic}"
    );

    // The same inputs give the same image, whatever the store holds.
    recipe.add_store("fresh");
    must(&recipe.command("again", "fresh").output().unwrap());
    assert_same(&bundle, &Bundle::open(&recipe.path("again")));
}

#[test]
fn an_image_without_its_digest_or_of_another_kind_is_refused() {
    let folder = scratch::folder();
    let recipe = folder.path().join("recipe.toml");
    let refused = |image: &str, packages: &str, expected: &str| {
        fs::write(&recipe, format!("[image]\nname = \"web\"\narch = \"x86_64\"\n[[source]]\nkind = \"image\"\n{image}\n[[source]]\n{packages}\n")).unwrap();
        let output = program::run(&["lock", &recipe.display().to_string()]);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(!output.status.success() && said.contains(expected), "{said}");
    };
    let deb = "kind = \"deb\"\ndistribution = \"debian\"\nsuites = [\"bookworm\"]";
    refused("path = \"a.raw\"", deb, "need its `sha256`");
    let pinned = format!("path = \"a.raw\"\nsha256 = \"{}\"", "0".repeat(64));
    refused(&pinned, &format!("{deb}\nbase = \"required\""), "leave `base` out");
    refused(&pinned, &format!("{deb}\nscripts = \"native\""), "its own package manager");
    let rpm = "kind = \"rpm\"\ndistribution = \"centos-stream\"\nrelease = \"9\"";
    refused("path = \"a.raw\"", rpm, "need its `sha256`");
    refused(&pinned, &format!("{rpm}\nscripts = \"native\""), "its own package manager");
}
