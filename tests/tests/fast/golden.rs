//! Golden images: a digest of each image, and a readable dump, whose diff shows a change. A commit that changes one
//! says what changed; `UPDATE_GOLDEN=1 cargo test -p amiforge-tests --test fast golden` rewrites them.

use std::fmt::Write as _;
use std::path::Path;

use amiforge_tests::archive;
use amiforge_tests::program::{self, Bundle};
use amiforge_tests::{scratch, text};

const RECIPE: &str = r#"
[image]
name = "golden"
version = "1"
arch = "ARCH"
epoch = 4_100_000_000

[disk]
size = SIZE

[[source]]
kind = "tar"
path = "root.tar"

[[file]]
path = "/etc/motd"
content = "golden\n"

[[user]]
name = "admin"
authorized-keys = ["ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ0k admin"]

[system]
hostname = "golden"
"#;

/// Builds the image and returns the text to compare: the digests, then the disk and its trees.
fn dump(folder: &Path, arch: &str, size: &str) -> String {
    std::fs::write(folder.join("root.tar"), archive::one_of_everything()).unwrap();
    let recipe = folder.join("recipe.toml");
    std::fs::write(&recipe, text::replace(&text::replace(RECIPE, "ARCH", arch), "SIZE", size)).unwrap();
    let out = folder.join("out");
    let bundle = Bundle::build(&recipe, &out);
    let mut dump = format!("{}  disk.raw\n", bundle.digest());
    for key in ["disk", "partitions"] {
        let text = serde_json::to_string_pretty(&bundle.manifest[key]).unwrap();
        writeln!(dump, "{key} = {text}").unwrap();
    }
    dump.push_str(&std::fs::read_to_string(out.join("tree.txt")).unwrap());
    std::fs::remove_dir_all(&out).unwrap();
    dump
}

fn compare(name: &str, arch: &str, size: &str) {
    let folder = scratch::folder();
    let ours = dump(folder.path(), arch, size);
    let path = scratch::repository().join("fixtures/golden").join(name);
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(&path, &ours).unwrap();
    }
    let golden = std::fs::read_to_string(&path).unwrap_or_default();
    let first = golden.lines().zip(ours.lines()).find(|(a, b)| a != b);
    assert!(golden == ours, "{name} moved; the first line that differs (golden, now): {first:#?}");
}

#[test]
fn an_image_of_everything_has_the_golden_bytes() {
    program::path();
    compare("x86_64-minimal.txt", "x86_64", "\"minimal\"");
}

#[test]
fn an_image_for_arm_has_the_golden_bytes() {
    compare("aarch64-2gib.txt", "aarch64", "2");
}
