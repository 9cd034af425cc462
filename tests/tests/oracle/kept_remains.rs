//! Deleted files of an image whose disk is kept: they are in the disk of the next image, too. The leak gate says so, refuses a key
//! among them, and `erase-free-space` takes them out without a change of anything else, as e2fsprogs judge.

use std::fs;
use std::path::Path;

use amiforge_formats::digest::Digest;
use amiforge_tests::program::{self, Bundle};
use amiforge_tests::{oracle, scratch};
use serde_json::Value;

/// A text that nothing but the deleted file has.
const DELETED: &str = "the customers of last year, one in each line\n";

/// An image with two files that were deleted: a text, and a key.
fn base(folder: &Path) -> String {
    let tree = folder.join("tree");
    fs::create_dir_all(tree.join("srv")).unwrap();
    fs::create_dir_all(tree.join("etc")).unwrap();
    fs::create_dir_all(tree.join("usr/bin")).unwrap();
    fs::write(tree.join("etc/os-release"), "ID=tests\n").unwrap();
    fs::write(tree.join("usr/bin/kept"), vec![7; 300_001]).unwrap();
    fs::write(tree.join("srv/customers"), DELETED.repeat(4000)).unwrap();
    let key = tree.join("srv/key").to_string_lossy().into_owned();
    oracle::must("ssh-keygen", &["-q", "-t", "rsa", "-b", "2048", "-N", "", "-C", "", "-f", &key]);
    let recipe = "[image]\nname = \"base\"\nversion = \"1\"\narch = \"x86_64\"\n[disk]\nsize = \"64 MiB\"\n[[partition]]\nrole = \
                  \"root\"\n[[source]]\nkind = \"dir\"\npath = \"tree\"\n";
    fs::write(folder.join("base.toml"), recipe).unwrap();
    let bundle = Bundle::build(&folder.join("base.toml"), &folder.join("base"));
    let image = format!("{}?offset={}", bundle.image().display(), bundle.partition("ext4").start);
    for path in ["/srv/customers", "/srv/key", "/srv/key.pub"] {
        oracle::must("debugfs", &["-w", "-R", &format!("rm {path}"), &image]);
    }
    bundle.image().to_string_lossy().into_owned()
}

/// Builds a recipe that keeps the disk.
fn kept(folder: &Path, image: &str, name: &str, disk: &str) -> Bundle {
    let sha256 = Digest::of(&fs::read(image).unwrap());
    let recipe = format!(
        "boot = \"keep\"\n[image]\nname = \"web\"\nversion = \"1\"\narch = \"x86_64\"\n{disk}[[source]]\nkind = \"image\"\npath = \
         \"{image}\"\nsha256 = \"{sha256}\"\n[[file]]\npath = \"/etc/motd\"\ncontent = \"hello\"\n"
    );
    let path = folder.join(format!("{name}.toml"));
    fs::write(&path, recipe).unwrap();
    let out = folder.join(name);
    let store = folder.join("store").to_string_lossy().into_owned();
    program::must(&["build", &path.to_string_lossy(), "-o", &out.to_string_lossy(), "--store", &store]);
    program::must(&["verify", &out.to_string_lossy()]);
    Bundle::open(&out)
}

/// Rule, severity and file of each finding, and the status of the command.
fn leaks(bundle: &Bundle) -> (Option<i32>, Vec<(String, String, String)>) {
    let output = program::run(&["leaks", &bundle.folder.to_string_lossy(), "--json"]);
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    let text = |finding: &Value, key: &str| finding[key].as_str().unwrap().to_owned();
    let findings = report["findings"].as_array().unwrap().iter();
    let rows = findings.map(|one| (text(one, "rule"), text(one, "severity"), text(one, "file")));
    (output.status.code(), rows.collect())
}

fn has(bundle: &Bundle, text: &str) -> bool {
    let bytes = fs::read(bundle.image()).unwrap();
    bytes.windows(text.len()).any(|window| window == text.as_bytes())
}

#[test]
fn what_the_base_deleted_is_told_and_taken_out_on_request() {
    if !oracle::ready(&["debugfs", "e2fsck", "ssh-keygen"], false) {
        return;
    }
    let folder = scratch::folder();
    let image = base(folder.path());
    let with = kept(folder.path(), &image, "with", "");
    assert!(has(&with, DELETED), "the disk is kept as it is");
    let (status, found) = leaks(&with);
    assert_eq!(status, Some(3));
    let of = |severity: &str| found.iter().filter(|one| one.1 == severity).collect::<Vec<_>>();
    let is_text = |one: &&(String, String, String)| one.0 == "below-tree" && one.2.contains("root");
    assert!(of("warning").iter().any(is_text), "{found:?}");
    // The key counts as one, wherever it is.
    assert!(of("error").iter().any(|one| one.0 != "below-tree"), "{found:?}");
    let refused = program::run(&["export", &with.folder.to_string_lossy(), "-o", "/dev/null"]);
    assert_ne!(refused.status.code(), Some(0), "the gate refuses the key");

    let without = kept(folder.path(), &image, "without", "[disk]\nerase-free-space = true\n");
    assert!(!has(&without, DELETED) && !has(&without, "PRIVATE KEY"));
    let (_, found) = leaks(&without);
    assert!(found.iter().all(|one| one.1 == "warning" && !one.2.contains("free space")), "{found:?}");
    assert_eq!(
        fs::read(with.folder.join("tree.txt")).unwrap(),
        fs::read(without.folder.join("tree.txt")).unwrap()
    );
    for bundle in [&with, &without] {
        let root = bundle.partition("ext4");
        let target = format!("{}?offset={}", bundle.image().display(), root.start);
        oracle::must("e2fsck", &["-fn", &target]);
    }
    // The same again gives the same.
    let again = kept(folder.path(), &image, "again", "[disk]\nerase-free-space = true\n");
    assert_eq!(again.digest(), without.digest());
}
