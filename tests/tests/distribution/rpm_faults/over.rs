//! The package `own` over an image that has rpm: the base, and the recipe.

use std::fs;

use amiforge_formats::digest::Digest;
use amiforge_tests::program;

use super::own::OwnPackage;

/// Packages of the base.
const BASE: [&str; 3] = ["bash", "coreutils", "rpm"];

/// Builds the base as `base`, and writes the recipe of the package over it in the place of that of the base.
pub(super) fn write_recipe(own: &OwnPackage) {
    own.write_recipe("native", &BASE, "");
    for args in [&["lock"][..], &["fetch"], &["build", "-o", "base"]] {
        own.must(args);
    }
    let disk = own.path("base/disk.raw");
    over_disk(own, &Digest::of(&fs::read(&disk).unwrap()).to_string(), &disk.display().to_string());
}

/// Writes the recipe of the package over a disk.
fn over_disk(own: &OwnPackage, sha256: &str, disk: &str) {
    own.write_recipe("native", &["own"], "");
    let text = fs::read_to_string(own.path("recipe.toml")).unwrap();
    let image =
        format!("[[source]]\nkind = \"image\"\npath = \"{disk}\"\nsha256 = \"{sha256}\"\n\n[[source]]");
    let text = text.replacen("[[source]]", &image, 1).replace("scripts = \"native\"\n", "");
    fs::write(own.path("recipe.toml"), text + "[system]\nfstab = \"replace\"\n").unwrap();
}

#[test]
fn a_damaged_database_of_rpm_is_refused_by_lock() {
    let Some(own) = OwnPackage::new("", "", "", super::own::PackageSigner::Own) else { return };
    let header = b"SQLite format 3\0".as_slice();
    let table: [(&str, &[u8]); 4] = [
        ("var/lib/rpm/rpmdb.sqlite", b""),
        ("var/lib/rpm/rpmdb.sqlite", header),
        ("var/lib/rpm/rpmdb.sqlite", b"no database at all\n"),
        ("var/lib/rpm/Packages.db", b"RpmP\0\0"),
    ];
    for (path, bytes) in table {
        let tree = own.path("tree");
        let _ = fs::remove_dir_all(&tree);
        fs::create_dir_all(tree.join("etc")).unwrap();
        fs::create_dir_all(tree.join("usr/bin")).unwrap();
        fs::create_dir_all(tree.join("var/lib/rpm")).unwrap();
        fs::write(tree.join("etc/os-release"), "ID=tests\n").unwrap();
        fs::write(tree.join(path), bytes).unwrap();
        let text = "[image]\nname = \"base\"\nversion = \"1\"\narch = \"x86_64\"\n[[source]]\nkind = \"dir\"\npath = \"tree\"\n";
        fs::write(own.path("small.toml"), text).unwrap();
        let [recipe, out] = ["small.toml", "small"].map(|name| own.path(name).display().to_string());
        program::must(&["build", &recipe, "--force", "-o", &out]);
        let disk = own.path("small/disk.raw");
        over_disk(&own, &Digest::of(&fs::read(&disk).unwrap()).to_string(), &disk.display().to_string());
        own.refused(2, &["lock"], &["database of rpm", "rpmdb --rebuilddb"]);
        assert!(!own.path("recipe.lock").exists(), "{path}");
    }
}
